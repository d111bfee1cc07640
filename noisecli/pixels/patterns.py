"""What regular patterns are made of: where pixels lie, under which angle, and waves."""

from collections.abc import Sequence
from functools import cache

import numpy as np

from noisecli.elementary import TAU, sine
from noisecli.pixels import Pixels, Reals

_STEPS = 2**14
# Of the arctangent on 0 .. 1, within 2e-8. Source: Abramowitz and Stegun 1964, formula 4.4.49.
_ARCTANGENT = (
    1.0,
    -0.3333314528,
    0.1999355085,
    -0.1420889944,
    0.1065626393,
    -0.0752896400,
    0.0429096138,
    -0.0161657367,
    0.0028662257,
)


def away(rows: slice, width: int, centre: Sequence[float], unit: float = 1.0) -> tuple[Reals, Reals]:
    """Return how far below and right of a centre pixels of some rows lie, in units of some px: a column and a row."""
    down = (np.arange(rows.start, rows.stop) - centre[0]) / unit
    right = (np.arange(width) - centre[1]) / unit
    return down.astype(np.float32)[:, np.newaxis], right.astype(np.float32)


def plane_wave(pixels: Pixels, down: float, right: float, phase: float) -> Reals:
    """Return the sine of a wave over a picture, (height, width, 1).

    It begins at a phase, in turns, and goes on by some turns a pixel, down the columns and along the rows.
    """
    rows = np.arange(pixels.shape[0], dtype=np.float64) * down + phase
    columns = np.arange(pixels.shape[1], dtype=np.float64) * right
    # The sine of a sum, so that it takes a sine for each row and column, not for each pixel.
    (row_sine, row_cosine), (column_sine, column_cosine) = (
        (sine(turns).astype(np.float32), sine(turns + 0.25).astype(np.float32)) for turns in (rows, columns)
    )
    waves = np.multiply.outer(row_sine, column_cosine)
    waves += np.multiply.outer(row_cosine, column_sine)
    return waves[..., np.newaxis]


def wave(turns: Reals) -> Reals:
    """Return the sine of angles in turns, within 2e-4, from a table."""
    # 64 bits: over a strip of millions of pixels turns do not fit 32, and what comes of that depends on the CPU.
    places = np.rint(turns * np.float32(_STEPS)).astype(np.int64)
    waves: Reals = _table()[places & (_STEPS - 1)]
    return waves


@cache
def _table() -> Reals:
    return sine(np.arange(_STEPS) / _STEPS).astype(np.float32)


def bearing(down: Reals, right: Reals) -> Reals:
    """Return the angle under which places are seen from the origin, in turns on 0 .. 1: 0.5 right, 0.75 down."""
    rows, columns = np.abs(down), np.abs(right)
    longer = np.maximum(rows, columns)
    ratio = np.minimum(rows, columns) / np.maximum(longer, np.float32(1e-12))
    square = ratio * ratio
    total = np.full_like(ratio, _ARCTANGENT[-1])
    for term in _ARCTANGENT[-2::-1]:
        total *= square
        total += np.float32(term)
    total *= ratio / np.float32(TAU)
    total = np.where(rows > columns, np.float32(0.25) - total, total)
    total = np.where(right < 0, np.float32(0.5) - total, total)
    return np.where(down < 0, np.float32(0.5) - total, np.float32(0.5) + total)
