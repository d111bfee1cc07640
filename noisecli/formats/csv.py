"""CSV by splicing: cells are found in the bytes, struck cells are replaced, every other byte is carried.

Comma-separated UTF-8 with a header. Cells may be quoted and then hold commas, doubled quotes and newlines; lines end
in LF or CRLF, the last one perhaps in nothing.
"""

import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from noisecli.celltext import NULLS, holds, to_mask
from noisecli.columns import Column
from noisecli.engine import Index, Slab, Struck
from noisecli.errors import DataProblem
from noisecli.formats import FOUND_OUT, Part, Reading, Transform, Written
from noisecli.splice import Offsets, slices, splice, string_buffers
from noisecli.streams import Mask

SLAB_BYTES = 2 << 20
"""How much is read at once; a slab ends at the end of a row."""

MAX_ROW_BYTES = 64 << 20

COMMA, NEWLINE, RETURN, QUOTE = b',\n\r"'
BOM = b"\xef\xbb\xbf"

Bytes = NDArray[np.uint8]


class CsvFile:
    """One CSV file; `name` is what faults call it."""

    splits = True
    as_text = True

    def __init__(self, path: Path, name: str, reading: Reading = FOUND_OUT) -> None:
        self._path = path
        self._name = name
        self._reading = reading

    def fields(self) -> Mapping[str, pa.DataType]:
        return dict.fromkeys(self._names, pa.string())

    def scan(self, columns: Sequence[str]) -> Iterator[tuple[Part, Slab]]:
        first_row, start = 0, len(self._header)
        for grid in self._row_runs():
            stop = min(start + grid.data.size, self._end)
            part = Part(first_row, grid.rows, start, stop)
            yield part, self._slab(grid, part, columns)
            first_row, start = first_row + grid.rows, stop
        if first_row == 0:
            raise DataProblem(f"{self._name}: has a header but no rows")

    def write(self, parts: Sequence[Part], columns: Mapping[str, Column], transform: Transform, sink: Path) -> Written:
        rows, changed = 0, False
        with self._path.open("rb") as source, sink.open("wb") as target:
            for part in parts:
                source.seek(part.start)
                data = source.read(part.stop - part.start)
                unended = part.stop == self._end and not data.endswith(b"\n")
                data += self._line_end * unended
                ends = _cell_ends(np.frombuffer(data, np.uint8), self._name, part.first_row)
                grid = _Grid(data, *ends, len(self._names), self._name, part.first_row)
                struck = transform(self._slab(grid, part, list(columns)))
                written = self._splice(grid, columns, struck)
                target.write(memoryview(written)[: written.size - len(self._line_end) * unended])
                rows += grid.rows if struck.order is None else len(struck.order)
                changed |= bool(struck.cells) or struck.order is not None
        return Written(rows, changed, None)

    def assemble(self, sinks: Sequence[Path], target: Path) -> str | None:
        with target.open("wb") as whole:
            whole.write(self._header)
            for sink in sinks:
                with sink.open("rb") as part:
                    shutil.copyfileobj(part, whole, 1 << 20)
                sink.unlink()
            with self._path.open("rb") as source:
                source.seek(self._end)
                shutil.copyfileobj(source, whole)
        return None

    @cached_property
    def _header(self) -> bytes:
        """The bytes of the first row, its line end included."""
        with self._path.open("rb") as file:
            head = file.read(SLAB_BYTES)
        if not head.strip(BOM + b"\r\n"):
            raise DataProblem(f"{self._name}: empty")
        if b"\0" in head[:4096]:
            raise DataProblem(f"{self._name}: not a UTF-8 text file (it holds NUL bytes)")
        ends, newline = _cell_ends(np.frombuffer(head, np.uint8), self._name, -1)
        if not newline.any():
            if head.count(b'"') % 2:
                raise DataProblem(f"{self._name}: the header opens a quote that never ends")
            raise DataProblem(f"{self._name}: has a header but no rows")
        return head[: int(ends[newline][0]) + 1]

    @cached_property
    def _line_end(self) -> bytes:
        return b"\r\n" if self._header.endswith(b"\r\n") else b"\n"

    @cached_property
    def _names(self) -> list[str]:
        """Column names; those that are empty or not unique go by position, as `#3`."""
        header = self._header.removeprefix(BOM).rstrip(b"\r\n") + b"\n"
        ends, _ = _cell_ends(np.frombuffer(header, np.uint8), self._name, -1)
        starts = np.concatenate([[0], ends[:-1] + 1])
        try:
            names = [_unquote(header[a:b].decode("utf-8")) for a, b in zip(starts, ends, strict=True)]
        except UnicodeDecodeError:
            raise DataProblem(f"{self._name}: the header is not UTF-8 text") from None
        if len(names) == 1 and (other := next((mark for mark in ";\t|" if mark in names[0]), None)):
            raise DataProblem(f"{self._name}: looks separated by {other!r}; noisecli reads commas: convert it")
        counts = Counter(names)
        unique = [name if name and counts[name] == 1 else f"#{i}" for i, name in enumerate(names, 1)]
        if len(set(unique)) < len(unique):
            raise DataProblem(f"{self._name}: a column bears a name like '#3', which stands for a position: rename it")
        return unique

    @cached_property
    def _end(self) -> int:
        """Where the last row ends: blank lines after it are carried."""
        size = self._path.stat().st_size
        if len(self._names) == 1:
            return size
        with self._path.open("rb") as file:
            file.seek(max(len(self._header), size - 4096))
            tail = file.read()
        rows = tail.rstrip(b"\r\n")
        if not rows and size - len(tail) == len(self._header):
            return len(self._header)
        blank = tail[len(rows) :]
        line_end = b"\r\n" if blank.startswith(b"\r\n") else blank[:1]
        return size - len(blank) + len(line_end)

    def _row_runs(self) -> Iterator["_Grid"]:
        """Runs of whole rows of about a slab; a missing last line end is added."""
        carried, row = b"", 0
        with self._path.open("rb") as file:
            file.seek(len(self._header))
            left = self._end - len(self._header)
            while left > 0:
                data = carried + file.read(min(SLAB_BYTES, left))
                left = self._end - file.tell()
                if left <= 0 and not data.endswith(b"\n"):
                    data += self._line_end
                ends, newline = _cell_ends(np.frombuffer(data, np.uint8), self._name, row)
                cut = int(ends[newline][-1]) + 1 if newline.any() else 0
                if left <= 0 and cut < len(data):
                    raise DataProblem(f"{self._name}: a quote opened in or after row {row + 1} never ends")
                if len(data) - cut > MAX_ROW_BYTES:
                    raise DataProblem(f"{self._name}: a row after row {row} is over {MAX_ROW_BYTES >> 20} MB")
                if cut:
                    whole = ends < cut
                    yield _Grid(data[:cut], ends[whole], newline[whole], len(self._names), self._name, row)
                    row += int(np.count_nonzero(newline))
                carried = data[cut:]

    def _slab(self, grid: "_Grid", part: Part, columns: Sequence[str]) -> Slab:
        cells, spellings = {}, {}
        for name in columns:
            cells[name], spellings[name] = grid.cells(self._names.index(name), name)
        return Slab(part.first_row, grid.rows, cells, spellings)

    def _splice(self, grid: "_Grid", columns: Mapping[str, Column], struck: Struck) -> pa.Buffer:
        names = [name for name in self._names if name in struck.cells]
        if not names and struck.order is None:
            return grid.data
        changed = (
            np.stack([struck.changed[name] for name in names], axis=1) if names else np.zeros((grid.rows, 0), bool)
        )
        rows, which = np.nonzero(changed)
        texts, places, base = [], np.zeros(len(rows), np.int64), 0
        number = np.array([self._names.index(name) for name in names], np.int64)
        starts, stops = grid.bounds(rows, number[which])
        for i, name in enumerate(names):
            mine = which == i
            new = struck.cells[name].filter(pa.array(changed[:, i]))
            # An empty line would be no row at all to those who read a single column.
            null = columns[name].null or ("NA" if len(self._names) == 1 else "")
            texts.append(_to_csv(new, grid.quoted(starts[mine], stops[mine]), null))
            places[mine] = base + np.arange(len(new))
            base += len(new)
        replacements = pa.concat_arrays(texts).take(pa.array(places)) if texts else pa.array([], pa.string())
        data = splice(grid.data, starts, stops, replacements)
        if struck.order is None:
            return data
        _, offsets = string_buffers(replacements)
        growth = np.zeros(grid.rows, np.int64)
        np.add.at(growth, rows, np.diff(offsets) - (stops - starts))
        return _reorder(data, grid.row_bounds() + np.concatenate([[0], np.cumsum(growth)]), struck.order)


