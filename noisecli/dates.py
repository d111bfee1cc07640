"""Dates and times written as text, in ISO 8601 or in a format that the user names.

The system's strptime is not asked: what it reads differs with the C library and the locale, and it takes the 30th of
February for the 1st of March. Names of months are English, everywhere.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import date
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from noisecli import celltext
from noisecli.streams import Mask

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
    times = [f"%{letter}" for letter in _compiled(format)[1] if letter not in OF_DAYS]
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
STEPS = {"S": 1_000_000, "M": 60_000_000, "H": 3_600_000_000, "I": 3_600_000_000}


def parse_times(cells: pa.Array, format: str | None = None) -> tuple[Micros, Mask]:
    """Read text cells as times; also say which of them are such times. Without a format they are in ISO 8601."""
    if format is None:
        return _parse_iso(cells)
    pattern, directives = _compiled(format)
    fields = pc.extract_regex(cells, pattern)
    found = celltext.to_mask(pc.is_valid(fields))
    texts = dict(zip(directives, fields.filter(pa.array(found)).flatten(), strict=True))
    micros, real = _combine(texts, int(np.count_nonzero(found)))
    found[found] = real
    times = np.zeros(len(cells), np.int64)
    times[found] = micros[real]
    return times, found


def zone_offsets(cells: pa.Array, format: str | None = None) -> Micros:
    """Return how far the clock of each text cell that is a time is ahead of UTC, in microseconds; 0 without a zone."""
    zoned = celltext.matches(cells, ZONE).any() if format is None else "z" in _compiled(format)[1]
    if not zoned:
        return np.zeros(len(cells), np.int64)
    spelt = (found["z"] for found in _spelt(cells, format))
    return np.array([_offset(zone or "Z") for zone in spelt], np.int64)


def write_times(clock: Micros, like: pa.Array, format: str | None = None) -> tuple[pa.Array, Micros, Mask]:
    """Write readings of a clock in the spelling of text cells that are times, whose zones stay.

    They are rounded to the nearest that the cell says (the day, minute, digit of a second), and brought into the years
    1 to 9999, or 1969 to 2068 where a year has two digits.

    Returns:
        the cells, the readings that they now hold, and which had to be brought into range.
    """
    spelt = _spelt(like, format)
    steps = np.array([_step(found) for found in spelt], np.int64)
    least, most = SHORT_YEARS if format is not None and "y" in _compiled(format)[1] else (FIRST, LAST)
    settled, clipped = rounded(clock, steps, least, most)
    texts = _in_iso(settled, spelt) if format is None else _in_format(settled, spelt)
    return pa.array(texts, pa.string()), settled, clipped


def _in_iso(clock: Micros, spelt: list[re.Match[str]]) -> list[str]:
    full = np.datetime_as_string(clock.astype("datetime64[us]"), unit="us").tolist()
    texts = []
    for found, text in zip(spelt, full, strict=True):
        old, stop = found.string, found.end() if found["z"] is None else found.start("z")
        texts.append(text[:10] + old[10:11] + f"{text}000"[11:stop] + old[stop:])
    return texts


def _in_format(clock: Micros, spelt: list[re.Match[str]]) -> list[str]:
    months = clock.astype("datetime64[us]").astype("datetime64[M]")
    days, micros = clock // DAY, clock % DAY
    seconds = micros // 1_000_000
    month = months.astype(np.int64)
    parts = {
        "Y": month // 12 + 1970,
        "m": month % 12 + 1,
        "d": days - months.astype("datetime64[D]").astype(np.int64) + 1,
        "a": (days + 3) % 7,
        "H": seconds // 3600,
        "M": seconds // 60 % 60,
        "S": seconds % 60,
        "f": micros % 1_000_000,
    }
    rows = zip(*(values.tolist() for values in parts.values()), strict=True)
    return [_respelt(found, dict(zip(parts, row, strict=True))) for found, row in zip(spelt, rows, strict=True)]


def rounded(micros: Micros, step: Micros | int, least: int, most: int) -> tuple[Micros, Mask]:
    """Round to the nearest multiple of a step within a range; also say what lay outside of it."""
    within = np.clip(micros, least, most)
    low, high = -(-least // step) * step, most // step * step
    nearest = (within + step // 2) // step * step
    return np.clip(nearest, low, high), within != micros


def _spelt(cells: pa.Array, format: str | None) -> list[re.Match[str]]:
    pattern = ISO if format is None else re.compile(_compiled(format)[0])
    return [found for cell in cells.to_pylist() if (found := pattern.match(cell))]


def _offset(zone: str) -> int:
    if zone == "Z":
        return 0
    digits = zone[1:].replace(":", "")
    minutes = int(digits[:2]) * 60 + int(digits[2:])
    return (-minutes if zone[0] == "-" else minutes) * 60_000_000


def _step(found: re.Match[str]) -> int:
    """How finely a cell says its time, in microseconds."""
    said = found.groupdict()
    if said.get("f"):
        return int(10 ** max(0, 6 - len(said["f"])))
    return next((step for letter, step in STEPS.items() if said.get(letter)), DAY)


def _respelt(found: re.Match[str], parts: Mapping[str, int]) -> str:
    """Put the parts of a time where those of another one stand, and leave the rest as it is."""
    said = found.groupdict()
    narrow = "".join(group for group in ("mdHI", "MS") if any(len(said.get(letter) or "00") == 1 for letter in group))
    text, end = "", 0
    for letter, old in said.items():
        if old is not None and letter != "z":
            start, stop = found.span(letter)
            text, end = text + found.string[end:start] + _part(letter, old, parts, narrow), stop
    return text + found.string[end:]


def _part(letter: str, old: str, parts: Mapping[str, int], narrow: str) -> str:
    if letter in "bBaA":
        name = MONTHS[parts["m"] - 1] if letter in "bB" else WEEKDAYS[parts["a"]]
        short = len(old) == 3 if old.lower() != "may" else letter == "b"
        name = name[:3] if short else name
        return name.upper() if old.isupper() else name.lower() if old.islower() else name
    if letter == "p":
        half = "p" if parts["H"] >= 12 else "a"
        return (half.upper() if old[0].isupper() else half) + old[1:]
    if letter == "f":
        return f"{parts['f']:06}000"[: len(old)]
    if letter == "Y":
        return f"{parts['Y']:04}"
    if letter == "y":
        return f"{parts['Y'] % 100:02}"
    value = (parts["H"] + 11) % 12 + 1 if letter == "I" else parts[letter]
    return f"{value:0{1 if letter in narrow else 2}}"


@cache
def _compiled(format: str) -> tuple[str, tuple[str, ...]]:
    """A regular expression in which every directive is a group, and the directives in order."""
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


def _combine(texts: dict[str, pa.Array], count: int) -> tuple[Micros, Mask]:
    """Put the parts of times together, and say which days the calendar has."""

    def number(letter: str, default: int = 0) -> Micros:
        if letter not in texts:
            return np.full(count, default, np.int64)
        return np.asarray(pc.cast(texts[letter], pa.int64()).to_numpy(), np.int64)

    short = number("y")
    year = number("Y") if "Y" in texts else short + np.where(short < 69, 2000, 1900)  # as POSIX has it
    month = number("m")
    for name in {"b", "B"} & texts.keys():
        start = pc.utf8_capitalize(pc.utf8_slice_codeunits(texts[name], 0, 3))
        month = pc.index_in(start, pa.array([known[:3] for known in MONTHS])).to_numpy() + np.int64(1)
    months = ((year - 1970) * 12 + month - 1).astype("datetime64[M]")
    days = months.astype("datetime64[D]") + (number("d") - 1)
    real = np.asarray((days.astype("datetime64[M]") == months) & (year > 0))
    hour = number("H")
    if "I" in texts:
        hour = number("I") % 12 + 12 * celltext.matches(texts["p"], "^[Pp]")
    seconds = (hour * 60 + number("M")) * 60 + number("S")
    if "z" in texts:
        plain = pc.replace_substring(pc.replace_substring(texts["z"], "Z", "0"), ":", "")
        zone = np.asarray(pc.cast(pc.utf8_ltrim(plain, "+"), pa.int64()).to_numpy(), np.int64)
        seconds -= np.sign(zone) * (abs(zone) // 100 * 60 + abs(zone) % 100) * 60
    micros = days.astype("datetime64[us]").astype(np.int64) + seconds * 1_000_000
    if "f" in texts:
        texts["f"] = pc.utf8_slice_codeunits(pc.utf8_rpad(texts["f"], 6, "0"), 0, 6)
    return micros + number("f"), real


def _is_day(text: str) -> bool:
    """Whether the calendar has the day: Arrow refuses a whole array for one 30th of February."""
    try:
        date.fromisoformat(text[:10])
    except ValueError:
        return False
    return True


def _parse_iso(cells: pa.Array) -> tuple[Micros, Mask]:
    found = celltext.matches(cells, celltext.DATE) | celltext.matches(cells, celltext.DATETIME)
    late = found & celltext.matches(cells, "^....-..-(29|30|31)")
    found[late] = [_is_day(text) for text in cells.filter(pa.array(late)).to_pylist()]
    zoned = found & celltext.matches(cells, ZONE)
    times = np.zeros(len(cells), np.int64)
    for chosen, type_ in ((found & ~zoned, pa.timestamp("us")), (zoned, pa.timestamp("us", "UTC"))):
        some = pc.replace_substring_regex(cells.filter(pa.array(chosen)), r"(\.[0-9]{6})[0-9]+", r"\1")
        times[chosen] = pc.cast(some, type_).cast(pa.int64()).to_numpy(zero_copy_only=False)
    return times, found
