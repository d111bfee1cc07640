"""Image files: the pixels come out, new pixels go back in, and everything else in the file stays byte for byte.

The pixels are decoded and encoded by Pillow; the rest never passes through it. The segments of a JPEG (EXIF, XMP, ICC,
resolution, comments) and the chunks of a PNG (the same, gamma, text, transparent colour) are taken from the input's
bytes and put around the newly encoded pixels. What follows the end of the picture, such as the clip of a motion photo,
is dropped. Pixels keep the frame in which they are stored: orientation is EXIF's business, and boxes still fit.

Struck pixels seldom fit a palette or a few levels of grey, so a PNG of these is written as RGB, RGBA or 8-bit grey.
"""

import hashlib
import json
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from PIL import ImageFile as PillowFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile, PngInfo

from noisecli.corruption import Pixels
from noisecli.errors import DataProblem, NoiseError
from noisecli.formats import png
from noisecli.formats.tar import Member, read_member
from noisecli.imagefiles.jpeg import JPEG_START, as_segment
from noisecli.imagefiles.png import PNG_START, whole_chunks

EXACT = ".png"
"""Extension of files that lose nothing."""

EXTENSIONS = {".jpeg": "JPEG", ".jpg": "JPEG", ".png": "PNG"}
"""Formats by extension, in lower case."""

OTHER_EXTENSIONS = frozenset({".avif", ".bmp", ".gif", ".heic", ".jp2", ".tif", ".tiff", ".webp"})
"""Those of pictures that are carried, since their pixels are not read."""

_KINDS = sorted(set(EXTENSIONS.values()))

MOST_PIXELS = 120_000_000
"""A larger picture is taken for a decompression bomb: more than the 108 Mpx that cameras and phones commonly make."""

MOST_BYTES = 1 << 30
"""A larger file holds more than its pixels, and is not read into memory; the pixels of the largest take 0.5 GB."""

JPEG_QUALITY = 95
PNG_LEVEL = 1

_MOST_DPI = 50_000_000
"""A PNG has 31 bits for the pixels of a metre; EXIF may claim more, or less than none."""

_OTHER_FORMATS = {
    b"GIF8": "a GIF",
    b"BM": "a BMP",
    b"RIFF": "a RIFF file, such as WebP",
    b"II*\0": "a TIFF",
    b"MM\0*": "a TIFF",
}
_JPEG_MARKERS = {"COM": 0xFE, **{f"APP{number}": 0xE0 + number for number in range(16)}}
_MOST_JPEG_BYTES_A_VALUE = 4
_MOST_PIXELS_A_JPEG_BYTE = 1024
"""A Huffman code is a bit at least: one for a block of 64 px, or for two where components are sampled crosswise."""
_MOST_INFLATED = 1032
"""Bytes that a byte of deflated data can stand for."""


@dataclass(frozen=True, eq=False)
class ImageFile(ABC):
    """One picture, and what of its file is no pixel."""

    pixels: Pixels
    """(height, width, channels), read-only; channels is 1 or 3, and 1 if the values are of 16 bits."""
    alpha: Pixels | None
    """(height, width); carried untouched."""

    @abstractmethod
    def encode(self, pixels: Pixels) -> bytes:
        """Return the file with these pixels for its own."""

    @abstractmethod
    def exact(self) -> "PngFile":
        """Return the file as one whose encoder loses nothing."""

    def digest(self, pixels: Pixels) -> str:
        """Return the SHA-256 of the shape and bytes of these pixels with the file's alpha, as the encoder gets them.

        Where a value is not a byte, its type belongs to the shape.
        """
        canvas = self._canvas(pixels)
        shape = canvas.shape if canvas.dtype == np.uint8 else (*canvas.shape, canvas.dtype.name)
        digest = hashlib.sha256(json.dumps(shape).encode())
        digest.update(canvas.astype(canvas.dtype.newbyteorder("<"), copy=False).data)
        return digest.hexdigest()

    def _canvas(self, pixels: Pixels) -> Pixels:
        return np.ascontiguousarray(pixels if self.alpha is None else np.dstack([pixels, self.alpha]))

    def _picture(self, pixels: Pixels) -> Image.Image:
        canvas = self._canvas(pixels)
        return Image.fromarray(canvas[..., 0] if canvas.shape[2] == 1 else canvas)


def read_image(path: Path, name: str, member: Member | None = None) -> bytes:
    """Return the bytes of an image file, or of a member of a tar, unless they are too many."""
    size = path.stat().st_size if member is None else member.size
    if size > MOST_BYTES:
        raise DataProblem(f"{name}: {size:,} bytes are too many for an image (at most {MOST_BYTES:,}); remove the file")
    return path.read_bytes() if member is None else read_member(path, member)


