"""What becomes of numbers that floating point cannot hold: infinities, NaN, subnormal numbers, single precision."""

from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa

from noisecli.columns import Column, Kind
from noisecli.corruption import register
from noisecli.corruptions.table.outlier import NumberFault
from noisecli.streams import BlockDraws, Floats

HOLDS = {"inf": "infinity", "nan": "NaN", "denormal": "subnormal number", "overflow": "infinity"}


@register
class FloatInstability(NumberFault):
    """Replace numbers by what arithmetic gone wrong leaves behind: infinities, NaN, subnormal numbers, lost digits.

    Only for columns of floats. New numbers are written in full, whatever the decimals of a CSV column, unless the step
    sets `decimals`, which turn a subnormal number into 0. In CSV there are `inf`, `-inf` and `NaN`, the last in quotes
    where NaN spells a missing cell; in JSON Lines `Infinity`, `-Infinity` and `NaN`, as Python writes them and strict
    readers refuse them. Many readers take NaN for a missing cell. Later steps on numbers pass over both.

    Source: Goldberg 1991, "What Every Computer Scientist Should Know About Floating-Point Arithmetic".

    Example:
        {op: float_instability, columns: [height], kind: inf, rate: 0.05}
    """

    accepts = frozenset({Kind.FLOAT})
    special: ClassVar[bool] = True
    unchanged = "the number is 0, which does not overflow, or single precision holds it exactly"

    kind: Literal["inf", "nan", "denormal", "float32_roundtrip", "overflow"] = "inf"
    """inf: infinity of the number's sign; nan: not a number; denormal: a subnormal number of the same sign, all of the
    column's type alike, below 2.3e-308 (in single precision 1.2e-38); float32_roundtrip: what is left of the number in
    single precision, infinite beyond 3.4e38; overflow: the number times the largest one of the column's type: infinite
    if it was beyond 1, else finite and huge, and 0 stays."""

    def objection(self, column: Column) -> str | None:
        if self.kind in HOLDS and not column.holds_special:
            return f"is stored as {column.storage}, which holds no {HOLDS[self.kind]}"
        if self.kind == "float32_roundtrip" and _single(column):
            return "is in single precision already"
        return None

    def corrupt(self, values: Floats, column: Column, draws: BlockDraws) -> Floats:
        if self.kind == "denormal":
            return np.copysign(_subnormal(draws.uniform(), _single(column)), values)
        if self.kind == "float32_roundtrip":
            return values.astype(np.float32).astype(np.float64)
        if self.kind == "overflow":
            return values * float(np.finfo(np.float32 if _single(column) else np.float64).max)
        return np.copysign(np.inf, values) if self.kind == "inf" else np.full_like(values, np.nan)


def _single(column: Column) -> bool:
    return bool(pa.types.is_float32(column.storage))


def _subnormal(uniform: Floats, single: bool) -> Floats:
    """Choose one of the positive subnormal numbers of a type: their bits count them from 1."""
    bits, whole, number = (23, np.uint32, np.float32) if single else (52, np.uint64, np.float64)
    count = np.floor(uniform * (2.0**bits - 1)) + 1
    return np.asarray(count.astype(whole).view(number), np.float64)
