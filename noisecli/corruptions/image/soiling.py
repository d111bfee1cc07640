"""Soiling: what lies on the lens."""

from collections.abc import Mapping
from functools import cache
from math import fsum
from typing import Annotated, Any

import numpy as np
from numpy.random import Generator
from pydantic import Field

from noisecli.corruption import ImageCorruption, Pixels, register
from noisecli.parameters import Share
from noisecli.pixels import Reals, in_bands, in_planes, white
from noisecli.pixels.blur import gaussian_weights, separable
from noisecli.pixels.chance import bits16, normal_table
from noisecli.pixels.colour import LUMA
from noisecli.pixels.ice import ice, oriented
from noisecli.pixels.resample import enlarged
from noisecli.streams import Stream

WATER = (175 / 255, 238 / 255, 238 / 255)
"""Pale turquoise."""

MUD = (63 / 255, 42 / 255, 20 / 255)
"""Brown."""

ICE_DARK = (0.07, 0.15, 0.24)
"""Blue glass."""

ICE_BRIGHT = (0.8, 0.9, 0.97)
"""Bluish white."""

GLASS, SEEN = 1024, 512
"""Sides of the sheet that frost grows on, and of the part that a picture gets, in px."""

FULL = 2**16 - 1
"""What stands for 1 in layers of 16 bits."""


@register
class Frost(ImageCorruption):
    """Let frost grow on the lens: feathery ice crystals, bluish white, through which the picture shows.

    Each picture gets its own part of one large sheet of drawn crystals, in one of eight orientations, enlarged or
    reduced to the picture; they are thicker towards the borders. The published frost is blended likewise, but from
    photographs, which are not shipped here. As there, severity 4 lets less of the picture through than severity 3 and
    adds no more frost, so that a bright picture may come out closer to what it was.

    Source: Hendrycks and Dietterich 2019, "Benchmarking Neural Network Robustness to Common Corruptions".

    Example:
        {op: frost, severity: 3}
    """

    severities = (
        {"image_weight": 1.0, "frost_weight": 0.4},
        {"image_weight": 0.8, "frost_weight": 0.6},
        {"image_weight": 0.7, "frost_weight": 0.7},
        {"image_weight": 0.65, "frost_weight": 0.7},
        {"image_weight": 0.6, "frost_weight": 0.75},
    )
    small_severities = {
        32: (
            {"image_weight": 1.0, "frost_weight": 0.2},
            {"image_weight": 1.0, "frost_weight": 0.3},
            {"image_weight": 0.9, "frost_weight": 0.4},
            {"image_weight": 0.85, "frost_weight": 0.4},
            {"image_weight": 0.75, "frost_weight": 0.45},
        ),
        64: (
            {"image_weight": 1.0, "frost_weight": 0.3},
            {"image_weight": 0.9, "frost_weight": 0.4},
            {"image_weight": 0.8, "frost_weight": 0.45},
            {"image_weight": 0.75, "frost_weight": 0.5},
            {"image_weight": 0.7, "frost_weight": 0.55},
        ),
    }

    image_weight: Share = 0.7
    """Share of the picture that shows through."""

    frost_weight: Share = 0.7
    """Share of the frost that is added; what is over white is cut off."""

    def draw(self, pixels: Pixels, rng: Generator) -> dict[str, Any]:
        top, left = rng.integers(GLASS - SEEN + 1, size=2).tolist()
        return {"top": top, "left": left, "way": int(rng.integers(8))}

    def apply(self, pixels: Pixels, drawn: Mapping[str, Any], rng: Generator) -> Pixels:
        height, width, channels = pixels.shape
        top, left = drawn["top"], drawn["left"]
        frost = oriented(_glass()[top : top + SEEN, left : left + SEEN], drawn["way"])
        while len(frost) > 1.5 * max(height, width):
            frost = (frost[::2, ::2] + frost[1::2, ::2] + (frost[::2, 1::2] + frost[1::2, 1::2])) / 4
        down, right = (np.arange(size) * (len(frost) / max(height, width)) for size in (height, width))
        from_top, from_left = (((2 * np.arange(size) + 1) / size - 1) ** 2 / 2 for size in (height, width))
        weight = np.float32(self.frost_weight * white(pixels))
        dark, bright = (_tint(colour, channels) * weight for colour in (ICE_DARK, ICE_BRIGHT))

        def freeze(levels: Reals, band: slice) -> None:
            border = (from_top[band, np.newaxis] + from_left).astype(np.float32)
            grown = enlarged(frost, down[band], right) * (0.75 + 0.6 * border) + 0.2 * border
            levels *= np.float32(self.image_weight)
            levels += np.minimum(grown, 1) * (bright - dark) + dark

        return in_planes(pixels, freeze)


@cache
def _glass() -> Reals:
    """Return the sheet of crystals that pictures get parts of; it takes half a second."""
    rng = Stream(0, 0, "frost", "").generator("pattern", "", 0)
    sheet: Reals = np.minimum(ice(rng, GLASS) * np.float32(1.5), 1)
    return sheet


