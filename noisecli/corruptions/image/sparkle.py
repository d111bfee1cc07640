"""Light that plays on the picture: sparkles and caustics, from ImageNet-C-bar."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import numpy as np
from numpy.random import Generator
from pydantic import Field

from noisecli.corruption import ImageCorruption, Pixels, register
from noisecli.elementary import TAU, exp
from noisecli.normal import log
from noisecli.parameters import Share
from noisecli.pixels import Reals, bands, in_planes, side_of, to_pixels, white
from noisecli.pixels.blur import gaussian_weights, smooth
from noisecli.pixels.chance import normal
from noisecli.pixels.patterns import away, bearing, wave
from noisecli.pixels.resample import enlarged
from noisecli.pixels.warp import displaced

SPARKLES = 5
MOST_RAYS = 200
FLAT = 0.028  # slope of water at which half of the shift is left
SIDE = 224  # px of the pictures that the published levels are for


@register
class Sparkles(ImageCorruption):
    """Put five white sparkles on the picture, with 50 to 199 rays each: glitter, or lights that dazzle.

    A ray is white up to its length, which varies by a quarter from ray to ray, and fades beyond it with the square of
    the distance.

    Source: Mintun, Kirillov and Xie 2021, "On Interaction Between Augmentations and Corruptions in Natural Corruption
    Robustness" (ImageNet-C-bar).

    Example:
        {op: sparkles, severity: 3}
    """

    severities = ({"radius": 0.01}, {"radius": 0.02}, {"radius": 0.03}, {"radius": 0.05}, {"radius": 0.06})
    small_severities = {
        32: ({"radius": 0.007}, {"radius": 0.035}, {"radius": 0.056}, {"radius": 0.063}, {"radius": 0.07}),
    }

    radius: Share = 0.03
    """Mean length of the white rays, as a share of the side of a square of the picture's area; each at least 1 px."""

    def draw(self, pixels: Pixels, rng: Generator) -> dict[str, Any]:
        centres = rng.random((SPARKLES, 2)) * pixels.shape[:2]
        return {"centres": centres.tolist(), "rays": rng.integers(50, MOST_RAYS, SPARKLES).tolist()}

    def apply(self, pixels: Pixels, drawn: Mapping[str, Any], rng: Generator) -> Pixels:
        lengths = (1 + normal(rng, (SPARKLES, MOST_RAYS))[:] / 4) * np.float32(self.radius * side_of(pixels))
        lengths = np.maximum(lengths, np.float32(self.radius > 0))
        sparkling = np.empty_like(pixels)
        for band in bands(pixels.shape):
            kept = np.ones((band.stop - band.start, pixels.shape[1]), np.float32)
            for centre, rays, longest in zip(drawn["centres"], drawn["rays"], lengths, strict=True):
                reach, glow = _star(pixels, band, centre, longest[:rays])
                kept *= 1 - np.minimum(reach * glow, 1)
            sparkling[band] = _whitened(pixels[band], kept)
        return sparkling


@register
class InverseSparkles(ImageCorruption):
    """Leave the picture visible in one ragged star and bleach what lies around it: a view through a frosted pane.

    The star is half a side wide (of a square of the picture's area) and has 50 to 199 rays, whose length varies by a
    quarter.

    Source: Mintun, Kirillov and Xie 2021, "On Interaction Between Augmentations and Corruptions in Natural Corruption
    Robustness" (ImageNet-C-bar).

    Example:
        {op: inverse_sparkles, severity: 3}
    """

    severities = ({"fading": 0.26}, {"fading": 0.52}, {"fading": 1.04}, {"fading": 2.34}, {"fading": 2.6})
    small_severities = {
        32: ({"fading": 0.26}, {"fading": 0.39}, {"fading": 0.65}, {"fading": 1.17}, {"fading": 1.3}),
    }

    fading: Annotated[float, Field(ge=0, le=10)] = 1.04
    """Power of the distance with which the picture fades to white outside the star."""

    def draw(self, pixels: Pixels, rng: Generator) -> dict[str, Any]:
        centre = (0.25 + rng.random(2) / 2) * pixels.shape[:2]
        return {"centre": centre.tolist(), "rays": int(rng.integers(50, MOST_RAYS))}

    def apply(self, pixels: Pixels, drawn: Mapping[str, Any], rng: Generator) -> Pixels:
        longer = normal(rng, (MOST_RAYS,))[: drawn["rays"]]
        lengths = np.asarray((1 + longer / 4) * (side_of(pixels) / 4), np.float32)
        bleached = np.empty_like(pixels)
        for band in bands(pixels.shape):
            reach, glow = _star(pixels, band, drawn["centre"], lengths)
            power = exp(log(np.maximum(reach, 1e-12).astype(np.float64)) * (self.fading / 2))
            # Where it is above 2 nothing is bleached; far more than that does not fit 32 bits.
            kept = np.minimum(np.minimum(power, 2).astype(np.float32) * glow, 1)
            bleached[band] = _whitened(pixels[band], kept)
        return bleached


def _star(pixels: Pixels, band: slice, centre: Sequence[float], lengths: Reals) -> tuple[Reals, Reals]:
    """Return the square of the length of the ray that pixels lie in over their distance, and how near the ray they are.

    From ray to ray the length changes evenly; nearness is 1 half-way from one to the next, and 0.75 at the two.
    """
    down, right = away(band, pixels.shape[1], centre)
    place = bearing(down, right) * np.float32(len(lengths))
    first = np.floor(place)
    place -= first
    ray = first.astype(np.int64) % len(lengths)
    length = lengths[ray] + place * (np.roll(lengths, -1) - lengths)[ray]
    place -= np.float32(0.5)
    return length * length / (down * down + right * right + np.float32(1e-4)), 1 - place * place


