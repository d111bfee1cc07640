"""What only shows between steps, or between steps and roles: ids, order, columns, soft labels."""

from collections.abc import Sequence
from typing import Any

from noisecli.corruption import (
    BlockCorruption,
    FileCorruption,
    JointCorruption,
    RowsCorruption,
    TableCorruption,
    TextCorruption,
)
from noisecli.parameters import plain
from noisecli.recipe.agreement import check_choosing
from noisecli.recipe.checked import PlannedStep
from noisecli.recipe.models import Selector
from noisecli.recipe.override import name_of
from noisecli.recipe.source import Loc, Source


def check_together(source: Source, raw: Sequence[Any], steps: Sequence[PlannedStep | None]) -> None:
    """Check what only shows between steps: equal ids, and rows steps before others."""
    seen: set[str] = set()
    rows_step = ""
    for i, step in enumerate(steps):
        loc = ("steps", i)
        name = name_of(raw[i]) if isinstance(raw[i], dict) else "?"
        if name in seen:
            source.fault((*loc, "id"), f"a second step is called {name!r}: give it an `id:` of its own")
        seen.add(name if name != "?" else "")
        if step is None:
            continue
        if isinstance(step.corruption, FileCorruption):
            continue  # check_dirt sees to these
        check_choosing(source, step, loc)
        if isinstance(step.corruption, RowsCorruption):
            rows_step = step.id
            blind = step.corruption.looks_at() is None
            for key in ("columns", "exact") if blind else ("exact",):
                if key in step.settings.model_fields_set:
                    what = f"op {step.corruption.name!r} strikes whole rows, it takes no {key!r}"
                    with_errors = key == "columns" and "errors" in type(step.corruption).model_fields
                    source.fault((*loc, key), what + (" without `errors`" if with_errors else ""), True)
            continue
        if isinstance(step.corruption, BlockCorruption | JointCorruption):
            for key in ("exact", "decimals") if isinstance(step.corruption, BlockCorruption) else ("exact",):
                if key in step.settings.model_fields_set:
                    source.fault((*loc, key), f"op {step.corruption.name!r} takes no {key!r}", True)
        if isinstance(step.corruption, TextCorruption) and step.exact:
            what = f"op {step.corruption.name!r} strikes parts of texts, of which no exact number is set"
            source.fault((*loc, "exact"), what, True)
        if rows_step:
            source.fault(loc, f"step {step.id!r} must stand before {rows_step!r}: steps on rows come last")


def check_columns(source: Source, roles: Any, steps: Sequence[PlannedStep | None]) -> None:
    """Check that every step on columns names some, or has a role that does."""
    for i, step in enumerate(steps):
        if step is None or not isinstance(step.corruption, TableCorruption) or step.columns is not None:
            continue
        op, role = step.corruption, step.corruption.role
        softens = isinstance(op, JointCorruption) and op.softens  # check_soft_labels asks for the label itself
        if role is None and op.strikes_columns:
            source.fault(("steps", i), f"missing key 'columns' for op {op.name!r}")
        elif role is not None and not softens and not (isinstance(roles, dict) and roles.get(role)):
            source.fault(
                ("steps", i),
                f"op {op.name!r} needs `columns:`, or `data: {{{role}: COLUMN}}` (--set data.{role}=COLUMN)",
            )


def check_soft_labels(source: Source, data: Any, steps: Sequence[PlannedStep | None]) -> None:
    """Check that soft labels have a column, and fit the layout."""
    said = data if isinstance(data, dict) else {}
    several = False
    for i, step in enumerate(steps):
        if step is None or not isinstance(step.corruption, JointCorruption):
            continue
        name = step.corruption.name
        if (step.corruption.softens or step.corruption.pairs_within() == "") and not said.get("label"):
            source.fault(("steps", i), f"op {name!r} needs to know the classes: say `data: {{label: COLUMN}}`")
        elif step.corruption.softens and step.columns is not None:
            _check_softened(source, step.corruption, step.columns, plain(said["label"]), ("steps", i, "columns"))
        if plain(said.get("soft_labels")) != "pair" or not step.corruption.softens:
            continue
        if step.corruption.softens == "uniform" or several:
            uniform = step.corruption.softens == "uniform"
            what = f"a pair of classes cannot say what {name!r} makes" if uniform else "a pair has no third class"
            source.fault(("data", "soft_labels"), f"soft_labels: {what}: use wide or weighted")
        several = True
    ops = [step and step.corruption for step in steps]
    if "soft_labels" in said and None not in ops and not any(getattr(op, "softens", "") for op in ops):
        source.fault(
            ("data", "soft_labels"), "no step makes labels soft: add mixup or label_smoothing, or leave it out", True
        )


def _check_softened(source: Source, op: JointCorruption, columns: Sequence[Selector], label: Any, loc: Loc) -> None:
    """Check that a step that softens the label does so once, and nothing else in its place."""
    if op.role == "label" and list(columns) != [label]:
        source.fault(loc, f"op {op.name!r} is for the label, {label!r}: leave `columns` out", True)
    elif op.role is None and label in columns:
        source.fault(loc, f"op {op.name!r} mixes the label {label!r} in any case: leave it out of `columns`", True)
