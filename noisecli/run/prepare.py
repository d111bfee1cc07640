"""From recipe and dataset to a plan: select columns, survey the facts, settle quotas."""

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from noisecli.celltext import NULLS
from noisecli.columns import MOMENT, NUMBER, Column, Kind, kind_of
from noisecli.corruption import (
    CloningCorruption,
    ImageLabelCorruption,
    MixingCorruption,
    MomentCorruption,
    SeriesCorruption,
    TableCorruption,
)
from noisecli.formats import Reading
from noisecli.plan import Plan, QuotaKey, StepPlan, class_of
from noisecli.quota import KeySample, Quota, cell_keys
from noisecli.recipe import PlannedStep, Recipe
from noisecli.recipe.source import did_you_mean
from noisecli.run.choose import facts_to_choose
from noisecli.run.dataset import Dataset, discover
from noisecli.run.images.classes import Classes
from noisecli.run.joint import (
    COVARIANCES,
    check_joint,
    facts_to_read,
    partner_column,
    plan_soft_labels,
    softening,
)
from noisecli.run.selection import Selection
from noisecli.run.series import plan_series, series_columns
from noisecli.streams import Stream, Words
from noisecli.survey import QuotaRequest, Request, Survey, settle_quota


def reading(recipe: Recipe) -> Reading:
    """Say how files of text are read."""
    data = recipe.head.data
    nulls = NULLS if data.null_values is None else tuple(data.null_values)
    return Reading(data.delimiter, data.encoding, data.header, nulls, recipe.head.on_error == "skip")


def find(recipe: Recipe, root: Path) -> Dataset:
    """List the files of the input, as the recipe takes them."""
    head = recipe.head
    return discover(root, recipe.target, head.purpose, reading(recipe), head.data.masks)


def check_reading(recipe: Recipe, settings: frozenset[str] = frozenset()) -> None:
    """Refuse what is said about reading where the files know that themselves."""
    for key in ("delimiter", "encoding", "header", "null_values", "types"):
        if key in recipe.head.data.model_fields_set - settings:
            recipe.source.fault(("data", key), f"{key!r} is about CSV files, the input is not one", at_key=True)
    recipe.source.raise_faults()


def request(recipe: Recipe, selection: Selection, fields: Mapping[str, pa.DataType]) -> Request:
    """Say what the survey has to find out."""
    wanted: dict[str, frozenset[str]] = {}
    for step in recipe.steps:
        op = step.corruption
        assert isinstance(op, TableCorruption)
        for choice in selection[step.id]:
            needs = op.needs() - {COVARIANCES}
            if (
                not {"text", "category"}.isdisjoint(map(str, choice.selectors))
                and kind_of(fields[choice.column]) is Kind.TEXT
            ):
                needs |= {"categories"}
            wanted[choice.column] = wanted.get(choice.column, frozenset()) | needs
            for name in facts_to_choose(step.mechanism, choice.column):
                wanted[name] = wanted.get(name, frozenset()) | {"mean", "sd"}
        for name in step.asks:
            wanted[name] = wanted.get(name, frozenset()) | facts_to_read(step, name)
        for name in facts_to_choose(step.mechanism, ""):
            wanted[name] |= {"mean", "sd"}
        within = partner_column(recipe, step)
        if within is not None:
            wanted.setdefault(within, frozenset())
    split = split_column(recipe)
    if split is not None:
        wanted.setdefault(split, frozenset())
    label = recipe.head.data.label
    if label is not None and softening(recipe):
        wanted[label] = wanted.get(label, frozenset()) | {"categories"}
    for name in series_columns(recipe):
        wanted.setdefault(name, frozenset())
    said = recipe.head.data.column_types
    types = {name: Kind(how.dtype) for name, how in said.items()}
    formats = {name: how.format for name, how in said.items() if how.format is not None}
    nulls = reading(recipe).null_values
    quotas = tuple(quota for step in recipe.steps for quota in _quotas(step, [c.column for c in selection[step.id]]))
    return Request(wanted, quotas, split, recipe.seed, recipe.head.copies, types, formats, nulls)


def _quotas(step: PlannedStep, columns: Iterable[str]) -> Iterator[QuotaRequest]:
    """What an exact step has to know of the cells of some columns."""
    op = step.corruption
    assert isinstance(op, TableCorruption)
    for name in columns if step.exact else ():
        as_time = isinstance(op, MomentCorruption | SeriesCorruption) and not op.accepts.isdisjoint(MOMENT)
        as_number = op.as_number and not op.accepts.isdisjoint(NUMBER)
        yield QuotaRequest(step.id, name, step.rate, op.stratified, as_number, step.where, step.nulls, as_time)


