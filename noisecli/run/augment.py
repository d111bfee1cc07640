"""The doors: plan, survey, corrupt, write, commit."""

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from noisecli import manifest as manifests
from noisecli import recipe as recipes
from noisecli.errors import DataProblem, UsageProblem
from noisecli.executors import Pool, available_cores, local
from noisecli.facts import Facts
from noisecli.manifest import Manifest
from noisecli.plan import Plan
from noisecli.recipe import Recipe
from noisecli.run import prepare, work
from noisecli.run.account import account
from noisecli.run.choose import settle_choosers
from noisecli.run.commit import check_output, commit, settle_output, workspace
from noisecli.run.dataset import Dataset, discover, find_target
from noisecli.run.dirt import leave_dirt_out, refuse_dirt
from noisecli.run.execute import (
    TASK_IMAGES,
    Meter,
    Prepared,
    Progress,
    Record,
    check_names,
    write_files,
    write_tables,
)
from noisecli.run.facts import find_facts
from noisecli.run.intervals import IntervalTable
from noisecli.run.joint import settle_covariances
from noisecli.run.outgoing import settle_outgoing, widenings
from noisecli.run.outside import Outside, settle_code, settle_files, settle_outside
from noisecli.run.pairing import columns_of_partners, with_partners
from noisecli.run.recorded import plan_from_facts
from noisecli.run.selection import left_out, select
from noisecli.run.truth import Truth
from noisecli.survey import Request, Survey


@dataclass(frozen=True)
class Outcome:
    """What a run made."""

    output: Path
    manifest_path: Path
    manifest: Manifest


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
    progress: Progress | None = None,
) -> Outcome:
    """Write noisy copies of a dataset, and a manifest beside them.

    Args:
        source: a CSV, JSON Lines, Parquet or Arrow file, an image, or a folder of them.
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
        progress: told the stage, and bytes done of bytes in all.

    Returns:
        where the output and its manifest stand, and the manifest.

    Raises:
        NoiseError: a fault of the recipe, the arguments, the data or the environment.
        OSError: a file that cannot be read or written.
    """
    root, _ = _path(source, "source"), _path(output, "output")
    checked = recipes.load(recipe, target=find_target(root), overrides=overrides, severity=severity)
    outside = settle_outside(checked, allow_code)
    return _run(root, checked, output, _pinned(checked) or facts, truth, outside, workers, force, progress)


def replay(
    given: str | Path,
    source: str | Path,
    output: str | Path,
    *,
    allow_code: bool = False,
    workers: int | None = 1,
    force: bool = False,
    progress: Progress | None = None,
) -> tuple[Outcome, list[str], list[str]]:
    """Do again what a manifest records, with the facts that it records.

    Args:
        given: the manifest, or the output it belongs to.
        source: the input; it must be what the manifest says.
        output, allow_code, workers, force, progress: as for `augment`.

    Returns:
        the outcome, the outputs that differ in their bytes but not in content, and those that differ in content.

    Raises:
        DataProblem: the input, or code that a step runs, differs from what the manifest records.
    """
    root, _ = _path(source, "source"), _path(output, "output")
    recorded = manifests.read(manifests.locate(_path(given, "given")))
    faults = manifests.check(recorded.inputs, root)
    if faults:
        raise DataProblem("the input is not the one of the manifest:\n" + "\n".join(faults))
    recipe = recipes.load(recorded.recipe, target=find_target(root))
    outside = settle_outside(recipe, allow_code, recorded)
    outcome = _run(root, recipe, output, recorded.facts, recorded.truth is not None, outside, workers, force, progress)
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


def inspect(
    source: str | Path,
    recipe: str | Path | Mapping[str, Any],
    *,
    output: str | Path | None = None,
    overrides: Sequence[recipes.Override] = (),
    severity: int | None = None,
    allow_code: bool | None = None,
    workers: int | None = 1,
    force: bool = False,
    progress: Progress | None = None,
) -> Prepared:
    """Do everything that precedes the first written byte: check the recipe against the data and survey the facts.

    Arguments and errors are those of `augment`; without an output there is nothing to check about it, and where nothing
    is said about code, none is imported.
    """
    root = _path(source, "source")
    checked = recipes.load(recipe, target=find_target(root), overrides=overrides, severity=severity)
    dataset = discover(root, checked.target, checked.head.purpose, prepare.reading(checked))
    if output is not None:
        _settle(dataset, checked, output, force)
    settle_files(checked)
    if allow_code is not None:
        settle_code(checked, allow_code)
    with TemporaryDirectory(prefix="noisecli-") as space, local(_workers(workers, len(dataset.struck))) as pool:
        return _prepare(checked, dataset.spooled(Path(space)), _pinned(checked), pool, Meter(progress))


