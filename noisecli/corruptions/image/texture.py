"""Textures over the picture: coloured noise, clouds and waves, most of them from ImageNet-C-bar."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.random import Generator

from noisecli.corruption import AdditiveCorruption, Pixels, register
from noisecli.elementary import TAU, sine
from noisecli.parameters import Share
from noisecli.pixels import Reals, bands, side_of, white
from noisecli.pixels.fields import blue, brown, turbulence
from noisecli.pixels.patterns import away, bearing, plane_wave, wave


@register
class BlueNoise(AdditiveCorruption):
    """Add noise that is fine throughout: neighbouring pixels are pushed apart, large areas keep their brightness.

    The power grows with the square of the frequency. The field is made of differences of white noise rather than by a
    Fourier transform, whose last bits depend on the CPU. The channels of a pixel get noise of their own.

    ImageNet-C-bar samples pixels by blue noise, which is `blue_noise_sample`; this is the additive noise that its
    authors made beside it, at the same five levels.

    Source: Mintun, Kirillov and Xie 2021, "On Interaction Between Augmentations and Corruptions in Natural Corruption
    Robustness".

    Example:
        {op: blue_noise, severity: 3}
    """

    strength = "sigma"
    severities = ({"sigma": 0.0615}, {"sigma": 0.123}, {"sigma": 0.1845}, {"sigma": 0.3075}, {"sigma": 0.4304})

    sigma: Share = 0.1845
    """Standard deviation of the noise, as a share of the range from black to white."""

    def noise(self, pixels: Pixels, drawn: Mapping[str, Any], rng: Generator) -> Reals:
        return blue(rng, pixels.shape)


@register
class BrownishNoise(AdditiveCorruption):
    """Add noise that is coarse throughout: soft clouds of colour, as from stains or uneven light.

    The power falls with the fourth power of the frequency, down to one wave a picture; besides, each channel gets
    lighter or darker throughout by up to `sigma`. The field is a sum of octaves rather than a Fourier transform, whose
    last bits depend on the CPU. The channels of a pixel get noise of their own.

    Source: Mintun, Kirillov and Xie 2021, "On Interaction Between Augmentations and Corruptions in Natural Corruption
    Robustness" (ImageNet-C-bar).

    Example:
        {op: brownish_noise, severity: 3}
    """

    strength = "sigma"
    severities = ({"sigma": 0.0251}, {"sigma": 0.0502}, {"sigma": 0.0753}, {"sigma": 0.1004}, {"sigma": 0.1255})
    small_severities = {
        32: ({"sigma": 0.0627}, {"sigma": 0.1004}, {"sigma": 0.138}, {"sigma": 0.1631}, {"sigma": 0.1757}),
    }

    sigma: Share = 0.0753
    """Standard deviation of the noise over the picture, as a share of the range from black to white."""

    def draw(self, pixels: Pixels, rng: Generator) -> dict[str, Any]:
        return {"cast": sine(rng.random(3)).tolist()}

    def noise(self, pixels: Pixels, drawn: Mapping[str, Any], rng: Generator) -> Reals:
        field = brown(rng, pixels.shape)
        field += np.array(drawn["cast"][: pixels.shape[2]], np.float32)
        return field


@register
class PerlinNoise(AdditiveCorruption):
    """Mix the picture with bright creased clouds: smoke or marble in front of it.

    Five octaves of Perlin's turbulence, the coarsest on a lattice of seven cells a side (of a square of the picture's
    area); grey, from half the range up to white.

    Source: Perlin 1985, "An Image Synthesizer"; levels by Mintun, Kirillov and Xie 2021, "On Interaction Between
    Augmentations and Corruptions in Natural Corruption Robustness" (ImageNet-C-bar).

    Example:
        {op: perlin_noise, severity: 3}
    """

    strength = "weight"
    severities = ({"weight": 0.23}, {"weight": 0.26}, {"weight": 0.29}, {"weight": 0.38}, {"weight": 0.44})

    weight: Share = 0.29
    """Share of the clouds in the result; the picture has the rest."""

    def noise(self, pixels: Pixels, drawn: Mapping[str, Any], rng: Generator) -> Reals:
        height, width, _ = pixels.shape
        clouds = turbulence(rng, height, width, side_of(pixels) / 7)
        field = np.empty(pixels.shape, np.float32)
        for band in bands(pixels.shape):
            levels = np.minimum(clouds[band] * np.float32(0.5) + np.float32(0.5), 1)[..., np.newaxis]
            field[band] = levels - _of_white(pixels[band])
        return field


@register
class PlasmaNoise(AdditiveCorruption):
    """Mix the picture with a plasma: swirling clouds of saturated colour.

    Two sine waves bend each other at four to six scales, each finer and weaker than the one before; red, green and blue
    are sines of where a pixel comes out. The plasma swings around black, so the picture darkens as its share falls. A
    picture of one channel gets that of red.

    Source: Mintun, Kirillov and Xie 2021, "On Interaction Between Augmentations and Corruptions in Natural Corruption
    Robustness" (ImageNet-C-bar).

    Example:
        {op: plasma_noise, severity: 3}
    """

    strength = "weight"
    severities = ({"weight": 0.1192}, {"weight": 0.1757}, {"weight": 0.2133}, {"weight": 0.2322}, {"weight": 0.251})

    weight: Share = 0.2133
    """Share of the plasma in the result; the picture has the rest."""

    def draw(self, pixels: Pixels, rng: Generator) -> dict[str, Any]:
        scale, fading = rng.random(2).tolist()
        return {
            "scale_px": (0.075 + 0.125 * scale) * side_of(pixels),
            "fading": 1.25 + 0.5 * fading,
            "scales": int(rng.integers(4, 7)),
            "phases": rng.random((8, 2)).tolist(),
        }

    def noise(self, pixels: Pixels, drawn: Mapping[str, Any], rng: Generator) -> Reals:
        field = np.empty(pixels.shape, np.float32)
        for band in bands(pixels.shape):
            down, right = away(band, pixels.shape[1], (0, 0), drawn["scale_px"] * TAU)
            down, right = _bent(down, right, drawn)
            (red, blue_), (green, _) = drawn["phases"][6:]
            phases = (
                right + np.float32(red),
                (down + right) * np.float32(0.5) + np.float32(green),
                down + np.float32(blue_),
            )
            for channel in range(pixels.shape[2]):
                field[band, :, channel] = wave(phases[channel])
            field[band] -= _of_white(pixels[band])
        return field


def _bent(down: Reals, right: Reals, drawn: Mapping[str, Any]) -> tuple[Reals, Reals]:
    """Move places, in turns, by waves that depend on the other coordinate."""
    frequency, size = 1.0, 1 / TAU
    for first, second in drawn["phases"][: drawn["scales"]]:
        aside = wave(down * np.float32(frequency) + np.float32(first)) * np.float32(size)
        along = wave(right * np.float32(frequency) + np.float32(second)) * np.float32(size)
        right = right + (aside - along * np.float32(0.3))
        down = down + (along + aside * np.float32(0.3))
        frequency, size = frequency * 1.93, size / drawn["fading"]
    return down, right


@register
class SingleFrequency(AdditiveCorruption):
    """Add one plane wave: parallel stripes of one width and direction, as from electrical interference.

    The larger of the wave's frequencies along rows and columns is uniform up to half a cycle a pixel, the smaller up to
    the larger. All channels get the same wave. The name in ImageNet-C-bar is single_frequency_greyscale.

    Source: Mintun, Kirillov and Xie 2021, "On Interaction Between Augmentations and Corruptions in Natural Corruption
    Robustness" (ImageNet-C-bar).

    Example:
        {op: single_frequency, severity: 3}
    """

    strength = "amplitude"
    severities = (
        {"amplitude": 0.0769},
        {"amplitude": 0.1153},
        {"amplitude": 0.1537},
        {"amplitude": 0.3459},
        {"amplitude": 0.3843},
    )

    amplitude: Share = 0.1537
    """Height of a crest over the middle, as a share of the range from black to white."""

    def draw(self, pixels: Pixels, rng: Generator) -> dict[str, Any]:
        larger, part, phase, swapped = rng.random(4).tolist()
        larger = larger - 0.5
        smaller = (2 * part - 1) * larger
        down, right = (smaller, larger) if swapped < 0.5 else (larger, smaller)
        return {"cycles_per_px_down": down, "cycles_per_px_right": right, "phase": round(360 * phase, 3)}

    def noise(self, pixels: Pixels, drawn: Mapping[str, Any], rng: Generator) -> Reals:
        down, right = drawn["cycles_per_px_down"], drawn["cycles_per_px_right"]
        return plane_wave(pixels, down, right, drawn["phase"] / 360)


@register
class ConcentricSine(AdditiveCorruption):
    """Add rings around a point, wavy like the petals of a flower, that brighten slowly and fall off at once.

    The rings are up to a tenth of a side wide (of a square of the picture's area), 2 px at least, and swing in and out
    up to ten times a round by up to a tenth of a side. The name in ImageNet-C-bar is cocentric_sine_waves; there the
    number of swings need not be whole, which leaves a seam.

    Source: Mintun, Kirillov and Xie 2021, "On Interaction Between Augmentations and Corruptions in Natural Corruption
    Robustness" (ImageNet-C-bar).

    Example:
        {op: concentric_sine, severity: 3}
    """

    strength = "amplitude"
    severities = (
        {"amplitude": 0.0753},
        {"amplitude": 0.1255},
        {"amplitude": 0.2008},
        {"amplitude": 0.2259},
        {"amplitude": 0.251},
    )

    amplitude: Share = 0.2008
    """Height of the brightest part of a ring over the middle, as a share of the range from black to white."""

    def draw(self, pixels: Pixels, rng: Generator) -> dict[str, Any]:
        down, right, ring, swing = rng.random(4).tolist()
        return {
            "centre": [down * pixels.shape[0], right * pixels.shape[1]],
            "ring_px": max(ring * side_of(pixels) / 10, 2.0),
            "swing_px": swing * side_of(pixels) / 10,
            "swings": int(rng.integers(0, 11)),
        }

    def noise(self, pixels: Pixels, drawn: Mapping[str, Any], rng: Generator) -> Reals:
        field = np.empty((*pixels.shape[:2], 1), np.float32)
        for band in bands(field.shape):
            down, right = away(band, pixels.shape[1], drawn["centre"])
            far = np.sqrt(down * down + right * right)
            far += wave(bearing(down, right) * np.float32(drawn["swings"])) * np.float32(drawn["swing_px"])
            far /= np.float32(drawn["ring_px"])
            field[band, :, 0] = (far - np.floor(far)) * 2 - 1
        return field


def _of_white(pixels: Pixels) -> Reals:
    return pixels.astype(np.float32) / np.float32(white(pixels))
