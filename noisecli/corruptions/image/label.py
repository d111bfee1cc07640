"""Wrong labels of pictures: what an annotator or a crawler gets wrong."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from noisecli.columns import Column
from noisecli.corruption import ImageLabelCorruption, register
from noisecli.corruptions.table.flips import FlipKinds
from noisecli.corruptions.table.relabel import RATES, listed, relabel
from noisecli.corruptions.table.transitions import matrix_objection, transitions
from noisecli.streams import CounterDraws


@register
class LabelFlip(FlipKinds, ImageLabelCorruption):
    """Give pictures a wrong class; an exact share of the pictures, and of each class in proportion.

    They move to the folder of that class, or their metadata name it. The pixels stay as they are.

    Source: Natarajan et al. 2013, "Learning with Noisy Labels" (symmetric); Patrini et al. 2017, "Making Deep Neural
    Networks Robust to Label Noise" (pair, matrix); Zhang et al. 2017, "Understanding Deep Learning Requires Rethinking
    Generalization" (include_self); Dawid and Skene 1979, "Maximum Likelihood Estimation of Observer Error-Rates Using
    the EM Algorithm" (annotator).

    Example:
        {op: label_flip, rate: 0.2}
    """

    severities = RATES

    def objection(self, classes: Column) -> str | None:
        if len(classes.categories or ()) < 2:
            return f"has one class only; {listed(classes)}"
        return None if self.matrix is None else matrix_objection(self.matrix, classes)

    def relabel(self, codes: NDArray[np.intp], classes: Column, draws: CounterDraws) -> NDArray[np.intp]:
        if self.matrix is None:
            return self.choose(codes, classes, draws)
        old = pa.array(classes.categories).take(pa.array(codes))
        return classes.codes(relabel(old, draws.uniform(), transitions(self.matrix, classes)))
