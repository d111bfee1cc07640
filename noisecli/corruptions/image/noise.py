"""Noise of the sensor: what each pixel value picks up on its own."""

from collections.abc import Mapping
from dataclasses import replace
from math import sqrt
from typing import Annotated, Any

import numpy as np
from numpy.random import Generator
from pydantic import Field

from noisecli.corruption import AdditiveCorruption, ImageCorruption, Pixels, register
from noisecli.parameters import Share
from noisecli.pixels import Reals, bands, to_pixels, white
from noisecli.pixels.chance import Numbers, laplace, normal, student_t, uniform
from noisecli.pixels.photons import counted

Photons = Annotated[float, Field(ge=0.1, le=10_000)]


@register
class GaussianNoise(AdditiveCorruption):
    """Add zero-mean Gaussian noise to every pixel value: a sensor in low light.

    The channels of a pixel get noise of their own; a grey image stays grey.

    Source: Hendrycks and Dietterich 2019, "Benchmarking Neural Network Robustness to Common Corruptions".

    Example:
        {op: gaussian_noise, severity: 3}
    """

    strength = "sigma"
    severities = ({"sigma": 0.08}, {"sigma": 0.12}, {"sigma": 0.18}, {"sigma": 0.26}, {"sigma": 0.38})
    small_severities = {
        32: ({"sigma": 0.04}, {"sigma": 0.06}, {"sigma": 0.08}, {"sigma": 0.09}, {"sigma": 0.10}),
        64: ({"sigma": 0.04}, {"sigma": 0.08}, {"sigma": 0.12}, {"sigma": 0.15}, {"sigma": 0.18}),
    }

    sigma: Share = 0.18
    """Standard deviation of the noise, as a share of the range from black to white."""

    def noise(self, pixels: Pixels, drawn: Mapping[str, Any], rng: Generator) -> Numbers:
        return normal(rng, pixels.shape)


@register
class SpeckleNoise(AdditiveCorruption):
    """Add Gaussian noise in proportion to the pixel value: the grain of radar, ultrasound and laser light.

    Black stays black. The channels of a pixel get noise of their own; a grey image stays grey.

    Source: Hendrycks and Dietterich 2019, "Benchmarking Neural Network Robustness to Common Corruptions" (its code).

    Example:
        {op: speckle_noise, severity: 3}
    """

    strength = "sigma"
    severities = ({"sigma": 0.15}, {"sigma": 0.2}, {"sigma": 0.35}, {"sigma": 0.45}, {"sigma": 0.6})
    small_severities = {
        32: ({"sigma": 0.06}, {"sigma": 0.1}, {"sigma": 0.12}, {"sigma": 0.16}, {"sigma": 0.2}),
        64: ({"sigma": 0.15}, {"sigma": 0.2}, {"sigma": 0.25}, {"sigma": 0.3}, {"sigma": 0.35}),
    }

    sigma: Share = 0.35
    """Standard deviation of the noise, as a share of the pixel value."""

    def noise(self, pixels: Pixels, drawn: Mapping[str, Any], rng: Generator) -> Reals:
        numbers = normal(rng, pixels.shape)
        grain = np.empty(pixels.shape, np.float32)
        for band in bands(pixels.shape):
            np.multiply(numbers[band], pixels[band] * np.float32(1 / white(pixels)), out=grain[band])
        return grain


@register
class LaplaceNoise(AdditiveCorruption):
    """Add zero-mean Laplace noise: mostly small errors and now and then a large one.

    The channels of a pixel get noise of their own; a grey image stays grey.

    Source: Kotz, Kozubowski and Podgórski 2001, "The Laplace Distribution and Generalizations".

    Example:
        {op: laplace_noise, severity: 3}
    """

    strength = "sigma"
    severities = GaussianNoise.severities
    small_severities = GaussianNoise.small_severities

    sigma: Share = 0.18
    """Standard deviation of the noise, as a share of the range from black to white."""

    def noise(self, pixels: Pixels, drawn: Mapping[str, Any], rng: Generator) -> Numbers:
        return laplace(rng, pixels.shape)


@register
class UniformNoise(AdditiveCorruption):
    """Add zero-mean uniform noise, at most 1.73 sigma either way: rounding errors, and dither.

    The channels of a pixel get noise of their own; a grey image stays grey.

    Source: Gonzalez and Woods, "Digital Image Processing", the chapter on restoration (noise models).

    Example:
        {op: uniform_noise, severity: 3}
    """

    strength = "sigma"
    severities = GaussianNoise.severities
    small_severities = GaussianNoise.small_severities

    sigma: Share = 0.18
    """Standard deviation of the noise, as a share of the range from black to white."""

    def noise(self, pixels: Pixels, drawn: Mapping[str, Any], rng: Generator) -> Numbers:
        even = uniform(rng, pixels.shape)
        return replace(even, table=(even.table - np.float32(0.5)) * np.float32(sqrt(12)))


@register
class StudentTNoise(AdditiveCorruption):
    """Add Student-t noise: near-Gaussian errors with more large ones than a Gaussian allows.

    The channels of a pixel get noise of their own; a grey image stays grey.

    Source: Lange, Little and Taylor 1989, "Robust Statistical Modeling Using the t Distribution".

    Example:
        {op: student_t_noise, df: 3, spread: 0.1}
    """

    strength = "spread"
    severities = ({"spread": 0.05}, {"spread": 0.08}, {"spread": 0.12}, {"spread": 0.18}, {"spread": 0.26})

    spread: Share = 0.12
    """What the standard variate is multiplied by, as a share of the range from black to white: not its standard
    deviation, which is larger or infinite."""

    df: Annotated[float, Field(ge=1, le=1e6)] = 3.0
    """Degrees of freedom: 1 is Cauchy; above 2 the variance is finite, df / (df - 2); many are Gaussian."""

    def noise(self, pixels: Pixels, drawn: Mapping[str, Any], rng: Generator) -> Numbers:
        return student_t(rng, pixels.shape, self.df)


