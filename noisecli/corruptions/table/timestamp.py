"""Faults of timestamps along a series: clocks that run fast or slow, times that repeat."""

import numpy as np
from pydantic import Field

from noisecli.columns import MOMENT, NUMBER, Column
from noisecli.corruption import Series, SeriesCorruption, register
from noisecli.corruptions.table.missing import Missing
from noisecli.corruptions.table.sensor import held
from noisecli.streams import CounterDraws, Floats


@register
class ClockDrift(SeriesCorruption):
    """Let a clock run fast or slow: the further from the first time of its series, the further off.

    The step strikes the column with the role `time` if it names none: one of dates, times or numbers.

    Source: Mills 1991, "Internet Time Synchronization: The Network Time Protocol" (frequency error of clocks).

    Example:
        {op: clock_drift, columns: [when], ppm: 500}
    """

    accepts = MOMENT | NUMBER
    role = "time"
    severities = ({"ppm": 20}, {"ppm": 100}, {"ppm": 500}, {"ppm": 2000}, {"ppm": 10_000})
    unchanged = "it is the first time of its series, or the change is smaller than what the cell can hold"

    ppm: float = Field(100, ge=-1e6, le=1e9)
    """How much the clock gains, in millionths: 100 is 8.6 seconds a day; negative: it loses."""

    def memory(self) -> int:
        return 1

    def corrupt(self, series: Series, column: Column, draws: CounterDraws) -> tuple[Floats, Floats]:
        known = ~np.isnan(series.values)
        places = np.where(known, np.arange(len(known)), len(known))
        found = np.append(series.values, np.nan)[np.minimum.reduceat(places, series.starts)]
        begin = np.where(np.isnan(series.memory[:, 0]), found, series.memory[:, 0])
        half = series.values / 2 - begin[series.of_row] / 2  # the difference of huge numbers is infinite
        return series.values + 2e-6 * self.ppm * half, begin[:, np.newaxis]


@register
class DuplicateTimestamp(SeriesCorruption):
    """Give rows the time of the row before them in their series: a batch is stamped as one, a clock is read too seldom.

    A run of struck rows has one time, that of the row before it. The step strikes the column with the role `time` if it
    names none: one of dates, times or numbers.

    Source: Song, Cao and Wang 2016, "Cleaning Timestamps with Temporal Constraints".

    Example:
        {op: duplicate_timestamp, columns: [when], rate: 0.1}
    """

    accepts = MOMENT | NUMBER
    role = "time"
    default_rate = 0.1
    severities = Missing.severities
    unchanged = ""  # times repeat by themselves, and the first of a series has none before it

    def memory(self) -> int:
        return 1

    def corrupt(self, series: Series, column: Column, draws: CounterDraws) -> tuple[Floats, Floats]:
        return held(series, ~series.struck)
