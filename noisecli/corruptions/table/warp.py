"""Warps: slow random changes of how strong a series is, and of how fast it runs."""

from collections.abc import Callable

import numpy as np
from pydantic import Field, NonNegativeFloat, model_validator

from noisecli.columns import Column
from noisecli.corruption import Series, SeriesCorruption, register
from noisecli.corruptions.table.memory import LONGEST, Index, Past, clock_of
from noisecli.parameters import Length
from noisecli.streams import CounterDraws, Floats, Mask

KNOTS = 4
"""So many knots decide about a row."""

CURVE = KNOTS + 2
"""What is kept of a curve: its last knots, how many there were, and where it begins."""


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

    spacing: Length = 100
    """Rows from one knot of the curve to the next, or how long that is, as 12h; faster changes do not occur."""

    def memory(self) -> int:
        return CURVE

    def corrupt(self, series: Series, column: Column, draws: CounterDraws) -> tuple[Floats, Floats]:
        knots, weights, memory = _curve(series, series.memory, self.spacing, draws.normal)
        curve = _weighted(weights, knots) / np.sqrt(_weighted(weights, weights))
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
        return CURVE + 1 + self._reach

    def corrupt(self, series: Series, column: Column, draws: CounterDraws) -> tuple[Floats, Floats]:
        knots, weights, kept = _curve(series, series.memory[:, :CURVE], self.spacing, draws.uniform)
        delay = self.delay * _weighted(weights, knots)
        past = Past(series, series.memory[:, CURVE:])
        whole = np.floor(delay).astype(np.intp)
        near, far = past.before(whole), past.before(whole + 1)
        half = (delay - whole) * (far / 2 - near / 2)  # the difference of huge numbers is infinite
        warped = np.where(np.isnan(series.values), np.nan, near + half + half)
        return warped, np.hstack([kept, past.memory])

    @property
    def _reach(self) -> int:
        return int(np.floor(self.delay)) + 1


def _curve(
    series: Series, memory: Floats, spacing: Length, draw: Callable[[], Floats]
) -> tuple[Floats, Floats, Floats]:
    """Draw the knots of a smooth curve: each is drawn by the first row behind it.

    Returns:
        (rows, KNOTS) of each row the last knots, the newest first; how much each weighs there, adding up to 1; and what
        is to be kept of each series.
    """
    clock, length = clock_of(series, spacing)
    begin = np.fmin(memory[:, -1], np.fmin.reduceat(clock, series.starts))
    place = np.nan_to_num((clock - begin[series.of_row]) / length)
    number = np.floor(place)
    before = np.concatenate([number[:1], number[:-1]])
    before[series.starts] = memory[:, KNOTS]
    heads = np.zeros(len(number), bool)
    heads[series.starts] = True
    turns = np.flatnonzero(heads | (number != before))
    fresh = np.nan_to_num(number - before, nan=KNOTS)[turns].clip(max=KNOTS).astype(np.intp)
    knots = _shifted(fresh, np.stack([draw()[turns] for _ in range(KNOTS)], axis=1), heads[turns], memory[:, :KNOTS])
    knots = knots[np.cumsum(heads | (number != before)) - 1]
    return knots, _weights(place - number), np.column_stack([knots[series.ends], number[series.ends], begin])


def _shifted(fresh: Index, drawn: Floats, heads: Mask, kept: Floats) -> Floats:
    """Let so many fresh knots push out old ones, one time after the other; at heads they push out what was kept."""
    result, last, series = [], [0.0] * KNOTS, iter(kept.tolist())
    for count, new, head in zip(fresh.tolist(), drawn.tolist(), heads.tolist(), strict=True):
        last = [*new[:count], *(next(series) if head else last)][:KNOTS]
        result.append(last)
    return np.array(result, np.float64).reshape(-1, KNOTS)


def _weights(u: Floats) -> Floats:
    """Return how much the last knots weigh so far behind the newest, the newest first: a uniform cubic B-spline.

    The newest weighs nothing at first, so the curve is smooth (twice differentiable) without a look at what comes.
    """
    v = 1 - u
    near, far = ((4 - 3 * x * x * (1 + y)) / 6 for x, y in ((v, u), (u, v)))
    return np.stack([u * u * u / 6, near, far, v * v * v / 6], axis=1)


def _weighted(weights: Floats, what: Floats) -> Floats:
    """Sum each row's knots by their weights, one after the other."""
    total = np.zeros(len(what))
    for knot in range(KNOTS):
        total += weights[:, knot] * what[:, knot]
    return total
