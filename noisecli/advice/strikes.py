"""Steps that strike nothing, or change nothing."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from noisecli.advice.case import Advice, Case, by_kind, percent
from noisecli.columns import NUMBER, Column
from noisecli.corruption import (
    BlockCorruption,
    CellCorruption,
    JointCorruption,
    RowsCorruption,
    SeriesCorruption,
    TableCorruption,
    TextCorruption,
)
from noisecli.corruptions.table.number import AdditiveNoise, HeavyTailedNoise, MultiplicativeNoise, Unit
from noisecli.plan import StepPlan
from noisecli.recipe import PlannedStep

ON_CELLS = (CellCorruption, SeriesCorruption, TextCorruption, JointCorruption)
SPREADS = {"sd": "standard deviations", "iqr": "interquartile ranges", "range": "ranges"}
DROWNING = 10
"""Spreads of noise beside which those of the data are less than 1 % of the variance."""

OF_ANY_SIZE = (AdditiveNoise, HeavyTailedNoise, MultiplicativeNoise)
"""Noise that leaves no number as it was, but for rounding."""


def strikes_none(case: Case) -> Iterator[Advice]:
    """Rates so low that less than one cell, row or image is expected to be struck."""
    for _, step in case.steps:
        found = dict(_most_eligible(case, step))
        if 0 < sum(most * step.rate_of(name) for name, most in found.items()) < (0.5 if step.exact else 1):
            what = "images" if case.recipe.target == "images" else "cells" if any(found) else "rows"
            text = f"rate {step.rate:g} of {sum(found.values())} {what} strikes none, or one by chance: raise it"
            yield Advice("rate", text, step.id, tuple(name for name in found if name))


def _most_eligible(case: Case, step: StepPlan) -> Iterator[tuple[str, int]]:
    """Say how many cells at the most a step may strike; nothing of parts of texts, and of what lasts."""
    op = step.corruption
    if case.recipe.target == "images":
        yield "", sum(1 for _ in case.prepared.dataset.struck_images())
    elif isinstance(op, RowsCorruption | JointCorruption | BlockCorruption):
        yield "", case.rows
    elif isinstance(op, CellCorruption | SeriesCorruption):
        for name in step.columns:
            filled = case.filled(name)
            yield name, case.rows if step.nulls or filled is None else filled


def nothing_to_strike(case: Case) -> Iterator[Advice]:
    """Columns without any value."""
    empty: dict[str, None] = {}
    for _, step in case.steps:
        strikes = isinstance(step.corruption, TableCorruption) and step.corruption.strikes_columns and not step.nulls
        empty |= dict.fromkeys(name for name in step.columns if strikes and case.rows and case.filled(name) == 0)
    if empty:
        text = "no training row has a value there, so nothing can be struck: leave it out"
        yield Advice("empty", text, columns=tuple(empty))


def nothing_eligible(case: Case) -> Iterator[Advice]:
    """Steps that can change nothing, although there are values."""
    trial = case.trial
    if trial is None or not len(trial.training_rows) >= trial.enough:
        return
    for _, step in case.steps:
        counts = [counts for (name, _), counts in trial.run().tally.items() if name == step.id]
        known = trial.whole or (step.where is None and step.window is None)
        filled = not step.columns or any(case.filled(name) for name in step.columns)
        if counts and known and filled and not any(c.eligible for c in counts):
            keys = [f"`{key}`" for key, said in (("where", step.where), ("window", step.window)) if said]
            why = f"see its {' and '.join(keys)}" if keys else "the op finds nothing that it could change"
            yield Advice("eligible", f"nothing in the first rows can be struck: {why}", step.id, step.columns)


@dataclass(frozen=True)
class _Effect:
    """What became of the cells that a step struck in one of its columns, those left out that it found removed."""

    struck: int
    changed: int


def _effects(case: Case) -> Iterator[tuple[PlannedStep, StepPlan, dict[str, _Effect]]]:
    """Tell of steps that are meant to change all that they strike, where they have struck enough."""
    if case.trial is None:
        return
    tally = case.trial.run().tally
    for asked, step in case.steps:
        op = step.corruption
        if isinstance(op, ON_CELLS) and op.unchanged and not op.keeps_some():
            counts = {name: tally[step.id, name] for name in step.columns if (step.id, name) in tally}
            found = {name: _Effect(c.struck - c.void - c.inexact, c.changed) for name, c in counts.items()}
            yield asked, step, {name: e for name, e in found.items() if e.struck >= case.trial.enough}


def no_spread(case: Case) -> Iterator[Advice]:
    """Noise in units of the spread of columns that have none."""
    for _, step, effects in _effects(case):
        names = [name for name in effects if _has_no_spread(step, case.plan.columns[name])]
        if names:
            text = "all its numbers are equal, so noise in units of their spread is none: leave it out, or say `unit`"
            yield Advice("constant", text, step.id, tuple(names))


def drowns_the_column(case: Case) -> Iterator[Advice]:
    """Noise of so many spreads that a strength in the column's own unit must be meant."""
    for _, step in case.steps:
        op = step.corruption
        if isinstance(op, AdditiveNoise) and op.snr_db is None and op.sigma > DROWNING and op.unit in SPREADS:
            how = "say `unit: absolute` if the column's own is meant"
            what = f"sigma {op.sigma:g} is {op.sigma:g} {SPREADS[op.unit]}, which leaves nothing of its numbers"
            yield Advice("unit", f"{what}: {how}", step.id, step.columns)


