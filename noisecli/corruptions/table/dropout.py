"""Features that are switched off."""

from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from noisecli.columns import Column
from noisecli.corruption import NumberCorruption, register
from noisecli.streams import BlockDraws, Floats


@register
class FeatureDropout(NumberCorruption):
    """Set numbers to 0 or to the mean by chance: Dropout of the input layer, done to the data.

    Each cell is dropped for itself, in every copy anew. For missing cells there is `missing`.

    Source: Srivastava et al. 2014, "Dropout: A Simple Way to Prevent Neural Networks from Overfitting".

    Example:
        {op: feature_dropout, columns: [height], share: 0.2, fill: mean}
    """

    severities = ({"share": 0.05}, {"share": 0.1}, {"share": 0.2}, {"share": 0.35}, {"share": 0.5})
    unchanged = ""

    share: float = Field(0.1, ge=0, le=1)
    """Chance that a struck cell is dropped, 0 to 1."""

    fill: Literal["zero", "mean"] = "zero"
    """What a dropped cell becomes. mean: that of the training cells, which is 0 once the column is standardised."""

    rescale: bool = False
    """true: the distance of kept struck cells from the fill is divided by 1 - share, which keeps each cell's
    expectation (inverted dropout)."""

    @model_validator(mode="after")
    def _something_is_kept(self) -> "FeatureDropout":
        if self.rescale and self.share == 1:
            raise ValueError("rescale needs a share below 1: where all is dropped nothing can keep the expectation")
        return self

    def needs(self) -> frozenset[str]:
        return frozenset({"mean"} if self.fill == "mean" else ())

    def corrupt(self, values: Floats, column: Column, draws: BlockDraws) -> Floats:
        fill = column.mean if self.fill == "mean" else 0.0
        kept = fill + (values - fill) / (1 - self.share) if self.rescale else values
        return np.where(draws.uniform() < self.share, fill, kept)
