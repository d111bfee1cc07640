"""Codecs: what lossy compression leaves of a picture."""

from collections.abc import Mapping
from io import BytesIO
from typing import Annotated, Any

import numpy as np
from numpy.random import Generator
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from pydantic import Field

from noisecli.corruption import ImageCorruption, Pixels, register
from noisecli.errors import DataProblem

LONGEST_SIDE = 65_500
"""What the JPEG library can hold, in px."""

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
        if max(pixels.shape) > LONGEST_SIDE:
            height, width = pixels.shape[:2]
            raise DataProblem(f"jpeg_compression: JPEG holds {LONGEST_SIDE} px a side, the image is {width} x {height}")
        compressed = BytesIO()
        levels = _in_8_bits(pixels)
        picture = Image.fromarray(levels[..., 0] if levels.shape[2] == 1 else levels)
        picture.save(compressed, "JPEG", quality=self.quality)
        compressed.seek(0)
        # The class, because `Image.open` would take our own large picture for a decompression bomb.
        result: Pixels = np.asarray(JpegImageFile(compressed)).reshape(pixels.shape)
        return result if result.dtype == pixels.dtype else result.astype(pixels.dtype) * _STEP


def _in_8_bits(pixels: Pixels) -> Pixels:
    if pixels.dtype == np.uint8:
        return pixels
    return ((pixels.astype(np.uint32) + _STEP // 2) // _STEP).astype(np.uint8)
