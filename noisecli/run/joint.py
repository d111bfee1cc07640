"""Steps on several columns: which go together, what is read besides, and how the columns vary together."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from noisecli.columns import CATEGORY, Column, Kind
from noisecli.corruption import JointCorruption, TableCorruption
from noisecli.errors import DataProblem
from noisecli.facts import CovarianceFacts
from noisecli.plan import Plan, SoftPlan, StepPlan
from noisecli.recipe import PlannedStep, Recipe
from noisecli.recipe.source import Loc
from noisecli.run.facts import Look
from noisecli.survey import Request

COVARIANCES = "covariances"
"""The fact that a step's columns have together, so that it takes a pass of its own once they are settled."""


def parameter_of(step: PlannedStep, column: str) -> Loc:
    """Say where a step names a column that its op reads."""
    for key, value in step.parameters.items():
        if column == value or (isinstance(value, list | dict) and column in value):
            return "steps", step.number, key
    return "steps", step.number, "op"


def facts_to_read(step: PlannedStep, column: str) -> frozenset[str]:
    """Facts that a step needs of a column because its op reads it."""
    op = step.corruption
    return op.needs_of_read() if isinstance(op, JointCorruption) and column in op.reads() else frozenset()


def partner_column(recipe: Recipe, step: PlannedStep) -> str | None:
    """Return the column in which a row and its partner have to agree, if there is one."""
    within = step.corruption.pairs_within() if isinstance(step.corruption, JointCorruption) else None
    return recipe.head.data.label if within == "" else within


def softening(recipe: Recipe) -> list[int]:
    """Numbers of the steps that make labels soft."""
    ops = [(i, step.corruption) for i, step in enumerate(recipe.steps)]
    return [i for i, op in ops if isinstance(op, JointCorruption) and op.softens]


def plan_soft_labels(recipe: Recipe, columns: Mapping[str, Column]) -> SoftPlan | None:
    """Settle where soft labels go, if there are any."""
    data = recipe.head.data
    numbers = [i for i in softening(recipe) if recipe.steps[i].rate > 0]
    if not numbers or data.label is None or data.label not in columns:
        return None
    column = columns[data.label]
    if column.kind not in CATEGORY or column.categories is None:
        what = f"is {column.kind.value}" if column.kind not in CATEGORY else "has too many values"
        recipe.source.fault(("data", "label"), f"column {data.label!r} {what}, and soft labels need classes")
        return None
    return SoftPlan(data.label, data.soft_labels, numbers[-1]).settle(column)


def check_joint(recipe: Recipe, step: PlannedStep, struck: Sequence[Column], columns: Mapping[str, Column]) -> None:
    """Note as faults what is wrong with the columns of a step taken together, or with those that its op reads."""
    op = step.corruption
    assert isinstance(op, TableCorruption)
    for name in step.reads:
        assert isinstance(op, JointCorruption)
        objection = op.objection_to_reading(columns[name])
        if objection is not None:
            recipe.source.fault(parameter_of(step, name), f"op {op.name!r}: column {name!r} {objection}")
    within = partner_column(recipe, step)
    if within is not None and within in columns and columns[within].kind is Kind.OTHER:
        what = f"op {op.name!r}: column {within!r} is {columns[within].storage}, in which rows cannot be compared"
        recipe.source.fault(parameter_of(step, within), what)
    objection = op.objection_to_all(struck) if struck else None
    if objection is not None:
        recipe.source.fault(("steps", step.number, "columns"), f"op {op.name!r} {objection}")


def settle_covariances(plans: Sequence[Plan], wanted: Request, look: Look) -> list[Plan]:
    """Give steps the covariances that they ask for, with one more pass where one does.

    Raises:
        DataProblem: the numbers are too large to have any.
    """
    sets = list(dict.fromkeys(step.columns for plan in plans for step in _asking(plan)))
    if not sets:
        return list(plans)
    settled = {name: column for plan in plans for name, column in plan.columns.items()}
    names = dict.fromkeys(name for names in sets for name in names)
    columns = dict.fromkeys([*names, *([wanted.split] if wanted.split else [])], frozenset[str]())
    survey = look(replace(wanted, columns=columns, quotas=(), settled=settled, covariances=sets))
    found = []
    for columns_of_one, sums in survey.comoments.items():
        comoments = sums.total
        size = len(columns_of_one)
        matrix = comoments.covariances() if comoments.count else np.zeros((size, size))
        if not np.isfinite(matrix).all():
            some = ", ".join(map(repr, columns_of_one[:3]))
            raise DataProblem(f"columns {some}: numbers too large for a covariance: give it as a matrix")
        found.append(CovarianceFacts(columns=columns_of_one, matrix=tuple(map(tuple, matrix.tolist()))))
    return [with_covariances(plan, found) for plan in plans]


def with_covariances(plan: Plan, known: Iterable[CovarianceFacts]) -> Plan:
    """Give the steps of a plan the covariances that they ask for.

    Raises:
        DataProblem: those of a step's columns are not known.
    """
    matrices = {entry.columns: entry.matrix for entry in known}
    asking = list(_asking(plan))
    for step in asking:
        if step.columns not in matrices:
            raise DataProblem(
                f"the manifest has no covariances of the columns of step {step.id!r} together: "
                "leave `facts:` out, or the columns as they were"
            )
        from noisecli.corruptions.table.dependent import factor  # with ops that few recipes name

        try:
            factor(matrices[step.columns])
        except ValueError as error:
            raise DataProblem(f"the manifest's covariance of the columns of step {step.id!r}: {error}") from None
    steps = (_with(step, matrices[step.columns]) if step in asking else step for step in plan.steps)
    return replace(plan, steps=tuple(steps))


def covariance_facts(plans: Iterable[Plan]) -> list[CovarianceFacts]:
    """Write down the covariances that steps go by, each set of columns once."""
    found = {}
    for step in (step for plan in plans for step in plan.steps if step.covariances):
        matrix = tuple(tuple(step.covariances[name].values()) for name in step.columns)
        found[step.columns] = CovarianceFacts(columns=step.columns, matrix=matrix)
    return list(found.values())


def _asking(plan: Plan) -> Iterator[StepPlan]:
    for step in plan.steps:
        if isinstance(step.corruption, JointCorruption) and COVARIANCES in step.corruption.needs() and step.columns:
            yield step


def _with(step: StepPlan, matrix: Sequence[Sequence[float]]) -> StepPlan:
    rows = [dict(zip(step.columns, row, strict=True)) for row in matrix]
    return replace(step, covariances=dict(zip(step.columns, rows, strict=True)))
