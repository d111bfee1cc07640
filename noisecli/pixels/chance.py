"""Random numbers for pixels: 16 random bits a number, looked up in a table of quantiles.

A table costs 1-2 ns a number, a float normal 9. With 65,536 steps the outermost normal is 4.3 standard deviations out.
"""

from dataclasses import dataclass
from functools import cache, lru_cache
from math import sqrt
from typing import Any, TypeVar

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from noisecli.elementary import exp
from noisecli.normal import Floats, log, quantile
from noisecli.pixels import Reals, bands
from noisecli.streams import raw_words

T = TypeVar("T", bound=np.generic)

STEPS = 2**16


def bits16(rng: Generator, shape: tuple[int, ...]) -> NDArray[np.uint16]:
    """Return 16 random bits for each place of a shape."""
    count = int(np.prod(shape))
    return raw_words(rng, -(-count // 4)).astype("<u8", copy=False).view("<u2")[:count].reshape(shape)


def looked_up(table: NDArray[T], index: NDArray[Any]) -> NDArray[T]:
    """Return the entries of a table that numbers stand for; in bands, because indexing widens them to 64 bits."""
    found = np.empty(index.shape, table.dtype)
    for band in bands(index.shape):
        np.take(table, index[band], out=found[band], mode="clip")
    return found


def chosen(rng: Generator, shape: tuple[int, ...], share: float) -> NDArray[np.bool_]:
    """Return which places of a shape chance chooses; a larger share chooses the same, and more."""
    return rng.integers(2**32, size=shape, dtype=np.uint32) < round(share * 2**32)


@cache
def probabilities() -> Floats:
    """Return the 65,536 probabilities that a table of quantiles is made for: the middles of as many equal parts."""
    return (np.arange(STEPS) + 0.5) / STEPS


@cache
def normal_table() -> Reals:
    """Return the 65,536 quantiles of the standard normal distribution."""
    return quantile(probabilities()).astype(np.float32)


@cache
def laplace_table() -> Reals:
    """Return the 65,536 quantiles of the Laplace distribution of standard deviation 1."""
    return _symmetric(log(2 * _lower_half()) / sqrt(2))


@lru_cache(maxsize=4)
def student_t_table(df: float) -> Reals:
    """Return the 65,536 quantiles of Student's t; `df` is at least 1, where it is the Cauchy distribution.

    The number is sqrt(df) sinh(y) where y has a density proportional to cosh(y)**-df, without heavy tails: that is
    summed up from far out to the middle.
    """
    cells = 2**14
    # Where the density is e**-25 of that in the middle, far beyond the outermost quantile.
    top = exp(np.array([25 / df]))
    width = float(log(top + np.sqrt(top * top - 1))[0]) / cells
    middle: Floats = (np.arange(cells, 0.0, -1.0) - 0.5) * width
    beyond = np.append(0.0, np.cumsum(exp(-df * (middle + log((1 + exp(-2 * middle)) / 2)))))
    beyond /= 2 * beyond[-1]
    tail = _lower_half()
    cell = np.searchsorted(beyond, tail, side="right") - 1
    inside = (tail - beyond[cell]) / (beyond[cell + 1] - beyond[cell])
    y = np.asarray((cells - cell - inside) * width, np.float64)
    return _symmetric((exp(-y) - exp(y)) * (sqrt(df) / 2))


def _lower_half() -> Floats:
    return probabilities()[: STEPS // 2]


def _symmetric(lower: Floats) -> Reals:
    return np.append(lower, -lower[::-1]).astype(np.float32)


@dataclass(frozen=True)
class Numbers:
    """Random numbers for a picture, looked up when a band of rows of them is asked for."""

    table: Reals
    """Their 65,536 quantiles."""
    bits: NDArray[np.uint16]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.bits.shape

    def __getitem__(self, rows: slice) -> Reals:
        return looked_up(self.table, self.bits[rows])


def normal(rng: Generator, shape: tuple[int, ...]) -> Numbers:
    """Return standard normal numbers."""
    return Numbers(normal_table(), bits16(rng, shape))


def laplace(rng: Generator, shape: tuple[int, ...]) -> Numbers:
    """Return Laplace numbers of standard deviation 1."""
    return Numbers(laplace_table(), bits16(rng, shape))


def student_t(rng: Generator, shape: tuple[int, ...], df: float) -> Numbers:
    """Return numbers of Student's t with `df` degrees of freedom, 1 or more."""
    return Numbers(student_t_table(df), bits16(rng, shape))


def uniform(rng: Generator, shape: tuple[int, ...]) -> Numbers:
    """Return uniform numbers on (0, 1), of 16 bits."""
    return Numbers(probabilities().astype(np.float32), bits16(rng, shape))
