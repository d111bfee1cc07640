"""Faults of what keeps the record: counters that begin again, other sampling."""

from dataclasses import replace

import numpy as np
from pydantic import Field

from noisecli.columns import Column
from noisecli.corruption import Series, SeriesCorruption, register
from noisecli.corruptions.table.memory import Known, clock_of
from noisecli.corruptions.table.sensor import held
from noisecli.parameters import Length
from noisecli.streams import CounterDraws, Floats


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

    With a duration it is the first number in each stretch of that length; these are counted from 1970 on. Where such a
    number is missing the one before it is repeated, at the beginning the first number of the series. To leave the other
    rows out, there is `change_sampling`.

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
        clock, length = clock_of(series, self.every)
        sample = np.floor(clock / length)
        before = np.concatenate([sample[:1], sample[:-1]])
        before[series.starts] = series.memory[:, 1]
        values, kept = held(replace(series, memory=series.memory[:, :1]), sample != before)
        return values, np.column_stack([kept, sample[series.ends]])
