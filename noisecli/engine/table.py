"""Corrupt the slabs of a table: a pipeline through which they flow, step by step."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np
import pyarrow as pa

from noisecli.columns import Column, to_text
from noisecli.corruption import (
    BlockCorruption,
    CellCorruption,
    JointCorruption,
    RowsCorruption,
    SamplingCorruption,
    SeriesCorruption,
    TextCorruption,
)
from noisecli.engine.bursts import Bursts
from noisecli.engine.choose import allowed_rows, chosen_cells, row_words, site_chances, value_draws
from noisecli.engine.clones import can_err, err
from noisecli.engine.counts import Counts, Tally
from noisecli.engine.edits import Edits, apply
from noisecli.engine.flow import Flow, Move
from noisecli.engine.intervals import Intervals
from noisecli.engine.joint import JointStrike
from noisecli.engine.lineup import Kept, Lines
from noisecli.engine.series import SeriesStrike
from noisecli.engine.slab import Block, Index, Slab, Struck, blocks, eligible_cells, strikeable
from noisecli.engine.soft import codes_of
from noisecli.engine.text import TextStrike, refuse_long
from noisecli.engine.whole import BlockStrike
from noisecli.plan import SOURCE_ROW, Plan, StepPlan
from noisecli.streams import (
    BLOCK,
    CounterDraws,
    Mask,
    Purpose,
    Stream,
    Words,
    raw_words,
    scramble,
    to_uniform,
    word_of,
)


class TableEngine:
    """Corrupts the slabs of one file in one copy; what it did adds up in `tally`, what lasts stays in `intervals`."""

    def __init__(self, plan: Plan, copy: int, path: str, keep_changes: bool = False) -> None:
        self._plan = plan
        self._copy = copy
        self._path = path
        self._keep_changes = keep_changes
        self._sampled: dict[int, Kept] = {}
        self.tally: Tally = {}
        self.intervals = Intervals(plan) if plan.series and plan.series.told else None

    def __call__(self, slabs: Iterable[Slab]) -> Iterator[Struck]:
        """Yield what becomes of each slab, in order; slabs may be read ahead."""
        plan = self._plan
        lines = Lines(plan.series, plan.columns) if plan.series and plan.lined_up else None
        bursts = Bursts(plan, self._stream)
        flows: Iterator[Flow] = (self._begin(slab, lines, bursts) for slab in slabs)
        for number, step in enumerate(self._plan.steps):
            flows = self._pipe(number, step)(flows)
            if self.intervals is not None and plan.lasts(step):
                flows = self.intervals.watch(number, self._rows_chosen)(flows)
        return (flow.end_of_steps(self._plan, self._keep_changes) for flow in flows)

    def _begin(self, slab: Slab, lines: Lines | None, bursts: Bursts) -> Flow:
        training = strikeable(slab, self._plan.split)
        lineage, makers = np.zeros(slab.rows, np.uint64), np.full(slab.rows, -1)
        lineup = None if lines is None else lines.line_up(slab, training)
        if lineup is not None:
            slab = bursts.strike(slab, lineup)
        return Flow(slab, training, self._origin(slab), lineage, makers, lineup)

    def _origin(self, slab: Slab) -> dict[str, pa.Array]:
        cells = dict(slab.cells)
        for name, type_ in self._plan.outgoing.items():
            cells[name] = to_text(cells[name]) if name in cells else pa.nulls(slab.rows, type_)
        if self._plan.source_row:
            cells[SOURCE_ROW] = pa.array(slab.numbers, pa.int64())
        return cells

    def _act(self, number: int, flows: Iterator[Flow]) -> Iterator[Flow]:
        step = self._plan.steps[number]
        for flow in flows:
            allowed = self._allowed(step, flow)
            if isinstance(step.corruption, RowsCorruption):
                self._strike_rows(number, step.corruption, allowed, flow)
                yield flow
                continue
            if isinstance(step.corruption, JointCorruption):
                joint = self._strike_jointly(step, step.corruption, flow)
                for name, edits in joint.edits(allowed).items():
                    flow.edit(number, name, edits, self._keep_changes)
                self._soften(step, joint, flow)
                yield flow
                continue
            for name in step.columns:
                column = step.settle(self._plan.working[name])
                strike = self._strike_text if isinstance(step.corruption, TextCorruption) else self._strike_cells
                edits = strike(step, column, flow.slab, allowed, flow.cells[name])
                flow.edit(number, name, edits, self._keep_changes)
            yield flow

    def _pipe(self, number: int, step: StepPlan) -> Callable[[Iterator[Flow]], Iterator[Flow]]:
        """Return what lets the slabs of a file pass through a step."""
        op, columns = step.corruption, {name: step.settle(self._plan.working[name]) for name in step.columns}
        choose, count = partial(self._chosen, step), partial(self._count, step)
        stream, allow, keep = self._stream(step), partial(self._allowed, step), self._keep_changes
        if isinstance(op, BlockCorruption):
            return BlockStrike(number, op, columns, stream, allow, choose, count, keep)
        if isinstance(op, SeriesCorruption):
            return SeriesStrike(number, step, op, self._plan.columns, columns, stream, allow, choose, count, keep)
        return partial(self._act, number)

    def _allowed(self, step: StepPlan, flow: Flow) -> Mask:
        return allowed_rows(self._plan, step, flow.slab, flow.training)

    def _stream(self, step: StepPlan) -> Stream:
        return Stream(self._plan.seed, self._copy, step.id, self._path)

    def _count(self, step: StepPlan, column: str) -> Counts:
        return self.tally.setdefault((step.id, column), Counts())

    def _chosen(self, step: StepPlan, column: str, block: Block, slab: Slab) -> Mask:
        """Which of the cells of a block a step chooses, eligible or not; column "" stands for whole rows."""
        return chosen_cells(self._plan, self._stream(step), step, column, block, slab)

    def _rows_chosen(self, step: StepPlan, column: str, flow: Flow) -> Mask:
        """Which rows of a slab a step strikes in a column, eligible or not."""
        parts = blocks(flow.slab.first_row, flow.slab.rows)
        mask = self._allowed(step, flow).copy()
        for block in parts:
            mask[block.rows] &= self._chosen(step, column, block, flow.slab)
        return mask

    def _strike_cells(self, step: StepPlan, column: Column, slab: Slab, allowed: Mask, current: pa.Array) -> Edits:
        op = step.corruption
        assert isinstance(op, CellCorruption)
        clean = slab.cells[column.name]
        eligible = eligible_cells(slab, self._plan.columns[column.name], op.as_number, step.nulls) & allowed
        if op.by_character:
            refuse_long(column.name, current, eligible, slab.numbers)
        # An earlier step may have put a word among numbers.
        now = replace(column, clean_text=False)
        counts = self._count(step, column.name)
        counts.eligible += int(np.count_nonzero(eligible))
        edits = Edits()
        for block in blocks(slab.first_row, slab.rows):
            if step.rate == 0 or not eligible[block.rows].any():
                continue
            chosen = self._chosen(step, column.name, block, slab) & eligible[block.rows]
            struck = np.flatnonzero(chosen)
            values = current[block.rows]
            if len(struck) < len(values):
                values = values.take(pa.array(struck))
            counts.struck += len(struck)
            alive = None if current is clean else now.eligible(values, op.as_number, step.nulls)
            if alive is not None and not alive.all():
                counts.void += int(np.count_nonzero(~alive))
                struck, values = struck[alive], values.filter(pa.array(alive))
            draws = value_draws(self._stream(step), step, column.name, block, struck, slab)
            new, changed = apply(op, column, values, draws, counts, step.decimals)
            if not changed.all():
                struck, new = struck[changed], new.filter(pa.array(changed))
            edits.add(struck + block.rows.start, new)
        return edits

    def _strike_jointly(self, step: StepPlan, op: JointCorruption, flow: Flow) -> JointStrike:
        columns = {name: step.settle(self._plan.working[name]) for name in (*step.columns, *step.reads)}
        slab = flow.slab
        return JointStrike(
            step=step,
            op=op,
            columns=columns,
            stream=self._stream(step),
            slab=replace(slab, cells=flow.origin),
            current=flow.cells,
            choose=lambda column, block: self._chosen(step, column, block, slab),
            count=lambda column: self._count(step, column),
            pair=lambda unit, rows: self._partners(step, flow, unit, rows),
            label=self._plan.working[self._plan.soft.label] if op.softens and self._plan.soft else None,
        )

    def _partners(self, step: StepPlan, flow: Flow, unit: str, rows: Index) -> Callable[[str], pa.Array]:
        """Return what fetches cells of the partners of some rows."""
        partners = self._plan.partners
        assert partners is not None
        mine = partners.numbers(self._path, flow.slab.first_row, flow.training)[rows]
        key = self._stream(step).words("partner", unit, [""])
        found = partners.of(mine, key, self._plan.pairing(step, unit))

        def fetch(name: str) -> pa.Array:
            cells = partners.fetch([name], found)[name]
            return to_text(cells) if name in self._plan.outgoing else cells

        return fetch

    def _soften(self, step: StepPlan, joint: JointStrike, flow: Flow) -> None:
        if not joint.softened or joint.label is None:
            return
        rows, kept, codes = map(np.concatenate, zip(*joint.softened, strict=True))
        flow.soften(rows, kept, codes)
        counts = self._count(step, joint.label.name)
        own = codes_of(joint.current[joint.label.name].take(pa.array(rows)), joint.label)
        counts.changed += int(np.count_nonzero((kept < 1) & (codes != own)))
        if joint.op.softens == "partner":  # else the label is a column of the step, and counted as such
            counts.struck += len(rows)

    def _strike_text(self, step: StepPlan, column: Column, slab: Slab, allowed: Mask, current: pa.Array) -> Edits:
        op, stream = step.corruption, self._stream(step)
        assert isinstance(op, TextCorruption)
        clean = slab.cells[column.name]
        eligible = column.eligible(clean, False) & allowed
        refuse_long(column.name, clean, eligible, slab.numbers)
        if current is not clean:
            refuse_long(column.name, current, eligible, slab.numbers)
        strike = TextStrike(op, column, self._count(step, column.name), self._keep_changes)
        edits = Edits()
        for block in blocks(slab.first_row, slab.rows):
            rows = np.flatnonzero(eligible[block.rows])
            if len(rows):
                chances = site_chances(self._plan, stream, step, column.name, block, slab)
                words = partial(row_words, stream, step, column=column.name, block=block, slab=slab)
                strike.strike(block, rows, clean, current, chances, words, edits)
        return edits

    def _strike_rows(self, number: int, op: RowsCorruption, allowed: Mask, flow: Flow) -> None:
        step, slab = self._plan.steps[number], flow.slab
        order = np.arange(slab.rows) if flow.order is None else flow.order
        counts = self._count(step, "")
        columns = {name: step.settle(self._plan.columns[name]) for name in step.columns}
        moves: list[Move] = []
        keys = self._row_keys(step, "value", flow)
        passed_over = self._passed_over(number, op, flow) if isinstance(op, SamplingCorruption) else None
        for block in blocks(slab.first_row, slab.rows):
            members = np.flatnonzero((order >= block.rows.start) & (order < block.rows.stop))
            source, line = order[members], flow.lineage[members]
            struck = self._struck_rows(step, block, slab, source, line) & allowed[source]
            cells = {name: slab.cells[name].take(pa.array(source)) for name in columns}
            times = op.times(struck, cells, columns, CounterDraws(keys[members]))
            if passed_over is not None:
                times = np.where(struck & passed_over[source], 0, times)
            counts.eligible += int(np.count_nonzero(allowed[source]))
            counts.struck += int(np.count_nonzero(struck))
            counts.changed += int(np.abs(times - 1).sum())
            if self._keep_changes and (times == 0).any():
                flow.gone.append((number, source[times == 0]))
            moves.append(Move.of(members, times, line, word_of(step.id), struck))
        move = Move.joined(moves)
        flow.rearrange(move, number)
        if op.scatters():
            self._scatter(step, op.scattered(move.struck, move.fresh), move.fresh, flow)
            self._delay(step, op, move.struck, flow)
        self._make_errors(number, op, flow, np.flatnonzero(move.fresh))

    def _passed_over(self, number: int, op: SamplingCorruption, flow: Flow) -> Mask:
        """Say which rows of the slab an op leaves out if they are struck."""
        lineup = flow.lineup
        assert lineup is not None
        memory = self._sampled.setdefault(number, Kept(op.memory(), np.nan))
        count = flow.slab.rows
        series = lineup.for_op(np.full(count, np.nan), np.ones(count, bool), memory)
        passed_over = np.zeros(count, bool)
        passed_over[lineup.rows], kept = op.passed_over(series)
        memory.keep(lineup.numbers, kept)
        return passed_over

    def _scatter(self, step: StepPlan, moved: Mask, fresh: Mask, flow: Flow) -> None:
        scatter = np.full(len(moved), np.nan) if flow.scatter is None else flow.scatter
        keys = self._row_keys(step, "place", flow)[moved]
        flow.scatter = scatter.copy()
        flow.scatter[moved] = CounterDraws(keys).uniform()
        self._count(step, "").changed += int(np.count_nonzero(moved & ~fresh))

    def _delay(self, step: StepPlan, op: RowsCorruption, struck: Mask, flow: Flow) -> None:
        later = op.later(struck, CounterDraws(self._row_keys(step, "place", flow)))
        if later.any():
            flow.later = later if flow.later is None else flow.later + later
        self._count(step, "").changed += int(np.count_nonzero(later))

    def _make_errors(self, number: int, op: RowsCorruption, flow: Flow, clones: Index) -> None:
        """Make errors in fresh clones."""
        step = self._plan.steps[number]
        columns = {name: step.settle(self._plan.working[name]) for name in step.columns}
        ops = {name: error for name, column in columns.items() if (error := op.error(column)) is not None}
        cells = {name: flow.current(name).take(pa.array(clones)) for name in ops}
        keys = self._row_keys(step, "value", flow)[clones]
        lines = {name: scramble(keys ^ np.uint64(word_of(name)), 0) for name in ops}
        able = {name: can_err(error, columns[name], cells[name]) for name, error in ops.items()}
        for name, absent in flow.slab.absent.items():
            if name in able and flow.order is not None:
                able[name] &= ~absent[flow.order[clones]]
        chosen = op.wrong_fields(able, {name: CounterDraws(line) for name, line in lines.items()})
        for name, mask in chosen.items():
            counts = self._count(step, name)
            counts.eligible += int(np.count_nonzero(able[name]))
            counts.struck += int(np.count_nonzero(mask))
            values, keyed = cells[name].filter(pa.array(mask)), scramble(lines[name][mask], 0)
            new, changed = err(ops[name], columns[name], values, keyed, counts)
            flow.edit_places(number, name, clones[mask][changed], new.filter(pa.array(changed)), self._keep_changes)

    def _row_keys(self, step: StepPlan, purpose: Purpose, flow: Flow) -> Words:
        """A word for each row that came out so far."""
        slab, stream = flow.slab, self._stream(step)
        words = [row_words(stream, step, purpose, "", block, slab) for block in blocks(slab.first_row, slab.rows)]
        keys = np.concatenate([np.zeros(0, np.uint64), *words])
        return (keys if flow.order is None else keys[flow.order]) ^ flow.lineage

    def _struck_rows(self, step: StepPlan, block: Block, slab: Slab, source: Index, line: Words) -> Mask:
        """Which outgoing rows a step chooses, given where they come from; a clone has a chance of its own."""
        chosen: Mask = self._chosen(step, "", block, slab)[source - block.rows.start]
        clones = line > 0
        if clones.any() and (step.id, "") not in self._plan.choosers:  # where there is one, as their source is
            words = raw_words(self._stream(step).generator("clone", "", block.number), BLOCK)[block.slots]
            keys = words[source - block.rows.start] ^ line
            chosen = np.where(clones, to_uniform(scramble(keys, 0)) < step.rate, chosen)
        return chosen
