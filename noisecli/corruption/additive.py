"""The contract of ops that add noise to pixels, and the strength at which an image has a given PSNR."""

from collections.abc import Mapping
from math import exp, log, log10
from typing import Annotated, Any, ClassVar, Self

import numpy as np
from numpy.random import Generator
from pydantic import Field, model_validator

from noisecli.corruption.image import ImageCorruption
from noisecli.elementary import LN10
from noisecli.pixels import Pixels, Reals, bands, to_pixels, white
from noisecli.pixels.chance import Numbers

Noise = Reals | Numbers

MOST_STRENGTH = 100.0
"""Noise of a hundred times the range from black to white leaves no level between them: more would not show."""

CLOSE = 0.004
"""Near enough to the error that is wanted, in its natural logarithm: 0.035 dB."""

NARROW = 1e-4
"""Distance of the natural logarithms of two strengths at which an error that still differs jumps between them."""

MOST_ATTEMPTS = 40
NOTHING = 20.0
"""Natural logarithm of how far no error at all is counted to be below the one that is wanted."""


class AdditiveCorruption(ImageCorruption):
    """Adds noise to the pixels of a struck image, times a strength that the image's own PSNR may set instead."""

    strength: ClassVar[str]
    """The parameter that the noise is multiplied by."""

    psnr_db: Annotated[float | None, Field(ge=10, le=60)] = None
    """Peak signal-to-noise ratio that every image is to have, in dB, in place of a strength; within 0.1, or as near as
    its pixels allow."""

    @model_validator(mode="after")
    def _one_strength(self) -> Self:
        if self.psnr_db is not None and self.strength in self.model_fields_set:
            raise ValueError(f"psnr_db finds the strength by itself: leave out {self.strength} and severity")
        return self

    def noise(self, pixels: Pixels, drawn: Mapping[str, Any], rng: Generator) -> Noise:
        """Return the noise of strength 1, in shares of the range from black to white.

        Its shape is that of the pixels, or broadcasts to it; it is the same at every strength.
        """
        raise NotImplementedError

    def strike(self, pixels: Pixels, rng: Generator) -> tuple[Pixels, dict[str, Any]]:
        drawn = self.draw(pixels, rng)
        noise = self.noise(pixels, drawn, rng)
        strength = float(getattr(self, self.strength))
        if self.psnr_db is not None:
            strength = _strength_for(pixels, noise, self.psnr_db)
            drawn |= {self.strength: strength, "psnr_reached_db": _psnr(pixels, noise, strength)}
        noisy = np.empty_like(pixels)
        for band in bands(pixels.shape):
            noisy[band] = _noisy(pixels, noise, strength, band)
        return noisy, drawn


def _noisy(pixels: Pixels, noise: Noise, strength: float, band: slice) -> Pixels:
    levels = noise[:] if noise.shape[0] == 1 else noise[band]
    levels = levels * np.float32(strength * white(pixels))
    return to_pixels(levels + pixels[band], pixels.dtype)


def _error(pixels: Pixels, noise: Noise, strength: float) -> float:
    """Return the mean square of what noise changes, in levels: a sum of whole numbers, so its order does not matter."""
    total = 0
    for band in bands(pixels.shape):
        off = _noisy(pixels, noise, strength, band).astype(np.int64)
        off -= pixels[band]
        total += int((off * off).sum())
    return total / pixels.size


def _psnr(pixels: Pixels, noise: Noise, strength: float) -> float | None:
    error = _error(pixels, noise, strength)
    return round(10 * log10(white(pixels) ** 2 / error), 3) if error else None


def _strength_for(pixels: Pixels, noise: Noise, psnr_db: float) -> float:
    """Return the strength at which an image has a PSNR, or that of those tried at which it is nearest.

    The error never falls when the strength grows. On logarithmic scales it is nearly a straight line, which is followed
    between the nearest strengths known to be too low and too high; every third time their middle is taken instead.
    """
    wanted = _log(white(pixels)) - psnr_db * LN10 / 20
    low = high = None
    tried = []
    place = wanted - _log(white(pixels))  # the strength of noise whose standard deviation is 1, were nothing clipped
    for attempt in range(MOST_ATTEMPTS):
        strength = float(f"{exp(min(place, _log(MOST_STRENGTH))):.6g}")
        error = _error(pixels, noise, strength)
        off = _log(error) / 2 - wanted if error else -NOTHING
        tried.append((abs(off), strength))
        if abs(off) < CLOSE or (off < 0 and strength == MOST_STRENGTH):
            break
        if off < 0:
            low = (place, off)
        else:
            high = (place, off)
        if low and high:
            if high[0] - low[0] < NARROW:
                break
            share = 0.5 if attempt % 3 == 2 else min(max(low[1] / (low[1] - high[1]), 0.02), 0.98)
            place = low[0] + share * (high[0] - low[0])
        else:
            place -= min(max(1.2 * off, -3), 3) + (0.1 if off > 0 else -0.1)
    return min(tried)[1]


def _log(x: float) -> float:
    # Rounded, because the last bit of a logarithm differs between mathematical libraries.
    return round(log(x), 9)
