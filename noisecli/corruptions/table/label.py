"""Wrong labels: what an annotator, a crawler or a rule gets wrong."""

from typing import Annotated

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import Field, NonNegativeFloat, model_validator

from noisecli import celltext
from noisecli.columns import TEXT, Column
from noisecli.corruption import CellCorruption, register
from noisecli.corruptions.table.category import ByMatrix
from noisecli.corruptions.table.flips import FlipKinds
from noisecli.corruptions.table.number import GaussianNoise
from noisecli.corruptions.table.relabel import RATES
from noisecli.streams import BlockDraws, uniform_choice


@register
class LabelFlip(FlipKinds, ByMatrix):
    """Give rows a wrong class; an exact share of the rows, and of each class in proportion.

    Errors that depend on the row take a mechanism. With `mechanism: {mar: {columns: margin, tail: mid}}`, where the
    column `margin` holds a classifier's signed margin, rows near the mean margin are mistaken most; with the margin's
    magnitude and `tail: lower` those near the decision boundary. The rate is then kept on average, not exactly.

    Source: Natarajan et al. 2013, "Learning with Noisy Labels" (symmetric); Patrini et al. 2017, "Making Deep Neural
    Networks Robust to Label Noise" (pair, matrix); Zhang et al. 2017, "Understanding Deep Learning Requires Rethinking
    Generalization" (include_self); Dawid and Skene 1979, "Maximum Likelihood Estimation of Observer Error-Rates Using
    the EM Algorithm" (annotator); Menon, van Rooyen and Natarajan 2018, "Learning from Binary Labels with
    Instance-Dependent Noise" (margin).

    Example:
        {op: label_flip, columns: [churn], rate: 0.2}
    """

    role = "label"
    stratified = True
    exact_by_default = True
    unchanged = "the column has one class only"

    def keeps_some(self) -> bool:
        return super().keeps_some() or self.include_self or self.kind == "annotator"


@register
class TargetNoise(GaussianNoise):
    """Add Gaussian noise to the label of a regression: a target that was measured poorly.

    Source: Breiman 2000, "Randomizing Outputs to Increase Prediction Accuracy".

    Example:
        {op: target_noise, columns: [price], sigma: 0.1}
    """

    role = "label"


@register
class Multilabel(CellCorruption):
    """Add a label to a set of labels, or drop one: tags that an annotator overlooked or saw where there are none.

    A cell holds its labels with a separator between them. A set never becomes empty: where nothing can be dropped a
    label is added, and the other way round. Labels come from the training cells of the column.

    Source: Sun, Zhang and Zhou 2010, "Multi-Label Learning with Weak Label" (drop); Xie and Huang 2018, "Partial
    Multi-Label Learning" (add).

    Example:
        {op: multilabel, columns: [tags], separator: "|", rate: 0.2}
    """

    accepts = TEXT
    role = "label"
    default_rate = 0.1
    severities = RATES
    unchanged = "nothing can be dropped from the set, or added to it, as the step asks"

    separator: Annotated[str, Field(min_length=1)] = "|"
    """What stands between two labels."""

    add: NonNegativeFloat = 1.0
    """How often a label is added that the set lacks, relative to `drop`; all such labels are equally likely."""

    drop: NonNegativeFloat = 1.0
    """How often a label of the set is dropped, relative to `add`; all are equally likely, but never the last one."""

    @model_validator(mode="after")
    def _one_is_positive(self) -> "Multilabel":
        if self.add + self.drop == 0:
            raise ValueError("add or drop must be above 0")
        return self

    def needs(self) -> frozenset[str]:
        return frozenset({"categories"})

    def corrupt(self, values: pa.Array, column: Column, draws: BlockDraws) -> pa.Array:
        which, dropped, added = draws.uniform(), draws.uniform(), draws.uniform()
        labels = self._labels(column, values.type)
        sets = pc.split_pattern(values, self.separator)
        size = np.asarray(pc.list_value_length(sets).to_numpy(zero_copy_only=False))
        rows = np.asarray(pc.list_parent_indices(sets).to_numpy(zero_copy_only=False))
        present = _present(sets.flatten(), rows, labels)
        absent = len(labels) - np.bincount(present[0], minlength=len(values))

        named = np.bincount(rows[celltext.to_mask(pc.not_equal(sets.flatten(), ""))], minlength=len(values))
        can_add, can_drop = self.add * (absent > 0), self.drop * (named > 1)
        adding = which * (can_add + can_drop) < can_add
        dropping = ~adding & (can_drop > 0)

        place = np.arange(len(rows)) - (np.cumsum(size) - size)[rows]
        kept = ~(dropping[rows] & (place == uniform_choice(size, dropped)[rows]))
        result = _join(sets.flatten().filter(pa.array(kept)), size - dropping, self.separator)
        if not adding.any():
            return result.cast(values.type)
        new = labels.take(pa.array(_absent(uniform_choice(absent, added), *present) * adding))
        longer = pc.binary_join_element_wise(result, new, pa.scalar(self.separator, values.type))
        longer = pc.if_else(pc.equal(result, ""), new, longer)
        return pc.if_else(pa.array(adding), longer, result).cast(values.type)

    def _labels(self, column: Column, type_: pa.DataType) -> pa.Array:
        """All labels that occur, sorted."""
        sets = pc.split_pattern(pa.array(column.categories or (), type_), self.separator)
        labels = pc.unique(sets.flatten())
        labels = labels.filter(pc.not_equal(labels, ""))
        return labels.take(pc.array_sort_indices(labels))


Present = tuple[NDArray[np.intp], NDArray[np.intp]]
"""Row and number of each label of each set, once each, sorted."""


def _present(flat: pa.Array, rows: NDArray[np.intp], labels: pa.Array) -> Present:
    codes = np.asarray(pc.fill_null(pc.index_in(flat, labels), -1).to_numpy(zero_copy_only=False)).astype(np.intp)
    known = codes >= 0
    width = max(len(labels), 1)
    row, code = np.divmod(np.unique(rows[known] * width + codes[known]), width)
    return row, code


def _absent(nth: NDArray[np.intp], rows: NDArray[np.intp], codes: NDArray[np.intp]) -> NDArray[np.intp]:
    """The `nth` (from 0) number that is not among the codes of each row."""
    firsts = np.searchsorted(rows, np.arange(len(nth)))
    smaller = codes - (np.arange(len(rows)) - firsts[rows]) <= nth[rows]
    return nth + np.bincount(rows[smaller], minlength=len(nth))


def _join(flat: pa.Array, sizes: NDArray[np.intp], separator: str) -> pa.Array:
    bounds = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
    lists = pa.ListArray.from_arrays(pa.array(bounds), flat)
    return pc.binary_join(lists, pa.scalar(separator, flat.type))