def parse_image(data: bytes, name: str) -> ImageFile:
    """Take a JPEG or PNG file apart; `name` decides by its extension which of them it should be."""
    found = _format(data, name)
    expected = EXTENSIONS.get(PurePath(name).suffix.lower(), found)
    if found != expected:
        raise DataProblem(f"{name}: the file is a {found}, not a {expected}; rename it or convert it")
    with _damage_reported(name):
        return JpegFile.parse(data, name) if found == "JPEG" else PngFile.parse(data, name)


def salvage(data: bytes) -> Pixels | None:
    """Return what a viewer shows of a file that may be damaged, turned as its EXIF says; None: nothing at all.

    (height, width, channels), the last of 2 or 4 channels is alpha.
    """
    usual = PillowFile.LOAD_TRUNCATED_IMAGES
    PillowFile.LOAD_TRUNCATED_IMAGES = True
    try:
        with _damage_reported(""), Image.open(BytesIO(data), formats=_KINDS) as picture:
            shown = ImageOps.exif_transpose(picture)
            if shown.mode not in ("L", "LA", "RGB", "RGBA", "I;16"):
                shown = shown.convert("RGBA" if shown.has_transparency_data else "RGB")
            return np.asarray(shown).reshape(shown.height, shown.width, -1)
    except DataProblem:
        return None
    finally:
        PillowFile.LOAD_TRUNCATED_IMAGES = usual


def size_of(path: Path) -> tuple[int, int]:
    """Return width and height of an image, in px, from the head of its file."""
    return head_of(path)[0]


def head_of(path: Path) -> tuple[tuple[int, int], str]:
    """Return width and height of an image, in px, and how Pillow calls the way its pixels are stored."""
    with _damage_reported(path.name), Image.open(path, formats=_KINDS) as picture:
        return picture.size, picture.mode


@dataclass(frozen=True, eq=False)
class JpegFile(ImageFile):
    """A JPEG of grey or RGB pixels."""

    segments: bytes
    """Application data and comments."""
    info: Mapping[str, Any]
    """What Pillow makes of these."""

    @classmethod
    def parse(cls, data: bytes, name: str) -> "JpegFile":
        """Take a JPEG file apart."""
        picture = JpegImageFile(BytesIO(data))
        if "mp" in picture.info:
            raise _unsupported(name, "a JPEG of several pictures (MPO)")
        if picture.mode not in ("L", "RGB"):
            raise _unsupported(name, f"a {picture.mode} JPEG")
        _check_size(picture, name, _MOST_PIXELS_A_JPEG_BYTE * len(data))
        segments = b"".join(
            as_segment(_JPEG_MARKERS[marker], body) for marker, body in picture.applist if not _untrue(marker, body)
        )
        return cls(*apart(_decode(picture)), segments, {str(key): value for key, value in picture.info.items()})

    def encode(self, pixels: Pixels) -> bytes:
        """Return the file with these pixels, at quality 95 and with full colour resolution, and its own segments."""
        buffer = BytesIO()
        with _large_enough_buffer(pixels.size):
            # Halving the colour resolution (4:2:0) would quietly remove a third of the noise.
            self._picture(pixels).save(
                buffer, "JPEG", quality=JPEG_QUALITY, subsampling="4:4:4", progressive="progressive" in self.info
            )
        encoded = buffer.getvalue()
        jfif_end = 4 + int.from_bytes(encoded[4:6], "big")
        return encoded[:2] + self.segments + encoded[jfif_end:]

    def exact(self) -> "PngFile":
        """Return a PNG with the EXIF, colour profile, resolution, XMP and comment of this file."""
        kept = {key: self.info[key] for key in ("exif", "icc_profile") if key in self.info}
        if "dpi" in self.info and all(0 <= dots <= _MOST_DPI for dots in self.info["dpi"]):
            kept["dpi"] = self.info["dpi"]
        texts = PngInfo()
        if "xmp" in self.info:
            texts.add_itxt("XML:com.adobe.xmp", self.info["xmp"].decode("utf-8", "replace"))
        if "comment" in self.info:
            texts.add_text("Comment", _as_text(self.info["comment"]))
        buffer = BytesIO()
        # Pillow makes chunks of these; the pixel beside them is not looked at.
        Image.new("L", (1, 1)).save(buffer, "PNG", pnginfo=texts, **kept)
        _, *chunks = whole_chunks(buffer.getvalue())
        first = [kind for kind, _ in chunks].index(b"IDAT")
        before, after = (b"".join(chunk for _, chunk in part) for part in (chunks[:first], chunks[first + 1 :]))
        return PngFile(self.pixels, self.alpha, before, after)


def _as_text(comment: bytes) -> str:
    """Nothing says how a comment is encoded; what is no UTF-8 is most likely Latin-1."""
    try:
        return comment.decode()
    except UnicodeDecodeError:
        return comment.decode("latin-1")


def _untrue(marker: str, body: bytes) -> bool:
    """Say whether a segment declares another colour transform than YCbCr, the one of every file we encode."""
    return marker == "APP14" and body.startswith(b"Adobe") and body[11:12] != b"\x01"


