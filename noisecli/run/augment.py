"""The doors: plan, survey, corrupt, write, commit."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from noisecli import manifest as manifests
from noisecli import recipe as recipes
from noisecli.errors import DataProblem
from noisecli.executors import leave_if_worker, local
from noisecli.facts import Facts
from noisecli.manifest import Manifest
from noisecli.plan import Plan
from noisecli.recipe import Recipe
from noisecli.run import prepare
from noisecli.run.account import account
from noisecli.run.commit import commit, keep_sources
from noisecli.run.dataset import Dataset, find_target
from noisecli.run.execute import (
    TASK_IMAGES,
    Meter,
    Prepared,
    Progress,
    write_others,
    write_tables,
)
from noisecli.run.guard import Watch, check_room, told_when_full
from noisecli.run.images.boxes import write_boxes
from noisecli.run.images.labels import follows, write_labels
from noisecli.run.inspect import as_path, makes_several, pinned_facts, prepare_run, settle_place, settle_workers
from noisecli.run.intervals import IntervalTable
from noisecli.run.marks import Marks, files_read
from noisecli.run.outside import Outside, only_own_code, settle_again, settle_outside
from noisecli.run.pairing import columns_of_partners, with_partners
from noisecli.run.record import Record
from noisecli.run.resume import Log, left_terms, refuse_other_terms, terms_of
from noisecli.run.truth import Truth
from noisecli.run.unchanged import keep_times
from noisecli.run.workspace import workspace


@dataclass(frozen=True)
class Outcome:
    """What a run made."""

    output: Path
    manifest_path: Path
    manifest: Manifest
    unchanged: bool = False
    """Whether it stood there already, byte for byte, and was left alone."""
    resumed: int = 0
    """How much was done by a run that was killed: tasks, and tables put together."""
    anew: bool = False
    """Whether such a run had left something, and nothing of it could be used."""


def augment(
    source: str | Path,
    recipe: str | Path | Mapping[str, Any],
    output: str | Path,
    *,
    overrides: Sequence[recipes.Override] = (),
    severity: int | None = None,
    truth: bool = False,
    facts: Facts | None = None,
    allow_code: bool = False,
    workers: int | None = 1,
    force: bool = False,
    if_changed: bool = False,
    resume: bool = False,
    stamp: str | Path | None = None,
    depfile: str | Path | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Write noisy copies of a dataset, and a manifest beside them.

    Args:
        source: a CSV, JSON Lines, Parquet or Arrow file, an image, a tar of images, or a folder of them.
        recipe: a YAML file, `file#key`, `builtin:NAME`, or the recipe as a mapping.
        output: where the copy goes; one file in and one copy give a file, else a folder.
        overrides: (dotted path, value, name for faults) that replace what the recipe says.
        severity: replaces the severity of every step that has one, 0..5.
        truth: write down every cell that really changed, in `OUTPUT.noisecli-truth.parquet`, and from when to when
            faults lasted, in `OUTPUT.noisecli-intervals.parquet`.
        facts: those that a manifest has, instead of those of the data; the recipe's own `facts` come first.
        allow_code: let steps with `op: custom` import and run the functions that they name.
        workers: processes; None: one a core. The result does not depend on it. More than one need the caller's script
            to be importable, its work under `if __name__ == "__main__":`.
        force: replace an output that exists.
        if_changed: replace one that exists where it differs: files that come out with equal bytes keep their
            modification times, and where all do nothing is touched.
        resume: go on with a run that was killed, where one was; the result is that of a run that was not. Refused where
            recipe, input or versions are others; with `force` or `if_changed` the run starts anew then.
        stamp: a file that is written once the output stands. It holds a digest of what was made, and its modification
            time is that of the run even where nothing changed.
        depfile: where to write a rule for Make: the stamp, or else the output, depends on everything that was read.
        progress: told the stage, and bytes done of bytes in all.

    Returns:
        where the output and its manifest stand, and the manifest.

    Raises:
        NoiseError: a fault of the recipe, the arguments, the data or the environment.
        OSError: a file that cannot be read or written.
    """
    leave_if_worker()
    root, _ = as_path(source, "source"), as_path(output, "output")
    target = find_target(root)
    checked = recipes.load(recipe, target=target, overrides=overrides, severity=severity)
    outside = settle_outside(checked, allow_code)
    dataset, place = _find(root, checked, output, force or if_changed, resume)
    if resume:  # a recipe without a seed goes on with that of the killed run
        seed = left_terms(place).get("seed")
        checked = recipes.load(recipe, target=target, overrides=overrides, severity=severity, seed=seed)
    marks = Marks(*(None if name is None else as_path(name, "stamp, depfile") for name in (stamp, depfile)))
    read = files_read(recipe, checked, dataset, outside)
    keep_sources(place, read)
    marks.check(place, root, read)
    known = pinned_facts(checked) or facts
    outcome = _run(dataset, checked, place, known, truth, outside, workers, force, if_changed, progress, resume)
    marks.write(place, read, outcome.manifest)
    return outcome


