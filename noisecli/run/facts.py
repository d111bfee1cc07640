"""Which facts a run needs, found in the order in which they depend on each other, or recorded earlier."""

from collections.abc import Callable, Iterable
from dataclasses import replace

import pyarrow as pa

from noisecli.columns import NUMBER, Column, kind_of
from noisecli.errors import DataProblem
from noisecli.facts import ColumnFacts
from noisecli.plan import Plan
from noisecli.recipe import Recipe
from noisecli.run.dataset import Dataset
from noisecli.survey import Request, Survey

Look = Callable[[Request], Survey]
"""One pass over the clean data."""

Widen = Callable[[Request, Dataset, Recipe], Request]
"""What asks for more facts than a recipe does, to be found in the same pass."""


def find_facts(wanted: Request, look: Look) -> Survey:
    """Find out what is asked for, in one pass, or two where a condition has to know types first."""
    if any(quota.where for quota in wanted.quotas):
        asked = {name for quota in wanted.quotas if quota.where for name in quota.where.columns}
        types = {name: frozenset[str]() for name in wanted.columns if name in asked or name == wanted.split}
        found = look(replace(wanted, columns=types, quotas=()))
        wanted = replace(wanted, settled={name: column.column() for name, column in found.columns.items()})
    found = look(wanted)
    if wanted.split and found.training == 0:
        raise DataProblem(f"no row is training data: column {wanted.split!r} never says train")
    return found


def recorded_column(name: str, found: ColumnFacts, storage: pa.DataType) -> Column:
    """Return a column of the input with facts that were recorded earlier.

    Raises:
        DataProblem: they are not those of such a column.
    """
    known = {key: value for key, value in found if value is not None and key != "storage"}
    column = Column(name=name, storage=storage, **known)
    try:
        pa.array(column.categories or (), storage)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
        raise DataProblem(f"the manifest's categories of column {name!r} are not of its type") from None
    as_text = pa.types.is_string(storage)
    if column.counts is not None and len(column.counts) != len(column.categories or ()):
        raise DataProblem(f"the manifest's counts of column {name!r} are not those of its categories")
    if (column.decimals is None) == (as_text and column.kind in NUMBER) or (
        not as_text and column.kind is not kind_of(storage)
    ):
        raise DataProblem(f"the manifest's facts of column {name!r} do not fit the input")
    return column


def misfit_warnings(survey: Survey, plans: Iterable[Plan]) -> list[str]:
    """Say how many cells are not of their column's type, and are carried; refuse a column that has no other."""
    lines = []
    columns = {name: column for plan in plans for name, column in plan.columns.items()}
    for name, column in columns.items():
        census = survey.columns[name].census
        count, what = census.misfits(column.kind, column.format)
        if count and count == census.cells:
            raise DataProblem(f"column {name!r}: all {count} cells are {what}: mend its type under `data.types`")
        if count:
            lines.append(f"column {name!r}: {count} cells are {what} and are carried")
    return lines
