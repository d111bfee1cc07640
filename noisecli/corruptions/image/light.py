"""Light and colour: what exposure does to a picture."""

from collections.abc import Mapping
from functools import reduce
from typing import Annotated, Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from pydantic import Field

from noisecli.corruption import ImageCorruption, Pixels, register
from noisecli.pixels import white


@register
class Brightness(ImageCorruption):
    """Raise the brightness of every pixel, hue and saturation kept: an overexposed picture.

    Brightness is the value V of hue, saturation and value: the largest channel of a pixel. Hue and saturation depend on
    the ratios of the channels alone, so the channels are scaled by new V over old V; a black pixel turns grey.

    Source: Hendrycks and Dietterich 2019, "Benchmarking Neural Network Robustness to Common Corruptions".

    Example:
        {op: brightness, severity: 3}
    """

    severities = ({"amount": 0.1}, {"amount": 0.2}, {"amount": 0.3}, {"amount": 0.4}, {"amount": 0.5})
    small_severities = {
        32: ({"amount": 0.05}, {"amount": 0.1}, {"amount": 0.15}, {"amount": 0.2}, {"amount": 0.3}),
        64: severities,
    }

    amount: Annotated[float, Field(ge=-1, le=1)] = 0.3
    """What is added to the brightness, as a share of the range from black to white; below 0 darkens."""

    def apply(self, pixels: Pixels, drawn: Mapping[str, Any], rng: Generator) -> Pixels:
        # The product of two 16-bit values does not fit the 24 bits of a float32.
        real = np.float32 if pixels.dtype == np.uint8 else np.float64
        value: Pixels = reduce(np.maximum, np.moveaxis(pixels, 2, 0))[..., np.newaxis]
        raised = np.clip(value + real(self.amount * white(pixels)), 0, white(pixels))
        lit: NDArray[np.floating] = pixels * raised
        lit /= np.maximum(value, 1)
        np.copyto(lit, raised, where=value == 0)
        # Halves go up, not to even: at 0.1 (25.5 levels) half to even would merge every second pair of levels.
        lit += real(0.5)
        return lit.astype(pixels.dtype)
