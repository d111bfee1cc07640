"""The contracts of ops on images: on their pixels, their labels and their finished files, and on which there are."""

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from pydantic import Field, PositiveInt

from noisecli.columns import Column
from noisecli.corruption.base import Corruption, Preset
from noisecli.pixels import Pixels
from noisecli.streams import CounterDraws


class AnyImageCorruption(Corruption):
    """Base of every op on images."""

    target = "images"

    def moves(self) -> bool:
        """Say whether what is in the picture lies elsewhere afterwards, so that boxes and masks would fit no more.

        What blurs does not move: it spreads from where it was.
        """
        return False


class ImageCorruption(AnyImageCorruption):
    """Changes the pixels of a struck image, in two steps: draw the parameters, then apply them."""

    unchanged: ClassVar[str] = "no effect (ops on colour have none on grey images)"
    """Why a struck image may come out as it was; empty: that is part of what the op does."""
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


class MixingCorruption(ImageCorruption):
    """Mixes struck images with other ones, and labels in the same shares.

    Each training image that has a class is the partner of one other at the most, by a keyed permutation of them all;
    that it is its own partner can happen. Partners are clean.
    """

    unchanged = ""

    def pairs_within_class(self) -> bool:
        """Whether the other image is one of the same class, so that labels stay hard."""
        return False

    def mix(self, pixels: Pixels, other: Pixels, drawn: Mapping[str, Any]) -> tuple[Pixels, dict[str, Any]]:
        """Return new pixels, and what is to be told of them: as `share`, which share is the struck image's own.

        Args:
            pixels: the struck image, as for `apply`; never change it.
            other: the other one, in the frame of the struck one: of the same shape and dtype.
            drawn: what `draw` gave.
        """
        raise NotImplementedError

    def strike_with(self, pixels: Pixels, other: Pixels, rng: Generator) -> tuple[Pixels, dict[str, Any]]:
        """Return what becomes of a struck image and another one, and what it got."""
        drawn = self.draw(pixels, rng)
        mixed, told = self.mix(pixels, other, drawn)
        return mixed, {**drawn, **told}


class CloningCorruption(ImageCorruption):
    """Adds clones of struck images; what it does to pixels happens to the clones alone."""

    unchanged = ""
    default_rate = 0.1
    is_exact: ClassVar[bool] = False
    """Whether a clone is its source, byte for byte, so that nobody decodes it for that."""

    clones: PositiveInt = Field(1, le=1_000)
    """Clones of each struck image."""

    def apply(self, pixels: Pixels, drawn: Mapping[str, Any], rng: Generator) -> Pixels:
        return pixels


class ImageLabelCorruption(AnyImageCorruption):
    """Gives struck images another class: they move to its folder, or their metadata say so."""

    default_rate = 0.1
    exact_by_default = True

    def objection(self, classes: Column) -> str | None:
        """Say why labels of these classes cannot be struck; None: they can."""
        return None

    def relabel(self, codes: NDArray[np.intp], classes: Column, draws: CounterDraws) -> NDArray[np.intp]:
        """Return as many other classes.

        Args:
            codes: numbers of the classes of struck images.
            classes: its `categories` are all classes, sorted.
            draws: one number an image and call.
        """
        raise NotImplementedError


class ImageFileCorruption(AnyImageCorruption):
    """Damages the finished file of a struck image: its bytes, which nobody decodes for that.

    Such ops are the last steps of a recipe, and each sees the file that the one before it left.
    """

    unchanged: ClassVar[str] = "no effect"
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
