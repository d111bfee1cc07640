"""Which steps have enough to strike: a low rate of few cells strikes none, and a warning says so."""

from collections.abc import Iterable
from dataclasses import replace

import pyarrow.compute as pc

from noisecli.columns import Kind
from noisecli.corruption import TextCorruption, find_op
from noisecli.starter.draft import Columns, Draft, Group, Step
from noisecli.starter.profile import Profile

FEWEST = 5
"""Strikes, or runs of them, that a step should make of a column."""

ON_SEVERAL = frozenset({"cross_talk", "monotone_missing"})
"""Ops that say nothing of a column alone."""


def with_enough(draft: Draft, columns: Columns) -> Draft:
    """Leave columns out of steps that would hardly be struck, and steps that have no others.

    Where nothing would be left, as of a table of ten rows, the draft stays as it is.
    """
    groups = [Group(group.title, list(_kept(group.steps, columns))) for group in draft.groups]
    settled = replace(draft, groups=groups)
    if settled.steps or not draft.steps:
        return settled
    few = "There are so few rows that low rates may strike none of them: raise the rates."
    return replace(draft, notes=[*draft.notes, few])


def _kept(steps: Iterable[Step], columns: Columns) -> Iterable[Step]:
    for step in steps:
        if step.columns is None:
            yield step
            continue
        enough = [found for found in step.columns if _strikes(step, found, columns) >= FEWEST]
        if len(enough) > (step.op in ON_SEVERAL):
            yield replace(step, columns=enough)


def _strikes(step: Step, found: Profile, columns: Columns) -> float:
    """How many strikes, or runs, are to be expected."""
    if not columns.look.opened.excerpt.whole:
        return FEWEST  # what was looked at is but a part
    op = find_op("table", step.op)
    assert op is not None
    severity = step.settings.get("severity")
    preset = op.severities[severity - 1] if severity else {}
    rate = step.settings.get("rate", preset.get("rate", op.default_rate))
    length = step.settings.get("mechanism", {}).get("burst", {}).get("length", 1)
    unit = "cell"
    if issubclass(op, TextCorruption) and found.column.kind is Kind.TEXT:
        unit = step.settings.get("unit", op.model_fields["unit"].default)
    return float(_units(found, unit) * columns.training * rate / length)


def _units(found: Profile, unit: str) -> float:
    if unit == "cell":
        return found.filled
    counts = pc.count_substring_regex(found.cells, r"\S+") if unit == "word" else pc.utf8_length(found.cells)
    return float(pc.sum(counts).as_py() or 0)
