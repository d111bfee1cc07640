"""Weather: what falls or floats between the camera and the scene."""

from collections.abc import Mapping
from math import ceil
from typing import Annotated, Any

import numpy as np
from numpy.random import Generator
from pydantic import Field

from noisecli.corruption import ImageCorruption, Pixels, register
from noisecli.elementary import sine
from noisecli.normal import Floats
from noisecli.parameters import Share
from noisecli.pixels import Reals, bands, in_bands, in_planes, to_pixels, white
from noisecli.pixels.blur import Tap, gaussian, motion_taps, weighted
from noisecli.pixels.chance import STEPS, bits16, normal_table, uniform
from noisecli.pixels.colour import luma
from noisecli.pixels.fields import plasma
from noisecli.pixels.resample import enlarged

RAIN_SIDE = 500
"""Longer side of the grid that rain is drawn on, in px; larger pictures get it enlarged, not more and finer streaks."""

RAIN_LIGHT = 0.85
"""Brightness of a drop, as a share of white: it shows the sky."""


@register
class Fog(ImageCorruption):
    """Lay a cloudy veil over the picture: fog that is thicker here than there.

    A random field of clouds is added to all channels alike; then everything is dimmed, so that the brightest pixel
    under the thickest fog is as bright as the brightest was before: black pictures stay black. Contrast falls by the
    same factor.

    Source: Hendrycks and Dietterich 2019, "Benchmarking Neural Network Robustness to Common Corruptions".

    Example:
        {op: fog, severity: 3}
    """

    severities = (
        {"amount": 1.5, "decay": 2.0},
        {"amount": 2.0, "decay": 2.0},
        {"amount": 2.5, "decay": 1.7},
        {"amount": 2.5, "decay": 1.5},
        {"amount": 3.0, "decay": 1.4},
    )
    small_severities = {
        32: (
            {"amount": 0.2, "decay": 3.0},
            {"amount": 0.5, "decay": 3.0},
            {"amount": 0.75, "decay": 2.5},
            {"amount": 1.0, "decay": 2.0},
            {"amount": 1.5, "decay": 1.75},
        ),
        64: (
            {"amount": 0.4, "decay": 3.0},
            {"amount": 0.7, "decay": 3.0},
            {"amount": 1.0, "decay": 2.5},
            {"amount": 1.5, "decay": 2.0},
            {"amount": 2.0, "decay": 1.75},
        ),
    }

    amount: Annotated[float, Field(ge=0, le=100)] = 2.5
    """Brightness of the thickest fog before all is dimmed, as a multiple of the range from black to white."""

    decay: Annotated[float, Field(ge=1, le=10)] = 1.7
    """How fast the clouds lose their detail: 3 is smooth, 1.4 is ragged."""

    def apply(self, pixels: Pixels, drawn: Mapping[str, Any], rng: Generator) -> Pixels:
        clouds = plasma(rng, pixels.shape[0], pixels.shape[1], self.decay)
        brightest, thickest = int(pixels.max()), self.amount * white(pixels)
        dimmed = brightest / max(brightest + thickest, 1)

        def veil(levels: Reals, band: slice) -> None:
            levels += clouds[band] * np.float32(thickest)
            levels *= np.float32(dimmed)

        return in_planes(pixels, veil)


_SNOW_32 = (
    {"mean": 0.1, "std": 0.2, "zoom": 1.0, "threshold": 0.6, "radius": 8, "sigma": 3.0, "mix": 0.95},
    {"mean": 0.1, "std": 0.2, "zoom": 1.0, "threshold": 0.5, "radius": 10, "sigma": 4.0, "mix": 0.9},
    {"mean": 0.15, "std": 0.3, "zoom": 1.75, "threshold": 0.55, "radius": 10, "sigma": 4.0, "mix": 0.9},
    {"mean": 0.25, "std": 0.3, "zoom": 2.25, "threshold": 0.6, "radius": 12, "sigma": 6.0, "mix": 0.85},
    {"mean": 0.3, "std": 0.3, "zoom": 1.25, "threshold": 0.65, "radius": 14, "sigma": 12.0, "mix": 0.8},
)


