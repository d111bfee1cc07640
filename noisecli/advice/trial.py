"""The steps tried out on the first rows of the data, and again with one of them left out.

A step draws the same numbers whatever other steps there are, so two such runs differ in what that step did.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from noisecli.engine import Index, Slab, TableEngine, Tally, strikeable
from noisecli.engine.edits import differs
from noisecli.plan import Plan
from noisecli.run import Prepared
from noisecli.run.pairing import columns_of_partners, with_partners
from noisecli.streams import Floats, Mask

ROWS = 1024
"""Rows that are tried."""


@dataclass(frozen=True)
class Result:
    """What became of the rows."""

    tally: Tally
    changed: Mapping[str, Mapping[str, Mask]]
    """Which rows each step changed, by its id and the column."""
    cells: Mapping[str, pa.Array]
    order: Index
    """Which row each outgoing one comes from."""
    places: tuple[Floats | Index | None, ...]
    """Where else in the file rows come out."""

    def repeated(self) -> int:
        """Count the rows that come from the same one as another."""
        return len(self.order) - len(np.unique(self.order))

    def count(self, step: str) -> int:
        """Count the cells that a step changed."""
        return sum(int(np.count_nonzero(rows)) for rows in self.changed.get(step, {}).values())

    def untouched(self, step: str) -> int:
        """Count those of them that no later step changed again."""
        later = list(self.changed)[list(self.changed).index(step) + 1 :] if step in self.changed else []
        left = 0
        for name, rows in self.changed.get(step, {}).items():
            again = [self.changed[other][name] for other in later if name in self.changed[other]]
            left += int(np.count_nonzero(rows & ~np.any(again, axis=0))) if again else int(np.count_nonzero(rows))
        return left

    def distance(self, other: "Result") -> int | None:
        """Count the cells that differ from those of another run; None: other rows came out, or elsewhere."""
        mine, theirs = (self.order, *self.places), (other.order, *other.places)
        if not all(_same(one, another) for one, another in zip(mine, theirs, strict=True)):
            return None
        if any(self.cells[name].type != other.cells[name].type for name in self.cells):
            return None
        return sum(int(np.count_nonzero(differs(self.cells[name], other.cells[name]))) for name in self.cells)


def _same(one: Floats | Index | None, other: Floats | Index | None) -> bool:
    if one is None or other is None:
        return one is other
    return np.array_equal(one, other, equal_nan=one.dtype.kind == "f")


class Trial:
    """A plan, and the rows on which it is tried."""

    def __init__(self, plan: Plan, slab: Slab, path: str, whole: bool) -> None:
        """Prepare to try a plan; `whole`: the rows are all that there are."""
        self._plan = _muted(plan, {step.id for step in plan.steps if step.corruption.code() is not None})
        self._path = path
        self._results: dict[frozenset[str], Result] = {}
        self._finer: dict[str, Result] = {}
        self.slab = slab
        self.enough = 1 if whole else 20
        """From so many struck cells on something can be said of a step."""

    def training(self, column: str) -> pa.Array:
        """Return the clean training cells of a column."""
        return self.slab.cells[column].filter(pa.array(strikeable(self.slab, self._plan.split)))

    def run(self, *without: str) -> Result:
        """Try the steps, but for some."""
        key = frozenset(without)
        if key not in self._results:
            self._results[key] = self._run(_muted(self._plan, key))
        return self._results[key]

    def finer(self, step: str) -> Result:
        """Try the steps, with new numbers of one of them written with all their decimals."""
        if step not in self._finer:
            steps = (replace(s, decimals=15) if s.id == step else s for s in self._plan.steps)
            self._finer[step] = self._run(replace(self._plan, steps=tuple(steps)))
        return self._finer[step]

    def _run(self, plan: Plan) -> Result:
        engine = TableEngine(plan, 1, self._path, keep_changes=True)
        (struck,) = engine([self.slab])
        changed: dict[str, dict[str, Mask]] = {step.id: {} for step in plan.steps}
        for change in struck.changes:
            if change.places is None:
                rows = changed[plan.steps[change.step].id].setdefault(change.column, np.zeros(self.slab.rows, bool))
                rows[change.rows] = True
        order = np.arange(self.slab.rows) if struck.order is None else struck.order
        which = pa.array(order)
        cells = {name: clean.take(which) for name, clean in self.slab.cells.items() if name not in struck.cells}
        return Result(engine.tally, changed, {**cells, **struck.cells}, order, (struck.scatter, struck.later))


def _muted(plan: Plan, ids: set[str] | frozenset[str]) -> Plan:
    """Return the plan with some steps that strike nothing."""
    steps = tuple(replace(s, rate=0.0, exact=False) if s.id in ids else s for s in plan.steps)
    return replace(plan, steps=steps, choosers={key: c for key, c in plan.choosers.items() if key[0] not in ids})


def prepare_trial(prepared: Prepared, plan: Plan, folder: Path) -> Trial:
    """Read the first rows of the largest table; partners of rows are found among them, and spilled to a folder."""
    counted = {path: sum(part.rows for part in table.parts) for path, table in prepared.tables.items()}
    file = max(prepared.dataset.struck, key=lambda file: counted[file.relative])
    table = replace(file, reading=replace(file.reading, spool=folder)).table()
    plan = plan.without_dirt
    names = list(dict.fromkeys([*plan.touched, *columns_of_partners(plan)]))
    slab = _shortened(next(slab for _, slab in table.scan(names)))
    spilled = with_partners({"": plan}, [(file.address, [slab])], table.fields(), folder / "partners")
    return Trial(spilled[""], slab, file.address, whole=slab.rows == sum(counted.values()))


def _shortened(slab: Slab) -> Slab:
    return replace(
        slab,
        rows=min(slab.rows, ROWS),
        cells={name: cells.slice(0, ROWS) for name, cells in slab.cells.items()},
        misfits=None if slab.misfits is None else slab.misfits[:ROWS],
        absent={name: mask[:ROWS] for name, mask in slab.absent.items()},
    )
