"""What a column is: its kind, its facts, and how its cells become numbers and numbers become cells."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from noisecli import celltext, dates
from noisecli.streams import Floats, Mask


class Kind(StrEnum):
    """What the cells of a column mean, whatever file they come from."""

    INTEGER = "integer"
    FLOAT = "float"
    BOOL = "bool"
    DATE = "date"
    DATETIME = "datetime"
    TEXT = "text"
    OTHER = "other"


NUMBER = frozenset({Kind.INTEGER, Kind.FLOAT})
TEXT = frozenset({Kind.TEXT})
MOMENT = frozenset({Kind.DATE, Kind.DATETIME})
CATEGORY = frozenset({Kind.TEXT, Kind.BOOL, Kind.INTEGER})
ANY = frozenset(Kind)


def kind_of(type_: pa.DataType) -> Kind:
    """The kind of an Arrow type; what no op can act on is OTHER."""
    if pa.types.is_dictionary(type_):
        return kind_of(type_.value_type)
    tests = (
        (Kind.BOOL, pa.types.is_boolean),
        (Kind.INTEGER, pa.types.is_integer),
        (Kind.FLOAT, lambda t: pa.types.is_floating(t) and not pa.types.is_float16(t)),
        # Arrow cannot compare decimals of a negative scale.
        (Kind.FLOAT, lambda t: pa.types.is_decimal(t) and t.scale >= 0),
        (Kind.TEXT, lambda t: pa.types.is_string(t) or pa.types.is_large_string(t)),
        (Kind.DATE, pa.types.is_date),
        (Kind.DATETIME, pa.types.is_timestamp),
    )
    return next((kind for kind, test in tests if test(type_)), Kind.OTHER)


@cache
def numpy_dtype(type_: pa.DataType) -> np.dtype[Any]:
    """The dtype of numpy that holds numbers of a type; `to_pandas_dtype` needs pandas where pyarrow is old."""
    return pa.array([], type_).to_numpy().dtype  # type: ignore[no-any-return]


LARGEST_INTEGER = 2.0**53
"""Beyond, float64 skips integers: arithmetic would garble the last digits of an identifier."""


@dataclass(frozen=True)
class Column:
    """A column as an op sees it. Facts that the op did not ask for in `needs` are NaN or None."""

    name: str
    kind: Kind
    storage: pa.DataType
    """Arrow type of the cells as the file holds them; `string` for every column of a CSV file."""
    decimals: tuple[int, int] | None = None
    """Least and most decimals of a number column that is stored as text."""
    null: str = ""
    """How a missing cell is written where null has to be text."""
    clean_text: bool = True
    """False when some cells of a text-stored number column are no numbers; they are carried."""
    format: str | None = None
    """How the dates or times of a text-stored column are written; None: in ISO 8601."""
    mean: float = np.nan
    sd: float = np.nan
    """Standard deviation of the training cells (population form)."""
    min: float = np.nan
    max: float = np.nan
    q1: float = np.nan
    median: float = np.nan
    q3: float = np.nan
    """Quartiles of the training cells; above 65,536 of them those of a sample of that many."""
    mode: float = np.nan
    """The commonest number of the training cells, the smallest where several are; NaN where too many differ."""
    categories: tuple[object, ...] | None = None
    """Distinct values of the training cells, sorted."""
    counts: tuple[int, ...] | None = None
    """How many training cells have each of them."""
    words: tuple[str, ...] | None = None
    """Distinct words of the training cells, sorted; where there are more than 4,096, so many by the hash of each."""
    covariances: Mapping[str, float] | None = None
    """With each column of the step, itself too, over the training rows in which all of them are numbers."""

    @property
    def stored_as_text(self) -> bool:
        """Whether the numbers of this column are written as text."""
        return self.decimals is not None

    @property
    def holds_special(self) -> bool:
        """Whether a cell can be NaN, infinite or subnormal: integers and decimals cannot."""
        return self.kind is Kind.FLOAT and (self.stored_as_text or pa.types.is_floating(self.storage))

    def codes(self, cells: pa.Array) -> NDArray[np.intp]:
        """Which of the column's categories each cell is, by its number; -1: none of them."""
        found = pc.fill_null(pc.index_in(cells, pa.array(self.categories or (), cells.type)), -1)
        return np.asarray(found.to_numpy(zero_copy_only=False)).astype(np.intp)

    def to_numbers(self, cells: pa.Array) -> Floats:
        """Cells as float64; NaN for null and for what is no number."""
        if self.stored_as_text:
            return celltext.parse_numbers(cells) if self.clean_text else celltext.read_numbers(cells).values
        if pa.types.is_decimal(cells.type):  # by way of text, since Arrow's own cast is off by a bit now and then
            cells = cells.cast(pa.string())
        values = pc.cast(cells, pa.float64(), safe=False)
        if not values.null_count:
            return np.asarray(values)
        return np.asarray(pc.fill_null(values, np.nan).to_numpy(zero_copy_only=False), dtype=np.float64)

    def to_times(self, cells: pa.Array) -> tuple[dates.Micros, Mask]:
        """Cells of a date or datetime column as microseconds since 1970, and which of them are times at all."""
        if pa.types.is_string(cells.type) or pa.types.is_large_string(cells.type):
            return dates.parse_times(cells, self.format)
        return _micros(cells), celltext.are_valid(cells)

    def eligible(self, cells: pa.Array, as_number: bool, nulls: bool = False) -> Mask:
        """Which cells may be struck: not null, not NaN, and a finite number, date or time where such is needed.

        With `nulls` those that are null or NaN may be, too.
        """
        if nulls:
            return self.eligible(cells, as_number) | ~self.eligible(cells, False)
        valid = celltext.are_valid(cells)
        if pa.types.is_floating(self.storage):
            if pa.types.is_floating(cells.type) and not cells.null_count:
                numbers = cells.to_numpy()
                return np.asarray(np.isfinite(numbers) if as_number else ~np.isnan(numbers))
            valid &= ~celltext.to_mask(pc.is_nan(cells))
            if as_number:
                valid &= celltext.to_mask(pc.is_finite(cells))
        if as_number and self.stored_as_text and not self.clean_text:
            valid &= celltext.is_number(cells)
        if as_number and self.kind in MOMENT and not self._typed(cells):
            valid &= self.to_times(cells)[1]
        return valid

    @staticmethod
    def _typed(cells: pa.Array) -> bool:
        return kind_of(cells.type) is not Kind.TEXT

    def ahead(self, cells: pa.Array) -> dates.Micros | int:
        """How far the clocks of cells that are times are ahead of UTC, in microseconds; 0 where cells have a type."""
        return 0 if self._typed(cells) else dates.zone_offsets(cells, self.format)

    def to_moments(self, clock: dates.Micros, like: pa.Array) -> tuple[pa.Array, dates.Micros, Mask]:
        """Write times, in microseconds since 1970 on the cells' own clock, as the type or spelling of other cells.

        They are rounded to the nearest that such a cell can hold; what is finer than a microsecond becomes 0.

        Returns:
            the cells, the times that they now hold, and which had to be clipped into the range of the type or of the
            years 1 to 9999.
        """
        if not self._typed(like):
            cells, settled, clipped = dates.write_times(clock, like, self.format)
            return cells.cast(like.type), settled, clipped
        least, most = dates.FIRST, dates.LAST
        if self.kind is Kind.DATE:
            settled, clipped = dates.rounded(clock, dates.DAY, least, most)
            return pa.array(settled, pa.timestamp("us")).cast(like.type), settled, clipped
        step = {"s": 1_000_000, "ms": 1000}.get(like.type.unit, 1)
        if like.type.unit == "ns":  # 64 bits of them last from 1677 to 2262
            least, most = -(2**63) // 1000 + 1, 2**63 // 1000 - 1
        settled, clipped = dates.rounded(clock, step, least, most)
        return pa.array(settled, pa.timestamp("us", like.type.tz)).cast(like.type), settled, clipped

    def exact(self, numbers: Floats) -> Mask:
        """Which numbers float64 tells from their neighbours, so that arithmetic cannot garble them."""
        if self.kind is not Kind.INTEGER:
            return np.ones(len(numbers), bool)
        return np.abs(numbers) <= LARGEST_INTEGER

    def to_cells(self, values: Floats, special: bool = False) -> tuple[pa.Array, Floats, Mask]:
        """Write numbers in the column's own type.

        Integers and decimals are rounded half to even; text-stored numbers keep the column's decimals. If they are
        `special`, which takes a column that holds such, nothing is rounded or clipped.

        Returns:
            the cells, the numbers that they now hold, and which numbers had to be clipped into the type's range.
        """
        if self.decimals is not None:
            if special:
                return celltext.format_in_full(values), values, np.zeros(len(values), bool)
            least, most = self.decimals
            limit = np.finfo(np.float64)
            finite = np.clip(values, float(limit.min), float(limit.max))
            settled = celltext.round_decimals(finite, most)
            return celltext.format_numbers(settled, least, most), settled, finite != values
        if pa.types.is_decimal(self.storage):
            cells, clipped = _to_decimals(values, self.storage)
            return cells, self.to_numbers(cells), clipped
        dtype = numpy_dtype(self.storage)
        if self.kind is Kind.INTEGER:
            info = np.iinfo(dtype)
            # float64 cannot hold 2^63 - 1: the largest float below is the last that casts back.
            top = float(info.max) if info.bits < 64 else float(np.nextafter(float(info.max), 0))
            rounded = np.rint(values)
            settled = np.clip(rounded, float(info.min), top)
            return pa.array(settled.astype(dtype), self.storage), settled, settled != rounded
        if dtype == np.float64 and np.isfinite(values).all():
            return pa.array(values, self.storage), values, np.zeros(len(values), bool)
        width = np.finfo(dtype)
        finite = values if special else np.clip(values, float(width.min), float(width.max))
        with np.errstate(over="ignore"):  # what single precision cannot hold becomes infinite
            narrow = finite.astype(dtype)
        clipped = np.zeros(len(values), bool) if special else finite != values
        return pa.array(narrow, self.storage), narrow.astype(np.float64), clipped


