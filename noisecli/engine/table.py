"""Corrupt the slabs of a table: a pipeline through which they flow, step by step."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from noisecli.columns import Column
from noisecli.corruption import BlockCorruption, CellCorruption, RowsCorruption, TextCorruption
from noisecli.engine.choose import allowed_rows, chosen_cells, word_chances
from noisecli.engine.counts import Counts, Tally
from noisecli.engine.edits import Edits, apply, differs, put
from noisecli.engine.slab import Block, Change, Index, Slab, Struck, blocks, eligible_cells, strikeable
from noisecli.plan import Plan, StepPlan
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


@dataclass
class Flow:
    """A slab on its way through the steps."""

    slab: Slab
    training: Mask
    """Rows that may be struck at all."""
    cells: dict[str, pa.Array]
    """Cells as the steps so far have left them."""
    lineage: Words
    """What the draws of an outgoing row are keyed by besides its address; 0 for the row itself."""
    makers: Index
    """Number of the step that an outgoing row is a clone of; -1 for the row itself."""
    order: Index | None = None
    """As in `Struck`."""
    gone: list[tuple[int, Index]] = field(default_factory=list)
    """As in `Struck`."""
    changes: list[Change] = field(default_factory=list)

    @property
    def end(self) -> int:
        """First row after the slab."""
        return self.slab.first_row + self.slab.rows


class TableEngine:
    """Corrupts the slabs of one file in one copy; what it did adds up in `tally`."""

    def __init__(self, plan: Plan, copy: int, path: str, keep_changes: bool = False) -> None:
        self._plan = plan
        self._copy = copy
        self._path = path
        self._keep_changes = keep_changes
        self.tally: Tally = {}

    def __call__(self, slabs: Iterable[Slab]) -> Iterator[Struck]:
        """Yield what becomes of each slab, in order; slabs may be read ahead."""
        flows: Iterator[Flow] = map(self._begin, slabs)
        for number, step in enumerate(self._plan.steps):
            if isinstance(step.corruption, BlockCorruption):
                flows = self._act_on_blocks(number, step.corruption, flows)
            else:
                flows = self._act(number, flows)
        return map(_end, flows)

    def _begin(self, slab: Slab) -> Flow:
        lineage, makers = np.zeros(slab.rows, np.uint64), np.full(slab.rows, -1)
        return Flow(slab, strikeable(slab, self._plan.split), dict(slab.cells), lineage, makers)

    def _act(self, number: int, flows: Iterator[Flow]) -> Iterator[Flow]:
        step = self._plan.steps[number]
        for flow in flows:
            allowed = self._allowed(step, flow)
            if isinstance(step.corruption, RowsCorruption):
                self._strike_rows(number, step.corruption, allowed, flow)
            for name in step.columns:
                column = step.settle(self._plan.columns[name])
                strike = self._strike_words if isinstance(step.corruption, TextCorruption) else self._strike_cells
                self._put(flow, number, name, strike(step, column, flow.slab, allowed, flow.cells[name]))
            yield flow

    def _act_on_blocks(self, number: int, op: BlockCorruption, flows: Iterator[Flow]) -> Iterator[Flow]:
        """Hold slabs back until every block that they have a part of is there as a whole."""
        step = self._plan.steps[number]
        held: deque[tuple[Flow, Mask]] = deque()
        struck = 0
        for flow in flows:
            allowed = self._allowed(step, flow)
            for name in step.columns:
                self._count(step, name).eligible += int(np.count_nonzero(allowed))
            held.append((flow, allowed))
            whole = flow.end // BLOCK
            for block in range(struck, whole):
                self._strike_block(number, op, block, held)
            struck = whole
            del flow, allowed
            while held and held[0][0].end <= struck * BLOCK:
                yield held.popleft()[0]
        if held:
            self._strike_block(number, op, struck, held)
        while held:
            yield held.popleft()[0]

    def _strike_block(self, number: int, op: BlockCorruption, block: int, held: Iterable[tuple[Flow, Mask]]) -> None:
        step = self._plan.steps[number]
        pieces: list[tuple[Flow, Index]] = []
        for flow, allowed in held:
            for part in blocks(flow.slab.first_row, flow.slab.rows):
                if part.number == block:
                    chosen = self._chosen(step, "", part, flow.slab) & allowed[part.rows]
                    rows = np.flatnonzero(chosen) + part.rows.start
                    pieces.append((flow, rows))
        bounds = np.cumsum([0, *(len(rows) for _, rows in pieces)])
        if bounds[-1] == 0:
            return
        columns = {name: step.settle(self._plan.columns[name]) for name in step.columns}
        cells = {name: pa.concat_arrays([f.cells[name].take(pa.array(r)) for f, r in pieces]) for name in columns}
        new = op.corrupt(cells, columns, self._stream(step).generator("value", "", block))
        for name, old in cells.items():
            changed = differs(new[name], old)
            counts = self._count(step, name)
            counts.struck += len(old)
            for (flow, rows), start, stop in zip(pieces, bounds, bounds[1:], strict=False):
                mine = changed[start:stop]
                if name in flow.slab.absent:
                    mine = mine & ~flow.slab.absent[name][rows]
                counts.changed += int(np.count_nonzero(mine))
                edits = Edits()
                edits.add(rows[mine], new[name][start:stop].filter(pa.array(mine)))
                self._put(flow, number, name, edits)

    def _allowed(self, step: StepPlan, flow: Flow) -> Mask:
        return allowed_rows(self._plan, step, flow.slab, flow.training)

    def _put(self, flow: Flow, number: int, column: str, edits: Edits) -> None:
        if not edits:
            return
        current = flow.cells[column]
        rows, new = edits.joined(current.type)
        if self._keep_changes:
            flow.changes.append(Change(number, column, rows, current.take(pa.array(rows)), new))
        flow.cells[column] = put(current, rows, new)

    def _stream(self, step: StepPlan) -> Stream:
        return Stream(self._plan.seed, self._copy, step.id, self._path)

    def _count(self, step: StepPlan, column: str) -> Counts:
        return self.tally.setdefault((step.id, column), Counts())

    def _chosen(self, step: StepPlan, column: str, block: Block, slab: Slab) -> Mask:
        """Which of the cells of a block a step chooses, eligible or not; column "" stands for whole rows."""
        return chosen_cells(self._plan, self._stream(step), step, column, block, slab)

    def _strike_cells(self, step: StepPlan, column: Column, slab: Slab, allowed: Mask, current: pa.Array) -> Edits:
        op = step.corruption
        assert isinstance(op, CellCorruption)
        clean = slab.cells[column.name]
        eligible = eligible_cells(slab, column, op.as_number, step.nulls) & allowed
        # An earlier step may have put a word among numbers.
        now = column if current is clean else replace(column, clean_text=False)
        counts = self._count(step, column.name)
        counts.eligible += int(np.count_nonzero(eligible))
        edits = Edits()
        for block in blocks(slab.first_row, slab.rows):
            if step.rate == 0 or not eligible[block.rows].any():
                continue
            chosen = self._chosen(step, column.name, block, slab) & eligible[block.rows]
            struck = np.flatnonzero(chosen)
            values = current[block.rows].take(pa.array(struck))
            alive = now.eligible(values, op.as_number, step.nulls)
            counts.struck += len(struck)
            counts.void += int(np.count_nonzero(~alive))
            struck, values = struck[alive], values.filter(pa.array(alive))
            generator = self._stream(step).generator("value", column.name, block.number)
            draws = BlockDraws(generator, struck + block.slots.start)
            new, changed = apply(op, column, values, draws, counts, step.decimals)
            edits.add(struck[changed] + block.rows.start, new.filter(pa.array(changed)))
        return edits

    def _strike_words(self, step: StepPlan, column: Column, slab: Slab, allowed: Mask, current: pa.Array) -> Edits:
        op = step.corruption
        assert isinstance(op, TextCorruption)
        clean = slab.cells[column.name]
        eligible = column.eligible(clean, False) & allowed
        edits = Edits()
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
            chances = word_chances(self._plan, stream, step, column.name, block, slab)[rows]
            struck = words[able & (uniform < chances[words.rows])]
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
        return edits

    def _strike_rows(self, number: int, op: RowsCorruption, allowed: Mask, flow: Flow) -> None:
        step, slab = self._plan.steps[number], flow.slab
        order = np.arange(slab.rows) if flow.order is None else flow.order
        counts = self._count(step, "")
        orders, lineages, makers = [], [], []
        for block in blocks(slab.first_row, slab.rows):
            members = np.flatnonzero((order >= block.rows.start) & (order < block.rows.stop))
            source, line, maker = order[members], flow.lineage[members], flow.makers[members]
            place = source - block.rows.start
            chosen = self._chosen(step, "", block, slab)[place]
            clones = line > 0
            if clones.any() and (step.id, "") not in self._plan.choosers:  # where there is one, as their source is
                keys = raw_words(self._stream(step).generator("clone", "", block.number), BLOCK)[block.slots][place]
                chosen[clones] = (to_uniform(scramble(keys ^ line, 0)) < step.rate)[clones]
            struck = chosen & allowed[source]
            times = op.times(struck)
            positions = np.repeat(np.arange(len(times)), times)
            nth = np.arange(len(positions)) - np.repeat(np.cumsum(times) - times, times)
            descent = scramble(line[positions] ^ np.uint64(word_of(step.id)), nth)
            orders.append(source[positions])
            lineages.append(np.where(nth > 0, descent, line[positions]))
            makers.append(np.where(nth > 0, number, maker[positions]))
            counts.eligible += int(np.count_nonzero(allowed[source]))
            counts.struck += int(np.count_nonzero(struck))
            counts.changed += int(np.abs(times - 1).sum())
            if self._keep_changes and (times == 0).any():
                flow.gone.append((number, source[times == 0]))
        flow.order = order
        if orders:
            flow.order, flow.lineage, flow.makers = map(np.concatenate, (orders, lineages, makers))


def _end(flow: Flow) -> Struck:
    """Compare with the clean slab, and leave nothing of it in the hands of the steps."""
    clean = flow.slab.cells
    changed = {name: differs(cells, clean[name]) for name, cells in flow.cells.items() if cells is not clean[name]}
    changed = {name: mask for name, mask in changed.items() if mask.any()}
    cells = {name: flow.cells[name] for name in changed}
    makers, changes = None if flow.order is None else flow.makers, flow.changes
    flow.cells, flow.slab, flow.changes = {}, Slab(0, 0, {}), []
    return Struck(cells, changed, flow.order, makers, changes, flow.gone)


def _find_again(op: TextCorruption, cells: pa.Array, struck: Spans) -> tuple[Text, Spans]:
    """Find struck words in text that an earlier step has changed, by their place in the row."""
    text = Text(pc.fill_null(cells, ""))
    words = text.words()
    able = words[op.can_edit(text, words)]
    wide = int(max(able.ordinals.max(initial=0), struck.ordinals.max(initial=0))) + 1
    found = np.isin(able.rows * wide + able.ordinals, struck.rows * wide + struck.ordinals)
    return text, able[found]
