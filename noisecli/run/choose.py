"""Mechanisms settled on a dataset: what they have to know of the data, and where their curves lie."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from noisecli.corruption import CellCorruption, Corruption, TextCorruption
from noisecli.errors import DataProblem
from noisecli.mechanism import solve_shift
from noisecli.plan import Plan, StepPlan
from noisecli.recipe import PlannedStep, Recipe
from noisecli.recipe.mechanisms import Mechanism, Scored
from noisecli.survey import Request, ScoreRequest, Survey

Look = Callable[[Request], Survey]
"""One pass over the clean data."""


def facts_to_choose(mechanism: Mechanism | None, column: str) -> tuple[str, ...]:
    """Columns whose mean and standard deviation a mechanism has to know to choose among the cells of a column."""
    return mechanism.reads(column) if isinstance(mechanism, Scored) else ()


def units(op: Corruption, columns: Sequence[str]) -> Sequence[str]:
    """What a step chooses among: the cells of each column, or whole rows, ""."""
    return columns if isinstance(op, CellCorruption | TextCorruption) else ("",)


def settle_choosers(recipes: Sequence[Recipe], plans: Sequence[Plan], wanted: Request, look: Look) -> list[Plan]:
    """Settle the mechanisms of all variants, with one more pass where one goes by a score."""
    asked = [score for recipe, plan in zip(recipes, plans, strict=True) for score in _scores(recipe, plan)]
    shifts: Iterator[float] = iter(())
    if asked:
        columns = {name: column for plan in plans for name, column in plan.columns.items()}
        facts = {name: frozenset[str]() for name in columns}
        scores = [score for score, _ in asked]
        survey = look(replace(wanted, columns=facts, quotas=(), settled=columns, scores=scores))
        shifts = (solve_shift(found, rate) for found, (_, rate) in zip(survey.scores, asked, strict=True))
    # Choosers are made in the order in which scores were asked for.
    return [
        _with_choosers(recipe, plan, lambda score: next(shifts)) for recipe, plan in zip(recipes, plans, strict=True)
    ]


def recorded_choosers(recipe: Recipe, plan: Plan, shifts: Mapping[tuple[str, str], float]) -> Plan:
    """Settle the mechanisms as they were in an earlier run."""

    def shift(score: ScoreRequest) -> float:
        if (score.step, score.column) not in shifts:
            raise DataProblem(f"the manifest has no curve for the mechanism of step {score.step!r}")
        return shifts[score.step, score.column]

    return _with_choosers(recipe, plan, shift)


def _with_choosers(recipe: Recipe, plan: Plan, shift: Callable[[ScoreRequest], float]) -> Plan:
    choosers = {}
    for step, planned, mechanism in _chosen(recipe, plan):
        for name in units(planned.corruption, planned.columns):
            score = _score(step, planned, mechanism, name, plan)
            lies = None if score is None else shift(score)
            choosers[planned.id, name] = mechanism.chooser(name, plan.columns, planned.rate, lies)
    return replace(plan, choosers=choosers)


def _scores(recipe: Recipe, plan: Plan) -> Iterator[tuple[ScoreRequest, float]]:
    for step, planned, mechanism in _chosen(recipe, plan):
        for name in units(planned.corruption, planned.columns):
            score = _score(step, planned, mechanism, name, plan)
            if score is not None:
                yield score, planned.rate


def _chosen(recipe: Recipe, plan: Plan) -> Iterator[tuple[PlannedStep, StepPlan, Mechanism]]:
    for step, planned in zip(recipe.steps, plan.steps, strict=True):
        if step.mechanism is not None:
            yield step, planned, step.mechanism


def _score(step: PlannedStep, planned: StepPlan, mechanism: Mechanism, column: str, plan: Plan) -> ScoreRequest | None:
    score = mechanism.score(column, plan.columns)
    op = planned.corruption
    as_number = isinstance(op, CellCorruption) and op.as_number
    return None if score is None else ScoreRequest(step.id, column, score, as_number, step.where)
