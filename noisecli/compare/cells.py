"""What is gathered of one column on one side, and which cells of two sides differ."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from noisecli.columns import MOMENT, NUMBER, Column, Kind, kind_of, to_text
from noisecli.compare.measures import Counts
from noisecli.compare.model import Figures
from noisecli.compare.rows import missing
from noisecli.engine.edits import differs
from noisecli.streams import Floats, Mask
from noisecli.summaries import Moments

MOST_VALUES, MOST_LETTERS = 10_000, 4_000_000
"""Where more values differ, or take more characters together, they are not counted."""

SECOND = 1e-6
"""A microsecond."""


def side_of(name: str, kind: Kind, storage: pa.DataType, format: str | None) -> Column:
    """Describe a column as one side stores it; both sides have the kind of the clean one."""
    as_text = kind in NUMBER and kind_of(storage) is Kind.TEXT
    return Column(name, kind, storage, (0, 0) if as_text else None, clean_text=False, format=format)


def numbers_of(column: Column, cells: pa.Array) -> Floats:
    """Numbers of cells, of dates and times seconds since 1970; NaN for what is none."""
    if column.kind in MOMENT:
        micros, known = column.to_times(cells)
        return np.where(known, micros * SECOND, np.nan)
    return column.to_numbers(cells)


@dataclass
class Values:
    """How often each value occurs, as long as not too many differ."""

    counts: Counter[str] = field(default_factory=Counter)
    letters: int = 0
    overfull: bool = False

    def add(self, cells: pa.Array) -> None:
        """Take more cells; missing ones are passed over."""
        if self.overfull or kind_of(cells.type) is Kind.OTHER:
            return
        found = pc.value_counts(cells.filter(pa.array(~missing(cells))))
        self.overfull = len(found) > MOST_VALUES
        if not self.overfull:
            values, counts = to_text(found.field("values")).to_pylist(), found.field("counts").to_pylist()
            for value, count in zip(values, counts, strict=True):
                self.letters += 0 if value in self.counts else len(value)
                self.counts[value] += count
            self.overfull = len(self.counts) > MOST_VALUES or self.letters > MOST_LETTERS
        if self.overfull:
            self.counts.clear()


@dataclass
class Gathered:
    """What is gathered of one column on one side."""

    column: Column
    known: Sequence[str] | None = None
    """Values that are counted however many others there are."""
    rows: int = 0
    missing: int = 0
    moments: Moments = field(default_factory=Moments)
    values: Values = field(default_factory=Values)
    known_counts: Counts = field(init=False)

    def __post_init__(self) -> None:
        self.known_counts = np.zeros(len(self.known or ()), np.int64)

    def add(self, cells: pa.Array) -> tuple[Mask, Floats | None]:
        """Take the cells of some rows: which of them are missing, and their numbers if they have any."""
        lost = missing(cells)
        self.rows += len(cells)
        self.missing += int(np.count_nonzero(lost))
        cells = _folded(self.column, cells)
        self.values.add(cells)
        if self.known is not None:
            texts = cells if pa.types.is_string(cells.type) else to_text(cells).cast(pa.string())
            places = pc.drop_null(pc.index_in(texts, pa.array(self.known, pa.string())))
            counts = np.bincount(np.asarray(places), minlength=len(self.known))
            self.known_counts = self.known_counts + counts
        if self.column.kind not in NUMBER | MOMENT:
            return lost, None
        numbers = numbers_of(self.column, cells)
        self.moments.add(numbers)
        return lost, numbers

    def figures(self) -> Figures:
        """Return the figures of all rows."""
        distinct = None if self.values.overfull or self.column.kind is Kind.OTHER else len(self.values.counts)
        if not self.moments.count:
            return Figures(self.rows, self.missing, distinct)
        found = self.moments
        sd = float(np.sqrt(found.squares / found.count))
        return Figures(self.rows, self.missing, distinct, found.mean, sd, found.low, found.high)


def differing(clean: pa.Array, noisy: pa.Array, column: Column) -> Mask:
    """Which cells differ: text by what it says, else by value; where the sides are stored in two ways, by both.

    Args:
        clean, noisy: equally many cells.
        column: the clean column.
    """
    if column.kind is not Kind.OTHER and clean.type == noisy.type:
        return differs(noisy, clean)
    before, after = (to_text(_folded(column, cells)).cast(pa.large_string()) for cells in (clean, noisy))
    found = differs(after, before)
    if column.kind in NUMBER | MOMENT and found.any():
        found &= ~equal_numbers(clean, noisy, column)
    return found


def equal_numbers(clean: pa.Array, noisy: pa.Array, column: Column) -> Mask:
    """Which cells are the same number or time on both sides, as far as float64 can tell."""
    sides = (side_of(column.name, column.kind, cells.type, column.format) for cells in (clean, noisy))
    one, other = (numbers_of(side, cells) for side, cells in zip(sides, (clean, noisy), strict=True))
    return np.asarray((one == other) & column.exact(one))


def _folded(column: Column, cells: pa.Array) -> pa.Array:
    """Truth values as Arrow spells them: `True` and `TRUE` are true."""
    return pc.utf8_lower(cells) if column.kind is Kind.BOOL and kind_of(cells.type) is Kind.TEXT else cells
