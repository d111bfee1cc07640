"""CSV by splicing: cells are found in the bytes, struck cells are replaced, every other byte is carried.

Cells may be quoted and then hold delimiters, doubled quotes and newlines; lines end in LF or CRLF, the last one perhaps
in nothing.
"""

import codecs
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa

from noisecli.columns import Column
from noisecli.corruption import Records, Sheet
from noisecli.engine import Index, Slab, Struck
from noisecli.errors import DataProblem
from noisecli.formats import Assembled, Part
from noisecli.formats.cells import DELIMITERS, cut, find_delimiter, row_ends
from noisecli.formats.grid import Grid, Layout, quoted, unique_names, unquote
from noisecli.formats.records import Spoil, find_records, read_rows, titles_of
from noisecli.formats.spliced import SplicedFile, further
from noisecli.splice import Offsets, splice, splice_rows
from noisecli.streams import BLOCK

SLAB_BYTES = 2 << 20
"""How much is read at once; a slab ends at the end of a row, that of a block where one is near."""

HEAD_BYTES = 64 << 10
"""How much is looked at to find out the delimiter and the first row, unless the first rows are longer."""

MAX_HEAD_BYTES = 2 << 20
"""How long the first row may be."""

MAX_ROW_BYTES = 16 << 20
"""How long a row may be: one of nothing but stray quotes takes 40 times its bytes in passing."""

LINE_ENDS = 4
"""How many line ends after any place are tried as that of a row."""

BOM = codecs.BOM_UTF8


