"""Geometry: small movements after which the label still holds. Pixels move; transparency stays where it is."""

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from pydantic import Field

from noisecli.corruption import ImageCorruption, Pixels, register
from noisecli.corruption.base import Preset
from noisecli.pixels import inside
from noisecli.pixels.fields import smooth_noise
from noisecli.pixels.warp import warped

SIDES = ("top", "right", "bottom", "left")

Weights = tuple[float, float, float]
"""What a number grows by per row and per column, and what it is where both are 0."""


def _elastic(side: int, *rows: tuple[float, float, float]) -> tuple[Preset, ...]:
    """Return presets, in px, out of shares of a side."""
    names = ("alpha", "sigma", "affine")
    return tuple({name: round(side * share, 4) for name, share in zip(names, row, strict=True)} for row in rows)


@register
class Elastic(ImageCorruption):
    """Bend the picture like a sheet of rubber: a handwriting, a cloth, a cell under another pressure.

    An affine map fetches three points of a triangle in the middle of the picture from up to `affine` px beside them;
    fields of uniform noise, smoothed by a Gaussian and multiplied by `alpha`, displace each pixel on top. What lies
    beyond the picture is its mirror image. Only pixels move: transparency stays where it is. This is ImageNet-C's; the
    package imagecorruptions has other fields and no affine map.

    Source: Simard, Steinkraus and Platt 2003, "Best Practices for Convolutional Neural Networks Applied to Visual
    Document Analysis"; Hendrycks and Dietterich 2019, "Benchmarking Neural Network Robustness to Common Corruptions".

    Example:
        {op: elastic, severity: 3}
    """

    # 244 was meant to be 224 and stayed.
    severities = _elastic(
        244, (2, 0.7, 0.1), (2, 0.08, 0.2), (0.05, 0.01, 0.02), (0.07, 0.01, 0.02), (0.12, 0.01, 0.02)
    )
    small_severities = {
        32: _elastic(32, (0, 0, 0.08), (0.05, 0.2, 0.07), (0.08, 0.06, 0.06), (0.1, 0.04, 0.05), (0.1, 0.03, 0.03)),
        64: _elastic(64, (0, 0, 0.08), (0.05, 0.3, 0.06), (0.1, 0.08, 0.06), (0.1, 0.03, 0.03), (0.16, 0.03, 0.02)),
    }

    alpha: Annotated[float, Field(ge=0, le=1e4)] = 12.2
    """What the smoothed noise, made of numbers from -1 .. 1, is multiplied by, in px: displacements get a standard
    deviation of alpha / (6.1 * sigma)."""

    sigma: Annotated[float, Field(ge=0, le=1e3)] = 2.44
    """Standard deviation of the Gaussian that smooths, in px: how wide bends are."""

    affine: Annotated[float, Field(ge=0, le=1e3)] = 4.88
    """How far the corners of the triangle move at most, down and right each, in px."""

    def moves(self) -> bool:
        return self.alpha > 0 or self.affine > 0

    def draw(self, pixels: Pixels, rng: Generator) -> dict[str, Any]:
        return {"corners": (2 * rng.random((3, 2)) - 1).tolist()}

    def apply(self, pixels: Pixels, drawn: Mapping[str, Any], rng: Generator) -> Pixels:
        height, width = pixels.shape[:2]
        bends = [smooth_noise(rng, height, width, self.sigma) for _ in range(2)]
        slopes = self._slopes(drawn["corners"], height, width)

        def displacement(band: slice) -> tuple[NDArray[Any], NDArray[Any]]:
            bent = [self.alpha * bend(band) for bend in bends]
            rows = np.arange(band.start, band.stop)[:, np.newaxis] + bent[0]
            columns = np.arange(width) + bent[1]
            down, right = (part + _plane(slope, rows, columns) for part, slope in zip(bent, slopes, strict=True))
            return down, right

        return warped(pixels, displacement)

    def _slopes(self, corners: list[list[float]], height: int, width: int) -> list[Weights]:
        """Return how far the affine map moves a pixel down, and how far right."""
        third = min(height, width) / 3
        top, right = height / 2 - third, width / 2 + third
        slopes = []
        for below, corner, left in zip(*corners, strict=True):
            per_row, per_column = (end * self.affine / (2 * third) for end in (below - corner, corner - left))
            slopes.append((per_row, per_column, corner * self.affine - top * per_row - right * per_column))
        return slopes


