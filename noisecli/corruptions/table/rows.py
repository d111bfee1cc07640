"""Rows that come out more than once."""

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
