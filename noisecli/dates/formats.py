"""How dates and times may be written: ISO 8601, and formats out of directives."""

import re
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

Micros = NDArray[np.int64]
"""Microseconds since 1970; a time without a zone is taken for UTC."""

ZONE = r"(Z|[0-9]{2}:[0-9.:]+[-+][0-9]{2}:?[0-9]{2})$"

MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def _names(names: Sequence[str]) -> str:
    """A pattern for names in full or by their first three letters, in any case."""
    return f"(?i:{'|'.join(f'{name[:3]}(?:{name[3:]})?' for name in names)})"


DIRECTIVES = {
    "Y": ("year", "[0-9]{4}"),
    "y": ("year", "[0-9]{2}"),
    "m": ("month", "1[0-2]|0?[1-9]"),
    "b": ("month", _names(MONTHS)),
    "B": ("month", _names(MONTHS)),
    "d": ("day", "3[01]|[12][0-9]|0?[1-9]"),
    "H": ("hour", "2[0-3]|1[0-9]|0?[0-9]"),
    "I": ("hour", "1[0-2]|0?[1-9]"),
    "M": ("minute", "[1-5][0-9]|0?[0-9]"),
    "S": ("second", "[1-5][0-9]|0?[0-9]"),
    "f": ("fraction of a second", "[0-9]{1,9}"),
    "p": ("half of the day", r"[AaPp]\.?[Mm]\.?"),
    "z": ("zone", "Z|[-+](?:[01][0-9]|2[0-3]):?[0-5][0-9]"),
    "a": ("weekday", _names(WEEKDAYS)),
    "A": ("weekday", _names(WEEKDAYS)),
}
"""What each directive of a format says, and what it looks like."""

DIGITS = frozenset("YymdHIMSf")
OF_DAYS = frozenset("YymbBdaA")


def check_format(format: str, with_time: bool) -> None:
    """Raise ValueError unless a format can be read, and says a time of day only where the type has one."""
    times = [f"%{letter}" for letter in compiled(format)[1] if letter not in OF_DAYS]
    if times and not with_time:
        raise ValueError(f"{times[0]} is a time of day, and the type is date: say `dtype: datetime`")


DAY = 86_400_000_000
"""Microseconds."""

FIRST, LAST = (int(np.datetime64(text, "us").astype(np.int64)) for text in ("0001-01-01", "9999-12-31T23:59:59.999999"))
"""The first and the last microsecond of the years 1 to 9999."""

SHORT_YEARS = tuple(int(np.datetime64(text, "us").astype(np.int64)) for text in ("1969-01-01", "2068-12-31T23:59:59"))
"""The same of the years that two digits can say."""

ISO = re.compile(
    r"(?P<Y>[0-9]{4})-(?P<m>[0-9]{2})-(?P<d>[0-9]{2})"
    r"([T ](?P<H>[0-9]{2}):(?P<M>[0-9]{2})(:(?P<S>[0-9]{2})(\.(?P<f>[0-9]{1,9}))?)?(?P<z>Z|[-+][0-9:]+)?)?"
)


def interleaved(format: str) -> bool:
    """Whether a format has a time of day, or a zone, between the parts of the date."""
    of_days = [letter in OF_DAYS for letter in compiled(format)[1]]
    return False in of_days[of_days.index(True) : len(of_days) - of_days[::-1].index(True)]


@cache
def compiled(format: str) -> tuple[str, tuple[str, ...]]:
    """Return a regular expression in which every directive is a group, and the directives in order."""
    plain = " ".join(format.split())
    if not plain.isprintable():
        raise ValueError(f"{format!r} holds what cannot be printed")
    tokens = re.findall(r"%(.?)|([^%])", plain)
    letters = [letter or None for letter, literal in tokens]
    pattern, said = "", dict[str, str]()
    for i, (letter, literal) in enumerate(tokens):
        if literal or letter == "%":
            pattern += r"\s+" if literal == " " else re.escape(literal or "%")
            continue
        if letter not in DIRECTIVES:
            known = " ".join(f"%{known}" for known in DIRECTIVES)
            raise ValueError(f"%{letter} is not known in {format!r}; known: {known}")
        meaning, looks = DIRECTIVES[letter]
        if meaning in said:
            raise ValueError(f"{format!r} says the {meaning} twice: %{said[meaning]} and %{letter}")
        said[meaning] = letter
        if letter in DIGITS and DIGITS.intersection(letters[max(i - 1, 0) : i] + letters[i + 1 : i + 2]):
            looks = looks.replace("0?", "0")  # digits beside digits: only a full width tells where they end
        pattern += f"(?P<{letter}>{looks})"
    missing = [meaning for meaning in ("year", "month", "day") if meaning not in said]
    if missing:
        raise ValueError(f"{format!r} says no {missing[0]}: write it like %d.%m.%Y %H:%M")
    if ("half of the day" in said) != (said.get("hour") == "I"):
        raise ValueError(f"{format!r}: %I and %p belong together; hours from 0 to 23 are %H")
    return f"^{pattern}$", tuple(said.values())


def split(times: Micros) -> tuple[Micros, Micros, Micros]:
    """Return months since 1970, days since the first of the month, and microseconds since midnight."""
    days = times // DAY
    months = days.astype("datetime64[D]").astype("datetime64[M]")
    return months.astype(np.int64), days - months.astype("datetime64[D]").astype(np.int64), times % DAY


def days_in(months: Micros) -> Micros:
    """Return how many days months since 1970 have."""
    first, after = ((months + k).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64) for k in (0, 1))
    return np.asarray(after - first, np.int64)


def joined(months: Micros, day: Micros, time: Micros) -> Micros:
    """Reverse `split`; a day that a month does not have becomes its last one."""
    first = months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    return np.asarray((first + np.minimum(day, days_in(months) - 1)) * DAY + time, np.int64)
