"""What the survey found, as a manifest records it."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, field_validator, model_validator

from noisecli.columns import Kind
from noisecli.dates import check_format
from noisecli.mechanism import CERTAIN


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


Decimals = Annotated[int, Field(ge=0, le=1000)]


class ColumnFacts(_Entry):
    """What the survey found of a column; see `noisecli.columns.Column`."""

    kind: Kind
    storage: str
    decimals: tuple[Decimals, Decimals] | None = None
    null: str = ""
    clean_text: bool = True
    format: str | None = None
    mean: FiniteFloat | None = None
    sd: FiniteFloat | None = None
    min: FiniteFloat | None = None
    max: FiniteFloat | None = None
    q1: FiniteFloat | None = None
    median: FiniteFloat | None = None
    q3: FiniteFloat | None = None
    mode: FiniteFloat | None = None
    categories: tuple[bool | int | str, ...] | None = None
    counts: tuple[Annotated[int, Field(gt=0)], ...] | None = None
    words: tuple[str, ...] | None = None

    @field_validator("format")
    @classmethod
    def _can_be_read(cls, format: str | None) -> str | None:
        if format is not None:
            check_format(format, with_time=True)
        return format


class QuotaFacts(_Entry):
    """Up to which key an exact step strikes in each stratum of a copy."""

    sweep: str | None = None
    step: str
    column: str
    copy_number: int = Field(alias="copy")
    rate: float | None = None
    limits: tuple[Annotated[int, Field(ge=0, lt=2**64)] | None, ...]


class CurveFacts(_Entry):
    """Which curve of a step an entry is about."""

    sweep: str | None = None
    step: str
    column: str
    rate: float
    by: tuple[str, ...]


class ShiftFacts(CurveFacts):
    """Where the logistic curve of a step lies that strikes by a score; see `noisecli.mechanism.Score`."""

    tail: str
    shift: Annotated[float, Field(ge=-CERTAIN, le=CERTAIN)]


class PeakFacts(CurveFacts):
    """The highest chance of a step that strikes in a window; see `noisecli.mechanism.Position`."""

    shape: str
    """What the recipe says of the window."""
    peak: Annotated[float, Field(ge=0, le=1)]


class CovarianceFacts(_Entry):
    """The covariances of some columns, over the training rows in which all of them are numbers."""

    columns: tuple[str, ...]
    matrix: tuple[tuple[FiniteFloat, ...], ...]
    """A row and a column for each, in their order."""

    @model_validator(mode="after")
    def _is_square(self) -> "CovarianceFacts":
        if {len(self.matrix), *map(len, self.matrix)} != {len(self.columns)}:
            raise ValueError("takes a covariance of each column with each")
        return self


class Facts(_Entry):
    """What the survey found."""

    columns: dict[str, ColumnFacts] = {}
    quotas: list[QuotaFacts] = []
    shifts: list[ShiftFacts] = []
    covariances: list[CovarianceFacts] = []
    peaks: list[PeakFacts] = []
