"""Everything that precedes the first written byte: recipe against data, the survey, the plans."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from noisecli import manifest as manifests
from noisecli import recipe as recipes
from noisecli.errors import DataProblem, UsageProblem
from noisecli.executors import Pool, available_cores, leave_if_worker, local
from noisecli.facts import Facts
from noisecli.formats.images import EXACT
from noisecli.plan import Plan
from noisecli.recipe import Recipe
from noisecli.run import prepare, work
from noisecli.run.choose import settle_choosers
from noisecli.run.commit import check_place, check_standing, settle_output
from noisecli.run.dataset import Dataset, find_target
from noisecli.run.dirt import leave_dirt_out, refuse_dirt
from noisecli.run.execute import Meter, Prepared, Progress
from noisecli.run.facts import Widen, find_facts, misfit_warnings
from noisecli.run.guard import Watch, check_room
from noisecli.run.images.annotated import annotations_of, carried_masks, check_annotated
from noisecli.run.images.boxes import find_followers
from noisecli.run.images.checks import changes_names, check_labels
from noisecli.run.images.classes import find_classes
from noisecli.run.images.tars import addresses, check_tars
from noisecli.run.joint import settle_covariances
from noisecli.run.layout import check_names
from noisecli.run.outgoing import settle_outgoing, widenings
from noisecli.run.outside import only_own_code, settle_code, settle_files
from noisecli.run.pairing import columns_of_partners
from noisecli.run.recorded import plan_from_facts
from noisecli.run.selection import left_out, select
from noisecli.run.unread import missing_entries, unread_images
from noisecli.run.workspace import folder_for
from noisecli.survey import Request, Survey


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
    resume: bool = False,
    progress: Progress | None = None,
    widen: Widen | None = None,
) -> Prepared:
    """Do everything that precedes the first written byte: check the recipe against the data and survey the facts.

    Arguments and errors are those of `augment`; without an output there is nothing to check about it, and where nothing
    is said about code, none is imported. With `widen` the survey of tables finds out more than the recipe asks for.
    """
    leave_if_worker()
    root = as_path(source, "source")
    checked = recipes.load(recipe, target=find_target(root), overrides=overrides, severity=severity)
    dataset = prepare.find(checked, root)
    place = None if output is None else settle_place(dataset, checked, output, force, mend=False, resume=resume)
    settle_files(checked)
    if allow_code is not None:
        settle_code(checked, allow_code)
    workers = settle_workers(workers, len(dataset.struck))
    with TemporaryDirectory(prefix="noisecli-") as space, local(workers, only_own_code(checked)) as pool:
        found = prepare_run(checked, dataset.spooled(Path(space)), pinned_facts(checked), pool, Meter(progress), widen)
    if place is not None:
        left = sum(path.stat().st_size for path in folder_for(place).rglob("*") if path.is_file())
        check_room(found, Watch(dataset).size, place, left)
    return found


def prepare_run(
    recipe: Recipe, dataset: Dataset, facts: Facts | None, pool: Pool, meter: Meter, widen: Widen | None = None
) -> Prepared:
    """Settle every plan of a run; without facts, survey the data for those that the recipe asks for."""
    check_tars(recipe, dataset)
    check_names(recipe, dataset)
    classes = None if dataset.single else find_classes(recipe, dataset)
    check_labels(recipe, dataset, classes)
    missing = missing_entries(dataset)
    if dataset.target == "images":
        paths = addresses(recipe, dataset)
        plans = {variant.folder: prepare.plan_images(variant.recipe, paths, classes) for variant in recipe.variants}
        annotations = annotations_of(dataset)
        check_annotated(recipe, dataset, annotations, plans)
        warnings = [*missing, *unread_images(dataset), *carried_masks(recipe, dataset)]
        prepared = Prepared(recipe, dataset, plans, {}, warnings, classes=classes)
        if dataset.single or not changes_names(recipe):
            return prepared
        return replace(prepared, annotations=annotations, followers=find_followers(dataset, annotations))
    fields = dataset.struck[0].table().fields()
    selections = [select(variant.recipe, fields, dataset.struck[0].name) for variant in recipe.variants]
    wanted = prepare.request_all(recipe, selections, fields) if facts is None else Request({})
    wanted = wanted if widen is None or facts is not None else widen(wanted, dataset, recipe)
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
        return Prepared(recipe, dataset, plans, tables, [*missing, *_plan_warnings(recipe, plans)])
    bare = [leave_dirt_out(prepare.plan_table(variant.recipe, s, survey), struck) for variant, s in both]
    bare = settle_covariances(bare, wanted, look)
    settled = settle_choosers([variant.recipe for variant in recipe.variants], bare, wanted, look)
    plans = {v.folder: settle_outgoing(v.recipe, plan, names) for v, plan in zip(recipe.variants, settled, strict=True)}
    warnings = [*missing, *misfit_warnings(survey, plans.values()), *_plan_warnings(recipe, plans)]
    return Prepared(recipe, dataset, plans, tables, warnings, survey)


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
    # A single file is read in this process, which can tell how far it is, or in parts.
    found_all: Iterable[work.Surveyed]
    if len(tasks) > 1:
        found_all = pool.map(work.survey_table, tasks)
    elif pool.shared and work.has_parts(tasks[0]):
        found_all = (work.survey_in_parts(tasks[0], pool, meter.add),)
    else:
        found_all = (work.survey_table(tasks[0], meter.add),)
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


def pinned_facts(recipe: Recipe) -> Facts | None:
    """Return the facts of the manifest that the recipe names, if it does."""
    given = recipe.head.facts
    return None if given is None else manifests.read(manifests.locate(Path(given))).facts


def makes_several(dataset: Dataset, recipe: Recipe) -> bool:
    """Say whether the output is a folder."""
    return not dataset.single or len(recipe.head.written) > 1 or bool(recipe.sweep)


def settle_place(
    dataset: Dataset, recipe: Recipe, given: str | Path, force: bool, mend: bool, resume: bool = False
) -> Path:
    """Return where the output will stand, after checking that it may, as `check_standing` does."""
    into = str(given).endswith(("/", os.sep))
    renamed = dataset.single and recipe.head.encode == "exact" and not dataset.files[0].is_tar
    named = dataset.root.with_suffix(EXACT) if renamed else dataset.root
    output = settle_output(Path(given), named, makes_several(dataset, recipe), into)
    check_place(output, dataset.root)
    check_standing(output, force, mend, resume)
    return output


def as_path(given: str | Path, name: str) -> Path:
    """Return what a caller gave as a path; `name` is what faults call it."""
    if not isinstance(given, str | os.PathLike):
        kind = type(given).__name__
        raise UsageProblem(f"{name}: must be a path, not {kind}; noisecli.corrupt takes tables and images in memory")
    return Path(given)


def settle_workers(asked: int | None, tasks: int) -> int:
    """Return the number of processes, no more than there are tasks."""
    if asked is not None and (not isinstance(asked, int) or asked < 1):
        raise UsageProblem(f"workers: must be a whole number from 1, or None for one a core, not {asked!r}")
    return min(asked or available_cores(), tasks)
