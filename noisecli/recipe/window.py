"""What a recipe can say of windows in time, in a number column, or in the file."""

import math
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
from pydantic import Field, model_validator

from noisecli import dates
from noisecli.columns import NUMBER, Column, Kind
from noisecli.mechanism import Position, Ramp, Span
from noisecli.mechanism.window import Moment
from noisecli.parameters import Duration
from noisecli.recipe.mechanisms import Mechanism


class Window(Mechanism):
    """Rows from a moment on, up to another; inside, the chance may grow, fall, or come and go with the season."""

    by: str | None = None
    """A number, date or datetime column; left out, the one with the role `time`, or without it the row's number in its
    file, from 0."""
    from_: str | None = Field(default=None, alias="from")
    """The first moment, as the column writes it; left out, there is no first."""
    to: str | None = None
    """The first moment after the window; left out, there is no last."""
    ramp: Ramp | None = None
    """up: the chance grows linearly from 0 at `from`; down: it falls linearly to 0 at `to`."""
    period: str | None = None
    """The chance comes and goes as a cosine does, with a peak at `from`: a number in the column's unit, or, for dates
    and times, a duration such as 7d, 24h or 30min."""

    @model_validator(mode="after")
    def _is_settled(self) -> "Window":
        if self.ramp is not None and self.period is not None:
            raise ValueError("takes `ramp` or `period`, not both")
        if self.ramp is not None and (self.from_ is None or self.to is None):
            raise ValueError("a ramp needs both `from` and `to`")
        if self.from_ is None and self.to is None and self.period is None:
            raise ValueError("needs `from`, `to` or `period`: without them it is mcar")
        return self

    def with_time(self, time: str | None) -> "Window":
        return self if self.by is not None else self.model_copy(update={"by": time})

    def reads(self, own: str) -> tuple[str, ...]:
        return () if self.by is None else (self.by,)

    def objection_to_reading(self, column: Column) -> str | None:
        if column.kind not in NUMBER | {Kind.DATE, Kind.DATETIME}:
            return f"is {column.kind.value}: a window goes by numbers, dates or times"
        return self.objection(column)

    def objection(self, column: Column | None) -> str | None:
        """Say what is wrong with `from`, `to` or `period` in a column; None for rows that are counted."""
        try:
            moments = self._moment("from", self.from_, column), self._moment("to", self.to, column)
            self._length(column)
        except ValueError as error:
            return f"is {_what(column)}, and {error}"
        start, end = moments
        if start is None or end is None or 0 < end - start < math.inf:
            return None
        fault = "`to` must be greater than `from`" if end <= start else "that is too wide"
        return f"has no window from {self.from_} to {self.to}: {fault}"

    def span(self, columns: Mapping[str, Column]) -> Span:
        by = None if self.by is None else columns[self.by]
        return Span(by, self._moment("from", self.from_, by), self._moment("to", self.to, by))

    def curve(self, own: str, columns: Mapping[str, Column]) -> Position | None:
        if self.ramp is None and self.period is None:
            return None
        span = self.span(columns)
        return Position(span, self.ramp, self._length(span.by), self._said)

    @property
    def _said(self) -> str:
        asked = self.model_dump(by_alias=True, exclude_none=True, exclude={"by"})
        return ", ".join(f"{key} {value}" for key, value in asked.items())

    def _moment(self, key: str, text: str | None, column: Column | None) -> Moment | None:
        if text is None:
            return None
        if column is None or column.kind in NUMBER:
            return _number(key, text)
        for format in (column.format, None):
            times, understood = dates.parse_times(pa.array([text], pa.string()), format)
            if understood[0]:
                return int(times[0])
        other = f", nor like {column.format!r}" if column.format else ""
        raise ValueError(f"`{key}: {text}` is no date or time as in 2026-03-01T12:30{other}")

    def _length(self, column: Column | None) -> Moment | None:
        if self.period is None:
            return None
        if column is None or column.kind in NUMBER:
            period = _number("period", self.period)
        else:
            try:
                period = Duration(self.period).micros
            except ValueError:
                raise ValueError(f"`period: {self.period}` is no duration as in 7d, 24h or 30min") from None
        if period <= 0:
            raise ValueError("`period` must be greater than 0")
        return period


def _number(key: str, text: str) -> Moment:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not np.isfinite(number):
        raise ValueError(f"`{key}: {text}` is no number")
    return number


def _what(column: Column | None) -> str:
    return "a whole number" if column is None else column.kind.value
