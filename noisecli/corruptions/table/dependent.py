"""Noise on numbers that depends on other numbers: on the noise of other columns, or on how large a value is."""

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Discriminator, NonNegativeFloat, Strict, Tag, field_validator, model_validator

from noisecli.columns import NUMBER, Column
from noisecli.corruption import JointCorruption, Rows, register
from noisecli.corruptions.table.number import AdditiveNoise, Unit
from noisecli.streams import BlockDraws, Floats

MOST_COLUMNS = 200
"""More have too many covariances to be measured and written down."""

Matrix = tuple[tuple[float, ...], ...]
Given = dict[str, dict[str, Annotated[float, Strict()]]]
Draws = Mapping[str, BlockDraws]
Numbers = Mapping[str, Floats]


@register
class CorrelatedNoise(JointCorruption):
    """Add Gaussian noise that several columns share in part: sensors in one housing, parts of one assay.

    Noise is added to every number of a struck row. The covariance is that of the columns themselves over the training
    rows in which all of them are numbers, for which the data are read once more, or a matrix of one's own.

    Source: Fuller 1987, "Measurement Error Models" (several variables measured with error).

    Example:
        {op: correlated_noise, columns: [height, weight], sigma: 0.1}
    """

    accepts = NUMBER
    as_number = True
    severities = AdditiveNoise.severities
    unchanged = (
        "there is no change, it is smaller than the column's resolution, or no row has numbers in all of the columns"
    )

    sigma: NonNegativeFloat = 0.1
    """Standard deviation of the noise, in standard deviations of each column; only with the observed covariance."""

    covariance: Annotated[
        Annotated[Literal["observed"], Tag("name")] | Annotated[Given, Tag("matrix")],
        Discriminator(lambda given: "matrix" if isinstance(given, Mapping) else "name"),
    ] = "observed"
    """observed, or the covariances of the noise in the columns' own units, {height: {height: 4, weight: 1.5}, weight:
    {weight: 9}}: each pair once is enough, and pairs that are left out are 0."""

    @field_validator("covariance", mode="before")
    @classmethod
    def _is_one_or_the_other(cls, given: Any) -> Any:
        if given != "observed" and (not given or not isinstance(given, Mapping)):
            raise ValueError("should be observed, or name columns, such as {height: {height: 4}}")
        return given

    @field_validator("covariance")
    @classmethod
    def _is_a_covariance(cls, given: str | Given) -> str | Given:
        if isinstance(given, str):
            return given
        for one, row in given.items():
            for other, value in row.items():
                if given.get(other, {}).get(one, value) != value:
                    raise ValueError(f"is {value:g} of {one!r} with {other!r}, and another the other way round")
        names = _names(given)
        for one, row in given.items():
            for other, value in row.items():
                lone = next((name for name in (one, other) if value and name not in given.get(name, {})), None)
                if lone is not None:
                    raise ValueError(f"is {value:g} of {one!r} with {other!r}, and {lone!r} has no variance of its own")
        factor(tuple(tuple(_covariance(given, one, other) for other in names) for one in names))
        return given

    @model_validator(mode="after")
    def _one_strength(self) -> "CorrelatedNoise":
        if self.covariance != "observed" and "sigma" in self.model_fields_set:
            raise ValueError("'sigma' (and a severity) is for the observed covariance: scale the matrix instead")
        return self

    def needs(self) -> frozenset[str]:
        return frozenset({"covariances"} if self.covariance == "observed" else ())

    def objection(self, column: Column) -> str | None:
        if isinstance(self.covariance, dict) and column.name not in _names(self.covariance):
            return "has no place in `covariance`"
        return None

    def objection_to_all(self, columns: Sequence[Column]) -> str | None:
        named = _names(self.covariance) if isinstance(self.covariance, dict) else ()
        if len(columns) > MOST_COLUMNS:
            return f"takes at most {MOST_COLUMNS} columns, and the step strikes {len(columns)}"
        left = [name for name in named if name not in [column.name for column in columns]]
        return f"has a covariance of {left[0]!r}, which the step does not strike" if left else None

    def corrupt(
        self, rows: Rows, columns: Mapping[str, Column], draws: Mapping[str, BlockDraws]
    ) -> Mapping[str, Floats]:
        lower = factor(tuple(tuple(self._between(columns[one], other) for other in rows.cells) for one in rows.cells))
        scale = self.sigma if self.covariance == "observed" else 1.0
        normals = [draws[name].normal() for name in rows.cells]
        new = {}
        for (name, values), shares in zip(rows.cells.items(), lower, strict=True):
            noise = np.zeros(len(values))
            for share, normal in zip(shares, normals, strict=False):
                noise += share * normal
            new[name] = values + scale * noise
        return new

    def _between(self, column: Column, other: str) -> float:
        if isinstance(self.covariance, dict):
            return _covariance(self.covariance, column.name, other)
        return (column.covariances or {})[other]


