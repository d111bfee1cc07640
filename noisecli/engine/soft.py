"""Soft labels: how much of each class a row is. They travel beside the rows and are written once, at the end."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from noisecli.columns import Column
from noisecli.engine.slab import Index
from noisecli.plan import SoftPlan
from noisecli.streams import Floats

UNKNOWN = -1
"""Code of a label that is missing, or no class of the training data."""

SPREAD = 1 << 22
"""Shares that are spread out over all classes at once."""


def codes_of(labels: pa.Array, column: Column) -> Index:
    """Number labels by their place among the classes."""
    classes = pa.array(column.categories or (), labels.type)
    found = pc.fill_null(pc.index_in(labels, classes), UNKNOWN)
    return np.asarray(found.to_numpy(zero_copy_only=False), dtype=np.intp)


@dataclass
class SoftLabels:
    """What rows are besides their own class: so much of others, and of all classes alike. The shares add up to 1."""

    own: Floats
    alike: Floats
    """Divided among all classes."""
    others: list[tuple[Index, Floats]] = field(default_factory=list)
    """Codes and shares, one entry a row; a share of 0 where there is no other."""

    @classmethod
    def hard(cls, rows: int) -> "SoftLabels":
        """Labels that are nothing but their own class."""
        return cls(np.ones(rows), np.zeros(rows))

    def mix(self, rows: Index, kept: Floats, codes: Index) -> None:
        """Let rows keep a share of what they are; the rest goes to other classes, where UNKNOWN to all alike."""
        factor = np.ones(len(self.own))
        factor[rows] = kept
        lost = 1 - factor
        self.own, self.alike = self.own * factor, self.alike * factor
        self.others = [(whose, shares * factor) for whose, shares in self.others]
        whose = np.full(len(self.own), UNKNOWN)
        whose[rows] = codes
        self.alike = self.alike + np.where(whose == UNKNOWN, lost, 0)
        if (codes != UNKNOWN).any():
            self.others.append((whose, np.where(whose == UNKNOWN, 0, lost)))

    def take(self, positions: Index) -> "SoftLabels":
        """Return those of some rows, in their order."""
        others = [(whose[positions], shares[positions]) for whose, shares in self.others]
        return SoftLabels(self.own[positions], self.alike[positions], others)

    def shares(self, own: Index, classes: int) -> "np.ndarray[tuple[int, int], np.dtype[np.float64]]":
        """Spread the shares out, (rows, classes); NaN in rows whose label is unknown."""
        table = np.repeat(self.alike[:, None] / max(1, classes), classes, axis=1)
        for whose, shares in [(own, self.own), *self.others]:
            known = np.flatnonzero((whose != UNKNOWN) & (shares > 0))
            table[known, whose[known]] += shares[known]
        table[own == UNKNOWN] = np.nan
        return table


@dataclass(frozen=True)
class Written:
    """Soft labels as columns of the copy."""

    added: Mapping[str, pa.Array]
    """Cells of the columns that are added, one for each outgoing row."""
    positions: Index | None = None
    """Which row each outgoing one repeats; None: none is repeated."""
    places: Index | None = None
    """Which of the outgoing rows get another label."""
    labels: pa.Array | None = None
    """Those labels."""


def write(soft: SoftLabels, labels: pa.Array, column: Column, plan: SoftPlan) -> Written:
    """Write soft labels in the layout that is asked for."""
    classes = pa.array(column.categories or (), labels.type)
    own = codes_of(labels, column)
    if plan.layout == "pair":
        whose, shares = soft.others[0] if soft.others else (own, 1 - soft.own)
        other = np.where(shares > 0, whose, own)
        codes = pa.array(other, mask=other == UNKNOWN)
        lambdas = pa.array(soft.own, mask=own == UNKNOWN)
        return Written(dict(zip(plan.columns, (classes.take(codes), lambdas), strict=True)))
    if plan.layout == "weighted":
        return _weighted(soft, own, classes, plan)
    table = soft.shares(own, len(classes))
    lost = np.isnan(table[:, 0]) if len(classes) else np.zeros(len(own), bool)
    cells = [pa.array(table[:, i], mask=lost) for i in range(len(classes))]
    return Written(dict(zip(plan.columns, cells, strict=True)))


def _weighted(soft: SoftLabels, own: Index, classes: pa.Array, plan: SoftPlan) -> Written:
    """Repeat each row for every class that it is something of: its own first, then the others in their order."""
    step = max(1, SPREAD // max(1, len(classes)))
    firsts = range(0, max(1, len(own)), step)
    parts = [_entries(soft, own, np.arange(first, min(first + step, len(own))), len(classes)) for first in firsts]
    rows, codes, weights = map(np.concatenate, zip(*parts, strict=True))
    places = np.flatnonzero(codes != own[rows])
    labels = classes.take(pa.array(codes[places]))
    return Written({plan.columns[0]: pa.array(weights)}, rows, places, labels)


def _entries(soft: SoftLabels, own: Index, some: Index, classes: int) -> tuple[Index, Index, Floats]:
    """List some rows as often as they are of a class: the row, the class and the share; without one once, and whole."""
    mine = own[some]
    table = soft.take(some).shares(mine, classes)
    unknown = np.flatnonzero(mine == UNKNOWN)
    rows, codes = np.nonzero(table > 0)
    rows, codes = np.concatenate([rows, unknown]), np.concatenate([codes, np.full(len(unknown), UNKNOWN)])
    order = np.lexsort([codes, codes != mine[rows], rows])
    rows, codes = rows[order], codes[order]
    weights = np.where(codes == UNKNOWN, 1.0, table[rows, codes] if classes else 1.0)
    return some[rows], codes, weights
