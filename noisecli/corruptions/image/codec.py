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


@register
class JpegCompression(ImageCorruption):
    """Compress as JPEG and decompress: blocks, ringing and smeared colour.

    Colour is halved in both directions (4:2:0), as most cameras and sites do.

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
        picture = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
        picture.save(compressed, "JPEG", quality=self.quality)
        compressed.seek(0)
        # The class, because `Image.open` would take our own large picture for a decompression bomb.
        return np.asarray(JpegImageFile(compressed)).reshape(pixels.shape)