class CsvFile(SplicedFile[Grid]):
    """One CSV file."""

    settings = frozenset({"delimiter", "encoding", "header", "null_values", "types"})
    misfit = "with another number of cells than the header"

    def fields(self) -> Mapping[str, pa.DataType]:
        return dict.fromkeys(self._names, pa.string())

    @cached_property
    def _head(self) -> bytes:
        """The first rows without a byte order mark; a missing last line end is added."""
        with self._path.open("rb") as file:
            head = file.read(MAX_HEAD_BYTES)
            whole = not file.read(1)
        if not head.strip(BOM + b"\r\n"):
            raise DataProblem(f"{self._name}: empty")
        if b"\0" in head[:4096]:
            raise DataProblem(
                f"{self._name}: not a UTF-8 text file (it holds NUL bytes); if it is text, name its encoding, as in "
                "`data: {encoding: utf-16}`"
            )
        head = head.removeprefix(BOM)
        return head + b"\n" if whole and not head.endswith(b"\n") else head

    @cached_property
    def _first_row(self) -> bytes:
        """The first row, its line end included."""
        for head in self._samples():
            first = cut(head, self._delimiter)
            if first.newline.any():
                row = head[: int(first.ends[first.newline][0]) + 1]
                self._refuse_lone_returns(row)
                return row
        self._refuse_lone_returns(self._head)
        if len(self._head) >= MAX_HEAD_BYTES - len(BOM):
            raise DataProblem(f"{self._name}: the first row is over {MAX_HEAD_BYTES >> 20} MB, or a quote never ends")
        raise DataProblem(f"{self._name}: the header opens a quote that never ends")

    def _refuse_lone_returns(self, row: bytes) -> None:
        """A CR in a row, and not in quotes, can only be a line end of old."""
        if re.search(rb"\r(?!\n)", re.sub(rb'"[^"]*"', b"", row).rstrip(b"\r\n")):
            raise DataProblem(
                f"{self._name}: its lines end in CR alone, as on old Macs: write them with LF first, as "
                "`tr '\\r' '\\n'` does"
            )

    @cached_property
    def _header(self) -> bytes:
        """The bytes before the rows."""
        with self._path.open("rb") as file:
            start = file.read(len(BOM) + len(self._first_row))
        mark = BOM if start.startswith(BOM) else b""
        header = self._first_row if self._reading.header else b""
        return start[: len(mark + header)]

    @cached_property
    def _line_end(self) -> bytes:
        return b"\r\n" if self._first_row.endswith(b"\r\n") else b"\n"

    @cached_property
    def _delimiter(self) -> str:
        if self._reading.delimiter:
            return self._reading.delimiter
        lines = (head[: head.rfind(b"\n") + 1].rstrip(b"\r\n") + b"\n" for head in self._samples())
        return next(filter(None, map(find_delimiter, lines)), DELIMITERS[0])

    def _samples(self) -> Sequence[bytes]:
        """A short stretch of the first rows, mostly enough, and a long one."""
        return self._head[:HEAD_BYTES], self._head

    @cached_property
    def _layout(self) -> Layout:
        width = len(self._names)
        return Layout(self._name, self._delimiter, width, self._reading.null_values, self._reading.skip_errors)

    @cached_property
    def _names(self) -> list[str]:
        """Column names; those that are empty or not unique go by position, as `#3`."""
        row = self._first_row.rstrip(b"\r\n") + b"\n"
        ends = cut(row, self._delimiter).ends
        if not self._reading.header:
            return [f"#{i}" for i in range(1, len(ends) + 1)]
        starts = np.concatenate([[0], ends[:-1] + 1])
        try:
            names = [unquote(row[a:b].decode("utf-8"), self._delimiter) for a, b in zip(starts, ends, strict=True)]
        except UnicodeDecodeError:
            raise DataProblem(
                f"{self._name}: the header is not UTF-8 text: name the file's encoding, as in "
                "`data: {encoding: latin-1}`"
            ) from None
        return unique_names(names, self._name)

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

    def outline(self) -> Iterator[Part]:
        return (part for part, _ in self._parts())

    def _runs(self) -> Iterator[Grid]:
        return (self._find(data, part.first_row) for part, data in self._parts())

    def _parts(self) -> Iterator[tuple[Part, bytes]]:
        row, start = 0, len(self._header)
        for data, ends in self._stretches(self._path, start, self._end):
            yield Part(row, len(ends), start, min(len(data), self._end - start)), data
            row, start = row + len(ends), start + len(data)
        if row == 0:
            raise DataProblem(f"{self._name}: has a header but no rows")

    def _row_ends(self, path: Path) -> Iterator[Offsets]:
        start = 0
        for data, ends in self._stretches(path, 0, path.stat().st_size):
            yield start + ends + 1
            start += len(data)

    def _stretches(self, path: Path, start: int, end: int) -> Iterator[tuple[bytes, Offsets]]:
        """Whole rows in a stretch of a file, and the places of their newlines; a missing last line end is added.

        They go from one block of rows to another where no block is much longer than a slab.
        """
        carried, row = b"", 0
        with path.open("rb") as file:
            file.seek(start)
            left = end - start
            while left > 0 or carried:
                most = max(SLAB_BYTES // 2, SLAB_BYTES - len(carried))
                data = carried + file.read(min(further(most, len(carried), MAX_ROW_BYTES), left))
                left = end - file.tell()
                if left <= 0 and not data.endswith(b"\n"):
                    data += self._line_end
                ends = row_ends(data, self._layout.delimiter)
                self._check(ends, len(data), row, last=left <= 0)
                whole = max(0, len(ends) - (row + len(ends)) % BLOCK)
                near = BLOCK * len(data) < 2 * SLAB_BYTES * len(ends)  # as far as rows are alike
                if whole and (left > 0 or len(data) > SLAB_BYTES):
                    ends = ends[:whole]
                elif left > 0 and near:
                    ends = ends[:0]
                stop = int(ends[-1]) + 1 if len(ends) else 0
                if stop:
                    yield data[:stop], ends
                    row += len(ends)
                carried = data[stop:]

    def _find(self, data: bytes, first_row: int) -> Grid:
        return Grid(data, cut(data, self._layout.delimiter), self._layout, first_row)

    def _stop(self, data: bytes) -> int:
        return cut(data, self._layout.delimiter).stop

    def _some_rows(self, data: bytes) -> bytes:
        """Nothing where rows cannot be told: the bytes may start in quotes, so some line ends are tried."""
        for _ in range(LINE_ENDS):
            data = data[data.find(b"\n") + 1 :]
            found = cut(data, self._layout.delimiter)
            # The end of a cell in quotes can look like a row, but not the rows that follow.
            ends = found.ends[found.newline][1:]
            fitting = found.widths()[2:] == len(self._names)
            if fitting.all() or (self._reading.skip_errors and np.mean(fitting) > 0.9):
                return data[int(ends[0]) + 1 : int(ends[-1]) + 1] if len(ends) else b""
        return b""

    def _check(self, ends: Offsets, size: int, row: int, last: bool) -> None:
        """Refuse what cannot become rows any more."""
        stop = int(ends[-1]) + 1 if len(ends) else 0
        if last and stop < size:
            raise DataProblem(f"{self._name}: a quote opened in or after row {row + 1} never ends")
        first = int(ends[0]) if stop else 0
        if max(first, size - stop) > MAX_ROW_BYTES:
            raise DataProblem(f"{self._name}: a row after row {row} is over {MAX_ROW_BYTES >> 20} MB")

    def _slab(self, grid: Grid, first_row: int, columns: Sequence[str]) -> Slab:
        cells, spellings = {}, {}
        for name in columns:
            cells[name], spellings[name] = grid.cells(self._names.index(name), name)
        return Slab(first_row, grid.rows, cells, spellings, grid.misfits)

    def assemble_spoilt(
        self,
        sinks: Sequence[Path],
        target: Path,
        outgoing: Mapping[str, pa.DataType],
        order: Index | None,
        rows: int,
        split: str | None,
        spoil: Spoil,
    ) -> Assembled:
        """Put the written parts together, as `assemble` does, and damage the finished file.

        Args:
            sinks, target, outgoing, order: as for `assemble`.
            rows: how many rows come out.
            split: the column whose cells are needed to tell which rows may be struck.
            spoil: what damages the file.
        """
        sheet = self._sheet(list(outgoing), rows)
        layout = replace(self._layout, width=len(sheet.columns))

        def slabs() -> Iterator[tuple[Slab, Records]]:
            first = 0
            for grid, unended in read_rows(self._body(sinks, order), layout, self._line_end):
                cells = {} if split is None else {split: grid.cells(self._names.index(split), split)[0]}
                records = find_records(grid, layout.width, len(self._line_end) * unended)
                yield Slab(first, grid.rows, cells, misfits=grid.misfits), records
                first += grid.rows

        pieces = (bytes(piece) for piece in spoil(sheet, slabs()))
        return self._packing.pack(pieces, target, "surrogateescape")

    def _sheet(self, outgoing: Sequence[str], rows: int) -> Sheet:
        """Say all of the finished file but its rows."""
        header = self._headed(outgoing)
        mark = BOM if header.startswith(BOM) else b""
        titles = titles_of(header[len(mark) : -len(self._line_end)], self._delimiter)
        with self._path.open("rb") as file:
            file.seek(self._end)
            footer = file.read()
        return Sheet(
            columns=(*self._names, *outgoing),
            titles=titles if self._reading.header else None,
            delimiter=self._delimiter.encode(),
            line_end=self._line_end,
            rows=rows,
            codec=self._packing.codec,
            mark=mark,
            footer=footer,
        )

    def _headed(self, added: Sequence[str]) -> bytes:
        if not added or not self._reading.header:
            return self._header
        names = quoted(pa.array(added, pa.string()), self._layout).to_pylist()
        row = self._header.removesuffix(self._line_end)
        return row + "".join(self._delimiter + name for name in names).encode() + self._line_end

    def _splice(self, grid: Grid, columns: Mapping[str, Column], struck: Struck, added: Sequence[str]) -> pa.Buffer:
        names = [name for name in self._names if name in struck.cells]
        if not names and not added and struck.order is None:
            return grid.data
        order = np.arange(grid.rows) if struck.order is None else struck.order
        changed = np.stack([struck.changed[name] for name in names] or [np.zeros(len(order), bool)], axis=1)
        if grid.misfits is not None:
            changed[grid.misfits[order]] = False
        starts, stops, places = np.empty((3, changed.size), np.int64)
        texts, base = [], 0
        for i, name in enumerate(names):
            mine, number = changed[:, i], self._names.index(name)
            new, (first, end) = struck.cells[name], grid.column(number)
            at: slice | Index = slice(i, None, len(names))
            if struck.order is not None:
                first, end = first[order], end[order]
            if not mine.all():
                rows = np.flatnonzero(mine)
                new, first, end = new.filter(pa.array(mine)), first[rows], end[rows]
                at = rows * len(names) + i
            text, starts[at], stops[at] = grid.write(new, first, end, self._layout.null(columns[name].null))
            texts.append(text)
            places[at] = np.arange(base, base + len(text))
            base += len(text)
        if not changed.all():
            starts, stops, places = (each[changed.ravel()] for each in (starts, stops, places))
        replacements = pa.concat_arrays(texts) if texts else pa.array([], pa.string())
        if struck.order is None and not added:
            return splice(grid.data, starts, stops, replacements, places)
        rows = np.nonzero(changed)[0]
        if added:
            fits = np.flatnonzero(~grid.misfits[order]) if grid.misfits is not None else np.arange(len(order))
            ends = grid.bounds(order[fits], self._layout.width - 1)[1]
            more = grid.more([struck.cells[name].take(pa.array(fits)) for name in added])
            by_row = np.argsort(np.concatenate([rows, fits]), kind="stable")  # what is added to a row comes last in it
            rows = np.concatenate([rows, fits])[by_row]
            starts, stops = np.concatenate([starts, ends])[by_row], np.concatenate([stops, ends])[by_row]
            places = np.concatenate([places, np.arange(base, base + len(more))])[by_row]
            replacements = pa.concat_arrays([replacements, more])
        if struck.order is None:
            return splice(grid.data, starts, stops, replacements, places)
        return splice_rows(grid.data, starts, stops, replacements, rows, grid.row_bounds(), order, places)
