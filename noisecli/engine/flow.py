"""A slab on its way through the steps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from noisecli.columns import Column
from noisecli.engine.edits import Edits, differs, put
from noisecli.engine.lineup import Lineup
from noisecli.engine.slab import Change, Index, Slab, Struck
from noisecli.engine.soft import SoftLabels, write
from noisecli.plan import Plan, SoftPlan
from noisecli.streams import Floats, Mask, Words, scramble


@dataclass(frozen=True)
class Move:
    """How a step on rows lays out the rows that came out so far."""

    positions: Index
    """Where each row stood among those that came out before the step, ascending."""
    nth: Index
    """0 for the row itself, then 1, 2 and so on for its clones."""
    lineage: Words
    """As in `Flow`."""
    struck: Mask
    """Whether the step struck the row."""

    @classmethod
    def of(cls, members: Index, times: Index, lineage: Words, step: int, struck: Mask) -> "Move":
        """Repeat some rows each so many times; `step` is a hash of what names the step."""
        which = np.repeat(np.arange(len(times)), times)
        nth = np.arange(len(which)) - np.repeat(np.cumsum(times) - times, times)
        own = lineage[which]
        descent = scramble(own ^ np.uint64(step), nth)
        return cls(members[which], nth, np.where(nth > 0, descent, own), struck[which])

    @classmethod
    def joined(cls, moves: Sequence["Move"]) -> "Move":
        """Put the moves of consecutive rows together."""
        empty = cls(np.zeros(0, np.intp), np.zeros(0, np.intp), np.zeros(0, np.uint64), np.zeros(0, bool))
        parts = moves or [empty]
        return cls(*(np.concatenate([getattr(move, name) for move in parts]) for name in cls.__dataclass_fields__))

    @property
    def fresh(self) -> Mask:
        """Which rows are clones that the step makes."""
        return self.nth > 0


@dataclass
class Flow:
    """A slab on its way through the steps."""

    slab: Slab
    training: Mask
    """Rows of the slab that may be struck at all."""
    origin: Mapping[str, pa.Array]
    """Cells that the steps begin with, one for each row of the slab: clean, as text where a column is widened, and null
    in columns that the slab does not have."""
    lineage: Words
    """What the draws of an outgoing row are keyed by besides its address; 0 for the row itself."""
    makers: Index
    """Number of the step that an outgoing row is a clone of; -1 for the row itself."""
    lineup: Lineup | None = None
    """Its training rows by series; None: no step goes along one."""
    order: Index | None = None
    """As in `Struck`."""
    scatter: Floats | None = None
    """As in `Struck`."""
    later: Index | None = None
    """As in `Struck`."""
    soft: SoftLabels | None = None
    """Labels of the rows that came out so far; None: they are hard."""
    gone: list[tuple[int, Index]] = field(default_factory=list)
    """As in `Struck`."""
    changes: list[Change] = field(default_factory=list)
    over: list[pa.Table] = field(default_factory=list)
    """As in `Struck`."""
    cells: dict[str, pa.Array] = field(init=False)
    """Cells as the steps so far have left them: those of the origin itself, or one for each outgoing row."""
    _edited: dict[str, Mask] = field(default_factory=dict)
    """Rows of the slab that got new cells in a column before any was cloned."""

    def __post_init__(self) -> None:
        self.cells = dict(self.origin)

    @property
    def end(self) -> int:
        """First row after the slab."""
        return self.slab.first_row + self.slab.rows

    def clean(self, column: str) -> pa.Array:
        """Clean cells of the rows that came out so far."""
        cells = self.origin[column]
        return cells if self.order is None else cells.take(pa.array(self.order))

    def current(self, column: str) -> pa.Array:
        """Cells of the rows that came out so far, as the steps have left them."""
        return self.clean(column) if self._is_clean(column) else self.cells[column]

    def _is_clean(self, column: str) -> bool:
        return self.cells[column] is self.origin[column]

    def edit(self, number: int, column: str, edits: Edits, keep: bool) -> None:
        """Put new cells into rows of the slab, before any is cloned; the change is kept if that is asked for."""
        if edits:
            rows, new = edits.joined(self.cells[column].type)
            if keep:
                before = self.cells[column].take(pa.array(rows))
                self.changes.append(Change(number, column, rows, before, new, drawn=edits.drawn))
            self.cells[column] = put(self.cells[column], rows, new)
            self._edited.setdefault(column, np.zeros(self.slab.rows, bool))[rows] = True

    def edit_places(self, number: int, column: str, places: Index, new: pa.Array, keep: bool) -> None:
        """Put new cells into some of the rows that came out so far."""
        assert self.order is not None
        if len(places):
            self.cells[column] = current = self.current(column)
            new = new.cast(current.type)
            if keep:
                before = current.take(pa.array(places))
                self.changes.append(Change(number, column, self.order[places], before, new, places))
            self.cells[column] = put(current, places, new)

    def rearrange(self, move: Move, number: int) -> None:
        """Let a step lay out the rows anew."""
        positions = move.positions
        self.lineage = move.lineage
        self.makers = np.where(move.fresh, number, self.makers[positions])
        taken = {n: self.cells[n].take(pa.array(positions)) for n in self.cells if not self._is_clean(n)}
        self.cells |= taken
        self.order = positions if self.order is None else self.order[positions]
        self.scatter = None if self.scatter is None else self.scatter[positions]
        self.later = None if self.later is None else self.later[positions]
        self.soft = None if self.soft is None else self.soft.take(positions)
        self.changes = [change if change.places is None else _follow(change, positions) for change in self.changes]

    def soften(self, rows: Index, kept: Floats, codes: Index) -> None:
        """Let the labels of some rows of the slab keep a share; the rest goes to other classes."""
        self.soft = self.soft or SoftLabels.hard(self.slab.rows)
        self.soft.mix(rows, kept, codes)

    def end_of_steps(self, plan: Plan, keep: bool) -> Struck:
        """Write soft labels and compare with the clean slab; nothing of it is left in the hands of the steps."""
        if plan.soft is not None:
            self._write_soft(plan.soft, plan.working[plan.soft.label], keep)
        changed = {name: self._changed(name) for name in self.cells}
        changed = {name: mask for name, mask in changed.items() if mask.any() or self._is_outgoing(name)}
        cells = {name: self.current(name) for name in changed}
        makers = None if self.order is None else self.makers
        told = self.changes, self.gone
        struck = Struck(cells, changed, self.order, makers, *told, self.scatter, self.later, self.over)
        self.cells, self.origin, self.slab, self.changes = {}, {}, Slab(0, 0, {}), []
        return struck

    def _write_soft(self, plan: SoftPlan, column: Column, keep: bool) -> None:
        rows = self.slab.rows if self.order is None else len(self.order)
        written = write(self.soft or SoftLabels.hard(rows), self.current(plan.label), column, plan)
        if written.positions is not None:
            first = np.diff(written.positions, prepend=-1) > 0
            nth = (~first).astype(np.intp)
            self.rearrange(Move(written.positions, nth, self.lineage[written.positions], ~first), plan.number)
        if written.places is not None and written.labels is not None:
            self.edit_places(plan.number, plan.label, written.places, written.labels, keep)
        self.cells |= written.added

    def _changed(self, column: str) -> Mask:
        """Which cells differ from the clean ones; all that the slab has no column for."""
        if column not in self.slab.cells:
            return np.ones(len(self.current(column)), bool)
        if self._is_clean(column):
            return np.zeros(len(self.lineage), bool)
        edited = self._edited.get(column)
        if self.order is not None or edited is None or 2 * np.count_nonzero(edited) > len(edited):
            return differs(self.cells[column], self.clean(column))
        rows = np.flatnonzero(edited)
        which = pa.array(rows)
        edited[rows] = differs(self.cells[column].take(which), self.origin[column].take(which))
        return edited

    def _is_outgoing(self, column: str) -> bool:
        return self.origin[column] is not self.slab.cells.get(column)


def _follow(change: Change, positions: Index) -> Change:
    """Say of a change of outgoing rows where these are, after all of them were laid out anew."""
    assert change.places is not None
    entry_of = np.full(max(int(positions.max(initial=0)), int(change.places.max(initial=0))) + 1, -1)
    entry_of[change.places] = np.arange(len(change.places))
    entries = entry_of[positions]
    places = np.flatnonzero(entries >= 0)
    which = pa.array(entries[places])
    rows = change.rows[entries[places]]
    return replace(change, rows=rows, before=change.before.take(which), after=change.after.take(which), places=places)
