"""Cells as text: which type they have, which number they are, how a new number is written, and how typed cells are."""

import json
import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt
from numpy.typing import NDArray

from noisecli import digits
from noisecli.splice import string_buffers
from noisecli.streams import Floats, Mask

NULLS = ("", "NA", "N/A", "NaN", "null", "NULL", "None")
"""Spellings of a missing cell, unless it is quoted."""

NUMBER = r"^[-+]?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$"
"""JSON's grammar and a leading plus; leading zeros are identifiers, so text."""

INTEGER = r"^[-+]?[0-9]+$"
BOOL = r"^(true|false|True|False|TRUE|FALSE)$"
DATE = r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$"
DATETIME = (
    r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])[T ]([01][0-9]|2[0-3]):[0-5][0-9]"
    r"(:[0-5][0-9](\.[0-9]{1,9})?)?(Z|[-+]([01][0-9]|2[0-3]):?[0-5][0-9])?$"
)

SHORTEST = 15
"""From this many decimals on, a number is written as the shortest text that reads back the same."""


def matches(cells: pa.Array, pattern: str) -> Mask:
    """Which cells match; a null does not."""
    return to_mask(pc.match_substring_regex(cells, pattern))


def to_mask(flags: pa.Array) -> Mask:
    """Arrow booleans as numpy ones, null as false."""
    if flags.null_count:
        flags = pc.fill_null(flags, False)
    if isinstance(flags, pa.BooleanArray) and len(flags):
        return _bits(flags.buffers()[1], flags.offset, len(flags))
    return np.asarray(flags.to_numpy(zero_copy_only=False), dtype=bool)


