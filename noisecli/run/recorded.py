"""Facts in a manifest: written down after a run, and taken from there instead of from the data."""

from collections.abc import Iterable, Mapping
from itertools import product

import numpy as np
import pyarrow as pa

from noisecli.columns import CATEGORY, NUMBER, Column, Kind
from noisecli.corruption import TableCorruption
from noisecli.errors import DataProblem
from noisecli.facts import ColumnFacts, Facts, QuotaFacts
from noisecli.plan import Plan, QuotaKey, StepPlan
from noisecli.quota import Quota
from noisecli.recipe import Variant
from noisecli.run.choose import peaks, recorded_choosers, shifts
from noisecli.run.facts import recorded_column
from noisecli.run.joint import covariance_facts, plan_soft_labels, softening, with_covariances
from noisecli.run.prepare import plan_step, split_column
from noisecli.run.selection import Selection
from noisecli.run.series import plan_series, series_columns

MEASURED = frozenset({"mean", "sd", "min", "max", "q1", "median", "q3", "counts", "words"})
"""Facts that every column of a fitting kind has for which they were asked."""


def to_facts(plans: Mapping[str, Plan]) -> Facts:
    """Write down what the survey found for each variant, for the manifest."""
    columns: dict[str, ColumnFacts] = {}
    quotas = []
    for folder, plan in plans.items():
        for name, column in plan.columns.items():
            found = {key: getattr(column, key) for key in ColumnFacts.model_fields if key != "storage"}
            if column.kind not in CATEGORY:  # asked for by a step on `all` that passes over it, so not a fact
                del found["categories"], found["counts"]
            known = {key: value for key, value in found.items() if not (isinstance(value, float) and np.isnan(value))}
            columns[name] = ColumnFacts(storage=str(column.storage), **known)
        rates = {step.id: step.rate for step in plan.steps}
        quotas += [
            QuotaFacts(sweep=folder or None, step=step, column=column, copy=copy, rate=rates[step], limits=quota.limits)
            for (step, column, copy), quota in sorted(plan.quotas.items())
        ]
    curves = [entry for folder, plan in plans.items() for entry in shifts(plan, folder or None)]
    tops = [entry for folder, plan in plans.items() for entry in peaks(plan, folder or None)]
    together = covariance_facts(plans.values())
    return Facts(columns=columns, quotas=quotas, shifts=curves, covariances=together, peaks=tops)


def plan_from_facts(variant: Variant, selection: Selection, fields: Mapping[str, pa.DataType], facts: Facts) -> Plan:
    """Settle the plan on facts recorded earlier, without looking at the data."""
    recipe = variant.recipe
    columns = {
        name: recorded_column(name, found, fields[name]) for name, found in facts.columns.items() if name in fields
    }
    named = {choice.column for choices in selection.values() for choice in choices if choice.named}
    split = split_column(recipe)
    named |= {name for step in recipe.steps for name in step.asks} | set(series_columns(recipe))
    named |= {recipe.head.data.label or ""} if softening(recipe) else set()
    if not (named | {split} - {None}) <= set(columns):
        raise DataProblem("the manifest has no facts of some columns that its recipe names")
    for name, how in recipe.head.data.column_types.items():
        if name in columns and (columns[name].kind, columns[name].format) != (how.dtype, how.format):
            message = "the manifest's facts are of another type or format: leave `facts:` out, or the type as it was"
            recipe.source.fault(("data", "types", name), message)
    steps = tuple(plan_step(recipe, step, selection, columns) for step in recipe.steps)
    _check_needs(steps, columns)
    soft, series = plan_soft_labels(recipe, columns), plan_series(recipe, columns)
    recipe.source.raise_faults()
    ours = [entry for entry in facts.quotas if entry.sweep == (variant.folder or None)]
    recorded = {(entry.step, entry.column, entry.copy_number): entry.limits for entry in ours}
    rates = {entry.step: entry.rate for entry in ours}
    quotas: dict[QuotaKey, Quota] = {}
    for step in steps:
        if rates.get(step.id, step.rate) != step.rate:
            raise DataProblem(
                f"the manifest's quotas of step {step.id!r} are for rate {rates[step.id]}, not {step.rate:g}: "
                "leave `facts:` out, or the rate as it was"
            )
        for column in step.columns if step.exact else ():
            stratified = isinstance(step.corruption, TableCorruption) and step.corruption.stratified
            strata = columns[column].categories if stratified else None
            for copy in range(1, recipe.head.copies + 1):
                limits = recorded.get((step.id, column, copy), ())
                if len(limits) != (1 if strata is None else len(strata)):
                    raise DataProblem(f"the manifest's quotas of step {step.id!r}, column {column!r}, do not fit")
                quotas[step.id, column, copy] = Quota(strata, limits)
    plan = Plan(recipe.seed, steps, columns, quotas, split=split, soft=soft, series=series)
    return recorded_choosers(recipe, with_covariances(plan, facts.covariances), facts, variant.folder or None)


def _check_needs(steps: Iterable[StepPlan], columns: Mapping[str, Column]) -> None:
    """Refuse facts that lack some which a step needs; which categories and covariances there are is checked apart."""
    for step in steps:
        assert isinstance(step.corruption, TableCorruption)
        for fact, name in product(sorted(step.corruption.needs() & MEASURED), step.columns):
            if _lacks(columns[name], fact):
                raise DataProblem(
                    f"the manifest has no {fact} of column {name!r}, which step {step.id!r} needs: leave `facts:` out, "
                    "or take them from a run of this step"
                )


def _lacks(column: Column, fact: str) -> bool:
    """Whether a column of this kind has such a fact, and it was not recorded."""
    if fact == "words":
        return column.kind is Kind.TEXT and column.words is None
    if fact == "counts":
        return column.categories is not None and column.counts is None
    return column.kind in NUMBER and bool(np.isnan(getattr(column, fact)))
