"""What advice wants to know besides what a recipe asks for, found in the same pass over the data."""

from dataclasses import replace

from noisecli.advice.held_out import SPLIT_NAMES
from noisecli.columns import Kind, kind_of
from noisecli.recipe import Recipe
from noisecli.run.dataset import Dataset
from noisecli.survey import Request


def widen(request: Request, dataset: Dataset, recipe: Recipe) -> Request:
    """Ask for the values of columns that say or may say which split a row belongs to, and for ranges."""
    files = [file.table().fields() for file in dataset.struck]
    shared = [name for name, type_ in files[0].items() if all(fields.get(name) == type_ for fields in files)]
    split = recipe.head.data.split
    asked = [name for name in shared if SPLIT_NAMES.fullmatch(name)] if split is None else [split]
    texts = [name for name in asked if kind_of(files[0][name]) is Kind.TEXT]
    more = {name: request.columns.get(name, frozenset()) | {"categories"} for name in texts}
    counted = {name: facts | {"filled"} for name, facts in request.columns.items()}
    spread = {name: facts | {"min", "max"} for name, facts in counted.items() if "sd" in facts}  # no more work
    return replace(request, columns={**counted, **spread, **more})
