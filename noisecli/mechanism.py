"""How a step chooses what it strikes: all alike (mcar), by what the clean data say (mar, mnar), in runs, or by group.

A mechanism settles how likely each cell is; a uniform of the cell, or of its group, decides. So strikes nest over
rates, and the rate is what is expected over the whole column.
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

from noisecli.columns import Column, Kind
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
        """Score rows: the sum of their standardised numbers over the root of its terms, as bins.

        Such a sum of columns that do not correlate has the standard deviation 1. A missing number counts as the mean.
        """
        total = np.zeros(len(cells[self.columns[0].name]))
        for column in self.columns:
            if column.sd > 0:
                with np.errstate(invalid="ignore", over="ignore"):
                    place = (column.to_numbers(cells[column.name]) - column.mean) / column.sd
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

    Source: Schouten, Lugtig and Vink 2018, "Generating Missing Values for Simulation Purposes" (`ampute`).
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
    return 1 / (1 + _falling() * math.exp(-shift))


@lru_cache
def _falling() -> Floats:
    """e to the power of minus the score, by bin; not by numpy, whose last bits differ between processors."""
    middles = (np.arange(BINS) + 0.5) / STEPS - REACH
    return np.array([math.exp(-place) for place in middles.tolist()])


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
    """Probability that a row is struck after one that is; not less than `enter`, or strikes would not nest."""

    def choose(
        self, stream: Stream, column: str, block: int, slots: slice, cells: Mapping[str, pa.Array], rate: float
    ) -> Mask:
        runs = self._runs(stream, column, block)
        states = runs.states[slots]
        if slots.start < runs.settled and self._goes_on(stream, column, block):
            states = states.copy()
            states[: runs.settled - slots.start] = True
        return states

    def _runs(self, stream: Stream, column: str, block: int) -> "_Runs":
        return _runs(stream, column, block, self.enter, self.stay)

    def _goes_on(self, stream: Stream, column: str, block: int) -> bool:
        """Whether the last row before a block is struck; before the first one the chain is as it is in the long run."""
        for number in range(block - 1, -1, -1):
            end = _end(stream, column, number, self.enter, self.stay)
            if end is not None:
                return end
        return self._runs(stream, column, 0).start < self.enter / (1 + self.enter - self.stay)


@dataclass(frozen=True)
class _Runs:
    """The runs of a block if the row before it is not struck."""

    states: Mask
    settled: int
    """First slot whose state does not depend on the row before it; those ahead of it keep that row's."""
    start: float
    """What decides about the row before a file's first block."""


@lru_cache(maxsize=64)
def _runs(stream: Stream, column: str, block: int, enter: float, stay: float) -> _Runs:
    uniform = stream.generator("strike", column, block).random(BLOCK + 1)
    struck, start = uniform[:BLOCK], float(uniform[BLOCK])
    # A uniform below `enter` strikes, one from `stay` on does not, and one between keeps the state.
    deciding = np.flatnonzero((struck < enter) | (struck >= stay))
    settled = int(deciding[0]) if len(deciding) else BLOCK
    states = np.zeros(BLOCK, bool)
    states[settled:] = np.repeat(struck[deciding] < enter, np.diff(deciding, append=BLOCK))
    states.flags.writeable = False
    return _Runs(states, settled, start)


@lru_cache(maxsize=1 << 16)
def _end(stream: Stream, column: str, block: int, enter: float, stay: float) -> bool | None:
    """State of a block's last row; None: that of the row before the block."""
    runs = _runs(stream, column, block, enter, stay)
    return bool(runs.states[-1]) if runs.settled < BLOCK else None


@dataclass(frozen=True)
class ByGroup(Chooser):
    """clustered: all rows with the same value of a column are struck, or none; rows without a value each for itself."""

    by: Column

    @property
    def reads(self) -> tuple[str, ...]:
        return (self.by.name,)

    def choose(
        self, stream: Stream, column: str, block: int, slots: slice, cells: Mapping[str, pa.Array], rate: float
    ) -> Mask:
        groups = cells[self.by.name].dictionary_encode()
        names = [*self._names(groups.dictionary), None]
        codes = groups.indices.cast(pa.int64()).fill_null(len(names) - 1).to_numpy(zero_copy_only=False)
        alone = np.array([name is None for name in names])[codes]
        struck = to_uniform(stream.words("cluster", column, [name or "" for name in names])) < rate
        return np.where(alone, strike_cells(stream, column, block, rate)[slots], struck[codes])

    def _names(self, values: pa.Array) -> list[str | None]:
        """Name values, alike in every format and however a number or a time is written."""
        if self.by.kind is Kind.FLOAT:
            # A negative zero is zero.
            return [None if number != number else repr(number + 0.0) for number in self.by.to_numbers(values).tolist()]
        if self.by.kind in (Kind.DATE, Kind.DATETIME):
            times, valid = self.by.to_times(values)
            return [str(time) if known else None for time, known in zip(times.tolist(), valid, strict=True)]
        texts: list[str | None] = values.cast(pa.string()).to_pylist()
        if self.by.kind is Kind.INTEGER:
            return [text and _plain(text) for text in texts]
        return [text and text.lower() for text in texts] if self.by.kind is Kind.BOOL else texts


def _plain(integer: str) -> str:
    """Write an integer of a CSV file as any other format would: no plus, no negative zero."""
    return "0" if integer == "-0" else integer.removeprefix("+")
