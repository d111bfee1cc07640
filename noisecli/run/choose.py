"""Mechanisms settled on a dataset: what they have to know of the data, and where their curves lie."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from noisecli.columns import Column
from noisecli.corruption import TableCorruption
from noisecli.errors import DataProblem
from noisecli.facts import Facts, PeakFacts, ShiftFacts
from noisecli.mechanism import ByCurve, Position, Score
from noisecli.plan import Plan, StepPlan
from noisecli.recipe import Recipe
from noisecli.recipe.mechanisms import Mechanism, Scored
from noisecli.run.facts import Look
from noisecli.survey import CurveRequest, Request

Solve = Callable[[CurveRequest, float], float]
"""The number by which a curve gives a rate."""


def facts_to_choose(mechanism: Mechanism | None, column: str) -> tuple[str, ...]:
    """Columns whose mean and standard deviation a mechanism has to know to choose among the cells of a column."""
    return mechanism.reads(column) if isinstance(mechanism, Scored) else ()


def settle_choosers(recipes: Sequence[Recipe], plans: Sequence[Plan], wanted: Request, look: Look) -> list[Plan]:
    """Settle the mechanisms of all variants, with one more pass where one goes by a curve."""
    both = list(zip(recipes, plans, strict=True))
    curves = list(dict.fromkeys(curve for recipe, plan in both for *_, curve in _units(recipe, plan) if curve))
    histograms = {}
    if curves:
        columns = {name: column for plan in plans for name, column in plan.columns.items()}
        facts = {name: frozenset[str]() for name in columns}
        survey = look(replace(wanted, columns=facts, quotas=(), settled=columns, curves=curves))
        histograms = dict(zip(curves, survey.histograms, strict=True))
    return [
        _with_choosers(recipe, plan, lambda asked, rate: asked.curve.solve(histograms[asked], rate))
        for recipe, plan in both
    ]


@dataclass(frozen=True)
class _Recorded:
    by: tuple[str, ...]
    shape: str
    rate: float
    solved: float


def recorded_choosers(recipe: Recipe, plan: Plan, facts: Facts, sweep: str | None) -> Plan:
    """Settle the mechanisms as they were in an earlier run.

    Raises:
        DataProblem: a curve is missing, or is of another rate or mechanism.
    """
    shifts = {
        (e.step, e.column): _Recorded(e.by, f"tail {e.tail}", e.rate, e.shift) for e in facts.shifts if e.sweep == sweep
    }
    peaks = {(e.step, e.column): _Recorded(e.by, e.shape, e.rate, e.peak) for e in facts.peaks if e.sweep == sweep}

    def solved(asked: CurveRequest, rate: float) -> float:
        curve, scored = asked.curve, isinstance(asked.curve, Score)
        entry = (shifts if scored else peaks).get((asked.step, asked.column))
        columns = curve.columns if isinstance(curve, Score) else ()
        if entry is None or not all(np.isfinite([column.mean, column.sd]).all() for column in columns):
            raise DataProblem(f"the manifest has no curve for the mechanism of step {asked.step!r}")
        if (entry.by, entry.shape) != (curve.reads, curve.shape):
            by = f"columns {', '.join(entry.by)}" if entry.by else "row numbers"
            raise DataProblem(
                f"the manifest's curve of step {asked.step!r} is for {by}, {entry.shape}: "
                "leave `facts:` out, or the mechanism as it was"
            )
        if entry.rate != rate:
            raise DataProblem(
                f"the manifest's curve of step {asked.step!r} is for rate {entry.rate:g}, not {rate:g}: "
                "leave `facts:` out, or the rate as it was"
            )
        return entry.solved

    return _with_choosers(recipe, plan, solved)


def shifts(plan: Plan, sweep: str | None) -> Iterator[ShiftFacts]:
    """Write down where the logistic curves of a plan lie."""
    for step, column, chooser in _curved(plan):
        if isinstance(chooser.curve, Score):
            by, tail, shift = chooser.reads, chooser.curve.tail, chooser.solved
            yield ShiftFacts(sweep=sweep, step=step.id, column=column, rate=step.rate, by=by, tail=tail, shift=shift)


def peaks(plan: Plan, sweep: str | None) -> Iterator[PeakFacts]:
    """Write down how high the chances in a plan's windows rise."""
    for step, column, chooser in _curved(plan):
        if isinstance(chooser.curve, Position):
            by, shape, peak = chooser.reads, chooser.curve.shape, chooser.solved
            yield PeakFacts(sweep=sweep, step=step.id, column=column, rate=step.rate, by=by, shape=shape, peak=peak)


def _curved(plan: Plan) -> Iterator[tuple[StepPlan, str, ByCurve]]:
    steps = {step.id: step for step in plan.steps}
    for (step, column), chooser in plan.choosers.items():
        if isinstance(chooser, ByCurve):
            yield steps[step], column, chooser


def _with_choosers(recipe: Recipe, plan: Plan, solve: Solve) -> Plan:
    choosers = {}
    for step, mechanism, name, asked in _units(recipe, plan):
        solved = None if asked is None else solve(asked, step.rate)
        chooser = mechanism.chooser(name, plan.columns, step.rate, solved)
        if chooser is not None:
            choosers[step.id, name] = chooser
    return replace(plan, choosers=choosers)


def _units(recipe: Recipe, plan: Plan) -> Iterator[tuple[StepPlan, Mechanism, str, CurveRequest | None]]:
    """All that is chosen among but by mcar: the cells of a column, or whole rows, ""."""
    for asked, step in zip(recipe.steps, plan.steps, strict=True):
        if asked.mechanism is not None and isinstance(step.corruption, TableCorruption):
            for name in ("",) if step.corruption.together or step.joint else step.columns:
                yield step, asked.mechanism, name, _request(step, asked.mechanism, name, plan.columns)


def _request(step: StepPlan, mechanism: Mechanism, name: str, columns: Mapping[str, Column]) -> CurveRequest | None:
    curve = mechanism.curve(name, columns)
    as_number = isinstance(step.corruption, TableCorruption) and step.corruption.as_number
    if curve is None:
        return None
    return CurveRequest(step.id, name, curve, as_number, step.where, step.window, step.nulls)
