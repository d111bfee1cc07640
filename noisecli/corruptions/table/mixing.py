"""Rows that get something of other rows: values in their place, mixtures, soft labels."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, PositiveFloat

from noisecli.columns import ANY, CATEGORY, NUMBER, Column, Kind
from noisecli.corruption import JointCorruption, Rows, register
from noisecli.elementary import exp
from noisecli.streams import BlockDraws, Floats

Cells = Mapping[str, Any]
Draws = Mapping[str, BlockDraws]


@register
class Permute(JointCorruption):
    """Replace values by those of other rows: the column keeps its distribution, and what it says of a row is lost.

    At rate 1 the values change places, each by the same permutation of all training rows for every rate; what is
    missing stays missing.

    Source: Breiman 2001, "Random Forests" (permutation importance).

    Example:
        {op: permute, columns: [height], rate: 0.3}
    """

    accepts = ANY - {Kind.OTHER}
    together = False
    pairs = True
    unchanged = "the other row holds the same value"
    severities = ({"rate": 0.05}, {"rate": 0.1}, {"rate": 0.2}, {"rate": 0.35}, {"rate": 0.5})

    within: str | None = None
    """Column in which the other row must have the same value; left out: any row may be it."""

    def pairs_within(self) -> str | None:
        return self.within

    def corrupt(self, rows: Rows, columns: Mapping[str, Column], draws: Draws) -> Cells:
        return {name: rows.partners[name] for name in rows.cells}


def symmetric_beta(alpha: float, normals: Sequence[Floats], exponentials: Sequence[Floats]) -> Floats:
    """Return Beta(alpha, alpha) variates, each made of two standard normal numbers and three exponential ones.

    Half of one plus the cosine of a random angle times a random radius is Beta(a, a) for a above 1/2 (Devroye 1986,
    "Non-Uniform Random Variate Generation", IX.3.2). It serves for a = alpha + 1; and the ratio of two gammas of shape
    alpha + 1, each times a uniform to the power of 1 / alpha, is that of two gammas of shape alpha.
    """
    (x, y), (radius, first, second) = normals, exponentials
    reach = np.sqrt(1 - exp(-2 * radius / (2 * alpha + 1)))
    wide = (1 + reach * x / np.sqrt(x * x + y * y)) / 2
    # By logarithms of their uniforms, which are exponential: small powers would run out of digits.
    first_less = first <= second
    with np.errstate(over="ignore"):  # where alpha is next to 0
        ratio = exp(-np.abs(second - first) / alpha)
    mine, theirs = np.where(first_less, 1.0, ratio), np.where(first_less, ratio, 1.0)
    return wide * mine / (wide * mine + (1 - wide) * theirs)


@register
class Mixup(JointCorruption):
    """Mix rows with other training rows, labels too: points between points, for classifiers that are less sure.

    A number becomes `share * own + (1 - share) * other`; where one of the two is missing it stays. The label becomes
    soft in the same shares: `data: {label: ..., soft_labels: ...}` says how that is written.

    Source: Zhang, Cisse, Dauphin and Lopez-Paz 2018, "mixup: Beyond Empirical Risk Minimization".

    Example:
        {op: mixup, columns: [height, weight], alpha: 0.2}
    """

    accepts = NUMBER | CATEGORY | frozenset({Kind.DATE, Kind.DATETIME})
    as_number = True
    pairs = True
    softens = "partner"
    unchanged = ""
    severities = ({"alpha": 0.1}, {"alpha": 0.2}, {"alpha": 0.4}, {"alpha": 1.0}, {"alpha": 2.0})

    alpha: PositiveFloat = 0.2
    """Shares are drawn from the Beta distribution with both parameters alpha: the smaller, the closer to 0 or 1."""
    within: Literal["any", "class"] = "any"
    """any: the other row is any training row; class: one of the same class, so that labels stay hard."""
    categorical: Literal["dominant", "sample"] = "dominant"
    """What becomes of a cell that is no number. dominant: that of the row with the larger share; sample: the other's
    with the probability of its share."""

    def pairs_within(self) -> str | None:
        return "" if self.within == "class" else None

    def corrupt(self, rows: Rows, columns: Mapping[str, Column], draws: Draws) -> Cells:
        own = draws[""]
        normals, exponentials = [own.normal() for _ in range(2)], [own.exponential() for _ in range(3)]
        share = symmetric_beta(self.alpha, normals, exponentials)
        new: dict[str, Any] = {"": share}
        for name, mine in rows.cells.items():
            other = rows.partners[name]
            if columns[name].kind in NUMBER:
                mixed = share * mine + (1 - share) * other
                new[name] = np.where(np.isfinite(mixed), mixed, mine)
            else:
                bound = 0.5 if self.categorical == "dominant" else draws[name].uniform()
                taken = pc.and_(pa.array(share < bound), pc.is_valid(other))
                new[name] = pc.if_else(taken, other, mine)
        return new


@register
class LabelSmoothing(JointCorruption):
    """Give a share of every label to all classes alike: targets that are never quite sure.

    The label becomes soft: `data: {label: ..., soft_labels: ...}` says how that is written.

    Source: Szegedy, Vanhoucke, Ioffe, Shlens and Wojna 2016, "Rethinking the Inception Architecture for Computer
    Vision".

    Example:
        {op: label_smoothing, epsilon: 0.1}
    """

    accepts = CATEGORY
    role = "label"
    softens = "uniform"
    unchanged = ""
    severities = ({"epsilon": 0.05}, {"epsilon": 0.1}, {"epsilon": 0.2}, {"epsilon": 0.3}, {"epsilon": 0.4})

    epsilon: float = Field(0.1, ge=0, le=1)
    """Share of a label that goes to all classes alike, its own among them."""

    def corrupt(self, rows: Rows, columns: Mapping[str, Column], draws: Draws) -> Cells:
        return {"": np.full(len(next(iter(rows.cells.values()))), 1 - self.epsilon), **rows.cells}
