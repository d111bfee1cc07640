"""Codecs: what compression leaves of a picture."""

from collections.abc import Mapping
from io import BytesIO
from typing import Annotated, Any

import numpy as np
from numpy.random import Generator
from PIL import Image
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.WebPImagePlugin import WebPImageFile
from pydantic import Field

from noisecli.corruption import ImageCorruption, Pixels, register
from noisecli.errors import DataProblem

LONGEST_SIDE = {"JPEG": 65_500, "WEBP": 16_383}
"""What the libraries can hold, in px."""

_STEP = 257  # from one level of 8 bits to the next, in levels of 16 bits


@register
class JpegCompression(ImageCorruption):
    """Compress as JPEG and decompress: blocks, ringing and smeared colour.

    Colour is halved in both directions (4:2:0), as most cameras and sites do. JPEG holds 8 bits: pixels of 16 bits are
    rounded to the nearest of 256 levels before, and come back as multiples of 257.

    Source: Hendrycks and Dietterich 2019, "Benchmarking Neural Network Robustness to Common Corruptions".

    Example:
        {op: jpeg_compression, severity: 3}
    """

    severities = ({"quality": 25}, {"quality": 18}, {"quality": 15}, {"quality": 10}, {"quality": 7})
    small_severities = {
        32: ({"quality": 80}, {"quality": 65}, {"quality": 58}, {"quality": 50}, {"quality": 40}),
        64: ({"quality": 65}, {"quality": 58}, {"quality": 50}, {"quality": 40}, {"quality": 25}),
    }

    quality: Annotated[int, Field(ge=1, le=100)] = 15
    """JPEG quality: 1 is the worst, 100 the best."""

    def apply(self, pixels: Pixels, drawn: Mapping[str, Any], rng: Generator) -> Pixels:
        return compressed_as_jpeg(pixels, self.quality, self.name)


@register
class WebpCompression(ImageCorruption):
    """Compress as WebP and decompress: fine texture is smoothed away, edges smear, colour bleeds.

    Lossy WebP, colour halved in both directions. It predicts blocks from their neighbours and filters their borders,
    so that a bad WebP looks painted where a bad JPEG looks tiled. WebP holds 8 bits: pixels of 16 bits are rounded
    to the nearest of 256 levels before, and come back as multiples of 257.

    Source: RFC 9649, "WebP Image Format".

    Example:
        {op: webp_compression, severity: 3}
    """

    severities = ({"quality": 20}, {"quality": 10}, {"quality": 5}, {"quality": 2}, {"quality": 0})
    small_severities = {
        32: ({"quality": 75}, {"quality": 60}, {"quality": 45}, {"quality": 30}, {"quality": 20}),
        64: ({"quality": 60}, {"quality": 45}, {"quality": 30}, {"quality": 20}, {"quality": 10}),
    }

    quality: Annotated[int, Field(ge=0, le=100)] = 5
    """WebP quality: 0 is the worst, 100 the best."""

    def apply(self, pixels: Pixels, drawn: Mapping[str, Any], rng: Generator) -> Pixels:
        return _compressed(pixels, WebPImageFile, self.name, quality=self.quality, method=4)


def compressed_as_jpeg(pixels: Pixels, quality: int, op: str) -> Pixels:
    """Return what JPEG of a quality from 1 to 100 leaves of a picture.

    Raises:
        DataProblem: the picture is larger than JPEG can hold.
    """
    return _compressed(pixels, JpegImageFile, op, quality=quality)


def _compressed(pixels: Pixels, codec: type[ImageFile], op: str, **settings: int) -> Pixels:
    """Return what a codec of 8 bits leaves of a picture."""
    name = str(codec.format)
    if max(pixels.shape) > LONGEST_SIDE[name]:
        height, width = pixels.shape[:2]
        raise DataProblem(f"{op}: {name} holds {LONGEST_SIDE[name]} px a side, the image is {width} x {height}")
    levels = in_8_bits(pixels)
    # The first row says it already of most that are not.
    seen = ((part, i) for part in (levels[:1], levels) for i in range(1, levels.shape[2]))
    grey = all(np.array_equal(part[..., 0], part[..., i]) for part, i in seen)
    compressed = BytesIO()
    Image.fromarray(levels[..., 0] if grey else levels).save(compressed, name, **settings)
    compressed.seek(0)
    # The class, because `Image.open` would take our own large picture for a decompression bomb.
    result: Pixels = np.asarray(codec(compressed))
    if grey:
        # WebP gives grey as colour, and a channel of it may be off by one.
        result = np.repeat(result.reshape(*levels.shape[:2], -1)[..., :1], levels.shape[2], axis=2)
    return in_depth_of(pixels, result)


def in_depth_of(pixels: Pixels, levels: Pixels) -> Pixels:
    """Return levels of 8 bits in the depth of a picture."""
    return levels if levels.dtype == pixels.dtype else levels.astype(pixels.dtype) * _STEP


def in_8_bits(pixels: Pixels) -> Pixels:
    """Round pixels to the nearest of 256 levels."""
    if pixels.dtype == np.uint8:
        return pixels
    return ((pixels.astype(np.uint32) + _STEP // 2) // _STEP).astype(np.uint8)
