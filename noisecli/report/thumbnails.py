"""Contact sheets: some images of a folder, clean beside noisy, small enough to stand in a page."""

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from noisecli.compare.model import ImagePair

MOST = 24
"""Pairs on a sheet."""

SIDE = 160
"""Longest side of a thumbnail in pixels."""

DETAIL = (160, 80)
"""Width and height of the piece from the middle of a larger image that is shown pixel by pixel."""

GROUND = (128, 128, 128)
"""What is seen behind transparent pixels."""


@dataclass(frozen=True)
class Sheet:
    """One pair, as data URIs."""

    pair: ImagePair
    size: tuple[int, int]
    """Of a thumbnail, in pixels of the page."""
    clean: str
    noisy: str
    details: tuple[str, str] | None
    """Pieces of an image that is larger than its thumbnail."""


def chosen(pairs: Sequence[ImagePair]) -> list[ImagePair]:
    """Return pairs that differ, spread evenly from the most to the least damaged."""
    changed = sorted((pair for pair in pairs if math.isfinite(pair.psnr)), key=lambda pair: (pair.psnr, pair.path))
    if len(changed) <= MOST:
        return changed
    return [changed[i * (len(changed) - 1) // (MOST - 1)] for i in range(MOST)]


def sheet(pair: ImagePair, clean: Path, noisy: Path) -> Sheet:
    """Make the pictures of one pair."""
    before, after = _opened(clean), _opened(noisy)
    width, height = before.size
    scale = SIDE / max(width, height)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    larger = scale < 1
    details = (_encoded(_middle(before)), _encoded(_middle(after))) if larger else None
    small = [image.resize(size, Image.Resampling.LANCZOS) if larger else image for image in (before, after)]
    return Sheet(pair, size, _encoded(small[0]), _encoded(small[1]), details)


def _opened(path: Path) -> Image.Image:
    with Image.open(path) as image:
        if image.mode.startswith("I;16"):
            return image.convert("I").point(lambda value: value / 257).convert("L")
        if not image.has_transparency_data:
            return image.convert("RGB")
        ground = Image.new("RGBA", image.size, (*GROUND, 255))
        ground.alpha_composite(image.convert("RGBA"))
        return ground.convert("RGB")


def _middle(image: Image.Image) -> Image.Image:
    width, height = (min(most, side) for most, side in zip(DETAIL, image.size, strict=True))
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))


def _encoded(image: Image.Image) -> str:
    """Write an image as a data URI, with full colour resolution, so that noise stays."""
    sink = io.BytesIO()
    image.save(sink, "JPEG", quality=88, subsampling=0)
    return "data:image/jpeg;base64," + base64.b64encode(sink.getvalue()).decode()
