"""Instruments that answer late: what they show is made of what they saw before."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from pydantic import NonNegativeFloat, field_validator

from noisecli.columns import Column
from noisecli.corruption import Series, SeriesCorruption, register
from noisecli.corruptions.table.number import Unit
from noisecli.elementary import exp
from noisecli.errors import DataProblem
from noisecli.parameters import Duration, Length, MeanLength
from noisecli.streams import CounterDraws, Floats, Mask

Index = NDArray[np.intp]

LONGEST = 10_000
"""Most rows that an op looks back."""

MOST_IN_TIME = 1000
"""Most rows that it looks back by a duration: it has to keep as many, whatever their times."""


@register
class Lag(SeriesCorruption):
    """Show what was true some rows before: a slow line, a cached reading, a column joined with the wrong period.

    Where that number is missing it is the last one before it, and at the beginning of a series its first number.
    In a burst or window it is a shift of the pattern against that of the other columns.

    Source: Wenig, Schmidl and Papenbrock 2022, "TimeEval: A Benchmarking Toolkit for Time Series Anomaly Detection
    Algorithms" (pattern shift).

    Example:
        {op: lag, columns: [height], delay: 3}
    """

    severities = ({"delay": 1}, {"delay": 2}, {"delay": 4}, {"delay": 8}, {"delay": 16})
    unchanged = ""  # numbers repeat by themselves, and the first of a series has none before it

    delay: Length = 1
    """How many rows before, or how long, as 5min; then the number is the last one that is so old. A duration may span
    1,000 rows, a number may be up to 10,000. Memory (of each series) grows with the rows."""

    @field_validator("delay")
    @classmethod
    def _can_be_kept(cls, delay: Length) -> Length:
        if isinstance(delay, int) and delay > LONGEST:
            raise ValueError(f"should be at most {LONGEST:,} rows")
        return delay

    def memory(self) -> int:
        return 1 + 2 * MOST_IN_TIME if isinstance(self.delay, Duration) else 1 + self.delay

    def corrupt(self, series: Series, column: Column, draws: CounterDraws) -> tuple[Floats, Floats]:
        if isinstance(self.delay, Duration):
            past = Past(series, series.memory[:, : 1 + MOST_IN_TIME])
            back, times = self._rows_back(series, self.delay)
            memory = np.hstack([past.memory, times])
        else:
            past = Past(series, series.memory)
            back, memory = np.full(len(series.values), self.delay), past.memory
        return np.where(np.isnan(series.values), np.nan, past.before(back)), memory

    def _rows_back(self, series: Series, delay: Duration) -> tuple[Index, Floats]:
        """Return how many rows before each the last one is that is old enough, and the times to be kept."""
        assert series.times is not None
        now, back = np.nan_to_num(series.times, nan=-np.inf), np.empty(len(series.values), np.intp)
        kept = series.memory[:, 1 + MOST_IN_TIME :].copy()
        for k, (start, end) in enumerate(zip(series.starts.tolist(), (series.ends + 1).tolist(), strict=True)):
            ordinals, mine = series.ordinals[start:end], now[start:end]
            there = min(int(ordinals[0]), MOST_IN_TIME)
            times = np.concatenate([kept[k, MOST_IN_TIME - there :], mine])
            found, here = np.searchsorted(times, mine - delay.micros, side="right") - 1, there + np.arange(end - start)
            # Before the first time all rows are one moment, of which none is older than another.
            back[start:end] = np.where((found < 0) | (found >= here), ordinals + 1, here - found)
            kept[k] = np.concatenate([kept[k], mine])[-MOST_IN_TIME:]
        if (back[series.struck] > MOST_IN_TIME).any():
            raise DataProblem(
                f"op {self.name!r}: within {delay} before a row there are more than {MOST_IN_TIME:,} rows of its "
                "series: take a shorter delay, or a number of rows"
            )
        return np.minimum(back, MOST_IN_TIME), kept


class Past:
    """The numbers of some series, and the last ones before them; what is missing is the last one before it."""

    def __init__(self, series: Series, memory: Floats) -> None:
        """Take some series, and what is kept of each: `memory` of the Past before this one."""
        self._width, self._of_row = memory.shape[1] - 1, series.of_row
        self._places = np.arange(len(series.values)) - series.starts[self._of_row]
        first, earlier = memory[:, 0], memory[:, 1:]
        known = ~np.isnan(series.values)
        last = np.maximum.accumulate(np.where(known, np.arange(len(known)), -1))
        there = last >= series.starts[self._of_row]
        self._held = np.where(there, series.values[np.where(there, last, 0)], earlier[self._of_row, -1])
        self._starts, self._earlier = series.starts, earlier
        begins = np.minimum.reduceat(np.where(known, np.arange(len(known)), len(known)), series.starts)
        found = np.append(series.values, np.nan)[np.where(begins <= series.ends, begins, len(known))]
        self._first = np.where(np.isnan(first), found, first)
        rows = series.lengths[:, np.newaxis] + np.arange(-self._width, 0)
        kept = self._at(rows, np.arange(len(series.starts))[:, np.newaxis])
        self.memory = np.column_stack([self._first, kept])
        """What is to be kept of each series: its first number, and the last ones."""

    def before(self, rows: Index) -> Floats:
        """Return the number that stands so many rows before each row, 0 to the width; else the first of its series."""
        found = self._at(self._places - rows, self._of_row)
        return np.where(np.isnan(found), self._first[self._of_row], found)

    def _at(self, places: Index, which: Index) -> Floats:
        seen = self._earlier[which, np.clip(places + self._width, 0, self._width - 1)]
        held = self._held[np.clip(self._starts[which] + places, 0, len(self._held) - 1)]
        found: Floats = np.where(places < 0, seen, held)
        return found


@register
class LowPass(SeriesCorruption):
    """Follow the truth slowly: an exponential filter of first order, as of a thermometer with a heavy housing.

    After a jump a share of 63 % is reached after `time_constant` rows, and 95 % after three times as many. It begins at
    the first number of a series. Where numbers are missing it stands still, and then makes up for the rows between.

    Source: Brown 1959, "Statistical Forecasting for Inventory Control" (exponential smoothing); Smith 1997, "The
    Scientist and Engineer's Guide to Digital Signal Processing", chapter 19 (single pole).

    Example:
        {op: low_pass, columns: [height], time_constant: 5}
    """

    severities = (
        {"time_constant": 1},
        {"time_constant": 3},
        {"time_constant": 10},
        {"time_constant": 30},
        {"time_constant": 100},
    )
    unchanged = ""

    time_constant: MeanLength = 5.0
    """Rows in which it comes nearer to a constant by a factor of e; or how long that takes, as 5min."""

    def memory(self) -> int:
        return 2

    def corrupt(self, series: Series, column: Column, draws: CounterDraws) -> tuple[Floats, Floats]:
        known = Known(series)
        clock, constant = clock_of(series, self.time_constant)
        times = clock[known.rows]
        passed = np.nan_to_num(times - known.before(times, series.memory[:, 1]))
        share = 1 - exp(-passed / constant)
        level = known.step_by_step(_nearer, share, series.memory[:, 0])
        kept = [known.last(what, series.memory[:, k]) for k, what in enumerate((level, times))]
        return known.spread(level), np.column_stack(kept)


def _nearer(last: float, value: float, share: float) -> float:
    half = share * (value / 2 - last / 2)  # by halves: the difference of huge numbers is infinite
    return last + half + half


@register
class Hysteresis(Unit, SeriesCorruption):
    """Move only once the truth has left a dead band, and then follow at its edge: play in gears, sticking needles.

    What is shown depends on whether the truth rises or falls: it lags by half of the `width` either way, and reversals
    within the band are not seen. It begins at the first number of a series.

    Source: Krasnosel'skii and Pokrovskii 1989, "Systems with Hysteresis" (the play operator); JCGM 200:2012,
    "International Vocabulary of Metrology", 4.17 (dead band).

    Example:
        {op: hysteresis, columns: [height], width: 0.5}
    """

    severities = ({"width": 0.05}, {"width": 0.1}, {"width": 0.25}, {"width": 0.5}, {"width": 1.0})
    unchanged = ""  # what lies within the band already is not moved

    width: NonNegativeFloat = 0.25
    """Width of the dead band, from edge to edge, in `unit`."""

    def memory(self) -> int:
        return 1

    def corrupt(self, series: Series, column: Column, draws: CounterDraws) -> tuple[Floats, Floats]:
        known = Known(series)
        sizes = np.broadcast_to(self.size(series.values, column), series.values.shape)[known.rows]
        shown = known.step_by_step(_dragged, self.width / 2 * sizes, series.memory[:, 0])
        return known.spread(shown), known.last(shown, series.memory[:, 0])[:, np.newaxis]


def _dragged(last: float, value: float, reach: float) -> float:
    return min(max(last, value - reach), value + reach)


def clock_of(series: Series, length: int | float | Duration) -> tuple[Floats, float]:
    """Return where each row stands in its series, and a length: in rows, or in microseconds where it is a duration."""
    if not isinstance(length, Duration):
        return series.ordinals.astype(np.float64), float(length)
    assert series.times is not None
    return series.times, float(length.micros)


class Known:
    """The numbers of some series, without those that are missing."""

    def __init__(self, series: Series) -> None:
        self._series = series
        self.rows = np.flatnonzero(~np.isnan(series.values))
        self._which = series.of_row[self.rows]
        self._heads = np.flatnonzero(np.diff(self._which, prepend=-1))

    def before(self, what: Floats, kept: Floats) -> Floats:
        """Return what stands before each; before the first of a series what was kept of it, else the first itself."""
        found = np.concatenate([np.zeros(min(len(what), 1)), what[:-1]])
        earlier = kept[self._which[self._heads]]
        found[self._heads] = np.where(np.isnan(earlier), what[self._heads], earlier)
        return found

    def last(self, what: Floats, kept: Floats) -> Floats:
        """Return the last of each series; what was kept of it where there is none."""
        result = kept.copy()
        result[self._which] = what  # of several the last one stays
        return result

    def latest(self, marked: Mask, what: Floats, kept: Floats) -> Floats:
        """Return what stands at the last marked one up to each; before the first of a series what was kept of it."""
        begins = np.zeros(len(marked), bool)
        begins[self._heads] = True
        at = np.maximum.accumulate(np.where(begins | marked, np.arange(len(marked)), 0))
        return np.where(marked, what, kept[self._which])[at]

    def step_by_step(self, step: Callable[[float, float, float], float], strength: Floats, kept: Floats) -> Floats:
        """Go from one to the next: each becomes a step from what the last one became; the first steps from itself."""
        begins = dict(zip(self._heads.tolist(), kept[self._which[self._heads]].tolist(), strict=True))
        result, last = [], np.nan
        for i, (value, by) in enumerate(zip(self._series.values[self.rows].tolist(), strength.tolist(), strict=True)):
            if i in begins:
                last = begins[i] if begins[i] == begins[i] else value
            last = step(last, value, by)
            result.append(last)
        return np.array(result, np.float64)

    def spread(self, what: Floats) -> Floats:
        """Return it with NaN where the number is missing."""
        result = np.full(len(self._series.values), np.nan)
        result[self.rows] = what
        return result
