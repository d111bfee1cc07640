"""Spill the rows that others are paired with, before the first byte is written."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from noisecli.corruption import JointCorruption
from noisecli.engine import Slab, strikeable
from noisecli.partners import Batches, Pairing, spill
from noisecli.plan import Plan


def columns_of_partners(plan: Plan) -> list[str]:
    """Columns whose cells are fetched from partners; none where no step pairs rows."""
    names: list[str] = []
    for step in plan.steps:
        if isinstance(step.corruption, JointCorruption) and step.corruption.pairs:
            names += step.columns
            names += [plan.soft.label] if plan.soft is not None and step.corruption.softens else []
            names += [step.within] if step.within is not None else []
    return list(dict.fromkeys(names))


def pairings_of(plan: Plan) -> list[Pairing]:
    """Say what partners of rows have to be, over all steps."""
    found: list[Pairing] = []
    for step in plan.steps:
        if isinstance(step.corruption, JointCorruption) and step.corruption.pairs:
            found += [plan.pairing(step, unit) for unit in ([""] if step.corruption.together else step.columns)]
    return list(dict.fromkeys(pairing for pairing in found if pairing != (None, None)))


Read = Iterable[tuple[str, Iterable[Slab]]]
"""Addresses of files, and their slabs with the columns of partners and the split column."""


def with_partners(
    plans: Mapping[str, Plan], read: Read, fields: Mapping[str, pa.DataType], folder: Path
) -> dict[str, Plan]:
    """Spill what steps ask of partners to a folder, and say in the plans where it is."""
    names = list(dict.fromkeys(name for plan in plans.values() for name in columns_of_partners(plan)))
    if not names:
        return dict(plans)
    pairings = list(dict.fromkeys(pairing for plan in plans.values() for pairing in pairings_of(plan)))
    split = next(iter(plans.values())).split
    schema = pa.schema([(name, fields[name]) for name in names])
    folder.mkdir()
    partners = spill(_batches(read, names, split, schema), schema, pairings, folder)
    return {key: replace(plan, partners=partners) for key, plan in plans.items()}


def _batches(read: Read, names: Sequence[str], split: str | None, schema: pa.Schema) -> Batches:
    for address, slabs in read:
        for slab in slabs:
            training = pa.array(strikeable(slab, split))
            cells = [slab.cells[name].filter(training) for name in names]
            yield address, slab.first_row, pa.RecordBatch.from_arrays(cells, schema=schema)
