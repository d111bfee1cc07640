"""How labels come to be wrong, in tables as in folders of images."""

from typing import Literal

import numpy as np
from pydantic import Field, PositiveInt, model_validator

from noisecli.columns import Column
from noisecli.corruptions.table.category import Codes, uniform_other
from noisecli.corruptions.table.transitions import WithMatrix, check_given
from noisecli.streams import BlockDraws, CounterDraws, scramble, uniform_choice


class FlipKinds(WithMatrix):
    """The parameters of ops that flip labels."""

    kind: Literal["symmetric", "pair", "matrix", "annotator"] = "symmetric"
    """symmetric: every other class is equally likely; pair: the next class in sorted order, the last one to the
    first; matrix: as `matrix` says; annotator: one of some annotators, drawn by chance, answers anew, and may be right.
    Then the step's rate is the share that is answered anew: `rate: 1` gives all labels to them."""

    include_self: bool = False
    """true: symmetric flips draw from all classes, the right one too, so that of c classes one struck label in c
    stays; false: every struck label becomes a wrong one."""

    annotators: PositiveInt = Field(3, le=1_000_000)
    """How many annotators there are, for `kind: annotator`."""

    accuracy: float = Field(0.8, ge=0, le=1)
    """Share of an annotator's answers that are right, 0 to 1. A wrong answer is always the same: each annotator has one
    class for which he takes the right one, fixed by his number and that of the class, the same in every run."""

    @model_validator(mode="after")
    def _kind_has_what_it_takes(self) -> "FlipKinds":
        check_given(self.matrix, self.kind == "matrix", "kind")
        if self.include_self and self.kind != "symmetric":
            raise ValueError("include_self is for `kind: symmetric`")
        if self.kind != "annotator" and self.model_fields_set & {"annotators", "accuracy"}:
            raise ValueError("annotators and accuracy are for `kind: annotator`: say that too")
        return self

    def choose(self, codes: Codes, column: Column, draws: BlockDraws | CounterDraws) -> Codes:
        """Choose a class for each where no matrix does; -1 is none of the known ones."""
        size = len(column.categories or ())
        if self.kind == "pair":
            return np.where(codes >= 0, codes + 1, 0) % size
        uniform = draws.uniform()
        if self.kind == "annotator":
            who = uniform_choice(self.annotators, uniform)
            return np.where((draws.uniform() < self.accuracy) | (codes < 0), codes, mistaken(who, codes, size))
        return np.asarray(uniform_choice(size, uniform)) if self.include_self else uniform_other(codes, size, uniform)


def mistaken(annotators: Codes, codes: Codes, size: int) -> Codes:
    """Return the wrong class that each annotator takes a class for, always the same; of one class only that one."""
    habits = scramble(annotators.astype(np.uint64), codes) % np.uint64(max(size - 1, 1))
    wrong: Codes = (codes + 1 + habits.astype(np.intp)) % size
    return wrong