def _whitened(pixels: Pixels, kept: Reals) -> Pixels:
    top = np.float32(white(pixels))
    return to_pixels(top - (top - pixels) * kept[..., np.newaxis], pixels.dtype)


@register
class CausticRefraction(ImageCorruption):
    """Look at the picture through moving water: light gathers in a bright net, and what lies under it is bent.

    The net is that of caustics on the ground of a pool, one period about a side (of a square of the picture's area).
    Its slopes are the water's surface: they shift what is seen, by the law of refraction, and lighten one flank of a
    ripple and darken the other. Where the water is nearly flat, the shift fades out; the published code drops it below
    a slope of 1 in 22, which tears the picture there. Beyond the borders the picture is reflected, not black.

    Source: Mintun, Kirillov and Xie 2021, "On Interaction Between Augmentations and Corruptions in Natural Corruption
    Robustness" (ImageNet-C-bar).

    Example:
        {op: caustic_refraction, severity: 3}
    """

    severities = (
        {"depth": 0.1175, "light": 0.47},
        {"depth": 0.16, "light": 0.64},
        {"depth": 0.245, "light": 0.98},
        {"depth": 0.33, "light": 1.32},
        {"depth": 0.4575, "light": 1.83},
    )

    depth: Annotated[float, Field(ge=0, le=2)] = 0.245
    """Depth of the water, as a share of the side of a square of the picture's area."""

    light: Annotated[float, Field(ge=0, le=10)] = 0.98
    """What a flank as steep as 1 in 1 gains or loses, as a share of the range from black to white."""

    def moves(self) -> bool:
        return self.depth > 0

    def draw(self, pixels: Pixels, rng: Generator) -> dict[str, Any]:
        time, period, *origin = rng.random(4).tolist()
        return {"time": 0.5 + 1.5 * time, "period_px": (0.75 + 0.5 * period) * side_of(pixels), "origin": origin}

    def apply(self, pixels: Pixels, drawn: Mapping[str, Any], rng: Generator) -> Pixels:
        unit = side_of(pixels) / SIDE
        step = max(int(unit / 2), 1)  # px from one point to the next at which the water is worked out
        shape = ((pixels.shape[0] - 1) // step + 2, (pixels.shape[1] - 1) // step + 2)
        slopes = _slopes(_net(shape, drawn, drawn["period_px"] / step), unit / step)
        down, right = np.empty((2, *pixels.shape[:2]), np.float32)
        for band in bands(pixels.shape):
            down[band], right[band] = (_known(slope, band, pixels.shape[1], step) for slope in slopes)
            shift = _refracted(down[band], right[band]) * np.float32(self.depth * side_of(pixels))
            down[band] *= shift
            right[band] *= shift
        seen = displaced(pixels, down, right)
        shade = (slopes[0] - slopes[1]) * np.float32(self.light * white(pixels))

        def lit(levels: Reals, band: slice) -> None:
            levels += _known(shade, band, pixels.shape[1], step)

        return in_planes(seen, lit)


def _net(shape: tuple[int, int], drawn: Mapping[str, Any], period: float) -> Reals:
    """Return the brightness of the ground, 0 .. 1: places are bent by each other's sines five times, and where the
    sines of both coordinates stay near 0 light gathers."""
    net = np.empty(shape, np.float32)
    start = [np.float32(share) for share in drawn["origin"]]
    quarter, radian = np.float32(0.25), np.float32(1 / TAU)
    for band in bands(shape):
        down, right = away(band, shape[1], (0, 0), period)
        down, right = down + start[0], right + start[1]
        total, (rows, columns) = np.float32(1), (down, right)
        for i in range(1, 6):
            time = np.float32(drawn["time"] * (1 - 3.5 / i) / TAU)
            rows, columns = (
                down + (wave(time - rows + quarter) + wave(time + columns)) * radian,
                right + (wave(time - columns) + wave(time + rows + quarter)) * radian,
            )
            first, second = wave(rows + time), wave(columns + time + quarter)
            steepness = np.sqrt(first * first + second * second) + np.float32(1e-6)
            total = total + np.abs(first * second) / steepness * np.float32(0.8)
        total /= 5
        root = np.sqrt(np.sqrt(total))
        dark = np.float32(1.17) - total * root * np.sqrt(root)
        dark *= dark
        dark *= dark
        net[band] = np.minimum(dark * dark, 1)
    return net


def _slopes(net: Reals, unit: float) -> tuple[Reals, Reals]:
    """Return how much the net, softened by a unit, rises over two units of some points, downwards and to the right."""
    ends = np.pad(smooth(net, gaussian_weights(unit)), 1, mode="edge") * np.float32(unit)
    return ends[2:, 1:-1] - ends[:-2, 1:-1], ends[1:-1, 2:] - ends[1:-1, :-2]


def _known(field: Reals, rows: slice, width: int, step: int) -> Reals:
    """Return what a field known every `step` px is at the pixels of some rows."""
    return enlarged(field, np.arange(rows.start, rows.stop) / step, np.arange(width) / step)


def _refracted(down: Reals, right: Reals) -> Reals:
    """Return how far a ray that falls on a slope goes aside, over its length and over the slope.

    The refractive index is 4, as published: a quarter of the ray's sine against the surface's normal remains. Where the
    water is nearly flat the shift fades out.
    """
    square = down * down + right * right
    cosine = np.float32(1) / np.sqrt(square + 1)
    sine = np.sqrt(square) * cosine
    aside = (np.sqrt(1 - sine * sine / 16) - cosine / 4) * cosine
    aside *= square / (square + np.float32(FLAT * FLAT))
    return np.asarray(aside, np.float32)
