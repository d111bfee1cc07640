"""Figures that sum up a column: gathered piece by piece, the same however the data was cut for reading."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from noisecli.streams import BLOCK, Floats, Stream, Words, raw_words

SIZE = 65_536
"""Rows of a sample. Up to so many the quantiles are exact; beyond, their rank is off by 0.2 % (one standard error)."""

QUARTILES = {"q1": 0.25, "median": 0.5, "q3": 0.75}


@dataclass
class Moments:
    """Count, mean, sum of squared deviations and range of the finite numbers of a column."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0
    low: float = np.inf
    high: float = -np.inf

    def add(self, values: Floats) -> None:
        """Take the numbers of one block; those that are not finite are passed over."""
        values = values[np.isfinite(values)]
        if len(values):
            with np.errstate(over="ignore", invalid="ignore"):
                mean = float(np.sum(values)) / len(values)
                squares = float(np.sum((values - mean) ** 2))
            self.merge(Moments(len(values), mean, squares, float(values.min()), float(values.max())))

    def merge(self, later: "Moments") -> None:
        """Combine with what follows (Chan, Golub and LeVeque 1983)."""
        if later.count == 0:
            return
        if self.count == 0:
            self.__dict__.update(later.__dict__)
            return
        count = self.count + later.count
        delta = later.mean - self.mean
        self.squares += later.squares + delta * delta * (self.count * later.count / count)
        self.mean += delta * (later.count / count)
        self.count, self.low, self.high = count, min(self.low, later.low), max(self.high, later.high)


@dataclass
class Comoments:
    """Means and sums of products of deviations of several columns, over the rows in which all of them are finite."""

    count: int = 0
    means: Floats = field(default_factory=lambda: np.zeros(0))
    products: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)))
    """Of each column with each."""

    def add(self, values: Floats) -> None:
        """Take one block: a row of `values` for each column, NaN where one has no number."""
        values = np.ascontiguousarray(values[:, np.isfinite(values).all(axis=0)])
        size, count = values.shape
        if count == 0:
            return
        products = np.zeros((size, size))
        with np.errstate(over="ignore", invalid="ignore"):
            means = np.array([float(np.sum(column)) / count for column in values])
            deviations = values - means[:, np.newaxis]
            for i in range(size):  # not by a matrix product, whose last bits differ between processors
                for j in range(i + 1):
                    products[i, j] = products[j, i] = np.sum(deviations[i] * deviations[j])
        self.merge(Comoments(count, means, products))

    def merge(self, later: "Comoments") -> None:
        """Combine with what follows, as `Moments` do."""
        if later.count == 0:
            return
        if self.count == 0:
            self.__dict__.update(later.__dict__)
            return
        count = self.count + later.count
        with np.errstate(over="ignore", invalid="ignore"):
            delta = later.means - self.means
            between = delta[:, np.newaxis] * delta[np.newaxis, :] * (self.count * later.count / count)
            self.products = self.products + later.products + between
            self.means = self.means + delta * (later.count / count)
        self.count = count

    def covariances(self) -> NDArray[np.float64]:
        """Return the covariance of each column with each (population form); nothing without a row."""
        return self.products / max(self.count, 1)


F = TypeVar("F", Moments, Comoments)


