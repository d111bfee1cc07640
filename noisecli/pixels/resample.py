"""Resampling: a picture or a field at places between its points, along rows and columns."""

from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noisecli.normal import Floats
from noisecli.pixels import Pixels, Reals, bands, in_words, inside, out_of_words, to_pixels


def sampled(levels: NDArray[Any], places: Floats, axis: int, reach: float = 1.0) -> Reals:
    """Sample along rows (axis 0) or columns (axis 1) by the weights of a triangle; the edge goes on beyond it.

    Args:
        levels: (height, width, channels).
        places: Where to sample, in px from the middle of the first pixel; results are as many.
        axis: The axis that the places are on.
        reach: Half the base of the triangle, in px: 1 is linear interpolation, more is a mean.
    """
    first = np.floor(places - reach) + 1
    weights = [np.maximum(1 - abs(first + i - places) / reach, 0) for i in range(ceil(2 * reach))]
    total = np.zeros_like(places)
    for weight in weights:
        total += weight
    words = levels if axis == 0 else in_words(levels, np.dtype(np.float32))
    shape = [*words.shape]
    shape[axis] = len(places)
    result = np.empty(shape, np.float32)
    # Whole rows at once: numpy is slow at loops as short as the channels of a pixel.
    rows = result.reshape(shape[0], -1)
    part = np.empty_like(rows)
    for i, weight in enumerate(weights):
        near = inside((first + i).astype(np.int64), levels.shape[axis], "edge")
        share = (weight / total).astype(np.float32)
        share = share[:, np.newaxis] if axis == 0 else np.repeat(share, shape[2])
        np.multiply(words.take(near, axis=axis).reshape(shape[0], -1), share, out=part if i else rows)
        if i:
            rows += part
    return result if shape[2] == levels.shape[2] else out_of_words(result, levels.shape[2])


def resized(pixels: Pixels, height: int, width: int) -> Pixels:
    """Return a picture in another size: linear interpolation where it grows, means where it shrinks."""
    pixels = np.ascontiguousarray(pixels)  # of a part of a picture `take` would make a copy for each band
    sides = zip(pixels.shape[:2], (height, width), strict=True)
    (rows, down), (columns, right) = ((_middles(old, new), max(old / new, 1.0)) for old, new in sides)
    result = np.empty((height, width, pixels.shape[2]), pixels.dtype)
    for band in bands((height, max(width, pixels.shape[1]), pixels.shape[2])):
        result[band] = to_pixels(sampled(sampled(pixels, rows[band], 0, down), columns, 1, right), pixels.dtype)
    return result


def _middles(old: int, new: int) -> Floats:
    """Return where the middles of `new` pixels are on `old` pixels of the same length in all."""
    return (np.arange(new, dtype=np.float64) + 0.5) * (old / new) - 0.5


def enlarged(field: NDArray[Any], down: Floats, right: Floats, table: Reals | None = None) -> Reals:
    """Interpolate a field bilinearly at the rows `down`, which ascend, and at the columns `right`.

    A table tells what the numbers of the field stand for.
    """
    first = int(down[0])
    seen = field[first : int(down[-1]) + 2]
    return _between(_between(seen if table is None else table[seen], down - first, 0), right, 1)


def _between(field: NDArray[Any], places: Floats, axis: int) -> Reals:
    before = places.astype(np.int64)
    share = (places - before).astype(np.float32)
    near = field.take(before, axis).astype(np.float32)
    far = field.take(np.minimum(before + 1, field.shape[axis] - 1), axis).astype(np.float32)
    far -= near
    far *= share if axis else share[:, np.newaxis]
    near += far
    return near
