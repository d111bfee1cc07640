"""Wrong categories: a slip in a form, a misread code."""

from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import PositiveInt, model_validator

from noisecli.columns import CATEGORY, Column, Kind
from noisecli.corruption import CellCorruption, register
from noisecli.corruptions.table.relabel import RATES, relabel
from noisecli.corruptions.table.transitions import WithMatrix, check_given, matrix_objection, transitions
from noisecli.streams import BlockDraws, Floats, uniform_choice

Codes = NDArray[np.intp]


class CategoryShift(CellCorruption):
    """Base of ops that replace a category by another one of the same column."""

    accepts = CATEGORY
    default_rate = 0.1
    severities = RATES
    tells_transitions = True

    def needs(self) -> frozenset[str]:
        return frozenset({"categories"})

    def corrupt(self, values: pa.Array, column: Column, draws: BlockDraws) -> pa.Array:
        if not column.categories:
            return values
        codes = self.choose(column.codes(values), column, draws)
        new = pa.array(column.categories, values.type).take(pa.array(np.maximum(codes, 0)))
        return pc.if_else(pa.array(codes < 0), values, new) if (codes < 0).any() else new

    def choose(self, codes: Codes, column: Column, draws: BlockDraws) -> Codes:
        """Choose a new category for each; -1 is a value that an earlier step made, or one that stays as it is."""
        raise NotImplementedError


class ByMatrix(WithMatrix, CategoryShift):
    """Base of those that take a transition matrix."""

    unchanged = "the column has one category only"

    def keeps_some(self) -> bool:
        return self.matrix is not None

    def objection(self, column: Column) -> str | None:
        refused = super().objection(column)
        return matrix_objection(self.matrix, column) if refused is None and self.matrix is not None else refused

    def corrupt(self, values: pa.Array, column: Column, draws: BlockDraws) -> pa.Array:
        if self.matrix is not None:
            return relabel(values, draws.uniform(), transitions(self.matrix, column))
        return super().corrupt(values, column, draws)


def uniform_other(codes: Codes, size: int, uniform: Floats) -> Codes:
    """Choose one of the categories that are not the old one, all alike."""
    known = codes >= 0
    others = np.where(known, size - 1, size)
    chosen: Codes = (np.where(known, codes + 1, 0) + uniform_choice(others, uniform)) % size
    return chosen


def frequent_other(codes: Codes, counts: tuple[int, ...], uniform: Floats) -> Codes:
    """Choose one of the categories that are not the old one, each in proportion to its count."""
    running = np.cumsum(counts)
    own = np.where(codes >= 0, np.asarray(counts)[codes], 0)
    before = running[codes] - own
    place = uniform_choice(running[-1] - own, uniform)
    place += np.where((codes >= 0) & (place >= before), own, 0)
    chosen: Codes = np.minimum(np.searchsorted(running, place, side="right"), len(counts) - 1)
    return chosen


@register
class CategorySwap(ByMatrix):
    """Replace a category by another category of the same column.

    Source: Schelter, Rukat and Biessmann 2021, "JENGA: A Framework to Study the Impact of Data Errors".

    Example:
        {op: category_swap, columns: [embarked], rate: 0.1}
    """

    distribution: Literal["uniform", "frequency", "matrix"] = "uniform"
    """uniform: all others are equally likely; frequency: each in proportion to its count among the training cells, so
    that the column's shares change least; matrix: as `matrix` says."""

    @model_validator(mode="after")
    def _has_its_matrix(self) -> "CategorySwap":
        check_given(self.matrix, self.distribution == "matrix", "distribution")
        return self

    def needs(self) -> frozenset[str]:
        return frozenset({"categories", "counts"} if self.distribution == "frequency" else {"categories"})

    def choose(self, codes: Codes, column: Column, draws: BlockDraws) -> Codes:
        if self.distribution == "frequency":
            return frequent_other(codes, column.counts or (), draws.uniform())
        return uniform_other(codes, len(column.categories or ()), draws.uniform())


@register
class EncodingShift(CategoryShift):
    """Move every category k places along the sorted ones: codes read with an encoder that was fitted on other data.

    The last categories come round to the first. Values that an earlier step made are none of the codes, and stay.

    Source: Polyzotis, Roy, Whang and Zinkevich 2017, "Data Management Challenges in Production Machine Learning"
    (training-serving skew).

    Example:
        {op: encoding_shift, columns: [ward], k: 1}
    """

    accepts = CATEGORY - {Kind.BOOL}
    default_rate = 1.0
    severities = ({"rate": 0.1}, {"rate": 0.25}, {"rate": 0.5}, {"rate": 0.75}, {"rate": 1.0})
    unchanged = "k is a multiple of the number of categories, or an earlier step had put another value there"

    k: PositiveInt = 1
    """How many places; numbers are sorted by size, text by its characters."""

    def objection(self, column: Column) -> str | None:
        size = len(column.categories or ())
        if size and self.k % size == 0:
            return f"has {size} categories: moved by {self.k} they are what they were"
        return super().objection(column)

    def choose(self, codes: Codes, column: Column, draws: BlockDraws) -> Codes:
        size = max(len(column.categories or ()), 1)
        return np.where(codes >= 0, (codes + self.k % size) % size, -1)
