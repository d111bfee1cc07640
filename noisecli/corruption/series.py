"""The contracts of ops along series: what belongs to one entity, in time order."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from noisecli.columns import NUMBER, Column
from noisecli.corruption.rows import RowsCorruption
from noisecli.corruption.table import NumberCorruption, TableCorruption
from noisecli.streams import CounterDraws, Floats, Mask


@dataclass(frozen=True)
class Series:
    """Consecutive numbers of some series, one series after the other, each in time order."""

    values: Floats
    """Current numbers, or times in microseconds since 1970, NaN where there is none."""
    ordinals: NDArray[np.intp]
    """Which of its series each is, from 0."""
    starts: NDArray[np.intp]
    """Where in `values` each series begins; each has a value at least."""
    struck: Mask
    """Which rows the step strikes, whether they hold a number or not: an op may look at runs of them."""
    memory: Floats
    """(series, n) what the op kept of each series when it saw the values before these; NaN before the first."""
    times: Floats | None = None
    """When each was, in microseconds, ascending in its series; a row without a time has that of the row before it, and
    NaN before the first that has one. None: the recipe does not say in which column times are."""

    @property
    def lengths(self) -> NDArray[np.intp]:
        """How many values of each series there are."""
        return np.diff(self.starts, append=len(self.values))

    @property
    def ends(self) -> NDArray[np.intp]:
        """Where in `values` the last value of each series is."""
        return self.starts + self.lengths - 1

    @property
    def of_row(self) -> NDArray[np.intp]:
        """Which series each value belongs to, from 0."""
        return np.repeat(np.arange(len(self.starts)), self.lengths)


class SeriesCorruption(TableCorruption):
    """Changes struck numbers of one column, or times, by what came before them in their series.

    A series is the training rows of one file that belong to one entity, or all of them, in the order of the file,
    struck or not. The engine hands out as many as it has read, and of the result it takes those that are struck.
    """

    accepts = NUMBER
    as_number = True
    unchanged = NumberCorruption.unchanged

    def memory(self) -> int:
        """Return how many numbers the op keeps of a series."""
        raise NotImplementedError

    def corrupt(self, series: Series, column: Column, draws: CounterDraws) -> tuple[Floats, Floats]:
        """Return as many new numbers, NaN only where there was none, and what is to be kept of each series.

        The result for a number depends on itself, on those before it in its series, on which of them are struck, and
        on draws; to the last bit, wherever the series was cut. Draws go by series and ordinal.
        """
        raise NotImplementedError


class SamplingCorruption(RowsCorruption):
    """Leaves out struck rows by where they stand in their series, which are those of a `SeriesCorruption`."""

    def memory(self) -> int:
        """Return how many numbers the op keeps of a series."""
        raise NotImplementedError

    def passed_over(self, series: Series) -> tuple[Mask, Floats]:
        """Say which rows are left out if they are struck, and what is to be kept of each series.

        There are no values. The answer must not depend on where the series was cut.
        """
        raise NotImplementedError
