"""Tables as text, spliced: rows are found in the bytes, new values are put in, every other byte is carried."""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Generic, Protocol, TypeVar

import pyarrow as pa

from noisecli.columns import Column
from noisecli.engine import Index, Slab, Struck
from noisecli.formats import AS_IT_CAME, FOUND_OUT, Assembled, Part, Reading, Transform, Written
from noisecli.formats.arranged import arranged, find_bounds
from noisecli.formats.plain import BLOCK_BYTES, Packing
from noisecli.splice import Offsets


class Rows(Protocol):
    """Some whole rows: their bytes, and whatever was found in them."""

    data: pa.Buffer
    rows: int


R = TypeVar("R", bound=Rows)


class SplicedFile(ABC, Generic[R]):
    """One file of text with a row a line or more; `name` is what faults call it."""

    splits = True
    as_text = True

    def __init__(self, path: Path, name: str, reading: Reading = FOUND_OUT, plain: bool = False) -> None:
        self._name = name
        self._reading = reading
        self._packing = Packing(path, name, reading, plain)

    def scan(self, columns: Sequence[str]) -> Iterator[tuple[Part, Slab]]:
        first_row, start = 0, len(self._header)
        for run in self._runs():
            part = Part(first_row, run.rows, start, min(run.data.size, self._end - start))
            yield part, self._slab(run, first_row, columns)
            first_row, start = first_row + run.rows, start + part.size

    def read(self, parts: Sequence[Part], columns: Sequence[str]) -> Iterator[tuple[Part, Slab]]:
        with self._path.open("rb") as source:
            yield from zip(parts, self._read(source, parts, columns, deque()), strict=True)

    def write(
        self,
        parts: Sequence[Part],
        columns: Mapping[str, Column],
        transform: Transform,
        sink: Path,
        outgoing: Mapping[str, pa.DataType] = AS_IT_CAME,
    ) -> Written:
        rows, changed = 0, bool(outgoing)
        waiting: deque[tuple[R, bool]] = deque()
        with self._path.open("rb") as source, sink.open("wb") as target:
            for struck in transform(self._read(source, parts, list(columns), waiting)):
                run, unended = waiting.popleft()
                written = self._splice(run, columns, struck, list(outgoing))
                if unended and struck.order is None:  # the line end that was added
                    written = written.slice(0, written.size - len(self._line_end))
                target.write(_without_end(written.to_pybytes()) if unended and struck.order is not None else written)
                rows += run.rows if struck.order is None else len(struck.order)
                changed |= bool(struck.cells) or struck.order is not None
        return Written(rows, changed)

    def excerpt(self, target: Path, size: int, places: int) -> None:
        if not self._packing.packed:
            target.write_bytes(b"".join(self._pieces(size, places)))
            return
        # Packed text is only read from its start; the small file is packed likewise.
        draft = target.with_name(f"start-{target.name}")
        try:
            draft.write_bytes(self._packing.start(size))
            start = type(self)(draft, self._name, replace(self._reading, encoding=None), plain=True)
            self._packing.pack(start._pieces(size, 1, complete=False), target)
        finally:
            draft.unlink(missing_ok=True)

    def _pieces(self, size: int, places: int, complete: bool = True) -> Iterator[bytes]:
        """The header, and whole rows from some places that take so many bytes together."""
        yield self._header
        start, end = len(self._header), self._end
        each = min(max(1, size // places), end - start)
        with self._path.open("rb") as file:
            for i in range(places if each < end - start else 1):
                at = start + (end - start - each) * i // max(1, places - 1)
                file.seek(at)
                data = file.read(min(each, end - at))
                if at + each >= end and complete:
                    data += self._line_end * (not data.endswith(b"\n"))
                yield self._first_rows(data, file) if i == 0 else self._some_rows(data)

    def _first_rows(self, data: bytes, file: BinaryIO) -> bytes:
        """Bytes from the start of a row as far as the end of the last whole one; there is one at least."""
        while not (stop := self._stop(data)) and (more := file.read(len(data))):
            data += more
        return data[:stop]

    def _some_rows(self, data: bytes) -> bytes:
        """The whole rows in bytes from anywhere in the file."""
        data = data[data.find(b"\n") + 1 :]
        return data[: self._stop(data)]

    def spilled(self, parts: Sequence[Part]) -> int:
        return sum(part.size for part in parts)

    def assemble(
        self,
        sinks: Sequence[Path],
        target: Path,
        outgoing: Mapping[str, pa.DataType] = AS_IT_CAME,
        order: Index | None = None,
    ) -> Assembled:
        header = self._headed(list(outgoing))
        return self._packing.pack(chain([header], self._body(sinks, order), _blocks(self._path, self._end)), target)

    def _read(
        self, source: BinaryIO, parts: Iterable[Part], columns: Sequence[str], waiting: deque[tuple[R, bool]]
    ) -> Iterator[Slab]:
        """Yield the slabs of some parts; their rows, and whether a last line end was added, are left in `waiting`."""
        for part in parts:
            source.seek(part.start)
            data = source.read(part.size)
            unended = part.start + part.size == self._end and not data.endswith(b"\n")
            run = self._find(data + self._line_end * unended, part.first_row)
            waiting.append((run, unended))
            yield self._slab(run, part.first_row, columns)

    def _body(self, sinks: Sequence[Path], order: Index | None) -> Iterator[bytes]:
        """The rows of some parts, in an order; what is written is removed."""
        return self._rows(sinks) if order is None else self._arranged(sinks, order)

    def _rows(self, sinks: Sequence[Path]) -> Iterator[bytes]:
        """The rows of some parts; what is written is removed."""
        for sink in sinks:
            yield from _blocks(sink, 0)
            sink.unlink()

    def _arranged(self, sinks: Sequence[Path], order: Index) -> Iterator[bytes]:
        """The rows of some parts in another order; where none of them has a line end, the last one gets none."""
        spill = sinks[0].with_suffix(".rows")
        unended = False
        with spill.open("wb") as file:
            for block in self._rows(sinks):
                file.write(block)
                unended = not block.endswith(b"\n")
            file.write(self._line_end * unended)
        bounds = find_bounds(self._row_ends(spill), len(order), sinks[0].with_suffix(".bounds"))
        for last, rows in arranged(spill, bounds, order):
            yield _without_end(rows) if last and unended else rows
        spill.unlink()

    @cached_property
    def _path(self) -> Path:
        """Where the text is as plain UTF-8."""
        return self._packing.unpack()

    @abstractmethod
    def outline(self) -> Iterator[Part]: ...

    @property
    @abstractmethod
    def _header(self) -> bytes:
        """The bytes before the rows."""

    def _headed(self, added: Sequence[str]) -> bytes:
        """The bytes before the rows of a copy with some more columns."""
        return self._header

    @property
    @abstractmethod
    def _end(self) -> int:
        """Where the last row ends: what follows is carried."""

    @property
    @abstractmethod
    def _line_end(self) -> bytes:
        """What ends the last row if nothing does."""

    @abstractmethod
    def _runs(self) -> Iterator[R]:
        """Runs of whole rows of about a slab; a missing last line end is added."""

    @abstractmethod
    def _row_ends(self, path: Path) -> Iterator[Offsets]:
        """Where the rows end in a file of nothing but rows."""

    @abstractmethod
    def _stop(self, data: bytes) -> int:
        """Where the last whole row ends; 0 where there is none."""

    @abstractmethod
    def _find(self, data: bytes, first_row: int) -> R:
        """Find the rows in the bytes of a run."""

    @abstractmethod
    def _slab(self, run: R, first_row: int, columns: Sequence[str]) -> Slab:
        """Say what some columns hold in a run."""

    @abstractmethod
    def _splice(self, run: R, columns: Mapping[str, Column], struck: Struck, added: Sequence[str]) -> pa.Buffer:
        """Write what became of a run, with some more columns after all others."""


def further(slab: int, carried: int, longest: int) -> int:
    """How much is read next: the more of a row has not ended yet, since all of it is looked at anew each time."""
    return max(slab, min(carried // 2, longest - carried))


def _without_end(rows: bytes) -> bytes:
    """Take the line end off the last row, whichever it is."""
    return rows.removesuffix(b"\n").removesuffix(b"\r")


def _blocks(path: Path, start: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(start)
        while block := file.read(BLOCK_BYTES):
            yield block
