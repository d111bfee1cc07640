"""Noise of the sensor: what each pixel value picks up on its own."""

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from numpy.random import Generator
from pydantic import Field

from noisecli.corruption import AdditiveCorruption, ImageCorruption, Pixels, register
from noisecli.pixels import Reals, white
from noisecli.pixels.chance import normal


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

    sigma: Annotated[float, Field(ge=0, le=1)] = 0.18
    """Standard deviation of the noise, as a share of the range from black to white."""

    def noise(self, pixels: Pixels, drawn: Mapping[str, Any], rng: Generator) -> Reals:
        return normal(rng, pixels.shape)


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

    amount: Annotated[float, Field(ge=0, le=1)] = 0.09
    """Share of the pixel values that are hit."""

    def apply(self, pixels: Pixels, drawn: Mapping[str, Any], rng: Generator) -> Pixels:
        # Salt takes the low end of one draw and pepper the high end, so each grows into the untouched middle.
        lot = rng.integers(2**32, size=pixels.shape, dtype=np.uint32)
        share = round(self.amount * 2**31)
        specked = pixels.copy()
        specked[lot < share] = white(pixels)
        specked[lot >= 2**32 - share] = 0
        return specked
