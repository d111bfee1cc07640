"""Decimal numbers as digits, many at once: eight to a machine word, with the same steps for all of them.

Plain numbers are a minus or nothing, up to eight digits without a leading zero, and perhaps a point and up to seven
more; their float64 is a quotient of two exact integers, hence correctly rounded. All others are for those who call.
Source: Lemire 2018, "Quickly parsing eight digits"; Mycroft 1987 for finding a byte in a word.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from noisecli.splice import Offsets, slices
from noisecli.streams import Floats, Mask

Bits = NDArray[np.uint64]

SIDE = 8
"""Digits of a word."""

MOST = SIDE - 1
"""Most decimals: the point takes a byte."""

BELOW = 10.0**MOST
"""Numbers that are written are smaller: the sign takes a byte."""

PIECE = 16_384
"""Cells at a time: what is worked on stays in the processor's cache."""


def _each(byte: int) -> np.uint64:
    """A word of equal bytes."""
    return np.uint64(int.from_bytes(bytes([byte]) * SIDE))


ZEROS, POINTS, TOP, REST = _each(ord("0")), _each(ord(".")), _each(0x80), _each(0x7F)
NOT_DIGIT = _each(0x80 - 10)
LAST = np.array([(2**64 - 1) >> (8 * (SIDE - n)) << (8 * (SIDE - n)) for n in range(SIDE + 1)], np.uint64)
"""By number, a mask of so many last bytes of a word in memory."""

POWERS = 10 ** np.arange(SIDE + 1)
ONE = np.uint64(1)
PAIR = np.uint64(0x000000FF000000FF)


@dataclass(frozen=True)
class Decimals:
    """What some cells say."""

    plain: Mask
    """Which of them are plain numbers; what is said of the others means nothing."""
    values: Floats
    decimals: NDArray[np.int64]
    """Digits after the point."""


def read(data: pa.Buffer, starts: Offsets, stops: Offsets) -> Decimals:
    """Read the numbers in stretches of bytes."""
    padded = np.zeros(data.size + 2 * SIDE, np.uint8)
    padded[SIDE:-SIDE] = np.frombuffer(data, np.uint8)
    count = len(starts)
    found = Decimals(np.empty(count, bool), np.empty(count), np.empty(count, np.int64))
    for at in range(0, count, PIECE):
        piece = slice(at, at + PIECE)
        _read(padded, starts[piece], stops[piece], found, piece)
    return found


def _read(padded: NDArray[np.uint8], starts: Offsets, stops: Offsets, found: Decimals, piece: slice) -> None:
    words = np.ndarray((len(padded) - SIDE + 1,), np.dtype("<u8"), padded, strides=(1,))  # what ends where in the data
    negative = padded[starts + SIDE] == ord("-")
    length = stops - starts - negative
    last = words[stops]
    points = _zero_bytes(last ^ POINTS) & LAST[np.minimum(length, SIDE)]
    pointed = points != 0
    before = (points & -points) - ONE  # bits before the first point; all of them where there is none
    decimals = MOST - (np.bitwise_count(before) >> 3).astype(np.int64)
    decimals *= pointed
    part, odd = _digits_of(last, decimals)
    width = length - decimals - pointed
    whole, odder = _digits_of(words[stops - decimals - pointed], np.minimum(width, SIDE))
    odd |= odder
    plain = found.plain[piece]
    np.equal(odd, 0, out=plain)
    plain &= (width >= 1) & (width <= SIDE)
    plain &= (padded[starts + (SIDE + negative)] != ord("0")) | (width == 1)
    plain &= pointed == (decimals > 0)
    scale = POWERS[decimals]
    values = (whole.view(np.int64) * scale + part.view(np.int64)) / scale
    np.negative(values, out=values, where=negative)
    found.values[piece], found.decimals[piece] = values, decimals