def _run(
    root: Path,
    recipe: Recipe,
    given: str | Path,
    facts: Facts | None,
    truth: bool,
    outside: Outside,
    workers: int | None,
    force: bool,
    progress: Progress | None,
) -> Outcome:
    dataset = discover(root, recipe.target, recipe.head.purpose, prepare.reading(recipe))
    output = _settle(dataset, recipe, given, force)
    size = sum(file.path.stat().st_size for file in dataset.files)
    meter = Meter(progress)
    outputs = recipe.head.copies * len(recipe.variants)
    with workspace(output) as space, local(_workers(workers, _tasks(dataset, size) * outputs)) as pool:
        prepared = _prepare(recipe, dataset.spooled(space), facts, pool, meter)
        prepared = replace(prepared, plans=_with_partners(prepared, space / "partners"))
        if truth:
            prepared = replace(prepared, plans={key: plan.telling() for key, plan in prepared.plans.items()})
        lasting = any(plan.series is not None and plan.series.told for plan in prepared.plans.values())
        data = space / "data"
        if _several(dataset, recipe):
            data.mkdir()
        meter.start("write", size * len(recipe.head.written) * len(recipe.variants))
        with (
            Truth(space / "truth") if truth else nullcontext() as lines,
            IntervalTable(space / "intervals") if lasting else nullcontext() as intervals,
        ):
            record = Record(truth=lines, intervals=intervals, outside=outside)
            if recipe.target == "table":
                write_tables(prepared, record, pool, data, space, meter)
            write_files(prepared, record, pool, data, meter)
        result, companions = account(prepared, record, space)
        commit(space, data, companions, output)
    return Outcome(output, manifests.path_for(output), result)


def _with_partners(prepared: Prepared, folder: Path) -> Mapping[str, Plan]:
    names = {name for plan in prepared.plans.values() for name in columns_of_partners(plan)}
    if not names:
        return prepared.plans
    split = prepare.split_column(prepared.recipe)
    names |= {split} if split is not None else set()
    files = prepared.dataset.struck
    read = ((file.address, (slab for _, slab in file.table().scan(sorted(names)))) for file in files)
    return with_partners(prepared.plans, read, files[0].table().fields(), folder)


def _pinned(recipe: Recipe) -> Facts | None:
    given = recipe.head.facts
    return None if given is None else manifests.read(manifests.locate(Path(given))).facts


def _several(dataset: Dataset, recipe: Recipe) -> bool:
    """Whether the output is a folder."""
    return not dataset.single or len(recipe.head.written) > 1 or bool(recipe.sweep)


def _settle(dataset: Dataset, recipe: Recipe, given: str | Path, force: bool) -> Path:
    into = str(given).endswith(("/", os.sep))
    output = settle_output(Path(given), dataset.root, _several(dataset, recipe), into)
    check_output(output, dataset.root, force)
    return output


def _path(given: str | Path, name: str) -> Path:
    if not isinstance(given, str | os.PathLike):
        kind = type(given).__name__
        raise UsageProblem(f"{name}: must be a path, not {kind}; noisecli.corrupt takes tables and images in memory")
    return Path(given)


def _workers(asked: int | None, tasks: int) -> int:
    if asked is not None and (not isinstance(asked, int) or asked < 1):
        raise UsageProblem(f"workers: must be a whole number from 1, or None for one a core, not {asked!r}")
    return min(asked or available_cores(), tasks)


