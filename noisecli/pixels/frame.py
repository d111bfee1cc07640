"""Frames: how a picture lies in its file, and another one brought into the frame of it."""

import numpy as np

from noisecli.pixels import Pixels, bands, to_pixels
from noisecli.pixels.colour import luma
from noisecli.pixels.resample import resized


def upright(pixels: Pixels, orientation: int) -> Pixels:
    """Return a stored picture as a viewer shows it, turned as its EXIF orientation, 1 .. 8, says."""
    turned = np.swapaxes(pixels, 0, 1) if orientation >= 5 else pixels
    rows, columns = (-1 if orientation in backwards else 1 for backwards in ((3, 4, 7, 8), (2, 3, 6, 7)))
    return np.ascontiguousarray(turned[::rows, ::columns])


def stored(pixels: Pixels, orientation: int) -> Pixels:
    """Return a picture as it is stored so that a viewer shows it: the contrary of `upright`."""
    return upright(pixels, {6: 8, 8: 6}.get(orientation, orientation))


def framed(pixels: Pixels, like: Pixels) -> Pixels:
    """Bring a picture into the frame of another one: of its size, its channels and its depth.

    It keeps its proportions and covers the frame; what stands out on two sides alike is cut off.

    Returns:
        Pixels of the shape and dtype of `like`.
    """
    fitting = resized(_cut(pixels, like.shape), *like.shape[:2])
    return _in_channels(_in_depth(fitting, like.dtype), like.shape[2])


def _cut(pixels: Pixels, shape: tuple[int, ...]) -> Pixels:
    """Cut a picture to the proportions of a shape, as nearly as whole pixels allow."""
    height, width = pixels.shape[:2]
    rows, columns = min(height, -(-width * shape[0] // shape[1])), min(width, -(-height * shape[1] // shape[0]))
    top, left = (height - rows) // 2, (width - columns) // 2
    return pixels[top : top + rows, left : left + columns]


def _in_depth(pixels: Pixels, dtype: "np.dtype[np.uint8 | np.uint16]") -> Pixels:
    if pixels.dtype == dtype:
        return pixels
    if dtype == np.uint16:
        return pixels * np.uint16(257)
    return ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _in_channels(pixels: Pixels, channels: int) -> Pixels:
    if pixels.shape[2] == channels:
        return pixels
    if channels == 3:
        return np.repeat(pixels, 3, axis=2)
    grey = np.empty((*pixels.shape[:2], 1), pixels.dtype)
    for band in bands(pixels.shape):
        grey[band] = to_pixels(luma(pixels[band]), pixels.dtype)
    return grey
