"""Faults of the sensor and its electronics: lines, waves and pixels that do not work."""

from collections.abc import Mapping
from math import sqrt
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.random import Generator
from pydantic import Field

from noisecli.corruption import AdditiveCorruption, ImageCorruption, Pixels, register
from noisecli.elementary import sine
from noisecli.parameters import Share
from noisecli.pixels import Reals, white
from noisecli.pixels.chance import Numbers, chosen, normal
from noisecli.pixels.patterns import plane_wave


@register
class PeriodicNoise(AdditiveCorruption):
    """Add a wave across the picture: hum that the electronics pick up from the mains or a motor.

    Where the wave runs to and where it begins are drawn for each image; all channels get the same.

    Source: Gonzalez and Woods, "Digital Image Processing", the chapter on restoration (periodic noise).

    Example:
        {op: periodic_noise, amplitude: 0.1, period: 8}
    """

    strength = "amplitude"
    severities = (
        {"amplitude": 0.05},
        {"amplitude": 0.1},
        {"amplitude": 0.15},
        {"amplitude": 0.22},
        {"amplitude": 0.3},
    )

    amplitude: Share = 0.15
    """Height of the wave above its mean, as a share of the range from black to white."""

    period: Annotated[float, Field(ge=2, le=1e6)] = 8.0
    """Distance from crest to crest, in px."""

    def draw(self, pixels: Pixels, rng: Generator) -> dict[str, Any]:
        angle, start = rng.random(2).tolist()
        return {"angle": round(180 * angle, 3), "phase": round(360 * start, 3)}

    def noise(self, pixels: Pixels, drawn: Mapping[str, Any], rng: Generator) -> Reals:
        down, right = (sine(np.array([drawn["angle"] / 360, drawn["angle"] / 360 + 0.25])) / self.period).tolist()
        return plane_wave(pixels, down, right, drawn["phase"] / 360)


@register
class Banding(AdditiveCorruption):
    """Add an offset to each row or column: an amplifier that drifts from one line to the next.

    It differs from image to image, unlike the columns of `fixed_pattern`; all channels get the same.

    Source: Nakamura 2006, "Image Sensors and Signal Processing for Digital Still Cameras", on noise.

    Example:
        {op: banding, sigma: 0.05, direction: row}
    """

    strength = "sigma"
    severities = ({"sigma": 0.02}, {"sigma": 0.04}, {"sigma": 0.07}, {"sigma": 0.11}, {"sigma": 0.16})

    sigma: Share = 0.07
    """Standard deviation of the offsets, as a share of the range from black to white."""

    direction: Literal["row", "column"] = "row"
    """What has an offset of its own: each row (stripes lie level) or each column (they stand upright)."""

    def noise(self, pixels: Pixels, drawn: Mapping[str, Any], rng: Generator) -> Numbers:
        height, width = pixels.shape[:2]
        return normal(rng, (height, 1, 1) if self.direction == "row" else (1, width, 1))


@register
class FixedPattern(AdditiveCorruption):
    """Add the sensor's own pattern: pixels and columns that always read a little too bright or too dark.

    Half of the variance is that of single pixels, half that of whole columns, which eyes see first; all channels get
    the same. The pattern belongs to the sensor: all images of one size in a copy get the same.

    Source: El Gamal and Eltoukhy 2005, "CMOS Image Sensors".

    Example:
        {op: fixed_pattern, sigma: 0.05}
    """

    strength = "sigma"
    shared = True
    severities = ({"sigma": 0.03}, {"sigma": 0.05}, {"sigma": 0.08}, {"sigma": 0.12}, {"sigma": 0.18})

    sigma: Share = 0.08
    """Standard deviation of the pattern, as a share of the range from black to white."""

    def noise(self, pixels: Pixels, drawn: Mapping[str, Any], rng: Generator) -> Reals:
        height, width = pixels.shape[:2]
        columns = normal(rng, (1, width, 1))[:]
        pattern = normal(rng, (height, width, 1))[:]
        pattern += columns
        pattern *= np.float32(sqrt(0.5))
        return pattern


class Defects(ImageCorruption):
    """Base of single pixels that do not work, at the same places in all images of one size in a copy."""

    stuck_at: ClassVar[int]
    """What they show whatever the light: black is 0, white 1."""
    shared = True
    severities = ({"amount": 0.002}, {"amount": 0.005}, {"amount": 0.015}, {"amount": 0.04}, {"amount": 0.1})

    amount: Share = 0.015
    """Share of the pixels that do not work."""

    def apply(self, pixels: Pixels, drawn: Mapping[str, Any], rng: Generator) -> Pixels:
        damaged = pixels.copy()
        damaged[chosen(rng, pixels.shape[:2], self.amount)] = self.stuck_at * white(pixels)
        return damaged


@register
class DeadPixels(Defects):
    """Turn single pixels black: cells of the sensor that no longer see light.

    They belong to the sensor: they are at the same places in all images of one size in a copy.

    Source: Leung, Chapman, Koren and Koren 2009, "Statistical Identification and Analysis of Defect Development in
    Digital Imagers".

    Example:
        {op: dead_pixels, amount: 0.05}
    """

    stuck_at = 0


@register
class HotPixels(Defects):
    """Turn single pixels white: cells of the sensor that fill up by themselves.

    They belong to the sensor: they are at the same places in all images of one size in a copy.

    Source: Leung, Chapman, Koren and Koren 2009, "Statistical Identification and Analysis of Defect Development in
    Digital Imagers".

    Example:
        {op: hot_pixels, amount: 0.05}
    """

    stuck_at = 1
