"""Warps: every pixel takes its value from somewhere near."""

from collections.abc import Callable
from math import sqrt
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from noisecli.pixels import Border, Pixels, Places, Reals, bands, inside
from noisecli.pixels.blur import gaussian_weights, smooth
from noisecli.pixels.chance import bits16

BITS = 10
PARTS = 2**BITS
"""Parts of a pixel that places are rounded to."""

Displacement = Callable[[slice], tuple[NDArray[Any], NDArray[Any]]]
"""Gives, for a band of rows, displacements in rows and in columns, in px, that broadcast to (rows, width)."""

_CELL = 0.125
"""Size of the cells that smooth noise is made of, in standard deviations of its Gaussian."""


def displaced(pixels: Pixels, down: NDArray[Any], right: NDArray[Any], border: Border = "reflect") -> Pixels:
    """Sample a picture, by bilinear interpolation, at each pixel's place plus a displacement.

    Args:
        pixels: The picture.
        down: Displacements in rows, in px; (height, width), or of a shape that broadcasts to it.
        right: Displacements in columns, likewise.
        border: What lies beyond the picture.
    """
    down, right = (np.broadcast_to(part, pixels.shape[:2]) for part in (down, right))
    return warped(pixels, lambda band: (down[band], right[band]), border)


def warped(pixels: Pixels, displacement: Displacement, border: Border = "reflect") -> Pixels:
    """Do the same with displacements that are worked out band by band."""
    height, width, channels = pixels.shape
    flat = pixels.reshape(-1, channels)
    # Levels of 16 bits times two weights of 10 bits do not fit 32 bits.
    wide = np.int32 if pixels.dtype == np.uint8 else np.int64
    result = np.empty_like(pixels)
    for band in bands(pixels.shape):
        shape = (band.stop - band.start, width)
        down, right = (np.broadcast_to(part, shape) for part in displacement(band))
        rows, below = _places(down, np.arange(band.start, band.stop)[:, np.newaxis], height, border)
        columns, beside = _places(right, np.arange(width), width, border)
        lower, farther = (part.astype(wide)[..., np.newaxis] for part in (below, beside))
        total = np.full((*shape, channels), PARTS * PARTS // 2, wide)
        for row, share in zip(rows, (PARTS - lower, lower), strict=True):
            start = row * width
            near, far = (flat.take(start + column, axis=0) for column in columns)
            total += (near * (PARTS - farther) + far * farther) * share
        result[band] = total >> (2 * BITS)
    return result


def _places(away: NDArray[Any], place: Places, size: int, border: Border) -> tuple[tuple[Places, Places], Places]:
    """Return the two places between which a displaced one lies, and how far it is from the first, in parts."""
    parts: Places = np.rint(away * PARTS).astype(np.int64) + place * PARTS
    first = parts >> BITS
    lowest = int(first.min())
    # Looked up, because there are fewer places than pixels.
    known = inside(np.arange(lowest, int(first.max()) + 2), size, border)
    first -= lowest
    return (known[first], known[first + 1]), parts & (PARTS - 1)


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
