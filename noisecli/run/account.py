"""The account of a run: its manifest, and warnings where a rate could not be reached."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from noisecli import listing
from noisecli import manifest as manifests
from noisecli.columns import Column
from noisecli.corruption import (
    CellCorruption,
    ImageCorruption,
    ImageFileCorruption,
    ImageLabelCorruption,
    JointCorruption,
    MixingCorruption,
    TableCorruption,
)
from noisecli.corruptions.table.relabel import label_of
from noisecli.engine import Counts, Tally
from noisecli.engine.edits import MOST_CATEGORIES
from noisecli.manifest import Manifest, StepEntry
from noisecli.mechanism import ByCurve, ByGroup, Position, Runs
from noisecli.plan import Plan, StepPlan
from noisecli.run.execute import Prepared
from noisecli.run.images.classes import Classes
from noisecli.run.outside import packages
from noisecli.run.record import Record
from noisecli.run.recorded import to_facts


def account(prepared: Prepared, record: Record, space: Path) -> tuple[Manifest, dict[str, Path]]:
    """Write the manifest of a finished run.

    Returns:
        the manifest, and the files in `space` that shall stand beside the output, by how their names shall end.
    """
    manifest = _manifest(prepared, record)
    told = {"truth": record.truth, "intervals": record.intervals}
    made = {key: lines.path for key, lines in told.items() if lines is not None}
    if sum(map(len, manifest.lists.values())) > manifests.MOST_LISTED:
        made["files"] = space / "files"
        listing.write(made["files"], manifest.lists)
    manifest = manifest.model_copy(update={key: manifests.describe(path) for key, path in made.items()})
    standing = space / "manifest"
    standing.write_bytes(manifest.to_bytes())
    return manifest, {**{manifests.COMPANIONS[key]: path for key, path in made.items()}, manifests.SUFFIX: standing}


def _manifest(prepared: Prepared, record: Record) -> Manifest:
    recipe = prepared.recipe
    return Manifest(
        environment=manifests.environment(packages(recipe)),
        purpose=recipe.head.purpose,
        seed=recipe.seed,
        rng=manifests.rng(),
        recipe=recipe.document,
        recipe_sha256=manifests.recipe_digest(recipe.document),
        inputs=[record.inputs[path] for path in sorted(record.inputs)],
        facts=to_facts(prepared.plans),
        steps=[
            _step_entry(folder, plan, step, record.tallies.get(folder, {}), prepared.classes)
            for folder, plan in prepared.plans.items()
            for step in plan.steps
        ],
        outputs=sorted(record.outputs, key=lambda entry: (entry.copy_number, entry.path)),
        skipped=[{"path": path, "why": why} for path, why in sorted(record.skipped.items())],
        warnings=[*prepared.warnings, *_code_warnings(record), *record.warnings, *_rates(prepared, record)],
        code=dict(record.outside.code),
        read=dict(record.outside.files),
    )


def _code_warnings(record: Record) -> list[str]:
    code = record.outside.code
    return [f"{name} is not noisecli's code: a replay depends on it, and on what it imports" for name in code]


def _rates(prepared: Prepared, record: Record) -> list[str]:
    """Say each shortfall once, with the first combination of a sweep that it is about."""
    found: dict[str, list[str]] = {}
    for folder, plan in prepared.plans.items():
        tally = record.tallies.get(folder, {})
        emptied = _emptied(plan, tally, prepared.classes, prepared.recipe.head.copies)
        for line in [*shortfalls(plan, tally), *emptied]:
            found.setdefault(line, []).append(folder)
    return [f"{_and_more(folders)}: {line}" if folders[0] else line for line, folders in found.items()]


def _emptied(plan: Plan, tally: Tally, classes: Classes | None, copies: int) -> Iterator[str]:
    """Say which classes have no training image left: their folders are gone, and readers number classes by folders."""
    if classes is None:
        return
    left = np.array(classes.as_column.counts) * copies
    for step in plan.steps:
        if isinstance(step.corruption, ImageLabelCorruption) and (step.id, "") in tally:
            for (old, new), count in tally[step.id, ""].transitions.items():
                left[old] -= count
                left[new] += count
    names = [repr(classes.names[i]) for i in np.flatnonzero(left == 0)]
    if names:
        yield f"no training image is left in class {', '.join(names[:3])}" + (" and more" if len(names) > 3 else "")


def _and_more(folders: Sequence[str]) -> str:
    return folders[0] + (f" and {len(folders) - 1} more" if len(folders) > 1 else "")


def _step_entry(folder: str, plan: Plan, step: StepPlan, tally: Tally, classes: Classes | None) -> StepEntry:
    mine = {column: counts for (name, column), counts in tally.items() if name == step.id}
    op = step.corruption
    labels = {"": classes.as_column} if classes is not None and isinstance(op, ImageLabelCorruption) else {}
    tells = bool(labels) or (isinstance(op, CellCorruption) and op.tells_transitions)
    pairs = isinstance(op, MixingCorruption) or (isinstance(op, JointCorruption) and op.pairs)
    return StepEntry(
        sweep=folder or None,
        id=step.id,
        op=op.name,
        rate=step.rate,
        exact=step.exact,
        parameters=op.model_dump(mode="json"),
        columns={column: counts.numbers() for column, counts in mine.items()},
        rates=None if step.patterns is None else {column: step.rate_of(column) for column in step.columns},
        transitions=_transitions({**plan.columns, **labels}, mine) if tells else None,
        cer={name: round(c.edited / c.characters, 6) for name, c in mine.items() if c.characters} or None,
        pairs=pairs or None,
        outgoing={name: str(type_) for name, type_ in step.outgoing.items()} or None,
    )


def _transitions(columns: Mapping[str, Column], counts: Mapping[str, Counts]) -> dict[str, dict[str, dict[str, int]]]:
    """Say by name how often each category of each column became each other one, in the order of the categories."""
    told: dict[str, dict[str, dict[str, int]]] = {}
    for column, found in counts.items():
        names = [label_of(category) for category in columns[column].categories or ()]
        if 0 < len(names) <= MOST_CATEGORIES:
            told[column] = {}
            for (old, new), count in sorted(found.transitions.items()):
                told[column].setdefault(names[old], {})[names[new]] = count
    return told


def shortfalls(plan: Plan, tally: Tally) -> list[str]:
    """Say where a rate could not be reached, and why: a line for each step and reason."""
    lines = []
    for step in plan.steps:
        counts = {column: counts for (name, column), counts in tally.items() if name == step.id and step.rate > 0}
        for text, count in _remarks(plan, step):
            concerned = {column: c for column, c in counts.items() if count(column, c) > 0}
            if concerned:
                sums = {key: sum(getattr(c, key) for c in concerned.values()) for key in ("eligible", "struck")}
                said = text.format(count=sum(count(column, c) for column, c in concerned.items()), **sums)
                lines.append(f"step {step.id!r}{_columns(list(concerned))}: {said}")
    return lines


def _remarks(plan: Plan, step: StepPlan) -> Iterator[tuple[str, Callable[[str, Counts], int]]]:
    """What may have to be said of a step, and how many cells of a column it is about."""
    on_table = isinstance(step.corruption, TableCorruption)
    op = step.corruption
    unchanged = op.unchanged if isinstance(op, TableCorruption | ImageCorruption | ImageFileCorruption) else ""
    if isinstance(op, TableCorruption) and op.keeps_some():
        unchanged = ""
    lost = "could not be changed any more after an earlier step" if on_table else "cannot be read and are carried"
    narrow = [f"its `{key}`" for key, said in (("where", step.where), ("window", step.window)) if said]
    yield "nothing is eligible" + (f"; see {' and '.join(narrow)}" if narrow else ""), lambda _, c: c.eligible == 0
    yield f"rate {step.rate:g} of {{eligible}} strikes none", lambda _, c: c.eligible > 1 and c.struck == 0
    yield (
        f"{{struck}} of {{eligible}} struck, far from the rate {step.rate:g}: the groups or runs are few and large",
        lambda column, c: _in_bulk(plan, step, column) and _far(c, step.rate_of(column)),
    )
    yield (
        f"{{struck}} of {{eligible}} struck, not the rate {step.rate:g}: the chance is 1 where it is highest",
        lambda column, c: _at_its_peak(plan, step, column) and _short(c, step.rate_of(column)),
    )
    if unchanged:
        yield (
            f"{{count}} of {{struck}} struck came out unchanged: {unchanged}",
            lambda _, c: c.struck - c.void - c.inexact - c.changed,
        )
    yield (
        "{count} of {struck} struck are integers beyond 2^53, too large for arithmetic in float64",
        lambda _, c: c.inexact,
    )
    yield f"{{count}} of {{struck}} struck {lost}", lambda _, c: c.void
    yield "{count} results were clipped into the range of the column's type", lambda _, c: c.clipped


def _in_bulk(plan: Plan, step: StepPlan, column: str) -> bool:
    return isinstance(plan.chooser(step, column), ByGroup | Runs)


def _at_its_peak(plan: Plan, step: StepPlan, column: str) -> bool:
    chooser = plan.chooser(step, column)
    return isinstance(chooser, ByCurve) and isinstance(chooser.curve, Position) and chooser.solved == 1


def _far(counts: Counts, rate: float) -> bool:
    """Whether less than half or more than twice of what was asked for is struck, where that is no trifle."""
    asked = rate * counts.eligible
    return asked >= 20 and counts.struck > 0 and not asked / 2 <= counts.struck <= 2 * asked


def _short(counts: Counts, rate: float) -> bool:
    """Whether fewer are struck than chance explains, four standard deviations of independent strikes."""
    asked = rate * counts.eligible
    return counts.struck > 0 and counts.struck < asked - 4 * math.sqrt(asked * (1 - rate))


def _columns(names: Sequence[str]) -> str:
    if len(names) == 1:
        return f", column {names[0]!r}" if names[0] else ""
    some = ", ".join(map(repr, names[:3])) + (" and more" if len(names) > 3 else "")
    return f", {len(names)} columns ({some})"
