"""Damage to files, some of it by someone who knows the format: lengths, offsets, checksums, quotes, claimed sizes."""

import gzip
import random
import re
import struct
import zlib
from collections.abc import Callable

from fuzz.seeds import seeds

INTERESTING = (
    0,
    1,
    2,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0x8000,
    0xFFFF,
    0x7FFF_FFFF,
    0x8000_0000,
    0xFFFF_FFFF,
    1 << 40,
    2**63 - 1,
    2**64 - 1,
)
"""Numbers at the edge of a type, and sizes that nobody has."""

Mutation = Callable[[bytearray, random.Random], bytearray | bytes]


def flip(data: bytearray, rng: random.Random) -> bytearray:
    """Flip a few bits."""
    for _ in range(rng.choice([1, 1, 2, 8])):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return data


def byte(data: bytearray, rng: random.Random) -> bytearray:
    """Set one byte to anything."""
    data[rng.randrange(len(data))] = rng.randrange(256)
    return data


def number(data: bytearray, rng: random.Random, start: int = 0, stop: int | None = None) -> bytearray:
    """Overwrite a number of 1 to 8 bytes, mostly where one might begin."""
    size = rng.choice([1, 2, 4, 4, 4, 8, 8])
    value = rng.choice([*INTERESTING, len(data), rng.getrandbits(64)]) & ((1 << 8 * size) - 1)
    at = rng.randrange(start, max(start + 1, (stop or len(data)) - size + 1))
    at -= at % size if rng.random() < 0.7 else 0
    data[at : at + size] = value.to_bytes(size, rng.choice(["little", "little", "big"]))
    return data


def truncate(data: bytearray, rng: random.Random) -> bytearray:
    """Cut the end off, or the start."""
    at = rng.randrange(len(data))
    return data[:at] if rng.random() < 0.8 else data[at:]


def shift(data: bytearray, rng: random.Random) -> bytearray:
    """Take a stretch out, put one in twice, or fill one with zeros."""
    at, size = rng.randrange(len(data)), rng.choice([1, 2, 4, 8, 40, 400])
    piece = data[at : at + size]
    data[at : at + size] = rng.choice([b"", piece + piece, bytes(len(piece)), rng.randbytes(size)])
    return data


PLAIN: tuple[Mutation, ...] = (flip, byte, number, truncate, shift)

# ---------------------------------------------------------------------------------------------------------------- text

TOKENS = [
    *(b'"', b'""', b'"""', b"\0", b"\r", b"\n", b"\r\n", b"\n\n", b",", b";", b"\t", b"|", b"\\", b"\\u", b"\\ud800"),
    *(
        b"\xff",
        b"\xed\xa0\x80",
        b"\xef\xbb\xbf",
        b"\xff\xfe",
        b"\xd8\x00",
        b"\xe2\x80\xa8",
        b"\xf0\x9f\x98\x80",
        b"\x1b[2J",
    ),
    *(
        b"=1+1",
        b"@SUM(A1)",
        b"+",
        b"-",
        b"1e999",
        b"-1e-999",
        b"9" * 400,
        b"0x1",
        b"NaN",
        b"inf",
        b"null",
        b"0000-00-00",
    ),
    *(b"2024-13-45T99:99", b"{", b"}", b"[", b"]", b":", b"[" * 2_000, b'{"x":' * 500, b'{"x": 1, "x": 2}'),
    *(b"a" * 70_000, b"," * 5_000),
]


def token(data: bytearray, rng: random.Random) -> bytearray:
    """Put something with a meaning somewhere."""
    for _ in range(rng.choice([1, 1, 3])):
        at = rng.randrange(len(data))
        data[at : at + rng.choice([0, 0, 1, 5])] = rng.choice(TOKENS)
    return data


def lines(data: bytearray, rng: random.Random) -> bytes:
    """Drop, repeat, join or empty some lines."""
    pieces = bytes(data).split(b"\n")
    at = rng.randrange(len(pieces))
    pieces[at : at + 1] = rng.choice(
        [[], [pieces[at]] * rng.choice([2, 300]), [b""], [pieces[at] + pieces[-1]], [b" "]]
    )
    return b"\n".join(pieces)


def encoding(data: bytearray, rng: random.Random) -> bytes:
    """Write it in another encoding, half of it perhaps."""
    codec = rng.choice(["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig", "latin-1"])
    text = data.decode("latin-1")
    at = rng.choice([0, 0, rng.randrange(len(text))])
    return text[:at].encode("latin-1") + text[at:].encode(codec)[: -1 if rng.random() < 0.3 else None]


# -------------------------------------------------------------------------------------------------------------- binary


def packed(data: bytearray, rng: random.Random) -> bytes:
    """Damage the text inside of a gzip file, or what stands around it: flags, checksum, length, more members."""
    if rng.random() < 0.5:
        inner = bytearray(gzip.decompress(seeds(".csv.gz")[0]))
        return gzip.compress(bytes(rng.choice(TEXT)(inner, rng)), mtime=0)
    if rng.random() < 0.3:
        return bytes(data) + rng.choice([b"\0" * 9, b"junk", bytes(data), gzip.compress(bytes(60 << 20)), b"\x1f\x8b"])
    at = rng.choice([2, 3, 3, 8, len(data) - 8, len(data) - 4])
    data[at] ^= 1 << rng.randrange(8)
    return bytes(data)


def footer(data: bytearray, rng: random.Random) -> bytearray:
    """Damage the footer of a Parquet or Arrow file, or its length."""
    magic = 4 if data.endswith(b"PAR1") else 6
    stop = max(1, len(data) - magic - (0 if rng.random() < 0.1 else 4))
    start = max(0, stop - max(1, int.from_bytes(data[-magic - 4 : -magic], "little")))
    return number(data, rng, start, stop)


