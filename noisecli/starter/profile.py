"""What a column seems to be, by the rows that were looked at."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from noisecli import celltext
from noisecli.columns import MOMENT, NUMBER, Column, Kind
from noisecli.starter import clues
from noisecli.streams import Floats

MOST_LEVELS = 100
"""A text column with more different values is none of categories; the keyword `category` goes by the same."""

FEW_NUMBERS = 12
"""Whole numbers with no more different values are levels of a scale, or counts: adding noise to them says nothing."""


class Use(Enum):
    """What noise a column can take."""

    MEASURE = "numbers"
    LEVELS = "few whole numbers"
    FLAG = "two values"
    CATEGORY = "categories"
    TEXT = "free text"
    CODE = "short texts that nearly all differ"
    MOMENT = "dates"
    KEY = "keys, which are no quantities"
    ALIKE = "one value, or none"
    OTHER = "something else"


@dataclass(frozen=True, eq=False)
class Profile:
    """What a column seems to be."""

    column: Column
    """Its type, and of numbers the facts."""
    use: Use
    cells: pa.Array
    """The cells that were looked at."""
    missing: float
    """Share of cells that are missing."""
    distinct: int
    common: tuple[tuple[str, float], ...]
    """The commonest values as text, with their share of the cells that are there."""
    about: str
    """A few words on what it holds."""
    format: str | None = None
    """How dates in a column of text are written."""
    unclear: tuple[str, ...] = ()
    """Formats that all fit, so that it is not known which day is meant."""
    stand_ins: tuple[str, ...] = ()
    """Values that look like values, and may stand for missing ones."""
    almost_number: bool = False
    """Whether it would be a column of numbers but for a few stand-ins."""

    @property
    def name(self) -> str:
        """The name of the column."""
        return self.column.name

    @property
    def filled(self) -> int:
        """How many cells are there."""
        return round(len(self.cells) * (1 - self.missing))

    @property
    def unique(self) -> bool:
        """Whether every row has a value, and no two have the same."""
        return self.missing == 0 and self.distinct == len(self.cells) > 1

    @property
    def step(self) -> float:
        """The smallest difference that the column can hold; 0 where it has no such."""
        if self.column.kind is Kind.INTEGER:
            return 1.0
        return float(10.0 ** -self.column.decimals[1]) if self.column.decimals else 0.0


def profile(column: Column, cells: pa.Array, told: bool) -> Profile:
    """Find out what a column seems to be.

    Args:
        column: its name, type and storage.
        cells: the cells that were looked at.
        told: whether the file itself says of which type the cells are.
    """
    present = cells.filter(pa.array(column.eligible(cells, False)))
    if column.kind is Kind.OTHER:
        return Profile(
            column, Use.OTHER, cells, 1 - len(present) / max(1, len(cells)), 0, (), shown(str(column.storage), 60)
        )
    counts = pc.value_counts(present)
    order = np.argsort(-counts.field("counts").to_numpy(), kind="stable")
    values = counts.field("values").take(pa.array(order))
    shares = counts.field("counts").to_numpy()[order] / max(1, len(present))
    missing = 1 - len(present) / max(1, len(cells))
    format, unclear = None, tuple[str, ...]()
    texts = celltext.as_written(values)
    as_dates = column.kind is Kind.TEXT or (column.kind is Kind.INTEGER and clues.names_a_date(column.name))
    if as_dates and pa.types.is_string(column.storage) and not (told and column.kind is Kind.INTEGER):
        fitting = clues.date_formats(texts)
        if len(fitting) == 1:
            format = fitting[0]
            column = Column(column.name, clues.kind_of_format(format), column.storage, null=column.null, format=format)
        unclear = fitting if len(fitting) > 1 else ()
    column = _with_facts(column, present)
    common = tuple(zip(texts[:30].to_pylist(), shares[:30].tolist(), strict=False))
    stand_ins, almost = clues.stand_ins(column, texts[:2000], shares[:2000])
    use = Use.OTHER if unclear or almost else _use(column, texts, len(present))
    about = _about(column, use, common, len(values), texts, present)
    return Profile(column, use, cells, missing, len(values), common, about, format, unclear, stand_ins, almost)


def numbers_of(column: Column, cells: pa.Array) -> Floats:
    """The finite numbers among some cells."""
    numbers = column.to_numbers(cells)
    return numbers[np.isfinite(numbers)]


def _with_facts(column: Column, present: pa.Array) -> Column:
    if column.kind not in NUMBER:
        return column
    numbers = numbers_of(column, present)
    if not len(numbers):
        return column
    with np.errstate(all="ignore"):
        facts = (numbers.mean(), numbers.std(), numbers.min(), numbers.max(), np.median(numbers))
    mean, sd, least, most, median = map(float, facts)
    if not np.isfinite([mean, sd]).all():
        return column
    held = (column.name, column.kind, column.storage, column.decimals, column.null, column.clean_text)
    return Column(*held, mean=mean, sd=sd, min=least, max=most, median=median)


def _use(column: Column, texts: pa.Array, present: int) -> Use:
    """Settle what noise a column can take."""
    distinct = len(texts)
    if distinct <= 1:
        return Use.ALIKE
    if column.kind in MOMENT:
        return Use.MOMENT
    if column.kind is Kind.BOOL or (distinct == 2 and present > 4 and column.kind is not Kind.FLOAT):
        return Use.FLAG
    if column.kind in NUMBER:
        if not np.isfinite(column.sd):
            return Use.OTHER
        if column.kind is Kind.INTEGER and clues.names_a_key(column.name):
            return Use.KEY
        few = column.kind is Kind.INTEGER and distinct <= FEW_NUMBERS and abs(column.max) < 1000
        return Use.LEVELS if few and distinct < present / 2 else Use.MEASURE
    if distinct <= MOST_LEVELS and distinct <= max(2, present / 4):
        return Use.CATEGORY
    return Use.TEXT if clues.words(texts) >= 1.5 and not clues.all_keys(texts) else Use.CODE


def _about(
    column: Column, use: Use, common: Sequence[tuple[str, float]], distinct: int, texts: pa.Array, present: pa.Array
) -> str:
    if use is Use.ALIKE:
        return f"always {shown(common[0][0])}" if common else "empty"
    if use is Use.MEASURE:
        places = column.decimals[1] if column.decimals else 0
        digits = f", {places} decimal{'s' * (places > 1)}" if places else ""
        return (
            f"{figure(column.min)} to {figure(column.max)}, mean {figure(column.mean)}, sd {figure(column.sd)}{digits}"
        )
    if use is Use.LEVELS:
        return f"whole numbers from {figure(column.min)} to {figure(column.max)}"
    if use in (Use.FLAG, Use.CATEGORY):
        first = ", ".join(f"{shown(value)} {percent(share)}" for value, share in common[:3])
        return f"{first}, and {distinct - 3} more" if distinct > 3 else first
    if use is Use.MOMENT:
        times, known = column.to_times(present)
        if not known.any():
            return "dates"
        unit = "D" if column.kind is Kind.DATE else "s"
        edges = np.array([times[known].min(), times[known].max()], "M8[us]").astype(f"M8[{unit}]")
        first, last = np.datetime_as_string(edges).tolist()
        written = f", written like {column.format}" if column.format else ""
        return f"{first} to {last}{written}".replace("T", " ")
    if use in (Use.TEXT, Use.CODE):
        return clues.describe(column.name, texts)
    return ""


def shown(value: str, most: int = 24) -> str:
    """A value as a comment shows it: in one line, cut short."""
    plain = value if value.isprintable() and value == value.strip() and value else repr(value)
    return plain if len(plain) <= most else f"{plain[: most - 3]}..."


def figure(number: float) -> str:
    """A number as a comment shows it: three digits that count."""
    text = f"{number:.3g}"
    return text if "e" not in text else f"{number:,.0f}" if 1e3 <= abs(number) < 1e9 else text


def percent(share: float) -> str:
    """A share as a comment shows it."""
    return "<1 %" if 0 < share < 0.01 else ">99 %" if 0.99 < share < 1 else f"{100 * share:.0f} %"


def said_by(name: str, pattern: str) -> bool:
    """Whether one of the words that a name consists of is among some, given as alternatives of a regular expression."""
    return any(re.fullmatch(pattern, word) for word in clues.words_of(name))
