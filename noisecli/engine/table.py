"""Corrupt one slab of a table."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from noisecli.celltext import round_decimals, to_mask
from noisecli.columns import Column, Kind, kind_of
from noisecli.corruption import CellCorruption, RowsCorruption, TextCorruption
from noisecli.engine.counts import Counts, Tally
from noisecli.errors import NoiseError
from noisecli.mechanism import cell_keys, strike_cells
from noisecli.plan import Plan, StepPlan, training_rows
from noisecli.streams import (
    BLOCK,
    BlockDraws,
    CounterDraws,
    Mask,
    Stream,
    Words,
    raw_words,
    scramble,
    to_uniform,
    word_of,
)
from noisecli.text import Spans, Text

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
    """Rows with another number of cells than the header: never struck, never in facts. None: there are none."""


@dataclass(frozen=True)
class Struck:
    """What became of a slab."""

    cells: Mapping[str, pa.Array]
    """New cells of the columns that changed, in the order of the slab's rows."""
    changed: Mapping[str, Mask]
    """Which of those cells differ from the clean ones."""
    order: Index | None
    """Row of the slab that each outgoing row comes from; None: all rows, in order."""


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


class TableEngine:
    """Corrupts the slabs of one file in one copy; what it did adds up in `tally`."""

    def __init__(self, plan: Plan, copy: int, path: str) -> None:
        self._plan = plan
        self._copy = copy
        self._path = path
        self.tally: Tally = {}

    def __call__(self, slab: Slab) -> Struck:
        """Return the corrupted slab."""
        cells = dict(slab.cells)
        training = strikeable(slab, self._plan.split)
        order: Index | None = None
        lineage = np.zeros(slab.rows, np.uint64)
        for step in self._plan.steps:
            allowed = training if step.where is None else training & step.where.mask(slab.cells, self._plan.columns)
            if isinstance(step.corruption, RowsCorruption):
                source = np.arange(slab.rows) if order is None else order
                order, lineage = self._strike_rows(step, step.corruption, slab, allowed, source, lineage)
            for name in step.columns:
                column = step.settle(self._plan.columns[name])
                strike = self._strike_words if isinstance(step.corruption, TextCorruption) else self._strike_cells
                cells[name] = strike(step, column, slab, allowed, cells[name])
        changed = {
            name: _differs(cells[name], slab.cells[name]) for name in cells if cells[name] is not slab.cells[name]
        }
        changed = {name: mask for name, mask in changed.items() if mask.any()}
        return Struck({name: cells[name] for name in changed}, changed, order)

    def _stream(self, step: StepPlan) -> Stream:
        return Stream(self._plan.seed, self._copy, step.id, self._path)

    def _count(self, step: StepPlan, column: str) -> Counts:
        return self.tally.setdefault((step.id, column), Counts())

    def _chosen(self, step: StepPlan, column: str, block: Block, clean: pa.Array) -> Mask:
        """Which of the cells a step chooses, eligible or not."""
        stream = self._stream(step)
        if step.exact:
            keys = cell_keys(stream, column, block.number)[block.slots]
            return self._plan.quotas[step.id, column, self._copy].mask(keys, clean)
        return strike_cells(stream, column, block.number, step.rate)[block.slots]

    def _strike_cells(self, step: StepPlan, column: Column, slab: Slab, allowed: Mask, current: pa.Array) -> pa.Array:
        op = step.corruption
        assert isinstance(op, CellCorruption)
        clean = slab.cells[column.name]
        eligible = column.eligible(clean, op.as_number) & allowed
        counts = self._count(step, column.name)
        counts.eligible += int(np.count_nonzero(eligible))
        edits = _Edits()
        for block in blocks(slab.first_row, slab.rows):
            if step.rate == 0 or not eligible[block.rows].any():
                continue
            chosen = self._chosen(step, column.name, block, clean[block.rows]) & eligible[block.rows]
            struck = np.flatnonzero(chosen)
            values = current[block.rows].take(pa.array(struck))
            alive = column.eligible(values, op.as_number)
            counts.struck += len(struck)
            counts.void += int(np.count_nonzero(~alive))
            struck, values = struck[alive], values.filter(pa.array(alive))
            generator = self._stream(step).generator("value", column.name, block.number)
            draws = BlockDraws(generator, struck + block.slots.start)
            new, differs = _apply(op, column, values, draws, counts, step.decimals)
            edits.add(struck[differs] + block.rows.start, new.filter(pa.array(differs)))
        return edits.put(current)

    def _strike_words(self, step: StepPlan, column: Column, slab: Slab, allowed: Mask, current: pa.Array) -> pa.Array:
        op = step.corruption
        assert isinstance(op, TextCorruption)
        clean = slab.cells[column.name]
        eligible = column.eligible(clean, False) & allowed
        edits = _Edits()
        for block in blocks(slab.first_row, slab.rows):
            rows = np.flatnonzero(eligible[block.rows])
            if len(rows) == 0:
                continue
            stream = self._stream(step)
            cells = clean[block.rows].take(pa.array(rows))
            keys = raw_words(stream.generator("strike", column.name, block.number), BLOCK)[block.slots][rows]
            text = Text(cells)
            words = text.words()
            able = op.can_edit(text, words)
            uniform = to_uniform(scramble(keys[words.rows], words.ordinals))
            struck = words[able & (uniform < step.rate)]
            counts = self._count(step, column.name)
            counts.eligible += int(np.count_nonzero(able))
            counts.struck += len(struck)
            if current is not clean:
                cells = current[block.rows].take(pa.array(rows))
                text, struck = _find_again(op, cells, struck)
            values = raw_words(stream.generator("value", column.name, block.number), BLOCK)[block.slots][rows]
            draws = CounterDraws(scramble(values[struck.rows], struck.ordinals))
            new = text.replace(op.edit(text, struck, draws), struck.rows)
            counts.changed += len(struck)
            touched = np.unique(struck.rows)
            edits.add(rows[touched] + block.rows.start, new.take(pa.array(touched)))
        counts = self._count(step, column.name)
        counts.void = counts.struck - counts.changed
        return edits.put(current)

    def _strike_rows(
        self, step: StepPlan, op: RowsCorruption, slab: Slab, allowed: Mask, order: Index, lineage: Words
    ) -> tuple[Index, Words]:
        counts = self._count(step, "")
        orders, lineages = [], []
        for block in blocks(slab.first_row, slab.rows):
            members = np.flatnonzero((order >= block.rows.start) & (order < block.rows.stop))
            source, line = order[members], lineage[members]
            slots = source - block.rows.start + block.slots.start
            chosen = strike_cells(self._stream(step), "", block.number, step.rate)[slots]
            clones = line > 0
            if clones.any():
                keys = raw_words(self._stream(step).generator("clone", "", block.number), BLOCK)[slots]
                chosen[clones] = (to_uniform(scramble(keys ^ line, 0)) < step.rate)[clones]
            struck = chosen & allowed[source]
            times = op.times(struck)
            positions = np.repeat(np.arange(len(times)), times)
            number = np.arange(len(positions)) - np.repeat(np.cumsum(times) - times, times)
            descent = scramble(line[positions] ^ np.uint64(word_of(step.id)), number)
            orders.append(source[positions])
            lineages.append(np.where(number > 0, descent, line[positions]))
            counts.eligible += int(np.count_nonzero(allowed[source]))
            counts.struck += int(np.count_nonzero(struck))
            counts.changed += int(np.abs(times - 1).sum())
        if not orders:
            return order, lineage
        return np.concatenate(orders), np.concatenate(lineages)


