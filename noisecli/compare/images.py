"""How much images lost: peak signal-to-noise ratio and structural similarity, image by image."""

import filecmp
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from noisecli.compare.model import ImagePair, ImagesComparison
from noisecli.compare.sides import Pair, Sides
from noisecli.corruption import Pixels
from noisecli.errors import DataProblem
from noisecli.formats.images import ImageFile, parse_image, read_image
from noisecli.streams import Stream

SIGMA, RADIUS = 1.5, 5
"""The Gaussian window of SSIM, in pixels: 11 x 11."""

K1, K2 = 0.01, 0.03
"""What keeps its quotients stable, as a share of the range of values."""

BAND = 1 << 19
"""Values that are worked on at once, about."""

MOST_IMAGES = 1000
"""Of more images so many are compared, chosen by a hash of their paths."""


def compare_images(sides: Sides) -> ImagesComparison:
    """Compare images that belong together."""
    chosen = _some(sides.pairs)
    compared = tuple(_compared(sides, pair) for pair in chosen)
    sampled = len(chosen) if len(chosen) < len(sides.pairs) else None
    return ImagesComparison(compared, (*sides.missing, *sides.added), sampled)


def _some(pairs: Sequence[Pair]) -> Sequence[Pair]:
    if len(pairs) <= MOST_IMAGES:
        return pairs
    words = Stream(0, 0, "", "").words("compare", "", [pair.name for pair in pairs])
    return [pairs[i] for i in np.sort(np.argsort(words, kind="stable")[:MOST_IMAGES]).tolist()]


def _compared(sides: Sides, pair: Pair) -> ImagePair:
    found = look_at(sides, pair)
    drawn = None if pair.entry is None else pair.entry.drawn
    name = pair.noisy.path.name if pair.name == "." else pair.name
    return ImagePair(name, found.psnr, found.ssim, drawn, found.unreadable)


@dataclass(frozen=True)
class Looked:
    """What two images have in common."""

    same_bytes: bool
    same_pixels: bool
    """With their alpha."""
    psnr: float
    ssim: float
    sizes: tuple[str, str] | None = None
    """Width, height and kind of each, where these differ; then there are no figures."""
    unreadable: bool = False
    """Whether a step damaged the file, as the manifest says, so that it cannot be read; then there are none either."""


def look_at(sides: Sides, pair: Pair) -> Looked:
    """Compare two images.

    Raises:
        DataProblem: one cannot be read, no step damaged it, and the files are not the same.
    """
    if filecmp.cmp(pair.clean.path, pair.noisy.path, shallow=False):
        return Looked(True, True, math.inf, 1.0)
    before, after = (read_image(file.path, file.name) for file in (pair.clean, pair.noisy))
    try:
        clean, noisy = parse_image(before, pair.clean.name), parse_image(after, pair.noisy.name)
    except DataProblem:
        if not sides.is_damaged(pair):
            raise
        return Looked(False, False, math.nan, math.nan, unreadable=True)
    sizes = (_size(clean), _size(noisy))
    if sizes[0] != sizes[1]:
        return Looked(False, False, math.nan, math.nan, sizes)
    same = np.array_equal(clean.pixels, noisy.pixels)
    same_alpha = clean.alpha is None or noisy.alpha is None or np.array_equal(clean.alpha, noisy.alpha)
    if same:
        return Looked(False, same_alpha, math.inf, 1.0)
    return Looked(False, False, psnr(clean.pixels, noisy.pixels), ssim(clean.pixels, noisy.pixels))


def _size(image: ImageFile) -> str:
    height, width, channels = image.pixels.shape
    kind = ("grey" if channels == 1 else "RGB") + ("" if image.alpha is None else " with alpha")
    return f"{width} x {height} {image.pixels.dtype.itemsize * 8}-bit {kind}"


def psnr(clean: Pixels, noisy: Pixels) -> float:
    """Return the peak signal-to-noise ratio in dB; infinite where the pixels are equal.

    The peak is the largest value of the type, 255 or 65,535. Source: Huynh-Thu and Ghanbari 2008, "Scope of Validity of
    PSNR in Image/Video Quality Assessment".

    Args:
        clean, noisy: (height, width, channels), of one shape and type.
    """
    total = sum(
        float(np.sum(np.square(one.astype(np.float64) - other))) for one, other in _bands(clean, noisy, overlap=0)
    )
    if total == 0:
        return math.inf
    return 10 * math.log10(np.iinfo(clean.dtype).max ** 2 / (total / clean.size))


def ssim(clean: Pixels, noisy: Pixels) -> float:
    """Return the mean structural similarity, at most 1: the mean over all places of the window, and over the channels.

    The window is a Gaussian of 11 x 11 pixels with a sigma of 1.5 that lies wholly in the image; in an image of less
    than 11 pixels a side it is as large as fits. Covariances are those of the population. Source: Wang, Bovik, Sheikh
    and Simoncelli 2004, "Image Quality Assessment: From Error Visibility to Structural Similarity".

    Args:
        clean, noisy: (height, width, channels), of one shape and type.
    """
    radius = min(RADIUS, (min(clean.shape[:2]) - 1) // 2)
    window = np.exp(-0.5 * (np.arange(-radius, radius + 1) / SIGMA) ** 2)
    window /= window.sum()
    peak = float(np.iinfo(clean.dtype).max)
    total, places = 0.0, 0
    for one, other in _bands(clean, noisy, overlap=2 * radius):
        for channel in range(clean.shape[2]):
            a, b = (side[..., channel].astype(np.float64) for side in (one, other))
            found = _similarity(a, b, window, (K1 * peak) ** 2, (K2 * peak) ** 2)
            total, places = total + float(np.sum(found)), places + found.size
    return total / places


def _similarity(
    a: NDArray[np.float64], b: NDArray[np.float64], window: NDArray[np.float64], c1: float, c2: float
) -> NDArray[np.float64]:
    mean_a, mean_b = _filtered(a, window), _filtered(b, window)
    product = mean_a * mean_b
    squares = mean_a**2 + mean_b**2
    covariance = _filtered(a * b, window) - product
    variances = _filtered(a * a + b * b, window) - squares
    return np.asarray((2 * product + c1) * (2 * covariance + c2) / ((squares + c1) * (variances + c2)))


def _filtered(values: NDArray[np.float64], window: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weigh values by the window, down and across, wherever it lies wholly inside."""
    size = len(window) - 1
    down = np.add.reduce([weight * values[i : len(values) - size + i] for i, weight in enumerate(window)])
    width = down.shape[1] - size
    return np.asarray(np.add.reduce([weight * down[:, i : width + i] for i, weight in enumerate(window)]))


def _bands(clean: Pixels, noisy: Pixels, overlap: int) -> Iterator[tuple[Pixels, Pixels]]:
    """Cut two images into bands of rows, each with some of the next one's."""
    height, width, channels = clean.shape
    rows = max(1, BAND // (width * channels))
    for start in range(0, height - overlap, rows):
        band = slice(start, start + rows + overlap)
        yield clean[band], noisy[band]
