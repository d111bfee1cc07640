"""Resolution: what is left of a picture that was made smaller."""

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from pydantic import Field

from noisecli.corruption import ImageCorruption, Pixels, register
from noisecli.pixels import Places, bands, in_words, out_of_words, white
from noisecli.pixels.resample import resized


@register
class Pixelate(ImageCorruption):
    """Make blocks of one colour, the mean of what they cover: a small picture scaled up, a face made unrecognisable.

    The picture is shrunk to a share of its sides by means over boxes, and brought back by whole pixels, as ImageNet-C
    does; the package imagecorruptions brings it back by the nearest pixel, which differs where a pixel's middle is on
    the border of two blocks. Here such a pixel is shown in the block that counted it.

    Source: Hendrycks and Dietterich 2019, "Benchmarking Neural Network Robustness to Common Corruptions".

    Example:
        {op: pixelate, severity: 3}
    """

    severities = ({"share": 0.6}, {"share": 0.5}, {"share": 0.4}, {"share": 0.3}, {"share": 0.25})
    small_severities = {
        32: ({"share": 0.95}, {"share": 0.9}, {"share": 0.85}, {"share": 0.75}, {"share": 0.65}),
        64: ({"share": 0.9}, {"share": 0.8}, {"share": 0.7}, {"share": 0.6}, {"share": 0.5}),
    }

    share: Annotated[float, Field(gt=0, le=1)] = 0.4
    """Blocks along a side, as a share of the pixels along it: at 0.25 a block is 4 px wide."""

    def apply(self, pixels: Pixels, drawn: Mapping[str, Any], rng: Generator) -> Pixels:
        rows, columns = (_blocks(size, max(int(size * self.share), 1)) for size in pixels.shape[:2])
        down, right = np.diff(rows), np.diff(columns)
        lane = np.min_scalar_type(white(pixels) * int(down.max() * right.max()))
        # Sums of 16 bits are of so few pixels that 32 bits tell how far their means are from a half.
        real: type[np.floating[Any]] = np.float32 if lane.itemsize <= 2 else np.float64
        shown = np.arange(len(right)).repeat(right)
        result = np.empty_like(pixels)
        for band in bands((len(down), int(down.max()) * pixels.shape[1])):
            top, bottom = rows[band.start], rows[band.stop]
            sums = _stacked(in_words(pixels[top:bottom], lane, 1), rows[band] - top, down[band], 0)
            means: NDArray[np.floating[Any]] = _stacked(sums, columns[:-1], right, 1).astype(real)
            counts = np.multiply.outer(down[band].astype(real), right.astype(real).repeat(means.shape[2]))
            means /= counts.reshape(means.shape)
            blocks = np.rint(means, out=means).astype(pixels.dtype).take(shown, axis=1)
            lines = out_of_words(blocks, pixels.shape[2])
            result[top:bottom] = lines.repeat(down[band], axis=0)
        return result


def _stacked(words: NDArray[Any], starts: Places, counts: Places, axis: int) -> NDArray[Any]:
    """Return the sums of consecutive rows (axis 0) or columns (axis 1)."""
    sums = words.take(starts, axis)
    for beside in range(1, int(counts.max())):
        sums += words.take(np.where(counts > beside, starts + beside, -1), axis)
    return sums


def _blocks(size: int, count: int) -> Places:
    """Return where `count` blocks along a side begin, and where the last one ends: at the nearest pixels."""
    return (2 * size * np.arange(count + 1) + count) // (2 * count)


@register
class Downscale(ImageCorruption):
    """Shrink the picture and bring it back to its size: what a thumbnail or an old video has of it.

    Shrunk by the weights of a triangle, twice as wide as a pixel of the small picture, and brought back by linear
    interpolation: bilinear both times.

    Source: Parmar, Zhang and Zhu 2022, "On Aliased Resizing and Surprising Subtleties in GAN Evaluation".

    Example:
        {op: downscale, severity: 3}
    """

    severities = ({"factor": 1.5}, {"factor": 2.0}, {"factor": 3.0}, {"factor": 4.0}, {"factor": 6.0})
    small_severities = {
        32: ({"factor": 1.2}, {"factor": 1.4}, {"factor": 1.6}, {"factor": 2.0}, {"factor": 2.5}),
        64: ({"factor": 1.3}, {"factor": 1.6}, {"factor": 2.0}, {"factor": 2.5}, {"factor": 3.0}),
    }

    factor: Annotated[float, Field(ge=1, le=1000)] = 3.0
    """How many times smaller each side becomes."""

    def apply(self, pixels: Pixels, drawn: Mapping[str, Any], rng: Generator) -> Pixels:
        height, width = pixels.shape[:2]
        small = resized(pixels, max(round(height / self.factor), 1), max(round(width / self.factor), 1))
        return resized(small, height, width)