@contextmanager
def _large_enough_buffer(values: int) -> Iterator[None]:
    """Let Pillow write a progressive JPEG of pure noise: it must fit the encoder's buffer, which Pillow guesses."""
    usual = PillowFile.MAXBLOCK
    PillowFile.MAXBLOCK = max(usual, _MOST_JPEG_BYTES_A_VALUE * values)
    try:
        yield
    finally:
        PillowFile.MAXBLOCK = usual


@dataclass(frozen=True, eq=False)
class PngFile(ImageFile):
    """A PNG of grey or RGB pixels, with or without alpha."""

    before: bytes
    """The chunks between the header and the pixels."""
    after: bytes
    """The chunks after the pixels, the end included."""

    @classmethod
    def parse(cls, data: bytes, name: str) -> "PngFile":
        """Take a PNG file apart."""
        chunks = list(whole_chunks(data))
        kinds = [kind for kind, _ in chunks]
        header = chunks[0][1]
        depth, colour = header[16:18]
        if b"acTL" in kinds:
            raise _unsupported(name, "an animated PNG")
        # Pillow would turn 16 bits of colour into 8 without a word.
        if depth not in png.DEPTHS[colour]:
            raise _unsupported(name, f"a PNG of {depth}-bit {png.KINDS[colour]} pixels")
        first = kinds.index(b"IDAT")
        before, rest = chunks[:first], [(kind, chunk) for kind, chunk in chunks[first:] if kind != b"IDAT"]
        pixel_data = [chunk for kind, chunk in chunks if kind == b"IDAT"]
        # Pillow gets nothing else to read, so that it cannot stumble over metadata.
        bare = b"".join([PNG_START, header, *pixel_data, chunks[-1][1]])
        picture = PngImageFile(BytesIO(bare))
        bits = depth * png.CHANNELS[colour]
        _check_size(picture, name, 8 * _MOST_INFLATED * sum(map(len, pixel_data)) // bits)
        values = png.expand(_decode(picture), before)
        return cls(*apart(values), before=png.translate(before[1:], before), after=png.translate(rest, before))

    def exact(self) -> "PngFile":
        return self

    def encode(self, pixels: Pixels) -> bytes:
        """Return the file with these pixels, at compression level 1, and its own chunks."""
        buffer = BytesIO()
        self._picture(pixels).save(buffer, "PNG", compress_level=PNG_LEVEL)
        (_, header), *chunks = whole_chunks(buffer.getvalue())
        pixel_data = [chunk for kind, chunk in chunks if kind == b"IDAT"]
        return b"".join([PNG_START, header, self.before, *pixel_data, self.after])


def _check_size(picture: PillowFile.ImageFile, name: str, holds: int) -> None:
    """Refuse a picture by its header, before its pixels take any memory; the file cannot hold more than so many."""
    width, height = picture.size
    claims = f"{name}: {width} x {height} px"
    if width * height > MOST_PIXELS:
        raise DataProblem(f"{claims} are too many (at most {MOST_PIXELS:,}); scale it down or remove the file")
    if width * height > holds:
        raise DataProblem(f"{claims} are more than so small a file can hold: its header lies; remove the file")


def _decode(picture: PillowFile.ImageFile) -> NDArray[Any]:
    return np.asarray(picture).reshape(picture.height, picture.width, -1)


def apart(values: Pixels) -> tuple[Pixels, Pixels | None]:
    """Return the pixels of an image of 1 to 4 channels, read-only, and its alpha: the last of 2 or 4 channels."""
    if values.shape[2] in (1, 3):
        return _frozen(values), None
    return _frozen(values[..., :-1]), _frozen(values[..., -1])


def _frozen(values: Pixels) -> Pixels:
    contiguous = np.ascontiguousarray(values)
    contiguous.setflags(write=False)
    return contiguous


def _format(data: bytes, name: str) -> str:
    if data.startswith(JPEG_START):
        return "JPEG"
    if data.startswith(PNG_START):
        return "PNG"
    if not data:
        raise DataProblem(f"{name}: the file is empty; remove the file or repair it")
    for start, other in _OTHER_FORMATS.items():
        if data.startswith(start):
            raise _unsupported(name, other)
    raise DataProblem(f"{name}: the file is neither a JPEG nor a PNG; remove the file or repair it")


def _unsupported(name: str, what: str) -> DataProblem:
    remedy = "convert it to an 8-bit grey or RGB JPEG or PNG, or remove it"
    return DataProblem(f"{name}: the file is {what}, which is not supported; {remedy}")


@contextmanager
def _damage_reported(name: str) -> Iterator[None]:
    """Turn whatever goes wrong with bytes that others wrote into a problem of that file, and keep Pillow quiet."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except (NoiseError, MemoryError):
            raise
        except Exception as error:  # Pillow lets nearly every built-in exception out of a broken file
            raise DataProblem(f"{name}: the file is truncated or damaged; remove the file or repair it") from error
