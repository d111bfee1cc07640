"""Pictures that are there more than once, as they are or as they are found again on the web."""

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from numpy.random import Generator
from pydantic import Field

from noisecli.corruption import CloningCorruption, Pixels, register
from noisecli.corruptions.image.codec import compressed_as_jpeg, in_8_bits, in_depth_of
from noisecli.parameters import Share
from noisecli.pixels import to_pixels, white
from noisecli.pixels.chance import looked_up
from noisecli.pixels.resample import resized


@register
class Duplicate(CloningCorruption):
    """Repeat pictures, byte for byte: the same file saved or crawled twice.

    Source: Barz and Denzler 2020, "Do We Train on Test Data? Purging CIFAR of Near-Duplicates".

    Example:
        {op: duplicate, rate: 0.3}
    """

    is_exact = True
    severities = ({"rate": 0.01}, {"rate": 0.05}, {"rate": 0.1}, {"rate": 0.2}, {"rate": 0.4})


@register
class NearDuplicate(CloningCorruption):
    """Repeat pictures as they are found again on the web: cut a little, brighter or darker, compressed once more.

    Of each side of a clone a strip is cut off, and it is scaled back to its size; then all light is multiplied, and the
    clone goes through JPEG. How much of each is drawn for every clone. JPEG holds 8 bits: pixels of 16 bits are rounded
    to the nearest of 256 levels before, and come back as multiples of 257.

    Source: Barz and Denzler 2020, "Do We Train on Test Data? Purging CIFAR of Near-Duplicates".

    Example:
        {op: near_duplicate, rate: 0.3, clones: 2}
    """

    severities = (
        {"crop": 0.005, "brightness": 0.02, "quality": 95},
        {"crop": 0.015, "brightness": 0.05, "quality": 90},
        {"crop": 0.03, "brightness": 0.1, "quality": 80},
        {"crop": 0.06, "brightness": 0.18, "quality": 60},
        {"crop": 0.12, "brightness": 0.3, "quality": 35},
    )

    crop: Annotated[float, Field(ge=0, le=0.25)] = 0.03
    """Most that is cut off at each side, as a share of the height or width; to the nearest whole pixel."""

    brightness: Share = 0.1
    """Most that the light is raised or lowered by, as a share of what it was."""

    quality: Annotated[int, Field(ge=1, le=100)] = 80
    """Lowest JPEG quality; the highest is halfway from there to 100."""

    def moves(self) -> bool:
        return self.crop > 0

    def draw(self, pixels: Pixels, rng: Generator) -> dict[str, Any]:
        top, bottom, left, right, light, compression = rng.random(6).tolist()
        return {"cut": [top, bottom, left, right], "light": 2 * light - 1, "compression": compression}

    def apply(self, pixels: Pixels, drawn: Mapping[str, Any], rng: Generator) -> Pixels:
        height, width = pixels.shape[:2]
        sides = (height, height, width, width)
        cut = (round(self.crop * share * side) for share, side in zip(drawn["cut"], sides, strict=True))
        top, bottom, left, right = cut
        kept = in_8_bits(pixels[top : height - bottom, left : width - right])
        table = to_pixels(np.arange(white(kept) + 1) * (1 + self.brightness * drawn["light"]), kept.dtype)
        lit = looked_up(table, resized(kept, height, width))
        quality = 100 - round((100 - self.quality) * (1 + drawn["compression"]) / 2)
        return in_depth_of(pixels, compressed_as_jpeg(lit, quality, self.name))
