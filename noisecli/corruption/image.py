"""The contracts of ops on images: on their pixels, and on their finished files."""

import math
from collections.abc import Mapping
from typing import Any, ClassVar

from numpy.random import Generator

from noisecli.corruption.base import Corruption, Preset
from noisecli.pixels import Pixels


class ImageCorruption(Corruption):
    """Changes the pixels of a struck image, in two steps: draw the parameters, then apply them."""

    target = "images"
    small_severities: ClassVar[Mapping[int, tuple[Preset, ...]]] = {}
    """Published severities for other sizes, by side length in px; `severities` are those for 224 px."""
    shared: ClassVar[bool] = False
    """Whether all images of a copy get the same random numbers: a fault of the camera, not of one picture. What depends
    on the place in the picture is then the same in all images of one size."""

    def strike(self, pixels: Pixels, rng: Generator) -> tuple[Pixels, dict[str, Any]]:
        """Return what becomes of a struck image, and what it got."""
        drawn = self.draw(pixels, rng)
        return self.apply(pixels, drawn, rng), drawn

    def draw(self, pixels: Pixels, rng: Generator) -> dict[str, Any]:
        """Draw what this image gets (positions, counts); the number of draws must not depend on strength."""
        return {}

    def apply(self, pixels: Pixels, drawn: Mapping[str, Any], rng: Generator) -> Pixels:
        """Return new pixels of the shape and dtype of those that came. Never change the input.

        Pixels are (height, width, channels), channels is 1 or 3; they are uint8 or uint16, and white is the largest
        value of their dtype: strength is a share of the range from black to white, not a number of levels.
        Per-pixel noise comes from `rng`, drawn for every pixel whatever the strength.
        """
        raise NotImplementedError

    @classmethod
    def preset_for(cls, severity: int, side: float) -> Preset:
        """What a severity sets on an image whose sides have the geometric mean `side`, in px.

        Between the published sizes numbers are interpolated in log side length; beyond them the nearest size holds.
        """
        largest = cls.preset(severity)
        if severity == 0 or not cls.small_severities:
            return largest
        tables = {**{size: rows[severity - 1] for size, rows in cls.small_severities.items()}, 224: largest}
        return {key: _between({size: row[key] for size, row in tables.items()}, side) for key in largest}


class ImageFileCorruption(Corruption):
    """Damages the finished file of a struck image: its bytes, which nobody decodes for that.

    Such ops are the last steps of a recipe, and each sees the file that the one before it left.
    """

    target = "images"
    default_rate = 0.1
    breaks: ClassVar[str]
    """What goes wrong where such a file is read."""

    def strike(self, data: bytes, rng: Generator) -> tuple[bytes, dict[str, Any]]:
        """Return what becomes of the file of a struck image, and what it got, as plain data.

        A stronger fault must hold all that a weaker one does, so the number of draws must not depend on strength.

        Raises:
            DataProblem: the file is not what the op can damage.
        """
        raise NotImplementedError


def _between(values: Mapping[int, float], side: float) -> float:
    sizes = sorted(values)
    if not sizes[0] < side < sizes[-1] or len(set(values.values())) == 1:
        return values[sizes[0] if side <= sizes[0] else sizes[-1]]
    lower = max(size for size in sizes if size <= side)
    upper = min(size for size in sizes if size > side)
    # Rounded, because the last bit of a logarithm differs between mathematical libraries.
    share = round(math.log(side / lower) / math.log(upper / lower), 9)
    value = values[lower] + share * (values[upper] - values[lower])
    return round(value) if all(isinstance(v, int) for v in values.values()) else round(value, 9)
