"""Wrong dates and times: moved, in the wrong century, with parts that change places, with detail that is lost."""

from typing import Literal

import numpy as np
from pydantic import Field, NonNegativeFloat

from noisecli.columns import Column, Kind
from noisecli.corruption import MomentCorruption, register
from noisecli.dates import DAY, FIRST, LAST, Micros, joined, split
from noisecli.streams import BlockDraws

SECOND = 1_000_000
MICROS = {"s": SECOND, "min": 60 * SECOND, "h": 3600 * SECOND, "d": DAY, "w": 7 * DAY}
TIMES_OF_DAY = ("s", "min", "h")
TOO_FAR = 2 * (LAST - FIRST)
"""Further than any date from any other, in microseconds; sums of the two stay within 64 bits."""


class InTime(MomentCorruption):
    """Base of ops that are given an amount of time."""

    unit: Literal["s", "min", "h", "d", "w"] = "d"
    """s: seconds; min: minutes; h: hours; d: days of 24 hours; w: weeks. A column of dates takes d and w."""

    def objection(self, column: Column) -> str | None:
        return _no_time(self.unit, column)

    def moved(self, values: Micros, amount: np.ndarray | float) -> Micros:
        """Return the times later by an amount in `unit`."""
        far = np.clip(np.multiply(amount, float(MICROS[self.unit])), -TOO_FAR, TOO_FAR)
        return np.asarray(values + np.rint(far).astype(np.int64), np.int64)


def _no_time(unit: str, column: Column) -> str | None:
    if column.kind is Kind.DATE and unit in TIMES_OF_DAY:
        return f"holds days, which have no time of day: `unit: {unit}` is for times"
    return None


@register
class DateShift(InTime):
    """Move dates and times by a fixed amount: a clock that is fast or slow, dates shifted to hide who they belong to.

    Source: Hripcsak et al. 2016, "Preserving Temporal Relations in Clinical Data while Maintaining Privacy".

    Example:
        {op: date_shift, columns: [visited], offset: 3, unit: d, rate: 0.1}
    """

    severities = ({"offset": 1}, {"offset": 3}, {"offset": 10}, {"offset": 30}, {"offset": 100})

    offset: float = Field(1.0, ge=-1e12, le=1e12)
    """How much later, in `unit`; negative is earlier."""

    def corrupt(self, values: Micros, column: Column, draws: BlockDraws) -> Micros:
        return self.moved(values, self.offset)


@register
class DateJitter(InTime):
    """Add zero-mean Gaussian noise to dates and times: events that were noted sooner or later than they happened.

    Source: Song, Cao and Wang 2016, "Cleaning Timestamps with Temporal Constraints".

    Example:
        {op: date_jitter, columns: [visited], sigma: 2, unit: d}
    """

    severities = ({"sigma": 1}, {"sigma": 3}, {"sigma": 10}, {"sigma": 30}, {"sigma": 100})

    sigma: NonNegativeFloat = Field(1.0, le=1e12)
    """Standard deviation of the noise, in `unit`."""

    def corrupt(self, values: Micros, column: Column, draws: BlockDraws) -> Micros:
        return self.moved(values, self.sigma * draws.normal())


@register
class SwapDayMonth(MomentCorruption):
    """Exchange day and month, as where 03/04/2024 is read the American way; a day above 12 stays as it is.

    Source: Suriadi et al. 2017, "Event Log Imperfection Patterns for Process Mining", on the unanchored event.

    Example:
        {op: swap_day_month, columns: [visited], rate: 0.1}
    """

    unchanged = "the day is above 12, which is no month, or equals the month"

    def corrupt(self, values: Micros, column: Column, draws: BlockDraws) -> Micros:
        months, day, time = split(values)
        swapped = joined(months - months % 12 + np.minimum(day, 11), months % 12, time)
        return np.where(day < 12, swapped, values)


@register
class TruncateTime(MomentCorruption):
    """Forget all that is finer than a unit: 2024-03-14 15:09 becomes 2024-03-14 00:00, or 2024-01-01 00:00.

    Source: Hripcsak et al. 2016, "Preserving Temporal Relations in Clinical Data while Maintaining Privacy".

    Example:
        {op: truncate_time, columns: [visited], unit: month}
    """

    unchanged = "the cell has nothing finer than the unit"

    unit: Literal["min", "h", "d", "month", "year"] = "d"
    """What is kept, with all that is coarser: the minute, hour, day, month or year. A column of dates takes month and
    year."""

    def objection(self, column: Column) -> str | None:
        if column.kind is Kind.DATE and self.unit == "d":
            return "holds days, which have no time of day: `unit: d` is for times"
        return _no_time(self.unit, column)

    def corrupt(self, values: Micros, column: Column, draws: BlockDraws) -> Micros:
        if self.unit in MICROS:
            return values - values % MICROS[self.unit]
        months, day, time = split(values)
        if self.unit == "year":
            months = months - months % 12
        return joined(months, 0 * day, 0 * time)


@register
class FutureDate(MomentCorruption):
    """Move dates whole years ahead, into a time that cannot have been seen yet; the day of the year stays.

    The 29th of February becomes the 28th where the year has none. What is the future depends on the data, not on the
    day of the run: choose `years` so that it lies behind the latest date.

    Source: Kahn et al. 2016, "A Harmonized Data Quality Assessment Terminology and Framework for the Secondary Use of
    Electronic Health Record Data", on temporal plausibility.

    Example:
        {op: future_date, columns: [visited], years: 30, rate: 0.05}
    """

    severities = ({"years": 1}, {"years": 3}, {"years": 10}, {"years": 30}, {"years": 100})

    years: int = Field(100, ge=1, le=9998)
    """How many years later."""

    def corrupt(self, values: Micros, column: Column, draws: BlockDraws) -> Micros:
        return _years_later(values, np.full(len(values), self.years))


@register
class CenturySlip(MomentCorruption):
    """Put dates into the wrong century: 2024 becomes 1924, 1924 becomes 2024; other centuries stay.

    The 29th of February 2000 becomes the 28th of 1900.

    Source: Nesser 1999, RFC 2626, "The Internet and the Millennium Problem (Year 2000)".

    Example:
        {op: century_slip, columns: [born], rate: 0.05}
    """

    unchanged = "the year is neither 19xx nor 20xx"

    def objection(self, column: Column) -> str | None:
        if column.format is not None and "%y" in column.format.replace("%%", ""):
            return "is written with years of two digits, which say no century"
        return None

    def corrupt(self, values: Micros, column: Column, draws: BlockDraws) -> Micros:
        century = (split(values)[0] // 12 + 1970) // 100
        return _years_later(values, np.where(century == 19, 100, np.where(century == 20, -100, 0)))


def _years_later(values: Micros, years: Micros) -> Micros:
    months, day, time = split(values)
    return joined(months + 12 * years, day, time)
