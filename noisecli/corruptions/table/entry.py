"""Slips of whoever writes a number down."""

from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import Field, field_validator

from noisecli.celltext import SHORTEST, format_numbers
from noisecli.columns import Column
from noisecli.corruption import register
from noisecli.corruptions.table.outlier import NumberFault
from noisecli.streams import BlockDraws, Floats, Mask, uniform_choice

Letters = NDArray[np.uint8]
"""Numbers as ASCII text, one a row, filled up with zero bytes, at least one."""

ZERO, NINE, POINT = b"09."


@register
class DecimalSlip(NumberFault):
    """Put the decimal point in the wrong place: a number ten times too large, or too small.

    Source: Lesar 2002, "Tenfold Medication Dose Prescribing Errors".

    Example:
        {op: decimal_slip, columns: [dose], places: 1, rate: 0.1}
    """

    unchanged = "the number is zero, or the change is smaller than the column's resolution"

    places: int = Field(1, ge=-15, le=15)
    """How far the point moves: 1 makes 15 of 1.5, -1 makes 0.15 of it."""

    @field_validator("places")
    @classmethod
    def _moves(cls, places: int) -> int:
        if places == 0:
            raise ValueError("0 leaves the point where it is")
        return places

    def corrupt(self, values: Floats, column: Column, draws: BlockDraws) -> Floats:
        factor = float(10 ** abs(self.places))
        return values * factor if self.places > 0 else values / factor


@register
class SignFlip(NumberFault):
    """Change the sign.

    Source: Miller 2006, "A Scientist's Nightmare: Software Problem Leads to Five Retractions".

    Example:
        {op: sign_flip, columns: [balance], rate: 0.1}
    """

    unchanged = "the number is zero"

    def objection(self, column: Column) -> str | None:
        return "holds no negative numbers" if pa.types.is_unsigned_integer(column.storage) else None

    def corrupt(self, values: Floats, column: Column, draws: BlockDraws) -> Floats:
        return -values


@register
class DigitError(NumberFault):
    """Get one digit wrong, in the number as it is written.

    Source: Verhoeff 1969, "Error Detecting Decimal Codes".

    Example:
        {op: digit_error, columns: [amount], kind: transpose, rate: 0.1}
    """

    unchanged = "the number has no digits to swap or to spare, or the change is smaller than the column's resolution"

    kind: Literal["replace", "transpose", "drop", "insert"] = "replace"
    """replace: another digit in its place, all alike; transpose: two unequal neighbours swapped; drop: one left out
    that counts; insert: one too many."""

    def corrupt(self, values: Floats, column: Column, draws: BlockDraws) -> Floats:
        where, which = draws.uniform(), draws.uniform()
        text = _written(values, column)
        sites = _sites(text, self.kind)
        able = np.flatnonzero(sites.any(axis=1))
        chosen = _choose(sites[able], where[able])
        new = values.copy()
        new[able] = _read(_edit(text[able], self.kind, chosen, which[able]))
        return new


def _choose(sites: Mask, uniform: Floats) -> NDArray[np.intp]:
    """Choose one of the sites of each row, all alike."""
    nth = uniform_choice(np.count_nonzero(sites, axis=1), uniform)
    first: NDArray[np.intp] = np.argmax(np.cumsum(sites, axis=1) > nth[:, None], axis=1)
    return first


def _written(values: Floats, column: Column) -> Letters:
    """Write numbers as their column does: as many decimals as a text column has, else no more than are needed."""
    least, most = column.decimals or (0, SHORTEST)
    # A number of single precision has fewer digits than the double it is handed over as.
    exact: Any = values.astype(np.float32) if column.storage == pa.float32() else values
    texts = np.array(format_numbers(exact, least, most).to_pylist(), "S")
    return np.pad(texts.view(np.uint8).reshape(len(texts), texts.itemsize), ((0, 0), (0, 1)))


def _read(text: Letters) -> Floats:
    rows = np.ascontiguousarray(text).view(f"S{text.shape[1]}").ravel()
    numbers = pc.cast(pc.cast(pa.array(rows, pa.binary()), pa.string()), pa.float64())
    return np.asarray(numbers.to_numpy(zero_copy_only=False), dtype=np.float64)


def _sites(text: Letters, kind: str) -> Mask:
    """Which letters of each number the slip may strike: there it makes another number."""
    digit = (text >= ZERO) & (text <= NINE)
    if kind == "transpose":
        pairs = digit[:, :-1] & digit[:, 1:] & (text[:, :-1] != text[:, 1:])
        return np.pad(pairs, ((0, 0), (0, 1)))
    if kind == "drop":
        whole = np.cumsum(text == POINT, axis=1) == 0
        counts = digit & (text > ZERO)
        to_the_right = np.logical_or.accumulate(counts[:, ::-1], axis=1)[:, ::-1]
        to_the_left = np.logical_or.accumulate(counts, axis=1)
        several = np.count_nonzero(digit, axis=1, keepdims=True) > 1
        return digit & several & np.where(whole, to_the_left, to_the_right)
    return digit | _ends(text, digit) if kind == "insert" else digit


def _ends(text: Letters, digit: Mask) -> Mask:
    """Say where the whole part of each number has ended; nowhere after a lone 0, which no digit can follow."""
    begun = np.cumsum(digit, axis=1) > 0
    ended = begun & ~digit
    leading = np.take_along_axis(text, np.argmax(digit, axis=1)[:, None], axis=1)
    at_end: Mask = ended & (np.cumsum(ended, axis=1) == 1) & (leading > ZERO)
    return at_end


def _edit(text: Letters, kind: str, site: NDArray[np.intp], which: Floats) -> Letters:
    row, place = np.arange(len(text)), np.arange(text.shape[1] + 1)
    digit = text[row, site] - ZERO
    wide = np.pad(text, ((0, 0), (0, 2)))
    if kind == "drop":
        return np.take_along_axis(wide, place + (place >= site[:, None]), axis=1)
    if kind == "insert":
        wide = np.take_along_axis(wide, place - (place > site[:, None]), axis=1)
        leading = site == np.argmax((text >= ZERO) & (text <= NINE), axis=1)
        new = np.where(leading, 1 + np.floor(which * 9), np.floor(which * 10))
    elif kind == "replace":
        new = (digit + 1 + np.floor(which * 9)) % 10
    else:
        new = wide[row, site + 1] - ZERO
        wide[row, site + 1] = digit + ZERO
    wide[row, site] = new.astype(np.uint8) + ZERO
    return wide
