"""Light: what exposure, shadows and displays do to the brightness of a picture."""

from collections.abc import Mapping
from functools import reduce
from typing import Annotated, Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from pydantic import Field

from noisecli.corruption import ImageCorruption, Pixels, register
from noisecli.elementary import exp, sine
from noisecli.normal import log
from noisecli.parameters import Share
from noisecli.pixels import bands, dimmed, in_bands, to_pixels, white
from noisecli.pixels.chance import normal
from noisecli.pixels.colour import largest, real_for

READING = 1.0
"""Standard deviation of a sensor's readings, in photons."""

SIDES = 5
NEAREST, FARTHEST = 0.15, 0.6
"""How far the sides of a shadow are from its centre, as a share of the picture's shorter side."""

PENUMBRA = 0.08
"""Width of a shadow's soft edge, likewise."""


@register
class Brightness(ImageCorruption):
    """Raise the brightness of every pixel, hue and saturation kept: an overexposed picture.

    Brightness is the value V of hue, saturation and value: the largest channel of a pixel. Hue and saturation depend on
    the ratios of the channels alone, so the channels are scaled by new V over old V; a black pixel turns grey.

    Source: Hendrycks and Dietterich 2019, "Benchmarking Neural Network Robustness to Common Corruptions".

    Example:
        {op: brightness, severity: 3}
    """

    severities = ({"amount": 0.1}, {"amount": 0.2}, {"amount": 0.3}, {"amount": 0.4}, {"amount": 0.5})
    small_severities = {
        32: ({"amount": 0.05}, {"amount": 0.1}, {"amount": 0.15}, {"amount": 0.2}, {"amount": 0.3}),
        64: severities,
    }

    amount: Annotated[float, Field(ge=-1, le=1)] = 0.3
    """What is added to the brightness, as a share of the range from black to white; below 0 darkens."""

    def apply(self, pixels: Pixels, drawn: Mapping[str, Any], rng: Generator) -> Pixels:
        real, value = real_for(pixels), largest(pixels)
        raised = np.clip(value + real(self.amount * white(pixels)), 0, white(pixels))
        lit: NDArray[np.floating] = pixels * raised
        lit /= np.maximum(value, 1)
        np.copyto(lit, raised, where=value == 0)
        # Halves go up, not to even: at 0.1 (25.5 levels) half to even would merge every second pair of levels.
        lit += real(0.5)
        return lit.astype(pixels.dtype)


@register
class Contrast(ImageCorruption):
    """Move every pixel value towards the mean of its channel: fog on the lens, a pale display.

    What is left of the distance to the mean is `factor` of it.

    Source: Hendrycks and Dietterich 2019, "Benchmarking Neural Network Robustness to Common Corruptions".

    Example:
        {op: contrast, severity: 3}
    """

    severities = ({"factor": 0.4}, {"factor": 0.3}, {"factor": 0.2}, {"factor": 0.1}, {"factor": 0.05})
    small_severities = {
        32: ({"factor": 0.75}, {"factor": 0.5}, {"factor": 0.4}, {"factor": 0.3}, {"factor": 0.15}),
        64: severities,
    }

    factor: Annotated[float, Field(ge=0, le=10)] = 0.2
    """What distances to the mean are multiplied by: 0 leaves the mean alone, 1 all as it is, more raises contrast."""

    def apply(self, pixels: Pixels, drawn: Mapping[str, Any], rng: Generator) -> Pixels:
        channels = range(pixels.shape[2])
        means = [int(pixels[..., i].sum(dtype=np.int64)) / pixels[..., i].size for i in channels]
        levels = np.arange(white(pixels) + 1)
        tables = [to_pixels((levels - mean) * self.factor + mean, pixels.dtype) for mean in means]
        return in_bands(pixels, 0, lambda seen: np.stack([tables[i].take(seen[..., i]) for i in channels], axis=2))


@register
class Gamma(ImageCorruption):
    """Raise every pixel value, as a share of white, to a power: a display or a file with the wrong gamma.

    Black and white stay; between them all gets darker above 1, and lighter below.

    Source: Poynton 1998, "The Rehabilitation of Gamma".

    Example:
        {op: gamma, gamma: 2.2}
    """

    severities = ({"gamma": 1.5}, {"gamma": 2.0}, {"gamma": 2.5}, {"gamma": 3.5}, {"gamma": 5.0})

    gamma: Annotated[float, Field(ge=0.05, le=20)] = 2.5
    """The power: 1 leaves all as it is."""

    def apply(self, pixels: Pixels, drawn: Mapping[str, Any], rng: Generator) -> Pixels:
        shares = np.arange(1, white(pixels) + 1) / white(pixels)
        table = np.concatenate([[0.0], exp(self.gamma * log(shares)) * white(pixels)])
        return in_bands(pixels, 0, table.take)


