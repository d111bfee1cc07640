"""What has a memory: noise that wanders, and averages over what came before."""

import math
from dataclasses import replace
from typing import Literal

import numpy as np
from pydantic import Field, NonNegativeFloat, model_validator

from noisecli.columns import Column
from noisecli.corruption import Series, SeriesCorruption, register
from noisecli.corruptions.table.number import Unit
from noisecli.streams import CounterDraws, Floats

PINK = tuple(1 - 0.25**k for k in range(8))
"""How much of itself each part of pink noise keeps from row to row: they forget in 1, 4, 16, ... 16,384 rows."""

BROWN = 1 - 2.0**-10
"""How much of itself brown noise keeps from row to row."""


@register
class ColouredNoise(Unit, SeriesCorruption):
    """Add noise that remembers: errors of neighbouring rows are alike, as a drifting instrument makes them.

    It is the same kind of noise at every row of a series, the first one included: zero mean, normal, standard deviation
    sigma. A short stretch of it varies less about its own mean. It goes on where a value is missing.

    Source: Milotti 2002, "1/f noise: a pedagogical review" (pink, as a sum of relaxing processes); Box and Jenkins
    1970, "Time Series Analysis" (ar1).

    Example:
        {op: coloured_noise, columns: [height], sigma: 0.2}
    """

    severities = ({"sigma": 0.05}, {"sigma": 0.1}, {"sigma": 0.2}, {"sigma": 0.35}, {"sigma": 0.5})

    sigma: NonNegativeFloat = 0.1
    """Standard deviation of the noise at each row, in `unit`."""

    color: Literal["pink", "brown", "ar1"] = "pink"
    """ar1: each error is phi times the one before plus a fresh part. pink: power falls as 1/f, down to one cycle in
    100,000 rows; the sum of eight equally strong ar1 with phi = 1 - 1/4^k, k = 0 to 7. brown: power falls as 1/f^2,
    down to one cycle in 6,400 rows; ar1 with phi = 1 - 1/1024, a random walk that is drawn back to 0."""

    phi: float = Field(0.9, gt=-1, lt=1)
    """Correlation of the errors of neighbouring rows, for ar1."""

    @model_validator(mode="after")
    def _phi_has_a_use(self) -> "ColouredNoise":
        if self.color != "ar1" and "phi" in self.model_fields_set:
            raise ValueError(f"'phi' is of color ar1, not {self.color}")
        return self

    def memory(self) -> int:
        return len(self._factors())

    def corrupt(self, series: Series, column: Column, draws: CounterDraws) -> tuple[Floats, Floats]:
        factors = self._factors()
        noise, memory = np.zeros(len(series.values)), np.empty_like(series.memory)
        for part, factor in enumerate(factors):
            wandering = _ar1(series, factor, series.memory[:, part], draws.normal())
            memory[:, part] = wandering[series.ends]
            noise += wandering
        size = self.sigma * self.size(series.values, column)
        return series.values + size * (noise / math.sqrt(len(factors))), memory

    def _factors(self) -> tuple[float, ...]:
        return {"pink": PINK, "brown": (BROWN,), "ar1": (self.phi,)}[self.color]


def _ar1(series: Series, factor: float, before: Floats, fresh: Floats) -> Floats:
    """Return an autoregressive process of order one and variance 1, which goes on from what was before."""
    first = series.ordinals == 0
    inputs = np.where(first, fresh, math.sqrt((1 - factor) * (1 + factor)) * fresh)
    going_on = ~first[series.starts]
    inputs[series.starts[going_on]] += factor * before[going_on]
    factors = np.full(len(inputs), factor)
    factors[series.starts] = 0
    return recursion(factors, inputs)


def recursion(factors: Floats, inputs: Floats) -> Floats:
    """Return y with y[i] = factors[i] * y[i - 1] + inputs[i], in this order."""
    # A plain loop: the sums of a scan in blocks would round differently with where the series is cut.
    result, last = [], 0.0
    for kept, new in zip(factors.tolist(), inputs.tolist(), strict=True):
        last = kept * last + new if kept else new  # whatever came before, infinite or not
        result.append(last)
    return np.array(result, np.float64)


@register
class Smooth(SeriesCorruption):
    """Replace each number by the mean of the last ones: a slow instrument, or a logger that aggregates.

    The mean is that of the row itself and the rows before it in its series; numbers that are missing are left out, and
    at the beginning there are fewer.

    Source: Smith 1997, "The Scientist and Engineer's Guide to Digital Signal Processing", chapter 15.

    Example:
        {op: smooth, columns: [height], window: 6}
    """

    severities = ({"window": 2}, {"window": 4}, {"window": 8}, {"window": 16}, {"window": 32})
    unchanged = ""  # the first row of a series has none before it

    window: int = Field(5, ge=1, le=10_000)
    """How many rows the mean is taken over. Time and memory (of each series) grow with it."""

    def memory(self) -> int:
        return self.window - 1

    def corrupt(self, series: Series, column: Column, draws: CounterDraws) -> tuple[Floats, Floats]:
        with np.errstate(invalid="ignore"):
            mean = _mean(series, self.window)
            lost = np.isnan(series.values) != ~np.isfinite(mean)
            if lost.any():  # numbers so huge that their differences are infinite
                scaled = replace(series, values=series.values * _SMALLER, memory=series.memory * _SMALLER)
                mean = np.where(lost, _mean(scaled, self.window) / _SMALLER, mean)
        return mean, _last(series)


_SMALLER = 2.0**-20


def _mean(series: Series, window: int) -> Floats:
    # What is summed is how much each row is above the last one: equal numbers keep their value to the last bit.
    total, count = np.zeros(len(series.values)), np.ones(len(series.values))
    of_row = series.of_row
    places = np.arange(len(total)) - series.starts[of_row]
    for lag in range(1, min(window, int(series.ordinals.max(initial=0)) + 1)):
        earlier = np.empty_like(total)
        earlier[lag:] = series.values[:-lag]
        before = np.flatnonzero(places < lag)
        earlier[before] = series.memory[of_row[before], window - 1 + places[before] - lag]
        above = earlier - series.values
        known = ~np.isnan(earlier)
        total += np.where(known, above, 0.0)
        count += known
    return series.values + total / count


def _last(series: Series) -> Floats:
    """Return the last numbers of each series, as many as it remembers."""
    width = series.memory.shape[1]
    places = series.lengths[:, np.newaxis] - width + np.arange(width)
    seen = np.take_along_axis(series.memory, np.clip(places + width, 0, width - 1), axis=1)
    return np.where(places < 0, seen, series.values[series.starts[:, np.newaxis] + np.maximum(places, 0)])
