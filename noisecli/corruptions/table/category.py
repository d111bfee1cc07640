"""Wrong categories: a slip in a form, a misread code."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from noisecli.columns import CATEGORY, Column
from noisecli.corruption import CellCorruption, register
from noisecli.streams import BlockDraws, Floats


class CategoryShift(CellCorruption):
    """Base of ops that replace a category by another one of the same column."""

    accepts = CATEGORY
    default_rate = 0.1
    severities = ({"rate": 0.05}, {"rate": 0.1}, {"rate": 0.2}, {"rate": 0.3}, {"rate": 0.4})
    unchanged = "the column has one category only"

    def needs(self) -> frozenset[str]:
        return frozenset({"categories"})

    def corrupt(self, values: pa.Array, column: Column, draws: BlockDraws) -> pa.Array:
        categories = pa.array(column.categories, values.type)
        codes = np.asarray(pc.fill_null(pc.index_in(values, categories), -1).to_numpy(zero_copy_only=False))
        known = codes >= 0
        others = np.where(known, len(categories) - 1, len(categories))
        shifted = np.where(known, codes + 1, 0) + self.shift(others, draws)
        return categories.take(pa.array(shifted % len(categories)))

    def shift(self, others: NDArray[np.intp], draws: BlockDraws) -> NDArray[np.intp]:
        """Choose one of the `others` that follow a category in the sorted, circular list of all, from 0."""
        raise NotImplementedError


def uniform_choice(others: NDArray[np.intp], uniform: Floats) -> NDArray[np.intp]:
    """Choose from 0 to others - 1, all alike; 0 where there is none."""
    return np.minimum((uniform * others).astype(np.intp), np.maximum(others - 1, 0))


@register
class CategorySwap(CategoryShift):
    """Replace a category by another category of the same column, all others being equally likely.

    Source: Schelter, Rukat and Biessmann 2021, "JENGA: A Framework to Study the Impact of Data Errors".

    Example:
        {op: category_swap, columns: [embarked], rate: 0.1}
    """

    def shift(self, others: NDArray[np.intp], draws: BlockDraws) -> NDArray[np.intp]:
        return uniform_choice(others, draws.uniform())