def _has_no_spread(step: StepPlan, column: Column) -> bool:
    """Whether a strength goes by the spread of a column that has none."""
    op = step.corruption
    return isinstance(op, Unit) and op.unit not in ("value", "absolute") and op.size(np.zeros(0), column) == 0


def below_resolution(case: Case) -> Iterator[Advice]:
    """Noise that is mostly lost when numbers are written."""
    for _, step, effects in _effects(case):
        names = [name for name, effect in effects.items() if _is_too_fine(case, step, name, effect)]
        if names:
            struck = sum(effects[name].struck for name in names)
            share = percent(struck - sum(effects[name].changed for name in names), struck)
            text = (
                f"{share} of its strikes change nothing, being smaller than half of the last digit{_digit(case, names)}"
            )
            how = ", or allow more `decimals`" if case.plan.columns[names[0]].stored_as_text else ""
            yield Advice("resolution", f"{text}: make it stronger{how}", step.id, tuple(names))


def _is_too_fine(case: Case, step: StepPlan, name: str, effect: _Effect) -> bool:
    """Whether most struck cells stay as they were, and more decimals would let more of them change."""
    column = case.plan.columns[name]
    if case.trial is None or column.kind not in NUMBER or effect.changed >= effect.struck / 2:
        return False
    if _has_no_spread(step, column):
        return False
    if not column.stored_as_text:
        return isinstance(step.corruption, OF_ANY_SIZE)
    return case.trial.finer(step.id).tally[step.id, name].changed > 2 * effect.changed


def without_effect(case: Case) -> Iterator[Advice]:
    """Steps that change nothing of what they strike."""
    for asked, step, effects in _effects(case):
        columns = case.plan.columns
        names = [name for name, effect in effects.items() if effect.changed == 0]
        names = [name for name in names if not _has_no_spread(step, columns[name])]
        names = [name for name in names if not _is_too_fine(case, step, name, effects[name])]
        # What a keyword takes along need not be of use, as long as something is.
        if names and (len(names) == len(effects) or set(names) - set(by_kind(asked, names))):
            assert isinstance(step.corruption, TableCorruption)
            text = f"none of its strikes in the first rows changes anything: {step.corruption.unchanged}"
            yield Advice("unchanged", text, step.id, tuple(names))


def _digit(case: Case, names: list[str]) -> str:
    decimals = {c.decimals[1] if c.decimals else 0 for c in (case.plan.columns[name] for name in names)}
    return f" ({10.0 ** -decimals.pop():g})" if len(decimals) == 1 else ""