def _bits(buffer: pa.Buffer, start: int, count: int) -> Mask:
    first = start // 8
    bits = np.frombuffer(buffer, np.uint8)[first : (start + count + 7) // 8]
    return np.unpackbits(bits, bitorder="little")[start - 8 * first :][:count].view(bool)


def are_valid(cells: pa.Array) -> Mask:
    """Which cells are not null."""
    return to_mask(pc.is_valid(cells)) if cells.null_count else np.ones(len(cells), bool)


def holds(cells: pa.Array, characters: bytes) -> bool:
    """Whether any of some ASCII characters occurs at all: far quicker than asking cell by cell."""
    data = np.frombuffer(string_buffers(cells)[0], np.uint8)
    return any((data == character).any() for character in characters)


@dataclass(frozen=True)
class Numbers:
    """What text cells say, as far as they are numbers."""

    found: Mask
    """Which cells are."""
    values: Floats
    """As float64; NaN where a cell is none."""
    decimals: NDArray[np.int64]
    """Digits after the point, the exponent taken into account; 0 where a cell is none."""
    whole: Mask
    """Which are written as integers."""


def read_numbers(cells: pa.Array) -> Numbers:
    """Read text cells as numbers; a null is none."""
    plain, read = _read_plain(cells)
    found = Numbers(plain, np.where(plain, read.values, np.nan), read.decimals * plain, plain & (read.decimals == 0))
    rest = np.flatnonzero(~plain)
    if len(rest) > cells.null_count:
        others = cells.take(pa.array(rest))
        numeric = matches(others, NUMBER)
        if numeric.any():
            rest, others = rest[numeric], others.filter(pa.array(numeric))
            found.found[rest] = True
            found.values[rest] = _cast(pc.utf8_ltrim(others, "+"))
            found.decimals[rest] = count_decimals(others)
            found.whole[rest] = matches(others, INTEGER)
    return found


def is_number(cells: pa.Array) -> Mask:
    """Which text cells are numbers; a null is none."""
    return read_numbers(cells).found


def parse_numbers(cells: pa.Array) -> Floats:
    """Numbers of text cells as float64; NaN where a cell is null or no number.

    Where all cells are what Arrow takes for numbers, these are: it reads more than numbers are (inf, 007).
    """
    plain, read = _read_plain(cells)
    rest = np.flatnonzero(~plain)
    if len(rest) == 0:
        return read.values
    values = np.where(plain, read.values, np.nan)
    if len(rest) > cells.null_count:
        others = cells.take(pa.array(rest))
        try:
            values[rest] = _cast(others)
        except pa.ArrowInvalid:
            values[rest] = read_numbers(others).values
    return values


def _read_plain(cells: pa.Array) -> tuple[Mask, digits.Decimals]:
    """Read the plain numbers, and say which cells are such."""
    data, bounds = string_buffers(cells)
    read = digits.read(data, bounds[:-1], bounds[1:])
    return read.plain & are_valid(cells), read


def _cast(cells: pa.Array) -> Floats:
    values = pc.cast(cells, pa.float64())
    return np.asarray(pc.fill_null(values, np.nan).to_numpy(zero_copy_only=False), dtype=np.float64)


def count_decimals(cells: pa.Array) -> NDArray[np.int64]:
    """Digits after the point of number cells, the exponent taken into account; cells must hold numbers."""
    if len(cells) == 0:
        return np.zeros(0, np.int64)
    length, point = _lengths(cells), _find(cells, ".")
    mantissa_end = length
    exponent = np.zeros(len(cells), np.int64)
    scientific = matches(cells, "[eE]") if holds(cells, b"eE") else np.zeros(len(cells), bool)
    if scientific.any():
        texts = cells.filter(pa.array(scientific)).to_pylist()
        parts = [re.split("[eE]", text) for text in texts]
        mantissa_end = length.copy()
        mantissa_end[scientific] = [len(mantissa) for mantissa, _ in parts]
        exponent[scientific] = [max(-400, min(400, int(power))) for _, power in parts]
    written = np.where(point >= 0, mantissa_end - point - 1, 0)
    return np.maximum(written - exponent, 0)


def round_decimals(values: Floats, decimals: int) -> Floats:
    """Round half to even in the last decimal; a count that float64 cannot resolve leaves the values alone."""
    if decimals >= SHORTEST:
        return values
    # Scaling overflows near the largest floats, whose decimals are all zero anyway.
    with np.errstate(over="ignore"):
        rounded = np.asarray(np.round(values, decimals))
    return np.where(np.isfinite(rounded), rounded, values)


def format_numbers(values: Floats, least: int, most: int) -> pa.Array:
    """Write finite numbers with `least` to `most` decimals; zeros beyond `least` are trimmed.

    Values must already be rounded to `most` decimals. Minus zero is written as zero.
    """
    text, plain = digits.write(values, least, most)
    if not plain.all():
        others = _format_any(values[~plain], least, most)
        text = others if not plain.any() else pc.replace_with_mask(text, pa.array(~plain), others)
    return text


def _format_any(values: Floats, least: int, most: int) -> pa.Array:
    text = _shortest(values + 0.0)
    scientific = matches(text, "e") if holds(text, b"e") else np.zeros(len(text), bool)
    if scientific.any():
        plain = pa.array([_positional(value, most) for value in values[scientific].tolist()], pa.string())
        text = pc.replace_with_mask(text, pa.array(scientific), plain)
    if least == 0:
        text = pc.replace_substring_regex(text, r"\.0$", "")
    padding = least - count_decimals(text)
    if (padding > 0).any():
        without_point = _find(text, ".") < 0
        zeros = ["", *("0" * n for n in range(1, least + 1))]
        zeros += ["." + pad for pad in zeros]
        choice = np.maximum(padding, 0) + (least + 1) * (without_point & (padding > 0))
        text = pc.binary_join_element_wise(text, pa.array(zeros).take(pa.array(choice)), "")
    return text


def format_in_full(values: Floats) -> pa.Array:
    """Write each number as the shortest text that reads back the same; what is none as `NaN`, `inf` or `-inf`."""
    if len(values) == 0:
        return pa.array([], pa.string())
    odd = ~np.isfinite(values)
    names = [repr(value).replace("nan", "NaN") for value in values[odd].tolist()]
    return pc.replace_with_mask(_shortest(values), pa.array(odd), pa.array(names, pa.string()))


def _shortest(values: Floats) -> pa.Array:
    """Each number as the shortest text that reads back the same: a view into one JSON array."""
    json = orjson.dumps(np.ascontiguousarray(values), option=orjson.OPT_SERIALIZE_NUMPY)
    separators = np.flatnonzero(np.frombuffer(json, np.uint8) == ord(","))
    bounds = np.empty(2 * len(values), np.int32)
    bounds[0], bounds[-1] = 1, len(json) - 1
    bounds[1:-1:2] = separators
    bounds[2::2] = separators + 1
    pieces = pa.Array.from_buffers(pa.string(), len(bounds) - 1, [None, pa.py_buffer(bounds), pa.py_buffer(json)])
    return pieces.take(pa.array(np.arange(0, len(bounds) - 1, 2)))


def _positional(value: float, decimals: int) -> str:
    return np.format_float_positional(value, precision=decimals if decimals < SHORTEST else None, trim="0")


def as_written(cells: pa.Array) -> pa.Array:
    """Typed cells as text.

    Numbers are as short as they can be read back, times in UTC if they have a zone, durations are counts of the type's
    unit, bytes are hexadecimal digits, and what is nested is JSON.
    """
    type_ = cells.type
    if isinstance(type_, pa.BaseExtensionType):
        return as_written(cells.storage)
    if pt.is_timestamp(type_) and type_.tz is not None:
        moments = cells.cast(pa.timestamp(type_.unit)).cast(pa.string())
        return pc.binary_join_element_wise(moments, "Z", "")
    if pt.is_binary(type_) or pt.is_large_binary(type_) or pt.is_fixed_size_binary(type_) or pt.is_binary_view(type_):
        return pa.array([None if cell is None else cell.hex() for cell in cells.to_pylist()], pa.string())
    if pt.is_nested(type_) or pt.is_interval(type_):
        texts = [None if cell is None else json.dumps(cell, ensure_ascii=False) for cell in _plain(cells)]
        return pa.array(texts, pa.string())
    return cells.cast(pa.string())


def _plain(cells: pa.Array) -> list[Any]:
    """Cells as values of JSON; what it has no word for is text."""
    type_ = cells.type
    if isinstance(type_, pa.BaseExtensionType):
        return _plain(cells.storage)
    if pt.is_dictionary(type_):
        return _plain(cells.dictionary_decode())
    if pt.is_struct(type_):
        fields = {field.name: _plain(column) for field, column in zip(type_, cells.flatten(), strict=True)}
        valid = cells.is_valid().to_pylist()
        return [{name: fields[name][i] for name in fields} if valid[i] else None for i in range(len(cells))]
    if pt.is_map(type_):
        entries = [cell.values.flatten() if cell.is_valid else None for cell in cells]
        return [entry and [list(pair) for pair in zip(*map(_plain, entry), strict=True)] for entry in entries]
    if pt.is_nested(type_) and not pt.is_union(type_):
        return [_plain(cell.values) if cell.is_valid else None for cell in cells]
    if pt.is_boolean(type_) or pt.is_integer(type_) or pt.is_interval(type_) or pt.is_null(type_):
        return list(cells.to_pylist())
    if pt.is_union(type_):
        return [None if cell is None else str(cell) for cell in cells.to_pylist()]
    texts = as_written(cells).to_pylist()
    if pt.is_floating(type_):
        return [text if text is None or not math.isfinite(float(text)) else float(text) for text in texts]
    return list(texts)


def _lengths(cells: pa.Array) -> NDArray[np.int64]:
    return np.asarray(pc.binary_length(cells).to_numpy(zero_copy_only=False), dtype=np.int64)


def _find(cells: pa.Array, needle: str) -> NDArray[np.int64]:
    return np.asarray(pc.find_substring(cells, needle).to_numpy(zero_copy_only=False), dtype=np.int64)
