"""Cells before and after, for people: what changed stands out, what cannot be seen is written as an escape.

Every message goes through `visible`, so Rich is imported for cells only.
"""

import re
import unicodedata
from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.text import Text

MISSING = "(missing)"
BLANK = "␣"
"""A blank that was put in or taken out."""

BEFORE, AFTER, NOTHING, ASIDE = "red", "bold green", "italic yellow", "dim"
"""Styles: what was, what came of it, what is missing, and what only goes along."""

MOST_COMPARED = 2_000
"""Code points between the first and the last difference, beyond which they count as one."""

Span = tuple[int, int]


def marked(before: str | None, after: str | None, room: int, quote: bool = True) -> "tuple[Text, Text]":
    """Return a cell before and after, each in at most about so many columns, around the first difference.

    With `quote` white space at the ends of a cell is made visible by quotes.
    """
    old, new = before or "", after or ""
    pairs = [] if before is None or after is None else differences(old, new)
    hidden = _look_alikes(old, new, pairs)
    spans = zip(*pairs, strict=True) if pairs else ((), ())
    sides = zip((before, after), spans, (BEFORE, AFTER), strict=True)
    old_side, new_side = (_side(text, found, style, room, hidden, quote) for text, found, style in sides)
    return old_side, new_side


def plain(value: str | None, room: int, style: str = "") -> "Text":
    """Return a cell that did not change."""
    return _side(value, [], style, room)


def visible(text: str, hidden: str = "") -> str:
    """Return a text with escapes for what would not be seen, and for the characters in `hidden`."""
    return "".join(_escaped(c) if c in hidden or not _is_seen(c) else c for c in text)


def differences(old: str, new: str) -> list[tuple[Span, Span]]:
    """Where two texts differ: stretches of the one and of the other. Figures, and texts little alike, do as a whole."""
    start = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    most = min(len(old), len(new)) - start
    end = next((i for i in range(most) if old[-1 - i] != new[-1 - i]), most)
    stop_old, stop_new = len(old) - end, len(new) - end
    whole = [((0, len(old)), (0, len(new)))]
    if _is_figure(old) and _is_figure(new):
        return whole
    if max(stop_old, stop_new) - start > MOST_COMPARED:
        return [((start, stop_old), (start, stop_new))]
    matcher = SequenceMatcher(None, old[start:stop_old], new[start:stop_new], autojunk=False)
    same = start + end + sum(block.size for block in matcher.get_matching_blocks())
    if 2 * same < min(len(old), len(new)):
        return whole
    codes = matcher.get_opcodes()
    return [((start + a, start + b), (start + c, start + d)) for tag, a, b, c, d in codes if tag != "equal"]


def _side(
    value: str | None, spans: Sequence[Span], style: str, room: int, hidden: str = "", quote: bool = True
) -> "Text":
    from rich.cells import cell_len
    from rich.text import Text

    if value is None:
        return Text(MISSING, "dim italic" if style == ASIDE else NOTHING)
    first = spans[0][0] if spans else 0
    start = stop = max(0, min(first - room // 3, len(value) - room))
    shown = Text()
    for char in value[start : start + room]:
        span = next((span for span in spans if span[0] <= stop < span[1]), None)
        blank = span is not None and not value[slice(*span)].strip(" ")
        piece = BLANK if blank else visible(char, hidden if span else "")
        if shown.cell_len + cell_len(piece) > room:
            break
        shown.append(piece, style if span or not spans else "")
        stop += 1
    dots = Text("…", ASIDE)
    shown = Text.assemble(dots if start else "", shown, dots if stop < len(value) else "")
    quoted = quote and re.search(r"^\s|\s$|\s\s|^$", value) is not None
    return Text.assemble(('"', ASIDE), shown, ('"', ASIDE)) if quoted else shown


def _is_figure(text: str) -> bool:
    """Whether a text is a number, or a date or time in figures."""
    return re.fullmatch(r"[-+]?[0-9][-0-9.,:/ TZeE+]*", text) is not None


def _look_alikes(old: str, new: str, pairs: Sequence[tuple[Span, Span]]) -> str:
    """Characters that took the place of one of another script, or that made way for one: they may look the same."""
    found = set()
    for (a, b), (c, d) in pairs:
        if b - a == d - c:
            both = zip(old[a:b], new[c:d], strict=True)
            found |= {char for x, y in both if _script(x) != _script(y) for char in (x, y) if not char.isascii()}
        if unicodedata.normalize("NFC", old[a:b]) == unicodedata.normalize("NFC", new[c:d]):
            found |= {char for char in old[a:b] + new[c:d] if not char.isascii()}
    return "".join(found)


def _script(char: str) -> str:
    return unicodedata.name(char, "").partition(" ")[0] if char.isalpha() else ""


def _is_seen(char: str) -> bool:
    """Whether a character is seen for what it is: combining marks are, but for those that stand for joining."""
    return char == " " or unicodedata.category(char)[0] not in "CZ"


def _escaped(char: str) -> str:
    known = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}
    point = ord(char)
    width, letter = (2, "x") if point < 0x100 else (4, "u") if point < 0x10000 else (8, "U")
    return known.get(char) or f"\\{letter}{point:0{width}x}"
