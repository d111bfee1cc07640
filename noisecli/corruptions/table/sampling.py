"""Samples of other rows, or in other shares, than the data at hand."""

import math
from collections.abc import Mapping, Sequence
from typing import Annotated

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import AfterValidator, Field

from noisecli.columns import CATEGORY, NUMBER, Column
from noisecli.corruption import RowsCorruption, register
from noisecli.corruptions.table.number import few_events
from noisecli.corruptions.table.relabel import by_label, lacks
from noisecli.errors import DataProblem
from noisecli.streams import CounterDraws, Floats, Mask

LARGEST_MEAN = 20.0
"""Poisson counts of larger means are drawn as sums of several."""

MOST_TIMES = 1e6
"""How often a row may come out on average."""


@register
class Resample(RowsCorruption):
    """Draw the rows anew, with replacement: another sample of the same size, near enough, from the same source.

    How often a row comes out is Poisson, independently of all others, which for many rows is the bootstrap: the number
    of rows varies by its square root. Repeated rows stand where their source stands. With a column, rows come out in
    proportion to its number; where that is missing, as often as on average.

    Source: Hanley and MacGibbon 2006, "Creating Non-Parametric Bootstrap Samples Using Poisson Frequencies".

    Example:
        {op: resample, rate: 1}
    """

    accepts = NUMBER
    default_rate = 1.0
    unchanged = ""

    def looks_at(self) -> Sequence[str] | None:
        return ()

    def needs(self) -> frozenset[str]:
        return frozenset({"mean", "min"})

    def objection(self, column: Column) -> str | None:
        if column.min < 0:
            return "has numbers below 0, which are no weights"
        return "has no number above 0, so no row has a weight" if column.mean == 0 else None

    def objection_to_all(self, columns: Sequence[Column]) -> str | None:
        return "takes one column" if len(columns) > 1 else None

    def times(
        self, struck: Mask, cells: Mapping[str, pa.Array], columns: Mapping[str, Column], draws: CounterDraws
    ) -> NDArray[np.intp]:
        means = np.ones(len(struck))
        for name, column in columns.items():
            weights = column.to_numbers(cells[name]) / column.mean
            means = np.where(np.isfinite(weights), np.maximum(weights, 0), 1.0)
        means = np.where(struck, means, 0.0)  # weights of other rows may be of any size
        if (means > MOST_TIMES).any():
            raise DataProblem(
                f"a weight is {means.max():.3g} times the mean: op {self.name!r} takes up to {MOST_TIMES:g}"
            )
        drawn = np.zeros(len(struck))
        while True:
            part = np.minimum(means, LARGEST_MEAN)
            drawn += few_events(part, draws.uniform())
            means = means - part
            if not (means > 0).any():
                return np.where(struck, drawn, 1).astype(np.intp)


def _are_shares(shares: dict[str, float]) -> dict[str, float]:
    total = math.fsum(shares.values())
    if total > 1 + 1e-9:
        raise ValueError(f"the shares add up to {total:g}, more than 1")
    return shares


@register
class PriorShift(RowsCorruption):
    """Change how frequent the classes are, by leaving rows out or repeating them: label shift.

    The number of rows stays the same on average. A row of a class that is to become 2.3 times as frequent comes out
    twice, and with probability 0.3 once more. Classes that are not named share what is left as they did before.

    Source: Saerens, Latinne and Decaestecker 2002, "Adjusting the Outputs of a Classifier to New a Priori
    Probabilities"; Lipton, Wang and Smola 2018, "Detecting and Correcting for Label Shift".

    Example:
        {op: prior_shift, columns: [species], shares: {Ada: 0.5}}
    """

    accepts = CATEGORY
    role = "label"
    default_rate = 1.0
    unchanged = ""

    shares: Annotated[dict[str, Annotated[float, Field(ge=0, le=1)]], Field(min_length=1), AfterValidator(_are_shares)]
    """The new share of each class among all rows, 0..1. If they add up to 1, classes not named are left out."""

    def looks_at(self) -> Sequence[str] | None:
        return ()

    def needs(self) -> frozenset[str]:
        return frozenset({"categories", "counts"})

    def objection(self, column: Column) -> str | None:
        refused = super().objection(column) or lacks(self.shares, column)
        if refused is None and set(self.shares) == set(by_label(column)) and abs(1 - sum(self.shares.values())) > 1e-9:
            return f"has no other classes than these, whose shares add up to {sum(self.shares.values()):g}, not 1"
        return refused

    def objection_to_all(self, columns: Sequence[Column]) -> str | None:
        return "takes one column" if len(columns) > 1 else None

    def times(
        self, struck: Mask, cells: Mapping[str, pa.Array], columns: Mapping[str, Column], draws: CounterDraws
    ) -> NDArray[np.intp]:
        ((name, column),) = columns.items()
        factors = np.append(self._factors(column), 1.0)  # rows without a class, or of one unknown to training
        known = pa.array(column.categories or (), column.storage)
        codes = pc.fill_null(pc.index_in(cells[name], known), len(known)).to_numpy(zero_copy_only=False)
        wanted = factors[codes]
        whole = np.floor(wanted)
        return np.where(struck, whole + (draws.uniform() < wanted - whole), 1).astype(np.intp)

    def _factors(self, column: Column) -> Floats:
        """By how much each class becomes more frequent."""
        asked = {category: self.shares[label] for label, category in by_label(column).items() if label in self.shares}
        counts = dict(zip(column.categories or (), column.counts or (), strict=True))
        total = sum(counts.values())
        others = sum(count for category, count in counts.items() if category not in asked)
        left = max(0.0, 1 - math.fsum(asked.values()))
        factors = [asked[c] * total / n if c in asked else left * total / others for c, n in counts.items()]
        return np.array(factors)
