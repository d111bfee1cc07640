"""The objects on some whole lines of JSON: where their values lie, what they say, and how new ones are written."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from noisecli.celltext import matches, to_mask
from noisecli.columns import NUMBER, Column, Kind, kind_of, to_text
from noisecli.engine import Struck
from noisecli.errors import DataProblem
from noisecli.formats.tokens import BLANKS, Places, Tokens
from noisecli.splice import Offsets, slices, splice, splice_rows
from noisecli.streams import Mask

STRING, NUMERIC, FLAG, NESTED, NULL = range(5)
"""The types that JSON itself gives to values."""

FIRST = {STRING: b'"', NUMERIC: b"-0123456789I", FLAG: b"tf", NESTED: b"{[", NULL: b"nN"}
"""What values begin with. NaN and Infinity are no JSON, but Python writes them; NaN is a missing cell."""

SORTS = np.array([next((sort for sort in FIRST if byte in FIRST[sort]), NULL) for byte in range(256)], np.uint8)
"""By first byte, the type of a value."""

KINDS = {STRING: Kind.TEXT, NUMERIC: Kind.FLOAT, FLAG: Kind.BOOL, NESTED: Kind.OTHER}

IS_BLANK: Mask = np.isin(np.arange(256), list(BLANKS))

BARE = r"^(-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?|true|false)$"
"""What is written without quotes."""

SPECIAL_NUMBERS = {"NaN": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
"""What is no number, and how Python writes that where JSON has no word for it."""

SPECIAL = r'["\\\x00-\x1f]'
"""What has to be escaped in a string."""


@dataclass(frozen=True)
class Values:
    """The values of one column, where rows have one: bytes from `starts` to `stops`, quotes included."""

    rows: Places
    starts: Places
    stops: Places
    sorts: NDArray[np.uint8]


class Objects:
    """The objects of some whole lines, one a row; blank lines belong to the row that follows them."""

    def __init__(self, data: bytes, name: str, first_row: int, skip_errors: bool) -> None:
        self.data = pa.py_buffer(data)
        self._bytes: NDArray[np.uint8] = np.frombuffer(data, np.uint8)
        lines = _lines(data)
        self._tokens = Tokens(data, np.fromiter(map(bool, lines), bool, len(lines)))
        lines = list(filter(None, lines))
        self.rows = len(lines)
        bad = _sizes(lines, self._tokens.broken) != self._tokens.count()
        self.misfits: Mask | None = bad if bad.any() else None
        if self.misfits is not None and not skip_errors:
            row = int(np.argmax(bad))
            raise DataProblem(
                f"{name}: row {first_row + row + 1} {_fault(lines[row])}: mend or remove it, or carry such rows with "
                "`on_error: skip`"
            )
        self._members = self._tokens.members(bad)

    @cached_property
    def _keys(self) -> pa.Array:
        """The keys of all members, as written in the file."""
        return slices(self.data, self._members.key_starts, self._members.key_stops).dictionary_encode()

    @cached_property
    def _names(self) -> list[str]:
        """What those keys mean that are written differently."""
        return _decode(self._keys.dictionary.cast(pa.string()).to_pylist())

    def cells(self, name: str) -> tuple[pa.Array, frozenset[Kind], Mask]:
        """Cells of a column as text, null where a row has none; the kinds that JSON gives to them; rows without any."""
        values = self._values(name)
        quoted = values.sorts == STRING
        texts = slices(self.data, values.starts + quoted, values.stops - quoted).cast(pa.string())
        if self._tokens.escapes:
            escaped = quoted & to_mask(pc.match_substring(texts, "\\"))
            if escaped.any():
                plain = pa.array(_decode(texts.filter(pa.array(escaped)).to_pylist()), pa.string())
                texts = pc.replace_with_mask(texts, pa.array(escaped), plain)
        there = values.sorts != NULL
        places = np.full(self.rows, -1)
        places[values.rows[there]] = np.flatnonzero(there)
        if len(texts) < self.rows or not there.all():
            texts = texts.take(pa.array(places, mask=places < 0))
        found = np.flatnonzero(np.bincount(values.sorts[there], minlength=len(FIRST)))
        absent = np.ones(self.rows, bool)
        absent[values.rows] = False
        return texts, frozenset(KINDS[sort] for sort in found.tolist()), absent

    def splice(self, struck: Struck, columns: Mapping[str, Column], added: Sequence[str] = ()) -> pa.Buffer:
        """Put the rows in their new order, write new values over those that changed, and add members at the end."""
        order = np.arange(self.rows) if struck.order is None else struck.order
        spans, texts = [np.zeros((3, 0), np.int64)], [pa.array([], pa.string())]
        for name, cells in struck.cells.items():
            if name in added:
                continue
            places = np.flatnonzero(struck.changed[name])
            among = np.zeros(self.rows, bool)
            among[order[places]] = True
            old = self._values(name, among)
            value_of = np.full(self.rows, -1)
            value_of[old.rows] = np.arange(len(old.rows))
            places = places[value_of[order[places]] >= 0]  # nothing is put in where there is no key
            which = value_of[order[places]]
            spans.append(np.stack([places, old.starts[which], old.stops[which]]))
            texts.append(_write(cells.take(pa.array(places)), old.sorts[which], columns[name].kind))
        if added:
            places = np.arange(len(order)) if self.misfits is None else np.flatnonzero(~self.misfits[order])
            spans.append(np.stack([places, *[self._tails[order[places]]] * 2]))
            texts.append(self._more(order[places], {name: struck.cells[name].take(pa.array(places)) for name in added}))
        rows, starts, stops = np.concatenate(spans, axis=1)
        by_place = np.lexsort([starts, rows])
        rows, starts, stops = rows[by_place], starts[by_place], stops[by_place]
        replacements = pa.concat_arrays(texts).take(pa.array(by_place))
        if struck.order is None:
            return splice(self.data, starts, stops, replacements)
        bounds = np.append(0, self._tokens.ends + 1)
        return splice_rows(self.data, starts, stops, replacements, rows, bounds, order)

    @cached_property
    def _tails(self) -> Places:
        """Where the last value of each object ends, or an empty one begins; anywhere in rows that are no objects."""
        braces = np.searchsorted(self._ink, self._tokens.ends) - 1
        return np.asarray(self._ink[np.maximum(braces - 1, 0)] + 1)

    def _more(self, rows: Places, columns: Mapping[str, pa.Array]) -> pa.Array:
        """Say what to write for new members of some objects, spaced as the object's own members are."""
        members = self._members
        firsts = np.searchsorted(members.rows, rows)
        counts = np.searchsorted(members.rows, rows, side="right") - firsts
        first, second = (np.minimum(firsts + i, max(len(members.rows) - 1, 0)) for i in (0, 1))
        spaced = np.ones(len(rows), bool)
        apart = spaced
        if len(members.rows):
            spaced = np.where(counts > 0, IS_BLANK[self._bytes[members.starts[first]]], spaced)
            apart = np.where(counts > 1, IS_BLANK[self._bytes[members.key_starts[second] - 2]], spaced)
        colons = pa.array(np.where(spaced, ": ", ":"), pa.string())
        commas = pa.array(np.where(apart, ", ", ","), pa.string())
        pieces: list[Any] = [pc.if_else(pa.array(counts > 0), commas, pa.scalar(""))]
        for i, (name, cells) in enumerate(columns.items()):
            pieces += [commas] * (i > 0) + [orjson.dumps(name).decode(), colons, _spell(cells)]
        return pc.binary_join_element_wise(*pieces, "")

    def _values(self, name: str, among: Mask | None = None) -> Values:
        """The values of a column, in all rows that have one or some of them."""
        is_it = np.array([known == name for known in self._names], bool)
        which = is_it[self._keys.indices.to_numpy(zero_copy_only=False)]
        if among is not None:
            which &= among[self._members.rows]
        starts, stops = self._trim(self._members.starts[which], self._members.stops[which])
        return Values(self._members.rows[which], starts, stops, SORTS[self._bytes[starts]])

    def _trim(self, starts: Places, stops: Places) -> tuple[Places, Places]:
        """Leave out the blanks around values."""
        starts = starts + IS_BLANK[self._bytes[starts]]
        stops = stops - IS_BLANK[self._bytes[stops - 1]]
        if (IS_BLANK[self._bytes[starts]] | IS_BLANK[self._bytes[stops - 1]]).any():
            starts = self._ink[np.searchsorted(self._ink, starts)]
            stops = self._ink[np.searchsorted(self._ink, stops) - 1] + 1
        return starts, stops

    @cached_property
    def _ink(self) -> Places:
        """Places of all bytes that are not blank."""
        return np.flatnonzero(~IS_BLANK[self._bytes]).astype(np.int64, copy=False)