@register
class Snow(ImageCorruption):
    """Let snow fall: white flakes, blurred along their fall, before a scene that is whiter too.

    Flakes are where normal noise, enlarged about its centre, exceeds a threshold. The layer of flakes is laid on twice,
    the second time turned upside down. All colours get the same white.

    Source: Hendrycks and Dietterich 2019, "Benchmarking Neural Network Robustness to Common Corruptions".

    Example:
        {op: snow, severity: 3}
    """

    severities = (
        {"mean": 0.1, "std": 0.3, "zoom": 3.0, "threshold": 0.5, "radius": 10, "sigma": 4.0, "mix": 0.8},
        {"mean": 0.2, "std": 0.3, "zoom": 2.0, "threshold": 0.5, "radius": 12, "sigma": 4.0, "mix": 0.7},
        {"mean": 0.55, "std": 0.3, "zoom": 4.0, "threshold": 0.9, "radius": 12, "sigma": 8.0, "mix": 0.7},
        {"mean": 0.55, "std": 0.3, "zoom": 4.5, "threshold": 0.85, "radius": 12, "sigma": 8.0, "mix": 0.65},
        {"mean": 0.55, "std": 0.3, "zoom": 2.5, "threshold": 0.85, "radius": 12, "sigma": 12.0, "mix": 0.55},
    )
    small_severities = {
        32: _SNOW_32,
        64: tuple({**row, "mix": mix} for row, mix in zip(_SNOW_32, (0.8, 0.8, 0.7, 0.65, 0.6), strict=True)),
    }

    mean: Annotated[float, Field(ge=-10, le=10)] = 0.55
    """Mean of the noise, as a share of the range from black to white."""

    std: Annotated[float, Field(ge=0, le=10)] = 0.3
    """Standard deviation of the noise, likewise."""

    zoom: Annotated[float, Field(ge=1, le=100)] = 4.0
    """How much the noise is enlarged: about the size of a flake, in px."""

    threshold: Share = 0.9
    """Noise below this leaves no flake."""

    radius: Annotated[int, Field(ge=0, le=100)] = 12
    """Half of the length that a flake is smeared over, in px."""

    sigma: Annotated[float, Field(ge=0.01, le=1000)] = 8.0
    """How slowly the smear fades along its length, in px."""

    mix: Share = 0.7
    """Share of the picture that keeps its colours; the rest turns white."""

    def draw(self, pixels: Pixels, rng: Generator) -> dict[str, Any]:
        return {"angle": round(-135 + 90 * rng.random(), 3)}

    def apply(self, pixels: Pixels, drawn: Mapping[str, Any], rng: Generator) -> Pixels:
        taps = motion_taps(self.radius, self.sigma, drawn["angle"])
        halo = 2 * self.radius
        still = self._flakes(rng, pixels.shape[0], pixels.shape[1])
        flakes = in_bands(still, halo, lambda seen: weighted(seen, halo, taps))
        turned = flakes[::-1, ::-1]
        most, mix = np.float32(white(pixels)), np.float32(self.mix)

        def snow(levels: Reals, band: slice) -> None:
            whiter = np.maximum(levels, luma(pixels[band])[..., 0] * np.float32(1.5) + most / 2)
            whiter *= 1 - mix
            levels *= mix
            levels += whiter
            levels += (flakes[band].astype(np.float32) + turned[band])[..., 0] * (most / white(flakes))

        return in_planes(pixels, snow)

    def _flakes(self, rng: Generator, height: int, width: int) -> Pixels:
        """Return the flakes before they are smeared, of 16 bits."""
        noise = bits16(rng, (height, width))
        down, right = (_enlarging(size, self.zoom) for size in noise.shape)
        flakes = np.empty((height, width, 1), np.uint16)
        for band in bands((height, width)):
            layer = enlarged(noise, down[band], right, normal_table())
            layer *= np.float32(self.std)
            layer += np.float32(self.mean)
            layer[layer < np.float32(self.threshold)] = 0
            flakes[band] = to_pixels(layer * np.float32(white(flakes)), flakes.dtype)[..., np.newaxis]
        return flakes


