"""From source to recipe: apply what the command line overrides, check everything, report every fault at once."""

import secrets
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from noisecli.corruption import (
    Corruption,
    Target,
    find_op,
    registered,
)
from noisecli.errors import RecipeProblem
from noisecli.parameters import plain
from noisecli.recipe import builtin
from noisecli.recipe import source as sources
from noisecli.recipe import sweep as sweeps
from noisecli.recipe.aliases import nearest, written_as
from noisecli.recipe.checked import PlannedStep, Recipe, Variant
from noisecli.recipe.checks import check_columns, check_soft_labels, check_together
from noisecli.recipe.conditions import Condition
from noisecli.recipe.dirt import check_dirt
from noisecli.recipe.mechanisms import Burst
from noisecli.recipe.models import STEPS, Head, Step, TableStep
from noisecli.recipe.override import Override, override, raw_steps, set_severity
from noisecli.recipe.sets import check_image_steps, check_sets
from noisecli.recipe.source import Loc, Source, did_you_mean

M = TypeVar("M", bound=BaseModel)

Holding = Target | Literal["both", "imagefolder"]
"""What an input holds: tables, images, both, or images with metadata in tables."""

_MANY = {"table": "tables", "images": "images"}


def load(
    recipe: str | Path | Mapping[str, Any],
    *,
    target: Holding | None = None,
    overrides: Sequence[Override] = (),
    severity: int | None = None,
    seed: int | None = None,
) -> Recipe:
    """Read and check a recipe.

    Args:
        recipe: a YAML file, `file#key`, `builtin:NAME`, or the recipe as a mapping.
        target: what the input holds; None when there is no input.
        overrides: values that replace or add to what the recipe says.
        severity: replaces the severity of every step that has one, 0..5.
        seed: what a recipe gets that has none; None: fresh entropy.

    Raises:
        RecipeProblem: with every fault, each at its place.
    """
    given = _read(recipe)
    for path, value, option in overrides:
        override(given, path, value, option)
    if not isinstance(given.data, dict):
        given.fault((), "a recipe is a mapping with `noisecli: 1` and `steps:`")
        given.raise_faults()
    if severity is not None:
        set_severity(given, severity, "--severity")
    sweeps.merge(given)
    said = {path: option for path, _, option in overrides}
    if severity is not None:
        said["severity"] = f"--severity {severity}"
    swept = given.data.get("sweep")
    for key in [key for key in said if isinstance(swept, dict) and key in swept]:
        given.faults.append(f"{said[key]}: the recipe sweeps that; change the sweep instead")
    settled = _settle_target(given, target)
    result = _check(given, settled, seed)
    if result is not None:
        check_sets(given, result)
    given.raise_faults()
    assert result is not None
    return replace(result, sweep=_sweep(given, result)) if result.head.sweep else result


def _read(recipe: str | Path | Mapping[str, Any]) -> Source:
    if isinstance(recipe, Mapping):
        return sources.from_data(deepcopy(dict(recipe)), "recipe")
    if not isinstance(recipe, str | Path) or "\n" in str(recipe):
        what = "YAML text" if isinstance(recipe, str | Path) else type(recipe).__name__
        raise RecipeProblem(f"a recipe is a YAML file or a mapping, and this is {what}: give the path, or the mapping")
    spec = str(recipe)
    if spec.startswith(builtin.PREFIX):
        return sources.parse(builtin.text(spec.removeprefix(builtin.PREFIX)), spec)
    if spec in builtin.names() and not Path(spec).exists():
        raise RecipeProblem(f"{spec}: no such recipe file; did you mean {builtin.PREFIX + spec!r}?")
    return sources.read(spec)


def _sweep(given: Source, recipe: Recipe) -> tuple[Variant, ...]:
    """Check every combination as if it had been written down."""
    if (count := sweeps.count(given.data["sweep"])) > sweeps.MOST:
        given.fault(("sweep",), f"{count:,} combinations are too many: at most {sweeps.MOST:,}", at_key=True)
        given.raise_faults()
    combinations = sweeps.levels(recipe, given.data["sweep"])
    folders = [sweeps.folder(combination, recipe.head.layout) for combination in combinations]
    if len(set(folders)) < len(folders):
        given.fault(("sweep",), "two of the combinations are the same", at_key=True)
    if any(len(part.encode()) > sweeps.LONGEST for folder in folders for part in folder.split("/")):
        given.fault(("sweep",), "a value is too long for the name of a folder", at_key=True)
    given.raise_faults()
    result = []
    for combination in combinations:
        source = sweeps.copy_source(given, recipe.seed)
        only = sweeps.only_step(combination)
        for key, value in combination:
            if key == "severity":
                set_severity(source, value, "sweep: severity", only)
            elif key != "step" and value is not None:
                override(source, key, value, f"sweep: {key}={value}")
        checked = _check(source, recipe.target)
        source.raise_faults()
        assert checked is not None
        result.append(sweeps.variant(checked, combination))
    return tuple(result)


