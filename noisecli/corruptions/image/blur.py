"""Blur: what a lens, a movement or a pane of glass smears."""

from collections.abc import Mapping
from math import ceil
from typing import Annotated, Any

import numpy as np
from numpy.random import Generator
from pydantic import Field

from noisecli.corruption import ImageCorruption, Pixels, register
from noisecli.normal import Floats
from noisecli.pixels import Places, Reals, bands, in_bands, to_pixels
from noisecli.pixels.blur import disk, gaussian, gaussian_weights, motion_taps, separable, weighted
from noisecli.pixels.chance import bits16
from noisecli.pixels.resample import sampled

Sigma = Annotated[float, Field(ge=0, le=100)]


@register
class GaussianBlur(ImageCorruption):
    """Blur by a Gaussian: a soft lens, or a picture that was scaled up.

    Beyond the border the edge goes on, and the kernel ends four standard deviations away.

    Source: Hendrycks and Dietterich 2019, "Benchmarking Neural Network Robustness to Common Corruptions".

    Example:
        {op: gaussian_blur, severity: 3}
    """

    severities = ({"sigma": 1.0}, {"sigma": 2.0}, {"sigma": 3.0}, {"sigma": 4.0}, {"sigma": 6.0})
    small_severities = {
        32: ({"sigma": 0.4}, {"sigma": 0.6}, {"sigma": 0.7}, {"sigma": 0.8}, {"sigma": 1.0}),
        64: ({"sigma": 0.5}, {"sigma": 0.75}, {"sigma": 1.0}, {"sigma": 1.25}, {"sigma": 1.5}),
    }

    sigma: Sigma = 3.0
    """Standard deviation of the kernel, in px."""

    def apply(self, pixels: Pixels, drawn: Mapping[str, Any], rng: Generator) -> Pixels:
        return gaussian(pixels, self.sigma)


@register
class DefocusBlur(ImageCorruption):
    """Blur by a disk: a lens out of focus, which turns points into discs of light.

    The disk is made of whole pixels, and a small Gaussian softens its rim: of 3 x 3 px, above a radius of 8 px of
    5 x 5. Beyond the border the picture is mirrored.

    Source: Hendrycks and Dietterich 2019, "Benchmarking Neural Network Robustness to Common Corruptions".

    Example:
        {op: defocus_blur, severity: 3}
    """

    severities = (
        {"radius": 3.0, "alias": 0.1},
        {"radius": 4.0, "alias": 0.5},
        {"radius": 6.0, "alias": 0.5},
        {"radius": 8.0, "alias": 0.5},
        {"radius": 10.0, "alias": 0.5},
    )
    small_severities = {
        32: (
            {"radius": 0.3, "alias": 0.4},
            {"radius": 0.4, "alias": 0.5},
            {"radius": 0.5, "alias": 0.6},
            {"radius": 1.0, "alias": 0.2},
            {"radius": 1.5, "alias": 0.1},
        ),
        64: (
            {"radius": 0.5, "alias": 0.6},
            {"radius": 1.0, "alias": 0.1},
            {"radius": 1.5, "alias": 0.1},
            {"radius": 2.5, "alias": 0.01},
            {"radius": 3.0, "alias": 0.1},
        ),
    }

    radius: Annotated[float, Field(ge=0, lt=100)] = 6.0
    """Radius of the disk, in px; below 1 it is a single pixel, and the rim is all the blur."""

    alias: Sigma = 0.5
    """Standard deviation of the Gaussian that softens the rim, in px."""

    def apply(self, pixels: Pixels, drawn: Mapping[str, Any], rng: Generator) -> Pixels:
        rim = gaussian_weights(self.alias, radius=1 if self.radius <= 8 else 2)
        halo = int(self.radius) + len(rim) - 1
        return in_bands(pixels, halo, lambda seen: separable(disk(seen, self.radius), rim), "mirror")


