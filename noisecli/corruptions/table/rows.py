"""Rows that come out more than once, or not at all."""

import numpy as np
from numpy.typing import NDArray
from pydantic import PositiveInt

from noisecli.corruption import RowsCorruption, register
from noisecli.streams import Mask


@register
class Duplicate(RowsCorruption):
    """Repeat rows exactly, each clone right after its source: records entered or delivered twice.

    Source: Christen 2012, "Data Matching".

    Example:
        {op: duplicate, rate: 0.05}
    """

    severities = ({"rate": 0.01}, {"rate": 0.05}, {"rate": 0.1}, {"rate": 0.2}, {"rate": 0.4})

    clones: PositiveInt = 1
    """Clones of each struck row."""

    def times(self, struck: Mask) -> NDArray[np.intp]:
        return np.where(struck, 1 + self.clones, 1)


@register
class Drop(RowsCorruption):
    """Leave rows out: records that were lost, or that never got into the sample.

    With a mechanism such as `mar: {columns: income}` the sample is biased, as where the rich do not answer.

    Source: Heckman 1979, "Sample Selection Bias as a Specification Error".

    Example:
        {op: drop, rate: 0.1}
    """

    severities = ({"rate": 0.05}, {"rate": 0.1}, {"rate": 0.2}, {"rate": 0.35}, {"rate": 0.5})

    def times(self, struck: Mask) -> NDArray[np.intp]:
        return np.where(struck, 0, 1)
