"""Missingness patterns: which columns of a struck row are struck."""

from dataclasses import dataclass

import numpy as np

from noisecli.streams import Floats, Mask


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

    def mask(self, column: str, uniforms: Floats) -> Mask:
        """Say in which rows a column would be struck if the row were, given a random number for each."""
        running = np.cumsum(self.weights)
        got = np.minimum(np.searchsorted(running, uniforms * running[-1], side="right"), len(running) - 1)
        chosen: Mask = np.array([column in names for names in self.columns])[got]
        return chosen
