"""Text that is read as times."""

from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from noisecli import celltext
from noisecli.dates.formats import MONTHS, ZONE, Micros, compiled
from noisecli.streams import Mask


def parse_times(cells: pa.Array, format: str | None = None) -> tuple[Micros, Mask]:
    """Read text cells as times; also say which of them are such times. Without a format they are in ISO 8601."""
    if format is None:
        return _parse_iso(cells)
    pattern, directives = compiled(format)
    fields = pc.extract_regex(cells, pattern)
    found = celltext.to_mask(pc.is_valid(fields))
    texts = dict(zip(directives, fields.filter(pa.array(found)).flatten(), strict=True))
    micros, real = _combine(texts, int(np.count_nonzero(found)))
    found[found] = real
    times = np.zeros(len(cells), np.int64)
    times[found] = micros[real]
    return times, found


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
    """Whether the calendar has the day: it has no year 0, and Arrow refuses a whole array for one 30th of February."""
    try:
        date.fromisoformat(text[:10])
    except ValueError:
        return False
    return True


def _parse_iso(cells: pa.Array) -> tuple[Micros, Mask]:
    found = celltext.matches(cells, celltext.DATE) | celltext.matches(cells, celltext.DATETIME)
    late = found & celltext.matches(cells, "^0000|^....-..-(29|30|31)")
    found[late] = [_is_day(text) for text in cells.filter(pa.array(late)).to_pylist()]
    zoned = found & celltext.matches(cells, ZONE)
    times = np.zeros(len(cells), np.int64)
    for chosen, type_ in ((found & ~zoned, pa.timestamp("us")), (zoned, pa.timestamp("us", "UTC"))):
        some = pc.replace_substring_regex(cells.filter(pa.array(chosen)), r"(\.[0-9]{6})[0-9]+", r"\1")
        times[chosen] = pc.cast(some, type_).cast(pa.int64()).to_numpy(zero_copy_only=False)
    return times, found
