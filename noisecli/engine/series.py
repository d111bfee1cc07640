"""Strike columns of numbers along their series."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from noisecli.columns import Column
from noisecli.corruption import SeriesCorruption
from noisecli.engine.bursts import words_along
from noisecli.engine.counts import Counts
from noisecli.engine.edits import Edits, as_numbers, settle_along
from noisecli.engine.flow import Flow
from noisecli.engine.lineup import Kept
from noisecli.engine.slab import Block, Slab, blocks, eligible_cells
from noisecli.plan import StepPlan
from noisecli.streams import CounterDraws, Floats, Mask, Stream


@dataclass(frozen=True)
class SeriesStrike:
    """A step on series, about to strike a file."""

    number: int
    step: StepPlan
    op: SeriesCorruption
    clean: Mapping[str, Column]
    """The columns as they are in the file."""
    columns: Mapping[str, Column]
    """The columns as steps work on them."""
    stream: Stream
    allow: Callable[[Flow], Mask]
    """Which rows of a slab may be struck."""
    choose: Callable[[str, Block, Slab], Mask]
    """Which cells of a block are struck, eligible or not."""
    count: Callable[[str], Counts]
    keep_changes: bool

    def __call__(self, flows: Iterator[Flow]) -> Iterator[Flow]:
        """Strike the slabs of a file, in order."""
        memories = {name: Kept(self.op.memory(), np.nan) for name in self.columns}
        for flow in flows:
            allowed = self.allow(flow)
            for name, memory in memories.items():
                edits = self._edits(name, memory, flow, allowed)
                flow.edit(self.number, name, edits, self.keep_changes)
            yield flow

    def _edits(self, name: str, memory: Kept, flow: Flow, allowed: Mask) -> Edits:
        slab, current, counts = flow.slab, flow.cells[name], self.count(name)
        eligible = eligible_cells(slab, self.clean[name], True, False) & allowed
        counts.eligible += int(np.count_nonzero(eligible))
        edits = Edits()
        if self.step.rate == 0:
            return edits
        column = self.columns[name]
        # An earlier step may have put a word among numbers.
        now = column if current is slab.cells[name] else replace(column, clean_text=False)
        alive = now.eligible(current, True)
        numbers = np.where(alive, as_numbers(now, current), np.nan)
        chosen = allowed & self._chosen(name, slab)
        new = self._corrupt(column, memory, flow, numbers, chosen)
        struck = eligible & chosen
        counts.struck += int(np.count_nonzero(struck))
        counts.void += int(np.count_nonzero(struck & ~alive))
        rows = np.flatnonzero(struck & alive)
        values = current.take(pa.array(rows))
        cells, changed = settle_along(self.op, column, values, new[rows], counts, self.step.decimals)
        edits.add(rows[changed], cells.filter(changed))
        return edits

    def _chosen(self, name: str, slab: Slab) -> Mask:
        chosen = [self.choose(name, block, slab) for block in blocks(slab.first_row, slab.rows)]
        return np.concatenate([np.zeros(0, bool), *chosen])

    def _corrupt(self, column: Column, memory: Kept, flow: Flow, numbers: Floats, chosen: Mask) -> Floats:
        """Let the op act on all rows of the slab that belong to series; the others stay what they are."""
        lineup = flow.lineup
        assert lineup is not None
        draws = CounterDraws(words_along(self.stream, "value", column.name, lineup))
        series = lineup.for_op(numbers, chosen, memory)
        with np.errstate(over="ignore"):  # what overflows is clipped, and counted
            values, kept = self.op.corrupt(series, column, draws)
        memory.keep(lineup.numbers, kept)
        new = numbers.copy()
        new[lineup.rows] = values
        return new
