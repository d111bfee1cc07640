"""Which type the text cells of a column have, counted slab by slab and file by file."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from noisecli import celltext, dates
from noisecli.columns import NUMBER, Kind

UNPARSABLE = 0.01
"""Share of cells that may fail to be numbers in a number column of a CSV file."""


@dataclass
class Census:
    """Which type the text cells of a column have."""

    cells: int = 0
    numbers: int = 0
    integers: int = 0
    bools: int = 0
    dates: int = 0
    datetimes: int = 0
    least_decimals: int = 1000
    most_decimals: int = 0
    null_spellings: Counter[str] = field(default_factory=Counter)
    told: frozenset[Kind] = frozenset()
    """Kinds that the file itself gives to cells: FLOAT for any number, TEXT, BOOL or OTHER; none in CSV."""

    def add(self, cells: pa.Array, format: str | None = None) -> celltext.Numbers:
        """Count the cells of one slab and return those that are numbers; dates are counted as the format has them."""
        read = celltext.read_numbers(cells)
        valid, numbers = len(cells) - cells.null_count, int(np.count_nonzero(read.found))
        self.cells += valid
        if numbers:
            self.numbers += numbers
            self.integers += int(np.count_nonzero(read.whole))
            self.least_decimals = min(self.least_decimals, int(read.decimals.min(where=read.found, initial=1000)))
            self.most_decimals = max(self.most_decimals, int(read.decimals.max()))
        if format is not None:
            self.dates += int(np.count_nonzero(dates.parse_times(cells, format)[1]))
        elif numbers < valid:
            self.bools += int(np.count_nonzero(celltext.matches(cells, celltext.BOOL)))
            self.dates += int(np.count_nonzero(celltext.matches(cells, celltext.DATE)))
            self.datetimes += int(np.count_nonzero(celltext.matches(cells, celltext.DATETIME)))
        return read

    def merge(self, other: "Census") -> None:
        """Take what was counted elsewhere."""
        for name in ("cells", "numbers", "integers", "bools", "dates", "datetimes"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.least_decimals = min(self.least_decimals, other.least_decimals)
        self.most_decimals = max(self.most_decimals, other.most_decimals)
        self.null_spellings.update(other.null_spellings)
        self.told |= other.told

    def kind(self) -> Kind:
        """Decide the type: the first that nearly all cells have, of those that the file leaves open."""
        if len(self.told) > 1 or Kind.OTHER in self.told:
            return Kind.OTHER
        enough = max(1, int(np.ceil(self.cells * (1 - UNPARSABLE))))
        if Kind.FLOAT in self.told or (self.numbers >= enough and not self.told):
            return Kind.INTEGER if self.integers == self.numbers else Kind.FLOAT
        if self.bools >= enough and Kind.TEXT not in self.told:
            return Kind.BOOL
        if self.dates >= enough:
            return Kind.DATE
        return Kind.DATETIME if self.dates + self.datetimes >= enough else Kind.TEXT

    def misfits(self, kind: Kind, format: str | None) -> tuple[int, str]:
        """Say how many cells are not what the column's type and format say, and what they are."""
        if kind in NUMBER:
            return self.cells - self.numbers, "no numbers"
        if kind in (Kind.DATE, Kind.DATETIME):
            what = "no dates" if format is None else f"not written like {format!r}"
            return self.cells - self.dates - self.datetimes, what
        return 0, ""

    def null(self, known: Sequence[str]) -> str:
        """Return the commonest spelling of a missing cell; where none is missing the empty one, if it is one."""
        order = {spelling: i for i, spelling in enumerate(known)}
        common = sorted(self.null_spellings, key=lambda s: (-self.null_spellings[s], order.get(s, len(order))))
        return common[0] if common else "" if "" in known else known[0]
