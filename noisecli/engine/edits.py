"""New cells: made by an op, gathered block by block, put into their column."""

from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from noisecli.celltext import are_valid, round_decimals, to_mask
from noisecli.columns import MOMENT, Column, Kind, kind_of, numpy_dtype
from noisecli.corruption import CellCorruption, MomentCorruption, MomentTextCorruption, TableCorruption
from noisecli.dates import DAY, FIRST, LAST, Micros
from noisecli.engine.counts import Counts, Transitions
from noisecli.engine.slab import Index
from noisecli.errors import NoiseError
from noisecli.streams import BlockDraws, Floats, Mask

MOST_CATEGORIES = 100
"""Transitions are counted in columns of at most so many categories."""


class Edits:
    """New cells of one column of a slab, gathered block by block."""

    def __init__(self) -> None:
        self._rows: list[Index] = []
        self._cells: list[pa.Array] = []
        self._drawn: list[pa.Array] = []

    def add(self, rows: Index, cells: pa.Array, drawn: pa.Array | None = None) -> None:
        """Take the new cells of some rows of the slab, which follow those that came before.

        Args:
            rows: the rows.
            cells: what becomes of them.
            drawn: what else is to be said of each, as JSON; always, or never.
        """
        if len(rows):
            self._rows.append(rows)
            self._cells.append(cells)
            if drawn is not None:
                self._drawn.append(drawn)

    def __bool__(self) -> bool:
        return bool(self._rows)

    def joined(self, type_: pa.DataType) -> tuple[Index, pa.Array]:
        """Return the rows and their cells, in the column's type."""
        cells = pa.concat_arrays(self._cells)
        # Arrow will not cast a missing struct, even to its own type, where a field in it is declared not null.
        return np.concatenate(self._rows), cells if cells.type == type_ else cells.cast(type_)

    @property
    def drawn(self) -> pa.Array | None:
        """What else is to be said of each cell, as JSON; None: nothing."""
        return pa.concat_arrays(self._drawn) if self._drawn else None


def put(column: pa.Array, rows: Index, new: pa.Array) -> pa.Array:
    """Return the column with new cells in some rows."""
    if len(rows) == len(column):
        return new
    # Arrow cannot replace in place what is nested or rare; of texts it takes thrice as long.
    if kind_of(column.type) is Kind.OTHER or pa.types.is_string(column.type):
        place = np.arange(len(column))
        place[rows] = np.arange(len(column), len(column) + len(rows))
        return pa.concat_arrays([column, new]).take(pa.array(place))
    mask = np.zeros(len(column), bool)
    mask[rows] = True
    return pc.replace_with_mask(column, pa.array(mask), new)


def apply(
    op: CellCorruption, column: Column, values: pa.Array, draws: BlockDraws, counts: Counts, decimals: int | None
) -> tuple[pa.Array, Mask]:
    """Run a cell op on struck values: the new cells, and which of them differ from the old."""
    if isinstance(op, MomentTextCorruption):
        clock = column.to_times(values)[0] + column.ahead(values)
        return settle_cells(values, op.rewrite(values, clock, column, draws), counts)
    if isinstance(op, MomentCorruption) and column.kind in MOMENT:
        return _apply_to_moments(op, column, values, draws, counts)
    if op.as_number:
        numbers = column.to_numbers(values)
        with np.errstate(over="ignore"):  # what overflows is clipped, and counted
            result = op.corrupt(numbers, column, draws)
        return settle_numbers(op, column, numbers, result, counts, decimals)
    new, changed = settle_cells(values, op.corrupt(values, column, draws), counts)
    if op.tells_transitions:
        if changed.all():
            counts.transitions += transitions(column, values, new)
        else:
            which = pa.array(changed)
            counts.transitions += transitions(column, values.filter(which), new.filter(which))
    return new, changed


def _apply_to_moments(
    op: MomentCorruption, column: Column, values: pa.Array, draws: BlockDraws, counts: Counts
) -> tuple[pa.Array, Mask]:
    old, ahead = _times(column, values), column.ahead(values)
    given = old if op.instants else old + ahead
    return settle_times(column, values, op.corrupt(given, column, draws) - given, counts)


def _times(column: Column, values: pa.Array) -> Micros:
    """Times in microseconds since 1970, by the clock of UTC, so near that no op need mind where 64 bits end."""
    return np.clip(column.to_times(values)[0], FIRST - DAY, LAST + DAY)


