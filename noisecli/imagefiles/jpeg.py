"""The segments of a JPEG file."""

import re
from collections.abc import Iterator

from noisecli.errors import DataProblem

JPEG_START = b"\xff\xd8\xff"
MOST_IN_SEGMENT = 65_533
"""Bytes that a segment can hold."""

APP0, APP1 = 0xE0, 0xE1
_SCAN, _END = 0xDA, 0xD9
_SEGMENT = re.compile(rb"\xff+([\xc0-\xcf\xda-\xfe])(..)", re.DOTALL)
_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")


def segments(data: bytes) -> Iterator[tuple[int, slice]]:
    """Yield marker and place of each segment, up to the head of the first scan.

    Raises:
        DataProblem: the file ends before its pixels.
    """
    place, marker = 2, 0
    while marker != _SCAN:
        found = _SEGMENT.match(data, place)
        length = 0 if found is None else int.from_bytes(found[2], "big")
        if found is None or length < 2 or found.start(2) + length > len(data):
            raise DataProblem("the file is truncated or damaged; remove the file or repair it")
        (marker,), place = found[1], found.start(2) + length
        yield marker, slice(found.start(1) - 1, place)


def scans(data: bytes) -> slice:
    """Return what follows the head of the first scan, further scans included, up to the end of the picture."""
    start = place = list(segments(data))[-1][1].stop
    while (found := _MARKER.search(data, place)) is not None:
        if data[found.start() + 1] == _END:
            return slice(start, found.start())
        place = found.end() + int.from_bytes(data[found.end() : found.end() + 2], "big")
    return slice(start, len(data))


def as_segment(marker: int, body: bytes) -> bytes:
    """Return a segment."""
    return bytes([0xFF, marker]) + (len(body) + 2).to_bytes(2, "big") + body
