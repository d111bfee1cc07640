"""Numbers that are not the measurement at all: extremes, outliers, stand-ins."""

from typing import Literal

import numpy as np
from pydantic import PositiveFloat

from noisecli.columns import Column
from noisecli.corruption import NumberCorruption, register
from noisecli.streams import BlockDraws, Floats


class NumberFault(NumberCorruption):
    """Base of faults that strike some numbers and leave the others alone: the rate is their strength."""

    default_rate = 0.1
    severities = ({"rate": 0.01}, {"rate": 0.05}, {"rate": 0.1}, {"rate": 0.2}, {"rate": 0.4})


@register
class Impulse(NumberFault):
    """Replace numbers by the column's minimum or maximum, either alike: salt and pepper.

    Source: Gonzalez and Woods, "Digital Image Processing", the chapter on restoration (noise models).

    Example:
        {op: impulse, columns: [height], rate: 0.1}
    """

    unchanged = "the number is the minimum or maximum already"
    fills_nulls = True

    def needs(self) -> frozenset[str]:
        return frozenset({"min", "max"})

    def corrupt(self, values: Floats, column: Column, draws: BlockDraws) -> Floats:
        return np.where(draws.uniform() < 0.5, column.min, column.max)


@register
class Outlier(NumberCorruption):
    """Replace numbers by outliers at a known distance, below or above alike.

    Source: Tukey 1977, "Exploratory Data Analysis" (fences); Barnett and Lewis 1994, "Outliers in Statistical Data".

    Example:
        {op: outlier, columns: [height], kind: zscore, k: 4, rate: 0.05}
    """

    default_rate = 0.1
    severities = ({"k": 2.0}, {"k": 3.0}, {"k": 4.0}, {"k": 6.0}, {"k": 10.0})
    unchanged = "the spread that `kind` measures is 0, or the number lies there already"

    kind: Literal["iqr", "zscore", "extreme"] = "iqr"
    """iqr: k times the distance of the quartiles below the lower or above the upper one (a fence); zscore: k standard
    deviations from the mean; extreme: k times the range below the minimum or above the maximum."""

    k: PositiveFloat = 3.0
    """How far out, in what `kind` says. For iqr, Tukey calls what lies beyond 1.5 outside and beyond 3 far out."""

    def needs(self) -> frozenset[str]:
        facts = {"iqr": {"q1", "q3"}, "zscore": {"mean", "sd"}, "extreme": {"min", "max"}}
        return frozenset(facts[self.kind])

    def corrupt(self, values: Floats, column: Column, draws: BlockDraws) -> Floats:
        if self.kind == "zscore":
            low, high, step = column.mean, column.mean, column.sd
        elif self.kind == "iqr":
            low, high, step = column.q1, column.q3, column.q3 - column.q1
        else:
            low, high, step = column.min, column.max, column.max - column.min
        if step == 0:  # what lies at the quartile of a column of zeros is no outlier
            return values
        return np.where(draws.uniform() < 0.5, low - self.k * step, high + self.k * step)


@register
class Constant(NumberFault):
    """Replace numbers by one and the same: a default that nobody changed, or a gap that somebody filled.

    Source: Pearson 2006, "The Problem of Disguised Missing Data".

    Example:
        {op: constant, columns: [height], value: 0, rate: 0.1}
    """

    unchanged = "the number is that one already, rounded to the column's resolution"
    fills_nulls = True

    value: float | Literal["mean", "median", "mode"] = "median"
    """A number in the column's unit, or a figure of its training cells. mode: the commonest number, the smallest of
    those that are equally common."""

    def needs(self) -> frozenset[str]:
        return frozenset({self.value} if isinstance(self.value, str) else ())

    def objection(self, column: Column) -> str | None:
        return "has too many different numbers for a mode" if self.value == "mode" and np.isnan(column.mode) else None

    def corrupt(self, values: Floats, column: Column, draws: BlockDraws) -> Floats:
        return np.full_like(values, getattr(column, self.value) if isinstance(self.value, str) else self.value)
