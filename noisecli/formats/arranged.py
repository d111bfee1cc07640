"""Rows that come out elsewhere in their file: the order of all of them, and rows brought into it piece by piece.

Every outgoing row has a key: the number of the row it comes from, and a half, if it keeps its place; that of a later
row, and more than a half, if it is late; a share of the file's length if it is sent elsewhere. Rows come out by their
keys, those of equal keys as they were.
"""

import os
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import ipc

from noisecli.engine import Index, Slab, Struck
from noisecli.formats import Transform, watched
from noisecli.splice import Offsets, string_buffers
from noisecli.streams import Floats

PIECE = 1 << 20
"""Rows whose keys are sorted at once, about."""

ORDER_BYTES = 24
"""What a row takes on disk besides itself: its key, its place, and where it ends."""

PIECE_BYTES = 16 << 20
"""How much is gathered at once, and from how much at once, about: a whole row, batch or row group at least."""


# ------------------------------------------------------------------------------------------------------------ the order


def keys(struck: Struck, slab: Slab, rows: int) -> Floats:
    """Return the keys of the rows that come of a slab of a file of so many rows."""
    order = np.arange(slab.rows) if struck.order is None else struck.order
    kept = np.asarray(order + (slab.first_row + 0.5), np.float64)
    if struck.later is not None:
        kept += struck.later + 0.25 * (struck.later > 0)
    if struck.scatter is None:
        return kept
    return np.where(np.isnan(struck.scatter), kept, struck.scatter * rows)


def keyed(transform: Transform, rows: int, sink: BinaryIO) -> Transform:
    """Return a transform that does the same, while the keys of what comes out are written to a file."""

    def note(slab: Slab, struck: Struck) -> Struck:
        sink.write(keys(struck, slab, rows).tobytes())
        return struck

    return watched(transform, note)


def find_order(sinks: Sequence[Path], rows: int) -> Index | None:
    """Sort the rows whose keys are in some files, which are removed.

    Args:
        sinks: the files, in the order of what they are about; what is found is mapped from a file beside the first.
        rows: how many rows the input has.

    Returns:
        which of the rows each outgoing one is; None: they are in order.
    """
    first, *others = sinks
    with first.open("ab") as file:
        for sink in others:
            file.write(sink.read_bytes())
            sink.unlink()
    count = first.stat().st_size // np.dtype(np.float64).itemsize
    found = np.memmap(first, np.float64, "r") if count else np.zeros(0)
    first.unlink()
    if all((found[piece][1:] >= found[piece][:-1]).all() for piece in _pieces(count, overlap=1)):
        return None
    order = _mapped(first.with_suffix(".order"), count)
    _sort(found, rows, order)
    return order


def find_places(order: Index, path: Path) -> Index:
    """Turn an order round: return where each row comes out, mapped from a file at `path`."""
    places = _mapped(path, len(order))
    for piece in _pieces(len(order)):
        places[order[piece]] = np.arange(piece.start, piece.stop)
    return places


