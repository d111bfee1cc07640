"""Random fields over a picture."""

from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from noisecli.normal import Floats
from noisecli.pixels import Reals


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
