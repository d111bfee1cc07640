"""Sweeps: one recipe, several variants of it."""

import math
from copy import deepcopy
from dataclasses import replace
from itertools import product
from typing import Any
from urllib.parse import quote

from noisecli.parameters import plain
from noisecli.recipe.checked import Recipe, Variant
from noisecli.recipe.models import ALONE, IMAGENET_C
from noisecli.recipe.source import Source

EMPTY_LEVEL = "__HIVE_DEFAULT_PARTITION__"
"""What a folder is called where a key does not apply; readers of hive trees take it for null."""

LONGEST = 255
"""Bytes that the name of a folder may have."""

MOST = 4_000
"""Combinations that are checked; each is a recipe of its own, and a copy of the data at least."""

Level = tuple[str, Any]
"""A swept key and one of its values; None where the key does not apply."""


def merge(given: Source) -> None:
    """Take a list of mappings for one mapping: in a manifest, which sorts its keys, the list keeps their order."""
    parts = given.data.get("sweep")
    if isinstance(parts, list) and parts and all(isinstance(part, dict) for part in parts):
        given.data["sweep"] = {key: values for part in parts for key, values in part.items()}


def count(sweep: dict[str, Any]) -> int:
    """How many combinations there are, all steps together."""
    return math.prod(len(values) for key, values in sweep.items() if key != "steps")


def levels(recipe: Recipe, sweep: dict[str, Any]) -> list[tuple[Level, ...]]:
    """Every combination of the values, the last key changing fastest; each step alone if the sweep says so."""
    grid: list[tuple[Level, ...]] = []
    alone = [step.id for step in recipe.steps] if sweep.get("steps") == ALONE else [None]
    keys = [key for key in sweep if key != "steps"]
    for only in alone:
        choices = [sweep[key] if only is None or _concerns(recipe, key, only) else [None] for key in keys]
        for values in product(*choices):
            first = [] if only is None else [("step", only)]
            grid.append((*first, *zip(keys, values, strict=True)))
    return grid


def folder(combination: tuple[Level, ...], layout: str) -> str:
    """Name the folders of a combination as hive does, `step=typo/severity=3`, or as ImageNet-C does, `fog/3`."""
    if layout == IMAGENET_C:
        return "/".join(_spell(value) for _, value in combination)
    return "/".join(f"{_quote(key.removeprefix('steps.'))}={_spell(value)}" for key, value in combination)


def only_step(combination: tuple[Level, ...]) -> str | None:
    """Return the id of the step that acts alone; None: all steps act."""
    return next((value for key, value in combination if key == "step"), None)


def copy_source(given: Source, seed: int) -> Source:
    """Return the recipe as it was given but for the sweep, with the seed settled."""
    data = deepcopy(given.data)
    del data["sweep"]
    data["seed"] = seed
    return Source(given.name, data, dict(given.keys), dict(given.values))


def variant(recipe: Recipe, combination: tuple[Level, ...]) -> Variant:
    """Make a variant of the recipe that a combination settles."""
    only = only_step(combination)
    if only is not None:
        recipe = replace(recipe, steps=tuple(step for step in recipe.steps if step.id == only))
    return Variant(folder(combination, recipe.head.layout), recipe)


def _concerns(recipe: Recipe, key: str, step: str) -> bool:
    if not key.startswith("steps."):
        return True
    name = key.split(".")[1]
    ops = {planned.id: planned.corruption.name for planned in recipe.steps}
    return name == (step if name in ops else ops[step])


def _spell(value: Any) -> str:
    if value is None:
        return EMPTY_LEVEL
    value = plain(value)  # 0.10 and 0.1 are one value
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return _quote(text) or EMPTY_LEVEL


def _quote(text: str) -> str:
    return quote(text, safe=" !#$&'()+,;@[]^`{}~")