@register
class PixelShift(ImageCorruption):
    """Move the whole picture by some pixels: the camera or the crop is a little off.

    All offsets down and right from -most to most px are equally likely. What comes in at the border is the mirror image
    of the picture. Only pixels move: transparency stays where it is.

    Source: Azulay and Weiss 2019, "Why Do Deep Convolutional Networks Generalize so Poorly to Small Image
    Transformations?".

    Example:
        {op: pixel_shift, most: 3}
    """

    severities = ({"most": 2}, {"most": 4}, {"most": 8}, {"most": 16}, {"most": 32})
    small_severities = {
        32: ({"most": 1}, {"most": 2}, {"most": 3}, {"most": 4}, {"most": 5}),
        64: ({"most": 1}, {"most": 2}, {"most": 4}, {"most": 6}, {"most": 9}),
    }

    most: Annotated[int, Field(ge=0, le=10_000)] = 8
    """Largest offset, down and right each, in px."""

    def moves(self) -> bool:
        return self.most > 0

    def draw(self, pixels: Pixels, rng: Generator) -> dict[str, Any]:
        down, right = (2 * rng.random(2) - 1).tolist()
        return {"down": down, "right": right}

    def apply(self, pixels: Pixels, drawn: Mapping[str, Any], rng: Generator) -> Pixels:
        height, width = pixels.shape[:2]
        down, right = (math.floor((drawn[way] + 1) / 2 * (2 * self.most + 1)) - self.most for way in ("down", "right"))
        rows = inside(np.arange(height) - down, height, "reflect")
        return pixels.take(rows, axis=0).take(inside(np.arange(width) - right, width, "reflect"), axis=1)


@register
class Perspective(ImageCorruption):
    """Tilt the picture in space: a sign or a page seen from slightly aside.

    On each side of the picture one of its two corners, drawn, is fetched from up to `amount` of the sides further in;
    the rest follows by the projection that maps the four corners so. Nothing beyond the picture comes in. Only pixels
    move: transparency stays where it is.

    Source: Heckbert 1989, "Fundamentals of Texture Mapping and Image Warping".

    Example:
        {op: perspective, severity: 4}
    """

    severities = ({"amount": 0.05}, {"amount": 0.1}, {"amount": 0.15}, {"amount": 0.2}, {"amount": 0.28})

    amount: Annotated[float, Field(ge=0, le=0.3)] = 0.15
    """How far in a corner comes from at most, as a share of the sides; a third would fold the picture."""

    def moves(self) -> bool:
        return self.amount > 0

    def draw(self, pixels: Pixels, rng: Generator) -> dict[str, Any]:
        return dict(zip(SIDES, (2 * rng.random(4) - 1).tolist(), strict=True))

    def apply(self, pixels: Pixels, drawn: Mapping[str, Any], rng: Generator) -> Pixels:
        height, width = pixels.shape[:2]
        down_weights, right_weights, depth_weights = _projection(self._corners(drawn))
        columns = np.arange(width)

        def displacement(band: slice) -> tuple[NDArray[Any], NDArray[Any]]:
            rows = np.arange(band.start, band.stop)[:, np.newaxis]
            down, right = rows / max(height - 1, 1), columns / max(width - 1, 1)
            depth = _plane(depth_weights, down, right)
            return (
                _plane(down_weights, down, right) / depth * (height - 1) - rows,
                _plane(right_weights, down, right) / depth * (width - 1) - columns,
            )

        return warped(pixels, displacement)

    def _corners(self, drawn: Mapping[str, Any]) -> tuple[tuple[float, float], ...]:
        """Return where the corners come from, clockwise from the upper left, in shares of the sides."""
        # How far in the two ends of each side are: the upper or left one where what is drawn is above 0.
        top, right, bottom, left = (
            (max(drawn[side], 0) * self.amount, max(-drawn[side], 0) * self.amount) for side in SIDES
        )
        return (
            (top[0], left[0]),
            (top[1], 1 - right[0]),
            (1 - bottom[1], 1 - right[1]),
            (1 - bottom[0], left[1]),
        )


def _plane(weights: Weights, down: NDArray[Any], right: NDArray[Any]) -> NDArray[Any]:
    height: NDArray[Any] = weights[0] * down + weights[1] * right + weights[2]
    return height


def _projection(corners: Sequence[tuple[float, float]]) -> list[Weights]:
    """Return the projection of the unit square onto a quadrilateral.

    Args:
        corners: Where (0, 0), (0, 1), (1, 1) and (1, 0) go, down and right each.

    Returns:
        The new place down and the new place right, and the depth that both are to be divided by.
    """
    first, second, third, fourth = corners
    towards_right = [a - b for a, b in zip(second, third, strict=True)]
    towards_left = [a - b for a, b in zip(fourth, third, strict=True)]
    askew = [a - b + c - d for a, b, c, d in zip(*corners, strict=True)]

    def area(one: Sequence[float], other: Sequence[float]) -> float:
        return one[0] * other[1] - one[1] * other[0]

    whole = area(towards_right, towards_left)
    across, along = area(askew, towards_left) / whole, area(towards_right, askew) / whole
    ways = [(d - a + along * d, b - a + across * b, a) for a, b, d in zip(first, second, fourth, strict=True)]
    return [*ways, (along, across, 1.0)]
