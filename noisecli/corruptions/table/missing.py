"""Missing values: gone, hidden behind a value, or filled in."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from noisecli.columns import ANY, CATEGORY, NUMBER, Column, Kind
from noisecli.corruption import CellCorruption, register
from noisecli.corruptions.table.relabel import Tokens, cannot_hold, put_tokens, text_among, to_cells, unfit
from noisecli.dates import in_format
from noisecli.streams import BlockDraws

NUMBERS = ("-999", "9999", "-1", "99")
DAYS = ("1900-01-01", "1970-01-01", "9999-12-31")
WORDS = ("-", "?", "unknown", "none")
DISGUISES = {Kind.INTEGER: NUMBERS, Kind.FLOAT: NUMBERS, Kind.DATE: DAYS, Kind.DATETIME: DAYS}
"""What stands for a missing value in columns of a kind; in all others it is words."""


@register
class Missing(CellCorruption):
    """Make cells missing: null in Parquet, the column's commonest null spelling in CSV.

    Source: Rubin 1976, "Inference and Missing Data".

    Example:
        {op: missing, columns: [cabin], rate: 0.15}
    """

    default_rate = 0.1
    severities = ({"rate": 0.05}, {"rate": 0.1}, {"rate": 0.2}, {"rate": 0.35}, {"rate": 0.5})

    def corrupt(self, values: pa.Array, column: Column, draws: BlockDraws) -> pa.Array:
        return pa.nulls(len(values), values.type)


@register
class DisguisedMissing(CellCorruption):
    """Replace values by what stands for a missing one but looks like a value: -999, "?", 1900-01-01.

    A CSV cell takes any token; one that spells a missing cell, such as N/A, is put in quotes and stays a value here,
    though many readers (pandas among them) take it for a missing one unless told not to.
    Where columns have types, a text that the column's type cannot hold, as "?" among numbers, turns it to text in the
    copy, with a warning; a number must fit a type of numbers, and a time without a zone is taken for UTC.

    Source: Pearson 2006, "The Problem of Disguised Missing Data".

    Example:
        {op: disguised_missing, columns: [income], tokens: [-999, 0], rate: 0.1}
    """

    accepts = ANY - {Kind.OTHER}
    default_rate = 0.1
    severities = Missing.severities
    unchanged = "the cell holds the only token already"
    fills_nulls = True

    tokens: Tokens | None = None
    """What is written, all equally likely, each as it stands in the recipe. Left out, it is those that the column's
    type can hold of -999, 9999, -1 and 99 for numbers, of 1900-01-01, 1970-01-01 and 9999-12-31 for dates
    and times, written as the column writes them, and of "-", "?", "unknown" and "none" for everything else."""

    def objection(self, column: Column) -> str | None:
        if self.tokens is not None:
            return cannot_hold(self.tokens, column)
        if not self._fitting(column):
            return f"is stored as {column.storage}, in which nothing can stand for a missing value: use `missing`"
        return None

    def widens(self, column: Column) -> str | None:
        return text_among(self.tokens or (), column)

    def corrupt(self, values: pa.Array, column: Column, draws: BlockDraws) -> pa.Array:
        new = put_tokens(values, to_cells(self._fitting(column), values.type), draws.uniform())
        if self.tokens is None and column.kind is Kind.DATETIME and column.format is None and _as_text(values.type):
            # The day is disguised; the time of day becomes midnight in the cell's own spelling.
            time = pc.replace_substring_regex(pc.utf8_slice_codeunits(values, 10), "[0-9]", "0")
            return pc.coalesce(pc.binary_join_element_wise(pc.utf8_slice_codeunits(new, 0, 10), time, ""), new)
        return new

    def _fitting(self, column: Column) -> Sequence[str]:
        if self.tokens is not None:
            return self.tokens
        usual = DISGUISES.get(column.kind, WORDS)
        if column.format is not None:
            days = np.array(usual, "datetime64[us]").astype(np.int64)
            return in_format(days, column.format)
        bad = unfit(usual, column.storage)
        return [token for token in usual if token not in bad]


def _as_text(type_: pa.DataType) -> bool:
    return bool(pa.types.is_string(type_) or pa.types.is_large_string(type_))


@register
class ImputeConstant(CellCorruption):
    """Replace values by one constant, as if they had been missing and were filled in without thought.

    Source: Little and Rubin 2019, "Statistical Analysis with Missing Data", on unconditional mean imputation.

    Example:
        {op: impute_constant, columns: [age], rate: 0.2}
    """

    accepts = NUMBER | CATEGORY
    default_rate = 0.1
    severities = Missing.severities
    unchanged = "the cell holds the constant already"
    fills_nulls = True

    value: str | None = None
    """mean or median of a column of numbers, mode of integers, text or flags (the commonest value; the first in sorted
    order where several are), or any other text or number, which is written as it stands. Left out, it is the median
    of numbers and the mode of everything else."""

    def needs(self) -> frozenset[str]:
        facts = {None: {"median", "counts"}, "mean": {"mean"}, "median": {"median"}, "mode": {"counts"}}
        return frozenset(facts.get(self.value, ()))

    def objection(self, column: Column) -> str | None:
        rule = self._rule(column)
        if rule in ("mean", "median"):
            return None if column.kind in NUMBER else f"is {column.kind.value}, which has no {rule}"
        if rule == "mode":
            if column.kind not in CATEGORY:
                return f"is {column.kind.value}, which has no mode: use the median"
            return super().objection(column)
        return cannot_hold([rule], column)

    def widens(self, column: Column) -> str | None:
        rule = self._rule(column)
        return None if rule in ("mean", "median", "mode") else text_among([rule], column)

    def corrupt(self, values: pa.Array, column: Column, draws: BlockDraws) -> pa.Array:
        rule = self._rule(column)
        if rule in ("mean", "median"):
            constant = column.to_cells(np.array([getattr(column, rule)]))[0].cast(values.type)
        elif rule == "mode":
            counts = column.counts or ()
            commonest = [column.categories[counts.index(max(counts))]] if counts and column.categories else []
            constant = pa.array(commonest, values.type)
        else:
            constant = to_cells([rule], values.type)
        return constant.take(pa.array(np.zeros(len(values), np.intp))) if len(constant) else values

    def _rule(self, column: Column) -> str:
        if self.value is not None:
            return self.value
        return "median" if column.kind in NUMBER else "mode"