def _apply(
    op: CellCorruption, column: Column, values: pa.Array, draws: BlockDraws, counts: Counts, decimals: int | None
) -> tuple[pa.Array, Mask]:
    """Run a cell op on struck values: the new cells, and which of them differ from the old."""
    if op.as_number:
        numbers = column.to_numbers(values)
        result = op.corrupt(numbers, column, draws)
        if np.isnan(result).any():
            raise NoiseError(f"op {op.name!r} made NaN of numbers in column {column.name!r}: a bug of the op")
        if decimals is not None:
            result = round_decimals(result, decimals)
        new, settled, clipped = column.to_cells(result)
        differs = settled != numbers
        counts.clipped += int(np.count_nonzero(clipped))
    else:
        new = op.corrupt(values, column, draws)
        differs = _differs(new, values)
    counts.changed += int(np.count_nonzero(differs))
    return new, differs


class _Edits:
    """New cells gathered block by block, put into the column at the end."""

    def __init__(self) -> None:
        self._rows: list[Index] = []
        self._cells: list[pa.Array] = []

    def add(self, rows: Index, cells: pa.Array) -> None:
        if len(rows):
            self._rows.append(rows)
            self._cells.append(cells)

    def put(self, column: pa.Array) -> pa.Array:
        if not self._rows:
            return column
        rows = np.concatenate(self._rows)
        new = pa.concat_arrays(self._cells).cast(column.type)
        if len(rows) == len(column):
            return new
        if kind_of(column.type) is Kind.OTHER:  # Arrow cannot replace in place what is nested or rare
            place = np.arange(len(column))
            place[rows] = np.arange(len(column), len(column) + len(rows))
            return pa.concat_arrays([column, new]).take(pa.array(place))
        mask = np.zeros(len(column), bool)
        mask[rows] = True
        return pc.replace_with_mask(column, pa.array(mask), new)


def _differs(new: pa.Array, old: pa.Array) -> Mask:
    """Cell by cell, whether two arrays differ; null equals null."""
    lost = to_mask(pc.xor(pc.is_null(new), pc.is_null(old)))
    both = to_mask(pc.and_(pc.is_valid(new), pc.is_valid(old)))
    if not both.any() or kind_of(old.type) is Kind.OTHER:
        return lost
    differ = to_mask(pc.not_equal(new, old))
    if pa.types.is_floating(old.type):
        differ &= ~to_mask(pc.and_(pc.is_nan(new), pc.is_nan(old)))
    return lost | differ


def _find_again(op: TextCorruption, cells: pa.Array, struck: Spans) -> tuple[Text, Spans]:
    """Find struck words in text that an earlier step has changed, by their place in the row."""
    text = Text(pc.fill_null(cells, ""))
    words = text.words()
    able = words[op.can_edit(text, words)]
    wide = int(max(able.ordinals.max(initial=0), struck.ordinals.max(initial=0))) + 1
    found = np.isin(able.rows * wide + able.ordinals, struck.rows * wide + struck.ordinals)
    return text, able[found]
