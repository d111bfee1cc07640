"""Systematic errors of instruments: gain, bias, resolution and range."""

from typing import Literal

import numpy as np
from pydantic import Field, PositiveFloat, model_validator

from noisecli.columns import Column
from noisecli.corruption import NumberCorruption, register
from noisecli.corruptions.table.number import InUnits
from noisecli.streams import BlockDraws, Floats

_POWERS = np.array([float(f"1e{power}") for power in range(-307, 309)])


@register
class Scale(NumberCorruption):
    """Multiply by a factor: an instrument of the wrong gain, or a unit of one's own.

    Source: Schelter, Rukat and Biessmann 2021, "JENGA: A Framework to Study the Impact of Data Errors".

    Example:
        {op: scale, columns: [height], factor: 1.1, rate: 0.1}
    """

    default_rate = 0.1
    severities = ({"factor": 1.05}, {"factor": 1.1}, {"factor": 1.25}, {"factor": 1.5}, {"factor": 2.0})

    factor: float = 1.1
    """What every struck number is multiplied by."""

    def corrupt(self, values: Floats, column: Column, draws: BlockDraws) -> Floats:
        return values * self.factor


@register
class Offset(InUnits):
    """Add the same amount to every struck number: an instrument that was not zeroed.

    Source: JCGM 200:2012, "International Vocabulary of Metrology", 4.20 (instrumental bias).

    Example:
        {op: offset, columns: [height], amount: 0.5, rate: 0.1}
    """

    default_rate = 0.1
    severities = ({"amount": 0.25}, {"amount": 0.5}, {"amount": 1.0}, {"amount": 2.0}, {"amount": 3.0})

    amount: float = 0.5
    """What is added, in `unit`; negative lowers."""

    def corrupt(self, values: Floats, column: Column, draws: BlockDraws) -> Floats:
        return values + self.amount * self.size(values, column)


@register
class Quantize(NumberCorruption):
    """Round to a coarser grid, half to even: an instrument of low resolution, or a rounded record.

    Source: Lipshitz, Wannamaker and Vanderkooy 1992, "Quantization and Dither: A Theoretical Survey".

    Example:
        {op: quantize, columns: [height], step: 5}
    """

    severities = ({"digits": 5}, {"digits": 4}, {"digits": 3}, {"digits": 2}, {"digits": 1})
    unchanged = "the number lies on the grid, or the change is smaller than the column's resolution"

    digits: int = Field(2, ge=1, le=15)
    """How many significant digits are kept."""

    step: PositiveFloat | None = None
    """Distance of the grid's points in the column's unit, instead of `digits`."""

    dither: Literal["none", "uniform", "triangular"] = "none"
    """What is added before rounding. uniform: up to half a step either way, which makes the mean error 0; triangular:
    up to a whole step either way, which makes the variance of the error the same everywhere too."""

    @model_validator(mode="after")
    def _one_grid(self) -> "Quantize":
        if self.step is not None and "digits" in self.model_fields_set:
            raise ValueError("'step' stands instead of 'digits' (and of a severity): give one of the two")
        return self

    def corrupt(self, values: Floats, column: Column, draws: BlockDraws) -> Floats:
        times, over = self._grid(values)
        rounded = np.rint(values * times / over + self._jitter(draws)) * over / times
        # Where the grid is finer than a float can tell, the number stays what it is.
        return np.where(np.isfinite(rounded), rounded, values)

    def _grid(self, values: Floats) -> tuple[Floats | float, Floats | float]:
        """Return two factors, one of them 1, whose quotient is the number of points in one unit.

        A grid of tenths is counted in tenths, since ten divides exactly and a tenth does not.
        """
        if self.step is not None:
            points = round(1 / self.step) if 1e-15 < self.step < 1 else 0
            return (float(points), 1.0) if points and 1 / points == self.step else (1.0, self.step)
        power = np.searchsorted(_POWERS, np.abs(values), side="right") - 308
        decimals = self.digits - 1 - power
        ones = np.searchsorted(_POWERS, 1.0)
        top = len(_POWERS) - 1
        times = _POWERS[np.clip(ones + np.maximum(decimals, 0), 0, top)]
        return times, _POWERS[np.clip(ones + np.maximum(-decimals, 0), 0, top)]

    def _jitter(self, draws: BlockDraws) -> Floats | float:
        if self.dither == "none":
            return 0.0
        first = draws.uniform() - 0.5
        return first if self.dither == "uniform" else first + (draws.uniform() - 0.5)


Bound = float | Literal["min", "q1", "median", "q3", "max"]


@register
class Clip(NumberCorruption):
    """Cut numbers off at bounds: a saturated sensor, or a record that says "120 and above".

    Source: Tobin 1958, "Estimation of Relationships for Limited Dependent Variables".

    Example:
        {op: clip, columns: [height], upper: q3}
    """

    unchanged = "the number lies within the bounds"

    upper: Bound
    """Highest number that is left: one in the column's unit, or a figure of its training cells (max: no bound)."""

    lower: Bound = "min"
    """Lowest number that is left, likewise (min: no bound)."""

    @model_validator(mode="after")
    def _in_order(self) -> "Clip":
        if isinstance(self.lower, float) and isinstance(self.upper, float) and self.lower > self.upper:
            raise ValueError("'lower' is above 'upper'")
        return self

    def needs(self) -> frozenset[str]:
        return frozenset(bound for bound in (self.lower, self.upper) if isinstance(bound, str))

    def objection(self, column: Column) -> str | None:
        lower, upper = self._bounds(column)
        return f"has its bounds in the wrong order: {lower:g} to {upper:g}" if lower > upper else None

    def corrupt(self, values: Floats, column: Column, draws: BlockDraws) -> Floats:
        return np.clip(values, *self._bounds(column))

    def _bounds(self, column: Column) -> tuple[float, float]:
        lower, upper = (getattr(column, b) if isinstance(b, str) else b for b in (self.lower, self.upper))
        return lower, upper
