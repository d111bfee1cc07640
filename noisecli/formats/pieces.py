"""What of a Parquet file is written anew: of each row group a small file by itself, one after another in one file."""

import io
import mmap
import os
from collections.abc import Iterator, Sequence
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.types as pt

from noisecli.formats.footer import Manner
from noisecli.formats.stitch import Piece, Source

SIZE_BYTES = 8
"""After each piece comes its size."""


class Stretch(io.RawIOBase):
    """What is appended to a file, as if it were one by itself."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._start = file, file.tell()

    def writable(self) -> bool:
        """Say that it takes bytes."""
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        """Append some bytes."""
        return self._file.write(data)

    def tell(self) -> int:
        """Return how many bytes there are."""
        return self._file.tell() - self._start


def append(file: BinaryIO, table: pa.Table, manner: Manner) -> None:
    """Append a row group of some columns, or of none: then it all stays as it is."""
    stretch = Stretch(file)
    if table.num_columns:
        write(stretch, table, manner)
    file.write(stretch.tell().to_bytes(SIZE_BYTES, "little"))


def write(file: io.IOBase | BinaryIO, table: pa.Table, manner: Manner) -> None:
    """Write a file of one row group, or of none where there are no rows and so no more than a schema."""
    with pq.ParquetWriter(file, table.schema, **manner.options) as writer:
        writer.write_table(table, row_group_size=max(1, table.num_rows))


def described(schema: pa.Schema, manner: Manner) -> Source:
    """Return a file without rows: it tells how Parquet describes some columns."""
    file = io.BytesIO()
    pq.ParquetWriter(file, schema, **manner.options).close()
    return Source(file, 0, file.tell())


def read_back(files: Sequence[BinaryIO], whole: Sequence[bytes], groups: int) -> list[list[Piece]]:
    """Return what is anew of each row group.

    Args:
        files: those that the pieces were appended to; for each row group there are equally many, in order.
        whole: the names of all columns.
        groups: how many row groups there are.
    """
    found = [piece for file in files for piece in _read_back(file, whole)]
    each = max(1, len(found) // max(1, groups))
    return [list(filter(None, found[at : at + each])) for at in range(0, len(found), each)]


def _read_back(file: BinaryIO, whole: Sequence[bytes]) -> Iterator[Piece | None]:
    """Yield the pieces in a file. None: it has nothing of a row group."""
    stretches, at = [], file.seek(0, os.SEEK_END)
    while at:
        file.seek(at - SIZE_BYTES)
        size = int.from_bytes(file.read(SIZE_BYTES), "little")
        at -= SIZE_BYTES + size
        stretches.append((at, size))
    for start, size in reversed(stretches):
        yield Piece.of(Source(file, start, size), whole) if size else None


def categories(piece: Piece, name: str, type_: pa.DataType) -> list[pa.Array]:
    """Return the values of the dictionaries of a column of a piece, in a type."""
    view = mmap.mmap(piece.source.file.fileno(), 0, access=mmap.ACCESS_READ)
    stretch = pa.py_buffer(view).slice(piece.source.start, piece.source.size)
    column = pq.ParquetFile(pa.BufferReader(stretch), read_dictionary=[name]).read([name]).column(name)
    column = column if pt.is_dictionary(column.type) else column.dictionary_encode()
    return [chunk.dictionary.cast(type_) for chunk in column.chunks]