@register
class LowLight(ImageCorruption):
    """Take most of the light away: a dark picture, with the noise of the few photons that are left.

    Pixel values are taken as the square roots of light, which is close to the gamma of displays; `light` of it is left.
    A sensor counts it: the variance of a count is the count, plus that of its reading.

    Source: Foi et al. 2008, "Practical Poissonian-Gaussian Noise Modeling and Fitting for Single-Image Raw-Data"; Lore,
    Akintayo and Sarkar 2017, "LLNet: A Deep Autoencoder Approach to Natural Low-Light Image Enhancement".

    Example:
        {op: low_light, severity: 3}
    """

    severities = ({"light": 0.5}, {"light": 0.25}, {"light": 0.12}, {"light": 0.06}, {"light": 0.03})

    light: Share = 0.12
    """Share of the light that is left."""

    photons: Annotated[float, Field(ge=10, le=1e6)] = 500
    """What white is in full light, in photons a pixel and channel: fewer are noisier."""

    def apply(self, pixels: Pixels, drawn: Mapping[str, Any], rng: Generator) -> Pixels:
        noise = normal(rng, pixels.shape)
        dark = np.empty_like(pixels)
        for band in bands(pixels.shape):
            counts = pixels[band] / np.float32(white(pixels))
            counts *= counts * np.float32(self.light * self.photons)
            counts += noise[band] * np.sqrt(counts + np.float32(READING * READING))
            levels = np.sqrt(np.maximum(counts, 0) / np.float32(self.photons)) * np.float32(white(pixels))
            dark[band] = to_pixels(levels, pixels.dtype)
        return dark


@register
class Posterize(ImageCorruption):
    """Leave few levels of each channel: flat patches with edges between them.

    The levels are those of a display with so many bits, in equal steps from black to white. (To set the lower bits to
    0, as some libraries do, would darken the picture as well.)

    Source: Cubuk et al. 2019, "AutoAugment: Learning Augmentation Strategies from Data".

    Example:
        {op: posterize, bits: 2}
    """

    severities = ({"bits": 5}, {"bits": 4}, {"bits": 3}, {"bits": 2}, {"bits": 1})

    bits: Annotated[int, Field(ge=1, le=8)] = 3
    """Bits a channel: 1 leaves black and white, 2 leaves 4 levels."""

    def apply(self, pixels: Pixels, drawn: Mapping[str, Any], rng: Generator) -> Pixels:
        levels = 2**self.bits
        step = white(pixels) / (levels - 1)
        return in_bands(pixels, 0, lambda seen: seen.astype(np.int64) * levels // (white(pixels) + 1) * step)


@register
class Shadow(ImageCorruption):
    """Cast a shadow with soft edges over a part of the picture: something stands between it and the light.

    The shadow is a polygon of up to five sides, about a point drawn anywhere in the picture.

    Source: Le and Samaras 2019, "Shadow Removal via Shadow Image Decomposition".

    Example:
        {op: shadow, amount: 0.6}
    """

    severities = ({"amount": 0.2}, {"amount": 0.35}, {"amount": 0.5}, {"amount": 0.65}, {"amount": 0.8})

    amount: Share = 0.5
    """Share of its brightness that a pixel in the shadow loses."""

    def draw(self, pixels: Pixels, rng: Generator) -> dict[str, Any]:
        angles, reaches = rng.random((2, SIDES))
        return {
            "centre": rng.random(2).tolist(),
            "angles": [(side + angle) * 360 / SIDES for side, angle in enumerate(angles.tolist())],
            "reaches": (NEAREST + (FARTHEST - NEAREST) * reaches).tolist(),
        }

    def apply(self, pixels: Pixels, drawn: Mapping[str, Any], rng: Generator) -> Pixels:
        height, width = pixels.shape[:2]
        row, column = (share * size for share, size in zip(drawn["centre"], (height, width), strict=True))
        unit = min(height, width)
        down, right = np.arange(height)[:, np.newaxis] - row, np.arange(width) - column
        turns = np.array(drawn["angles"]) / 360
        normals = zip(sine(turns).tolist(), sine(turns + 0.25).tolist(), drawn["reaches"], strict=True)
        sides = [(y * down, x * right, reach * unit) for y, x, reach in normals]

        def left(band: slice) -> NDArray[Any]:
            depth = reduce(np.minimum, (reach - y[band] - x for y, x, reach in sides))
            share = np.clip(depth / (PENUMBRA * unit) + 0.5, 0, 1)
            lit: NDArray[Any] = 1 - self.amount * share * share * (3 - 2 * share)
            return lit

        return dimmed(pixels, left)
