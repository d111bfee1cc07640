"""JSON Lines by splicing: one object a line, values that changed are written anew, every other byte is carried.

Columns are the keys of the objects, in order of first appearance. A row without the key, or with null, has a missing
cell; nothing is ever put in where there is no key.
"""

import codecs
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path

import pyarrow as pa

from noisecli.columns import Column
from noisecli.engine import Slab
from noisecli.errors import DataProblem
from noisecli.formats import FOUND_OUT, Part, Reading, Transform, Written
from noisecli.formats.objects import Objects, keys
from noisecli.formats.plain import Packing, read_blocks
from noisecli.formats.tokens import BLANKS

SLAB_BYTES = 2 << 20
"""How much is read at once; a slab ends at the end of a row."""

MAX_ROW_BYTES = 64 << 20

BOM = codecs.BOM_UTF8


class JsonLinesFile:
    """One file of JSON Lines; `name` is what faults call it."""

    splits = True
    as_text = True
    settings = frozenset({"encoding", "types"})
    misfit = "that are no JSON object"

    def __init__(self, path: Path, name: str, reading: Reading = FOUND_OUT) -> None:
        self._name = name
        self._reading = reading
        self._packing = Packing(path, name, reading)

    def fields(self) -> Mapping[str, pa.DataType]:
        self._refuse_array()
        names: dict[str, None] = {}
        for data in self._stretches():
            names |= keys(data)
        names.pop("", None)  # what has no name cannot be addressed
        if not names:
            for _ in self.scan([]):
                pass  # this blames the first row that is no object
            raise DataProblem(f"{self._name}: no row is a JSON object with a key")
        return dict.fromkeys(names, pa.string())

    def scan(self, columns: Sequence[str]) -> Iterator[tuple[Part, Slab]]:
        first_row, start = 0, len(self._header)
        for data in self._stretches():
            objects = self._objects(data, first_row)
            stop = min(start + len(data), self._end)
            part = Part(first_row, objects.rows, start, stop)
            yield part, _slab(objects, part, columns)
            first_row, start = first_row + objects.rows, stop

    def write(self, parts: Sequence[Part], columns: Mapping[str, Column], transform: Transform, sink: Path) -> Written:
        rows, changed = 0, False
        waiting: deque[tuple[Objects, bool]] = deque()
        with sink.open("wb") as target:
            for struck in transform(self._read(parts, list(columns), waiting)):
                objects, unended = waiting.popleft()
                written = objects.splice(struck, columns)
                target.write(memoryview(written)[: written.size - len(self._line_end) * unended])
                rows += objects.rows if struck.order is None else len(struck.order)
                changed |= bool(struck.cells) or struck.order is not None
        return Written(rows, changed, None)

    def assemble(self, sinks: Sequence[Path], target: Path) -> str | None:
        return self._packing.pack(self._pieces(sinks), target)

    def _read(
        self, parts: Sequence[Part], columns: Sequence[str], waiting: deque[tuple[Objects, bool]]
    ) -> Iterator[Slab]:
        """Yield the slabs of some parts; their objects, and whether a last line end was added, go into `waiting`."""
        with self._path.open("rb") as source:
            for part in parts:
                source.seek(part.start)
                data = source.read(part.stop - part.start)
                unended = not data.endswith(b"\n")
                objects = self._objects(data + self._line_end * unended, part.first_row)
                waiting.append((objects, unended))
                yield _slab(objects, part, columns)

    def _stretches(self) -> Iterator[bytes]:
        """Runs of whole rows of about a slab; a missing last line end is added."""
        carried = b""
        with self._path.open("rb") as file:
            file.seek(len(self._header))
            while fresh := file.read(min(SLAB_BYTES, self._end - file.tell())):
                data = carried + fresh
                if file.tell() == self._end and not data.endswith(b"\n"):
                    data += self._line_end
                stop = _whole(data, len(carried))
                if stop:
                    yield data[:stop]
                carried = data[stop:]
                if len(carried) > MAX_ROW_BYTES:
                    start = file.tell() - len(carried)
                    raise DataProblem(f"{self._name}: the row at byte {start} is over {MAX_ROW_BYTES >> 20} MB")

    def _refuse_array(self) -> None:
        with self._path.open("rb") as file:
            file.seek(len(self._header))
            if file.read(SLAB_BYTES).lstrip(BLANKS).startswith(b"["):
                raise DataProblem(
                    f"{self._name}: is a JSON array, not JSON Lines: write each object on a line of its own, as "
                    "`jq -c '.[]'` does"
                )

    def _objects(self, data: bytes, first_row: int) -> Objects:
        return Objects(data, self._name, first_row, self._reading.skip_errors)

    def _pieces(self, sinks: Sequence[Path]) -> Iterator[bytes]:
        """The bytes of the output in order; what is written is removed."""
        yield self._header
        for sink in sinks:
            yield from read_blocks(sink, 0)
            sink.unlink()
        yield from read_blocks(self._path, self._end)

    @cached_property
    def _path(self) -> Path:
        """Where the text is as plain UTF-8."""
        return self._packing.unpack()

    @cached_property
    def _header(self) -> bytes:
        """The byte order mark, if there is one."""
        with self._path.open("rb") as file:
            return BOM if file.read(len(BOM)) == BOM else b""

    @cached_property
    def _line_end(self) -> bytes:
        with self._path.open("rb") as file:
            return b"\r\n" if file.readline(MAX_ROW_BYTES).endswith(b"\r\n") else b"\n"

    @cached_property
    def _end(self) -> int:
        """Where the last row ends: blank lines after it are carried."""
        stop = self._path.stat().st_size
        with self._path.open("rb") as file:
            while stop > len(self._header):
                start = max(len(self._header), stop - (1 << 16))
                file.seek(start)
                ink = file.read(stop - start).rstrip(BLANKS)
                if ink:
                    file.seek(start + len(ink))
                    return start + len(ink) + len(file.readline())
                stop = start
        raise DataProblem(f"{self._name}: empty")


def _slab(objects: Objects, part: Part, columns: Sequence[str]) -> Slab:
    cells, told, absent = {}, {}, {}
    for name in columns:
        cells[name], told[name], none = objects.cells(name)
        if none.any():
            absent[name] = none
    return Slab(part.first_row, objects.rows, cells, misfits=objects.misfits, told=told, absent=absent)


def _whole(data: bytes, carried: int) -> int:
    """End of the last whole row; 0 where there is none. A run of blank lines belongs to the row after it."""
    ink = len(data[: data.rfind(b"\n", carried) + 1].rstrip(BLANKS))
    return data.find(b"\n", ink) + 1 if ink else 0
