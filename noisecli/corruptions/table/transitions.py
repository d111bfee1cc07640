"""Transition matrices: how often each class is mistaken for each other one."""

from collections.abc import Callable, Iterable
from typing import Annotated, Any

from pydantic import AfterValidator, Field, NonNegativeFloat

from noisecli.columns import Column
from noisecli.corruptions.table.relabel import Weighted, by_label, lacks
from noisecli.parameters import Parameters


def _rows_weigh(matrix: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    for old, row in matrix.items():
        if not sum(row.values()) > 0:
            raise ValueError(f"the row of {old!r} needs a share above 0")
    return matrix


Matrix = Annotated[dict[str, dict[str, NonNegativeFloat]], Field(min_length=1), AfterValidator(_rows_weigh)]
"""Class to what it becomes, with shares; rows need not sum to 1."""


class WithMatrix(Parameters):
    """The parameter of ops that may take a transition matrix."""

    matrix: Matrix | None = None
    """What each class becomes where it is struck, with shares, as in {A: {B: 0.7, C: 0.3}}; each row is scaled to sum
    to 1. The step's rate says how many are struck. A class's share in its own row is that of the struck ones that stay,
    so a matrix of probabilities, diagonal and all, goes with `rate: 1`. A class without a row stays."""


def check_given(matrix: object, asked: bool, key: str) -> None:
    """Raise ValueError unless a matrix is given just where one is asked for."""
    if asked and matrix is None:
        raise ValueError(f"`{key}: matrix` needs a `matrix:` such as {{A: {{B: 0.7, C: 0.3}}}}")
    if matrix is not None and not asked:
        raise ValueError(f"a matrix is for `{key}: matrix`: say that too")


def matrix_objection(matrix: dict[str, dict[str, float]], column: Column) -> str | None:
    """Say which class of a matrix the column has not."""
    return lacks(_classes(matrix), column)


def transitions(matrix: dict[str, dict[str, float]], column: Column) -> Callable[[Any], Weighted]:
    """What each category of a column may become; one without a row stays."""
    known = by_label(column)
    rows: dict[object, Weighted] = {
        known[old]: {known[new]: share for new, share in row.items() if share > 0 and new in known}
        for old, row in matrix.items()
        if old in known
    }
    return lambda value: rows.get(value, {})


def _classes(matrix: dict[str, dict[str, float]]) -> Iterable[str]:
    for old, row in matrix.items():
        yield old
        yield from row