@register
class GlassBlur(ImageCorruption):
    """Blur, let every pixel take the colour of one nearby, and blur again: frosted glass.

    From the last pixel to the first, each takes the colour of one up to `delta` px away, which may have changed before.
    ImageNet-C describes a swap, but its program copies: half of the colours are lost, and the rest move by a pixel or
    two. So it is here.

    Source: Hendrycks and Dietterich 2019, "Benchmarking Neural Network Robustness to Common Corruptions".

    Example:
        {op: glass_blur, severity: 3}
    """

    severities = (
        {"sigma": 0.7, "delta": 1, "iterations": 2},
        {"sigma": 0.9, "delta": 2, "iterations": 1},
        {"sigma": 1.0, "delta": 2, "iterations": 3},
        {"sigma": 1.1, "delta": 3, "iterations": 2},
        {"sigma": 1.5, "delta": 4, "iterations": 2},
    )
    small_severities = {
        32: (
            {"sigma": 0.05, "delta": 1, "iterations": 1},
            {"sigma": 0.25, "delta": 1, "iterations": 1},
            {"sigma": 0.4, "delta": 1, "iterations": 1},
            {"sigma": 0.25, "delta": 1, "iterations": 2},
            {"sigma": 0.4, "delta": 1, "iterations": 2},
        ),
        64: (
            {"sigma": 0.1, "delta": 1, "iterations": 1},
            {"sigma": 0.5, "delta": 1, "iterations": 1},
            {"sigma": 0.6, "delta": 1, "iterations": 2},
            {"sigma": 0.7, "delta": 2, "iterations": 1},
            {"sigma": 0.9, "delta": 2, "iterations": 2},
        ),
    }

    sigma: Sigma = 1.0
    """Standard deviation of the Gaussian of both blurs, in px."""

    delta: Annotated[int, Field(ge=0, le=100)] = 2
    """How far a colour may come from, in px: `delta` to the left and up, one less to the right and down."""

    iterations: Annotated[int, Field(ge=0, le=20)] = 3
    """How often the colours are moved."""

    def apply(self, pixels: Pixels, drawn: Mapping[str, Any], rng: Generator) -> Pixels:
        moved = gaussian(pixels, self.sigma)
        for _ in range(self.iterations):
            moved = _copied(moved, self.delta, rng)
        return gaussian(moved, self.sigma)


def _copied(pixels: Pixels, delta: int, rng: Generator) -> Pixels:
    """Let each pixel, from the last to the first, take the colour of one nearby."""
    height, width, channels = pixels.shape
    bits = bits16(rng, (2, height, width))
    copied = np.empty_like(pixels)
    before, after = pixels.reshape(-1, channels), copied.reshape(-1, channels)
    for band in reversed(list(bands(pixels.shape))):
        down, right = (bits[:, band].astype(np.int64) * (2 * delta) >> 16) - delta
        rows = np.clip(np.arange(band.start, band.stop)[:, np.newaxis] + down, 0, height - 1)
        columns = np.clip(np.arange(width) + right, 0, width - 1)
        first, end = band.start * width, band.stop * width
        sources = _followed((rows * width + columns).reshape(-1) - first) + first
        after[first:end] = before.take(sources, axis=0)
        below = np.flatnonzero(sources >= end)
        after[first + below] = after.take(sources[below], axis=0)
    return copied


def _followed(sources: Places) -> Places:
    """Follow sources to where colours come from in the end.

    A pixel that takes its colour from a later one, whose turn was before, gets what that had taken: here its source
    becomes that one's, in leaps that double, until all lead to a pixel that had its own colour yet, or beyond the last.
    """
    settled = (sources <= np.arange(sources.size)) | (sources >= sources.size)
    waiting = np.flatnonzero(~settled)
    while waiting.size:
        ahead = sources[waiting]
        sources[waiting] = sources[ahead]
        done = settled[ahead]
        settled[waiting[done]] = True
        waiting = waiting[~done]
    return sources


