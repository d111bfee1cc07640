"""Curves: rows lie in bins, and each bin has its chance; one number is solved so that the mean is the rate."""

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
from noisecli.streams import Floats

Tail = Literal["upper", "lower", "mid", "both"]
Bins = NDArray[np.intp]
Histogram = NDArray[np.int64]
"""How many cells lie in each bin."""

REACH = 16
"""Standard deviations from the mean beyond which a score counts as so many."""

STEPS = 256
"""Bins of a standard deviation: within one, cells are equally likely to be struck."""

BINS = 2 * REACH * STEPS
"""Bins of every curve."""

CERTAIN = 64
"""A shift of the logistic curve by which every cell is struck, or none."""


class Curve(ABC):
    """How the chance of a row depends on what stands in it, but for one number that the rate settles."""

    @property
    @abstractmethod
    def reads(self) -> tuple[str, ...]:
        """Columns whose clean cells it looks at."""

    @property
    @abstractmethod
    def shape(self) -> str:
        """What it is besides, in words: curves of one shape over one column are the same."""

    @abstractmethod
    def bins(self, cells: Mapping[str, pa.Array], rows: range) -> Bins:
        """Say in which bin each row lies, given its cells and its number in the file."""

    @abstractmethod
    def solve(self, histogram: Histogram, rate: float) -> float:
        """Find the number by which so many of the cells are struck on average, as far as can be."""

    @abstractmethod
    def chances(self, solved: float) -> Floats:
        """How likely a cell is struck, by bin."""


@dataclass(frozen=True)
class Score(Curve):
    """mar and mnar: the farther out a row's clean values, in standard deviations, the likelier, on a logistic curve.

    The curve has slope 1 a standard deviation; where it lies, its shift, is solved.
    Source: Schouten, Lugtig and Vink 2018, "Generating Missing Values for Simulation Purposes" (`ampute`).
    """

    columns: tuple[Column, ...]
    tail: Tail

    @property
    def reads(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @property
    def shape(self) -> str:
        return f"tail {self.tail}"

    def bins(self, cells: Mapping[str, pa.Array], rows: range) -> Bins:
        """Score rows: the sum of their standardised numbers over the root of its terms, as bins.

        Such a sum of columns that do not correlate has the standard deviation 1. A missing number counts as the mean.
        """
        total = np.zeros(len(rows))
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

    def solve(self, histogram: Histogram, rate: float) -> float:
        """Find where the logistic curve lies if it strikes so many of the scored cells on average."""
        total = int(histogram.sum())
        low, high = -float(CERTAIN), float(CERTAIN)
        if total == 0 or rate in (0, 1):
            return high if rate == 1 else low
        for _ in range(60):
            middle = (low + high) / 2
            mean = float(np.sum(histogram * _logistic(middle))) / total
            low, high = (middle, high) if mean < rate else (low, middle)
        return round(low, 9)  # the last bits differ between mathematical libraries

    def chances(self, solved: float) -> Floats:
        return _rounded(solved)


def _logistic(shift: float) -> Floats:
    return 1 / (1 + _falling() * math.exp(-shift))


@lru_cache
def _falling() -> Floats:
    """e to the power of minus the score, by bin; not by numpy, whose last bits differ between processors."""
    middles = (np.arange(BINS) + 0.5) / STEPS - REACH
    return np.array([math.exp(-place) for place in middles.tolist()])


@lru_cache(maxsize=64)
def _rounded(shift: float) -> Floats:
    return np.round(_logistic(shift), 12)  # the last bits differ between mathematical libraries
