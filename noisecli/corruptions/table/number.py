"""Noise on numbers: what a poor instrument does to a measurement."""

import math
import sys
from abc import abstractmethod
from typing import Literal

import numpy as np
from pydantic import Field, NonNegativeFloat, PositiveFloat, model_validator

from noisecli.columns import Column
from noisecli.corruption import NumberCorruption, TableCorruption, register
from noisecli.elementary import LN10, exp, exp_slope
from noisecli.streams import BlockDraws, Floats


class Unit(TableCorruption):
    """Base of ops on numbers that are given an amount in a unit."""

    unit: Literal["sd", "iqr", "range", "value", "absolute"] = "sd"
    """sd: the column's standard deviation; iqr: the distance of its quartiles, which outliers leave alone; range: its
    maximum less its minimum; value: each cell's own magnitude; absolute: the column's own unit."""

    def needs(self) -> frozenset[str]:
        facts = {"sd": {"sd"}, "iqr": {"q1", "q3"}, "range": {"min", "max"}}
        return frozenset(facts.get(self.unit, ()))

    def size(self, values: Floats, column: Column) -> Floats | float:
        """Return how much one `unit` is, in the column's own."""
        if self.unit == "sd":
            return column.sd
        if self.unit == "iqr":
            return _finite(column.q3 - column.q1)
        if self.unit == "range":
            return _finite(column.max - column.min)
        return np.abs(values) if self.unit == "value" else 1.0


class InUnits(Unit, NumberCorruption):
    """Base of ops that add an amount given in a unit."""


def _finite(size: float) -> float:
    """Bound a difference of huge numbers: 0 times infinity would be no number."""
    return min(size, sys.float_info.max)


class AdditiveNoise(InUnits):
    """Base of noise that is drawn from one distribution of known variance, scaled and added."""

    severities = ({"sigma": 0.05}, {"sigma": 0.1}, {"sigma": 0.2}, {"sigma": 0.35}, {"sigma": 0.5})

    sigma: NonNegativeFloat = 0.1
    """Standard deviation of the noise, in `unit`."""

    snr_db: float | None = Field(None, ge=-200, le=200)
    """Signal-to-noise ratio in decibels, instead of `sigma` and `unit`: ten times the decimal logarithm of the
    column's variance over that of the noise."""

    @model_validator(mode="after")
    def _one_strength(self) -> "AdditiveNoise":
        if self.snr_db is not None and self.model_fields_set & {"sigma", "unit"}:
            raise ValueError("'snr_db' stands instead of 'sigma' and 'unit' (and of a severity): give one of the two")
        return self

    def needs(self) -> frozenset[str]:
        return super().needs() if self.snr_db is None else frozenset({"sd"})

    def corrupt(self, values: Floats, column: Column, draws: BlockDraws) -> Floats:
        if self.snr_db is not None:
            share = exp(np.array([-self.snr_db / 20 * LN10]))
            return values + share * column.sd * self.standard(draws)
        return values + self.sigma * self.size(values, column) * self.standard(draws)

    @abstractmethod
    def standard(self, draws: BlockDraws) -> Floats:
        """Return draws of variance 1."""


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


@register
class UniformNoise(AdditiveNoise):
    """Add zero-mean uniform noise, at most 1.73 sigma either way: a reading known to within a tolerance.

    Source: JCGM 100:2008, "Guide to the Expression of Uncertainty in Measurement", 4.3.7.

    Example:
        {op: uniform_noise, columns: [height], sigma: 0.1}
    """

    def standard(self, draws: BlockDraws) -> Floats:
        return (2 * draws.uniform() - 1) * math.sqrt(3)


class ErlangNoise(AdditiveNoise):
    """Base of noise that never lowers a value: a sum of independent waiting times."""

    def standard(self, draws: BlockDraws) -> Floats:
        total = draws.exponential()
        for _ in range(self.stages() - 1):
            total = total + draws.exponential()
        return total / math.sqrt(self.stages())

    @abstractmethod
    def stages(self) -> int:
        """Return how many waiting times are added up."""


@register
class GammaNoise(ErlangNoise):
    """Add gamma (Erlang) noise, skewed and never negative: its mean is sigma times the root of `shape`.

    Source: Gonzalez and Woods, "Digital Image Processing", the chapter on restoration (noise models).

    Example:
        {op: gamma_noise, columns: [height], sigma: 0.1, shape: 2}
    """

    shape: int = Field(2, ge=1, le=100)
    """How many exponential waiting times one error is the sum of; the more, the less skewed."""

    def stages(self) -> int:
        return self.shape


@register
class ExponentialNoise(ErlangNoise):
    """Add exponential noise, never negative and of mean sigma: waiting times and delays.

    Source: Gonzalez and Woods, "Digital Image Processing", the chapter on restoration (noise models).

    Example:
        {op: exponential_noise, columns: [height], sigma: 0.1}
    """

    def stages(self) -> int:
        return 1