class _Grid:
    """The cells of some whole rows, as places in their bytes."""

    def __init__(
        self, data: bytes, ends: NDArray[np.intp], newline: Mask, width: int, name: str, first_row: int
    ) -> None:
        self.data = pa.py_buffer(data)
        self._bytes: Bytes = np.frombuffer(data, np.uint8)
        self._width = width
        self._name = name
        last = np.flatnonzero(newline)
        self.rows = len(last)
        expected = np.arange(width - 1, width * self.rows, width)
        if len(ends) != width * self.rows or not np.array_equal(last, expected):
            short = np.flatnonzero(np.diff(last, prepend=-1) != width)
            found = int(np.diff(last, prepend=-1)[short[0]])
            raise DataProblem(
                f"{name}: row {first_row + int(short[0]) + 1} has {found} cells, the header {width}: mend or remove it"
            )
        self._ends: Offsets = ends.astype(np.int64)

    def bounds(self, rows: NDArray[np.int64], columns: NDArray[np.int64] | int) -> tuple[Offsets, Offsets]:
        """First byte and end of cells, quotes included, line ends not."""
        cell = rows * self._width + columns
        stops = self._ends[cell]
        starts = np.where(cell == 0, 0, self._ends[cell - 1] + 1)
        returns = (np.asarray(columns) == self._width - 1) & (stops > starts)
        returns = returns & (self._bytes[np.maximum(stops - 1, 0)] == RETURN)
        return starts, stops - returns

    def row_bounds(self) -> Offsets:
        """Where rows start, and where the last one ends; line ends belong to their row."""
        return np.concatenate([[0], self._ends[self._width - 1 :: self._width] + 1])

    def quoted(self, starts: Offsets, stops: Offsets) -> Mask:
        """Which cells are quoted."""
        long = stops - starts >= 2
        first, last = (self._bytes[np.clip(at, 0, len(self._bytes) - 1)] == QUOTE for at in (starts, stops - 1))
        quoted: Mask = long & first & last
        return quoted

    def cells(self, column: int, name: str) -> tuple[pa.Array, dict[str, int]]:
        """Cells of a column as text without quotes, null where missing; and how missing cells are spelt."""
        starts, stops = self.bounds(np.arange(self.rows), column)
        quoted = self.quoted(starts, stops)
        raw = slices(self.data, starts + quoted, stops - quoted)
        try:
            cells = raw.cast(pa.string())
        except pa.ArrowInvalid:
            raise DataProblem(f"{self._name}: column {name!r} is not UTF-8 text") from None
        missing = ~quoted & to_mask(pc.is_in(cells, pa.array(NULLS)))
        spellings = {}
        if missing.any():
            counts = pc.value_counts(cells.filter(pa.array(missing)))
            spellings = dict(zip(counts.field("values").to_pylist(), counts.field("counts").to_pylist(), strict=True))
            cells = pc.if_else(pa.array(missing), pa.scalar(None, pa.string()), cells)
        if quoted.any():
            doubled = quoted & to_mask(pc.match_substring(cells, '""'))
            if doubled.any():
                single = pc.replace_substring(cells.filter(pa.array(doubled)), '""', '"')
                cells = pc.replace_with_mask(cells, pa.array(doubled), single)
        return cells, spellings


