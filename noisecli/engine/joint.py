"""Strike rows of several columns together."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa

from noisecli.columns import NUMBER, Column
from noisecli.corruption import JointCorruption, Rows
from noisecli.engine.choose import value_draws
from noisecli.engine.counts import Counts
from noisecli.engine.edits import Edits, settle_cells, settle_numbers
from noisecli.engine.slab import Block, Index, Slab, blocks
from noisecli.engine.soft import UNKNOWN, codes_of
from noisecli.errors import DataProblem
from noisecli.plan import StepPlan
from noisecli.streams import Floats, Mask, Stream

V = TypeVar("V")
Masks = dict[str, Mask]


class Lazy(dict[str, V]):
    """Things by name, each made when it is first asked for."""

    def __init__(self, make: Callable[[str], V]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, name: str) -> V:
        self[name] = self._make(name)
        return self[name]


@dataclass(frozen=True)
class JointStrike:
    """A step on several columns, about to strike a slab."""

    step: StepPlan
    op: JointCorruption
    columns: Mapping[str, Column]
    """Those to be struck, in the order of the file, and those that the op reads."""
    stream: Stream
    slab: Slab
    current: Mapping[str, pa.Array]
    """Cells as earlier steps have left them."""
    choose: Callable[[str, Block], Mask]
    """Which rows of a block are struck, eligible or not; "" for whole rows."""
    count: Callable[[str], Counts]
    pair: Callable[[str, Index], Callable[[str], pa.Array]]
    """What fetches clean cells of the partners of some rows of the slab, by what is paired, "" for whole rows."""
    label: Column | None
    """The column of the classes, where the op makes labels soft."""
    softened: list[tuple[Index, Floats, Index]] = field(default_factory=list)
    """Rows of the slab, how much of their label they keep, and the classes that the rest goes to; UNKNOWN: all alike.
    """

    def edits(self, allowed: Mask) -> dict[str, Edits]:
        """Return the new cells of each column; only rows that are allowed are struck."""
        names = self.step.columns
        if self.label is not None:
            allowed = allowed & (codes_of(self.slab.cells[self.label.name], self.label) != UNKNOWN)
        eligible = {name: self.columns[name].eligible(self.slab.cells[name], self._numeric(name)) for name in names}
        eligible = {name: mask & allowed for name, mask in self._whole(eligible).items()}
        for name, mask in eligible.items():
            self.count(name).eligible += int(np.count_nonzero(mask))
        if self.label is not None and self.op.softens == "partner":
            self.count(self.label.name).eligible += int(np.count_nonzero(np.logical_or.reduce(list(eligible.values()))))
        edits = {name: Edits() for name in names}
        for block in blocks(self.slab.first_row, self.slab.rows) if self.step.rate > 0 else ():
            mine = {name: mask[block.rows] for name, mask in eligible.items()}
            for unit, members in [("", names)] if self.op.together else [(name, (name,)) for name in names]:
                if any(mine[name].any() for name in members):
                    chosen = self.choose(unit, block)
                    self._strike(block, {name: chosen & mine[name] for name in members}, edits)
        return edits

    def _strike(self, block: Block, struck: Masks, edits: Mapping[str, Edits]) -> None:
        """Change the struck cells of a block."""
        rows = np.flatnonzero(np.logical_or.reduce(list(struck.values())))
        cells = {name: self.current[name][block.rows].take(pa.array(rows)) for name in struck}
        alive = self._whole({name: self._now(name).eligible(cells[name], self._numeric(name)) for name in struck})
        able = {name: mask[rows] & alive[name] for name, mask in struck.items()}
        for name, mask in struck.items():
            self.count(name).struck += int(np.count_nonzero(mask))
            self.count(name).void += int(np.count_nonzero(mask)) - int(np.count_nonzero(able[name]))
        kept = np.logical_or.reduce(list(able.values()))
        if not kept.any():
            return
        rows = rows[kept]
        cells = {name: values.filter(pa.array(kept)) for name, values in cells.items()}
        old = {name: self._as_given(self._now(name), values) for name, values in cells.items()}
        new = self._corrupt(block, rows, old)
        for name, values in cells.items():
            mask = able[name][kept]
            settled, changed = self._settle(name, values.filter(pa.array(mask)), old[name], new[name], mask)
            edits[name].add(rows[mask][changed] + block.rows.start, settled.filter(pa.array(changed)))

    def _corrupt(self, block: Block, rows: Index, cells: Mapping[str, Any]) -> Mapping[str, Any]:
        """Let the op act on rows of a block."""
        unit = "" if self.op.together else next(iter(cells))
        slab_rows = rows + block.rows.start
        place = pa.array(slab_rows)
        clean = Lazy(lambda name: self._as_given(self.columns[name], self.slab.cells[name].take(place)))
        draws = Lazy(lambda name: value_draws(self.stream, self.step, name, block, rows, self.slab))
        fetch = self.pair(unit, slab_rows) if self.op.pairs else self.slab.cells.__getitem__
        partners = Lazy(lambda name: self._as_given(self.columns[name], fetch(name)))
        with np.errstate(over="ignore"):  # what overflows is clipped, and counted
            new = self.op.corrupt(Rows(cells, clean, partners), self.columns, draws)
        if self.label is not None:
            mixes = self.op.softens == "partner"
            codes = self._classes(fetch(self.label.name)) if mixes else np.full(len(rows), UNKNOWN)
            self.softened.append((slab_rows, new[""], codes))
        return new

    def _classes(self, labels: pa.Array) -> Index:
        assert self.label is not None
        codes = codes_of(labels, self.label)
        if (codes == UNKNOWN).any():  # only facts of other data do not know a class of the training rows
            strange = labels[int(np.argmax(codes == UNKNOWN))].as_py()
            raise DataProblem(
                f"column {self.label.name!r}: {strange!r} is none of the classes that the recorded facts know: leave "
                "`facts:` out"
            )
        return codes

    def _settle(self, name: str, values: pa.Array, old: Any, new: Any, mask: Mask) -> tuple[pa.Array, Mask]:
        """Write the new cells where the mask says so; also say which of them differ from the old ones."""
        counts = self.count(name)
        if self._numeric(name):
            column = self.columns[name]
            return settle_numbers(self.op, column, old[mask], new[mask], counts, self.step.decimals)
        return settle_cells(values, new.filter(pa.array(mask)), counts)

    def _numeric(self, name: str) -> bool:
        return self.op.as_number and self.columns[name].kind in NUMBER

    def _as_given(self, column: Column, cells: pa.Array) -> Any:
        return column.to_numbers(cells) if self._numeric(column.name) else cells

    def _now(self, name: str) -> Column:
        """The column as it is now: an earlier step may have put a word among numbers."""
        column = self.columns[name]
        return column if self.current[name] is self.slab.cells[name] else replace(column, clean_text=False)

    def _whole(self, masks: Masks) -> Masks:
        """Let a row count only if all of its cells do, where the op wants that."""
        if not self.op.whole:
            return masks
        all_of_them: Mask = np.logical_and.reduce(list(masks.values()))
        return dict.fromkeys(masks, all_of_them)