def _micros(cells: pa.Array) -> dates.Micros:
    """Typed dates or times as microseconds since 1970, rounded down, within 64 bits; 0 for null."""
    type_ = cells.type.value_type if pa.types.is_dictionary(cells.type) else cells.type
    stamp = type_ if pa.types.is_timestamp(type_) else pa.timestamp("s")
    ticks = pc.fill_null(pc.cast(cells, stamp, safe=False).cast(pa.int64()), 0).to_numpy(zero_copy_only=False)
    if stamp.unit == "ns":
        return np.asarray(ticks // 1000)
    size = {"s": 1_000_000, "ms": 1000, "us": 1}[stamp.unit]
    most = np.iinfo(np.int64).max // size
    return np.asarray(np.clip(ticks, -most, most) * size)


def to_text(cells: pa.Array) -> pa.Array:
    """Typed cells as text, as in a CSV file; NaN is a missing cell, and so null."""
    if pa.types.is_floating(cells.type):
        cells = pc.if_else(pc.is_nan(cells), pa.scalar(None, cells.type), cells)
    return celltext.as_written(cells)


def widened(column: Column) -> Column:
    """The column with its cells turned to text, as in a CSV file: its numbers are as short as they can be read back."""
    decimals = None
    if column.kind in NUMBER:
        scale = column.storage.scale if pa.types.is_decimal(column.storage) else None
        whole = column.kind is Kind.INTEGER
        decimals = (0, 0) if whole else (0, celltext.SHORTEST) if scale is None else (scale, scale)
    categories = column.categories
    if categories is not None:
        categories = tuple(to_text(pa.array(categories, column.storage)).to_pylist())
    return replace(column, storage=pa.string(), decimals=decimals, clean_text=False, categories=categories)


def _to_decimals(values: Floats, type_: pa.DataType) -> tuple[pa.Array, Mask]:
    """Write numbers as decimals of exactly the digits that a person would write; also say which had to be clipped."""
    scale, largest = type_.scale, Decimal(f"{'9' * type_.precision}E-{type_.scale}")
    top = float(largest)  # this may round up: then it stands for the largest
    # Beyond, scaled numbers no longer have binary digits to spare for rounding.
    fine = (np.abs(values) < 2.0**50 / 10.0**scale) & (scale < celltext.SHORTEST)
    rounded = np.where(fine, celltext.round_decimals(np.where(fine, values, 0), scale), values)
    settled = np.clip(rounded, -top, top)
    text = celltext.format_numbers(np.where(fine, settled, 0), 0, scale)
    bounded = (max(largest.copy_negate(), min(largest, Decimal(repr(value)))) for value in settled[~fine].tolist())
    exact = pa.array([f"{value:.{scale}f}" for value in bounded], pa.string())
    text = pc.replace_with_mask(text, pa.array(~fine), exact)
    return text.cast(type_), settled != rounded