def varints(data: bytes, at: int) -> tuple[list[tuple[int, int]], int]:
    """Places of all varints in a structure of Thrift (compact) that begins somewhere, and where it ends."""
    found: list[tuple[int, int]] = []

    def varint() -> int:
        nonlocal at
        start, value = at, 0
        while True:
            value |= (data[at] & 127) << 7 * (at - start)
            at += 1
            if not data[at - 1] & 128:
                found.append((start, at))
                return value

    def body(kind: int) -> None:
        nonlocal at
        match kind:
            case 3 | 7:
                at += {3: 1, 7: 8}[kind]
            case 4 | 5 | 6:
                varint()
            case 8:
                at += varint()
            case 9 | 10:
                at += 1
                size, inner = data[at - 1] >> 4, data[at - 1] & 15
                for _ in range(varint() if size == 15 else size):
                    body(inner)
            case 12:
                while head := data[at]:
                    at += 1
                    if not head >> 4:
                        varint()
                    body(head & 15)
                at += 1

    body(12)
    return found, at


def thrift(data: bytearray, rng: random.Random) -> bytearray:
    """Put other numbers into the footer of a Parquet file, or into the head of one of its pages."""
    start = max(4, len(data) - 8 - int.from_bytes(data[-8:-4], "little"))
    starts = [start, start, 4, *(found.start() for found in re.finditer(rb"\x15[\x00\x04\x06]\x15.", data[:start]))]
    try:
        places, _ = varints(data, rng.choice(starts))
    except (IndexError, RecursionError):
        return flip(data, rng)
    for first, last in rng.sample(places, min(len(places), rng.choice([1, 1, 2]))):
        value = rng.choice([*INTERESTING, *range(16), rng.getrandbits(32), len(data)])
        new = bytearray()
        while value > 127 or len(new) < last - first - 1:
            new.append(value & 127 | 128)
            value >>= 7
        new.append(value)
        if len(new) > last - first and first >= start:  # the footer grows
            length = int.from_bytes(data[-8:-4], "little") + len(new) - (last - first)
            data[-8:-4] = (length & 0xFFFF_FFFF).to_bytes(4, "little")
        data[first:last] = new
    return data


def metadata(data: bytearray, rng: random.Random) -> bytearray:
    """Damage the metadata of a message in an Arrow file: a flatbuffer, full of offsets and lengths."""
    start = rng.choice([found.start() for found in re.finditer(b"\xff\xff\xff\xff", data)] or [0])
    return number(data, rng, start, min(len(data), start + 400))


def segment(data: bytearray, rng: random.Random) -> bytearray:
    """Damage the head of a segment of a JPEG: marker, length, size of the picture, tables."""
    start = rng.choice([found.start() for found in re.finditer(rb"\xff[\xc0-\xfe]", data)] or [0])
    return number(data, rng, start, min(len(data), start + rng.choice([2, 4, 10, 20])))


def chunk(data: bytearray, rng: random.Random) -> bytearray | bytes:
    """Damage a chunk of a PNG, and mend its checksum: its kind, body or place."""
    pieces, place = [], 8
    while place + 12 <= len(data):
        (size,) = struct.unpack_from(">I", data, place)
        pieces.append((bytes(data[place + 4 : place + 8]), bytearray(data[place + 8 : place + 8 + size])))
        place += size + 12
    if not pieces:
        return data
    at = rng.randrange(len(pieces))
    kind, body = pieces[at]
    match rng.randrange(5):
        case 0:
            pieces.insert(rng.randrange(len(pieces) + 1), pieces.pop(at))
        case 1:
            pieces[at : at + 1] = [pieces[at]] * rng.choice([0, 2])
        case 2:
            known = [
                b"PLTE",
                b"tRNS",
                b"acTL",
                b"iCCP",
                b"IDAT",
                b"IHDR",
                b"IEND",
                b"zTXt",
                b"eXIf",
                b"gAMA",
                b"sBIT",
                b"bKGD",
                b"fdAT",
            ]
            pieces[at] = (rng.choice(known), body)
        case 3:
            bomb = zlib.compress(bytes(rng.choice([100, 30 << 20])))
            pieces[at] = (kind, bytearray(bomb if kind == b"IDAT" else body[:4] + b"\0\0" + bomb))
        case _ if body:
            pieces[at] = (kind, bytearray(rng.choice(PLAIN)(body, rng)))
    made = (struct.pack(">I", len(b)) + k + bytes(b) + zlib.crc32(k + b).to_bytes(4, "big") for k, b in pieces)
    return bytes(data[:8]) + b"".join(made)


TEXT: tuple[Mutation, ...] = (*PLAIN, token, token, token, lines, encoding)
KNOWING: dict[str, tuple[Mutation, ...]] = {
    ".csv": TEXT,
    ".tsv": TEXT,
    ".jsonl": TEXT,
    ".csv.gz": (*PLAIN, packed, packed, packed),
    ".parquet": (*PLAIN, footer, thrift, thrift, thrift, thrift, thrift),
    ".arrow": (*PLAIN, number, number, footer, metadata, metadata),
    ".jpg": (*PLAIN, segment, segment, segment),
    ".png": (*PLAIN, chunk, chunk, chunk, chunk),
}
"""What may happen to files, by extension."""


def mutant(suffix: str, which: int) -> bytes:
    """Return a damaged file: the same for the same number."""
    rng = random.Random(f"{suffix} {which}")
    data = bytearray(rng.choice(seeds(suffix)))
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        data = bytearray(rng.choice(KNOWING[suffix])(data or bytearray(b"\0"), rng))
        data = data or bytearray(b"\0")
    return bytes(data)
