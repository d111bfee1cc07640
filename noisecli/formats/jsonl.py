"""JSON Lines by splicing: one object a line, values that changed are written anew, every other byte is carried.

Columns are the keys of the objects, in order of first appearance. A row without the key, or with null, has a missing
cell; nothing is ever put in where there is no key.
"""

import codecs
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path

import pyarrow as pa

from noisecli.columns import Column
from noisecli.engine import Slab, Struck
from noisecli.errors import DataProblem
from noisecli.formats import Part
from noisecli.formats.objects import Objects, keys, row_ends
from noisecli.formats.spliced import SplicedFile, further
from noisecli.formats.tokens import BLANKS
from noisecli.splice import Offsets

SLAB_BYTES = 2 << 20
"""How much is read at once; a slab ends at the end of a row."""

MAX_ROW_BYTES = 16 << 20
"""How long a row may be: one of nothing but escapes takes 50 times its bytes in passing."""

BOM = codecs.BOM_UTF8


class JsonLinesFile(SplicedFile[Objects]):
    """One file of JSON Lines."""

    settings = frozenset({"encoding", "types"})
    misfit = "that are no JSON object"

    def fields(self) -> Mapping[str, pa.DataType]:
        self._refuse_array()
        names: dict[str, None] = {}
        for data in self._stretches(self._path, len(self._header), self._end):
            names |= keys(data)
        names.pop("", None)  # what has no name cannot be addressed
        if not names:
            for _ in self.scan([]):
                pass  # this blames the first row that is no object
            raise DataProblem(f"{self._name}: no row is a JSON object with a key")
        return dict.fromkeys(names, pa.string())

    def outline(self) -> Iterator[Part]:
        row, start = 0, len(self._header)
        for data in self._stretches(self._path, start, self._end):
            part = Part(row, len(row_ends(data)), start, min(len(data), self._end - start))
            yield part
            row, start = row + part.rows, start + part.size

    def _runs(self) -> Iterator[Objects]:
        row = 0
        for data in self._stretches(self._path, len(self._header), self._end):
            objects = self._find(data, row)
            yield objects
            row += objects.rows

    def _row_ends(self, path: Path) -> Iterator[Offsets]:
        start = 0
        for data in self._stretches(path, 0, path.stat().st_size):
            yield start + row_ends(data)
            start += len(data)

    def _find(self, data: bytes, first_row: int) -> Objects:
        return Objects(data, self._name, first_row, self._reading.skip_errors)

    def _slab(self, objects: Objects, first_row: int, columns: Sequence[str]) -> Slab:
        cells, told, absent = {}, {}, {}
        for name in columns:
            cells[name], told[name], none = objects.cells(name)
            if none.any():
                absent[name] = none
        return Slab(first_row, objects.rows, cells, misfits=objects.misfits, told=told, absent=absent)

    def _splice(
        self, objects: Objects, columns: Mapping[str, Column], struck: Struck, added: Sequence[str]
    ) -> pa.Buffer:
        return objects.splice(struck, columns, added)

    def _stretches(self, path: Path, start: int, end: int) -> Iterator[bytes]:
        """Runs of whole rows of about a slab in a stretch of a file; a missing last line end is added."""
        carried = b""
        with path.open("rb") as file:
            file.seek(start)
            while fresh := file.read(min(further(SLAB_BYTES, len(carried), MAX_ROW_BYTES), end - file.tell())):
                data = carried + fresh
                if file.tell() == end and not data.endswith(b"\n"):
                    data += self._line_end
                stop = _whole(data, len(carried))
                for at, size in (0, data.find(b"\n", len(carried))), (stop, len(data) - stop):
                    if size > MAX_ROW_BYTES:
                        begin = file.tell() - len(carried) - len(fresh) + at
                        raise DataProblem(f"{self._name}: the row at byte {begin} is over {MAX_ROW_BYTES >> 20} MB")
                if stop:
                    yield data[:stop]
                carried = data[stop:]

    def _stop(self, data: bytes) -> int:
        return _whole(data, 0)

    def _refuse_array(self) -> None:
        with self._path.open("rb") as file:
            file.seek(len(self._header))
            if file.read(SLAB_BYTES).lstrip(BLANKS).startswith(b"["):
                raise DataProblem(
                    f"{self._name}: is a JSON array, not JSON Lines: write each object on a line of its own, as "
                    "`jq -c '.[]'` does"
                )

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


def _whole(data: bytes, carried: int) -> int:
    """End of the last whole row; 0 where there is none. A run of blank lines belongs to the row after it."""
    ink = len(data[: data.rfind(b"\n", carried) + 1].rstrip(BLANKS))
    return data.find(b"\n", ink) + 1 if ink else 0
