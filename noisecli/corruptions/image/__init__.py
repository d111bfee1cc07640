"""Ops on images."""

import numpy as np

from noisecli.corruption import Pixels


def white(pixels: Pixels) -> int:
    """Return the value of white: 255 for pixels of 8 bits, 65535 for pixels of 16 bits."""
    return int(np.iinfo(pixels.dtype).max)