@register
class CauchyNoise(AdditiveCorruption):
    """Add Cauchy noise: half of the errors are within `spread`, but some are thousands of times larger.

    The large ones come out white or black, as specks. The channels of a pixel get noise of their own; a grey image
    stays grey.

    Source: Johnson, Kotz and Balakrishnan 1994, "Continuous Univariate Distributions", volume 1, chapter 16.

    Example:
        {op: cauchy_noise, spread: 0.05}
    """

    strength = "spread"
    severities = ({"spread": 0.01}, {"spread": 0.02}, {"spread": 0.04}, {"spread": 0.07}, {"spread": 0.12})

    spread: Share = 0.04
    """Half of the errors are at most this large, as a share of the range from black to white."""

    def noise(self, pixels: Pixels, drawn: Mapping[str, Any], rng: Generator) -> Numbers:
        return student_t(rng, pixels.shape, 1.0)


@register
class ShotNoise(ImageCorruption):
    """Count photons anew: Poisson noise, which light itself has, and the more so the less of it there is.

    A pixel value catches a Poisson number of photons whose mean is its share of white times `photons`. Black stays
    black. The channels of a pixel get noise of their own; a grey image stays grey.

    Source: Hendrycks and Dietterich 2019, "Benchmarking Neural Network Robustness to Common Corruptions".

    Example:
        {op: shot_noise, severity: 3}
    """

    severities = ({"photons": 60}, {"photons": 25}, {"photons": 12}, {"photons": 5}, {"photons": 3})
    small_severities = {
        32: ({"photons": 500}, {"photons": 250}, {"photons": 100}, {"photons": 75}, {"photons": 50}),
        64: ({"photons": 250}, {"photons": 100}, {"photons": 50}, {"photons": 30}, {"photons": 15}),
    }

    photons: Photons = 12
    """Photons that white catches on average: fewer make more noise."""

    def apply(self, pixels: Pixels, drawn: Mapping[str, Any], rng: Generator) -> Pixels:
        return _developed(pixels, counted(pixels, self.photons, rng), self.photons)


@register
class IsoNoise(ImageCorruption):
    """Count photons anew and add Gaussian noise of the electronics: a camera at high ISO sensitivity.

    The noise of the photons grows with the root of the light, that of reading out is the same everywhere and is all
    that shadows get. The channels of a pixel get noise of their own; a grey image stays grey.

    Source: Foi, Trimeche, Katkovnik and Egiazarian 2008, "Practical Poissonian-Gaussian Noise Modeling and Fitting for
    Single-Image Raw-Data".

    Example:
        {op: iso_noise, severity: 3}
    """

    severities = (
        {"photons": 120, "sigma": 0.03},
        {"photons": 60, "sigma": 0.05},
        {"photons": 30, "sigma": 0.08},
        {"photons": 15, "sigma": 0.12},
        {"photons": 8, "sigma": 0.18},
    )

    photons: Photons = 30
    """Photons that white catches on average: fewer make more noise."""

    sigma: Share = 0.08
    """Standard deviation of the noise of reading out, as a share of the range from black to white."""

    def apply(self, pixels: Pixels, drawn: Mapping[str, Any], rng: Generator) -> Pixels:
        reading = normal(rng, pixels.shape)
        reading = replace(reading, table=reading.table * np.float32(self.sigma * white(pixels)))
        return _developed(pixels, counted(pixels, self.photons, rng), self.photons, reading)


def _developed(pixels: Pixels, counts: Pixels, photons: float, offsets: Numbers | None = None) -> Pixels:
    """Turn counts of photons into pixels, with levels added to them."""
    result = np.empty_like(pixels)
    for band in bands(pixels.shape):
        levels = counts[band] * np.float32(white(pixels) / photons)
        if offsets is not None:
            levels += offsets[band]
        result[band] = to_pixels(levels, pixels.dtype)
    return result


@register
class ImpulseNoise(ImageCorruption):
    """Turn pixel values white or black, half and half: salt and pepper, as from bit errors.

    Each channel of a pixel is hit on its own, so a colour image gets coloured specks.

    Source: Hendrycks and Dietterich 2019, "Benchmarking Neural Network Robustness to Common Corruptions".

    Example:
        {op: impulse_noise, severity: 3}
    """

    severities = ({"amount": 0.03}, {"amount": 0.06}, {"amount": 0.09}, {"amount": 0.17}, {"amount": 0.27})
    small_severities = {
        32: ({"amount": 0.01}, {"amount": 0.02}, {"amount": 0.03}, {"amount": 0.05}, {"amount": 0.07}),
        64: ({"amount": 0.01}, {"amount": 0.02}, {"amount": 0.05}, {"amount": 0.08}, {"amount": 0.14}),
    }

    amount: Share = 0.09
    """Share of the pixel values that are hit."""

    def apply(self, pixels: Pixels, drawn: Mapping[str, Any], rng: Generator) -> Pixels:
        # Salt takes the low end of one draw and pepper the high end, so each grows into the untouched middle.
        lot = rng.integers(2**32, size=pixels.shape, dtype=np.uint32)
        share = round(self.amount * 2**31)
        specked = pixels.copy()
        specked[lot < share] = white(pixels)
        specked[lot >= 2**32 - share] = 0
        return specked
