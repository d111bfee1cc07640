"""Exact steps: a share of every stratum is struck, rounded and no more."""

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from noisecli.errors import SystemProblem
from noisecli.streams import BLOCK, Mask, Stream, Words, raw_words

KEYS = 2**64


def cell_keys(stream: Stream, column: str, block: int, count: int = BLOCK) -> Words:
    """One 64-bit key for every slot of a block, or for the first ones: exact steps strike the smallest ones."""
    return raw_words(stream.generator("strike", column, block), count)


@dataclass(frozen=True)
class Quota:
    """How an exact step finds its cells: in each stratum those whose key does not exceed the limit."""

    strata: tuple[object, ...] | None
    """Values of the column that make a stratum each; None: one stratum for all."""
    limits: tuple[int | None, ...]
    """Largest struck key of each stratum; None where nothing is struck."""

    def mask(self, keys: Words, cells: pa.Array) -> Mask:
        """Say which cells are struck, given their keys; both have one entry a cell."""
        closed = np.array([limit is None for limit in self.limits] or [True])
        bounds = np.array([limit or 0 for limit in self.limits] or [0], dtype=np.uint64)
        codes = np.zeros(len(keys), np.intp)
        if self.strata is not None:
            found = pc.fill_null(pc.index_in(cells, pa.array(self.strata, cells.type)), -1)
            codes = np.asarray(found.to_numpy(zero_copy_only=False))
        return np.asarray((codes >= 0) & (keys <= bounds[codes]) & ~closed[codes], dtype=bool)

    def strikes(self, key: int, stratum: object) -> bool:
        """Say whether one cell of a stratum is struck, as `mask` does for many."""
        limit = self.limits[0] if self.strata is None else self._by_stratum.get(stratum)
        return limit is not None and key <= limit

    @cached_property
    def _by_stratum(self) -> dict[object, int | None]:
        return dict(zip(self.strata or (), self.limits, strict=True))


@dataclass
class KeySample:
    """The keys of one stratum that may turn out to be the limit of its quota.

    Keys are uniform, so the limit lies close to the rate: keys farther than eight standard errors are only counted.
    Memory grows with the square root of the number of cells.
    """

    rate: float
    count: int = 0
    below: int = 0
    kept: list[Words] = field(default_factory=list)
    waiting: int = 0

    def add(self, keys: Words) -> None:
        """Take the keys of more cells."""
        self.count += len(keys)
        self.kept.append(keys)
        self.waiting += len(keys)
        if self.waiting > 4 * BLOCK:
            self._prune()

    def merge(self, other: "KeySample") -> None:
        """Take what another part of the data has counted."""
        self.count += other.count
        self.below += other.below
        self.kept += other.kept
        self._prune()

    def limit(self, quota: int) -> int | None:
        """Return the key of the last struck cell when `quota` cells are struck."""
        if quota == 0:
            return None
        keys = np.sort(np.concatenate(self.kept))
        place = quota - self.below - 1
        if not 0 <= place < len(keys):
            raise SystemProblem(f"the quota of {quota} of {self.count} cells lies outside the sample: try another seed")
        return int(keys[place])

    def _prune(self) -> None:
        keys = np.concatenate(self.kept) if self.kept else np.zeros(0, np.uint64)
        self.waiting = 0
        spread = 8 * math.sqrt(self.rate * (1 - self.rate) / max(self.count, 1)) + 16 / max(self.count, 1)
        low = np.uint64(max(0, int((self.rate - spread) * KEYS)))
        high = np.uint64(min(KEYS - 1, int((self.rate + spread) * KEYS)))
        self.below += int(np.count_nonzero(keys < low))
        self.kept = [keys[(keys >= low) & (keys <= high)]]


def share(rate: float, count: int) -> int:
    """Round `rate * count` half up, with the rate as it is written (0.285 of 100 is 29, in floats it is 28)."""
    return int((Decimal(repr(rate)) * count).to_integral_value(ROUND_HALF_UP))


def apportion(total: int, sizes: Sequence[int]) -> list[int]:
    """Divide `total` over strata in proportion to their sizes: each gets its share rounded up or down.

    House-monotone: a larger total takes nothing from any stratum. Seats go one by one to the stratum that must have its
    next one first, among those that may have it without exceeding their share rounded up; ties to the earlier stratum.
    Source: Still 1979, "A Class of New Methods for Congressional Apportionment". (The divisor methods, Sainte-Laguë
    among them, are house-monotone too, but can miss a share by more than one beside many small strata.)
    """
    everything = sum(sizes)
    seats = [0] * len(sizes)
    waiting = [(1, i) for i, size in enumerate(sizes) if size]  # (total from which it may have its next seat, stratum)
    ready: list[tuple[int, int]] = []  # (total by which it must have it, stratum)
    for house in range(1, total + 1):
        while waiting and waiting[0][0] <= house:
            i = heapq.heappop(waiting)[1]
            heapq.heappush(ready, (-(-(seats[i] + 1) * everything // sizes[i]), i))
        i = heapq.heappop(ready)[1]
        seats[i] += 1
        if seats[i] < sizes[i]:
            heapq.heappush(waiting, (seats[i] * everything // sizes[i] + 1, i))
    return seats
