"""Occlusion: parts of the picture that are covered."""

from collections.abc import Mapping
from math import sqrt
from typing import Annotated, Any, Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from pydantic import Field

from noisecli.corruption import ImageCorruption, Pixels, register
from noisecli.elementary import sine
from noisecli.normal import quantile
from noisecli.parameters import Share
from noisecli.pixels import Places, bands, side_of, white
from noisecli.pixels.chance import chosen
from noisecli.pixels.fields import blue

MOST_HOLES = 64


@register
class Cutout(ImageCorruption):
    """Cover squares of the picture with black: something stands in front of the object.

    Centres are uniform over the whole picture, and a square that reaches over a border is cut off there.

    Source: DeVries and Taylor 2017, "Improved Regularization of Convolutional Neural Networks with Cutout".

    Example:
        {op: cutout, holes: 2, size: 0.25}
    """

    severities = ({"size": 0.125}, {"size": 0.25}, {"size": 0.375}, {"size": 0.5}, {"size": 0.625})

    holes: Annotated[int, Field(ge=0, le=MOST_HOLES)] = 1
    """Number of squares; they may overlap."""

    size: Share = 0.5
    """Side of a square, as a share of the shorter side of the picture."""

    def draw(self, pixels: Pixels, rng: Generator) -> dict[str, Any]:
        height, width = pixels.shape[:2]
        shares = rng.random((MOST_HOLES, 2))[: self.holes].tolist()
        return {"centres": [(int(down * height), int(across * width)) for down, across in shares]}

    def apply(self, pixels: Pixels, drawn: Mapping[str, Any], rng: Generator) -> Pixels:
        side = round(self.size * min(pixels.shape[:2]))
        covered = pixels.copy()
        for row, column in drawn["centres"]:
            top, left = row - side // 2, column - side // 2
            covered[max(top, 0) : max(top + side, 0), max(left, 0) : max(left + side, 0)] = 0
        return covered


