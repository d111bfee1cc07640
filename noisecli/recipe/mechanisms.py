"""What a recipe can say of how cells are chosen."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import BeforeValidator, Field, model_validator

from noisecli.columns import NUMBER, Column, Kind
from noisecli.mechanism import ByCurve, ByGroup, Chooser, Curve, InRuns, InTime, Score, Span, Tail
from noisecli.parameters import Duration, MeanLength, Parameters

Names = Annotated[
    list[str],
    Field(min_length=1),
    BeforeValidator(lambda v: v if isinstance(v, list) else [v], json_schema_input_type=str | list[str]),
]
"""One column or several."""


class Mechanism(Parameters):
    """Base of every way to choose cells but mcar."""

    def reads(self, own: str) -> tuple[str, ...]:
        """Columns whose clean cells decide about the cells of a column; "" stands for whole rows."""
        return ()

    def objection_to_reading(self, column: Column) -> str | None:
        """Say why a column cannot decide, after its name; None: it can."""
        return None

    def objection_to_striking(self, column: Column) -> str | None:
        """Say why the cells of a column cannot be chosen so, after its name; None: they can."""
        return None

    def with_time(self, time: str | None) -> "Mechanism":
        """Return the mechanism where a column has the role `time`; most do not care."""
        return self

    def span(self, columns: Mapping[str, Column]) -> Span | None:
        """Return the window outside of which nothing is struck, if there is one."""
        return None

    def curve(self, own: str, columns: Mapping[str, Column]) -> Curve | None:
        """Return how the chance depends on the data, if it does so cell by cell."""
        return None

    def chooser(self, own: str, columns: Mapping[str, Column], rate: float, solved: float | None) -> Chooser | None:
        """Settle the mechanism for a column; a curve needs the number that gives the rate. None: all alike."""
        curve = self.curve(own, columns)
        return None if curve is None or solved is None else ByCurve(curve, solved)


class Scored(Mechanism):
    """Base of mar and mnar."""

    tail: Tail = "upper"
    """Which values make a cell likely to be struck: high, low, middling, or extreme ones."""

    def objection_to_reading(self, column: Column) -> str | None:
        return None if column.kind in NUMBER else f"is {column.kind.value}, and values that decide must be numbers"

    def curve(self, own: str, columns: Mapping[str, Column]) -> Score:
        return Score(tuple(columns[name] for name in self.reads(own)), self.tail)


class Mar(Scored):
    """Missing at random: the clean values of other columns decide."""

    columns: Names
    """Number columns, whose sum, each in standard deviations from its mean, decides."""

    def reads(self, own: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.columns))

    def objection_to_striking(self, column: Column) -> str | None:
        return "would decide about itself: use mnar, or let others decide" if column.name in self.columns else None


class Mnar(Scored):
    """Missing not at random: the cell's own clean value decides."""

    def reads(self, own: str) -> tuple[str, ...]:
        return (own,) if own else ()

    def objection_to_striking(self, column: Column) -> str | None:
        return self.objection_to_reading(column)


class Burst(Mechanism):
    """Runs of struck rows, in the order of the file; where there are entities, of the rows of each."""

    length: MeanLength | None = None
    """Rows that a run has on average, or, with a `time`, how long it lasts on average, such as 5min."""
    enter: Annotated[float, Field(gt=0, le=1)] | None = None
    """Probability that a run begins at a row after one that is not struck; the rate follows from it and `stay`."""
    stay: Annotated[float, Field(ge=0, lt=1)] | None = None
    """Probability that a run goes on at the next row."""

    @model_validator(mode="after")
    def _is_settled(self) -> "Burst":
        if (self.length is None) == (self.enter is None) or (self.enter is None) != (self.stay is None):
            raise ValueError("takes `length`, or `enter` and `stay`")
        if self.enter is not None and self.stay is not None and self.stay < self.enter:
            raise ValueError("`stay` must not be less than `enter`: such runs are shorter than those of chance")
        return self

    @property
    def rate(self) -> float | None:
        """The rate that the parameters imply; None: they leave it open."""
        return None if self.enter is None or self.stay is None else self.enter / (1 + self.enter - self.stay)

    def chooser(self, own: str, columns: Mapping[str, Column], rate: float, solved: float | None) -> Chooser:
        if self.enter is not None and self.stay is not None:
            return InRuns(self.enter, self.stay)
        assert self.length is not None
        if rate == 1:  # one run without an end
            return InRuns(1.0, 1.0)
        if isinstance(self.length, Duration):
            return InTime(rate, float(self.length.micros))
        stay = 1 - 1 / self.length
        return InRuns(min(rate / (1 - rate) / self.length, stay), stay)

    @property
    def most(self) -> float:
        """The largest rate below 1 at which chance alone (mcar) does not make longer runs."""
        return 1.0 if self.length is None or isinstance(self.length, Duration) else 1 - 1 / self.length


class Clustered(Mechanism):
    """Whole groups of rows are struck."""

    by: Names
    """The column whose values are the groups, or several, whose combinations are; rows without a value are struck each
    for itself."""

    def reads(self, own: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.by))

    def objection_to_reading(self, column: Column) -> str | None:
        return "has values of a type that makes no groups" if column.kind is Kind.OTHER else None

    def chooser(self, own: str, columns: Mapping[str, Column], rate: float, solved: float | None) -> Chooser:
        return ByGroup(tuple(columns[name] for name in self.reads(own)))


class Mcar(Mechanism):
    """Every cell alike."""
