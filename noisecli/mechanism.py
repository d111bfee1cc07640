"""How a step chooses what it strikes: all alike (mcar), by what the clean data say (mar, mnar), in runs, or by group.

A mechanism settles how likely each cell is; the cell's own uniform decides. So strikes nest over rates, and the rate is
what is expected over the whole column.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from noisecli.columns import Column
from noisecli.streams import BLOCK, Floats, Mask, Stream, strike, to_uniform

Tail = Literal["upper", "lower", "mid", "both"]
Histogram = NDArray[np.int64]
"""How many cells have a score in each bin."""

REACH = 16
"""Standard deviations from the mean beyond which a score counts as so many."""

STEPS = 256
"""Bins of a standard deviation: within one, cells are equally likely to be struck."""

BINS = 2 * REACH * STEPS
CERTAIN = 64
"""A shift of the logistic curve by which every cell is struck, or none."""


def strike_cells(stream: Stream, column: str, block: int, rate: float | Floats) -> Mask:
    """Strike each slot of a block with the same probability (mcar), or each with its own."""
    return strike(stream.generator("strike", column, block), rate)


class Chooser(ABC):
    """A mechanism settled for one column of one step."""

    @property
    def reads(self) -> tuple[str, ...]:
        """Columns whose clean cells it looks at."""
        return ()

    @abstractmethod
    def choose(
        self, stream: Stream, column: str, block: int, slots: slice, cells: Mapping[str, pa.Array], rate: float
    ) -> Mask:
        """Say which slots are struck, eligible or not.

        Args:
            stream: the random numbers of the step.
            column: what they are drawn for; "" for whole rows.
            block: number of the block.
            slots: some consecutive slots of it.
            cells: clean cells of these slots, by column.
            rate: share that is struck.
        """


@dataclass(frozen=True)
class Score:
    """How far a row's clean values lie out, in standard deviations."""

    columns: tuple[Column, ...]
    tail: Tail

    def bins(self, cells: Mapping[str, pa.Array]) -> NDArray[np.intp]:
        """Score rows: the mean of their standardised numbers, those that are missing at the mean; as bins."""
        rows = len(next(iter(cells.values())))
        total = np.zeros(rows)
        for column in self.columns:
            numbers = column.to_numbers(cells[column.name])
            with np.errstate(invalid="ignore"):
                place = (numbers - column.mean) / column.sd if column.sd > 0 else np.zeros(rows)
            total += np.where(np.isnan(place), 0.0, np.clip(place, -REACH, REACH))
        total /= math.sqrt(len(self.columns))
        if self.tail in ("mid", "both"):
            total = np.abs(total)
        if self.tail in ("mid", "lower"):
            total = -total
        return np.clip(np.floor((total + REACH) * STEPS), 0, BINS - 1).astype(np.intp)


@dataclass(frozen=True)
class ByScore(Chooser):
    """mar and mnar: the higher the score, the likelier, on a logistic curve of slope 1 a standard deviation.

    Source: van Buuren 2018, "Flexible Imputation of Missing Data", section 3.2.6 (`ampute`).
    """

    score: Score
    shift: float
    """Where the curve lies, so that the mean is the rate."""

    @property
    def reads(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.score.columns)

    def choose(
        self, stream: Stream, column: str, block: int, slots: slice, cells: Mapping[str, pa.Array], rate: float
    ) -> Mask:
        chances = np.zeros(BLOCK)
        chances[slots] = _logistic(self.shift)[self.score.bins(cells)]
        return strike_cells(stream, column, block, chances)[slots]


def solve_shift(histogram: Histogram, rate: float) -> float:
    """Find where the logistic curve lies if it strikes so many of the scored cells on average."""
    total = int(histogram.sum())
    low, high = -float(CERTAIN), float(CERTAIN)
    if total == 0 or rate in (0, 1):
        return high if rate == 1 else low
    for _ in range(60):
        middle = (low + high) / 2
        mean = float(np.sum(histogram * _curve(middle))) / total
        low, high = (middle, high) if mean < rate else (low, middle)
    return round(low, 9)  # the last bits differ between mathematical libraries