def _cell_ends(data: Bytes, name: str, first_row: int) -> tuple[NDArray[np.intp], Mask]:
    """Places of the commas and newlines that end cells, and which of them are newlines."""
    is_end = (data == COMMA) | (data == NEWLINE)
    quotes = np.flatnonzero(data == QUOTE)
    if len(quotes):
        opening = quotes[0::2]
        before = data[np.maximum(opening - 1, 0)]
        stray = (opening > 0) & (before != COMMA) & (before != NEWLINE) & (before != QUOTE)
        if first_row < 0:
            stray &= ~((opening == 3) & (data[:3].tobytes() == BOM))
        if stray.any():
            row = first_row + 1 + int(np.count_nonzero(data[: opening[np.argmax(stray)]] == NEWLINE))
            raise DataProblem(f"{name}: near row {row}, a quote inside a cell that is not quoted: quote the cell")
        inside = np.zeros(len(data) + 1, np.int8)
        inside[quotes[0::2]] = 1
        inside[quotes[1::2]] = -1
        is_end &= np.cumsum(inside[:-1], dtype=np.int8) == 0
    ends = np.flatnonzero(is_end)
    return ends, data[ends] == NEWLINE


def _to_csv(cells: pa.Array, quoted: Mask, null: str) -> pa.Array:
    """Write cells: a cell keeps its quotes, and gets some where the text needs them."""
    needs = quoted | to_mask(pc.is_in(cells, pa.array(NULLS)))
    if holds(cells, b'",\r\n'):
        needs |= to_mask(pc.match_substring_regex(cells, '[",\r\n]'))
    needs &= to_mask(pc.is_valid(cells))
    if needs.any():
        escaped = pc.replace_substring(cells.filter(pa.array(needs)), '"', '""')
        wrapped = pc.binary_join_element_wise('"', escaped, '"', "")
        cells = pc.replace_with_mask(cells, pa.array(needs), wrapped)
    return pc.fill_null(cells, null)


def _reorder(data: pa.Buffer, bounds: Offsets, order: Index) -> pa.Buffer:
    rows = pa.Array.from_buffers(pa.large_binary(), len(bounds) - 1, [None, pa.py_buffer(bounds), data])
    taken, _ = string_buffers(rows.take(pa.array(order)))
    return taken


def _unquote(text: str) -> str:
    return text[1:-1].replace('""', '"') if len(text) >= 2 and text.startswith('"') and text.endswith('"') else text
