"""The contract of ops that add noise to pixels, and the strength at which an image has a given PSNR."""

from collections.abc import Mapping
from math import inf, log10
from typing import Annotated, Any, ClassVar, Self

import numpy as np
from numpy.random import Generator
from pydantic import Field, model_validator

from noisecli.corruption.image import ImageCorruption
from noisecli.pixels import Pixels, Reals, bands, to_pixels, white

MOST_STRENGTH = 100.0
"""Noise of a hundred times the range from black to white leaves no level between them: more would not show."""


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

    def noise(self, pixels: Pixels, drawn: Mapping[str, Any], rng: Generator) -> Reals:
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


def _noisy(pixels: Pixels, noise: Reals, strength: float, band: slice) -> Pixels:
    part = noise if noise.shape[0] == 1 else noise[band]
    return to_pixels(part * np.float32(strength * white(pixels)) + pixels[band], pixels.dtype)


def _error(pixels: Pixels, noise: Reals, strength: float) -> float:
    """Return the mean square of what noise changes, in levels: a sum of whole numbers, so its order does not matter."""
    total = 0
    for band in bands(pixels.shape):
        off = _noisy(pixels, noise, strength, band).astype(np.int64)
        off -= pixels[band]
        total += int((off * off).sum())
    return total / pixels.size


def _psnr(pixels: Pixels, noise: Reals, strength: float) -> float | None:
    error = _error(pixels, noise, strength)
    return round(10 * log10(white(pixels) ** 2 / error), 3) if error else None


def _strength_for(pixels: Pixels, noise: Reals, psnr_db: float) -> float:
    """Return the strength at which the root of the mean square error is the one of a PSNR.

    That root grows with the strength, nearly in proportion to it until much is clipped.
    """
    # Rounded, because the last bit of a power differs between mathematical libraries.
    wanted = white(pixels) * round(10 ** (-psnr_db / 20), 12)
    low, high, strength = (0.0, 0.0), (inf, inf), 0.1
    for _ in range(40):
        found = _error(pixels, noise, strength) ** 0.5
        if abs(found / wanted - 1) < 0.002:  # 0.02 dB
            break
        if found < wanted:
            low = (strength, found)
        else:
            high = (strength, found)
        if high[0] < inf:
            strength = low[0] + (high[0] - low[0]) * min(max((wanted - low[1]) / (high[1] - low[1]), 0.05), 0.95)
        elif strength < MOST_STRENGTH:
            strength = min(strength * min(max(1.01 * wanted / found, 1.1) if found else 10, 10), MOST_STRENGTH)
        else:
            break
    return strength