def _curve(shift: float) -> Floats:
    middles = (np.arange(BINS) + 0.5) / STEPS - REACH
    return np.array([1 / (1 + math.exp(-place - shift)) for place in middles.tolist()])


@lru_cache(maxsize=64)
def _logistic(shift: float) -> Floats:
    """How likely a cell is struck, by bin of its score."""
    return np.round(_curve(shift), 12)  # the last bits differ between mathematical libraries


@dataclass(frozen=True)
class InRuns(Chooser):
    """burst: runs of struck rows, the two states of a Markov chain that each row's uniform drives.

    Source: Gilbert 1960, "Capacity of a Burst-Noise Channel".
    """

    enter: float
    """Probability that a row is struck after one that is not."""
    stay: float
    """Probability that a row is struck after one that is."""

    def choose(
        self, stream: Stream, column: str, block: int, slots: slice, cells: Mapping[str, pa.Array], rate: float
    ) -> Mask:
        return self._states(stream, column, block)[slots]

    def _states(self, stream: Stream, column: str, block: int) -> Mask:
        """Follow the chain from the last row before the block whose state does not depend on the one before it."""
        first = block
        while first and _settled(stream, column, first - 1, self.enter, self.stay) is None:
            first -= 1
        state = _settled(stream, column, first - 1, self.enter, self.stay) if first else None
        for number in range(first, block):
            state = bool(_walk(stream, column, number, self.enter, self.stay, state)[-1])
        return _walk(stream, column, block, self.enter, self.stay, state)


@lru_cache(maxsize=256)
def _settled(stream: Stream, column: str, block: int, enter: float, stay: float) -> bool | None:
    """State at the end of a block where it is the same whatever came before; else None."""
    ends = {bool(_walk(stream, column, block, enter, stay, state)[-1]) for state in (False, True)}
    return ends.pop() if len(ends) == 1 else None


def _walk(stream: Stream, column: str, block: int, enter: float, stay: float, before: bool | None) -> Mask:
    """States of a block's rows, given the one before; None: there is none, the chain begins as it goes on."""
    generator = stream.generator("strike", column, block)
    uniform = generator.random(BLOCK)
    if before is None:
        before = bool(generator.random() < enter / (1 + enter - stay))
    # A row's uniform either decides alone, or keeps the state, or (where staying is the less likely) turns it over.
    decided = (uniform < min(enter, stay)) | (uniform >= max(enter, stay))
    turned = np.zeros(BLOCK + 1, np.int64) if stay >= enter else np.concatenate([[0], np.cumsum(~decided)])
    last = np.maximum.accumulate(np.where(decided, np.arange(1, BLOCK + 1), 0))
    base = np.concatenate([[before], uniform < min(enter, stay)])[last]
    odd = (turned[1:] - turned[last]) % 2 == 1
    return np.asarray(base ^ odd, dtype=bool)


@dataclass(frozen=True)
class ByGroup(Chooser):
    """clustered: all rows with the same value of a column are struck, or none; rows without a value each for itself."""

    by: str

    @property
    def reads(self) -> tuple[str, ...]:
        return (self.by,)

    def choose(
        self, stream: Stream, column: str, block: int, slots: slice, cells: Mapping[str, pa.Array], rate: float
    ) -> Mask:
        groups = cells[self.by].cast(pa.string()).dictionary_encode()
        words = [stream.word("cluster", column, name) for name in groups.dictionary.to_pylist()]
        struck = np.append(to_uniform(np.array(words, np.uint64)) < rate, False)
        codes = groups.indices.fill_null(len(words)).to_numpy(zero_copy_only=False)
        alone = strike_cells(stream, column, block, rate)[slots]
        return np.where(codes == len(words), alone, struck[codes])
