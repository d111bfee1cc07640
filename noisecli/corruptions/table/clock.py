"""Clocks that are wrong or misread: time zones, summer time, the unit of time since 1970."""

from abc import abstractmethod
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Literal
from zoneinfo import ZoneInfo

import numpy as np
from pydantic import field_validator, model_validator

from noisecli.columns import MOMENT, NUMBER, Column, Kind
from noisecli.corruption import MomentCorruption, register
from noisecli.corruptions.table.relabel import RATES
from noisecli.dates import DAY, FIRST, LAST, Micros
from noisecli.streams import BlockDraws

SECOND = 1_000_000
OF_MACHINES = frozenset({"localtime", "posixrules", "posix", "right"})
"""Beginnings of names that another machine does not have, or has for another zone."""


class Zoned(MomentCorruption):
    """Base of ops that ask the clocks of time zones.

    A time without a zone is taken for UTC. The rules are those of the machine's time zone database, or of the package
    tzdata where it has none; they say nothing of dates, so that a column of dates is refused.
    """

    accepts = frozenset({Kind.DATETIME})
    instants = True

    @field_validator("zone", "actual", "expected", check_fields=False)
    @classmethod
    def _known(cls, name: str) -> str:
        try:
            if name.split("/")[0] in OF_MACHINES:
                raise ValueError
            ZoneInfo(name)
        except (ValueError, OSError, KeyError):
            raise ValueError(f"{name!r} is no time zone: write one of the tz database, as Europe/Berlin") from None
        return name

    def corrupt(self, values: Micros, column: Column, draws: BlockDraws) -> Micros:
        # The first and last days have no room for an offset.
        seconds = np.clip(values, FIRST + 400 * DAY, LAST - 400 * DAY) // SECOND
        known, which = np.unique(seconds, return_inverse=True)
        shifts = [self.shift(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=at)) for at in known.tolist()]
        return values + np.array([shift // timedelta(microseconds=1) for shift in shifts], np.int64)[which]

    @abstractmethod
    def shift(self, instant: datetime) -> timedelta:
        """Return how much later an instant, in UTC, comes out."""


def _ahead(instant: datetime, zone: tzinfo) -> timedelta:
    return instant.astimezone(zone).utcoffset() or timedelta(0)


@register
class WrongTimezone(Zoned):
    """Note times by the clock of another time zone, summer time included, as if it were that of the expected one.

    The hour that comes twice in autumn is taken for its first time; one that is left out in spring counts from before.

    Source: Klyne and Newman 2002, RFC 3339, "Date and Time on the Internet: Timestamps", 4.4.

    Example:
        {op: wrong_timezone, columns: [visited], actual: Europe/Berlin, rate: 0.1}
    """

    actual: str
    """Zone by whose clock the time was noted: a name of the tz database, as Europe/Berlin."""
    expected: str = "UTC"
    """Zone by whose clock it is read."""

    def shift(self, instant: datetime) -> timedelta:
        clock = instant.astimezone(ZoneInfo(self.actual)).replace(tzinfo=ZoneInfo(self.expected), fold=0)
        return clock.astimezone(UTC) - instant


@register
class DstHour(Zoned):
    """Get summer time wrong: clocks that were not put forward, or twice; times in winter stay.

    Summer is when a zone is ahead of the lesser of its offsets on 1 January and 1 July of the year.

    Source: Belopolsky and Peters 2015, PEP 495, "Local Time Disambiguation".

    Example:
        {op: dst_hour, columns: [visited], zone: Europe/Berlin, rate: 0.5}
    """

    unchanged = "the zone has no summer time then"

    zone: str
    """Zone whose summer time it is: a name of the tz database, as Europe/Berlin."""
    fault: Literal["forgotten", "twice"] = "forgotten"
    """forgotten: an hour too few; twice: an hour too many (or what the zone's summer time amounts to)."""

    def shift(self, instant: datetime) -> timedelta:
        zone = ZoneInfo(self.zone)
        winter = min(_ahead(datetime(instant.year, month, 1, tzinfo=UTC), zone) for month in (1, 7))
        summer = max(_ahead(instant, zone) - winter, timedelta(0))
        return -summer if self.fault == "forgotten" else summer


UNITS = {"s": SECOND, "ms": 1000, "us": 1}
"""In microseconds."""


@register
class EpochUnit(MomentCorruption):
    """Read a time since 1970 in the wrong unit: seconds taken for milliseconds lie in January 1970.

    In a column of such numbers a cell is noted in the wrong unit: where milliseconds are expected a number of seconds,
    so a thousandth of the others. A time keeps its distance from 1970 as a number and changes the unit: 2019-03-23
    becomes 1970-01-18; the other way round, milliseconds read as seconds, nearly all lie beyond the year 9999, and are
    clipped to its end.

    Source: ECMA-262, "Time Values and Time Range", whose times are in milliseconds, and POSIX.1, "Seconds Since the
    Epoch".

    Example:
        {op: epoch_unit, columns: [visited], actual: s, expected: ms, rate: 0.1}
    """

    accepts = NUMBER | {Kind.DATETIME}
    instants = True
    default_rate = 0.1
    severities = RATES

    actual: Literal["s", "ms", "us"] = "s"
    """Unit in which the number was noted: seconds, milliseconds or microseconds."""
    expected: Literal["s", "ms", "us"] = "ms"
    """Unit in which it is read, and in which a column of numbers holds the others."""

    @model_validator(mode="after")
    def _differ(self) -> "EpochUnit":
        if self.actual == self.expected:
            raise ValueError(f"actual and expected are both {self.actual!r}: nothing is misread")
        return self

    def corrupt(self, values: Any, column: Column, draws: BlockDraws) -> Any:
        factor, divisor = UNITS[self.expected], UNITS[self.actual]
        new = values * (factor / divisor) if factor > divisor else values / (divisor / factor)
        if column.kind not in MOMENT:
            return new
        return np.rint(np.clip(new, 2.0 * FIRST, 2.0 * LAST)).astype(np.int64)
