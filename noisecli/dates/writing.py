"""Times that are written as text, in the spelling of other cells or in a format."""

import re
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa

from noisecli import celltext
from noisecli.dates.formats import (
    DAY,
    FIRST,
    ISO,
    LAST,
    MONTHS,
    OF_DAYS,
    SHORT_YEARS,
    WEEKDAYS,
    ZONE,
    Micros,
    compiled,
    split,
)
from noisecli.streams import Mask

STEPS = {"S": 1_000_000, "M": 60_000_000, "H": 3_600_000_000, "I": 3_600_000_000}
LIKE = {"b": "Jan", "B": "January", "a": "Mon", "A": "Monday", "p": "AM", "f": "000000"}
"""What looks as a directive is written, where there is no cell to be like."""

FIXED = {"z": "+0000", "%": "%"}


def zone_offsets(cells: pa.Array, format: str | None = None) -> Micros:
    """Return how far the clock of each text cell that is a time is ahead of UTC, in microseconds; 0 without a zone."""
    zoned = celltext.matches(cells, ZONE).any() if format is None else "z" in compiled(format)[1]
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
    least, most = SHORT_YEARS if format is not None and "y" in compiled(format)[1] else (FIRST, LAST)
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
    return [_respelt(found, parts) for found, parts in zip(spelt, _parts(clock), strict=True)]


def _parts(clock: Micros) -> Iterator[Mapping[str, int]]:
    months, days, time = split(clock)
    seconds = time // 1_000_000
    parts = {
        "Y": months // 12 + 1970,
        "m": months % 12 + 1,
        "d": days + 1,
        "a": (clock // DAY + 3) % 7,
        "H": seconds // 3600,
        "M": seconds // 60 % 60,
        "S": seconds % 60,
        "f": time % 1_000_000,
    }
    for row in zip(*(values.tolist() for values in parts.values()), strict=True):
        yield dict(zip(parts, row, strict=True))


def in_format(clock: Micros, format: str) -> list[str]:
    """Write times in a format, names in English and title case; a zone is that of UTC."""

    def written(parts: Mapping[str, int]) -> str:
        return re.sub(
            "%(.)", lambda said: FIXED.get(said[1]) or _part(said[1], LIKE.get(said[1], ""), parts, ""), format
        )

    return [written(parts) for parts in _parts(clock)]


def put_dates(cells: pa.Array, dates: Sequence[str], format: str | None = None) -> pa.Array:
    """Put texts where text cells that are times say the day, month and year; an ISO time then follows after a blank."""
    texts = []
    for found, date in zip(_spelt(cells, format), dates, strict=True):
        spans = [found.span(letter) for letter, said in found.groupdict().items() if said and letter in OF_DAYS]
        rest = found.string[max(stop for _, stop in spans) :]
        if format is None:
            rest = rest.replace("T", " ", 1)
        texts.append(found.string[: min(start for start, _ in spans)] + date + rest)
    return pa.array(texts, pa.string())


def put_numbers(cells: pa.Array, letter: str, numbers: Micros, format: str | None = None) -> pa.Array:
    """Put numbers, real or not, where text cells that are times have the part that a directive stands for."""
    texts = []
    for found, number in zip(_spelt(cells, format), numbers.tolist(), strict=True):
        start, stop = found.span(letter)
        texts.append(f"{found.string[:start]}{number:0{stop - start}}{found.string[stop:]}")
    return pa.array(texts, pa.string())


def rounded(micros: Micros, step: Micros | int, least: int, most: int) -> tuple[Micros, Mask]:
    """Round to the nearest multiple of a step within a range; also say what lay outside of it."""
    within = np.clip(micros, least, most)
    low, high = -(-least // step) * step, most // step * step
    nearest = (within + step // 2) // step * step
    return np.clip(nearest, low, high), within != micros


def _spelt(cells: pa.Array, format: str | None) -> list[re.Match[str]]:
    pattern = ISO if format is None else re.compile(compiled(format)[0])
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
