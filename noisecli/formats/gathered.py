"""What became of all slabs of a table, or of a row group, put together."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.types as pt

from noisecli.engine import Index, Slab, Struck
from noisecli.formats import AS_IT_CAME
from noisecli.formats.arranged import keys
from noisecli.streams import Mask


@dataclass(frozen=True)
class Noisy:
    """What became of a whole table, or of some rows of one that follow each other."""

    cells: Mapping[str, pa.ChunkedArray]
    """New columns, those only in which something changed, one cell for each outgoing row and in `plain` types."""
    changed: Mapping[str, Mask]
    """Which of their cells differ from the clean ones of the rows that they come from."""
    order: Index | None
    """Row of the table that each outgoing row comes from; None: all rows, in order."""
    outgoing: Mapping[str, pa.DataType] = field(default_factory=dict)
    """Columns with other types than in the table, and columns that it does not have; they are among the cells."""

    @property
    def altered(self) -> set[str]:
        """Columns that are not as they came."""
        return {name for name, mask in self.changed.items() if mask.any()} | set(self.outgoing)

    def new(self, column: str) -> tuple[Index, pa.Array]:
        """Return the rows of a column that changed, and their new cells."""
        changed = self.changed[column]
        return np.flatnonzero(changed), self.cells[column].filter(pa.array(changed)).combine_chunks()


UNTOUCHED = Noisy({}, {}, None)


def gather(slabs: Iterable[tuple[Struck, Slab]], outgoing: Mapping[str, pa.DataType] = AS_IT_CAME) -> Noisy:
    """Put what became of all slabs of a table together, given with the slabs themselves."""
    pairs = list(slabs)
    noisy = side_by_side(pairs, outgoing)
    return _arranged(noisy, pairs) if any(struck.elsewhere for struck, _ in pairs) else noisy


def side_by_side(pairs: Sequence[tuple[Struck, Slab]], outgoing: Mapping[str, pa.DataType] = AS_IT_CAME) -> Noisy:
    """Put what became of some slabs together, one after another; of the slabs the columns are needed that stayed."""
    first_row = pairs[0][1].first_row if pairs else 0
    sizes = [slab.rows if struck.order is None else len(struck.order) for struck, slab in pairs]
    cells, changed = {}, {}
    for name in dict.fromkeys([*(name for struck, _ in pairs for name in struck.cells), *outgoing]):
        cells[name] = pa.chunked_array([_cells(name, struck, slab) for struck, slab in pairs], outgoing.get(name))
        both = zip(pairs, sizes, strict=True)
        masks = [struck.changed.get(name, np.zeros(size, bool)) for (struck, _), size in both]
        changed[name] = np.concatenate([np.zeros(0, bool), *masks])
    order = None
    if any(moves(struck, slab.rows) for struck, slab in pairs):
        orders = [np.arange(slab.rows) if struck.order is None else struck.order for struck, slab in pairs]
        order = np.concatenate([own + slab.first_row for own, (_, slab) in zip(orders, pairs, strict=True)]) - first_row
    return Noisy(cells, changed, order, outgoing)


def gather_group(
    made: Iterator[Struck],
    waiting: deque[tuple[Slab, pa.Table]],
    rows: int,
    outgoing: Mapping[str, pa.DataType] = AS_IT_CAME,
) -> tuple[Noisy, list[str], list[pa.ChunkedArray]]:
    """Put what becomes of the next rows together, slab by slab; nothing else stays that is not needed.

    Args:
        made: what becomes of slabs.
        waiting: those slabs, and what was read for them; what is taken is removed.
        rows: how many there are, of whole slabs. One slab is taken at least.
        outgoing: columns with other types, and new ones.

    Returns:
        what became of the rows; names of the columns that were read; these columns, those that get new cells without
        their own, but for dictionaries.
    """
    pairs, columns = list[tuple[Struck, Slab]](), list[list[pa.ChunkedArray]]()
    while rows > 0 or not pairs:
        struck = next(made)
        slab, table = waiting.popleft()
        rows, names = rows - slab.rows, table.column_names
        columns.append([_left(each, name in struck.cells) for name, each in zip(names, table.columns, strict=True)])
        left = {name: cells for name, cells in slab.cells.items() if name not in struck.cells}
        pairs.append((struck, replace(slab, cells=left)))
        del struck, slab, table
    whole = [_joined(same) for same in zip(*columns, strict=True)]
    return side_by_side(pairs, outgoing), names, whole


def _joined(columns: Sequence[pa.ChunkedArray]) -> pa.ChunkedArray:
    return pa.chunked_array([chunk for column in columns for chunk in column.chunks], columns[0].type)


def _left(column: pa.ChunkedArray, replaced: bool) -> pa.ChunkedArray:
    """What stays of a column that gets new cells, or does not."""
    return pa.chunked_array([], column.type) if replaced and not pt.is_dictionary(column.type) else column


def moves(struck: Struck, rows: int) -> bool:
    """Whether rows come out in another order or number."""
    return struck.order is not None and not np.array_equal(struck.order, np.arange(rows))


def _cells(name: str, struck: Struck, slab: Slab) -> pa.Array:
    """What became of a column in a slab."""
    if name in struck.cells:
        return struck.cells[name]
    return slab.cells[name] if struck.order is None else slab.cells[name].take(pa.array(struck.order))


def _arranged(noisy: Noisy, pairs: Sequence[tuple[Struck, Slab]]) -> Noisy:
    """Put the rows of a table into the order that the steps gave them."""
    rows = sum(slab.rows for _, slab in pairs)
    by_key = np.argsort(np.concatenate([keys(struck, slab, rows) for struck, slab in pairs]), kind="stable")
    cells = {name: column.take(pa.array(by_key)) for name, column in noisy.cells.items()}
    changed = {name: mask[by_key] for name, mask in noisy.changed.items()}
    return Noisy(cells, changed, by_key if noisy.order is None else noisy.order[by_key], noisy.outgoing)
