"""Random fields over a picture."""

from collections.abc import Callable
from math import sqrt
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from noisecli.elementary import sine
from noisecli.normal import Floats
from noisecli.pixels import Reals, bands, inside
from noisecli.pixels.blur import gaussian_weights, smooth
from noisecli.pixels.chance import bits16

_CELL = 0.125
"""Size of the cells that smooth noise is made of, in standard deviations of its Gaussian."""

STARS = ((36, 56, 700, 0.5), (70, 110, 200, 0.75), (120, 200, 50, 1.0))
"""Ice crystals, from below to above: shortest and longest feather, in px; stars on 1024 x 1024 px; brightness."""

FEATHERS = 16
"""Feathers of each size that stars are made of; turned over and over they lie in eight times as many directions."""


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
    drawn do not depend on it. Along a strip that is many times as long as it is wide the field repeats, without a seam.

    Source: Fournier, Fussell and Carpenter 1982, "Computer Rendering of Stochastic Models".
    """
    side = 1 << (max(height, width, 2) - 1).bit_length()
    while side * side > 16 * max(height * width, 4096):
        side //= 2
    field = np.zeros((side, side), np.float32)
    step, wobble = side, 100.0
    while step >= 2:
        half = step // 2
        corners, centres = field[::step, ::step], field[half::step, half::step]
        sums = corners + np.roll(corners, -1, axis=0)
        sums += np.roll(sums, -1, axis=1)
        centres[:] = _wobbled(sums, wobble, rng)
        for axis, middles in enumerate((field[::step, half::step], field[half::step, ::step])):
            np.add(corners, np.roll(corners, -1, axis=1 - axis), out=sums)
            sums += centres + np.roll(centres, 1, axis=axis)
            middles[:] = _wobbled(sums, wobble, rng)
        step, wobble = half, wobble / decay
    field -= field.min()
    field /= field.max()
    if side < max(height, width):
        field = np.take(field.take(np.arange(height) % side, 0), np.arange(width) % side, 1)
    return field[:height, :width]


def _wobbled(sums: Reals, wobble: float, rng: Generator) -> Reals:
    noise = rng.random(sums.shape, dtype=np.float32)
    noise *= 2
    noise -= 1
    noise *= np.float32(wobble * wobble)
    sums /= 4
    sums += noise
    return sums


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


def ice(rng: Generator, side: int) -> Reals:
    """Return frost flowers on a square of glass, 0 .. 1: stars of feathery ice crystals that grew over each other."""
    margin = 2 * STARS[-1][1]
    glass = np.full((side + 2 * margin, side + 2 * margin), 0.15, np.float32)
    for shortest, longest, stars, light in STARS:
        steps = range(FEATHERS)
        feathers = [_feather(rng, shortest + (longest - shortest) * step // FEATHERS) for step in steps]
        for _ in range(stars * (side + 2 * longest) ** 2 // 1024**2):
            row, column = (margin + rng.integers(-longest, side + longest, 2)).tolist()
            arms = rng.integers(8 * FEATHERS, size=int(rng.integers(2, 7))).tolist()
            brightness = np.float32(light * (0.6 + 0.4 * rng.random()))
            for arm in arms:
                _grow(glass, feathers[arm // 8], arm % 8, row, column, brightness)
    return glass[margin:-margin, margin:-margin]


def oriented(square: NDArray[Any], way: int) -> NDArray[Any]:
    """Return a square in one of the eight ways that it can lie: turned and mirrored."""
    square = square.T if way & 1 else square
    return square[:: -1 if way & 2 else 1, :: -1 if way & 4 else 1]


def _grow(glass: Reals, feather: Reals, way: int, row: int, column: int, brightness: np.float32) -> None:
    """Lay a feather on the glass, its root at a place; what lies under it shines through."""
    size = len(feather)
    before, after = size // 6, size - 1 - size // 6
    top, left = row - (after if way & 2 else before), column - (after if way & 4 else before)
    under = glass[top : top + size, left : left + size]
    feather = oriented(feather, way)
    np.copyto(under, np.maximum(feather * brightness, under * np.float32(0.55)), where=feather > 0)


def _feather(rng: Generator, length: int) -> Reals:
    """Return a feather of ice, 0 where there is none: a stem with barbs on both sides, each as long and as bright as
    chance has it; one side faces the light.

    It grows downwards and to the right on a square of 6/5 of its length, from a sixth of it in both directions.
    """
    turn, slim, gap, lean, bend = (rng.random(5) * (0.2, 0.08, 2.5, 0.8, 0.3) + (0.025, 0.1, 3.5, 0.6, -0.15)).tolist()
    reach, shine = rng.random((2, 2 * length), np.float32)
    size = length * 6 // 5
    place = (np.arange(size, dtype=np.float32) - size // 6) / np.float32(length)
    down, right = sine(np.array([turn, turn + 0.25])).astype(np.float32)
    along = place[:, np.newaxis] * down + place * right
    across = place[:, np.newaxis] * right - place * down
    across -= np.float32(bend) * along * (1 - along)
    away = np.abs(across)
    barb = (along - away * np.float32(lean)) * np.float32(length / gap)
    number = np.floor(barb)
    inside = barb - number
    number = np.clip(2 * number + (across > 0), 0, 2 * length - 1).astype(np.int64)
    tip = np.minimum(5 * along, 1) * (1 - along) * (0.64 + 0.56 * reach[number] + 0.4 * inside) * np.float32(slim)
    bright: Reals = 0.32 + 0.38 * shine[number] + 0.3 * (1 - np.abs(2 * inside - 1))
    bright *= np.where(across > 0, np.float32(1), np.float32(0.75))
    bright *= 1 - 0.35 * away / np.maximum(tip, np.float32(1e-6))
    np.maximum(bright, 1 - away * np.float32(length / 2.5), out=bright)
    bright[(away >= tip) | (along <= 0) | (along >= 1)] = 0
    return bright
