"""Random fields whose power depends on the spatial frequency: blue, brown and Perlin's.

A Fourier transform would make them too, but its sums have other last bits on another CPU.
"""

from functools import cache
from math import sqrt

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from noisecli.elementary import sine
from noisecli.pixels import Places, Reals, bands
from noisecli.pixels.chance import bits16, normal_table

_DIRECTIONS = 256
_PARTS = 2**12  # of a unit, to which fields are rounded for sums that are exact


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


def turbulence(rng: Generator, height: int, width: int, cell: float, octaves: int = 5) -> Reals:
    """Return Perlin's turbulence, (height, width): creased clouds of at least 0, about 0.5 on average.

    Noise from gradients on a lattice of `cell` px, without its sign, plus that on lattices 2, 4, 8 .. times as fine and
    as many times weaker.

    Source: Perlin 1985, "An Image Synthesizer".
    """
    total = np.zeros((height, width), np.float32)
    for octave in range(octaves):
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