@register
class RandomErasing(ImageCorruption):
    """Erase one rectangle that lies wholly in the picture: an object hidden by another of any shape.

    A larger area covers what a smaller one covers. Where the rectangle would be taller or wider than the picture, it is
    as tall or wide as that and keeps its area.

    Source: Zhong et al. 2020, "Random Erasing Data Augmentation".

    Example:
        {op: random_erasing, area: 0.2, fill: random}
    """

    severities = ({"area": 0.05}, {"area": 0.1}, {"area": 0.2}, {"area": 0.35}, {"area": 0.5})

    area: Share = 0.2
    """Area of the rectangle, as a share of the picture's; the sides are rounded to whole pixels."""

    aspect: Annotated[float, Field(ge=1, le=100)] = 3.3333
    """Largest ratio of height to width, and of width to height; in between, its logarithm is uniform."""

    fill: Literal["constant", "random", "mean"] = "constant"
    """What the rectangle holds: black (constant), any value at random (random), or the picture's mean colour (mean)."""

    def draw(self, pixels: Pixels, rng: Generator) -> dict[str, Any]:
        stretch, down, right = rng.random(3).tolist()
        # Rounded, because the last bits of a power differ between mathematical libraries.
        return {"ratio": round(self.aspect ** (2 * stretch - 1), 9), "place": [down, right]}

    def apply(self, pixels: Pixels, drawn: Mapping[str, Any], rng: Generator) -> Pixels:
        height, width = pixels.shape[:2]
        area, ratio = self.area * height * width, drawn["ratio"]
        rows = min(round(max(sqrt(area * ratio), area / width)), height)
        columns = min(round(max(sqrt(area / ratio), area / height)), width)
        top, left = (int(u * rest) for u, rest in zip(drawn["place"], (height - rows, width - columns), strict=True))
        erased = pixels.copy()
        hole = erased[top : top + rows, left : left + columns]
        if self.fill == "random":
            # For the whole picture, so that a larger rectangle shows the same values.
            speckle = rng.integers(0, 256, pixels.shape, np.uint8)[top : top + rows, left : left + columns]
            hole[:] = speckle * pixels.dtype.type(white(pixels) // 255)
        else:
            hole[:] = _mean(pixels) if self.fill == "mean" else 0
        return erased


def _mean(pixels: Pixels) -> NDArray[np.int64]:
    """Return the mean of each channel, rounded."""
    count = pixels.shape[0] * pixels.shape[1]
    total: NDArray[np.int64] = pixels.sum(axis=(0, 1), dtype=np.int64)
    mean: NDArray[np.int64] = (2 * total + count) // (2 * count)
    return mean


@register
class GridMask(ImageCorruption):
    """Cover the picture with a regular grid of black squares: a view through a lattice.

    The share of the picture that is covered is the square of `size`. The grid begins anywhere; it is upright, as the
    authors had it for ImageNet.

    Source: Chen et al. 2020, "GridMask Data Augmentation".

    Example:
        {op: grid_mask, size: 0.5, period: 0.5}
    """

    severities = ({"size": 0.2}, {"size": 0.3}, {"size": 0.4}, {"size": 0.55}, {"size": 0.7})

    size: Share = 0.4
    """Side of a square, as a share of the period; above 0 at least 1 px."""

    period: Annotated[float, Field(gt=0, le=1)] = 0.25
    """From one square to the next, as a share of the shorter side of the picture; at least 2 px."""

    def draw(self, pixels: Pixels, rng: Generator) -> dict[str, Any]:
        period = max(round(self.period * min(pixels.shape[:2])), 2)
        return {"period_px": period, "start": [int(share * period) for share in rng.random(2).tolist()]}

    def apply(self, pixels: Pixels, drawn: Mapping[str, Any], rng: Generator) -> Pixels:
        period = drawn["period_px"]
        side = max(round(self.size * period), self.size > 0)
        rows, columns = (
            (np.arange(length) + start) % period < side
            for length, start in zip(pixels.shape[:2], drawn["start"], strict=True)
        )
        covered = pixels.copy()
        covered[np.ix_(rows, columns)] = 0
        return covered


@register
class PixelDropout(ImageCorruption):
    """Turn single pixels black, in all channels at once: a sensor or transmission that loses pixels.

    Source: Srivastava et al. 2014, "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", of the input.

    Example:
        {op: pixel_dropout, amount: 0.2}
    """

    severities = ({"amount": 0.02}, {"amount": 0.05}, {"amount": 0.1}, {"amount": 0.2}, {"amount": 0.4})

    amount: Share = 0.1
    """Share of the pixels that are lost."""

    def apply(self, pixels: Pixels, drawn: Mapping[str, Any], rng: Generator) -> Pixels:
        dropped = pixels.copy()
        dropped[chosen(rng, pixels.shape[:2], self.amount)] = 0
        return dropped


@register
class BlueNoiseSample(ImageCorruption):
    """Turn single pixels black that are spread evenly, seldom side by side: a regular loss of samples.

    Pixels are lost where blue noise, whose power grows with the square of the frequency, is lowest. The noise is made
    of differences of white noise rather than by a Fourier transform, whose last bits depend on the CPU.

    Source: Mintun, Kirillov and Xie 2021, "On Interaction Between Augmentations and Corruptions in Natural Corruption
    Robustness" (ImageNet-C-bar).

    Example:
        {op: blue_noise_sample, amount: 0.1}
    """

    severities = ({"amount": 0.0119}, {"amount": 0.0217}, {"amount": 0.0375}, {"amount": 0.0968}, {"amount": 0.2061})
    small_severities = {
        32: ({"amount": 0.011}, {"amount": 0.0188}, {"amount": 0.0307}, {"amount": 0.0735}, {"amount": 0.1075}),
    }

    amount: Share = 0.0375
    """Share of the pixels that are lost."""

    def apply(self, pixels: Pixels, drawn: Mapping[str, Any], rng: Generator) -> Pixels:
        noise = blue(rng, (*pixels.shape[:2], 1))[..., 0]
        sampled = pixels.copy()
        if self.amount > 0:
            threshold = quantile(np.array([min(self.amount, 1 - 2.0**-40)]))[0]
            sampled[noise < np.float32(threshold)] = 0
        return sampled


@register
class CheckerboardCutout(ImageCorruption):
    """Cover some of the dark squares of a turned checkerboard with grey: clutter in front of the object.

    A square is 0.1 to 0.25 of a side wide (of a square of the picture's area), and the board is turned by any angle. As
    published, each dark square is covered by chance; here just the share of them is.

    Source: Mintun, Kirillov and Xie 2021, "On Interaction Between Augmentations and Corruptions in Natural Corruption
    Robustness" (ImageNet-C-bar).

    Example:
        {op: checkerboard_cutout, severity: 3}
    """

    severities = ({"amount": 0.2}, {"amount": 0.3}, {"amount": 0.4}, {"amount": 0.5}, {"amount": 0.6})
    small_severities = {
        32: ({"amount": 0.1}, {"amount": 0.2}, {"amount": 0.3}, {"amount": 0.4}, {"amount": 0.5}),
    }

    amount: Share = 0.4
    """Share of the visible dark squares that are covered, to the nearest square; above 0 at least one."""

    def draw(self, pixels: Pixels, rng: Generator) -> dict[str, Any]:
        turn, size, *start = rng.random(4).tolist()
        square = max((0.1 + 0.15 * size) * side_of(pixels), 1.0)
        return {"angle": 360 * turn, "square_px": square, "start": start}

    def apply(self, pixels: Pixels, drawn: Mapping[str, Any], rng: Generator) -> Pixels:
        height, width = pixels.shape[:2]
        corners = np.stack(_squares(np.array([[0], [height - 1]]), np.array([0, width - 1]), drawn))
        first = corners.min(axis=(1, 2))
        lots = rng.random(corners.max(axis=(1, 2)) - first + 1)
        lots[::2, ::2] = lots[1::2, 1::2] = 2
        seen = np.full(lots.shape, 2.0)

        def squares(band: slice) -> tuple[Places, Places]:
            rows, columns = _squares(np.arange(band.start, band.stop)[:, np.newaxis], np.arange(width), drawn)
            return rows - first[0], columns - first[1]

        for band in bands(pixels.shape):
            seen[squares(band)] = lots[squares(band)]
        dark = np.sort(seen[seen < 1])
        count = round(self.amount * len(dark)) or int(self.amount > 0)
        struck = seen <= (dark[count - 1] if count and len(dark) else -1)
        covered = pixels.copy()
        for band in bands(pixels.shape):
            covered[band][struck[squares(band)]] = 128 * (white(pixels) // 255)
        return covered


def _squares(down: Places, right: Places, drawn: Mapping[str, Any]) -> tuple[Places, Places]:
    """Return row and column of the squares of the board that places lie in."""
    turn = drawn["angle"] / 360
    aside, along = (sine(np.array([turn, turn + 0.25])) / drawn["square_px"]).tolist()
    rows = np.floor(down * along + right * aside + drawn["start"][0])
    columns = np.floor(right * along - down * aside + drawn["start"][1])
    return rows.astype(np.int64), columns.astype(np.int64)
