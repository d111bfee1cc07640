"""Rows of two tables, brought together: read piece by piece, whatever place they have in their files."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import ipc

from noisecli.formats import TableFile
from noisecli.partners import Partners

PIECE = 1 << 16
"""Rows that are looked at together at the most."""

ADDED = -1
"""The origin of a row that comes from no clean one."""

Cells = Mapping[str, pa.Array]
Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Link:
    """Which rows of two files belong together."""

    how: str
    """ "position", "truth", "key NAME"; "" where it is not known."""
    origin: Numbers | None = None
    """Of each noisy row the clean one that it comes from; None: the one in the same place, or not known."""
    why: str = ""
    """Why it is not known, and what to do."""
    lies: tuple[str, ...] = ()
    """Lines of the truth about rows that cannot be."""


@dataclass(frozen=True)
class Piece:
    """Some rows of one side, or of both."""

    clean: Cells | None = None
    """Clean rows as they stand in the file."""
    noisy: Cells | None = None
    before: Cells | None = None
    """Clean cells of the rows that the noisy ones come from, null for added rows; None where these are not known."""
    first: int = 0
    """The first clean row, or where there are none the first noisy one."""
    rows: int = 0
    origin: Numbers | None = None
    """Of each noisy row the clean one."""


def pieces(clean: TableFile, noisy: TableFile, columns: Sequence[str], link: Link, space: Path) -> Iterator[Piece]:
    """Read two tables once: rows that belong together, together.

    Clean rows are put aside on disk where noisy ones may come from any of them.

    Args:
        clean, noisy: the tables; both have the columns.
        columns: what is read.
        link: which rows belong together.
        space: a folder for what is put aside.
    """
    if link.how and link.origin is None:
        yield from _side_by_side(cut(clean, columns), cut(noisy, columns))
        return
    if link.origin is None:
        yield from (Piece(clean=cells, first=first, rows=rows) for first, rows, cells in cut(clean, columns))
        yield from (Piece(noisy=cells, first=first, rows=rows) for first, rows, cells in cut(noisy, columns))
        return
    with Store(space) as store:
        for first, rows, cells in cut(clean, columns):
            store.add(cells, rows)
            yield Piece(clean=cells, first=first, rows=rows)
        for first, rows, cells in cut(noisy, columns):
            origin = np.asarray(link.origin[first : first + rows])
            yield Piece(noisy=cells, before=store.fetch(columns, origin), first=first, rows=rows, origin=origin)


def cut(table: TableFile, columns: Sequence[str]) -> Iterator[tuple[int, int, Cells]]:
    """Read some columns in pieces: the first row, how many there are, and their cells."""
    for _, slab in table.scan(columns):
        for start in range(0, slab.rows, PIECE):
            rows = min(PIECE, slab.rows - start)
            yield slab.first_row + start, rows, {name: slab.cells[name].slice(start, rows) for name in columns}


def _side_by_side(clean: Iterator[tuple[int, int, Cells]], noisy: Iterator[tuple[int, int, Cells]]) -> Iterator[Piece]:
    """Cut both sides at the same rows; they have equally many."""
    one, other = next(clean, None), next(noisy, None)
    while one is not None and other is not None:
        first, rows = one[0], min(one[1], other[1])
        left, right = ({name: cells.slice(0, rows) for name, cells in side[2].items()} for side in (one, other))
        origin = np.arange(first, first + rows)
        yield Piece(clean=left, noisy=right, before=left, first=first, rows=rows, origin=origin)
        one, other = _rest(one, rows, clean), _rest(other, rows, noisy)


def _rest(
    piece: tuple[int, int, Cells], taken: int, more: Iterator[tuple[int, int, Cells]]
) -> tuple[int, int, Cells] | None:
    first, rows, cells = piece
    if taken == rows:
        return next(more, None)
    return first + taken, rows - taken, {name: array.slice(taken) for name, array in cells.items()}


class Store:
    """Cells of a table, put aside on disk and fetched by row."""

    _names = count()

    def __init__(self, space: Path) -> None:
        self._path = space / f"store{next(self._names)}"
        self._writer: ipc.RecordBatchFileWriter | None = None
        self._rows = 0
        self._read: Partners | None = None

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_: object) -> None:
        self._close()
        self._path.unlink(missing_ok=True)

    def add(self, cells: Cells, rows: int) -> None:
        """Put the next rows aside."""
        batch = pa.RecordBatch.from_pydict(dict(cells))
        if self._writer is None:
            self._writer = ipc.new_file(str(self._path), batch.schema)
        self._writer.write_batch(batch)
        self._rows += rows

    def fetch(self, columns: Sequence[str], rows: Numbers) -> Cells:
        """Return the cells of some rows, null for those that are ADDED."""
        self._close()
        if self._rows == 0:
            return {name: pa.nulls(len(rows), pa.string()) for name in columns}
        if self._read is None:
            self._read = Partners(self._path, self._rows, {})
        found = self._read.fetch(columns, np.maximum(rows, 0))
        added = rows == ADDED
        if not added.any():
            return found
        nowhere = pa.array(np.where(added, 0, np.arange(len(rows))), mask=added)
        return {name: cells.take(nowhere) for name, cells in found.items()}

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None


def missing(cells: pa.Array) -> NDArray[np.bool_]:
    """Which cells are missing: null, or NaN."""
    return np.asarray(pc.is_null(cells, nan_is_null=True).to_numpy(zero_copy_only=False), dtype=bool)
