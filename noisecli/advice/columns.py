"""Columns that a keyword or a glob takes along although they are no measurements."""

import re
from collections.abc import Iterator

import numpy as np
import pyarrow.compute as pc

from noisecli.advice.case import Advice, Case, by_kind, percent
from noisecli.columns import NUMBER, Kind
from noisecli.corruption import TableCorruption
from noisecli.corruptions.table.number import Unit
from noisecli.streams import Floats

ENOUGH = 20
"""Fewer values tell nothing of a column."""

IDENTIFIERS = re.compile(r"(?:.*[_\W])?(?i:id|uuid|guid|key|index|number|no|nr)|.*[a-z](?:Id|ID|Key)|Unnamed: 0")
"""Names of columns that may identify rows."""

TIMES = re.compile(r"(?i:.*(year|month|week|day|hour|minute|second|date|time|step|frame).*|t)")
"""Names of columns that rather say when."""

LABELS = frozenset({"label", "labels", "target", "y_true"})

COMMON = 0.95
"""Share of one value from which on a column is near-constant; a frequency ratio of 95/5 in Kuhn and Johnson 2013,
"Applied Predictive Modeling", 3.5."""


def _taken_along(case: Case) -> Iterator[tuple[str, str, TableCorruption]]:
    """Step, column and op, where the step does not name the column."""
    for asked, step in case.steps:
        op = step.corruption
        if isinstance(op, TableCorruption) and op.strikes_columns:
            for name in by_kind(asked, step.columns):
                yield step.id, name, op


def _numbers(case: Case, name: str) -> Floats:
    """Training numbers of a column among the first rows."""
    column = case.plan.columns[name]
    if case.trial is None or column.kind not in NUMBER:
        return np.zeros(0)
    numbers = column.to_numbers(case.trial.training(name))
    return numbers[np.isfinite(numbers)]


def identifiers(case: Case) -> Iterator[Advice]:
    """Columns that identify or count rows."""
    if case.trial is None or case.recipe.head.data.id is not None:
        return
    steps: dict[str, list[str]] = {}
    for step, name, _ in _taken_along(case):
        steps.setdefault(name, []).append(step)
    for name, ids in steps.items():
        kind, cells, numbers = case.plan.columns[name].kind, case.trial.training(name).drop_null(), _numbers(case, name)
        if len(cells) < ENOUGH or kind not in (Kind.TEXT, Kind.INTEGER):
            continue
        counts = kind is Kind.INTEGER and (np.diff(numbers) == 1).all()
        if counts or (IDENTIFIERS.fullmatch(name) and pc.count_distinct(cells).as_py() == len(cells)):
            what = "counts the rows" if counts else "has another value in each row"
            role = "time" if TIMES.fullmatch(name) else "id"
            text = f"it {what}, and is struck like a measurement since no role spares it"
            how = f"add `data: {{{role}: {name}}}`, or name the columns"
            yield Advice("id", f"{text}: {how}", ids[0] if len(ids) == 1 else None, (name,))


def labels(case: Case) -> Iterator[Advice]:
    """Columns that are called as labels are."""
    if case.recipe.head.data.label is not None:
        return
    for name in dict.fromkeys(name for _, name, _ in _taken_along(case)):
        if name.lower() in LABELS:
            text = "it is called as labels are, and is struck like a feature"
            yield Advice("label", f"{text}: add `data: {{label: {name}}}`, or name the columns", columns=(name,))


def flags(case: Case) -> Iterator[Advice]:
    """Numbers that are codes: noise makes values of them that do not exist."""
    names = [name for _, name, op in _taken_along(case) if isinstance(op, Unit)]
    for name in dict.fromkeys(names):
        column = case.column(name)
        if column is not None and (column.kind, column.min, column.max) == (Kind.INTEGER, 0.0, 1.0):
            text = "it holds 0 and 1 only, a code, of which noise on numbers makes others, or nothing"
            yield Advice("code", f"{text}: name the columns, without it, and use category_swap here", columns=(name,))


def near_constant(case: Case) -> Iterator[Advice]:
    """Numbers that are nearly always the same: noise that goes by their spread hits all of them."""
    for _, step in case.steps:
        op = step.corruption
        if not isinstance(op, Unit) or op.unit in ("value", "absolute"):
            continue
        for name in step.columns if step.rate > 1 - COMMON and step.where is None else ():
            numbers = _numbers(case, name)
            values, counts = np.unique(numbers, return_counts=True)
            if len(numbers) >= ENOUGH and len(values) > 1 and counts.max() > COMMON * len(numbers):
                value = f"{values[counts.argmax()]:g}"
                share = percent(int(counts.max()), len(numbers))
                text = f"{share} of the first values are {value}, which noise changes like the others"
                how = f"spare them with `where: {{{name}: {{ne: {value}}}}}`"
                yield Advice("variance", f"{text}: {how}", step.id, (name,))
