"""Missingness patterns: which columns of a struck row are struck."""

from dataclasses import dataclass

import numpy as np

from noisecli.streams import BLOCK, Mask, Stream


@dataclass(frozen=True)
class Patterns:
    """Sets of columns, of which each struck row gets one.

    Source: Schouten, Lugtig and Vink 2018, "Generating Missing Values for Simulation Purposes" (`ampute`).
    """

    columns: tuple[tuple[str, ...], ...]
    weights: tuple[float, ...]
    """How likely each is, in proportion."""

    def share(self, column: str) -> float:
        """Share of the struck rows in which a column is struck."""
        having = (weight for names, weight in zip(self.columns, self.weights, strict=True) if column in names)
        return sum(having) / sum(self.weights)

    def mask(self, stream: Stream, column: str, block: int, slots: slice) -> Mask:
        """Say in which slots a column would be struck if the row were."""
        running = np.cumsum(self.weights)
        place = stream.generator("pattern", "", block).random(BLOCK)[slots] * running[-1]
        got = np.minimum(np.searchsorted(running, place, side="right"), len(running) - 1)
        chosen: Mask = np.array([column in names for names in self.columns])[got]
        return chosen