def keys(data: bytes) -> dict[str, None]:
    """Find the keys of the objects on some lines, in order of first appearance; other lines are passed over."""
    found = _load(list(filter(None, _lines(data))))
    return dict.fromkeys(chain.from_iterable(row for row in found if isinstance(row, dict)))


def row_ends(data: bytes) -> Offsets:
    """Find where rows end: blank lines belong to the row that follows them."""
    lines = _lines(data)
    ends = np.flatnonzero(np.frombuffer(data, np.uint8) == ord("\n")) + 1
    return np.asarray(ends[np.fromiter(map(bool, lines), bool, len(lines))], np.int64)


def _lines(data: bytes) -> list[bytes]:
    """The lines without the blanks around what they say."""
    return [line.strip(BLANKS) for line in data.split(b"\n")[:-1]]


def _sizes(lines: Sequence[bytes], broken: Mask) -> Places:
    """Count the different keys of the object on each line; -1 where there is no object alone."""
    sizes = np.full(len(lines), -1, np.int64)
    whole = [line for line, bad in zip(lines, broken.tolist(), strict=True) if not bad] if broken.any() else lines
    # Strings and brackets end on their line, so there are as many values as lines only if there is one on each.
    sizes[~broken] = [len(row) if isinstance(row, dict) else -1 for row in _load(whole)]
    return sizes


