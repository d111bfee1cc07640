"""What cells and names give away: dates written as text, keys, stand-ins for missing values, names of people."""

import re
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from noisecli import celltext, dates
from noisecli.columns import NUMBER, Column, Kind
from noisecli.streams import Floats

LOOKED_AT = 2000
"""How many different values of a column of text are tried."""

DAYS = (
    "%d.%m.%Y",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%Y%m%d",
    "%d.%m.%y",
    "%d/%m/%y",
    "%m/%d/%y",
    "%d %b %Y",
    "%d-%b-%Y",
    "%d-%b-%y",
    "%b %d, %Y",
    "%b %d %Y",
)
TIMES = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
"""Formats that are common; what is written in ISO 8601 is a date anyway."""

MISSING_WORDS = ("?", "-", "--", ".", "unknown", "n.a.", "missing", "not available", "undefined", "nil", "#n/a", "none")
MISSING_NUMBERS = frozenset({-1.0, -9.0, -99.0, -999.0, -9999.0, 99.0, 999.0, 9999.0, 99999.0, 999999.0})

MAIL = r"^[^@\s]+@[^@\s]+\.[^@\s]+$"
ADDRESS = r"^https?://"
KEY = r"^[A-Za-z0-9][A-Za-z0-9_.:/#-]*$"


def words_of(name: str) -> list[str]:
    """The words that a name consists of, in lower case: `isFraud` and `is_fraud` are two."""
    return [word for word in re.split(r"[^a-z0-9]+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()) if word]


def names_a_date(name: str) -> bool:
    """Whether a name speaks of days."""
    return re.search(r"date|day|datum|fecha|(^|_)dt($|_)|(^|_)dob($|_)", name.lower()) is not None


def names_a_key(name: str) -> bool:
    """Whether a name speaks of something that identifies, or of a code that is no quantity."""
    end = re.search(r"(^|[^a-z])(id|key|uuid|guid|code|zip|postcode|zipcode|phone|pk|fk|index)$", name.lower())
    return end is not None or re.search(r"[a-z0-9]I[Dd]$", name) is not None


def date_formats(texts: pa.Array) -> tuple[str, ...]:
    """In which of the common formats all of some texts are dates; several where that is unclear."""
    some = texts[:LOOKED_AT]
    if len(some) == 0 or not celltext.matches(some[:20], "[0-9]").all():
        return ()
    return tuple(
        format for format in _formats() if all(dates.parse_times(part, format)[1].all() for part in _cut(some))
    )


def _formats() -> Iterator[str]:
    yield from (day + time for time in TIMES for day in DAYS)


def _cut(texts: pa.Array) -> Iterator[pa.Array]:
    """The first few alone, so that most formats are soon refused."""
    yield texts[:5]
    yield texts[5:]


def kind_of_format(format: str) -> Kind:
    """Whether a format is one of days, or of times."""
    return Kind.DATETIME if "%M" in format else Kind.DATE


def words(texts: pa.Array) -> float:
    """How many words a text has on average."""
    some = texts[:LOOKED_AT]
    return float(np.mean(pc.count_substring_regex(some, r"\S+").to_numpy())) if len(some) else 0.0


def all_keys(texts: pa.Array) -> bool:
    """Whether most of some texts look like keys: one word with a digit in it."""
    some = texts[:LOOKED_AT]
    return bool(np.mean(celltext.matches(some, KEY) & celltext.matches(some, "[0-9]")) > 0.9)


def describe(name: str, texts: pa.Array) -> str:
    """Say in a few words what some texts are."""
    some = texts[:LOOKED_AT]
    if np.mean(celltext.matches(some, MAIL)) > 0.9:
        return "e-mail addresses"
    if np.mean(celltext.matches(some, ADDRESS)) > 0.9:
        return "web addresses"
    letters = float(np.mean(pc.utf8_length(some).to_numpy()))
    size = f"{words(some):.1f} words, {letters:.0f} characters on average"
    if words(some) < 1.5:
        return f"single words or codes, {letters:.0f} characters on average"
    if re.search(r"(^|[^a-z]|first|last|sur|full)name", name.lower()) and words(some) < 6:
        return f"names, perhaps of people; {size}"
    if re.search("address|street|adresse", name.lower()):
        return f"postal addresses, it seems; {size}"
    return size


def stand_ins(column: Column, texts: pa.Array, shares: Floats) -> tuple[tuple[str, ...], bool]:
    """Values that may stand for missing ones, and whether they alone keep a column from being one of numbers.

    Args:
        column: the column, with facts.
        texts: its values, the commonest first.
        shares: the share of cells that hold each.
    """
    if column.kind is Kind.TEXT:
        known = [value for value in texts[:200].to_pylist() if value.strip().lower() in MISSING_WORDS]
        numeric = celltext.matches(texts, celltext.NUMBER)
        almost = bool(known) and int(np.count_nonzero(numeric)) + len(known) == len(texts) > 1 + len(known)
        return tuple(known), almost
    if column.kind not in NUMBER or not np.isfinite(column.sd):
        return (), False
    numbers = column.to_numbers(celltext.as_written(texts) if column.stored_as_text else texts.cast(pa.float64()))
    found = []
    for value, number, share in zip(texts.to_pylist(), numbers.tolist(), shares.tolist(), strict=True):
        rest = numbers[numbers != number]
        if number not in MISSING_NUMBERS or share < 0.002 or len(rest) < 5:
            continue
        low, high = float(rest.min()), float(rest.max())
        alone = number < low and low >= 0 if number < 0 else number > high + (high - low)
        if alone or number < low - (high - low):
            found.append(value)
    return tuple(found), False