def settle_times(column: Column, values: pa.Array, moves: Micros, counts: Counts) -> tuple[pa.Array, Mask]:
    """Move times by so many microseconds: the new cells, and which of them differ from the old."""
    clock = _times(column, values) + column.ahead(values)
    cells, settled, clipped = column.to_moments(clock + moves, values)
    moved = moves != 0  # what is finer than a microsecond is no change
    changed = moved & (settled != clock)
    counts.clipped += int(np.count_nonzero(clipped & moved))
    counts.changed += int(np.count_nonzero(changed))
    return cells, changed


def as_numbers(column: Column, values: pa.Array) -> Floats:
    """Cells as ops along a series get them: numbers, and of dates and times microseconds since 1970."""
    return _times(column, values).astype(np.float64) if column.kind in MOMENT else column.to_numbers(values)


def settle_along(
    op: TableCorruption, column: Column, values: pa.Array, new: Floats, counts: Counts, decimals: int | None
) -> tuple[pa.Array, Mask]:
    """Write what such an op made of cells: the new ones, and which of them differ from the old."""
    old = as_numbers(column, values)
    if column.kind not in MOMENT:
        return settle_numbers(op, column, old, new, counts, decimals)
    # Only by how much they move: after the year 2255 float64 cannot tell all microseconds.
    moves = np.rint(np.clip(new, FIRST - DAY, LAST + DAY) - old)
    return settle_times(column, values, moves.astype(np.int64), counts)


def settle_numbers(
    op: TableCorruption, column: Column, old: Floats, new: Floats, counts: Counts, decimals: int | None
) -> tuple[pa.Array, Mask]:
    """Write what an op made of numbers: the new cells, and which of them differ from the old."""
    special = op.special and column.holds_special
    if not special and np.isnan(new).any():
        raise NoiseError(f"op {op.name!r} made NaN of numbers in column {column.name!r}: a bug of the op")
    if decimals is not None:
        new = round_decimals(new, decimals)
    cells, settled, clipped = column.to_cells(new, special)
    changed = np.asarray(settled != old, dtype=bool)
    if column.kind is Kind.INTEGER:
        exact = column.exact(old) | np.isnan(old)
        changed &= exact
        clipped &= exact
        counts.inexact += int(np.count_nonzero(~exact))
    counts.clipped += int(np.count_nonzero(clipped))
    counts.changed += int(np.count_nonzero(changed))
    return cells, changed


def settle_cells(old: pa.Array, new: pa.Array, counts: Counts) -> tuple[pa.Array, Mask]:
    """Take what an op made of cells: the new ones, and which of them differ from the old."""
    changed = differs(new, old)
    counts.changed += int(np.count_nonzero(changed))
    return new, changed


def transitions(column: Column, old: pa.Array, new: pa.Array) -> Transitions:
    """Count which category became which; none where the column has more categories than are told of."""
    size = len(column.categories or ())
    if not 0 < size <= MOST_CATEGORIES:
        return Counter()
    before, after = column.codes(old), column.codes(new)
    known = (before >= 0) & (after >= 0)
    times = np.bincount(before[known] * size + after[known])
    return Counter({divmod(pair, size): int(times[pair]) for pair in np.flatnonzero(times).tolist()})


def _numbers_differ(new: pa.Array, old: pa.Array) -> Mask:
    """As `differs`, of floats; null cells may say anything."""
    dtype = numpy_dtype(old.type)
    size = dtype.itemsize
    one, other = (np.frombuffer(a.buffers()[1], dtype, len(a), a.offset * size) for a in (new, old))
    bits = np.dtype(f"u{dtype.itemsize}")
    differ: Mask = one.view(bits) != other.view(bits)
    nans = np.isnan(other)
    if nans.any():
        differ &= ~(nans & np.isnan(one))
    return differ


def differs(new: pa.Array, old: pa.Array) -> Mask:
    """Cell by cell, whether two arrays differ: null equals null, NaN equals NaN, and 0 is not -0."""
    there, was = are_valid(new), are_valid(old)
    lost: Mask = there != was
    both: Mask = there & was
    if not both.any() or kind_of(old.type) is Kind.OTHER:
        return lost
    if pa.types.is_floating(old.type):
        return lost | (both & _numbers_differ(new, old))
    return lost | to_mask(pc.not_equal(new, old))
