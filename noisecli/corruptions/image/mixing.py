"""Two pictures in one: labels become soft in the shares of the pixels."""

from collections.abc import Mapping
from math import sqrt
from typing import Any, Literal

import numpy as np
from numpy.random import Generator
from pydantic import PositiveFloat

from noisecli.corruption import MixingCorruption, Pixels, register
from noisecli.corruptions.table.mixing import symmetric_beta
from noisecli.pixels import bands

WHOLE = 2**16
"""Shares are so many parts: pixels of 16 bits times them, and half of them more, are just within 32 bits."""


class InShares(MixingCorruption):
    """Base of those that mix in shares of the Beta distribution."""

    alpha: PositiveFloat
    within: Literal["any", "class"] = "any"
    """any: the other picture is any training picture that has a class; class: one of the same class, so that labels
    stay hard."""

    def pairs_within_class(self) -> bool:
        return self.within == "class"

    def draw(self, pixels: Pixels, rng: Generator) -> dict[str, Any]:
        return {"normals": rng.standard_normal(2).tolist(), "exponentials": rng.standard_exponential(3).tolist()}

    def share(self, drawn: Mapping[str, Any]) -> float:
        """Return the share that what was drawn stands for."""
        normals, exponentials = (np.array(drawn[key])[:, np.newaxis] for key in ("normals", "exponentials"))
        return float(symmetric_beta(self.alpha, [*normals], [*exponentials])[0])


@register
class Mixup(InShares):
    """Mix two pictures, labels too: pictures between pictures, for classifiers that are less sure.

    Every pixel becomes `share * own + (1 - share) * other`, and the label becomes soft in just these shares, which are
    multiples of 1 / 65536.

    Source: Zhang, Cisse, Dauphin and Lopez-Paz 2018, "mixup: Beyond Empirical Risk Minimization".

    Example:
        {op: mixup, alpha: 0.4}
    """

    severities = ({"alpha": 0.1}, {"alpha": 0.2}, {"alpha": 0.4}, {"alpha": 1.0}, {"alpha": 2.0})

    alpha: PositiveFloat = 0.4
    """Shares are drawn from the Beta distribution with both parameters alpha: the smaller, the closer to 0 or 1; at 1
    all are equally likely."""

    def mix(self, pixels: Pixels, other: Pixels, drawn: Mapping[str, Any]) -> tuple[Pixels, dict[str, Any]]:
        own = round(self.share(drawn) * WHOLE)
        mixed = np.empty_like(pixels)
        for band in bands(pixels.shape):
            total = pixels[band] * np.uint32(own)
            total += other[band] * np.uint32(WHOLE - own)
            total += np.uint32(WHOLE // 2)
            mixed[band] = total >> 16
        return mixed, {"share": own / WHOLE}


@register
class Cutmix(InShares):
    """Paste a part of another picture into this one, and mix the labels by area: objects that are seen in part only.

    The part is a box of the picture's proportions with its centre anywhere, at the same place in both pictures. It is
    cut off at the border; what counts for the label are the pixels that are really of the one and of the other.

    Source: Yun et al. 2019, "CutMix: Regularization Strategy to Train Strong Classifiers with Localizable Features".

    Example:
        {op: cutmix, alpha: 1}
    """

    severities = ({"alpha": 0.25}, {"alpha": 0.5}, {"alpha": 1.0}, {"alpha": 2.0}, {"alpha": 4.0})

    alpha: PositiveFloat = 1.0
    """The box has one minus a share of the picture before it is cut off. Shares are drawn from the Beta distribution
    with both parameters alpha: the smaller, the closer to 0 or 1; at 1 all are equally likely."""

    def draw(self, pixels: Pixels, rng: Generator) -> dict[str, Any]:
        return {**super().draw(pixels, rng), "centre": rng.random(2).tolist()}

    def mix(self, pixels: Pixels, other: Pixels, drawn: Mapping[str, Any]) -> tuple[Pixels, dict[str, Any]]:
        side = sqrt(1 - self.share(drawn))
        (top, bottom), (left, right) = (
            _interval(side, place, length) for place, length in zip(drawn["centre"], pixels.shape[:2], strict=True)
        )
        mixed = pixels.copy()
        mixed[top:bottom, left:right] = other[top:bottom, left:right]
        whole = pixels.shape[0] * pixels.shape[1]
        share = (whole - (bottom - top) * (right - left)) / whole
        return mixed, {"share": share, "box": [top, left, bottom, right]}


def _interval(side: float, place: float, length: int) -> tuple[int, int]:
    """Return where a side of the box begins and ends, in px."""
    size = round(side * length)
    start = int(place * length) - size // 2
    return max(start, 0), min(start + size, length)
