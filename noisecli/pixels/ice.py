"""Ice crystals, as frost grows them on a window."""

from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from noisecli.elementary import sine
from noisecli.pixels import Reals

STARS = ((36, 56, 700, 0.5), (70, 110, 200, 0.75), (120, 200, 50, 1.0))
"""Ice crystals, from below to above: shortest and longest feather, in px; stars on 1024 x 1024 px; brightness."""

FEATHERS = 16
"""Feathers of each size that stars are made of; turned over and over they lie in eight times as many directions."""


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