def _enlarging(size: int, zoom: float) -> Floats:
    """Return the places in a row of noise that an enlargement about its centre shows."""
    seen = ceil(size / zoom)
    step = (seen - 1) / max(round(seen * zoom) - 1, 1)
    return np.arange(size, dtype=np.float64) * step + (size - seen) // 2


_RAIN = (
    {"amount": 0.06, "length": 0.05, "dim": 0.1, "blur": 0.3},
    {"amount": 0.12, "length": 0.06, "dim": 0.16, "blur": 0.5},
    {"amount": 0.2, "length": 0.07, "dim": 0.22, "blur": 0.7},
    {"amount": 0.3, "length": 0.085, "dim": 0.28, "blur": 0.9},
    {"amount": 0.45, "length": 0.1, "dim": 0.35, "blur": 1.2},
)


@register
class Rain(ImageCorruption):
    """Let rain fall: thin bright streaks, all along one slant, before a scene that is darker and less sharp.

    A streak begins wherever a random number is below a share, so heavier rain is the same streaks and more. They are
    drawn on a grid of at most 500 px, which is enlarged to the picture, and show the grey of the sky.

    Source: Garg and Nayar 2006, "Photorealistic Rendering of Rain Streaks"; simplified.

    Example:
        {op: rain, severity: 3}
    """

    severities = _RAIN

    small_severities = {
        side: tuple({**row, "blur": blur} for row, blur in zip(_RAIN, blurs, strict=True))
        for side, blurs in {32: (0.1, 0.2, 0.3, 0.4, 0.5), 64: (0.2, 0.3, 0.4, 0.5, 0.7)}.items()
    }

    amount: Share = 0.2
    """Share of the picture that streaks cover, about: they cross each other, and fade."""

    length: Annotated[float, Field(gt=0, le=0.5)] = 0.07
    """Length of a streak, as a share of the longer side."""

    dim: Share = 0.22
    """Share of its light that the scene loses."""

    blur: Annotated[float, Field(ge=0, le=100)] = 0.7
    """Standard deviation of the blur of the scene, in px."""

    def draw(self, pixels: Pixels, rng: Generator) -> dict[str, Any]:
        return {"angle": round(70 + 40 * rng.random(), 3)}

    def apply(self, pixels: Pixels, drawn: Mapping[str, Any], rng: Generator) -> Pixels:
        height, width = pixels.shape[:2]
        scale = max(max(height, width) / RAIN_SIDE, 1.0)
        streaks = self._streaks(rng, ceil(height / scale), ceil(width / scale), drawn["angle"])
        scene = gaussian(pixels, self.blur)
        down, right = (np.arange(size) / scale for size in (height, width))

        def rain(levels: Reals, band: slice) -> None:
            wet = enlarged(streaks, down[band], right) / np.float32(STEPS - 1)
            levels *= np.float32(1 - self.dim) * (1 - wet)
            levels += np.float32(RAIN_LIGHT * white(pixels)) * wet

        return in_planes(scene, rain)

    def _streaks(self, rng: Generator, height: int, width: int, angle: float) -> Pixels:
        """Return how much of a pixel a streak hides, in 65535ths."""
        steps = max(round(self.length * max(height, width)), 3)
        taps = _line(steps, angle)
        begins = bits16(rng, (height, width)) < round(self.amount / steps * STEPS)
        opacity = (uniform(rng, begins.shape)[:] * 0.55 + 0.2) * begins
        drops = to_pixels(opacity * np.float32(STEPS - 1), np.dtype(np.uint16))
        return in_bands(drops[..., np.newaxis], steps, lambda seen: weighted(seen, steps, taps), "reflect")[..., 0]


def _line(steps: int, angle: float) -> list[Tap]:
    """Return the taps of a line of full strength, smooth at its sides, fading in; it is steeper than 45 degrees."""
    down, right = sine(np.array([angle / 360, angle / 360 + 0.25])).tolist()
    taps = []
    for step in range(steps):
        aside = step * right / down
        column, share = int(np.floor(aside)), aside - np.floor(aside)
        strength = 1 - step / (steps + 1) * 0.7
        taps += [(step, column, strength * (1 - share)), (step, column + 1, strength * share)]
    return taps
