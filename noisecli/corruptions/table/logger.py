"""Faults of what keeps the record: counters that begin again, other sampling, rows that come late."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from noisecli.columns import Column
from noisecli.corruption import RowsCorruption, SamplingCorruption, Series, SeriesCorruption, register
from noisecli.corruptions.table.memory import Known, clock_of
from noisecli.corruptions.table.sensor import held
from noisecli.parameters import Length
from noisecli.streams import CounterDraws, Floats, Mask


@register
class CounterReset(SeriesCorruption):
    """Let a counter begin again at 0 from time to time: a meter is exchanged, a process restarts.

    From a reset on the number that the counter had there is missing from all later ones, until the next reset. Where
    the number at a reset is missing, the next one becomes 0.

    Source: OpenMetrics 1.0.0, "Counter" (resets to 0).

    Example:
        {op: counter_reset, columns: [height], chance: 0.01}
    """

    severities = ({"chance": 0.0003}, {"chance": 0.001}, {"chance": 0.003}, {"chance": 0.01}, {"chance": 0.03})
    unchanged = ""  # all is well up to the first reset

    chance: float = Field(0.01, ge=0, le=1)
    """Chance of each row of a series that the counter begins again there: 0.01 is once in 100 rows."""

    def memory(self) -> int:
        return 3

    def corrupt(self, series: Series, column: Column, draws: CounterDraws) -> tuple[Floats, Floats]:
        base, answered, seen = np.nan_to_num(series.memory).T
        known, again = Known(series), np.cumsum(draws.uniform() < self.chance)
        before = np.concatenate([[0], again])[series.starts]
        resets = seen[series.of_row] + again - before[series.of_row]
        mine = resets[known.rows]
        bases = known.latest(mine > known.before(mine, answered), series.values[known.rows], base)
        kept = [known.last(bases, base), known.last(mine, answered), resets[series.ends]]
        return known.spread(series.values[known.rows] - bases), np.column_stack(kept)


@register
class SampleAndHold(SeriesCorruption):
    """Repeat every n-th number of a series up to the next one: a logger that samples less often than it writes.

    With a duration it is the first number in each stretch of that length; stretches are counted from 1970 on, or from 0
    where times are numbers. Where such a number is missing the one before it is repeated, at the beginning the first
    number of the series. To leave the other rows out, there is `change_sampling`.

    Source: Smith 1997, "The Scientist and Engineer's Guide to Digital Signal Processing", chapter 3 (zeroth-order
    hold).

    Example:
        {op: sample_and_hold, columns: [height], every: 4}
    """

    severities = ({"every": 2}, {"every": 4}, {"every": 8}, {"every": 16}, {"every": 32})
    unchanged = ""  # every n-th number stays

    every: Length = 2
    """Rows of a series from one sample to the next; or how long that is, as 5min."""

    def memory(self) -> int:
        return 2

    def corrupt(self, series: Series, column: Column, draws: CounterDraws) -> tuple[Floats, Floats]:
        samples, last = _samples(series, self.every, series.memory[:, 1])
        values, kept = held(replace(series, memory=series.memory[:, :1]), samples)
        return values, np.column_stack([kept, last])


@register
class ChangeSampling(SamplingCorruption):
    """Keep every n-th row of a series and leave the others out: a logger that was set to another rate.

    With a duration the first row in each stretch of that length is kept; stretches are counted from 1970 on, or from 0
    where times are numbers. At a rate below 1, or in a window, only struck rows are left out.

    Source: Crochiere and Rabiner 1983, "Multirate Digital Signal Processing" (decimation, here without a filter).

    Example:
        {op: change_sampling, every: 4, rate: 1}
    """

    default_rate = 1.0
    severities = SampleAndHold.severities
    unchanged = ""

    every: Length = 2
    """Rows of a series from one that is kept to the next; or how long that is, as 5min."""

    def memory(self) -> int:
        return 1

    def passed_over(self, series: Series) -> tuple[Mask, Floats]:
        samples, last = _samples(series, self.every, series.memory[:, 0])
        return ~samples, last[:, np.newaxis]


def _samples(series: Series, every: Length, before: Floats) -> tuple[Mask, Floats]:
    """Say which rows are the first of their stretch, and in which the last row of each series is."""
    clock, length = clock_of(series, every)
    stretch = np.floor(np.nan_to_num(clock, nan=-np.inf) / length)
    earlier = np.concatenate([stretch[:1], stretch[:-1]])
    earlier[series.starts] = before
    return stretch != earlier, stretch[series.ends]


@register
class LateArrival(RowsCorruption):
    """Let rows come out later in the file than they should, with the times that they have: a message that was delayed.

    How many rows of the file later is drawn anew for each struck row; the others keep their order. With `delay: 1` rows
    change places with the next one.

    Source: Li, Tufte, Shkapenyuk, Papadimos, Johnson and Maier 2008, "Out-of-Order Processing: A New Architecture for
    High-Performance Stream Systems".

    Example:
        {op: late_arrival, delay: 20, rate: 0.1}
    """

    severities = ({"delay": 1}, {"delay": 5}, {"delay": 20}, {"delay": 100}, {"delay": 500})
    unchanged = ""

    delay: int = Field(10, ge=1, le=1_000_000_000)
    """The most rows later; all numbers from 1 on are equally likely. At the end of a file fewer can be."""

    def scatters(self) -> bool:
        return True

    def later(self, struck: Mask, draws: CounterDraws) -> NDArray[np.intp]:
        return np.where(struck, 1 + np.floor(self.delay * draws.uniform()), 0).astype(np.intp)