def _settle_target(source: Source, target: Holding | None) -> Target:
    """Find out what the recipe is for: it says so, or the input does, or the ops leave no choice."""
    said = plain(source.data.get("target"))
    said = said if isinstance(said, str) else None  # what is no text is a fault later
    if target in ("table", "images"):
        if said in STEPS and said != target:
            source.fault(("target",), f"the recipe is for {_MANY[said]}, the input holds {_MANY[target]}")
        return target
    if said in STEPS:
        return said
    steps = [step for step in raw_steps(source) if isinstance(step, dict)]
    ops = {str(step.get("op")) for step in steps}
    fits: list[Target] = [t for t in STEPS if all(find_op(t, op) for op in ops)]
    if len(fits) == 1:
        return fits[0]
    names_columns = any("columns" in step for step in steps)
    on_columns = names_columns or ("data" in source.data and target != "imagefolder")
    on_images = any("scale" in step for step in steps) or (target == "imagefolder" and not names_columns)
    are_ops = bool(ops) and all(any(find_op(t, op) for t in STEPS) for op in ops)
    if target == "both" and said is None and are_ops and (not fits or on_columns == on_images):
        source.fault((), "the input holds tables and images: add `target: table` or `target: images`")
        source.raise_faults()
    return "images" if on_images and not on_columns else "table"


def _check(source: Source, target: Target, seed: int | None = None) -> Recipe | None:
    raw = source.data
    head = _validate(source, Head, {k: v for k, v in raw.items() if k != "steps"}, (), also=("steps",))
    time = None if head is None else head.data.time
    steps: list[PlannedStep | None] = []
    if "steps" not in raw:
        source.fault((), "missing key 'steps': the list of corruptions")
    elif not isinstance(raw["steps"], list) or not raw["steps"]:
        source.fault(("steps",), "must be a list with at least one step")
    else:
        steps = [_check_step(source, target, step, ("steps", i), time) for i, step in enumerate(raw["steps"])]
        check_together(source, raw["steps"], steps)
        check_columns(source, raw.get("data"), steps)
        if target == "table":
            check_soft_labels(source, raw.get("data"), steps)
        elif head is not None:
            check_image_steps(source, head, steps)
        if head is not None:
            check_dirt(source, head, steps)
    if source.faults or head is None:
        return None
    if head.seed is None:
        head = head.model_copy(update={"seed": secrets.randbits(63) if seed is None else seed})
    settled = tuple(step for step in steps if step is not None)
    return Recipe(source, head, target, settled, _document(head, target, settled))


def _check_step(source: Source, target: Target, raw: Any, loc: Loc, time: str | None) -> PlannedStep | None:
    if not isinstance(raw, dict) or not raw.get("op"):
        source.fault(loc, "a step is a mapping with an `op:`")
        return None
    name = str(plain(raw["op"]))
    op = find_op(target, name)
    if op is None:
        source.fault((*loc, "op"), _unknown_op(name, target))
        return None
    model = STEPS[target]
    own = {key: value for key, value in raw.items() if key in model.model_fields}
    rest = {key: value for key, value in raw.items() if key not in model.model_fields}
    settings = _validate(source, model, own, loc)
    severity = plain(raw.get("severity")) if settings is None else settings.severity
    preset = _preset(source, op, raw, severity, loc)
    parameters = {**{key: value for key, value in preset.items() if key != "rate"}, **rest}
    corruption = _validate(source, op, parameters, loc, also=tuple(model.model_fields), of=f" for op {name!r}")
    if settings is None or corruption is None:
        return None
    rate = settings.rate if settings.rate is not None else preset.get("rate", op.default_rate)
    rate = 0.0 if settings.severity == 0 else rate
    mechanism = settings.mechanism.mechanism if isinstance(settings, TableStep) else None
    joint = isinstance(settings, TableStep) and settings.by_rows
    if isinstance(mechanism, Burst):
        rate = _burst_rate(source, mechanism, settings, rate, loc)
    exact = (op.exact_by_default and mechanism is None and not joint) if settings.exact is None else settings.exact
    asked = corruption.model_dump(mode="json", include=set(rest))
    return PlannedStep(settings.id or name, int(loc[-1]), settings, corruption, asked, float(rate), exact, time)


def _burst_rate(source: Source, burst: Burst, settings: Step, rate: float, loc: Loc) -> float:
    """Return the rate of a step that strikes runs: the one asked for, if they can have it, or the one they imply."""
    if burst.rate is not None:
        if settings.rate is not None:
            source.fault((*loc, "rate"), "follows from `enter` and `stay`: give one or the other", True)
        return 0.0 if settings.severity == 0 else burst.rate
    if burst.most < rate < 1:
        what = f"at rate {rate:g} runs are {1 / (1 - rate):.3g} rows long by chance alone, not {burst.length:g}"
        source.fault((*loc, "mechanism"), f"burst: {what}: let them be longer, or use mcar")
    return rate