def _tasks(dataset: Dataset, size: int) -> int:
    """How many tasks a copy is at the most, so that small runs start no processes."""
    return max(len(dataset.files) // TASK_IMAGES if dataset.target == "images" else 1, size >> 22)


def _prepare(recipe: Recipe, dataset: Dataset, facts: Facts | None, pool: Pool, meter: Meter) -> Prepared:
    check_names(recipe, dataset)
    if dataset.target == "images":
        addresses = [file.address for file in dataset.struck]
        plans = {variant.folder: prepare.plan_images(variant.recipe, addresses) for variant in recipe.variants}
        return Prepared(recipe, dataset, plans, {}, [])
    fields = dataset.struck[0].table().fields()
    selections = [select(variant.recipe, fields, dataset.struck[0].name) for variant in recipe.variants]
    wanted = prepare.request_all(recipe, selections, fields) if facts is None else Request({})
    prepare.check_reading(recipe, dataset.struck[0].table().settings)
    struck = [file.table() for file in dataset.struck]
    refuse_dirt(recipe, struck)
    names = _check_fields(dataset, wanted.columns)
    tables: dict[str, work.Surveyed] = {}

    def look(request: Request) -> Survey:
        return _survey(dataset, request, tables, pool, meter)

    survey = find_facts(wanted, look)
    both = list(zip(recipe.variants, selections, strict=True))
    if facts is not None:
        plans = {v.folder: leave_dirt_out(plan_from_facts(v, s, fields, facts), struck) for v, s in both}
        plans = {v.folder: settle_outgoing(v.recipe, plans[v.folder], names) for v in recipe.variants}
        _check_fields(dataset, [n for plan in plans.values() for n in (*plan.touched, *columns_of_partners(plan))])
        return Prepared(recipe, dataset, plans, tables, _plan_warnings(recipe, plans))
    bare = [leave_dirt_out(prepare.plan_table(variant.recipe, s, survey), struck) for variant, s in both]
    bare = settle_covariances(bare, wanted, look)
    settled = settle_choosers([variant.recipe for variant in recipe.variants], bare, wanted, look)
    plans = {v.folder: settle_outgoing(v.recipe, plan, names) for v, plan in zip(recipe.variants, settled, strict=True)}
    warnings = [*_survey_warnings(survey, plans.values()), *_plan_warnings(recipe, plans)]
    return Prepared(recipe, dataset, plans, tables, warnings)


def _plan_warnings(recipe: Recipe, plans: Mapping[str, Plan]) -> list[str]:
    return [*left_out(recipe, plans.values()), *widenings(plans.values())]


def _check_fields(dataset: Dataset, asked: Iterable[str]) -> set[str]:
    """Check that all files have the columns that are asked for, of one type; return the names of all columns."""
    first, *others = dataset.struck
    fields = first.table().fields()
    names = set(fields)
    for file in others:
        theirs = file.table().fields()
        names |= set(theirs)
        for name in asked:
            if theirs.get(name) != fields[name]:
                another = f"has another type of column {name!r} than"
                problem = another if name in theirs else f"has no column {name!r}, unlike"
                raise DataProblem(f"{file.name}: {problem} {first.name}")
    return names


def _survey(dataset: Dataset, wanted: Request, tables: dict[str, work.Surveyed], pool: Pool, meter: Meter) -> Survey:
    """Read all tables to be struck, once; what they turn out to be is put into `tables`, and used from there."""
    meter.start("survey", sum(file.path.stat().st_size for file in dataset.struck))
    survey: Survey | None = None
    seen = {name: (table.sha256, table.size) for name, table in tables.items()}
    tasks = [work.SurveyTask(file, wanted, seen.get(file.relative)) for file in dataset.struck]
    # A single file is read in this process, which can tell how far it is.
    found_all = (work.survey_table(tasks[0], meter.add),) if len(tasks) == 1 else pool.map(work.survey_table, tasks)
    for file, found in zip(dataset.struck, found_all, strict=True):
        tables[file.relative] = replace(found, survey=None)
        assert found.survey is not None
        if survey is None:
            survey = found.survey
        else:
            survey.merge(found.survey)
        meter.finish(found.size)
    assert survey is not None
    return survey


def _survey_warnings(survey: Survey, plans: Iterable[Plan]) -> list[str]:
    lines = []
    columns = {name: column for plan in plans for name, column in plan.columns.items()}
    for name, column in columns.items():
        census = survey.columns[name].census
        count, what = census.misfits(column.kind, column.format)
        if count and count == census.cells:
            raise DataProblem(f"column {name!r}: all {count} cells are {what}: mend its type under `data.types`")
        if count:
            lines.append(f"column {name!r}: {count} cells are {what} and are carried")
    return lines