def _load(lines: Sequence[bytes]) -> list[object]:
    """What each line says; None where it is not JSON."""
    try:
        found: list[object] = orjson.loads(b"[" + b",".join(lines) + b"]")
    except orjson.JSONDecodeError:
        found = []
    return found if len(found) == len(lines) else [_parse(line) for line in lines]


def _parse(line: bytes) -> object:
    """What a line says; None where it is not JSON. NaN, Infinity and numbers of any size pass."""
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        pass
    try:
        found: object = json.loads(line.decode())
        json.dumps(found, ensure_ascii=False).encode()  # half of a surrogate pair is no text
    except (ValueError, RecursionError):
        return None
    return found


def _fault(line: bytes) -> str:
    try:
        found = json.loads(line.decode())
    except UnicodeDecodeError:
        return "is not UTF-8 text"
    except (ValueError, RecursionError):
        return "is no JSON object on one line"
    if not isinstance(found, dict):
        return "is valid JSON, but no object"
    return "has a key twice" if _parse(line) is not None else "holds half of a surrogate pair, which is no text"


def _decode(strings: Sequence[str]) -> list[str]:
    """Take the escapes out of JSON strings without their quotes."""
    decoded: list[str] = orjson.loads("[" + ",".join(f'"{string}"' for string in strings) + "]")
    return decoded


def _write(cells: pa.Array, old: NDArray[np.uint8], kind: Kind) -> pa.Array:
    """Spell new cells: null, a number or flag bare where the old value was bare too, all else as strings."""
    takes_bare = (old == NUMERIC) | (old == FLAG)
    if kind in NUMBER | {Kind.BOOL}:
        takes_bare |= old == NULL
    bare = takes_bare & matches(cells, BARE)
    if kind is Kind.FLOAT:
        odd = takes_bare & to_mask(pc.is_in(cells, pa.array(SPECIAL_NUMBERS)))
        if odd.any():
            words = [SPECIAL_NUMBERS[text] for text in cells.filter(pa.array(odd)).to_pylist()]
            cells = pc.replace_with_mask(cells, pa.array(odd), pa.array(words, pa.string()))
            bare |= odd
    if (old == NESTED).any():  # a value from another row of a nested column
        bare |= (old == NESTED) & np.array([_is_json(cell) for cell in cells.to_pylist()])
    quoted = to_mask(pc.is_valid(cells)) & ~bare
    if quoted.any():
        cells = pc.replace_with_mask(cells, pa.array(quoted), _quote(cells.filter(pa.array(quoted))))
    return pc.fill_null(cells, "null")


def _spell(cells: pa.Array) -> pa.Array:
    """Spell cells that have a type: numbers and flags bare, null where JSON has no word for a number."""
    texts = to_text(cells)
    if kind_of(cells.type) not in NUMBER | {Kind.BOOL}:
        return pc.fill_null(_quote(texts), "null")
    return pc.if_else(pc.match_substring_regex(texts, BARE), texts, pa.scalar(None, pa.string())).fill_null("null")


def _is_json(text: str | None) -> bool:
    return text is not None and _parse(text.encode()) is not None


def _quote(texts: pa.Array) -> pa.Array:
    """Write texts as JSON strings."""
    strings = pc.binary_join_element_wise('"', texts, '"', "")
    special = matches(texts, SPECIAL)
    if special.any():
        escaped = [orjson.dumps(text).decode() for text in texts.filter(pa.array(special)).to_pylist()]
        strings = pc.replace_with_mask(strings, pa.array(special), pa.array(escaped, pa.string()))
    return strings
