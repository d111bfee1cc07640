"""The steps tried out on the first rows of the data, and again with one of them left out.

A step draws the same numbers whatever other steps there are, so two such runs differ in what that step did.
"""

from collections.abc import Iterator, Mapping, Sequence
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
    differs: Mapping[str, Mask]
    """Which cells came out other than they went in, by column; none where other rows came out."""
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
        return sum(int(np.count_nonzero(rows)) for rows in self.changed[step].values())

    def untouched(self, step: str) -> int:
        """Count those of them that no later step changed again."""
        later = list(self.changed)[list(self.changed).index(step) + 1 :]
        left = 0
        for name, rows in self.changed[step].items():
            again = [self.changed[other][name] for other in later if name in self.changed[other]]
            left += int(np.count_nonzero(rows & ~np.any(again, axis=0))) if again else int(np.count_nonzero(rows))
        return left

    def undone(self, step: str) -> int:
        """Count those of them that later steps made what they had been."""
        both = ((rows, self.differs[name]) for name, rows in self.changed[step].items() if name in self.differs)
        return sum(int(np.count_nonzero(rows & ~differ)) for rows, differ in both)

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
        self.whole = whole
        self.enough = 1 if whole else 20
        """From so many struck cells on something can be said of a step."""

    @property
    def training_rows(self) -> Index:
        """Which of the rows are training data."""
        return np.flatnonzero(strikeable(self.slab, self._plan.split))

    def training(self, column: str) -> pa.Array:
        """Return the clean training cells of a column."""
        return self.slab.cells[column].take(pa.array(self.training_rows))

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
        cells = {name: column.take(which) for name, column in self.slab.cells.items() if name not in struck.cells}
        clean = {name: np.zeros(self.slab.rows, bool) for name in cells}
        differ = {**clean, **struck.changed} if struck.order is None else {}
        places = (struck.scatter, struck.later)
        return Result(engine.tally, changed, differ, {**cells, **struck.cells}, order, places)


def _muted(plan: Plan, ids: set[str] | frozenset[str]) -> Plan:
    """Return the plan with some steps that strike nothing."""
    steps = tuple(replace(s, rate=0.0, exact=False) if s.id in ids else s for s in plan.steps)
    return replace(plan, steps=steps, choosers={key: c for key, c in plan.choosers.items() if key[0] not in ids})


def prepare_trial(prepared: Prepared, plan: Plan, folder: Path) -> Trial | None:
    """Read the first rows of the largest table; partners of rows are found among them, and spilled to a folder.

    Returns:
        what tries the plan on them; None: there are no rows.
    """
    counted = {path: sum(part.rows for part in table.parts) for path, table in prepared.tables.items()}
    file = max(prepared.dataset.struck, key=lambda file: counted[file.relative])
    table = replace(file, reading=replace(file.reading, spool=folder)).table()
    plan = plan.without_dirt
    names = list(dict.fromkeys([*plan.touched, *columns_of_partners(plan)]))
    slab = _first_rows(slab for _, slab in table.scan(names))
    if slab.rows == 0:
        return None
    spilled = with_partners({"": plan}, [(file.address, [slab])], table.fields(), folder / "partners")
    return Trial(spilled[""], slab, file.address, whole=slab.rows == sum(counted.values()))


def _first_rows(slabs: Iterator[Slab]) -> Slab:
    """Join slabs until there are enough rows, and cut off what is more."""
    parts: list[Slab] = []
    for slab in slabs:
        parts.append(slab)
        if sum(part.rows for part in parts) >= ROWS:
            break
    names = parts[0].cells if parts else ()
    absent = dict.fromkeys(name for part in parts for name in part.absent)
    return Slab(
        first_row=0,
        rows=min(sum(part.rows for part in parts), ROWS),
        cells={name: pa.concat_arrays([part.cells[name] for part in parts]).slice(0, ROWS) for name in names},
        misfits=_joined([part.misfits for part in parts], parts),
        absent={name: _joined([part.absent.get(name) for part in parts], parts) for name in absent},
    )


def _joined(masks: Sequence[Mask | None], parts: Sequence[Slab]) -> Mask:
    whole = (np.zeros(part.rows, bool) if mask is None else mask for mask, part in zip(masks, parts, strict=True))
    return np.concatenate([np.zeros(0, bool), *whole])[:ROWS]