def _unknown_op(name: str, target: Target) -> str:
    instead = written_as(name, target)
    if instead is not None:
        return instead
    other = [t for t, n in registered() if n == name]
    if other:
        return f"op {name!r} is for {_MANY[other[0]]}, the input holds {_MANY[target]}"
    return f"unknown op {name!r}{nearest(name, [n for t, n in registered() if t == target])}"


def _preset(source: Source, op: type[Corruption], raw: Mapping[str, Any], severity: Any, loc: Loc) -> Mapping[str, Any]:
    if not isinstance(severity, int) or not 0 <= severity <= 5:
        return {}
    if not op.severities:
        source.fault((*loc, "severity"), f"op {op.name!r} has no severities", at_key=True)
        return {}
    for key in op.preset(severity or 1):
        if key in raw:
            source.fault((*loc, key), f"{key!r} is what the severity sets: give one of the two", at_key=True)
    return op.preset(severity)


def _validate(
    source: Source, model: type[M], data: Mapping[str, Any], loc: Loc, also: Sequence[str] = (), of: str = ""
) -> M | None:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        for fault in error.errors():
            _report(source, model, fault, loc, also, of)
    return None


# Where pydantic's own words speak of Python; what has no entry is in plain words already.
_PLAIN = {
    "model_type": "should be a mapping",
    "dict_type": "should be a mapping",
    "tuple_type": "should be a list",
    "list_type": "should be a list",
    "too_short": "too few entries: at least {min_length} needed",
    "too_long": "too many entries: at most {max_length} taken",
    "string_too_short": "should not be empty",
    "float_parsing": "should be a number",
    "int_parsing": "should be a whole number",
}


def _report(source: Source, model: type[BaseModel], fault: Any, loc: Loc, also: Sequence[str], of: str) -> None:
    if fault["type"] == "too_short" and len(fault["input"]) >= fault["ctx"]["min_length"]:
        return  # only because wrong entries, which have faults of their own, are not counted
    # A union's members add their own names to the location: only what the data has is a place.
    inner: Loc = ()
    for i, part in enumerate(fault["loc"], 1):
        said = i == len(fault["loc"]) and fault["type"] in ("extra_forbidden", "missing")
        if said or (*loc, *inner, part) in source.values:
            inner = (*inner, part)
    where, key = (*loc, *inner), str(inner[-1]) if inner else ""
    if fault["type"] == "extra_forbidden":
        known = [*model.model_fields, *also] if len(inner) == 1 else _nested_keys(model, inner)
        elsewhere = next((target for target, step in STEPS.items() if of and key in step.model_fields), None)
        kind = "tables" if elsewhere == "table" else elsewhere
        why = did_you_mean(key, known) if kind is None else f": it is for steps on {kind}"
        source.fault(where, f"unknown key {key!r}{of}{why}", at_key=True)
    elif fault["type"] == "missing":
        what = ": the format of the recipe, `noisecli: 1`" if key == "noisecli" else ""
        source.fault(where[:-1], f"missing key {key!r}{of}{what}")
    else:
        message = fault["msg"].removeprefix("Value error, ").removeprefix("Input ")
        if fault["type"] in _PLAIN:
            message = _PLAIN[fault["type"]].format(**fault.get("ctx", {}))
        key = next((part for part in reversed(inner) if isinstance(part, str)), "")
        source.fault(where, f"{key}: {message}" if key else message)


def _nested_keys(model: type[BaseModel], loc: Loc) -> list[str]:
    """Keys that a model inside a model knows."""
    if loc[0] == "where":  # between the two stand names of columns
        model, loc = Condition, ()
    for key in loc[:-1]:
        said = model.model_fields[str(key)].annotation if str(key) in model.model_fields else None
        # What may be left out is a union with None.
        inner = [part for part in get_args(said) or (said,) if isinstance(part, type) and issubclass(part, BaseModel)]
        if len(inner) != 1:
            return []
        model = inner[0]
    return [field.alias or name for name, field in model.model_fields.items()]


def _document(head: Head, target: Target, steps: Sequence[PlannedStep]) -> dict[str, Any]:
    """Write the recipe out so that reading it again gives the same steps; facts stand in the manifest itself."""
    document = head.model_dump(mode="json", exclude_none=True, exclude={"facts"})
    document["data"] = head.data.model_dump(mode="json", exclude_unset=True)
    if head.sweep:
        # The order of the keys is that of the folders, and a manifest sorts its keys.
        document["sweep"] = [{key: values} for key, values in head.sweep.items()]
    document["target"] = target
    document["steps"] = [
        {**step.parameters, **step.settings.model_dump(mode="json", exclude_unset=True, by_alias=True), "id": step.id}
        for step in steps
    ]
    return document