def split_column(recipe: Recipe) -> str | None:
    """Return the column that holds rows out, if there is one and it matters."""
    return recipe.head.data.split if recipe.head.purpose == "train" else None


def request_all(recipe: Recipe, selections: Sequence[Selection], fields: Mapping[str, pa.DataType]) -> Request:
    """Say what the survey has to find out for all variants of a sweep together."""
    requests = [request(v.recipe, s, fields) for v, s in zip(recipe.variants, selections, strict=True)]
    wanted: dict[str, frozenset[str]] = {}
    for one in requests:
        for name, facts in one.columns.items():
            wanted[name] = wanted.get(name, frozenset()) | facts
    quotas = dict.fromkeys(quota for one in requests for quota in one.quotas)
    return replace(requests[0], columns=wanted, quotas=tuple(quotas))


def plan_table(recipe: Recipe, selection: Selection, survey: Survey) -> Plan:
    """Settle the plan on the facts that the survey found."""
    columns = {name: found.column() for name, found in survey.columns.items()}
    steps = tuple(plan_step(recipe, step, selection, columns) for step in recipe.steps)
    soft, series = plan_soft_labels(recipe, columns), plan_series(recipe, columns)
    recipe.source.raise_faults()
    plan = Plan(recipe.seed, steps, split=split_column(recipe), soft=soft, series=series)
    asked = {name for step in recipe.steps for name in step.asks} | set(series_columns(recipe))
    kept = {name: columns[name] for name in columns if name in plan.touched or name in asked}
    both = zip(recipe.steps, steps, strict=True)
    quotas = survey.quotas(columns, [quota for asked, step in both for quota in _quotas(asked, step.columns)])
    return replace(plan, columns=kept, quotas=quotas)


def plan_images(recipe: Recipe, addresses: Iterable[str], classes: Classes | None = None) -> Plan:
    """Settle the plan for images; only exact steps need to know which there are, and some of which class."""
    steps = tuple(_bare_step(step) for step in recipe.steps)
    quotas: dict[QuotaKey, Quota] = {}
    paths = list(addresses)
    if paths == [""]:
        refuse_sets(recipe, "this is one image")
    for asked, step in zip(recipe.steps, steps, strict=True):
        _check_choice(recipe, asked.number, step, paths)
        _check_classes(recipe, asked.number, step, classes)
        for copy in range(1, recipe.head.copies + 1) if step.exact else ():
            quotas[step.id, "", copy] = _image_quota(recipe.seed, step, copy, paths, classes)
    return Plan(recipe.seed, steps, quotas=quotas)


def refuse_sets(recipe: Recipe, why: str) -> None:
    """Refuse steps that look at a whole folder of images, where there is none."""
    for step in recipe.steps:
        if isinstance(step.corruption, CloningCorruption | ImageLabelCorruption | MixingCorruption):
            what = f"op {step.corruption.name!r} is for folders of images, and {why}: leave it out"
            recipe.source.fault(("steps", step.number, "op"), what)
    recipe.source.raise_faults()


def _image_quota(seed: int, step: StepPlan, copy: int, paths: Iterable[str], classes: Classes | None) -> Quota:
    """Find how an exact step chooses images: a share of all, or of each class if it looks at these."""
    known = classes.of if classes is not None and step.needs_class else None
    keys: dict[str | None, list[Words]] = {}
    for path in filter(step.admits, paths):
        if known is None or path in known:
            stratum = None if known is None else known[path]
            keys.setdefault(stratum, []).append(cell_keys(Stream(seed, copy, step.id, path), "", 0, 1))
    samples: dict[object, KeySample] = {}
    for stratum, mine in keys.items():
        samples[stratum] = KeySample(step.rate)
        samples[stratum].add(np.concatenate(mine))
    strata = (None,) if known is None or classes is None else classes.names
    return settle_quota(samples, QuotaRequest(step.id, "", step.rate, known is not None, False), strata)


def _check_classes(recipe: Recipe, number: int, step: StepPlan, classes: Classes | None) -> None:
    """Refuse a step that cannot do anything to labels of these classes."""
    op = step.corruption
    if isinstance(op, ImageLabelCorruption) and classes is not None:
        objection = op.objection(classes.as_column)
        if objection is not None:
            where = "the folder" if classes.column is None else f"column {classes.column!r}"
            recipe.source.fault(("steps", number), f"{where} {objection}")
    recipe.source.raise_faults()


