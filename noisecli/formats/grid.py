"""The cells of some whole rows: their places in the bytes, what they say, and how new ones are written."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from noisecli.celltext import are_valid, holds, to_mask
from noisecli.columns import to_text
from noisecli.errors import DataProblem
from noisecli.formats.cells import QUOTE, RETURN, Bytes, Cuts, blanks
from noisecli.splice import Offsets, slices, string_buffers
from noisecli.streams import Mask


@dataclass(frozen=True)
class Layout:
    """How the rows of one file are laid out."""

    name: str
    """What faults call the file."""
    delimiter: str
    width: int
    """Cells of a row."""
    nulls: tuple[str, ...]
    """Spellings of a missing cell, unless it is quoted."""
    skip_errors: bool
    """Whether rows of another width are carried."""

    @property
    def blanks(self) -> str:
        """What may pad a cell that is not quoted."""
        return blanks(self.delimiter)

    def null(self, common: str) -> str:
        """Choose how a new gap is spelt: as most gaps of its column, if only it reads back as one."""
        # An empty line would be no row at all to those who read a single column.
        if common in self.nulls and (common or self.width > 1):
            return common
        plain = [null for null in self.nulls if null and not set(null) & {self.delimiter, *'"\r\n'}]
        return plain[0] if plain else "NA" if self.width == 1 else ""


class Grid:
    """The cells of some whole rows, as places in their bytes."""

    def __init__(self, data: bytes, cuts: Cuts, layout: Layout, first_row: int) -> None:
        self.data = pa.py_buffer(data)
        self._bytes: Bytes = np.frombuffer(data, np.uint8)
        self._layout = layout
        self._ends: Offsets = cuts.ends.astype(np.int64, copy=False)
        self._closing = cuts.closing
        self._ascii = data.isascii()
        self._returns = b"\r" in data
        self._bare = not cuts.quotes and not any(blank in data for blank in map(str.encode, layout.blanks))
        self._last = np.flatnonzero(cuts.newline)
        self.rows = len(self._last)
        widths = cuts.widths()
        misfits = widths != layout.width
        self.misfits: Mask | None = misfits if misfits.any() else None
        self._first = self._last - widths + 1
        if self.misfits is not None and not layout.skip_errors:
            row = int(np.argmax(misfits))
            raise DataProblem(
                f"{layout.name}: row {first_row + row + 1} has {widths[row]} cells, the header {layout.width}: "
                "mend or remove it, or carry such rows with `on_error: skip`"
            )

    def bounds(self, rows: NDArray[np.int64], columns: NDArray[np.int64] | int) -> tuple[Offsets, Offsets]:
        """First byte and end of cells, quotes and padding included, line ends not; empty in rows that misfit."""
        cell = self._first[rows] + columns
        if self.misfits is not None:
            cell = np.where(self.misfits[rows], self._first[rows], cell)
        stops = self._ends[cell]
        starts = np.where(cell == 0, 0, self._ends[cell - 1] + 1)
        if self.misfits is not None:
            stops = np.where(self.misfits[rows], starts, stops)
        if not self._returns:
            return starts, stops
        last = (np.asarray(columns) == self._layout.width - 1) & (stops > starts)
        return starts, stops - (last & (self._bytes[np.maximum(stops - 1, 0)] == RETURN))

    def column(self, column: int) -> tuple[Offsets, Offsets]:
        """First byte and end of all cells of a column, as `bounds` has them."""
        last = column == self._layout.width - 1
        if self.misfits is not None or (last and self._returns):
            return self.bounds(np.arange(self.rows), column)
        ends = self._ends.reshape(self.rows, self._layout.width)
        starts = ends[:, column - 1] + 1 if column else self.row_bounds()[:-1]
        return starts, np.ascontiguousarray(ends[:, column])

    def row_bounds(self) -> Offsets:
        """Where rows start, and where the last one ends; line ends belong to their row."""
        return np.concatenate([[0], self._ends[self._last] + 1])

    def trim(self, starts: Offsets, stops: Offsets) -> tuple[Offsets, Offsets, Mask]:
        """Take quotes or padding off cells; also say which of them are quoted."""
        if self._bare:
            return starts, stops, np.zeros(len(starts), bool)
        first, last = (self._bytes[np.clip(at, 0, len(self._bytes) - 1)] for at in (starts, stops - 1))
        quoted: Mask = (stops - starts >= 2) & (first == QUOTE) & (last == QUOTE)
        if self._closing is not None:
            quoted &= np.isin(stops - 1, self._closing)
        blank = self._is_blank
        padded = ~quoted & (stops > starts) & (blank[first] | blank[last])
        starts, stops = starts + quoted, stops - quoted
        if padded.any():
            ink, old = self._ink, stops[padded]
            starts[padded] = np.minimum(ink[np.searchsorted(ink, starts[padded])], old)
            stops[padded] = np.clip(ink[np.searchsorted(ink, old) - 1] + 1, starts[padded], old)
        return starts, stops, quoted

    @cached_property
    def _is_blank(self) -> Mask:
        """By byte, whether it may pad a cell."""
        blank = np.zeros(256, bool)
        blank[list(self._layout.blanks.encode())] = True
        return blank

    @cached_property
    def _ink(self) -> Offsets:
        """Places of all bytes that are not blank."""
        return np.flatnonzero(~self._is_blank[self._bytes]).astype(np.int64)

    def cells(self, column: int, name: str) -> tuple[pa.Array, dict[str, int]]:
        """Cells of a column as text without quotes, null where missing; and how missing cells are spelt."""
        starts, stops, quoted = self.trim(*self.column(column))
        cells = slices(self.data, starts, stops)
        try:
            cells = cells.view(pa.string()) if self._ascii else cells.cast(pa.string())
        except pa.ArrowInvalid:
            raise DataProblem(
                f"{self._layout.name}: column {name!r} is not UTF-8 text: name the file's encoding, as in "
                "`data: {encoding: latin-1}`"
            ) from None
        missing = ~quoted & _among(cells, self._layout.nulls)
        if self.misfits is not None:
            missing &= ~self.misfits
        spellings = {}
        if missing.any():
            counts = pc.value_counts(cells.filter(pa.array(missing)))
            spellings = dict(zip(counts.field("values").to_pylist(), counts.field("counts").to_pylist(), strict=True))
        void = missing if self.misfits is None else missing | self.misfits
        if void.any():
            valid = pa.py_buffer(np.packbits(~void, bitorder="little"))
            cells = pa.Array.from_buffers(pa.string(), len(cells), [valid, *cells.buffers()[1:]])
        if quoted.any():
            doubled = quoted & to_mask(pc.match_substring(cells, '""'))
            if doubled.any():
                single = pc.replace_substring(cells.filter(pa.array(doubled)), '""', '"')
                cells = pc.replace_with_mask(cells, pa.array(doubled), single)
        return cells, spellings

    def write(self, cells: pa.Array, starts: Offsets, stops: Offsets, null: str) -> tuple[pa.Array, Offsets, Offsets]:
        """Say what to write for new cells, and over which bytes: padding is kept around a text without quotes."""
        inner_starts, inner_stops, is_quoted = self.trim(starts, stops)
        valid = are_valid(cells)
        needs = (is_quoted | needs_quotes(cells, self._layout)) & valid
        cells = _wrapped(cells, needs)
        if not self._bare:
            whole = needs | ~valid
            inner_starts, inner_stops = np.where(whole, starts, inner_starts), np.where(whole, stops, inner_stops)
        return cells if valid.all() else pc.fill_null(cells, null), inner_starts, inner_stops

    def more(self, columns: Sequence[pa.Array]) -> pa.Array:
        """Say what to write at the end of rows for the cells of some more columns, delimiters included."""
        wider = replace(self._layout, width=self._layout.width + len(columns))
        texts = [pc.fill_null(quoted(to_text(cells), wider), wider.null("")) for cells in columns]
        return pc.binary_join_element_wise("", *texts, self._layout.delimiter)


def quoted(cells: pa.Array, layout: Layout) -> pa.Array:
    """Texts with quotes around those that need them."""
    return _wrapped(cells, needs_quotes(cells, layout) & are_valid(cells))


def _wrapped(cells: pa.Array, needs: Mask) -> pa.Array:
    """Texts with quotes around some."""
    if not needs.any():
        return cells
    escaped = pc.replace_substring(cells.filter(pa.array(needs)), '"', '""')
    return pc.replace_with_mask(cells, pa.array(needs), pc.binary_join_element_wise('"', escaped, '"', ""))


def _among(cells: pa.Array, texts: Sequence[str]) -> Mask:
    """Which cells are one of some texts; only those that are as short are looked up."""
    longest = max((len(text.encode()) for text in texts), default=0)
    is_short = np.diff(string_buffers(cells)[1]) <= longest
    found = np.zeros(len(cells), bool)
    if is_short.any():
        short = np.flatnonzero(is_short)
        found[short] = to_mask(pc.is_in(cells.take(pa.array(short)), pa.array(texts, pa.string())))
    return found


def needs_quotes(cells: pa.Array, layout: Layout) -> Mask:
    """Which texts would be read as something else without quotes."""
    needs = _among(cells, layout.nulls)
    special = f'"{layout.delimiter}\r\n'
    if holds(cells, special.encode()):
        needs |= to_mask(pc.match_substring_regex(cells, f"[{special}]"))
    if holds(cells, layout.blanks.encode()):
        needs |= to_mask(pc.match_substring_regex(cells, f"^[{layout.blanks}]|[{layout.blanks}]$"))
    return needs


def unquote(text: str, delimiter: str) -> str:
    """Take quotes or padding off one cell."""
    if len(text) >= 2 and text.startswith('"') and text.endswith('"') and '"' not in text[1:-1].replace('""', ""):
        return text[1:-1].replace('""', '"')
    return text.strip(blanks(delimiter))


def unique_names(names: Sequence[str], source: str) -> list[str]:
    """Name columns; those whose name is empty or not unique go by position, as `#3`."""
    counts = Counter(names)
    unique = [name if name and counts[name] == 1 else f"#{i}" for i, name in enumerate(names, 1)]
    if len(set(unique)) < len(unique):
        raise DataProblem(f"{source}: a column bears a name like '#3', which stands for a position: rename it")
    return unique
