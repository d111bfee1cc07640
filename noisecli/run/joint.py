"""Steps on several columns: what has to be known of the columns that an op reads, and which go together."""

from collections.abc import Mapping, Sequence

from noisecli.columns import Column
from noisecli.corruption import JointCorruption, TableCorruption
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
