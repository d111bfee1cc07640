"""Faults of sensors: readings that stand still, drift away or jump."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, NonNegativeFloat, model_validator

from noisecli.columns import Column
from noisecli.corruption import Series, SeriesCorruption, register
from noisecli.corruptions.table.number import InUnits, Unit
from noisecli.corruptions.table.series import recursion
from noisecli.elementary import TAU, sine
from noisecli.streams import BlockDraws, CounterDraws, Floats, Mask

FARTHEST = 1e300
"""No drift goes further, in slopes."""


@register
class Stuck(SeriesCorruption):
    """Hold the last reading: each run of struck rows repeats the number before it, as a stuck sensor does.

    A run at the beginning of a series holds its own first number. Missing numbers stay missing, and the run goes on
    behind them. With `mechanism: {burst: {length: 20}}` runs are 20 rows long on average.

    Source: Ni et al. 2009, "Sensor Network Data Fault Types" (stuck-at fault).

    Example:
        {op: stuck, columns: [height], rate: 0.1, mechanism: {burst: {length: 20}}}
    """

    default_rate = 0.1
    severities = ({"rate": 0.01}, {"rate": 0.05}, {"rate": 0.1}, {"rate": 0.2}, {"rate": 0.4})
    unchanged = ""  # readings repeat by themselves, and the first of a series has none before it

    def memory(self) -> int:
        return 1

    def corrupt(self, series: Series, column: Column, draws: CounterDraws) -> tuple[Floats, Floats]:
        return held(series, ~series.struck)


@register
class Drift(Unit, SeriesCorruption):
    """Move away from the truth, further at each row of a run of struck rows; after the run numbers are right again.

    Without a rate or mechanism every series is one run, from its beginning on. The drift goes on where a number is
    missing. All kinds begin at the same pace, so that a severity means much the same for each.

    Source: Ni et al. 2009, "Sensor Network Data Fault Types" (calibration: drift); Gama et al. 2014, "A Survey on
    Concept Drift Adaptation" (patterns of change over time).

    Example:
        {op: drift, columns: [height], slope: 0.01}
    """

    severities = ({"slope": 0.001}, {"slope": 0.002}, {"slope": 0.005}, {"slope": 0.01}, {"slope": 0.02})

    kind: Literal["linear", "exponential", "random_walk", "sinus", "step"] = "linear"
    """linear: each row is `slope` further off than the one before it. exponential: what is added grows by `growth` from
    row to row. random_walk: each is off by a fresh normal error more, of mean 0; after n rows the standard deviation is
    the root of n times `slope`. sinus: there and back, a sine that begins with `slope` a row and has a `period`; its
    amplitude is slope * period / 6.283. step: stairs, off by slope * period at once, and by as much more after
    every `period` rows."""

    slope: float = 0.005
    """How much is added at each row of a run, the first one included, in `unit`; negative: downwards. random_walk: the
    standard deviation of what is added. exponential and sinus: what is added at first."""

    growth: float = Field(0.01, gt=-1, le=1)
    """exponential: by what share that which is added grows from row to row: 0.01 doubles it in 70 rows, and makes
    it 20,000 times as much in 1,000, so long runs want less. Negative: it dies away, as while an instrument warms up,
    and the drift comes to rest at slope / -growth."""

    period: int = Field(100, ge=2, le=1_000_000_000)
    """Rows from one wave of a sinus to the next; how many rows a step lasts."""

    @model_validator(mode="after")
    def _all_have_a_use(self) -> "Drift":
        for name, kinds in {"growth": ("exponential",), "period": ("sinus", "step")}.items():
            if self.kind not in kinds and name in self.model_fields_set:
                raise ValueError(f"{name!r} is of kind {' and '.join(kinds)}, not {self.kind}")
        return self

    def keeps_some(self) -> bool:
        return self.kind == "sinus"

    def memory(self) -> int:
        return 1

    def corrupt(self, series: Series, column: Column, draws: CounterDraws) -> tuple[Floats, Floats]:
        factor = 1 + self.growth if self.kind == "exponential" else 1.0
        added = draws.normal() if self.kind == "random_walk" else np.ones(len(series.values))
        factors, inputs = np.where(series.struck, factor, 0.0), np.where(series.struck, added, 0.0)
        going_on = series.struck[series.starts] & (series.ordinals[series.starts] > 0)
        starts = series.starts[going_on]
        inputs[starts] += factor * series.memory[going_on, 0]
        factors[series.starts] = 0
        run = np.clip(recursion(factors, inputs), -FARTHEST, FARTHEST)  # 0 times infinity would be no number
        off = self.slope * self.size(series.values, column) * self._off(run)
        return series.values + off, run[series.ends, np.newaxis]

    def _off(self, run: Floats) -> Floats:
        """Return how far off rows are, in slopes; the sum of what was added, or for two kinds the place in the run."""
        if self.kind == "sinus":
            return self.period / TAU * sine(run % self.period / self.period)
        return np.ceil(run / self.period) * self.period if self.kind == "step" else run


@register
class Spike(InUnits):
    """Add a sudden error of one size to single readings, upwards or downwards alike.

    Source: Sharma, Golubchik and Govindan 2010, "Sensor Faults: Detection Methods and Prevalence in Real-World
    Datasets" (short faults).

    Example:
        {op: spike, columns: [height], height: 5, rate: 0.01}
    """

    default_rate = 0.01
    severities = ({"height": 1.0}, {"height": 2.0}, {"height": 4.0}, {"height": 6.0}, {"height": 10.0})

    height: NonNegativeFloat = 4.0
    """How far off a struck number is, in `unit`."""

    def corrupt(self, values: Floats, column: Column, draws: BlockDraws) -> Floats:
        return values + np.where(draws.uniform() < 0.5, -1.0, 1.0) * (self.height * self.size(values, column))


def held(series: Series, shown: Mask) -> tuple[Floats, Floats]:
    """Repeat in each row the last number that is shown, at first that of the series; and what is kept of that."""
    known, before = ~np.isnan(series.values), series.memory[:, 0]
    nothing_yet = np.isnan(before)[series.of_row]
    first = known & nothing_yet & (_last_before(series, known) < 0)
    source = _last(series, first | (known & shown))
    kept = np.where(source < 0, before[series.of_row], series.values[source])
    return np.where(known, kept, np.nan), kept[series.ends, np.newaxis]


def _last(series: Series, marked: Mask) -> NDArray[np.intp]:
    """Return where the last marked value is, from the beginning of its series up to each value; -1: there is none."""
    places = np.maximum.accumulate(np.where(marked, np.arange(len(marked)), -1))
    return np.where(places < series.starts[series.of_row], -1, places)


def _last_before(series: Series, marked: Mask) -> NDArray[np.intp]:
    """As `_last`, but ahead of each value."""
    earlier = np.concatenate([[-1], _last(series, marked)[:-1]])[: len(marked)]
    earlier[series.starts] = -1
    return earlier