def _names(given: Given) -> list[str]:
    return list(dict.fromkeys([*given, *(other for row in given.values() for other in row)]))


def _covariance(given: Given, one: str, other: str) -> float:
    return given.get(one, {}).get(other, given.get(other, {}).get(one, 0.0))


_NOTHING = 1e-10
"""Variance that a column has left beside the others, as a share of its own, below which it has none."""


@lru_cache
def factor(matrix: Matrix) -> Matrix:
    """Return the lower triangular root of a covariance matrix (Cholesky), which may be semidefinite.

    In plain Python, one operation after the other: those of linear algebra libraries differ between processors.

    Raises:
        ValueError: it is no covariance matrix.
    """
    if any(row[i] < 0 for i, row in enumerate(matrix)):
        raise ValueError("a variance must not be below 0")
    sds = [math.sqrt(row[i]) for i, row in enumerate(matrix)]
    lower: list[list[float]] = []
    for i, row in enumerate(matrix):
        lower.append([])
        for j in range(i + 1):
            rest = _scaled(row[j], sds[i], sds[j])
            for mine, its in zip(lower[i], lower[j], strict=False):
                rest -= mine * its
            if i == j:
                lower[i].append(_root(rest))
            elif lower[j][j]:
                lower[i].append(rest / lower[j][j])
            else:
                lower[i].append(_none(rest, 1e-4))
    return tuple(tuple(sd * root for root in row) for sd, row in zip(sds, lower, strict=True))


def _scaled(covariance: float, one: float, other: float) -> float:
    """Return the correlation; 0 where a column does not vary."""
    if one and other:
        return covariance / one / other
    return _none(covariance, 0.0)


def _root(variance: float) -> float:
    return math.sqrt(variance) if variance > _NOTHING else _none(min(variance, 0.0), 1e-6)


def _none(rest: float, most: float) -> float:
    """Return 0 for what is left by rounding at most."""
    if abs(rest) > most:
        raise ValueError("is not positive semidefinite: no columns vary together like that")
    return 0.0


@register
class HeteroscedasticNoise(Unit, JointCorruption):
    """Add Gaussian noise that grows with a value: large readings are less precise than small ones.

    Its standard deviation is proportional to the magnitude of the cell's own clean value, or of another column's in
    the same row, and is sigma on the whole (root mean square over the training rows).

    Source: Carroll and Ruppert 1988, "Transformation and Weighting in Regression", chapter 2.

    Example:
        {op: heteroscedastic_noise, columns: [income], sigma: 0.1, by: age}
    """

    accepts = NUMBER
    as_number = True
    together = False
    severities = AdditiveNoise.severities
    unchanged = (
        "there is no change, it is smaller than the column's resolution, or the value that it grows with is missing"
    )

    sigma: NonNegativeFloat = 0.1
    """Standard deviation of the noise, in `unit`, on the whole."""

    by: str | None = None
    """The number column that the noise grows with; left out, it is each column itself. Where it is missing or 0 there
    is no noise."""

    def reads(self) -> tuple[str, ...]:
        return () if self.by is None else (self.by,)

    def needs(self) -> frozenset[str]:
        return super().needs() | (self._facts if self.by is None else frozenset())

    def needs_of_read(self) -> frozenset[str]:
        return self._facts

    def objection_to_reading(self, column: Column) -> str | None:
        return None if column.kind in NUMBER else f"is {column.kind.value}, and noise can only grow with numbers"

    def corrupt(
        self, rows: Rows, columns: Mapping[str, Column], draws: Mapping[str, BlockDraws]
    ) -> Mapping[str, Floats]:
        return {name: self._noisy(name, values, rows, columns, draws[name]) for name, values in rows.cells.items()}

    _facts = frozenset({"mean", "sd"})

    def _noisy(self, name: str, values: Floats, rows: Rows, columns: Mapping[str, Column], draws: BlockDraws) -> Floats:
        by = name if self.by is None else self.by
        size = np.abs(rows.clean[by])
        usual = _root_mean_square(columns[by])
        share = np.where(np.isfinite(size), size, 0.0) / usual if usual else np.zeros(len(size))
        return values + self.sigma * self.size(values, columns[name]) * (share * draws.normal())


def _root_mean_square(column: Column) -> float:
    """Return the root of the mean square of a column's training cells."""
    large, small = max(abs(column.mean), column.sd), min(abs(column.mean), column.sd)
    return large * math.sqrt(1 + (small / large) * (small / large)) if large else 0.0
