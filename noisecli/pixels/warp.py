"""Warps: every pixel takes its value from somewhere near."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from noisecli.pixels import Border, Pixels, bands, inside

PARTS = 1024
"""Parts of a pixel that places are rounded to."""


def displaced(pixels: Pixels, down: NDArray[Any], right: NDArray[Any], border: Border = "reflect") -> Pixels:
    """Sample a picture, by bilinear interpolation, at each pixel's place plus a displacement.

    Args:
        pixels: The picture.
        down: Displacements in rows, in px; (height, width), or of a shape that broadcasts to it.
        right: Displacements in columns, likewise.
        border: What lies beyond the picture.
    """
    height, width, channels = pixels.shape
    down, right = np.broadcast_to(down, (height, width)), np.broadcast_to(right, (height, width))
    flat = pixels.reshape(-1, channels)
    # Levels of 16 bits times two weights of 10 bits do not fit 32 bits.
    wide = np.int32 if pixels.dtype == np.uint8 else np.int64
    columns = np.arange(width) * PARTS
    result = np.empty_like(pixels)
    for band in bands(pixels.shape):
        rows = np.arange(band.start, band.stop)[:, np.newaxis] * PARTS
        row, lower = np.divmod(np.rint(down[band] * PARTS).astype(np.int64) + rows, PARTS)
        column, farther = np.divmod(np.rint(right[band] * PARTS).astype(np.int64) + columns, PARTS)
        lower, farther = (part[..., np.newaxis].astype(wide) for part in (lower, farther))
        total = np.full((*row.shape, channels), PARTS * PARTS // 2, wide)
        for below, share in ((0, PARTS - lower), (1, lower)):
            start = inside(row + below, height, border) * width
            near, far = (flat[start + inside(column + beside, width, border)] for beside in (0, 1))
            total += (near * (PARTS - farther) + far * farther) * share
        result[band] = total // (PARTS * PARTS)
    return result
