"""What ops on images are made of: levels and borders, and in modules chance, blurs, resampling, warps, fields, colour.

All give the same bits on every CPU: integers, and floats under operations that IEEE 754 rounds exactly (+ - * / sqrt
rint), element by element; nothing that a CPU may sum in another order or fuse. Work goes in bands of rows, so that
temporaries do not grow with the picture.
"""

from collections.abc import Callable, Iterator
from math import sqrt
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8 | np.uint16]
"""(height, width, channels), 1 or 3 channels. Black is 0, white the largest value of the dtype."""
Reals = NDArray[np.float32]
Places = NDArray[np.int64]
Border = Literal["edge", "reflect", "mirror"]
"""What lies beyond a picture abcd: dddd (edge), dcba (reflect) or cba (mirror)."""

BAND = 2**17
"""Values worked on at once: few enough for a cache."""


def white(pixels: Pixels) -> int:
    """Return the value of white: 255 for pixels of 8 bits, 65535 for pixels of 16 bits."""
    return int(np.iinfo(pixels.dtype).max)


def side_of(pixels: Pixels) -> float:
    """Return the side of a square of the picture's area, in px."""
    return sqrt(pixels.shape[0] * pixels.shape[1])


def to_pixels(values: NDArray[Any], dtype: np.dtype[Any]) -> Pixels:
    """Round levels, half to even, and clip them to what the dtype holds; the values may be overwritten."""
    if values.dtype.kind == "f":
        np.rint(values, out=values)
    return np.clip(values, 0, np.iinfo(dtype).max, out=values).astype(dtype)


def bands(shape: tuple[int, ...], at_least: int = 1) -> Iterator[slice]:
    """Yield slices of rows that cut a picture into bands; results must not depend on where they cut."""
    row = max(1, int(np.prod(shape[1:])))
    rows = max(at_least, BAND // row, 1)
    for top in range(0, shape[0], rows):
        yield slice(top, min(top + rows, shape[0]))


def in_bands(pixels: Pixels, halo: int, change: Callable[[Pixels], NDArray[Any]], border: Border = "edge") -> Pixels:
    """Change every pixel by what lies around it.

    Args:
        pixels: The picture.
        halo: How far a pixel sees, in px.
        change: Gets pixels with a halo on all four sides, gives levels without it, not yet rounded.
        border: What the halo holds beyond the picture.

    Returns:
        New pixels of the same shape and dtype.
    """
    height, width = pixels.shape[:2]
    rows, columns = (inside(np.arange(-halo, size + halo), size, border) for size in (height, width))
    left, right = columns[:halo], columns[halo + width :]
    result = np.empty_like(pixels)
    for band in bands(pixels.shape, at_least=4 * halo):
        seen = pixels[band]
        if halo:
            lines = pixels.take(rows[band.start : band.stop + 2 * halo], axis=0)
            # Whole rows are put together, because numpy is slow at taking single pixels.
            seen = np.concatenate([lines.take(left, axis=1), lines, lines.take(right, axis=1)], axis=1)
        result[band] = to_pixels(change(seen), pixels.dtype)
    return result


def in_planes(pixels: Pixels, change: Callable[[Reals, slice], None]) -> Pixels:
    """Change levels channel by channel.

    What is the same for all channels, (rows, width), meets levels that lie so some ten times as fast as it would meet
    three levels at a time.

    Args:
        pixels: The picture.
        change: Gets the levels of some rows, (channels, rows, width), and which rows these are; changes the levels.

    Returns:
        New pixels of the same shape and dtype.
    """
    result = np.empty_like(pixels)
    for band in bands(pixels.shape):
        rows = pixels[band]
        levels = np.empty((rows.shape[2], *rows.shape[:2]), np.float32)
        # Channel by channel: numpy is several times slower at moving them all at once.
        for channel, plane in enumerate(levels):
            plane[:] = rows[..., channel]
        change(levels, band)
        for channel, plane in enumerate(to_pixels(levels, pixels.dtype)):
            result[band, :, channel] = plane
    return result


def in_words(pixels: NDArray[Any], lane: "np.dtype[Any] | None" = None, beyond: int = 0) -> NDArray[Any]:
    """Return pixels of 1 channel as they are and of 3 with a fourth one, so that a pixel can be moved as a word.

    numpy takes 1, 2, 4, 8, 16 or 32 bytes at a time, from here and there, several times as fast as other pixels.

    Args:
        pixels: The picture.
        lane: The type of the values; that of the pixels if not given.
        beyond: Rows and columns of black after the last.
    """
    height, width, channels = pixels.shape
    if channels == 1 and not beyond and lane is None:
        return pixels
    words = np.zeros((height + beyond, width + beyond, 4 if channels == 3 else channels), lane or pixels.dtype)
    for channel in range(channels):
        words[:height, :width, channel] = pixels[..., channel]
    return words


def out_of_words(words: NDArray[Any], channels: int) -> NDArray[Any]:
    """Return the channels that are the picture's."""
    pixels = np.empty((*words.shape[:2], channels), words.dtype)
    for channel in range(channels):
        pixels[..., channel] = words[..., channel]
    return pixels


def dimmed(pixels: Pixels, left: Callable[[slice], NDArray[Any]]) -> Pixels:
    """Multiply every pixel by the share of its light that is left, given for a band of rows."""
    result = np.empty_like(pixels)
    for band in bands(pixels.shape):
        result[band] = to_pixels(pixels[band] * left(band)[..., np.newaxis], pixels.dtype)
    return result


def inside(places: Places, size: int, border: Border) -> Places:
    """Map places beyond 0 .. size - 1 to those whose values they take."""
    if border == "edge":
        return np.clip(places, 0, size - 1)
    period = 2 * size if border == "reflect" else max(2 * size - 2, 1)
    turned = places % period
    last = period - 1 if border == "reflect" else period
    mapped: Places = np.clip(np.minimum(turned, last - turned), 0, size - 1)
    return mapped
