"""Counts of photons: Poisson numbers whose means are the levels of a picture, as quantiles of 16 random bits."""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from noisecli.elementary import exp
from noisecli.normal import Floats, log
from noisecli.pixels import Pixels, bands
from noisecli.pixels.chance import STEPS, bits16

LEVELS = 257
"""Levels of a table: 0 .. 256. White is 255 of them on 8 bits, and a level of 8 bits is 257 of those of 16."""


def counted(pixels: Pixels, photons: float, rng: Generator) -> NDArray[np.uint16]:
    """Return how many photons each pixel value catches, if white catches `photons` of them on average."""
    bits = bits16(rng, pixels.shape)
    counts = np.empty(pixels.shape, np.uint16)
    if pixels.dtype == np.uint8:
        for band in bands(pixels.shape):
            counts[band] = _quantiles(photons / 255, pixels[band], bits[band])
        return counts
    more = bits16(rng, pixels.shape)
    for band in bands(pixels.shape):
        # A sum of Poisson numbers is one: that of the next lower level of 8 bits, and that of what is left.
        level, rest = np.divmod(pixels[band], LEVELS)
        counts[band] = _quantiles(photons / 255, level, bits[band])
        counts[band] += _quantiles(photons / 65535, rest, more[band])
    return counts


def _quantiles(unit: float, levels: NDArray[Any], bits: NDArray[np.uint16]) -> NDArray[Any]:
    return _table(unit).take(levels.astype(np.int64) * STEPS + bits)


@lru_cache(maxsize=4)
def _table(unit: float) -> NDArray[Any]:
    """Return the 65,536 Poisson quantiles of each of the means 0, unit, 2 unit .., one after the other.

    As a whole, because to find the quantile of each pixel costs ten times as much: 17 MB, or 34 if counts exceed 255.
    """
    means: Floats = np.arange(1.0, LEVELS)[:, np.newaxis] * unit
    far = 6 * np.sqrt(means) + 10
    first: Floats = np.floor(np.maximum(means - far, 0))
    counts = first + np.arange(int(2 * far[-1, 0]) + 2)
    # The logarithm of a factorial is a sum of logarithms.
    factorial = np.append(0.0, np.cumsum(log(np.arange(1.0, counts.max() + 1.0))))
    chances = exp(counts * log(means) - means - factorial[counts.astype(np.int64)])
    ends = np.clip(np.ceil(np.cumsum(chances, axis=1) * STEPS - 0.5), 0, STEPS)
    ends[:, -1] = STEPS
    runs = np.diff(ends, axis=1, prepend=0).astype(np.int64)
    held = np.min_scalar_type(int(counts[runs > 0].max()))
    return np.append(np.zeros(STEPS, held), np.repeat(counts.ravel().astype(held), runs.ravel()))
