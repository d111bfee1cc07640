"""What a survey has to find out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from noisecli import celltext
from noisecli.columns import Column, Kind
from noisecli.mechanism import Curve, Span
from noisecli.where import Where


@dataclass(frozen=True)
class QuotaRequest:
    """An exact step on a column: the keys of its cells are sampled for each copy."""

    step: str
    column: str
    rate: float
    stratified: bool
    as_number: bool
    where: Where | None = None
    nulls: bool = False
    as_time: bool = False
    """Whether dates and times may be struck, and no other cells but, if it is `as_number`, numbers."""


@dataclass(frozen=True)
class CurveRequest:
    """A step that strikes cells by a curve: how many eligible cells lie in each bin."""

    step: str
    column: str
    """"" for whole rows."""
    curve: Curve
    as_number: bool
    where: Where | None = None
    window: Span | None = None
    nulls: bool = False


@dataclass(frozen=True)
class Request:
    """What a survey has to find out."""

    columns: Mapping[str, frozenset[str]]
    """Facts wanted of each column, as `TableCorruption.needs` lists them; maybe none, then only its type.

    "filled" is for how many cells are not missing, which is counted of all columns that are looked at.
    """
    quotas: Sequence[QuotaRequest] = ()
    split: str | None = None
    seed: int = 0
    copies: int = 1
    types: Mapping[str, Kind] = field(default_factory=dict)
    """Columns of text whose type is said, not found out."""
    formats: Mapping[str, str] = field(default_factory=dict)
    """How the dates of such columns are written, where that is not ISO 8601."""
    null_values: tuple[str, ...] = celltext.NULLS
    settled: Mapping[str, Column] = field(default_factory=dict)
    """Columns that conditions of quotas and curves speak of."""
    curves: Sequence[CurveRequest] = ()
    covariances: Sequence[tuple[str, ...]] = ()
    """Sets of columns whose covariances are wanted."""

    def looks_at(self, as_text: bool) -> list[str]:
        """Name the columns whose cells have to be read: not those of which nothing but a stored type is wanted."""
        if as_text or self.quotas or self.curves or self.covariances:
            return list(self.columns)
        return [name for name, wanted in self.columns.items() if wanted or name == self.split]
