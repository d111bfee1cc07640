"""Files that are faulty whatever is in the picture: cut off, with flipped bits, with a wrong orientation."""

from math import ceil
from typing import Annotated, Any

import numpy as np
from numpy.random import Generator
from pydantic import Field

from noisecli.corruption import ImageFileCorruption, register
from noisecli.imagefiles import pixel_data, read_exif, with_exif
from noisecli.imagefiles.exif import TURNS, orientation, with_orientation
from noisecli.streams import permuted, raw_words

MOST_TOLD = 1_000
"""So many flipped bits of a file are told one by one."""


@register
class TruncateFile(ImageFileCorruption):
    """Cut the file off in the midst of its pixels: a copy that was interrupted, a disk that was full.

    What precedes the pixels stays: the file is still known as a JPEG or PNG, and its size and its metadata can be read.
    All that follows the cut is gone. The truth tells how many bytes are left, and of how many.

    Source: Pillai et al. 2014, "All File Systems Are Not Created Equal: On the Complexity of Crafting Crash-Consistent
    Applications".

    Example:
        {op: truncate_file, keep: 0.5, rate: 0.5}
    """

    severities = ({"keep": 0.9}, {"keep": 0.7}, {"keep": 0.5}, {"keep": 0.3}, {"keep": 0.1})
    breaks = (
        "Pillow, and what is built on it, opens the file and raises an error once it loads the pixels. OpenCV reads a "
        "JPEG without an error, the rest in grey, and returns nothing for a PNG. Viewers show what is left."
    )

    keep: Annotated[float | None, Field(ge=0, lt=1)] = None
    """Share of the bytes of the pixels that is left; drawn for each image, all shares alike, when left out."""

    def strike(self, data: bytes, rng: Generator) -> tuple[bytes, dict[str, Any]]:
        pixels, drawn = pixel_data(data), rng.random()
        keep = drawn if self.keep is None else self.keep
        kept = pixels.start + int(keep * (pixels.stop - pixels.start))
        return data[:kept], {"keep": keep, "bytes_kept": kept, "bytes": len(data)}


@register
class FlipBits(ImageFileCorruption):
    """Flip bits among the pixels of the file: bit rot on a disk, a line that errs.

    What precedes the pixels stays: the file is still known as a JPEG or PNG, and its size and its metadata can be read.
    The bits are drawn without replacement, and a larger number holds those of a smaller one. The truth tells how many
    are flipped, and of the first 1,000 which: 0 is the highest bit of the first byte of the file.

    Source: Bairavasundaram et al. 2008, "An Analysis of Data Corruption in the Storage Stack".

    Example:
        {op: flip_bits, bits: 30, rate: 0.5}
    """

    severities = ({"bits": 1}, {"bits": 3}, {"bits": 10}, {"bits": 30}, {"bits": 100})
    breaks = (
        "Most readers take a JPEG without an error: from the bit on blocks are out of place and colours off; a "
        "progressive one may only lose detail. A PNG fails its checksums: Pillow raises an error once it loads the "
        "pixels, OpenCV returns nothing."
    )

    bits: Annotated[float, Field(ge=0, le=10_000)] = 10
    """How many bits of a million are flipped, of those of the pixels; rounded up, so that it is one at least."""

    def strike(self, data: bytes, rng: Generator) -> tuple[bytes, dict[str, Any]]:
        pixels, key = pixel_data(data), raw_words(rng, 1)
        size = 8 * (pixels.stop - pixels.start)
        count = min(size, ceil(size * self.bits / 1e6))
        flipped = 8 * pixels.start + permuted(key, np.arange(count), np.full(count, size))
        damaged = np.frombuffer(data, np.uint8).copy()
        np.bitwise_xor.at(damaged, flipped >> 3, (128 >> (flipped & 7)).astype(np.uint8))
        return damaged.tobytes(), {"flipped": count, "at": flipped[:MOST_TOLD].tolist()}


@register
class WrongOrientation(ImageFileCorruption):
    """Say of the picture that it has to be turned or mirrored in another way than it has.

    Its EXIF orientation becomes one of the seven others, all alike; where there is none it counts as 1, as stored, and
    gets a tag. The pixels and all other metadata stay byte for byte. A JPEG whose EXIF block is full stays as it is.

    Source: CIPA DC-008 2019, "Exchangeable image file format for digital still cameras: Exif Version 2.32".

    Example:
        {op: wrong_orientation, rate: 0.5}
    """

    breaks = (
        "Readers that go by the tag, such as browsers, OpenCV and Pillow's ImageOps.exif_transpose, show the picture "
        "turned or mirrored, so that boxes and masks do not fit. Those that do not, such as Pillow's Image.open, see "
        "no difference."
    )

    def moves(self) -> bool:
        return True  # as it is shown

    def strike(self, data: bytes, rng: Generator) -> tuple[bytes, dict[str, Any]]:
        exif, drawn = read_exif(data), int(rng.integers(7))
        before = orientation(exif)
        after = [turn for turn in TURNS if turn != before][drawn]
        turned = with_exif(data, with_orientation(exif, after))
        return turned, {"before": before, "after": before if turned == data else after}
