"""Windows: stretches of time, of a number or of the file, and how the chance changes in them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from noisecli.columns import NUMBER, Column
from noisecli.mechanism.curve import BINS, Bins, Curve, Histogram
from noisecli.streams import Floats, Mask

Ramp = Literal["up", "down"]
Moment = float | int
"""A number in the column's unit; of dates and times microseconds since 1970; a row's number."""


@dataclass(frozen=True)
class Span:
    """The rows from one moment on, up to but without another."""

    by: Column | None
    """None: the row's number in its file, from 0."""
    start: Moment | None
    end: Moment | None

    @property
    def reads(self) -> tuple[str, ...]:
        """Columns whose clean cells it looks at."""
        return () if self.by is None else (self.by.name,)

    def mask(self, cells: Mapping[str, pa.Array], rows: range) -> Mask:
        """Say which rows lie in it; one without a moment does not."""
        moments, known = self.moments(cells, rows)
        if self.start is not None:
            known = known & (moments >= self.start)
        if self.end is not None:
            known = known & (moments < self.end)
        return np.asarray(known, dtype=bool)

    def moments(self, cells: Mapping[str, pa.Array], rows: range) -> tuple[NDArray[Any], Mask]:
        """The moment of each row, and which rows have one at all."""
        if self.by is None:
            return np.arange(rows.start, rows.stop), np.ones(len(rows), bool)
        if self.by.kind not in NUMBER:
            return self.by.to_times(cells[self.by.name])
        numbers = self.by.to_numbers(cells[self.by.name])
        known = np.isfinite(numbers)
        return np.where(known, numbers, 0.0), known


@dataclass(frozen=True)
class Position(Curve):
    """window: the place in a ramp or in a season decides; the highest chance, the peak, is solved."""

    span: Span
    ramp: Ramp | None
    period: Moment | None
    """Length of a season; one peak is where the span starts, or at 0 (1970) if it has no start."""
    said: str
    """What the recipe says of it."""

    @property
    def reads(self) -> tuple[str, ...]:
        return self.span.reads

    @property
    def shape(self) -> str:
        return self.said

    def bins(self, cells: Mapping[str, pa.Array], rows: range) -> Bins:
        moments, _ = self.span.moments(cells, rows)
        start = self.span.start or 0
        if self.period is not None:
            # First each by itself: the difference of two times may be more than 64 bits hold.
            place = np.mod(np.mod(moments, self.period) - start % self.period, self.period) / self.period
        else:
            assert self.span.end is not None
            inside = np.clip(moments, start, self.span.end)
            place = (inside - start) / (self.span.end - start)
        bins: Bins = np.clip(np.floor(place * BINS), 0, BINS - 1).astype(np.intp)
        return bins

    def solve(self, histogram: Histogram, rate: float) -> float:
        """Find the peak; where the rate is out of reach it is 1."""
        mass = math.fsum((histogram * _form(self.ramp)).tolist())
        return min(1.0, rate * int(histogram.sum()) / mass) if mass > 0 else 0.0

    def chances(self, solved: float) -> Floats:
        return solved * _form(self.ramp)


@lru_cache
def _form(ramp: Ramp | None) -> Floats:
    """The chance by bin where the peak is 1; the cosine is not numpy's, whose last bits differ between processors."""
    middles = (np.arange(BINS) + 0.5) / BINS
    if ramp is not None:
        return middles if ramp == "up" else 1 - middles
    return np.round([(1 + math.cos(2 * math.pi * place)) / 2 for place in middles.tolist()], 12)