@register
class Spatter(ImageCorruption):
    """Spatter the lens: drops of water that catch the light, or opaque flecks of mud.

    A drop is where blurred normal noise exceeds a threshold. Water brightens: most where a drop slopes towards the
    light at its upper left, less at its other rims, little in the middle. Mud hides what is behind it.

    Source: Hendrycks and Dietterich 2019, "Benchmarking Neural Network Robustness to Common Corruptions".

    Example:
        {op: spatter, severity: 4}
    """

    severities = (
        {"mean": 0.65, "std": 0.3, "sigma": 4.0, "threshold": 0.69, "gain": 0.6, "mud": False},
        {"mean": 0.65, "std": 0.3, "sigma": 3.0, "threshold": 0.68, "gain": 0.6, "mud": False},
        {"mean": 0.65, "std": 0.3, "sigma": 2.0, "threshold": 0.68, "gain": 0.5, "mud": False},
        {"mean": 0.65, "std": 0.3, "sigma": 1.0, "threshold": 0.65, "gain": 1.5, "mud": True},
        {"mean": 0.67, "std": 0.4, "sigma": 1.0, "threshold": 0.65, "gain": 1.5, "mud": True},
    )
    small_severities = {
        32: (
            {"mean": 0.62, "std": 0.1, "sigma": 0.7, "threshold": 0.7, "gain": 0.5, "mud": False},
            {"mean": 0.65, "std": 0.1, "sigma": 0.8, "threshold": 0.7, "gain": 0.5, "mud": False},
            {"mean": 0.65, "std": 0.3, "sigma": 1.0, "threshold": 0.69, "gain": 0.5, "mud": False},
            {"mean": 0.65, "std": 0.1, "sigma": 0.7, "threshold": 0.69, "gain": 0.6, "mud": True},
            {"mean": 0.65, "std": 0.1, "sigma": 0.5, "threshold": 0.68, "gain": 0.6, "mud": True},
        ),
        64: (
            {"mean": 0.62, "std": 0.1, "sigma": 0.7, "threshold": 0.7, "gain": 0.6, "mud": False},
            {"mean": 0.65, "std": 0.1, "sigma": 0.8, "threshold": 0.7, "gain": 0.6, "mud": False},
            {"mean": 0.65, "std": 0.3, "sigma": 1.0, "threshold": 0.69, "gain": 0.6, "mud": False},
            {"mean": 0.65, "std": 0.1, "sigma": 0.7, "threshold": 0.68, "gain": 0.6, "mud": True},
            {"mean": 0.65, "std": 0.1, "sigma": 0.5, "threshold": 0.67, "gain": 0.6, "mud": True},
        ),
    }

    mean: Annotated[float, Field(ge=-10, le=10)] = 0.65
    """Mean of the noise."""

    std: Annotated[float, Field(ge=0, le=10)] = 0.3
    """Standard deviation of the noise before it is blurred."""

    sigma: Annotated[float, Field(ge=0, le=100)] = 2.0
    """Standard deviation of the blur, in px: about a third of the size of a drop."""

    threshold: Annotated[float, Field(ge=-10, le=10)] = 0.68
    """Blurred noise above this is a drop."""

    gain: Annotated[float, Field(ge=0, le=100)] = 0.5
    """Of water: brightness of its brightest part, as a share of white. Of mud: blur of its outline, in px."""

    mud: bool = False
    """Whether it is mud."""

    def apply(self, pixels: Pixels, drawn: Mapping[str, Any], rng: Generator) -> Pixels:
        noise = bits16(rng, (*pixels.shape[:2], 1))
        weights = gaussian_weights(self.sigma)
        outline = gaussian_weights(self.gain) if self.mud else [1.0, 0.0]
        halo = len(weights) + len(outline) - 2

        def liquid(lots: Pixels) -> Reals:
            over = separable(normal_table()[lots], weights) * np.float32(self.std)
            over += np.float32(self.mean - self.threshold)
            if not self.mud:
                return _lit(over / np.float32(max(self.std * _spread(weights), 1e-6))) * np.float32(FULL)
            covered = separable(over > 0, outline)
            covered[covered < 0.8] = 0
            return covered * np.float32(FULL)

        layer = in_bands(noise, halo, liquid)
        most = white(pixels)
        colour = _tint(MUD if self.mud else WATER, pixels.shape[2]) * np.float32(most if self.mud else most * self.gain)

        def spatter(levels: Reals, band: slice) -> None:
            share = layer[band, :, 0] / np.float32(FULL)
            if self.mud:
                levels *= 1 - share
            levels += share * colour

        return in_planes(pixels, spatter)


def _tint(colour: tuple[float, float, float], channels: int) -> Reals:
    """Return a colour, (channels, 1, 1); for grey pictures, its brightness."""
    grey = fsum(part * weight for part, weight in zip(colour, LUMA, strict=True))
    return np.array(colour if channels == 3 else [grey], np.float32)[:, np.newaxis, np.newaxis]


def _spread(weights: list[float]) -> float:
    """Return the factor by which a blur along rows and columns lowers the standard deviation of noise."""
    return weights[0] * weights[0] + 2 * fsum(weight * weight for weight in weights[1:])


def _lit(over: Reals) -> Reals:
    """Return how bright drops of water are, 0 .. 1, from how far the noise is over the threshold, in its own standard
    deviations, with a halo of a pixel."""
    height = np.minimum(over, 1)
    np.maximum(height, 0, out=height)
    height *= 2 - height  # steep at the rim, flat in the middle
    slope = height[2:, 2:] - height[:-2, :-2]
    inner = height[1:-1, 1:-1]
    bright = np.maximum(slope, 0)
    light = bright * bright * 0.9 + np.maximum(-slope, 0) * 0.2 + inner * (1 - inner) * 0.4 + inner * 0.1
    lit: Reals = np.minimum(light, 1) * (inner > 0)
    return lit
