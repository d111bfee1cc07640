"""Random numbers for pixels: 16 random bits a number, looked up in a table of quantiles.

A table costs 1-2 ns a number, a float normal 9. With 65,536 steps the outermost normal is 4.3 standard deviations out.
"""

from functools import cache

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from noisecli.normal import Floats, quantile
from noisecli.pixels import Reals
from noisecli.streams import raw_words

STEPS = 2**16


def bits16(rng: Generator, shape: tuple[int, ...]) -> NDArray[np.uint16]:
    """Return 16 random bits for each place of a shape."""
    count = int(np.prod(shape))
    return raw_words(rng, -(-count // 4)).astype("<u8", copy=False).view("<u2")[:count].reshape(shape)


@cache
def probabilities() -> Floats:
    """Return the 65,536 probabilities that a table of quantiles is made for: the middles of as many equal parts."""
    return (np.arange(STEPS) + 0.5) / STEPS


@cache
def normal_table() -> Reals:
    """Return the 65,536 quantiles of the standard normal distribution."""
    return quantile(probabilities()).astype(np.float32)


def normal(rng: Generator, shape: tuple[int, ...]) -> Reals:
    """Return standard normal numbers."""
    return normal_table()[bits16(rng, shape)]


def uniform(rng: Generator, shape: tuple[int, ...]) -> Reals:
    """Return uniform numbers on (0, 1), of 16 bits."""
    return probabilities().astype(np.float32)[bits16(rng, shape)]
