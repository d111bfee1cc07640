"""Warps: slow random changes of how strong a series is, and of how fast it runs."""

from collections.abc import Callable

import numpy as np
from pydantic import Field, NonNegativeFloat, model_validator

from noisecli.columns import Column
from noisecli.corruption import Series, SeriesCorruption, register
from noisecli.corruptions.table.memory import LONGEST, Past
from noisecli.streams import CounterDraws, Floats

KNOTS = 4
"""So many knots decide about a row."""


@register
class MagnitudeWarp(SeriesCorruption):
    """Multiply by a smooth random curve around 1: the gain of an instrument that comes and goes.

    The curve has a knot every `spacing` rows of a series, normal of mean 1, and is a cubic spline between them. Here it
    has the standard deviation `sigma` at every row, and what a row gets follows from rows before it alone. The curve
    goes on where a number is missing.

    Source: Um et al. 2017, "Data Augmentation of Wearable Sensor Data for Parkinson's Disease Monitoring Using
    Convolutional Neural Networks" (magnitude warping).

    Example:
        {op: magnitude_warp, columns: [height], sigma: 0.2, spacing: 50}
    """

    severities = ({"sigma": 0.05}, {"sigma": 0.1}, {"sigma": 0.2}, {"sigma": 0.35}, {"sigma": 0.5})

    sigma: NonNegativeFloat = 0.2
    """Standard deviation of the factor, whose mean is 1."""

    spacing: int = Field(100, ge=2, le=1_000_000_000)
    """Rows from one knot of the curve to the next; changes that are faster than that do not occur."""

    def memory(self) -> int:
        return KNOTS

    def corrupt(self, series: Series, column: Column, draws: CounterDraws) -> tuple[Floats, Floats]:
        knots, memory = _knots(series, self.spacing, draws.normal)
        weights = _weights(series, self.spacing)
        curve = _sum_of(weights, knots) / np.sqrt(_sum_of(weights, weights))
        return series.values * (1 + self.sigma * curve), memory


@register
class TimeWarp(SeriesCorruption):
    """Let a series run faster and slower: each number is one from some rows before, by a smooth random delay.

    The delay lies between 0 and `delay`, is half of it on average, and has a knot every `spacing` rows of a series.
    Time never runs backwards. Between two rows the number is interpolated; where one is missing the last one before it
    stands for it, and at the beginning of a series its first number.

    Source: Um et al. 2017, "Data Augmentation of Wearable Sensor Data for Parkinson's Disease Monitoring Using
    Convolutional Neural Networks" (time warping).

    Example:
        {op: time_warp, columns: [height], delay: 20, spacing: 50}
    """

    severities = ({"delay": 2}, {"delay": 5}, {"delay": 10}, {"delay": 20}, {"delay": 50})
    unchanged = ""

    delay: float = Field(10, gt=0, le=LONGEST - 1)
    """The longest delay, in rows. Memory (of each series) grows with it."""

    spacing: int = Field(100, ge=2, le=1_000_000_000)
    """Rows from one knot of the delay to the next, at least as many as `delay`."""

    @model_validator(mode="after")
    def _time_goes_on(self) -> "TimeWarp":
        if self.delay > self.spacing:
            raise ValueError(f"'delay' is above 'spacing', {self.spacing}: time could run backwards")
        return self

    def memory(self) -> int:
        return KNOTS + 1 + self._reach

    def corrupt(self, series: Series, column: Column, draws: CounterDraws) -> tuple[Floats, Floats]:
        knots, kept = _knots(series, self.spacing, draws.uniform)
        delay = self.delay * _sum_of(_weights(series, self.spacing), knots)
        past = Past(series, series.memory[:, KNOTS:])
        whole = np.floor(delay).astype(np.intp)
        near, far = past.before(whole), past.before(whole + 1)
        half = (delay - whole) * (far / 2 - near / 2)  # the difference of huge numbers is infinite
        warped = np.where(np.isnan(series.values), np.nan, near + half + half)
        return warped, np.hstack([kept, past.memory])

    @property
    def _reach(self) -> int:
        return int(np.floor(self.delay)) + 1


def _knots(series: Series, spacing: int, draw: Callable[[], Floats]) -> tuple[list[Floats], Floats]:
    """Draw a number every so many rows, and three ahead of each series.

    Returns:
        of each row the last four of them, the oldest first, and the same of the last row of each series.
    """
    own, of_row, first = draw(), series.of_row, series.ordinals[series.starts]
    earlier = series.memory[:, :KNOTS].copy()
    for slot in range(1, KNOTS):
        earlier[:, slot] = np.where(first == 0, draw()[series.starts], earlier[:, slot])
    number, latest = series.ordinals // spacing, (first - 1) // spacing
    found = []
    for knot in (number - KNOTS + 1 + back for back in range(KNOTS)):
        ahead = series.ordinals - knot * spacing
        here = series.ordinals - ahead >= first[of_row]
        slot = np.clip(knot - latest[of_row] + KNOTS - 1, 0, KNOTS - 1)
        found.append(np.where(here, own[np.where(here, np.arange(len(own)) - ahead, 0)], earlier[of_row, slot]))
    return found, np.column_stack([knots[series.ends] for knots in found])


def _weights(series: Series, spacing: int) -> list[Floats]:
    """Return how much the last four knots weigh at each row, the oldest first: a uniform cubic B-spline.

    They add up to 1. The newest weighs nothing at first, so the curve is smooth (twice differentiable) without a look
    at what comes.
    """
    u = series.ordinals % spacing / spacing
    v = 1 - u
    middle = [(4 - 3 * x * x * (1 + y)) / 6 for x, y in ((u, v), (v, u))]
    return [v * v * v / 6, *middle, u * u * u / 6]


def _sum_of(some: list[Floats], others: list[Floats]) -> Floats:
    """Return the sum of their products, one after the other."""
    total = np.zeros(len(some[0]))
    for one, other in zip(some, others, strict=True):
        total += one * other
    return total
