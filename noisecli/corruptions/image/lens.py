"""The lens: what glass makes of the light that goes through it."""

from collections.abc import Mapping
from math import sqrt
from typing import Annotated, Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from pydantic import Field

from noisecli.corruption import ImageCorruption, Pixels, register
from noisecli.elementary import sine
from noisecli.normal import Floats
from noisecli.parameters import Share
from noisecli.pixels import Reals, dimmed, in_planes, white
from noisecli.pixels.colour import luma
from noisecli.pixels.warp import displaced

SUNLIGHT = (1.0, 0.94, 0.8)
"""Warm white."""

GHOSTS, RAYS = 6, 4

COLOURS = ("red", "green", "blue")


@register
class ChromaticAberration(ImageCorruption):
    """Scale red up and blue down about the centre: the colour fringes of a simple lens.

    Glass bends blue more than red, so the three channels make pictures of slightly different sizes (lateral
    aberration): edges get a red and a blue side, the more the farther they are from the centre. Pictures of one channel
    stay as they are.

    Source: Kang 2007, "Automatic Removal of Chromatic Aberration from a Single Image".

    Example:
        {op: chromatic_aberration, amount: 0.1}
    """

    severities = ({"amount": 0.005}, {"amount": 0.01}, {"amount": 0.015}, {"amount": 0.02}, {"amount": 0.03})

    amount: Annotated[float, Field(ge=0, le=0.5)] = 0.015
    """How much larger red is than green, and blue smaller, as a share of the picture's size."""

    def apply(self, pixels: Pixels, drawn: Mapping[str, Any], rng: Generator) -> Pixels:
        fringed = pixels.copy()
        down, right = (np.arange(size) - (size - 1) / 2 for size in pixels.shape[:2])
        for channel, scale in ((0, 1 + self.amount), (2, 1 - self.amount)) if pixels.shape[2] == 3 else ():
            farther = 1 / scale - 1
            fringed[..., channel] = displaced(
                pixels[..., channel, np.newaxis], down[:, np.newaxis] * farther, right * farther
            )[..., 0]
        return fringed


@register
class Vignette(ImageCorruption):
    """Darken the picture towards its corners: a wide or a cheap lens.

    Light falls off with the fourth power of the cosine of the angle at which it comes in.

    Source: Goldman 2010, "Vignette and Exposure Calibration and Compensation".

    Example:
        {op: vignette, amount: 0.6}
    """

    severities = ({"amount": 0.4}, {"amount": 0.55}, {"amount": 0.7}, {"amount": 0.85}, {"amount": 0.95})

    amount: Annotated[float, Field(ge=0, le=0.99)] = 0.7
    """Share of its brightness that a corner of the picture loses."""

    def apply(self, pixels: Pixels, drawn: Mapping[str, Any], rng: Generator) -> Pixels:
        height, width = pixels.shape[:2]
        down, right = (np.arange(size) - (size - 1) / 2 for size in (height, width))
        # The square of the tangent, which is 1 / cosine**2 - 1, grows with the square of the distance.
        corner = 4 * (1 / sqrt(1 - self.amount) - 1) / (height * height + width * width)

        def left(band: slice) -> NDArray[Any]:
            tangent = ((down * down)[band, np.newaxis] + right * right) * corner
            share: NDArray[Any] = 1 / ((1 + tangent) * (1 + tangent))
            return share

        return dimmed(pixels, left)