def replay(
    given: str | Path,
    source: str | Path,
    output: str | Path,
    *,
    allow_code: bool = False,
    workers: int | None = 1,
    force: bool = False,
    if_changed: bool = False,
    progress: Progress | None = None,
) -> tuple[Outcome, list[str], list[str]]:
    """Do again what a manifest records, with the facts that it records.

    Args:
        given: the manifest, or the output it belongs to.
        source: the input; it must be what the manifest says.
        allow_code: as for `augment`; also let steps read files that the manifest names outside of its own folder and
            the working one.
        output, workers, force, if_changed, progress: as for `augment`.

    Returns:
        the outcome, the outputs that differ in their bytes but not in content, and those that differ in content.

    Raises:
        DataProblem: the input, or code that a step runs, differs from what the manifest records.
        SystemProblem: a package that ops of the run came with is not installed.
    """
    leave_if_worker()
    root, _ = as_path(source, "source"), as_path(output, "output")
    manifest = manifests.locate(as_path(given, "given"))
    recorded = manifests.read(manifest)
    faults = manifests.check(recorded.inputs, root)
    if faults:
        raise DataProblem("the input is not the one of the manifest:\n" + "\n".join(faults))
    manifests.require_packages(recorded)
    recipe = recipes.load(recorded.recipe, target=find_target(root))
    outside = settle_again(recipe, allow_code, recorded, manifest.parent)
    dataset, place = _find(root, recipe, output, force or if_changed)
    truth = recorded.truth is not None
    outcome = _run(dataset, recipe, place, recorded.facts, truth, outside, workers, force, if_changed, progress)
    same_content, different = _compare(recorded, outcome.manifest)
    for key in ("truth", "intervals"):
        told, again = getattr(recorded, key), getattr(outcome.manifest, key)
        if told is not None and (again is None or again.sha256 != told.sha256):
            different.append(manifests.beside(outcome.output, manifests.COMPANIONS[key]).name)
    return outcome, same_content, different


def _compare(recorded: Manifest, again: Manifest) -> tuple[list[str], list[str]]:
    made = {entry.path: entry for entry in again.outputs}
    same_content: list[str] = []
    different: list[str] = []
    for entry in recorded.outputs:
        mine = made.pop(entry.path, None)
        if mine is None:
            different.append(entry.path)
        elif mine.sha256 != entry.sha256:
            same = entry.content is not None and entry.content == mine.content
            (same_content if same else different).append(entry.path)
    return same_content, [*different, *made]


def _find(
    root: Path, recipe: Recipe, output: str | Path, replacing: bool, resume: bool = False
) -> tuple[Dataset, Path]:
    """Return the input, and where the output will stand."""
    dataset = prepare.find(recipe, root)
    return dataset, settle_place(dataset, recipe, output, replacing, mend=True, resume=resume)


def _run(
    dataset: Dataset,
    recipe: Recipe,
    output: Path,
    facts: Facts | None,
    truth: bool,
    outside: Outside,
    workers: int | None,
    force: bool,
    if_changed: bool,
    progress: Progress | None,
    resume: bool = False,
) -> Outcome:
    watch, meter = Watch(dataset), Meter(progress)
    terms = terms_of(recipe, watch.seen, facts, outside)
    if resume and not (force or if_changed):
        refuse_other_terms(output, terms)
    outputs = recipe.head.copies * len(recipe.variants)
    workers = settle_workers(workers, _tasks(dataset, watch.size) * outputs)
    with (
        told_when_full(output),
        workspace(output, keep=resume) as space,
        watch.explaining(),
        local(workers, only_own_code(recipe)) as pool,
    ):
        log = Log(space, terms)
        prepared = prepare_run(recipe, dataset.spooled(space), facts, pool, meter)
        if truth or any(plan.scatters or _lasts(plan) for plan in prepared.plans.values()):
            log.forget()
        check_room(prepared, watch.size, output, log.size)
        prepared = replace(prepared, plans=_with_partners(prepared, space / "partners"))
        if truth:
            prepared = replace(prepared, plans={key: plan.telling() for key, plan in prepared.plans.items()})
        lasting = any(map(_lasts, prepared.plans.values()))
        data = space / "data"
        if makes_several(dataset, recipe):
            data.mkdir(exist_ok=True)
        meter.start("write", watch.size * len(recipe.head.written) * len(recipe.variants))
        with (
            Truth(space / "truth") if truth else nullcontext() as lines,
            IntervalTable(space / "intervals") if lasting else nullcontext() as intervals,
        ):
            record = Record(skipped=dict(dataset.left_out), truth=lines, intervals=intervals, outside=outside)
            record.made = [] if follows(prepared) else None
            if recipe.target == "table":
                write_tables(prepared, record, pool, log, data, space, meter)
            write_others(prepared, record, pool, log, data, meter)
            write_labels(prepared, record, data, space)
            write_boxes(prepared, record, data)
        result, companions = account(prepared, record, space)
        watch.check(record.inputs)
        unchanged = if_changed and keep_times({**companions, "": data}, output)
        if not unchanged:
            commit(space, data, companions, output, force or if_changed)
    return Outcome(output, manifests.path_for(output), result, unchanged, log.taken, log.starts_anew)


def _lasts(plan: Plan) -> bool:
    """Whether it is written down from when to when faults last."""
    return plan.series is not None and plan.series.told


def _with_partners(prepared: Prepared, folder: Path) -> Mapping[str, Plan]:
    names = {name for plan in prepared.plans.values() for name in columns_of_partners(plan)}
    if not names:
        return prepared.plans
    split = prepare.split_column(prepared.recipe)
    names |= {split} if split is not None else set()
    files = prepared.dataset.struck
    read = ((file.address, (slab for _, slab in file.table().scan(sorted(names)))) for file in files)
    return with_partners(prepared.plans, read, files[0].table().fields(), folder)


def _tasks(dataset: Dataset, size: int) -> int:
    """How many tasks a copy is at the most, so that small runs start no processes."""
    if dataset.target == "images":
        return max(len(dataset.files) // TASK_IMAGES, size >> 22)
    whole = not any(file.table().splits for file in dataset.struck)
    return max(1, min(len(dataset.files), size >> 22) if whole else size >> 22)
