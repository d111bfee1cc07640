"""What differs between two texts, marked character by character."""

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher

from noisecli.compare.model import TextExample
from noisecli.report.words import is_unseen

LONGEST = 600
"""Of longer texts only so many characters are compared, from shortly before the first that differs."""

AROUND = 40
"""How many equal characters stay before and after an edit."""


@dataclass(frozen=True)
class Run:
    """A stretch of a text: as it was, or edited."""

    text: str
    edited: bool = False
    unseen: bool = False
    """Whether the text is the name of a character that shows nothing, `U+200B`."""


@dataclass(frozen=True)
class Marked:
    """A text example whose edits are marked; None: the cell is missing."""

    example: TextExample
    before: tuple[Run, ...] | None
    after: tuple[Run, ...] | None


def marked(example: TextExample) -> Marked:
    """Mark what was deleted from the text before, and what was inserted into the text after."""
    before, after = example.before, example.after
    if before is None or after is None:
        # A whole cell that came or went is named, not struck out character by character.
        whole = [None if text is None else tuple(_runs(_cut(text, True, True), True)) for text in (before, after)]
        return Marked(example, *whole)
    least = min(len(before), len(after))
    first = next((i for i in range(least) if before[i] != after[i]), least)
    start = max(0, first - 3 * AROUND - 1)
    before, after = (text[start : start + LONGEST] for text in (before, after))
    codes = SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    old = [(before[i:j], tag != "equal") for tag, i, j, _, _ in codes if i < j]
    new = [(after[i:j], tag != "equal") for tag, _, _, i, j in codes if i < j]
    return Marked(example, _shown(old), _shown(new))


def _shown(pieces: list[tuple[str, bool]]) -> tuple[Run, ...]:
    last = len(pieces) - 1
    cut = [
        (_cut(text, i == 0 and not edited, i == last and not edited), edited) for i, (text, edited) in enumerate(pieces)
    ]
    return tuple(run for text, edited in cut for run in _runs(text, edited))


def _cut(text: str, first: bool, last: bool) -> str:
    """Leave out the middle of a long piece, or its far end where no edit is beyond."""
    if len(text) <= 3 * AROUND:
        return text
    if first and last:
        return text[: 3 * AROUND] + "…"
    head = "" if first else text[:AROUND]
    tail = "" if last else text[-AROUND:]
    return f"{head}…{tail}"


def _runs(text: str, edited: bool) -> Iterator[Run]:
    """Give characters that show nothing by their names."""
    seen = ""
    for character in text:
        if is_unseen(character) and character != "\n":
            if seen:
                yield Run(seen, edited)
            yield Run(f"U+{ord(character):04X}", edited, unseen=True)
            seen = ""
        else:
            seen += character
    if seen:
        yield Run(seen, edited)