@register
class SunFlare(ImageCorruption):
    """Let the sun shine into the lens: a glare with rays, and coloured ghosts opposite.

    The sun stands in the upper half of the picture. Its light is reflected between the lenses of a camera, so discs
    of faint colour lie on the line from the sun through the centre. Light is laid on as by a second exposure: the
    brighter a pixel, the less it gains. One-channel pictures get the brightness of the colours.

    Source: Buslaev et al. 2020, "Albumentations: Fast and Flexible Image Augmentations".

    Example:
        {op: sun_flare, severity: 3}
    """

    severities = (
        {"amount": 0.4, "size": 0.1},
        {"amount": 0.55, "size": 0.14},
        {"amount": 0.7, "size": 0.19},
        {"amount": 0.85, "size": 0.25},
        {"amount": 1.0, "size": 0.33},
    )

    amount: Share = 0.7
    """Brightness of the sun's disc, as a share of white; all else is in proportion."""

    size: Annotated[float, Field(ge=0.001, le=2)] = 0.19
    """Distance from the sun at which its glare has fallen to half, as a share of the longer side."""

    def draw(self, pixels: Pixels, rng: Generator) -> dict[str, Any]:
        down, right, angle = (rng.random(3) * (0.4, 0.8, 180 / RAYS) + (0.05, 0.1, 0)).round(4).tolist()
        ghosts = (rng.random((GHOSTS, 6)) * (1.6, 0.07, 0.3, 1, 1, 1) + (0.4, 0.02, 0.1, 0, 0, 0)).round(4).tolist()
        names = ("along", "radius", "light", *COLOURS)
        return {
            "sun": [down, right],
            "angle": angle,
            "ghosts": [dict(zip(names, ghost, strict=True)) for ghost in ghosts],
        }

    def apply(self, pixels: Pixels, drawn: Mapping[str, Any], rng: Generator) -> Pixels:
        height, width, channels = pixels.shape
        unit, most = max(height, width), np.float32(white(pixels))
        rows, columns = ((np.arange(size, dtype=np.float32) + 0.5) / np.float32(unit) for size in (height, width))
        sun = np.array(drawn["sun"]) * (height / unit, width / unit)
        centre = np.array([height / unit, width / unit]) / 2

        def flare(levels: Reals, band: slice) -> None:
            down, right = rows[band, np.newaxis] - np.float32(sun[0]), columns - np.float32(sun[1])
            light = self._glare(down, right, drawn["angle"]) * np.array(SUNLIGHT, np.float32)[:, np.newaxis, np.newaxis]
            for ghost in drawn["ghosts"]:
                _add_ghost(light, rows[band], columns, sun + ghost["along"] * (centre - sun), ghost)
            light *= np.float32(self.amount)
            np.minimum(light, 1, out=light)
            if channels == 1:
                light = luma(np.moveaxis(light, 0, 2))[..., 0]
            levels += (most - levels) * light

        return in_planes(pixels, flare)

    def _glare(self, down: Reals, right: Reals, angle: float) -> Reals:
        """Return the light of the sun at some distance from it: its disc, its glow, its rays."""
        square = (down * down + right * right) / np.float32(self.size * self.size)
        glow: Reals = np.reciprocal(1 + square)
        disc = 25 * square
        light: Reals = np.float32(0.6) * glow + np.reciprocal(1 + disc * disc)
        for ray in range(RAYS):
            turn = angle / 360 + ray / RAYS / 2
            across = sine(np.array([turn, turn + 0.25])).astype(np.float32)
            off = (down * across[0] + right * across[1]) / np.float32(self.size)
            light += glow * np.float32(0.35) / (1 + 400 * off * off)
        return light


def _add_ghost(light: Reals, rows: Reals, columns: Reals, place: Floats, ghost: Mapping[str, float]) -> None:
    """Add the light of a disc that is brighter at its rim."""
    radius, (row, column) = ghost["radius"], place.tolist()
    seen = [slice(*np.searchsorted(line, (at - radius, at + radius))) for line, at in ((rows, row), (columns, column))]
    down, right = rows[seen[0]] - np.float32(row), columns[seen[1]] - np.float32(column)
    square = (down[:, np.newaxis] * down[:, np.newaxis] + right * right) / np.float32(radius * radius)
    inside = np.clip(5 - 5 * square, 0, 1) * (0.5 + 0.5 * square) * np.float32(ghost["light"])
    for plane, colour in zip(light, COLOURS, strict=True):
        plane[tuple(seen)] += inside * np.float32(ghost[colour])