class BlockSums(Generic[F]):
    """Figures of files, added up block by block in their order: they must not depend on how a file is read, or by whom.

    Args:
        kind: what is found out of each block.
        first_row: of a part of a file, to be merged with the others in order; None: of whole files.
    """

    def __init__(self, kind: type[F], first_row: int | None = None) -> None:
        self.total: F = kind()
        self._kind: type[F] = kind
        self._row = first_row or 0
        self._waiting: list[Floats] = []
        self._apart: list[F | Floats] | None = None if first_row is None else []

    def add(self, values: Floats) -> None:
        """Take the numbers of the next rows, which lie along the last axis."""
        while values.shape[-1]:
            self._waiting.append(values[..., : BLOCK - self._row % BLOCK])
            size = self._waiting[-1].shape[-1]
            self._row, values = self._row + size, values[..., size:]
            if self._row % BLOCK == 0:
                self._close()

    def end(self) -> None:
        """End a file, or a part of one."""
        self._close()
        self._row = 0

    def merge(self, later: "BlockSums[F]") -> None:
        """Take the next file, or the next part of the same."""
        for found in [later.total] if later._apart is None else later._apart:
            if isinstance(found, np.ndarray):
                self.add(found)
            else:
                self.total.merge(found)

    def _close(self) -> None:
        if not self._waiting:
            return
        block = np.concatenate(self._waiting, axis=-1)
        self._waiting = []
        if self._apart is not None and block.shape[-1] < BLOCK:
            self._apart.append(block)  # another part may have the rest of it
            return
        figures = self._kind()
        figures.add(block)
        if self._apart is None:
            self.total.merge(figures)
        else:
            self._apart.append(figures)


def row_keys(path: str, block: int) -> Words:
    """One 64-bit key for every slot of a block; a sample is made of the rows with the smallest keys."""
    return raw_words(Stream(0, 0, "", path).generator("survey", "", block), BLOCK)


@dataclass
class Sample:
    """The numbers of the rows with the smallest keys."""

    keys: list[Words] = field(default_factory=list)
    values: list[Floats] = field(default_factory=list)
    waiting: int = 0

    def add(self, keys: Words, values: Floats) -> None:
        """Take more rows; those without a finite number are passed over."""
        rows = np.flatnonzero(np.isfinite(values))
        if len(rows) > 4 * SIZE:  # quicker than to look for the smallest of them all
            low = rows[keys[rows] < np.uint64(2 * SIZE / len(rows) * 2.0**64)]
            rows = low if len(low) >= SIZE else rows
        self.keys.append(keys[rows])
        self.values.append(values[rows])
        self.waiting += len(self.keys[-1])
        if self.waiting > 2 * SIZE:
            self._prune()

    def merge(self, other: "Sample") -> None:
        """Take the rows of other files."""
        self.keys += other.keys
        self.values += other.values
        self._prune()

    def quartiles(self) -> dict[str, float]:
        """Return "q1", "median" and "q3"; 0 without a number."""
        self._prune()
        values = np.sort(self.values[0]) if self.values else np.zeros(0)
        return {name: _quantile(values, share) if len(values) else 0.0 for name, share in QUARTILES.items()}

    def _prune(self) -> None:
        if not self.keys:
            return
        keys, values = np.concatenate(self.keys), np.concatenate(self.values)
        if len(keys) > SIZE:
            kept = np.argpartition(keys, SIZE - 1)[:SIZE]
            keys, values = keys[kept], values[kept]
        self.keys, self.values, self.waiting = [keys], [values], len(keys)


@dataclass
class Frequencies:
    """How often each number occurs, as long as not too many differ."""

    most: int
    """Beyond so many different numbers none of them is counted."""
    counts: Counter[float] = field(default_factory=Counter)

    def add(self, values: Floats) -> None:
        """Take more numbers; those that are not finite are passed over."""
        if len(self.counts) <= self.most:
            found, counts = np.unique(values[np.isfinite(values)] + 0.0, return_counts=True)  # no negative zero
            self.counts.update(dict(zip(found.tolist(), counts.tolist(), strict=True)))

    def merge(self, other: "Frequencies") -> None:
        """Take what was counted in other files."""
        self.counts.update(other.counts)

    def mode(self) -> float:
        """Return the commonest number, the smallest where several are; 0 without any, NaN where too many differ."""
        if len(self.counts) > self.most:
            return np.nan
        return min(self.counts, key=lambda number: (-self.counts[number], number), default=0.0)


def _quantile(ordered: Floats, share: float) -> float:
    """Interpolate linearly between order statistics (definition 7 of Hyndman and Fan 1996)."""
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    below, above = float(ordered[low]), float(ordered[high])
    if not np.isfinite(above - below):  # so large numbers lose nothing when they are halved
        return 2 * (below / 2 + (place - low) * (above / 2 - below / 2))
    return below + (place - low) * (above - below)
