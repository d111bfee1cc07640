"""Tables of what a run did, written bit by bit."""

import os
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt
from numpy.typing import NDArray

GROUP_BYTES = 16 << 20
"""How much a row group holds before it is packed; a line counts as its texts and LINE_BYTES."""

LINE_BYTES = 64

WAITING = 256
"""How many tables wait for a row group before they are joined: a small one weighs little but its frame."""


class Lines:
    """Lines in a Parquet file: row groups are cut by what they hold, not by who wrote it."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        import pyarrow.parquet as pq

        self.path = path
        self._open = ExitStack()
        file = self._open.enter_context(pa.OSFile(os.fsencode(path), "wb"))
        self._writer = self._open.enter_context(pq.ParquetWriter(file, schema, compression="zstd"))
        self._waiting: list[pa.Table] = []
        self._weight = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None and self._waiting:
            self._write(pa.concat_tables(self._waiting))
        self._open.close()

    def add(self, lines: pa.Table) -> None:
        """Add lines of the schema."""
        self._waiting.append(lines)
        self._weight += int(_weights(lines).sum())
        if self._weight >= GROUP_BYTES:
            self._write_full_groups()
        elif len(self._waiting) >= WAITING:
            self._waiting = [pa.concat_tables(self._waiting).combine_chunks()]

    def _write_full_groups(self) -> None:
        lines = pa.concat_tables(self._waiting)
        ends = np.cumsum(_weights(lines))
        start, done = 0, 0
        while ends[-1] - done >= GROUP_BYTES:
            stop = int(np.searchsorted(ends, done + GROUP_BYTES)) + 1
            self._write(lines[start:stop])
            start, done = stop, int(ends[stop - 1])
        self._waiting, self._weight = [lines[start:]], int(ends[-1]) - done

    def _write(self, lines: pa.Table) -> None:
        if len(lines):
            self._writer.write_table(lines.combine_chunks(), row_group_size=len(lines))


def _weights(lines: pa.Table) -> NDArray[np.int64]:
    """How much each line counts towards a row group."""
    weights = np.full(len(lines), LINE_BYTES, np.int64)
    for field in lines.schema:
        if pt.is_string(field.type):
            weights += np.asarray(pc.fill_null(pc.binary_length(lines[field.name]), 0), np.int64)
    return weights
