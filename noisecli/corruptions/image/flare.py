"""Flare: what a bright light does inside a lens."""

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from numpy.random import Generator
from pydantic import Field

from noisecli.corruption import ImageCorruption, Pixels, register
from noisecli.elementary import sine
from noisecli.normal import Floats
from noisecli.pixels import Reals, bands, from_planes, planes, white
from noisecli.pixels.colour import luma

SUNLIGHT = (1.0, 0.94, 0.8)
"""Warm white."""

GHOSTS, RAYS = 6, 4

COLOURS = ("red", "green", "blue")


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

    amount: Annotated[float, Field(ge=0, le=1)] = 0.7
    """Brightness of the sun's disc, as a share of white; all else is in proportion."""

    size: Annotated[float, Field(ge=0.001, le=2)] = 0.19
    """Distance from the sun at which its glare has fallen to half, as a share of the longer side."""

    def draw(self, pixels: Pixels, rng: Generator) -> dict[str, Any]:
        down, right, turn = (rng.random(3) * (0.4, 0.8, 1 / RAYS) + (0.05, 0.1, 0)).round(4).tolist()
        ghosts = (rng.random((GHOSTS, 6)) * (1.6, 0.07, 0.3, 1, 1, 1) + (0.4, 0.02, 0.1, 0, 0, 0)).round(4).tolist()
        names = ("along", "radius", "light", *COLOURS)
        return {
            "sun": [down, right],
            "turn": turn,
            "ghosts": [dict(zip(names, ghost, strict=True)) for ghost in ghosts],
        }

    def apply(self, pixels: Pixels, drawn: Mapping[str, Any], rng: Generator) -> Pixels:
        height, width, channels = pixels.shape
        unit, most = max(height, width), np.float32(white(pixels))
        rows, columns = ((np.arange(size, dtype=np.float32) + 0.5) / np.float32(unit) for size in (height, width))
        sun = np.array(drawn["sun"]) * (height / unit, width / unit)
        centre = np.array([height / unit, width / unit]) / 2
        result = np.empty_like(pixels)
        for band in bands(pixels.shape):
            down, right = rows[band, np.newaxis] - np.float32(sun[0]), columns - np.float32(sun[1])
            light = self._glare(down, right, drawn["turn"]) * np.array(SUNLIGHT, np.float32)[:, np.newaxis, np.newaxis]
            for ghost in drawn["ghosts"]:
                _add_ghost(light, rows[band], columns, sun + ghost["along"] * (centre - sun), ghost)
            light *= np.float32(self.amount)
            np.minimum(light, 1, out=light)
            if channels == 1:
                light = luma(np.moveaxis(light, 0, 2))[..., 0]
            levels = planes(pixels[band])
            levels += (most - levels) * light
            result[band] = from_planes(levels, pixels.dtype)
        return result

    def _glare(self, down: Reals, right: Reals, turn: float) -> Reals:
        """Return the light of the sun at some distance from it: its disc, its glow, its rays."""
        square = (down * down + right * right) / np.float32(self.size * self.size)
        glow: Reals = np.reciprocal(1 + square)
        disc = 25 * square
        light: Reals = np.float32(0.6) * glow + np.reciprocal(1 + disc * disc)
        for ray in range(RAYS):
            across = sine(np.array([turn + ray / RAYS / 2, turn + ray / RAYS / 2 + 0.25])).astype(np.float32)
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
