"""Blurs: weighted means over what lies around a pixel.

Kernels work on levels with a halo (see `in_bands`) and give levels without it.
"""

from collections.abc import Sequence
from math import ceil, fsum, isqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noisecli.elementary import exp, sine
from noisecli.pixels import Border, Pixels, Reals, in_bands, inside

Tap = tuple[int, int, float]
"""Rows down, columns right, weight."""


def gaussian_weights(sigma: float, truncate: float = 4.0, radius: int | None = None) -> list[float]:
    """Return the weights of a Gaussian kernel from its centre to one end.

    The centre's weight plus twice the sum of the others is 1. `sigma` is in px; at 0 the kernel is the pixel itself.
    It ends `truncate` standard deviations away, or `radius` px where that is given.
    """
    radius = int(truncate * sigma + 0.5) if radius is None else radius
    if radius == 0 or sigma < 0.01:  # the other weights would be 0
        return [1.0]
    away = np.arange(radius + 1) / sigma
    half = exp(-0.5 * away * away).tolist()
    total = half[0] + 2 * fsum(half[1:])
    return [weight / total for weight in half]


def separable(levels: NDArray[Any], weights: Sequence[float]) -> Reals:
    """Convolve with a symmetric kernel along rows and along columns; the halo is one less than the weights."""
    along_rows = _along(levels.astype(np.float32, copy=False), weights, 0)
    return _along(along_rows, weights, 1)


def gaussian(pixels: Pixels, sigma: float) -> Pixels:
    """Blur a picture by a Gaussian of `sigma` px; its edge goes on beyond it."""
    weights = gaussian_weights(sigma)
    return in_bands(pixels, len(weights) - 1, lambda seen: separable(seen, weights))


def smooth(field: Reals, weights: Sequence[float], border: Border = "edge", axes: Sequence[int] = (0, 1)) -> Reals:
    """Convolve a field of any levels, (height, width), with a symmetric kernel: along columns (0), along rows (1)."""
    halo = len(weights) - 1
    for axis in axes:
        places = inside(np.arange(-halo, field.shape[axis] + halo), field.shape[axis], border)
        field = _along(field.take(places, axis=axis), weights, axis)
    return field


def _along(levels: Reals, weights: Sequence[float], axis: int) -> Reals:
    halo = len(weights) - 1
    size = levels.shape[axis] - 2 * halo

    def seen(start: int) -> Reals:
        return levels[start : start + size] if axis == 0 else levels[:, start : start + size]

    total = seen(halo) * np.float32(weights[0])
    pair = np.empty_like(total)
    for away, weight in enumerate(weights[1:], 1):
        np.add(seen(halo - away), seen(halo + away), out=pair)
        pair *= np.float32(weight)
        total += pair
    return total


def weighted(levels: NDArray[Any], halo: int, taps: Sequence[Tap]) -> Reals:
    """Convolve with a few taps, none farther than the halo."""
    height, width = (size - 2 * halo for size in levels.shape[:2])
    total = np.zeros((height, width, *levels.shape[2:]), np.float32)
    part = np.empty_like(total)
    for down, right, weight in taps:
        seen = levels[halo + down : halo + down + height, halo + right : halo + right + width]
        np.multiply(seen, np.float32(weight), out=part)
        total += part
    return total


def motion_taps(radius: int, sigma: float, angle: float) -> list[Tap]:
    """Return the taps of a motion: half a Gaussian of `sigma` px along 2 * radius + 1 px from the pixel outwards.

    The angle is in degrees: 0 looks right along the row, 90 down the column.
    Source: ImageMagick's motion blur, which ImageNet-C uses.
    """
    away = np.arange(2 * radius + 1)
    half = exp(-0.5 * (away / sigma) * (away / sigma)).tolist()
    total = fsum(half)
    down, right = sine(np.array([angle / 360, angle / 360 + 0.25])).tolist()
    return [(ceil(i * down - 0.5), ceil(i * right - 0.5), weight / total) for i, weight in enumerate(half)]


def disk(levels: NDArray[Any], radius: float) -> Reals:
    """Take the mean over a disk by prefix sums along the rows.

    The radius is below 100 px, or sums of 16-bit levels overflow; the halo is the radius, rounded down.
    """
    halo = int(radius)
    height, width = (size - 2 * halo for size in levels.shape[:2])
    # The sums may wrap around: differences come out right, because the sum over a disk fits 32 bits.
    sums = np.zeros((levels.shape[0], levels.shape[1] + 1, *levels.shape[2:]), np.uint32)
    np.cumsum(levels, axis=1, dtype=np.uint32, out=sums[:, 1:])
    total = np.zeros((height, width, *levels.shape[2:]), np.uint32)
    count = 0
    for down in range(-halo, halo + 1):
        reach = isqrt(int(radius * radius) - down * down)
        rows = sums[halo + down : halo + down + height]
        total += rows[:, halo + reach + 1 : halo + reach + 1 + width]
        total -= rows[:, halo - reach : halo - reach + width]
        count += 2 * reach + 1
    return np.divide(total, np.float32(count), dtype=np.float32)
