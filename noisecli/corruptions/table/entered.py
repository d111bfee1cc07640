"""Faults of whole rows, as they are entered or recorded: cells in each other's place, rows that break off."""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from noisecli.columns import ANY, Column, Kind
from noisecli.corruption import JointCorruption, Rows, register
from noisecli.corruptions.table.missing import Missing
from noisecli.streams import BlockDraws

Cells = Mapping[str, pa.Array]


@register
class BlankRow(JointCorruption):
    """Make all cells of the step's columns missing in the same rows: a form that was never filled in.

    With `mechanism: {burst: {length: 20}}` the rows stand together and the gap is a block; `missing` makes gaps in each
    column for itself.

    Source: Little and Rubin 2019, "Statistical Analysis with Missing Data", chapter 1 (unit nonresponse).

    Example:
        {op: blank_row, columns: [height, weight], rate: 0.15}
    """

    default_rate = 0.1
    severities = Missing.severities

    def corrupt(self, rows: Rows, columns: Mapping[str, Column], draws: Mapping[str, BlockDraws]) -> Cells:
        return {name: pa.nulls(len(cells), cells.type) for name, cells in rows.cells.items()}


@register
class MonotoneMissing(JointCorruption):
    """Make the cells of a row missing from one of the columns onwards: a subject who drops out between visits.

    The columns of the step are the visits, in the order of the file. A struck row loses the last so many of them, any
    number from one to all alike.

    Source: Little and Rubin 2019, "Statistical Analysis with Missing Data", chapter 1 (monotone patterns).

    Example:
        {op: monotone_missing, columns: [visit_1, visit_2, visit_3], rate: 0.2}
    """

    default_rate = 0.1
    severities = Missing.severities
    unchanged = ""

    def corrupt(self, rows: Rows, columns: Mapping[str, Column], draws: Mapping[str, BlockDraws]) -> Cells:
        first = np.floor(draws[""].uniform() * len(rows.cells))
        return {
            name: pc.if_else(pa.array(first <= visit), pa.scalar(None, cells.type), cells)
            for visit, (name, cells) in enumerate(rows.cells.items())
        }


@register
class SwapColumns(JointCorruption):
    """Exchange the cells of two columns: a value entered in the field of the other.

    Rows count in which both cells are filled. The columns must be of the same type; in a CSV file each cell keeps the
    text that it had.

    Source: Rahm and Do 2000, "Data Cleaning: Problems and Current Approaches" (misfielded values).

    Example:
        {op: swap_columns, columns: [first_name, last_name], rate: 0.1}
    """

    accepts = ANY - {Kind.OTHER}
    default_rate = 0.1
    severities = Missing.severities
    unchanged = "both columns hold the same value"
    whole = True

    def objection_to_all(self, columns: Sequence[Column]) -> str | None:
        if len(columns) != 2:
            return f"takes exactly two columns, and the step strikes {len(columns)}"
        one, other = columns
        if (one.kind, one.storage, one.format) == (other.kind, other.storage, other.format):
            return None
        return f"takes columns of the same type; {_said(one)}, {_said(other)}"

    def corrupt(self, rows: Rows, columns: Mapping[str, Column], draws: Mapping[str, BlockDraws]) -> Cells:
        (one, of_one), (other, of_other) = rows.cells.items()
        return {one: of_other, other: of_one}


def _said(column: Column) -> str:
    stored = f" ({column.storage})" if column.decimals is None and str(column.storage) != "string" else ""
    return f"{column.name!r} is {column.kind.value}{stored}" + (f" in {column.format!r}" if column.format else "")