class HeavyTailedNoise(InUnits):
    """Base of noise that follows Student's t: so heavy tails that it may have no variance.

    A pair of normals is a radius and an angle. Stretching the radius makes the first of them a t (Bailey 1994, "Polar
    Generation of Random Variates with the t-Distribution"): the draw of `gaussian_noise`, with a heavier tail.
    """

    severities = ({"scale": 0.05}, {"scale": 0.1}, {"scale": 0.2}, {"scale": 0.35}, {"scale": 0.5})

    scale: NonNegativeFloat = 0.1
    """What the standard variate is multiplied by, in `unit`: not its standard deviation, which is larger or
    infinite."""

    def corrupt(self, values: Floats, column: Column, draws: BlockDraws) -> Floats:
        normal, other = draws.normal(), draws.normal()
        stretch = exp_slope((normal * normal + other * other) / self.freedom())
        return values + self.scale * self.size(values, column) * (normal * np.sqrt(stretch))

    @abstractmethod
    def freedom(self) -> float:
        """Return the degrees of freedom."""


@register
class StudentTNoise(HeavyTailedNoise):
    """Add Student-t noise: near-Gaussian errors with more large ones than a Gaussian allows.

    Source: Lange, Little and Taylor 1989, "Robust Statistical Modeling Using the t Distribution".

    Example:
        {op: student_t_noise, columns: [height], scale: 0.1, df: 3}
    """

    df: float = Field(3.0, ge=1, le=1e6)
    """Degrees of freedom: 1 is Cauchy; above 2 the variance is finite, df / (df - 2); many are Gaussian."""

    def freedom(self) -> float:
        return self.df


@register
class CauchyNoise(HeavyTailedNoise):
    """Add Cauchy noise: half of the errors are within `scale`, but some are thousands of times larger.

    Source: Johnson, Kotz and Balakrishnan 1994, "Continuous Univariate Distributions", volume 1, chapter 16.

    Example:
        {op: cauchy_noise, columns: [height], scale: 0.05}
    """

    def freedom(self) -> float:
        return 1.0


@register
class MultiplicativeNoise(NumberCorruption):
    """Multiply by log-normal noise of median 1: errors that grow with the value and keep its sign.

    Doubling is as likely as halving, so the mean grows, by half of sigma squared.

    Source: Limpert, Stahel and Abbt 2001, "Log-normal Distributions across the Sciences: Keys and Clues".

    Example:
        {op: multiplicative_noise, columns: [height], sigma: 0.1}
    """

    severities = ({"sigma": 0.05}, {"sigma": 0.1}, {"sigma": 0.2}, {"sigma": 0.35}, {"sigma": 0.5})

    sigma: NonNegativeFloat = 0.1
    """Standard deviation of the natural logarithm of the factor; 0.1 is about 10 % of each value."""

    def corrupt(self, values: Floats, column: Column, draws: BlockDraws) -> Floats:
        # A factor that is finite: an infinite one would make 0 what is no number.
        return values * np.minimum(exp(self.sigma * draws.normal()), np.finfo(np.float64).max)


@register
class PoissonNoise(NumberCorruption):
    """Count anew: a Poisson count whose mean is the clean value, so that small counts are the noisiest.

    Source: Hasinoff 2014, "Photon, Poisson Noise", in "Computer Vision: A Reference Guide".

    Example:
        {op: poisson_noise, columns: [visitors]}
    """

    severities = ({"exposure": 10}, {"exposure": 3}, {"exposure": 1}, {"exposure": 0.3}, {"exposure": 0.1})
    unchanged = "the new count equals the old one"

    exposure: PositiveFloat = 1.0
    """Events counted for each unit of the value: the variance is the value divided by it. 1 for a column of counts."""

    def needs(self) -> frozenset[str]:
        return frozenset({"min"})

    def objection(self, column: Column) -> str | None:
        return "has values below 0, which are no counts" if column.min < 0 else None

    def corrupt(self, values: Floats, column: Column, draws: BlockDraws) -> Floats:
        mean = values * self.exposure
        uniform, normal = draws.uniform(), draws.normal()
        few, many = (mean >= 0) & (mean < _FEW), (mean >= _FEW) & (mean < _TOO_MANY)
        new = values.copy()
        new[few] = few_events(mean[few], uniform[few]) / self.exposure
        new[many] = many_events(mean[many], normal[many]) / self.exposure
        return new


_FEW, _TOO_MANY = 30.0, 1e300


def few_events(mean: Floats, uniform: Floats) -> Floats:
    """Return Poisson quantiles of means below 30: the terms of the distribution are added up one by one."""
    term = exp(-mean)
    below, counts = term.copy(), np.zeros_like(mean)
    for count in range(1, 200):
        above = uniform >= below
        if not above.any():
            break
        counts += above
        term = term * mean / count
        below += term
    return counts


def many_events(mean: Floats, normal: Floats) -> Floats:
    """Return Poisson quantiles of means from 30, in terms of the normal quantile.

    The expansion of Giles 2016, "Algorithm 955: Approximation of the Inverse Poisson Cumulative Distribution Function":
    from 30 on it errs by less than 0.01 before rounding, even 4 sd out.
    """
    root, w2 = np.sqrt(mean), normal * normal
    counts: Floats = mean + root * normal + (1 / 3 + w2 / 6) - normal * (2 + w2) / (72 * root)
    counts += (-8 / 405 + w2 * (7 / 810) + w2 * w2 / 270) / mean
    return np.floor(np.maximum(counts, 0.0))