def _digits_of(words: Bits, count: NDArray[np.int64]) -> tuple[Bits, Bits]:
    """Number that so many last bytes of each word are the digits of, and what is not 0 if they are no digits."""
    digits = words ^ ZEROS
    digits &= LAST[count]
    odd = digits & REST
    odd += NOT_DIGIT
    odd |= digits
    odd &= TOP
    digits = digits * np.uint64(10) + (digits >> np.uint64(8))
    number = digits & PAIR
    number *= np.uint64(100 + (1_000_000 << 32))
    digits >>= np.uint64(16)
    digits &= PAIR
    digits *= np.uint64(1 + (10_000 << 32))
    number += digits
    number >>= np.uint64(32)
    return number, odd


def _zero_bytes(words: Bits) -> Bits:
    """The top bit of each byte that is 0."""
    found = words & REST
    found += REST
    found |= words
    found |= REST
    return ~found


def write(values: Floats, least: int, most: int) -> tuple[pa.Array, Mask]:
    """Write numbers with `least` to `most` decimals, to which they are rounded; zeros beyond `least` are trimmed.

    Minus zero is written as zero.

    Returns:
        the texts, and which of them hold: the other numbers are not plain.
    """
    if most > MOST:
        return pa.array([""] * len(values), pa.string()), np.zeros(len(values), bool)
    power = float(POWERS[most])
    plain = np.abs(values) < BELOW
    scaled = np.rint(np.where(plain, values, 0) * power)
    plain &= scaled / power == values
    count = len(values)
    rows = np.empty((count, 2), "<u8")
    starts, stops = np.empty(count, np.int64), np.empty(count, np.int64)
    for at in range(0, count, PIECE):
        piece = slice(at, at + PIECE)
        starts[piece], stops[piece] = _write(scaled[piece].astype(np.int64), least, most, rows[piece])
    first = np.arange(0, 2 * SIDE * count, 2 * SIDE)
    return slices(pa.py_buffer(rows), first + starts, first + stops).view(pa.string()), plain


def _write(scaled: NDArray[np.int64], least: int, most: int, rows: Bits) -> tuple[Offsets, Offsets]:
    """Write integers, which stand for so many decimals, into rows of two words; also say from where to where."""
    size = np.abs(scaled)
    whole = size // POWERS[most]
    part = (size - whole * POWERS[most]) * POWERS[MOST - most]
    before, after = _to_digits(whole.view(np.uint64)), _to_digits(part.view(np.uint64))
    width = np.maximum(_count_bytes(before, np.left_shift), 1)  # the first digit that is not 0, and all that follow it
    shown = np.maximum(_count_bytes(after, np.right_shift), least + (least > 0))  # the last one, the point before it
    before |= ZEROS
    after |= ZEROS
    after ^= np.uint64(ord("0") ^ ord("."))  # the first of the eight, always 0
    negative = scaled < 0
    before ^= (negative * np.uint64(ord("0") ^ ord("-"))) << ((MOST - width) * 8).view(np.uint64)
    rows[:, 0], rows[:, 1] = before, after
    return SIDE - width - negative, SIDE + shown


def _to_digits(numbers: Bits) -> Bits:
    """The eight digits of each number as bytes, the first of them first in memory."""
    high = numbers // np.uint64(10_000)
    digits = high | (numbers - high * np.uint64(10_000)) << np.uint64(32)
    for power, factor, shift, mask, width in _HALVINGS:
        high = digits * factor >> shift & mask  # a division of each part: a product and a shift
        digits = high | (digits - high * power) << width
    return digits


_HALVINGS = tuple(
    tuple(map(np.uint64, numbers))
    for numbers in ((100, 10_486, 20, 0x0000007F0000007F, 16), (10, 103, 10, 0x000F000F000F000F, 8))
)


def _count_bytes(words: Bits, shift: np.ufunc) -> Offsets:
    """Count the bytes of each word from the first that is not 0, in the direction of the shift."""
    for width in (8, 16, 32):
        words = words | shift(words, np.uint64(width))
    return SIDE - np.bitwise_count(_zero_bytes(words)).astype(np.int64)
