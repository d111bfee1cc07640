"""Colour: channels that are weakened, turned, lost or swapped."""

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from pydantic import Field

from noisecli.corruption import ImageCorruption, Pixels, register
from noisecli.pixels import in_bands
from noisecli.pixels.colour import largest, real_for, smallest

_SHUFFLES = ([0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0])


@register
class Saturate(ImageCorruption):
    """Change how colourful every pixel is, hue and brightness kept: a picture faded, or edited too much.

    Saturation S of hue, saturation and value, 0 for grey and 1 for a pure colour, becomes factor * S + offset, cut off
    at 0 and 1. Grey has no hue: an offset above 0 turns it red, hue 0, as in ImageNet-C. Pictures of one channel stay
    as they are.

    Source: Hendrycks and Dietterich 2019, "Benchmarking Neural Network Robustness to Common Corruptions".

    Example:
        {op: saturate, severity: 4}
    """

    severities = (
        {"factor": 0.3, "offset": 0.0},
        {"factor": 0.1, "offset": 0.0},
        {"factor": 2.0, "offset": 0.0},
        {"factor": 5.0, "offset": 0.1},
        {"factor": 20.0, "offset": 0.2},
    )
    small_severities = {
        32: (
            {"factor": 0.3, "offset": 0.0},
            {"factor": 0.1, "offset": 0.0},
            {"factor": 1.5, "offset": 0.0},
            {"factor": 2.0, "offset": 0.1},
            {"factor": 2.5, "offset": 0.2},
        ),
        64: (*severities[:4], {"factor": 30.0, "offset": 0.2}),
    }

    factor: Annotated[float, Field(ge=0, le=100)] = 2.0
    """What the saturation is multiplied by: 0 makes grey, 1 leaves it."""

    offset: Annotated[float, Field(ge=-1, le=1)] = 0.0
    """What is then added to it; a pure colour has 1."""

    def apply(self, pixels: Pixels, drawn: Mapping[str, Any], rng: Generator) -> Pixels:
        return in_bands(pixels, 0, self._saturated) if pixels.shape[2] == 3 else pixels.copy()

    def _saturated(self, pixels: Pixels) -> NDArray[Any]:
        """Move channels towards or away from the largest one, V: a channel c is V * (1 - S * (V - c) / chroma)."""
        real = real_for(pixels)
        value = largest(pixels).astype(real)
        chroma = value - smallest(pixels)
        wanted = np.clip(chroma * real(self.factor) + value * real(self.offset), 0, value)
        below = value - pixels
        below *= wanted / np.maximum(chroma, 1)
        grey = (chroma == 0)[..., 0]
        below[grey, 1:] = wanted[grey]
        return value - below


@register
class Hue(ImageCorruption):
    """Turn the hue of every pixel by the same angle, saturation and brightness kept: a television with a wrong tint.

    Red is at 0 degrees, green at 120, blue at 240. Grey has no hue and stays; so do pictures of one channel.

    Source: Smith 1978, "Color Gamut Transform Pairs".

    Example:
        {op: hue, degrees: 90}
    """

    severities = ({"degrees": 15}, {"degrees": 30}, {"degrees": 60}, {"degrees": 100}, {"degrees": 180})

    degrees: Annotated[float, Field(ge=-360, le=360)] = 60
    """Angle: 60 turns red to yellow, -60 to magenta."""

    def apply(self, pixels: Pixels, drawn: Mapping[str, Any], rng: Generator) -> Pixels:
        return in_bands(pixels, 0, self._turned) if pixels.shape[2] == 3 else pixels.copy()

    def _turned(self, pixels: Pixels) -> NDArray[Any]:
        real = real_for(pixels)
        value, least = (extreme(pixels)[..., 0].astype(real) for extreme in (largest, smallest))
        chroma = value - least
        red, green, blue = (pixels[..., i].astype(real) for i in range(3))
        ahead = np.where(value == red, green - blue, np.where(value == green, blue - red, red - green))
        start = np.where(value == red, 0, np.where(value == green, 2, 4)) + self.degrees / 60
        place = ahead / np.maximum(chroma, 1) + start.astype(real)
        turned = np.empty(pixels.shape, real)
        for channel, peak in enumerate((5, 3, 1)):
            sixth = place + real(peak)
            sixth -= np.floor(sixth / 6) * 6
            turned[..., channel] = value - chroma * np.clip(np.minimum(sixth, 4 - sixth), 0, 1)
        return turned


@register
class ChannelDropout(ImageCorruption):
    """Set whole colour channels to black: a channel lost on the way.

    Which ones is drawn. What is left is not made brighter to make up for it, as Spatial Dropout does inside a network.
    Pictures of one channel stay as they are.

    Source: Tompson et al. 2015, "Efficient Object Localization Using Convolutional Networks".

    Example:
        {op: channel_dropout, rate: 1}
    """

    default_rate = 0.1

    channels: Annotated[int, Field(ge=0, le=3)] = 1
    """Number of channels that are lost."""

    def draw(self, pixels: Pixels, rng: Generator) -> dict[str, Any]:
        return {"lost": np.argsort(rng.random(3), kind="stable")[: self.channels].tolist()}

    def apply(self, pixels: Pixels, drawn: Mapping[str, Any], rng: Generator) -> Pixels:
        left = pixels.copy()
        if pixels.shape[2] == 3:
            left[..., drawn["lost"]] = 0
        return left


@register
class ChannelShuffle(ImageCorruption):
    """Put the colour channels into another order: red, green and blue read as blue, green and red.

    Which of the five other orders is drawn. Pictures of one channel stay as they are.

    Source: Buslaev et al. 2020, "Albumentations: Fast and Flexible Image Augmentations".

    Example:
        {op: channel_shuffle, rate: 1}
    """

    default_rate = 0.1

    def draw(self, pixels: Pixels, rng: Generator) -> dict[str, Any]:
        return {"order": list(_SHUFFLES[int(rng.integers(len(_SHUFFLES)))])}

    def apply(self, pixels: Pixels, drawn: Mapping[str, Any], rng: Generator) -> Pixels:
        return pixels.take(drawn["order"], axis=2) if pixels.shape[2] == 3 else pixels.copy()
