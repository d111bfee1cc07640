"""Random fields over a picture."""

import numpy as np
from numpy.random import Generator

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
