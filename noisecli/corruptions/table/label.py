"""Wrong labels: what an annotator, a crawler or a rule gets wrong."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from noisecli.corruption import register
from noisecli.corruptions.table.category import CategoryShift, uniform_choice
from noisecli.streams import BlockDraws


@register
class LabelFlip(CategoryShift):
    """Give rows a wrong class; an exact share of the rows, and of each class in proportion.

    Source: Natarajan et al. 2013, "Learning with Noisy Labels" (symmetric); Patrini et al. 2017, "Making Deep Neural
    Networks Robust to Label Noise" (pair).

    Example:
        {op: label_flip, columns: [churn], rate: 0.2}
    """

    role = "label"
    stratified = True
    exact_by_default = True

    kind: Literal["symmetric", "pair"] = "symmetric"
    """symmetric: every other class is equally likely; pair: the next class in sorted order, the last one to the
    first."""

    def shift(self, others: NDArray[np.intp], draws: BlockDraws) -> NDArray[np.intp]:
        if self.kind == "pair":
            return np.zeros_like(others)
        return uniform_choice(others, draws.uniform())
