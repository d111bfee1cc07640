"""Where the pixels of a JPEG or PNG file stand in its bytes, and its EXIF block; nothing is decoded.

Damage behind the first byte of the pixels is not looked for: what was hit once can be hit again.
"""

import re
import struct
import zlib
from collections.abc import Iterator

from noisecli.errors import DataProblem

PNG_START = b"\x89PNG\r\n\x1a\n"
JPEG_START = b"\xff\xd8\xff"
MOST_IN_SEGMENT = 65_533
"""Bytes that a segment of a JPEG can hold."""

_SEGMENT = re.compile(rb"\xff+([\xc0-\xcf\xda-\xfe])(..)", re.DOTALL)
_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_SCAN, _END, _APP0, _APP1 = 0xDA, 0xD9, 0xE0, 0xE1
_EXIF = b"Exif\0\0"


def pixel_data(data: bytes) -> slice:
    """Return where the pixels stand: from their first byte to the end of the picture.

    Of a JPEG that is what follows the head of the first scan, further scans included, of a PNG what follows the head of
    the first IDAT chunk, further such chunks included.

    Raises:
        DataProblem: the file is neither, or ends before its pixels.
    """
    if data.startswith(JPEG_START):
        start = list(segments(data))[-1][1].stop
        return slice(start, _end_of_scans(data, start))
    places = [place for kind, place in chunks(data) if kind == b"IDAT"]
    if not places:
        raise _damaged()
    return slice(places[0].start + 8, min(places[-1].stop, len(data)))


def read_exif(data: bytes) -> bytes:
    """Return the EXIF block of a file, as it stands in a TIFF; empty where there is none."""
    place = _exif_place(data)
    return b"" if place is None else data[place]


def with_exif(data: bytes, exif: bytes) -> bytes:
    """Return the file with another EXIF block; all else stays byte for byte.

    A JPEG in which the block does not fit, of nearly 64 KiB, comes back as it is.
    """
    place = _exif_place(data)
    if data.startswith(JPEG_START):
        if len(_EXIF + exif) > MOST_IN_SEGMENT:
            return data
        start, stop = _after_jfif(data) if place is None else (place.start - len(_EXIF) - 4, place.stop)
        return data[:start] + as_segment(_APP1, _EXIF + exif) + data[stop:]
    start, stop = (pixel_data(data).start - 8,) * 2 if place is None else (place.start - 8, place.stop + 4)
    return data[:start] + as_chunk(b"eXIf", exif) + data[stop:]


def segments(data: bytes) -> Iterator[tuple[int, slice]]:
    """Yield marker and place of each segment of a JPEG, up to the head of its first scan.

    Raises:
        DataProblem: the file ends before its pixels.
    """
    place, marker = 2, 0
    while marker != _SCAN:
        found = _SEGMENT.match(data, place)
        length = 0 if found is None else int.from_bytes(found[2], "big")
        if found is None or length < 2 or found.start(2) + length > len(data):
            raise _damaged()
        (marker,), place = found[1], found.start(2) + length
        yield marker, slice(found.start(1) - 1, place)


def chunks(data: bytes) -> Iterator[tuple[bytes, slice]]:
    """Yield kind and place of each chunk of a PNG, as far as their lengths tell; the last may be cut off.

    Raises:
        DataProblem: the file is no PNG.
    """
    if not data.startswith(PNG_START):
        raise DataProblem("the file is neither a JPEG nor a PNG; remove the file or repair it")
    place, kind = len(PNG_START), b""
    while place + 8 <= len(data) and kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", data, place)
        yield kind, slice(place, place + length + 12)
        place += length + 12


def as_segment(marker: int, body: bytes) -> bytes:
    """Return a segment of a JPEG."""
    return bytes([0xFF, marker]) + (len(body) + 2).to_bytes(2, "big") + body


def as_chunk(kind: bytes, body: bytes) -> bytes:
    """Return a chunk of a PNG."""
    return struct.pack(">I", len(body)) + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")


def _exif_place(data: bytes) -> slice | None:
    if data.startswith(JPEG_START):
        for marker, place in segments(data):
            if marker == _APP1 and data.startswith(_EXIF, place.start + 4):
                return slice(place.start + 4 + len(_EXIF), place.stop)
        return None
    for kind, place in chunks(data):
        if kind == b"eXIf" and place.stop <= len(data):
            return slice(place.start + 8, place.stop - 4)
    return None


def _after_jfif(data: bytes) -> tuple[int, int]:
    """Where a segment is put that is not there yet: JFIF wants to come first, and EXIF then."""
    place = 2
    for marker, taken in segments(data):
        if marker != _APP0:
            break
        place = taken.stop
    return place, place


def _end_of_scans(data: bytes, place: int) -> int:
    """Return where the end of a picture is marked, or where the file ends."""
    while (found := _MARKER.search(data, place)) is not None:
        if data[found.start() + 1] == _END:
            return found.start()
        place = found.end() + int.from_bytes(data[found.end() : found.end() + 2], "big")
    return len(data)


def _damaged() -> DataProblem:
    return DataProblem("the file is truncated or damaged; remove the file or repair it")
