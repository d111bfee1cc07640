"""Steps that go along series: what makes one."""

from collections.abc import Mapping

from noisecli.columns import NUMBER, Column, Kind
from noisecli.corruption import SamplingCorruption, SeriesCorruption
from noisecli.parameters import Duration
from noisecli.plan import SeriesPlan
from noisecli.recipe import PlannedStep, Recipe
from noisecli.recipe.mechanisms import Burst

MOMENTS = NUMBER | {Kind.DATE, Kind.DATETIME}


def series_columns(recipe: Recipe) -> list[str]:
    """Columns that make series of the rows; none where no step goes along one."""
    if not any(_goes_along(recipe, step) for step in recipe.steps):
        return []
    return [name for name in (recipe.head.data.entity, recipe.head.data.time) if name is not None]


def plan_series(recipe: Recipe, columns: Mapping[str, Column]) -> SeriesPlan | None:
    """Settle what makes a series, if a step goes along one; faults are left with the recipe."""
    if not any(_goes_along(recipe, step) for step in recipe.steps):
        return None
    entity, time = recipe.head.data.entity, recipe.head.data.time
    if entity is not None and columns[entity].kind is Kind.OTHER:
        recipe.source.fault(("data", "entity"), f"column {entity!r} has values of a type that tells no entities apart")
    if time is not None and columns[time].kind not in MOMENTS:
        what = f"column {time!r} is {columns[time].kind.value}, and a time is a number, date or datetime"
        recipe.source.fault(("data", "time"), f"{what}: give its type and format under `types:`, or leave `time` out")
    return SeriesPlan(entity, time)


def _goes_along(recipe: Recipe, step: PlannedStep) -> bool:
    """Whether it matters to a step in which series rows are; runs of rows are those of entities, if there are any."""
    along = isinstance(step.corruption, SeriesCorruption | SamplingCorruption)
    runs = isinstance(step.mechanism, Burst)
    in_time = isinstance(step.mechanism, Burst) and isinstance(step.mechanism.length, Duration)
    return along or in_time or (runs and recipe.head.data.entity is not None)
