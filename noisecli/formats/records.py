"""The rows of a finished CSV file as they are written, cut out of its bytes."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pyarrow as pa

from noisecli.corruption import Records, Sheet
from noisecli.corruption.file import BYTES
from noisecli.engine import Slab
from noisecli.formats.cells import cut
from noisecli.formats.grid import Grid, Layout
from noisecli.splice import Offsets

Spoil = Callable[[Sheet, Iterator[tuple[Slab, Records]]], Iterator[pa.Buffer | bytes]]
"""What damages a finished file: from what it is to its new bytes, some rows at a time."""


def titles_of(header: bytes, delimiter: str) -> tuple[bytes, ...]:
    """Cut a header, without its line end, into cells as they are written."""
    ends = cut(header + b"\n", delimiter).ends.tolist()
    return tuple(header[a:b] for a, b in zip([0, *(end + 1 for end in ends[:-1])], ends, strict=True))


def read_rows(blocks: Iterable[bytes], layout: Layout, line_end: bytes) -> Iterator[tuple[Grid, bool]]:
    """Cut the bytes of nothing but rows where rows end; also say of each piece whether its last line end was added."""
    carried, row = b"", 0
    for block in blocks:
        data = carried + block
        cuts = cut(data, layout.delimiter)
        stop = cuts.stop
        if stop:
            yield (grid := Grid(data[:stop], cut(data[:stop], layout.delimiter), layout, row)), False
            row += grid.rows
        carried = data[stop:]
    if carried:
        yield Grid(carried + line_end, cut(carried + line_end, layout.delimiter), layout, row), True


def find_records(grid: Grid, width: int, added: int) -> Records:
    """Say what is written of each row.

    Args:
        grid: the rows.
        width: cells of a row.
        added: how many bytes at the very end are none of the file's.
    """
    rows = np.arange(grid.rows)
    places = np.stack([place for column in range(width) for place in grid.bounds(rows, column)], axis=1)
    bounds: Offsets = np.append(places.ravel(), grid.data.size - added)
    whole = pa.Array.from_buffers(BYTES, len(bounds) - 1, [None, pa.py_buffer(bounds), grid.data])
    parts = [whole.take(pa.array(np.arange(i, len(whole), 2 * width))) for i in range(2 * width)]
    empty = pa.repeat(pa.scalar(b"", BYTES), grid.rows)
    fits = np.ones(grid.rows, bool) if grid.misfits is None else ~grid.misfits
    return Records(empty, tuple(parts[0::2]), tuple(parts[1::2]), fits)