def _check_choice(recipe: Recipe, number: int, step: StepPlan, paths: Sequence[str]) -> None:
    """Refuse choices among images of which one finds none."""
    if step.files is None and step.classes is None:
        return
    loc = ("steps", number)
    if list(paths) == [""]:
        recipe.source.fault(
            loc, "`files` and `classes` choose among images of a folder, and this is one: leave them out"
        )
    else:
        known = sorted({class_of(path) for path in paths} - {""})
        for name in step.classes or ():
            if name not in known:
                what = f"no image that may be struck lies in a folder {name!r}{did_you_mean(name, known)}"
                recipe.source.fault((*loc, "classes"), what)
        for glob in step.files or ():
            if not any(fnmatchcase(path, glob) for path in paths):
                example = f": paths are like {paths[0]!r}" if paths else ""
                recipe.source.fault((*loc, "files"), f"no image that may be struck is at {glob!r}{example}")
        if not recipe.source.faults and not any(map(step.admits, paths)):
            recipe.source.fault(loc, "no image that may be struck is in both `files` and `classes`")
    recipe.source.raise_faults()


def _bare_step(step: PlannedStep) -> StepPlan:
    scaled = getattr(step.settings, "scale", "none") == "resolution"
    decimals: Any = getattr(step.settings, "decimals", "keep")
    return StepPlan(
        step.id,
        step.corruption,
        step.rate,
        step.exact,
        severity=step.settings.severity,
        parameters=step.parameters,
        scaled=scaled,
        files=_normal(getattr(step.settings, "files", None)),
        classes=_normal(getattr(step.settings, "classes", None)),
        where=step.where,
        decimals=None if decimals == "keep" else decimals,
        joint=step.joint,
        nulls=step.nulls,
        patterns=step.patterns,
    )


def _normal(names: Sequence[str] | None) -> tuple[str, ...] | None:
    """Names as paths spell them."""
    return None if names is None else tuple(unicodedata.normalize("NFC", name) for name in names)


def _takes(op: TableCorruption) -> str:
    kinds = sorted(kind.value for kind in op.accepts)
    return " or ".join(filter(None, (", ".join(kinds[:-1]), kinds[-1])))


def plan_step(recipe: Recipe, step: PlannedStep, selection: Selection, columns: Mapping[str, Column]) -> StepPlan:
    """Settle one step on what is known of the columns; faults are left with the recipe."""
    i, op = step.number, step.corruption
    assert isinstance(op, TableCorruption)
    chosen, refused, window = [], False, None
    for choice in selection[step.id]:
        column = columns.get(choice.column)
        if column is None:
            continue
        if choice.fits(column) and column.kind in op.accepts:
            objection = op.objection(column)
            if objection is None:
                chosen.append(column.name)
            elif choice.named:
                refused = True
                recipe.source.fault(("steps", i, "columns"), f"column {column.name!r} {objection}")
        elif choice.named:
            refused = True
            message = f"op {op.name!r} takes {_takes(op)} columns; {column.name!r} is {column.kind.value}"
            if column.kind is Kind.TEXT and Kind.DATETIME in op.accepts:
                message += ": for dates in CSV and JSON Lines say their type and format under `data.types`"
            recipe.source.fault(("steps", i, "columns"), message)
    if step.where is not None and set(step.where.columns) <= set(columns):
        try:
            step.where.check(columns)
        except ValueError as error:
            recipe.source.fault(("steps", i, "where"), f"where: {error}")
    if step.mechanism is not None and set(step.asks) <= set(columns):
        named = {choice.column for choice in selection[step.id] if choice.named}
        decide = {name: step.mechanism.objection_to_reading(columns[name]) for name in step.mechanism.reads("")}
        own = {name: step.mechanism.objection_to_striking(columns[name]) for name in chosen}
        if not op.together:
            chosen = [name for name in chosen if own[name] is None or name in named]
            decide |= {name: own[name] for name in chosen if own[name] is not None}
        for name, objection in decide.items():
            if objection is not None:
                recipe.source.fault(("steps", i, "mechanism"), f"mechanism: column {name!r} {objection}")
        window = step.mechanism.span(columns) if not any(decide.values()) else None
    if not refused and set(step.asks) <= set(columns):
        check_joint(recipe, step, [columns[name] for name in chosen], columns)
    bare = _bare_step(step)
    if not chosen and not refused and (step.columns is not None or op.strikes_columns):
        if not step.optional:
            message = f"selects no column that {op.name!r} can strike: it takes {_takes(op)} columns"
            recipe.source.fault(("steps", i, "columns"), message)
        bare = replace(bare, rate=0.0)
    return replace(bare, columns=tuple(chosen), within=partner_column(recipe, step), window=window)
