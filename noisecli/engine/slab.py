"""A slab of a table: what comes in, what comes out, and how blocks cut it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from noisecli.columns import Column, Kind
from noisecli.plan import training_rows
from noisecli.streams import BLOCK, Floats, Mask, Words

Index = NDArray[np.intp]


@dataclass(frozen=True)
class Slab:
    """Some consecutive rows of one file, as much of them as the recipe touches."""

    first_row: int
    rows: int
    cells: Mapping[str, pa.Array]
    """Clean cells of each column, `rows` long, in the column's storage type."""
    null_spellings: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """How often each spelling of a missing cell occurs, by column; empty where the file has true nulls."""
    misfits: Mask | None = None
    """Rows that do not fit the others: never struck, never in facts. None: there are none."""
    told: Mapping[str, frozenset[Kind]] = field(default_factory=dict)
    """Kinds that the file itself gives to cells stored as text, by column: FLOAT (any number), TEXT, BOOL, OTHER."""
    absent: Mapping[str, Mask] = field(default_factory=dict)
    """Cells that the file has no place for, by column: they are null, and stay so. Left out where there are none."""
    bursts: Mapping[tuple[str, str], Mask] = field(default_factory=dict)
    """Which rows are struck in runs along their series, by step id and what the strikes are drawn for; settled when the
    rows are lined up."""
    places: Words | None = None
    """A hash of the series that each row belongs to and of its place there, if rows are lined up."""

    @property
    def numbers(self) -> Index:
        """Numbers of the rows in the file, from 0."""
        return np.arange(self.first_row, self.first_row + self.rows)


@dataclass(frozen=True)
class Change:
    """What one step did to some cells of a column: those whose value it really changed."""

    step: int
    """Number of the step in the plan."""
    column: str
    rows: Index
    """Rows of the slab, ascending."""
    before: pa.Array
    after: pa.Array
    places: Index | None = None
    """Which of the slab's outgoing rows changed, where only these did: clones. None: the rows before any was cloned."""
    drawn: pa.Array | None = None
    """What else is to be said of each cell, as JSON; None: nothing. Cells with it may be equal before and after."""


@dataclass(frozen=True)
class Struck:
    """What became of a slab."""

    cells: Mapping[str, pa.Array]
    """New cells of the columns that changed, one for each outgoing row."""
    changed: Mapping[str, Mask]
    """Which of those cells differ from the clean ones of the rows that they come from."""
    order: Index | None
    """Row of the slab that each outgoing row comes from, ascending; None: all rows, in order."""
    makers: Index | None = None
    """Number of the step that each outgoing row is a clone of, -1 for the row itself; None where `order` is."""
    changes: Sequence[Change] = ()
    """Every change of every step, if the engine was asked to keep them."""
    gone: Sequence[tuple[int, Index]] = ()
    """Number of a step and the rows of the slab, ascending, that it left out; kept like the changes."""
    scatter: Floats | None = None
    """Where in the whole file an outgoing row comes out, as a share of its length; NaN for rows that keep their place
    between their neighbours. None: all do."""
    later: Index | None = None
    """How many rows of the file later an outgoing row comes out than its neighbours. None: none does."""
    over: Sequence[pa.Table] = ()
    """Intervals of struck rows that are known to be over by this slab, if they are asked for."""

    @property
    def elsewhere(self) -> bool:
        """Whether rows may come out elsewhere."""
        return self.scatter is not None or self.later is not None


@dataclass(frozen=True)
class Block:
    """The part of a block that lies in a slab."""

    number: int
    slots: slice
    """Its slots in the block."""
    rows: slice
    """Its rows in the slab."""


def blocks(first_row: int, rows: int) -> Iterator[Block]:
    """Cut a slab at block boundaries."""
    row = first_row
    while row < first_row + rows:
        number, slot = divmod(row, BLOCK)
        count = min(BLOCK - slot, first_row + rows - row)
        yield Block(number, slice(slot, slot + count), slice(row - first_row, row - first_row + count))
        row += count


def strikeable(slab: Slab, split: str | None) -> Mask:
    """Which rows are training data, and fit the header."""
    rows = np.ones(slab.rows, bool) if split is None else training_rows(slab.cells[split])
    return rows if slab.misfits is None else rows & ~slab.misfits


def eligible_cells(slab: Slab, column: Column, as_number: bool, nulls: bool) -> Mask:
    """Which clean cells of a column an op can change; with `nulls` missing ones, too, where the file has a place."""
    found = column.eligible(slab.cells[column.name], as_number, nulls)
    return found & ~slab.absent[column.name] if column.name in slab.absent else found
