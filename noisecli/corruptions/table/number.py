"""Noise on numbers: what a poor instrument does to a measurement."""

from abc import abstractmethod
from typing import Literal

import numpy as np
from pydantic import NonNegativeFloat

from noisecli.columns import Column
from noisecli.corruption import NumberCorruption, register
from noisecli.streams import BlockDraws, Floats


class AdditiveNoise(NumberCorruption):
    """Base of noise that is drawn from one distribution, scaled and added."""

    severities = ({"sigma": 0.05}, {"sigma": 0.1}, {"sigma": 0.2}, {"sigma": 0.35}, {"sigma": 0.5})

    sigma: NonNegativeFloat = 0.1
    """Standard deviation of the noise, in `unit`."""

    unit: Literal["sd", "iqr", "range", "value", "absolute"] = "sd"
    """sd: the column's standard deviation; iqr: the distance of its quartiles, which outliers leave alone; range: its
    maximum less its minimum; value: each cell's own magnitude; absolute: the column's own unit."""

    def needs(self) -> frozenset[str]:
        facts = {"sd": {"sd"}, "iqr": {"q1", "q3"}, "range": {"min", "max"}}
        return frozenset(facts.get(self.unit, ()))

    def corrupt(self, values: Floats, column: Column, draws: BlockDraws) -> Floats:
        return values + self.sigma * self._scale(values, column) * self.standard(draws)

    @abstractmethod
    def standard(self, draws: BlockDraws) -> Floats:
        """Return draws of mean 0 and variance 1."""

    def _scale(self, values: Floats, column: Column) -> Floats | float:
        if self.unit == "sd":
            return column.sd
        if self.unit == "iqr":
            return column.q3 - column.q1
        if self.unit == "range":
            return column.max - column.min
        return np.abs(values) if self.unit == "value" else 1.0


@register
class GaussianNoise(AdditiveNoise):
    """Add zero-mean Gaussian noise: an unbiased but imprecise instrument.

    Source: Bishop 1995, "Training with Noise is Equivalent to Tikhonov Regularization".

    Example:
        {op: gaussian_noise, columns: [height], sigma: 0.1}
    """

    def standard(self, draws: BlockDraws) -> Floats:
        return draws.normal()


@register
class LaplaceNoise(AdditiveNoise):
    """Add zero-mean Laplace noise: mostly small errors and now and then a large one.

    Source: Kotz, Kozubowski and Podgórski 2001, "The Laplace Distribution and Generalizations".

    Example:
        {op: laplace_noise, columns: [height], sigma: 0.1}
    """

    def standard(self, draws: BlockDraws) -> Floats:
        sign = np.where(draws.uniform() < 0.5, -1.0, 1.0)
        return sign * draws.exponential() * 2**-0.5
