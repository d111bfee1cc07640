"""Steps that go along series: what makes one."""

from collections.abc import Mapping
from dataclasses import replace

from noisecli.columns import NUMBER, Column, Kind
from noisecli.corruption import FileCorruption, SamplingCorruption, SeriesCorruption
from noisecli.parameters import Duration
from noisecli.plan import SeriesPlan
from noisecli.recipe import PlannedStep, Recipe
from noisecli.recipe.mechanisms import Burst
from noisecli.recipe.window import Window

MOMENTS = NUMBER | {Kind.DATE, Kind.DATETIME}


def series_columns(recipe: Recipe) -> list[str]:
    """Columns that make series of the rows; none where series matter to no step."""
    series = _series(recipe)
    return [] if series is None else series.columns


def plan_series(recipe: Recipe, columns: Mapping[str, Column]) -> SeriesPlan | None:
    """Settle what makes a series, if that matters to a step; faults are left with the recipe."""
    series = _series(recipe)
    if series is None:
        return None
    entity, time = series.entity, series.time
    if entity is not None and columns[entity].kind is Kind.OTHER:
        if not series.along:
            return replace(series, entity=None)
        recipe.source.fault(("data", "entity"), f"column {entity!r} has values of a type that tells no entities apart")
    if series.along and time is not None and columns[time].kind not in MOMENTS:
        what = f"column {time!r} is {columns[time].kind.value}, and a time is a number, date or datetime"
        recipe.source.fault(("data", "time"), f"{what}: give its type and format under `types:`, or leave `time` out")
    return series


def _series(recipe: Recipe) -> SeriesPlan | None:
    steps = [step for step in recipe.steps if not isinstance(step.corruption, FileCorruption)]
    along = any(_goes_along(recipe, step) for step in steps)
    lasts = any(isinstance(step.mechanism, Burst | Window) for step in steps)
    return SeriesPlan(recipe.head.data.entity, recipe.head.data.time, along) if along or lasts else None


def _goes_along(recipe: Recipe, step: PlannedStep) -> bool:
    """Whether it matters to a step in which series rows are; runs of rows are those of entities, if there are any."""
    if isinstance(step.corruption, SeriesCorruption | SamplingCorruption):
        return True
    if not isinstance(step.mechanism, Burst):
        return False
    return recipe.head.data.entity is not None or isinstance(step.mechanism.length, Duration)
