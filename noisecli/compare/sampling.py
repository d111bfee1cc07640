"""Samples of rows: those with the smallest keys, all numbers of the same rows, the same rows on both sides."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from noisecli.compare.rows import ADDED, Numbers
from noisecli.streams import Floats, Words, scramble

CELLS = 4_000_000
"""Numbers that the samples of both sides hold together at the most."""

EVERY = np.uint64(2**64 - 1)
"""The key up to which all rows are sampled."""


def keys_of(file: int, rows: Numbers, added: Numbers) -> Words:
    """Return the keys of rows: of those that are ADDED by their own numbers, of all others by their clean row's."""
    own = rows == ADDED
    keys = scramble(int(scramble(0, 2 * file)[0]), np.where(own, 0, rows))
    keys[own] = scramble(int(scramble(0, 2 * file + 1)[0]), added[own])
    return keys


@dataclass
class RowSample:
    """The numbers of the rows with the smallest keys."""

    columns: int
    size: int
    """How many rows are kept."""
    limit: np.uint64 = EVERY
    """No row with a larger key is kept."""
    keys: list[Words] = field(default_factory=list)
    values: list[NDArray[np.float64]] = field(default_factory=list)
    waiting: int = 0

    def add(self, keys: Words, values: NDArray[np.float64]) -> None:
        """Take more rows; `values` has a row of numbers for each column."""
        chosen = keys <= self.limit
        self.keys.append(keys[chosen])
        self.values.append(values[:, chosen])
        self.waiting += len(self.keys[-1])
        if self.waiting > 1.5 * self.size:
            self._prune()

    def up_to(self, limit: np.uint64) -> NDArray[np.float64]:
        """Return the numbers of all rows with keys up to a limit."""
        self._prune()
        self.limit = min(self.limit, limit)
        if not self.keys:
            return np.zeros((self.columns, 0))
        return self.values[0][:, self.keys[0] <= self.limit]

    def settled(self) -> np.uint64:
        """Return the largest key up to which no row is left out."""
        self._prune()
        return self.limit

    def _prune(self) -> None:
        if not self.keys:
            return
        keys, values = np.concatenate(self.keys), np.concatenate(self.values, axis=1)
        if len(keys) > self.size:
            self.limit = np.partition(keys, self.size - 1)[self.size - 1]  # clones of one row have one key
            kept = keys <= self.limit
            keys, values = keys[kept], values[:, kept]
        self.keys, self.values, self.waiting = [keys], [values], len(keys)


def size_for(columns: int) -> int:
    """Return how many rows the sample of one side holds; the key of a row takes as much as a number."""
    return max(1, CELLS // (2 * (columns + 1)))


def sorted_numbers(values: Floats) -> Floats:
    """Return the finite numbers of a column, in order."""
    return np.sort(values[np.isfinite(values)])


def correlations(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Pearson's correlation of each row of numbers with each, over the places in which both have one."""
    size = len(values)
    result = np.full((size, size), np.nan)
    finite = np.isfinite(values)
    for i in range(size):
        for j in range(i + 1):
            both = finite[i] & finite[j]
            if np.count_nonzero(both) > 1:
                result[i, j] = result[j, i] = _pearson(values[i, both], values[j, both])
    return result


def _pearson(one: Floats, other: Floats) -> float:
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        if one.min() == one.max() or other.min() == other.max():
            return np.nan
        a, b = (side / np.abs(side).max() for side in (one - one.mean(), other - other.mean()))
        return float(np.clip(np.sum(a * b) / np.sqrt(np.sum(a * a) * np.sum(b * b)), -1, 1))