def _sort(found: Floats, rows: int, order: Index) -> None:
    """Sort keys of any number, stably: into buckets first, then each bucket in memory."""
    buckets = max(1, len(found) // PIECE)

    def bucket(some: Floats) -> Index:
        return np.minimum((some * (buckets / rows)).astype(np.intp), buckets - 1)

    counts = [np.bincount(bucket(found[piece]), minlength=buckets) for piece in _pieces(len(found))]
    ends = np.cumsum(np.sum(counts, axis=0))
    free = np.concatenate([[0], ends[:-1]])
    for piece, count in zip(_pieces(len(found)), counts, strict=True):
        by_bucket = np.argsort(bucket(found[piece]), kind="stable")
        order[np.repeat(free - np.cumsum(count) + count, count) + np.arange(len(by_bucket))] = by_bucket + piece.start
        free += count
    for start, stop in pairwise([0, *ends.tolist()]):
        mine = np.array(order[start:stop])
        order[start:stop] = mine[np.argsort(found[mine], kind="stable")]


def _pieces(count: int, overlap: int = 0) -> Iterator[slice]:
    for start in range(0, count, PIECE):
        yield slice(start, min(start + PIECE + overlap, count))


def _mapped(path: Path, count: int) -> Index:
    """An array in a file, which goes with it. Its room is taken at once: a mapped file must not find the disk full."""
    with path.open("w+b") as file:
        size = count * np.dtype(np.intp).itemsize
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
        else:
            file.truncate(size)
        array = np.memmap(file, np.intp, "r+")
    path.unlink()
    return array


# ------------------------------------------------------------------------------------------------------------- the rows


def seek(order: Index, firsts: Sequence[int]) -> tuple[list[Index], Index]:
    """Find rows among several sources, whose first rows are given, and the end of the last.

    Returns:
        the rows wanted of each source, counted there and ascending, and where in all of these each row lies.
    """
    by_row = np.argsort(order, kind="stable")
    ascending = order[by_row]
    cuts = np.searchsorted(ascending, firsts).tolist()
    wanted = [ascending[a:b] - first for first, (a, b) in zip(firsts, pairwise(cuts), strict=False)]
    places = np.empty(len(order), np.intp)
    places[by_row] = np.arange(len(order))
    return wanted, places


def find_bounds(ends: Iterator[Offsets], count: int, path: Path) -> Offsets:
    """Write down where rows end, mapped from a file at `path`; begins with a 0."""
    bounds = _mapped(path, count + 1)
    bounds[0], done = 0, 1
    for some in ends:
        bounds[done : done + len(some)] = some
        done += len(some)
    assert done == len(bounds), "what was written is read as another number of rows"
    return bounds


def arranged(spill: Path, bounds: Offsets, order: Index) -> Iterator[tuple[bool, bytes]]:
    """Yield the rows of a file of text, given where they end, in another order; and whether they are the last."""
    step = max(1, PIECE_BYTES * len(order) // int(bounds[-1]))
    firsts = [*range(0, len(order), step), len(order)]
    for start, stop in pairwise(firsts):
        wanted, places = seek(np.array(order[start:stop]), firsts)
        sources = zip(pairwise(firsts), wanted, strict=True)
        taken = [_rows(spill, np.array(bounds[a : b + 1]), rows) for (a, b), rows in sources]
        found = pa.concat_arrays(taken)
        del taken
        found, _ = string_buffers(found.take(pa.array(places)))
        yield stop == firsts[-1], found.to_pybytes()
        pa.default_memory_pool().release_unused()


def _rows(spill: Path, bounds: Offsets, rows: Index) -> pa.Array:
    """Copy rows out of a stretch of a file, which is mapped no longer than that takes."""
    start, stop = int(bounds[0]), int(bounds[-1])
    data = np.memmap(spill, np.uint8, "r", offset=start, shape=(stop - start,))
    buffers = [None, pa.py_buffer(bounds - start), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.large_binary(), len(bounds) - 1, buffers).take(pa.array(rows))


class Spill:
    """Tables of one schema, put aside in files beside `path`; their rows come back in another order."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._path = path
        self._schema = schema
        self._files: list[Path] = []
        self._firsts = [0]
        self._waiting: list[pa.Table] = []
        self._bytes = self._flushed = 0
        self._dictionaries: dict[int, pa.Array] = {}
        self._varied: set[int] = set()

    def add(self, table: pa.Table) -> None:
        """Put the next table aside."""
        for i, field in enumerate(self._schema):
            if pa.types.is_dictionary(field.type) and i not in self._varied:
                for chunk in table.column(i).chunks:
                    if not self._dictionaries.setdefault(i, chunk.dictionary).equals(chunk.dictionary):
                        self._varied.add(i)
        self._waiting.append(table)
        self._bytes += table.nbytes
        if self._bytes - self._flushed >= PIECE_BYTES:
            self._flush()

    def tables(self, order: Index, sizes: Sequence[int], compact: bool) -> Iterator[pa.Table]:
        """Yield all rows in another order, in tables of so many rows each.

        Args:
            order: which of the rows each outgoing one is.
            sizes: rows of each table.
            compact: leave values out of dictionaries that no row has, where the tables put aside had various ones.
        """
        self._flush()
        ends = np.cumsum([0, *sizes])
        step = max(1, PIECE_BYTES * len(order) // max(1, self._bytes))
        at = 0
        while at < len(sizes):
            until = max(at + 1, int(np.searchsorted(ends, ends[at] + step, side="right")) - 1)
            columns, places = self._gather(np.array(order[ends[at] : ends[until]]))
            for start, stop in pairwise(ends[at : until + 1] - ends[at]):
                # Taken, not sliced: what a file holds after the end of a slice would depend on how much is gathered.
                mine = pa.array(places[start:stop])
                table = pa.Table.from_arrays([column.take(mine) for column in columns], schema=self._schema)
                yield self._compacted(table) if compact else table
            at = until

    def close(self) -> None:
        """Remove the files."""
        for file in self._files:
            file.unlink()

    def _flush(self) -> None:
        if not self._waiting:
            return
        table = pa.concat_tables(self._waiting).combine_chunks()
        self._waiting, self._flushed = [], self._bytes
        file = self._path.with_name(f"{self._path.name}.rows-{len(self._files)}")
        with pa.OSFile(os.fsencode(file), "wb") as handle, ipc.new_file(handle, self._schema) as writer:
            writer.write_table(table)
        self._files.append(file)
        self._firsts.append(self._firsts[-1] + table.num_rows)

    def _gather(self, order: Index) -> tuple[list[pa.Array], Index]:
        """Columns of some rows, and where in these each row lies."""
        wanted, places = seek(order, self._firsts)
        pieces = [_taken(file, pa.array(rows)) for file, rows in zip(self._files, wanted, strict=True)]
        columns = []
        for i in range(len(self._schema)):
            columns.append(pa.concat_arrays([piece[i] for piece in pieces]))
            for piece in pieces:
                piece[i] = None
        return columns, places

    def _compacted(self, table: pa.Table) -> pa.Table:
        for i in self._varied:
            cells, field = table.column(i).combine_chunks(), self._schema.field(i)
            used = pa.array(np.unique(cells.indices.drop_null()))
            indices = pc.index_in(cells.indices, used, skip_nulls=True).cast(field.type.index_type)
            values = cells.dictionary.take(used)
            array = pa.DictionaryArray.from_arrays(indices, values, ordered=field.type.ordered)
            table = table.set_column(i, field, array)
        return table


def _taken(file: Path, rows: pa.Array) -> list[Any]:
    """Copy rows out of a file, column by column; it is mapped no longer than that takes."""
    with pa.memory_map(os.fsencode(file)) as handle:
        table = ipc.open_file(handle).read_all()
        return [column.combine_chunks().take(rows) for column in table.columns]
