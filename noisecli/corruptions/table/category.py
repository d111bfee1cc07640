"""Wrong categories: a slip in a form, a misread code."""

from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import model_validator

from noisecli.columns import CATEGORY, Column
from noisecli.corruption import CellCorruption, register
from noisecli.corruptions.table.relabel import RATES, relabel, uniform_choice
from noisecli.corruptions.table.transitions import Matrix, check_given, matrix_objection, transitions
from noisecli.streams import BlockDraws, Floats

Codes = NDArray[np.intp]


class CategoryShift(CellCorruption):
    """Base of ops that replace a category by another one of the same column."""

    accepts = CATEGORY
    default_rate = 0.1
    severities = RATES
    unchanged = "the column has one category only, or the matrix keeps it"

    matrix: Matrix | None = None
    """What struck cells of each class become, with shares, as in {A: {B: 0.7, C: 0.3}}; each row is scaled to sum to 1.
    The step's rate says how many are struck. A class's share in its own row is that of struck cells that stay, so a
    matrix of probabilities, diagonal and all, goes with `rate: 1`. Cells of a class without a row stay."""

    def needs(self) -> frozenset[str]:
        return frozenset({"categories"})

    def objection(self, column: Column) -> str | None:
        refused = super().objection(column)
        return matrix_objection(self.matrix, column) if refused is None and self.matrix is not None else refused

    def corrupt(self, values: pa.Array, column: Column, draws: BlockDraws) -> pa.Array:
        if self.matrix is not None:
            return relabel(values, draws.uniform(), transitions(self.matrix, column))
        if not column.categories:
            return values
        categories = pa.array(column.categories, values.type)
        codes = np.asarray(pc.fill_null(pc.index_in(values, categories), -1).to_numpy(zero_copy_only=False))
        return categories.take(pa.array(self.choose(codes.astype(np.intp), column, draws)))

    def choose(self, codes: Codes, column: Column, draws: BlockDraws) -> Codes:
        """Choose a new category for each; -1 is a value that an earlier step made, which is none of them."""
        raise NotImplementedError


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
class CategorySwap(CategoryShift):
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
