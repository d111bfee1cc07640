"""Colour: what the three channels of a pixel are together."""

from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noisecli.pixels import Pixels, Reals

LUMA = (19595 / 65536, 38470 / 65536, 7471 / 65536)
"""Weights of red, green and blue in the brightness that an eye sees, 0.299, 0.587 and 0.114 as fractions of 2**16: so
few bits that the brightness of a grey of 8 bits is exact. Source: ITU-R BT.601."""


def luma(levels: NDArray[Any]) -> Reals:
    """Return the brightness of each pixel as an eye sees it, (height, width, 1), in levels."""
    if levels.shape[2] == 1:
        return levels.astype(np.float32)
    red, green, blue = (levels[..., i] * np.float32(weight) for i, weight in enumerate(LUMA))
    return (red + green + blue)[..., np.newaxis]


def largest(pixels: Pixels) -> Pixels:
    """Return the largest channel of each pixel, (height, width, 1): V of hue, saturation and value."""
    value: Pixels = reduce(np.maximum, np.moveaxis(pixels, 2, 0))[..., np.newaxis]
    return value


def smallest(pixels: Pixels) -> Pixels:
    """Return the smallest channel of each pixel, (height, width, 1)."""
    least: Pixels = reduce(np.minimum, np.moveaxis(pixels, 2, 0))[..., np.newaxis]
    return least


def real_for(pixels: Pixels) -> type[np.floating[Any]]:
    """Return the floats that hold the product of two levels: that of 16 bits does not fit the 24 of a float32."""
    return np.float32 if pixels.dtype == np.uint8 else np.float64
