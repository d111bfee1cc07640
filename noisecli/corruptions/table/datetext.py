"""Dates written as they should not be: in another format, or of days that no calendar has."""

from typing import Annotated, Literal

import numpy as np
import pyarrow as pa
from pydantic import AfterValidator

from noisecli.columns import Column
from noisecli.corruption import MomentTextCorruption, register
from noisecli.corruptions.table.relabel import RATES, Tokens
from noisecli.dates import Micros, check_format, days_in, in_format, interleaved, put_dates, put_numbers, split
from noisecli.streams import BlockDraws, uniform_choice


def _of_days(formats: tuple[str, ...]) -> tuple[str, ...]:
    for format in formats:
        check_format(format, with_time=False)
    return formats


@register
class FormatMix(MomentTextCorruption):
    """Write dates in another format than the rest of the column: 2019-03-23 becomes 03/23/2019 or 23.03.2019.

    Some of them can be read in two ways, as 04/03/2019. Names of months and weekdays are English. A time of day stays
    behind the date as it is, after a blank in place of a T. In files with types the column becomes text.

    Source: Kim et al. 2003, "A Taxonomy of Dirty Data", on different representations of a date.

    Example:
        {op: format_mix, columns: [visited], rate: 0.2}
    """

    default_rate = 0.1
    severities = RATES
    unchanged = "the cell is written like that already"

    formats: Annotated[Tokens, AfterValidator(_of_days)] = ("%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y", "%b %d %Y")
    """How dates are written, all equally likely: %Y %y %m %d, %b and %B (the month by name), %a and %A (the weekday).
    One that makes what the cell says already gives way to the next."""

    def objection(self, column: Column) -> str | None:
        if column.format is not None and interleaved(column.format):
            return f"is written like {column.format!r}, with the time between the parts of the date"
        return None

    def text(self) -> str:
        return in_format(np.zeros(1, np.int64), self.formats[0])[0]

    def rewrite(self, cells: pa.Array, clock: Micros, column: Column, draws: BlockDraws) -> pa.Array:
        written = [put_dates(cells, in_format(clock, format), column.format) for format in self.formats]
        texts = np.array([text.to_pylist() for text in written], object).reshape(len(written), len(cells))
        rows, chosen = np.arange(len(cells)), uniform_choice(len(written), draws.uniform())
        same = texts[chosen, rows] == np.array(cells.to_pylist(), object)
        return pa.array(texts[(chosen + same) % len(written), rows], pa.string())


@register
class ImpossibleDate(MomentTextCorruption):
    """Write dates that no calendar has: 30 February, 31 April, 2019-13-05.

    A program that reads such a cell refuses it, or takes it for another day. In files with types the column becomes
    text.

    Source: Rahm and Do 2000, "Data Cleaning: Problems and Current Approaches", on illegal values.

    Example:
        {op: impossible_date, columns: [visited], rate: 0.05}
    """

    default_rate = 0.1
    severities = RATES

    part: Literal["day", "month"] = "day"
    """day: one that the month lacks, up to the 31st, all alike, or the 32nd; month: the thirteenth."""

    def objection(self, column: Column) -> str | None:
        if self.part == "month" and column.format is not None and "%m" not in column.format.replace("%%", ""):
            return "is written with months by name, of which there is no thirteenth: use `part: day`"
        return None

    def text(self) -> str:
        return "2019-02-30" if self.part == "day" else "2019-13-05"

    def rewrite(self, cells: pa.Array, clock: Micros, column: Column, draws: BlockDraws) -> pa.Array:
        if self.part == "month":
            return put_numbers(cells, "m", np.full(len(cells), 13), column.format)
        last = days_in(split(clock)[0])
        lacking = last + 1 + uniform_choice(np.maximum(31 - last, 1), draws.uniform())
        return put_numbers(cells, "d", lacking, column.format)
