"""Mechanisms settled on a dataset: what they have to know of the data, and where their curves lie."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from noisecli.columns import Column
from noisecli.corruption import TableCorruption
from noisecli.errors import DataProblem
from noisecli.manifest import ShiftFacts
from noisecli.mechanism import ByScore, solve_shift
from noisecli.plan import Plan, StepPlan
from noisecli.recipe import Recipe
from noisecli.recipe.mechanisms import Mechanism, Scored
from noisecli.run.facts import Look
from noisecli.survey import Request, ScoreRequest

Shift = Callable[[ScoreRequest, float], float]
"""Where the curve over a score lies that gives a rate."""


def facts_to_choose(mechanism: Mechanism | None, column: str) -> tuple[str, ...]:
    """Columns whose mean and standard deviation a mechanism has to know to choose among the cells of a column."""
    return mechanism.reads(column) if isinstance(mechanism, Scored) else ()


def settle_choosers(recipes: Sequence[Recipe], plans: Sequence[Plan], wanted: Request, look: Look) -> list[Plan]:
    """Settle the mechanisms of all variants, with one more pass where one goes by a score."""
    both = list(zip(recipes, plans, strict=True))
    scores = list(dict.fromkeys(score for recipe, plan in both for *_, score in _units(recipe, plan) if score))
    histograms = {}
    if scores:
        columns = {name: column for plan in plans for name, column in plan.columns.items()}
        facts = {name: frozenset[str]() for name in columns}
        survey = look(replace(wanted, columns=facts, quotas=(), settled=columns, scores=scores))
        histograms = dict(zip(scores, survey.scores, strict=True))
    return [
        _with_choosers(recipe, plan, lambda score, rate: solve_shift(histograms[score], rate)) for recipe, plan in both
    ]


def recorded_choosers(recipe: Recipe, plan: Plan, recorded: Sequence[ShiftFacts]) -> Plan:
    """Settle the mechanisms as they were in an earlier run.

    Raises:
        DataProblem: a curve is missing, or is of another rate or mechanism.
    """
    known = {(entry.step, entry.column): entry for entry in recorded}

    def shift(asked: ScoreRequest, rate: float) -> float:
        entry = known.get((asked.step, asked.column))
        columns = asked.score.columns
        if entry is None or not all(np.isfinite([column.mean, column.sd]).all() for column in columns):
            raise DataProblem(f"the manifest has no curve for the mechanism of step {asked.step!r}")
        if (entry.by, entry.tail) != (tuple(column.name for column in columns), asked.score.tail):
            raise DataProblem(
                f"the manifest's curve of step {asked.step!r} is for columns {', '.join(entry.by)}, tail {entry.tail}: "
                "leave `facts:` out, or the mechanism as it was"
            )
        if entry.rate != rate:
            raise DataProblem(
                f"the manifest's curve of step {asked.step!r} is for rate {entry.rate:g}, not {rate:g}: "
                "leave `facts:` out, or the rate as it was"
            )
        return entry.shift

    return _with_choosers(recipe, plan, shift)


def curves(plan: Plan) -> Iterator[ShiftFacts]:
    """Write down where the curves of a plan lie."""
    rates = {step.id: step.rate for step in plan.steps}
    for (step, column), chooser in plan.choosers.items():
        if isinstance(chooser, ByScore):
            tail, shift = chooser.score.tail, chooser.shift
            yield ShiftFacts(step=step, column=column, rate=rates[step], by=chooser.reads, tail=tail, shift=shift)


def _with_choosers(recipe: Recipe, plan: Plan, shift: Shift) -> Plan:
    choosers = {}
    for step, mechanism, name, score in _units(recipe, plan):
        lies = None if score is None else shift(score, step.rate)
        choosers[step.id, name] = mechanism.chooser(name, plan.columns, step.rate, lies)
    return replace(plan, choosers=choosers)


def _units(recipe: Recipe, plan: Plan) -> Iterator[tuple[StepPlan, Mechanism, str, ScoreRequest | None]]:
    """All that is chosen among but by mcar: the cells of a column, or whole rows, ""."""
    for asked, step in zip(recipe.steps, plan.steps, strict=True):
        if asked.mechanism is not None and isinstance(step.corruption, TableCorruption):
            for name in ("",) if step.corruption.together else step.columns:
                yield step, asked.mechanism, name, _score(step, asked.mechanism, name, plan.columns)


def _score(step: StepPlan, mechanism: Mechanism, name: str, columns: Mapping[str, Column]) -> ScoreRequest | None:
    score = mechanism.score(name, columns)
    as_number = isinstance(step.corruption, TableCorruption) and step.corruption.as_number
    return None if score is None else ScoreRequest(step.id, name, score, as_number, step.where)
