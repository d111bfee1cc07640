"""Conditions on clean cells: which rows a step may strike at all."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import reduce
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from noisecli import celltext, dates
from noisecli.columns import NUMBER, Column, Kind, numpy_dtype
from noisecli.streams import Mask

ORDERED = {"gt": np.greater, "ge": np.greater_equal, "lt": np.less, "le": np.less_equal}


@dataclass(frozen=True)
class Test:
    """One comparison of a column with what the recipe says; a missing cell passes only `null: true`."""

    __test__ = False  # pytest takes the name for its own

    column: str
    relation: str
    """eq, ne, gt, ge, lt, le, in, between, null or matches."""
    values: tuple[str, ...]
    """As written in the recipe: the column says what they mean."""

    def mask(self, cells: pa.Array, column: Column) -> Mask:
        """Say which cells pass.

        Raises:
            ValueError: the comparison makes no sense for this kind of column.
        """
        present = column.eligible(cells, False)
        if self.relation == "null":
            return present if self.values == ("false",) else ~present
        if self.relation == "matches":
            return present & _matches(cells, column, self.values[0])
        known, asked, present = _comparable(cells, column, self.values, present)
        if column.kind is Kind.BOOL and self.relation not in ("eq", "ne", "in"):
            raise ValueError(f"{self.relation}: true and false have no order; use eq or in")
        if self.relation == "between":
            return np.asarray(present & (known >= asked[0]) & (known <= asked[1]))
        if self.relation in ORDERED:
            return np.asarray(present & ORDERED[self.relation](known, asked[0]))
        equal = np.isin(known, asked)
        return present & (~equal if self.relation == "ne" else equal)


@dataclass(frozen=True)
class Where:
    """All of some tests, and one at least of some alternatives if there are any."""

    tests: tuple[Test, ...] = ()
    alternatives: tuple["Where", ...] = ()

    @property
    def columns(self) -> list[str]:
        """Columns that have to be read."""
        names = [test.column for test in self.tests]
        return list(dict.fromkeys([*names, *(name for other in self.alternatives for name in other.columns)]))

    def mask(self, cells: Mapping[str, pa.Array], columns: Mapping[str, Column]) -> Mask:
        """Say which rows pass; `cells` are clean."""
        masks = [test.mask(cells[test.column], columns[test.column]) for test in self.tests]
        if self.alternatives:
            masks.append(reduce(np.logical_or, [other.mask(cells, columns) for other in self.alternatives]))
        return reduce(np.logical_and, masks)

    def check(self, columns: Mapping[str, Column]) -> None:
        """Raise ValueError where a comparison makes no sense for its column."""
        self.mask({name: pa.array([], columns[name].storage) for name in self.columns}, columns)


def _matches(cells: pa.Array, column: Column, pattern: str) -> Mask:
    if column.kind is not Kind.TEXT:
        raise ValueError(f"matches: column {column.name!r} is {column.kind.value}, not text")
    try:
        celltext.matches(pa.array([""]), pattern)  # without any cell Arrow would not look at the pattern
        return celltext.matches(cells, pattern)
    except pa.ArrowInvalid as error:
        raise ValueError(f"matches: {error}") from None


def _comparable(
    cells: pa.Array, column: Column, values: tuple[str, ...], present: Mask
) -> tuple[NDArray[Any], NDArray[Any], Mask]:
    """Cells and values in a form that can be compared, and which cells have it."""
    texts = pa.array(values, pa.string())
    if column.kind is Kind.INTEGER:
        exact = [_number(value) for value in values]
        if all(isinstance(value, int) for value in exact):
            integers, whole = _integers(cells, column)
            return integers, np.array(exact), present & whole
    if column.kind in NUMBER:
        known: NDArray[Any] = column.to_numbers(cells)
        numbers = np.array([_number(value) for value in values], np.float64)
        if pa.types.is_floating(column.storage):
            numbers = numbers.astype(numpy_dtype(column.storage)).astype(np.float64)  # 0.1 as the cells hold it
        return known, numbers, present & ~np.isnan(known)
    if column.kind is Kind.BOOL:
        said = pc.utf8_lower(cells.cast(pa.string()))
        return _objects(said), _objects(_flags(texts)), present
    if column.kind in (Kind.DATE, Kind.DATETIME):
        moments, found = column.to_times(cells)
        return moments, _asked_times(column, texts), present & found
    if column.kind is Kind.TEXT:
        return _objects(cells), _objects(texts), present
    raise ValueError(f"column {column.name!r} can only be tested for null")


def _integers(cells: pa.Array, column: Column) -> tuple[NDArray[Any], Mask]:
    """Integers exactly, where float64 would merge neighbours beyond 2^53, and which cells hold one."""
    if column.stored_as_text:
        numeric = celltext.matches(cells, celltext.NUMBER)
        texts = pc.utf8_ltrim(pc.if_else(pa.array(numeric), cells, pa.scalar(None, cells.type)), "+")
        try:
            cells = pc.cast(texts, pa.int64())
        except pa.ArrowInvalid:  # 64 bits are too few, or the recipe calls fractions integers
            return np.array([Decimal(text or 0) for text in texts.to_pylist()], dtype=object), numeric
    return pc.fill_null(cells, 0).to_numpy(zero_copy_only=False), celltext.to_mask(pc.is_valid(cells))


def _number(text: str) -> float | int:
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text.replace(".inf", "inf"))
    except ValueError:
        raise ValueError(f"{text!r} is no number, and the column holds numbers") from None


def _flags(texts: pa.Array) -> pa.Array:
    lower = pc.utf8_lower(texts)
    if not set(lower.to_pylist()) <= {"true", "false"}:
        raise ValueError("the column holds true and false only")
    return lower


def _asked_times(column: Column, texts: pa.Array) -> NDArray[np.int64]:
    """Times that the recipe writes as the column does, or in ISO 8601."""
    wanted, understood = dates.parse_times(texts)
    if column.format is not None:
        own, fits = dates.parse_times(texts, column.format)
        wanted, understood = np.where(fits, own, wanted), understood | fits
    if not understood.all():
        other = f", nor like {column.format!r}" if column.format else ""
        raise ValueError(
            f"{texts[int(np.argmin(understood))].as_py()!r} is no date or time as in 2026-03-01T12:30{other}"
        )
    return wanted


def _objects(cells: pa.Array) -> NDArray[Any]:
    return np.array(pc.fill_null(cells, "").to_pylist(), dtype=np.str_)
