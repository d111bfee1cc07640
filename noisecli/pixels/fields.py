"""Random fields over a picture."""

from collections.abc import Callable
from math import sqrt

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from noisecli.pixels import Reals, bands, inside
from noisecli.pixels.blur import gaussian_weights, smooth
from noisecli.pixels.chance import bits16

_CELL = 0.125
"""Size of the cells that smooth noise is made of, in standard deviations of its Gaussian."""


def smooth_noise(rng: Generator, height: int, width: int, sigma: float) -> Callable[[slice], Reals]:
    """Draw a number from -1 .. 1 for every pixel and smooth them by a Gaussian, cut off at 3 standard deviations.

    Where `sigma` is large, means over cells of pixels are smoothed, and interpolated between. Both blur as well, and
    the Gaussian of the cells is narrower by as much.

    Args:
        rng: Draws the same numbers whatever `sigma` is.
        height: Of the picture, in px.
        width: Likewise.
        sigma: Standard deviation of the Gaussian, in px.

    Returns:
        What gives a band of rows of the result, (rows, width).
    """
    cell = max(1, int(_CELL * sigma))
    field = _cells(bits16(rng, (height, width)), -(-height // cell), -(-width // cell))
    places = []
    for size, cells, lines in ((width, field.shape[1], field), (height, field.shape[0], field.T)):
        px = size / cells
        weights = gaussian_weights(sqrt(sigma * sigma - px * px / 4) / px if cells < size else sigma, 3.0)
        for band in bands(lines.shape):
            lines[band] = smooth(lines[band], weights, "reflect", axes=(1,))
        place = (np.arange(size) + 0.5) / px - 0.5
        first = np.floor(place).astype(np.int64)
        near, far = (inside(first + beside, cells, "reflect") for beside in (0, 1))
        places.append((near, far, (place - first).astype(np.float32)))
    (left, right, across), (above, below, down) = places

    def rows(band: slice) -> Reals:
        part = down[band, np.newaxis]
        lines = field[above[band]] * (1 - part) + field[below[band]] * part
        values: Reals = lines[:, left] * (1 - across) + lines[:, right] * across
        return values

    return rows


def _cells(lot: NDArray[np.uint16], down: int, right: int) -> Reals:
    """Return the means of numbers from -1 .. 1, of 16 bits, over cells as nearly alike in size as can be."""
    height, width = lot.shape
    if (down, right) == (height, width):
        numbers: Reals = (lot.astype(np.float32) + np.float32(0.5)) / np.float32(2**15) - np.float32(1)
        return numbers
    tops, lefts = np.arange(down) * height // down, np.arange(right) * width // right
    sums = np.add.reduceat(np.add.reduceat(lot, tops, axis=0, dtype=np.int64), lefts, axis=1)
    counts = np.diff(tops, append=height)[:, np.newaxis] * np.diff(lefts, append=width)
    # Over the mean size of a cell: so every pixel counts alike.
    means: NDArray[np.float64] = ((sums + 0.5 * counts) / 2**15 - counts) / (height * width / (down * right))
    return means.astype(np.float32)


def plasma(rng: Generator, height: int, width: int, decay: float) -> Reals:
    """Return a cloudy field on 0 .. 1, (height, width), by the diamond-square algorithm.

    Each halving of the grid divides the square root of the wobble by `decay`: 3 is smooth, 1.2 is rough. The numbers
    drawn do not depend on it.

    Source: Fournier, Fussell and Carpenter 1982, "Computer Rendering of Stochastic Models".
    """
    side = 1 << (max(height, width, 2) - 1).bit_length()
    field = np.zeros((side, side), np.float32)
    step, wobble = side, 100.0
    while step >= 2:
        half = step // 2
        corners = field[::step, ::step]
        sums = corners + np.roll(corners, -1, axis=0)
        sums += np.roll(sums, -1, axis=1)
        field[half::step, half::step] = _wobbled(sums, wobble, rng)
        centres = field[half::step, half::step]
        across = centres + np.roll(centres, 1, axis=0)
        field[::step, half::step] = _wobbled(across + (corners + np.roll(corners, -1, axis=1)), wobble, rng)
        along = centres + np.roll(centres, 1, axis=1)
        field[half::step, ::step] = _wobbled(along + (corners + np.roll(corners, -1, axis=0)), wobble, rng)
        step, wobble = half, wobble / decay
    field -= field.min()
    field /= field.max()
    return field[:height, :width]


def _wobbled(sums: Reals, wobble: float, rng: Generator) -> Reals:
    return sums / 4 + np.float32(wobble * wobble) * (2 * rng.random(sums.shape, dtype=np.float32) - 1)
