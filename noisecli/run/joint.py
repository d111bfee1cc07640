"""Steps on several columns: what has to be known of the columns that an op reads, and which go together."""

from collections.abc import Mapping, Sequence

from noisecli.columns import CATEGORY, Column
from noisecli.corruption import JointCorruption, TableCorruption
from noisecli.plan import SoftPlan
from noisecli.recipe import PlannedStep, Recipe
from noisecli.recipe.source import Loc


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
    objection = op.objection_to_all(struck) if struck else None
    if objection is not None:
        recipe.source.fault(("steps", step.number, "columns"), f"op {op.name!r} {objection}")
