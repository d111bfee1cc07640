"""The orientation that an EXIF block gives a picture: read it, and set it so that all other bytes stay in place."""

import struct

TURNS = range(1, 9)
"""Orientations: 1 as stored, 3, 6 and 8 turned, 2, 4, 5 and 7 mirrored."""

_ORIENTATION = 0x0112
_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
_BYTE, _SHORT, _LONG = 1, 3, 4
_LETTERS = {_BYTE: "B", _SHORT: "H", _LONG: "I"}
_ENTRY = 12
"""Bytes of an entry of a directory: tag, type, count and value."""


def orientation(exif: bytes) -> int:
    """Return how viewers turn the picture, 1 to 8; 1 where the block says nothing that they understand."""
    order, _, entries = _directory(exif)
    for entry in entries:
        tag, kind = struct.unpack_from(order + "HH", entry)
        if tag == _ORIENTATION and kind in _LETTERS:
            (value,) = struct.unpack_from(order + _LETTERS[kind], entry, 8)
            return value if value in TURNS else 1
    return 1


def with_orientation(exif: bytes, turn: int) -> bytes:
    """Return the block with another orientation.

    The two bytes of the value are set where they stand. In a block without an entry for it a new copy of the first
    directory, with one, is put at the end, so that whatever points to a place in the block still points there. Where
    there is no block, or none that can be read, a new one comes first.
    """
    order, place, entries = _directory(exif)
    mine = struct.pack(order + "HHIHH", _ORIENTATION, _SHORT, 1, turn, 0)
    for i, entry in enumerate(entries):
        if entry[:2] == mine[:2]:
            at = place + 2 + _ENTRY * i
            return exif[:at] + mine[:10] + exif[at + 10 :]
    if not place:
        return b"MM\0*" + struct.pack(">IH", 8, 1) + mine + bytes(4) + exif
    end = place + 2 + _ENTRY * len(entries)
    following = exif[end : end + 4].ljust(4, b"\0")  # where the directory of the thumbnail is
    whole = exif + bytes(len(exif) % 2)
    sorted_entries = sorted([*entries, mine], key=lambda entry: struct.unpack_from(order + "H", entry))
    directory = struct.pack(order + "H", len(sorted_entries)) + b"".join(sorted_entries) + following
    return whole[:4] + struct.pack(order + "I", len(whole)) + whole[8:] + directory


def _directory(exif: bytes) -> tuple[str, int, list[bytes]]:
    """Return the byte order, the place of the first directory and its entries; place 0: there is no block."""
    order = _ORDERS.get(exif[:4])
    place = 0 if order is None or len(exif) < 8 else struct.unpack_from(order + "I", exif, 4)[0]
    if order is None or place < 8:
        return ">", 0, []
    count = exif[place : place + 2]
    number = struct.unpack(order + "H", count)[0] if len(count) == 2 else 0
    starts = range(place + 2, place + 2 + _ENTRY * number, _ENTRY)
    return order, place, [exif[at : at + _ENTRY] for at in starts if at + _ENTRY <= len(exif)]
