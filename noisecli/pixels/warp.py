"""Warps: every pixel takes its value from somewhere near."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noisecli.pixels import Pixels, Places, bands, in_words, inside

BITS = 10
PARTS = 2**BITS
"""Parts of a pixel that places are rounded to."""

Displacement = Callable[[slice], tuple[NDArray[Any], NDArray[Any]]]
"""Gives, for a band of rows, displacements in rows and in columns, in px, that broadcast to (rows, width)."""


def displaced(pixels: Pixels, down: NDArray[Any], right: NDArray[Any]) -> Pixels:
    """Sample a picture, by bilinear interpolation, at each pixel's place plus a displacement; mirrored beyond it.

    Args:
        pixels: The picture.
        down: Displacements in rows, in px; (height, width), or of a shape that broadcasts to it.
        right: Displacements in columns, likewise.
    """
    down, right = (np.broadcast_to(part, pixels.shape[:2]) for part in (down, right))
    return warped(pixels, lambda band: (down[band], right[band]))


def warped(pixels: Pixels, displacement: Displacement) -> Pixels:
    """Do the same with displacements that are worked out band by band."""
    height, width, channels = pixels.shape
    words = in_words(pixels).reshape(height * width, -1)
    # Levels of 16 bits times two weights of 10 bits do not fit 32 bits.
    wide = np.int32 if pixels.dtype == np.uint8 else np.int64
    result = np.empty_like(pixels)
    for band in bands((height, width, 4)):  # places take as much as levels of four channels
        shape = (band.stop - band.start, width)
        down, right = (np.broadcast_to(part, shape) for part in displacement(band))
        rows, below = _places(down, np.arange(band.start, band.stop)[:, np.newaxis], height)
        columns, beside = _places(right, np.arange(width), width)
        lower: NDArray[Any] = below.astype(wide)
        farther: NDArray[Any] = beside.astype(wide)
        shares = [part * other for part in (PARTS - lower, lower) for other in (PARTS - farther, farther)]
        corners: list[NDArray[Any]] = [words.take(row * width + column, axis=0) for row in rows for column in columns]
        for channel in range(channels):
            total = np.full(shape, PARTS * PARTS // 2, wide)
            for corner, share in zip(corners, shares, strict=True):
                total += corner[..., channel] * share
            total >>= 2 * BITS
            result[band, :, channel] = total
    return result


def _places(away: NDArray[Any], place: Places, size: int) -> tuple[tuple[Places, Places], Places]:
    """Return the two places between which a displaced one lies, and how far it is from the first, in parts."""
    parts: Places = np.rint(away * PARTS).astype(np.int64) + place * PARTS
    first = parts >> BITS
    parts &= PARTS - 1
    lowest, highest = int(first.min()), int(first.max())
    if highest - lowest >= first.size:
        return (inside(first, size, "reflect"), inside(first + 1, size, "reflect")), parts
    # Looked up, because there are fewer places than pixels.
    known = inside(np.arange(lowest, highest + 2), size, "reflect")
    first -= lowest
    return (known.take(first), known[1:].take(first)), parts
