"""Random fields over a picture: smooth noise, clouds, and noise that is finer or coarser than white.

A Fourier transform would make most of them, too, but its sums have other last bits on another CPU.
"""

from collections.abc import Callable
from functools import cache
from math import sqrt

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from noisecli.elementary import sine
from noisecli.pixels import Places, Reals, bands, inside
from noisecli.pixels.blur import gaussian_weights, smooth
from noisecli.pixels.chance import bits16, normal_table

_CELL = 0.125
"""Size of the cells that smooth noise is made of, in standard deviations of its Gaussian."""

_PARTS = 2**12
"""Parts of a unit that fields are rounded to, for sums that are exact."""

_OCTAVES = 5
_DIRECTIONS = 256


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


def blue(rng: Generator, shape: tuple[int, ...]) -> Reals:
    """Return normal numbers whose power grows with the square of the frequency: neighbours differ.

    Their differences down the columns of one white field plus those along the rows of another: the power is
    sin(x / 2)**2 + sin(y / 2)**2, for frequencies x and y in radians a pixel. Mean 0, standard deviation 1.
    """
    height, width, channels = shape
    down = bits16(rng, (height + 1, width, channels))
    right = bits16(rng, (height, width + 1, channels))
    table = normal_table() / np.float32(2)
    field = np.empty(shape, np.float32)
    for band in bands(shape):
        below = down[band.start + 1 : band.stop + 1]
        field[band] = (table[below] - table[down[band]]) + (table[right[band, 1:]] - table[right[band, :-1]])
    return field


def brown(rng: Generator, shape: tuple[int, ...]) -> Reals:
    """Return numbers whose power falls with the fourth power of the frequency: clouds, in every channel others.

    White noise on a grid of three points a side or so, then again and again: the grid twice as fine, between the points
    a smooth curve, plus white noise half as strong. The coarsest and the finest, which others overlap on one side only,
    count half. Every channel has mean 0 and standard deviation 1 over the picture.
    """
    return np.stack([_brown(rng, shape[0], shape[1]) for _ in range(shape[2])], axis=2)


def _brown(rng: Generator, height: int, width: int) -> Reals:
    sizes = [(height, width)]
    for _ in range((max(height, width) - 1).bit_length() - 1):
        sizes.append(((sizes[-1][0] + 1) // 2 + 1, (sizes[-1][1] + 1) // 2 + 1))
    field = np.zeros(sizes[-1], np.float32)
    _add_white(field, rng, 0.5)
    for level, (rows, columns) in enumerate(sizes[-2::-1], 1):
        field = _doubled(_doubled(field, 1), 0)[:rows, :columns]
        _add_white(field, rng, 0.5 ** (level if level < len(sizes) - 1 else level + 1))
    return _standard(field)


def _doubled(field: Reals, axis: int) -> Reals:
    """Put two points between neighbours, a quarter of the way from each. Source: Chaikin 1974."""
    field = field.swapaxes(0, axis)
    finer = np.empty((2 * field.shape[0] - 2, *field.shape[1:]), np.float32)
    quarters = field * np.float32(0.25)
    for first, near, far in ((0, field[:-1], quarters[1:]), (1, field[1:], quarters[:-1])):
        np.multiply(near, np.float32(0.75), out=finer[first::2])
        finer[first::2] += far
    return finer.swapaxes(0, axis)


def _add_white(field: Reals, rng: Generator, strength: float) -> None:
    bits = bits16(rng, field.shape)
    table = normal_table() * np.float32(strength)
    for band in bands(field.shape):
        field[band] += table[bits[band]]


def _standard(field: Reals) -> Reals:
    """Give a field mean 0 and standard deviation 1; all 0 where it is of one value."""
    total = squares = 0
    for band in bands(field.shape):
        whole = np.rint(field[band] * np.float32(_PARTS)).astype(np.int64)
        total += int(whole.sum())
        squares += int((whole * whole).sum())
    mean = total / field.size
    spread = sqrt(max(squares / field.size - mean * mean, 0.0))
    field -= np.float32(mean / _PARTS)
    field *= np.float32(_PARTS / spread if spread else 0.0)
    return field


def turbulence(rng: Generator, height: int, width: int, cell: float) -> Reals:
    """Return Perlin's turbulence, (height, width): creased clouds of at least 0, about 0.5 on average.

    Noise from gradients on a lattice of `cell` px, without its sign, plus that on lattices 2, 4, 8 .. times as fine and
    as many times weaker.

    Source: Perlin 1985, "An Image Synthesizer".
    """
    total = np.zeros((height, width), np.float32)
    for octave in range(_OCTAVES):
        _add_octave(total, rng, cell / 2**octave, 1.5 / 2**octave)
    return total


def _add_octave(total: Reals, rng: Generator, cell: float, weight: float) -> None:
    rows, below, fade_down = _on_lattice(total.shape[0], cell)
    columns, right, fade = _on_lattice(total.shape[1], cell)
    directions = bits16(rng, (int(rows[-1]) + 2, int(columns[-1]) + 2)) % _DIRECTIONS
    down, across = (part[directions] for part in _compass())
    # Gradient times offset is a straight line down the rows: one along each row of the lattice, its level and slope.
    slope = _between(down[:, columns], down[:, columns + 1], fade)
    level = _between(across[:, columns] * right, across[:, columns + 1] * (right - 1), fade)
    for band in bands(total.shape):
        upper, part = rows[band], below[band, np.newaxis]
        above = slope[upper] * part + level[upper]
        beneath = slope[upper + 1] * (part - 1) + level[upper + 1]
        total[band] += np.abs(_between(above, beneath, fade_down[band, np.newaxis])) * np.float32(weight)


def _on_lattice(size: int, cell: float) -> tuple[Places, Reals, Reals]:
    """Return in which cell pixels lie, how far in it, and how much of the next point they take."""
    place = np.arange(size) / cell
    first = np.floor(place)
    part = (place - first).astype(np.float32)
    return first.astype(np.int64), part, part * part * (3 - 2 * part)


def _between(near: Reals, far: Reals, share: Reals) -> Reals:
    return near + share * (far - near)


@cache
def _compass() -> NDArray[np.float32]:
    turns = np.arange(_DIRECTIONS) / _DIRECTIONS
    return np.stack([sine(turns), sine(turns + 0.25)]).astype(np.float32)
