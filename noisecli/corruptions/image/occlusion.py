"""Occlusion: parts of the picture that are covered."""

from collections.abc import Mapping
from typing import Annotated, Any

from numpy.random import Generator
from pydantic import Field

from noisecli.corruption import ImageCorruption, Pixels, register

MOST_HOLES = 64


@register
class Cutout(ImageCorruption):
    """Cover squares of the picture with black: something stands in front of the object.

    Centres are uniform over the whole picture, and a square that reaches over a border is cut off there.

    Source: DeVries and Taylor 2017, "Improved Regularization of Convolutional Neural Networks with Cutout".

    Example:
        {op: cutout, holes: 2, size: 0.25}
    """

    severities = ({"size": 0.125}, {"size": 0.25}, {"size": 0.375}, {"size": 0.5}, {"size": 0.625})

    holes: Annotated[int, Field(ge=0, le=MOST_HOLES)] = 1
    """Number of squares; they may overlap."""

    size: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Side of a square, as a share of the shorter side of the picture."""

    def draw(self, pixels: Pixels, rng: Generator) -> dict[str, Any]:
        height, width = pixels.shape[:2]
        shares = rng.random((MOST_HOLES, 2))[: self.holes].tolist()
        return {"centres": [(int(down * height), int(across * width)) for down, across in shares]}

    def apply(self, pixels: Pixels, drawn: Mapping[str, Any], rng: Generator) -> Pixels:
        side = round(self.size * min(pixels.shape[:2]))
        covered = pixels.copy()
        for row, column in drawn["centres"]:
            top, left = row - side // 2, column - side // 2
            covered[max(top, 0) : max(top + side, 0), max(left, 0) : max(left + side, 0)] = 0
        return covered
