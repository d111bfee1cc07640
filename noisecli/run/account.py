"""The account of a run: its manifest, and warnings where a rate could not be reached."""

from dataclasses import asdict
from pathlib import Path

from noisecli import listing
from noisecli import manifest as manifests
from noisecli.corruption import TableCorruption
from noisecli.engine import Tally
from noisecli.manifest import Manifest, StepEntry
from noisecli.plan import Plan, StepPlan
from noisecli.run import prepare
from noisecli.run.execute import Prepared, Record


def account(prepared: Prepared, record: Record, space: Path) -> tuple[Manifest, dict[str, Path]]:
    """Write the manifest of a finished run.

    Returns:
        the manifest, and the files in `space` that shall stand beside the output, by how their names shall end.
    """
    manifest = _manifest(prepared, record)
    made = {} if record.truth is None else {"truth": record.truth.path}
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
        environment=manifests.environment(),
        purpose=recipe.head.purpose,
        seed=recipe.seed,
        rng=manifests.rng(),
        recipe=recipe.document,
        recipe_sha256=manifests.recipe_digest(recipe.document),
        inputs=[record.inputs[path] for path in sorted(record.inputs)],
        facts=prepare.to_facts(prepared.plans),
        steps=[
            _step_entry(folder, step, record.tallies.get(folder, {}))
            for folder, plan in prepared.plans.items()
            for step in plan.steps
        ],
        outputs=sorted(record.outputs, key=lambda entry: (entry.copy_number, entry.path)),
        skipped=[{"path": path, "why": why} for path, why in sorted(record.skipped.items())],
        warnings=[*prepared.warnings, *_code_warnings(record), *record.warnings, *_rates(prepared, record)],
        code=dict(record.code),
    )


def _code_warnings(record: Record) -> list[str]:
    return [f"{name} is not noisecli's code: a replay depends on it, and on what it imports" for name in record.code]


def _rates(prepared: Prepared, record: Record) -> list[str]:
    lines = []
    for folder, plan in prepared.plans.items():
        found = shortfalls(plan, record.tallies.get(folder, {}))
        lines += [f"{folder}: {line}" if folder else line for line in found]
    return lines


def _step_entry(folder: str, step: StepPlan, tally: Tally) -> StepEntry:
    return StepEntry(
        sweep=folder or None,
        id=step.id,
        op=step.corruption.name,
        rate=step.rate,
        exact=step.exact,
        parameters=step.corruption.model_dump(mode="json"),
        columns={column: asdict(counts) for (name, column), counts in tally.items() if name == step.id},
    )


def shortfalls(plan: Plan, tally: Tally) -> list[str]:
    """Say where a rate could not be reached, and why."""
    lines = []
    for step in plan.steps:
        for (name, column), counts in tally.items():
            if name != step.id or step.rate == 0:
                continue
            where = f"step {step.id!r}" + (f", column {column!r}" if column else "")
            kept = counts.struck - counts.void - counts.changed
            if counts.eligible == 0:
                lines.append(f"{where}: nothing is eligible")
            elif counts.struck == 0:
                lines.append(f"{where}: rate {step.rate:g} of {counts.eligible} strikes none")
            if kept > 0:
                reason = step.corruption.unchanged if isinstance(step.corruption, TableCorruption) else "no effect"
                lines.append(f"{where}: {kept} of {counts.struck} struck came out unchanged: {reason}")
            if counts.void:
                on_table = isinstance(step.corruption, TableCorruption)
                reason = "had been removed by an earlier step" if on_table else "cannot be read and are carried"
                lines.append(f"{where}: {counts.void} of {counts.struck} struck {reason}")
            if counts.clipped:
                lines.append(f"{where}: {counts.clipped} results were clipped into the range of the column's type")
    return lines
