"""Blurs: weighted means over what lies around a pixel.

Kernels work on levels with a halo (see `in_bands`) and give levels without it.
"""

from collections.abc import Sequence
from math import ceil, fsum, isqrt, prod
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
    down = _along(levels.astype(np.float32, copy=False), weights, 0)
    return _along(down, weights, 1)


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
    height, width = (size - 2 * halo * (i == axis) for i, size in enumerate(levels.shape[:2]))
    shifted = _Shifted(levels, height, width)

    def seen(start: int) -> Reals:
        return shifted(start, 0) if axis == 0 else shifted(0, start)

    result, total = shifted.room(np.float32)
    np.multiply(seen(halo), np.float32(weights[0]), out=total)
    pair = np.empty_like(total)
    for away, weight in enumerate(weights[1:], 1):
        np.add(seen(halo - away), seen(halo + away), out=pair)
        pair *= np.float32(weight)
        total += pair
    return result


class _Shifted:
    """Levels as seen from a smaller array that lies on them at some place, in one line, row after row.

    The line goes on between the rows of the smaller array, over what is beside it: numpy adds one long line twice as
    fast as many rows.
    """

    def __init__(self, levels: NDArray[Any], height: int, width: int) -> None:
        self._levels = levels
        self._line = levels.reshape(-1)
        self._column = prod(levels.shape[2:])
        self._row = levels.shape[1] * self._column
        self._size = height, width
        self._length = (height - 1) * self._row + width * self._column

    def __call__(self, down: int, right: int) -> NDArray[Any]:
        """Return what is seen from a place."""
        start = down * self._row + right * self._column
        return self._line[start : start + self._length]

    def room(self, dtype: type[np.generic]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return a new smaller array, and its line."""
        height, width = self._size
        room = np.empty((height, *self._levels.shape[1:]), dtype)
        return room[:, :width], room.reshape(-1)[: self._length]


def weighted(levels: NDArray[Any], halo: int, taps: Sequence[Tap]) -> Reals:
    """Convolve with a few taps, none farther than the halo."""
    height, width = (size - 2 * halo for size in levels.shape[:2])
    seen = _Shifted(levels.astype(np.float32, copy=False), height, width)
    result, total = seen.room(np.float32)
    total[:] = 0
    part = np.empty_like(total)
    for down, right, weight in taps:
        np.multiply(seen(halo + down, halo + right), np.float32(weight), out=part)
        total += part
    return result


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
    """Take the mean over a disk by prefix sums down the columns.

    The radius is below 100 px, or sums of 16-bit levels overflow; the halo is the radius, rounded down.
    """
    halo = int(radius)
    height, width = (size - 2 * halo for size in levels.shape[:2])
    reaches = [isqrt(int(radius * radius) - away * away) for away in range(halo + 1)]
    count = 2 * sum(2 * reach + 1 for reach in reaches) - (2 * reaches[0] + 1)
    # The sums may wrap around: differences come out right, because the sum over a disk fits.
    small = count * np.iinfo(levels.dtype).max < 2**16
    sums = np.zeros((levels.shape[0] + 1, *levels.shape[1:]), np.uint16 if small else np.uint32)
    for row, above, below in zip(levels, sums, sums[1:], strict=False):
        np.add(above, row, out=below)
    tall = _Shifted(sums, height, levels.shape[1])
    result, total = _Shifted(levels, height, width).room(sums.dtype.type)
    total[:] = 0
    for reach in dict.fromkeys(reaches):
        columns = tall(halo + reach + 1, 0) - tall(halo - reach, 0)
        seen = _Shifted(columns.reshape(height, *levels.shape[1:]), height, width)
        for right in (right for right in range(-halo, halo + 1) if reaches[abs(right)] == reach):
            total += seen(0, halo + right)
    means: Reals = np.divide(result, np.float32(count), dtype=np.float32)
    return means
