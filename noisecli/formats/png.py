"""What becomes of the pixels and chunks of a PNG file that an op cannot work on as they are.

Palette pixels turn into RGB or RGBA, grey of fewer than 8 bits into grey of 8 bits; no colour changes. The chunks that
speak of palette entries or of grey levels are put in the new terms, all others stay byte for byte.
"""

import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noisecli.corruption import Pixels
from noisecli.imagefiles.png import Chunk, as_chunk

GREY, PALETTE = 0, 3
KINDS = {GREY: "grey", 2: "RGB", PALETTE: "palette", 4: "grey with alpha", 6: "RGBA"}
DEPTHS = {GREY: (1, 2, 4, 8, 16), 2: (8,), PALETTE: (1, 2, 4, 8), 4: (8,), 6: (8,)}
"""Bits of a value that are supported, by colour type."""
CHANNELS = {GREY: 1, 2: 3, PALETTE: 1, 4: 2, 6: 4}
"""Values of a pixel, by colour type."""


def expand(values: NDArray[Any], chunks: Sequence[Chunk]) -> Pixels:
    """Return grey, RGB or RGBA for (height, width, 1) palette entries, and black and white for true and false.

    `chunks` are those before the pixels. Raises `IndexError` for an entry that the palette does not have.
    """
    if _depth_and_colour(chunks)[1] == PALETTE:
        colours: Pixels = _colours(chunks)[values[..., 0]]
        return colours
    return values * np.uint8(255) if values.dtype == np.bool_ else values


def translate(chunks: Sequence[Chunk], header: Sequence[Chunk]) -> bytes:
    """Return chunks as they must read next to expanded pixels; `header` are those before the pixels."""
    depth, colour = _depth_and_colour(header)
    if colour == PALETTE:
        colours = _colours(header)
        return b"".join(_for_rgb(kind, chunk, colours) for kind, chunk in chunks)
    if depth < 8:
        return b"".join(_for_8_bits(kind, chunk, depth) for kind, chunk in chunks)
    return b"".join(chunk for _, chunk in chunks)


def _depth_and_colour(chunks: Sequence[Chunk]) -> tuple[int, int]:
    return chunks[0][1][16], chunks[0][1][17]


def _colours(chunks: Sequence[Chunk]) -> Pixels:
    """Return the palette: RGB, or RGBA where the file has transparency."""
    bodies: Mapping[bytes, bytes] = {kind: chunk[8:-4] for kind, chunk in chunks}
    colours = np.frombuffer(bodies[b"PLTE"], np.uint8).reshape(-1, 3)
    if b"tRNS" not in bodies:
        return colours
    alpha = np.full((len(colours), 1), 255, np.uint8)
    some = np.frombuffer(bodies[b"tRNS"], np.uint8)
    alpha[: len(some), 0] = some
    return np.hstack([colours, alpha])


def _for_rgb(kind: bytes, chunk: bytes, colours: Pixels) -> bytes:
    """Return a chunk of a palette file as an RGB or RGBA file has it."""
    if kind in (b"PLTE", b"tRNS", b"hIST"):
        return b""
    if kind == b"bKGD":
        (entry,) = chunk[8:-4]
        return as_chunk(kind, struct.pack(">3H", *colours[entry, :3].tolist()))
    if kind == b"sBIT" and colours.shape[1] == 4:
        return as_chunk(kind, chunk[8:-4] + b"\x08")
    return chunk


def _for_8_bits(kind: bytes, chunk: bytes, depth: int) -> bytes:
    """Return a chunk of a file of 1, 2 or 4 bits of grey as a file of 8 bits has it."""
    if kind not in (b"tRNS", b"bKGD"):
        return chunk
    white = 2**depth - 1
    (level,) = struct.unpack(">H", chunk[8:-4])
    return as_chunk(kind, struct.pack(">H", (level & white) * 255 // white))