@register
class MotionBlur(ImageCorruption):
    """Smear the picture along a line: the camera or the object moved. Its direction is drawn for each image.

    A pixel becomes a mean along the line, whose weights fall off as half a Gaussian; beyond the border the edge goes
    on. As ImageMagick does it, which ImageNet-C uses; the package imagecorruptions stops early where the line is longer
    than the picture.

    Source: Hendrycks and Dietterich 2019, "Benchmarking Neural Network Robustness to Common Corruptions".

    Example:
        {op: motion_blur, severity: 3}
    """

    severities = (
        {"radius": 10, "sigma": 3.0},
        {"radius": 15, "sigma": 5.0},
        {"radius": 15, "sigma": 8.0},
        {"radius": 15, "sigma": 12.0},
        {"radius": 20, "sigma": 15.0},
    )
    small_severities = {
        32: (
            {"radius": 6, "sigma": 1.0},
            {"radius": 6, "sigma": 1.5},
            {"radius": 6, "sigma": 2.0},
            {"radius": 8, "sigma": 2.0},
            {"radius": 9, "sigma": 2.5},
        ),
        64: (
            {"radius": 10, "sigma": 1.0},
            {"radius": 10, "sigma": 1.5},
            {"radius": 10, "sigma": 2.0},
            {"radius": 10, "sigma": 2.5},
            {"radius": 12, "sigma": 3.0},
        ),
    }

    radius: Annotated[int, Field(ge=0, le=200)] = 15
    """Half the length of the line, in px."""

    sigma: Annotated[float, Field(ge=0.01, le=1000)] = 8.0
    """Standard deviation of the Gaussian along the line, in px."""

    def draw(self, pixels: Pixels, rng: Generator) -> dict[str, Any]:
        # Rounded, because it is written down; degrees, 0 along the rows.
        return {"angle": round(90 * rng.random() - 45, 2)}

    def apply(self, pixels: Pixels, drawn: Mapping[str, Any], rng: Generator) -> Pixels:
        taps = motion_taps(self.radius, self.sigma, drawn["angle"])
        halo = max(max(abs(down), abs(right)) for down, right, _ in taps)
        return in_bands(pixels, halo, lambda seen: weighted(seen.astype(np.float32), halo, taps))


@register
class ZoomBlur(ImageCorruption):
    """Take the mean of the picture and of itself zoomed in, step by step: the camera moves towards the object.

    The picture counts twice, as itself and as the first step, as in ImageNet-C.

    Source: Hendrycks and Dietterich 2019, "Benchmarking Neural Network Robustness to Common Corruptions".

    Example:
        {op: zoom_blur, severity: 3}
    """

    severities = (
        {"stop": 1.11, "step": 0.01},
        {"stop": 1.16, "step": 0.01},
        {"stop": 1.21, "step": 0.02},
        {"stop": 1.26, "step": 0.02},
        {"stop": 1.31, "step": 0.03},
    )
    small_severities = {
        32: tuple({"stop": stop, "step": 0.01} for stop in (1.06, 1.11, 1.16, 1.21, 1.26)),
        64: tuple({"stop": stop, "step": 0.01} for stop in (1.06, 1.11, 1.16, 1.21, 1.26)),
    }

    stop: Annotated[float, Field(ge=1, le=2)] = 1.21
    """Where zooming ends: before this factor."""

    step: Annotated[float, Field(ge=0.005, le=1)] = 0.02
    """By how much the factor grows from one layer to the next."""

    def apply(self, pixels: Pixels, drawn: Mapping[str, Any], rng: Generator) -> Pixels:
        zooms = [1 + i * self.step for i in range(1, ceil((self.stop - 1) / self.step))]
        height, width = pixels.shape[:2]
        result = np.empty_like(pixels)
        for band in bands(pixels.shape):
            total: Reals = pixels[band] * np.float32(2)
            for zoom in zooms:
                total += sampled(sampled(pixels, _zoomed(height, zoom)[band], 0), _zoomed(width, zoom), 1)
            total /= np.float32(len(zooms) + 2)
            result[band] = to_pixels(total, pixels.dtype)
        return result


def _zoomed(size: int, zoom: float) -> Floats:
    """Return where the pixels along a side come from when it is zoomed about its middle."""
    middle = (size - 1) / 2
    return (np.arange(size, dtype=np.float64) - middle) / zoom + middle
