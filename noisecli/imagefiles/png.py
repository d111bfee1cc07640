"""The chunks of a PNG file."""

import struct
import zlib
from collections.abc import Iterator

from noisecli.errors import DataProblem

PNG_START = b"\x89PNG\r\n\x1a\n"

Chunk = tuple[bytes, bytes]
"""A kind, and the whole chunk: length, kind, body and checksum."""


def chunks(data: bytes) -> Iterator[tuple[bytes, slice]]:
    """Yield kind and place of each chunk, as far as their lengths tell; the last may be cut off.

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


def whole_chunks(data: bytes) -> Iterator[Chunk]:
    """Yield the chunks of a file in which nothing may be missing or damaged.

    Raises:
        ValueError: the file ends early, or a checksum is wrong.
    """
    kind = b""
    for kind, place in chunks(data):
        chunk = data[place]
        if zlib.crc32(memoryview(chunk)[4:-4]) != int.from_bytes(chunk[-4:], "big"):
            raise ValueError(f"wrong checksum of {kind!r}")
        yield kind, chunk
    if kind != b"IEND":
        raise ValueError("ends early")


def image_data(data: bytes) -> slice:
    """Return what follows the head of the first IDAT chunk, further such chunks included.

    Raises:
        DataProblem: the file ends before its pixels.
    """
    places = [place for kind, place in chunks(data) if kind == b"IDAT"]
    if not places:
        raise DataProblem("the file is truncated or damaged; remove the file or repair it")
    return slice(places[0].start + 8, min(places[-1].stop, len(data)))


def as_chunk(kind: bytes, body: bytes) -> bytes:
    """Return a chunk."""
    return struct.pack(">I", len(body)) + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")
