"""What columns the copies have: those that a step turns to text, and those that it adds."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace

import pyarrow as pa

from noisecli.corruption import TableCorruption
from noisecli.plan import SOURCE_ROW, Plan
from noisecli.recipe import PlannedStep, Recipe

SHOWN = 3
"""So many columns are listed in a message."""


def settle_outgoing(recipe: Recipe, plan: Plan, names: Collection[str]) -> Plan:
    """Settle which columns each step widens or adds, given the names of the input's.

    A step of rate 0 does nothing, so it does neither.
    """
    added: dict[str, str] = {}
    if recipe.head.data.source_row and SOURCE_ROW in names:
        message = f"source_row: the input has a column {SOURCE_ROW!r} already: rename it, or use that one"
        recipe.source.fault(("data", "source_row"), message, at_key=True)
    steps = []
    for asked, step in zip(recipe.steps, plan.steps, strict=True):
        op = step.corruption
        outgoing: dict[str, pa.DataType] = {}
        if isinstance(op, TableCorruption) and step.rate > 0:
            columns = {name: plan.columns[name] for name in step.columns}
            outgoing = {name: pa.string() for name in columns if op.widens(columns[name]) is not None}
            soft = plan.soft if plan.soft is not None and plan.soft.number == asked.number else None
            new = {} if soft is None else soft.types(plan.columns[soft.label])
            for name in new:
                owner = "the input" if name in names else f"step {added[name]!r}" if name in added else ""
                if owner:
                    _fault(recipe, asked, f"column {name!r}, which the step adds, is there already, from {owner}")
            added |= dict.fromkeys(new, step.id)
            outgoing |= new
        steps.append(replace(step, outgoing=outgoing))
    plan = replace(plan, source_row=recipe.head.data.source_row)
    settled = replace(plan, steps=tuple(steps))
    if plan.soft is not None and plan.soft.label in settled.outgoing:
        last = steps[plan.soft.number]
        types = plan.soft.types(settled.working[plan.soft.label])
        steps[plan.soft.number] = replace(last, outgoing={**last.outgoing, **types})
        settled = replace(plan, steps=tuple(steps))
    for asked, step in zip(recipe.steps, steps, strict=True):
        if not settled.outgoing.keys().isdisjoint(step.columns) and isinstance(step.corruption, TableCorruption):
            objection = step.corruption.objection_to_all([settled.working[name] for name in step.columns])
            if objection is not None:
                _fault(
                    recipe, asked, f"op {step.corruption.name!r} {objection}; a step turns {_widened(settled)} to text"
                )
    recipe.source.raise_faults()
    return settled


def _widened(plan: Plan) -> str:
    return _listed([name for name in plan.outgoing if name in plan.columns])


def _fault(recipe: Recipe, step: PlannedStep, message: str) -> None:
    recipe.source.fault(("steps", step.number), message)


def widenings(plans: Iterable[Plan]) -> list[str]:
    """Say which columns become text, and why; in a sweep once for all its variants."""
    return list(dict.fromkeys(line for plan in plans for line in _widenings(plan)))


def _widenings(plan: Plan) -> Iterator[str]:
    for step in plan.steps:
        columns: dict[str, list[str]] = {}
        for name in step.outgoing:
            if name in plan.columns and isinstance(step.corruption, TableCorruption):
                columns.setdefault(step.corruption.widens(plan.columns[name]) or "", []).append(name)
        for text, names in columns.items():
            one = len(names) == 1
            which = f"column {names[0]!r} becomes" if one else f"{len(names)} columns ({_listed(names)}) become"
            yield f"{which} text, since step {step.id!r} writes {text!r} into {'it' if one else 'them'}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:SHOWN])) + (" and more" if len(names) > SHOWN else "")
