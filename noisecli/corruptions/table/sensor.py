"""Faults of sensors: readings that stand still, drift away or jump."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import NonNegativeFloat

from noisecli.columns import Column
from noisecli.corruption import Series, SeriesCorruption, register
from noisecli.corruptions.table.number import InUnits, Unit
from noisecli.corruptions.table.series import recursion
from noisecli.streams import BlockDraws, CounterDraws, Floats, Mask


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
        known, held = ~np.isnan(series.values), series.memory[:, 0]
        nothing_yet = np.isnan(held)[series.of_row]
        first = known & nothing_yet & (_last_before(series, known) < 0)
        source = _last(series, first | (known & ~series.struck))
        kept = np.where(source < 0, held[series.of_row], series.values[source])
        return np.where(known, kept, np.nan), kept[series.ends, np.newaxis]


@register
class Drift(Unit, SeriesCorruption):
    """Move away from the truth, further at each row of a run of struck rows; after the run numbers are right again.

    Without a rate or mechanism every series is one run, from its beginning on. The drift goes on where a number is
    missing.

    Source: Ni et al. 2009, "Sensor Network Data Fault Types" (calibration: drift).

    Example:
        {op: drift, columns: [height], slope: 0.01}
    """

    severities = ({"slope": 0.001}, {"slope": 0.002}, {"slope": 0.005}, {"slope": 0.01}, {"slope": 0.02})

    kind: Literal["linear", "random_walk"] = "linear"
    """linear: each row is `slope` further off than the one before it. random_walk: each is off by a fresh normal error
    more, of mean 0; after n rows the standard deviation is the root of n times `slope`."""

    slope: float = 0.005
    """How much is added at each row of a run, the first one included, in `unit`; negative: downwards. random_walk: the
    standard deviation of what is added."""

    def memory(self) -> int:
        return 1

    def corrupt(self, series: Series, column: Column, draws: CounterDraws) -> tuple[Floats, Floats]:
        added = np.ones(len(series.values)) if self.kind == "linear" else draws.normal()
        factors, inputs = series.struck.astype(np.float64), np.where(series.struck, added, 0.0)
        going_on = series.struck[series.starts] & (series.ordinals[series.starts] > 0)
        starts = series.starts[going_on]
        inputs[starts] += series.memory[going_on, 0]
        factors[series.starts] = 0
        off = recursion(factors, inputs)
        return series.values + self.slope * self.size(series.values, column) * off, off[series.ends, np.newaxis]


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


def _last(series: Series, marked: Mask) -> NDArray[np.intp]:
    """Return where the last marked value is, from the beginning of its series up to each value; -1: there is none."""
    places = np.maximum.accumulate(np.where(marked, np.arange(len(marked)), -1))
    return np.where(places < series.starts[series.of_row], -1, places)


def _last_before(series: Series, marked: Mask) -> NDArray[np.intp]:
    """As `_last`, but ahead of each value."""
    earlier = np.concatenate([[-1], _last(series, marked)[:-1]])[: len(marked)]
    earlier[series.starts] = -1
    return earlier
