"""Where the files of a copy go in the output."""

import os
from itertools import product
from pathlib import Path, PurePosixPath

from noisecli.errors import UsageProblem
from noisecli.formats.images import EXACT
from noisecli.formats.plain import COMPRESSED
from noisecli.listing import LONGEST_NAME
from noisecli.recipe import Recipe
from noisecli.recipe.models import IMAGENET_C
from noisecli.run.dataset import Dataset, InputFile

CLEAN = "clean/0"
"""Where the clean data go in the layout of ImageNet-C, as if that were a step."""


def tree_of(recipe: Recipe, variant: str, copy: int) -> str:
    """Return the folder of the output that is the tree of a copy; "" is the output itself."""
    if len(recipe.head.written) == 1 and not variant:
        return ""
    if recipe.head.layout == IMAGENET_C:
        return CLEAN if copy == 0 else variant
    return f"{variant}/copy={copy}".lstrip("/") if recipe.head.layout == "copies" else variant


def place_in_output(
    recipe: Recipe, dataset: Dataset, variant: str, file: InputFile, copy: int, relative: str | None = None
) -> str:
    """Return where a copy of a file goes, relative to the output; "." is the output itself.

    Args:
        recipe: says how copies are laid out.
        dataset: the input.
        variant: folder of the combination of a sweep.
        file: the file.
        copy: number of the copy.
        relative: what it is called in its tree, if that is not its name in the input.
    """
    head = recipe.head
    alone = len(head.written) == 1 and not variant
    name = relative or (dataset.root.name if file.relative == "." and not alone else file.relative)
    if head.encode == "exact" and not file.carried and name != ".":
        name = Path(name).with_suffix(EXACT).as_posix()
    if alone:
        return name
    if head.layout == "merged" and not file.carried and len(head.written) > 1:
        name = suffixed(name, f"__c{copy}")
    return f"{tree_of(recipe, variant, copy)}/{name}".lstrip("/")


def suffixed(name: str, suffix: str) -> str:
    """Return the name with something at the end of its stem. All extensions belong together: `a__c1.csv.gz`."""
    path = PurePosixPath(name)
    extensions = "".join(path.suffixes[-2:] if path.suffix.lower() in COMPRESSED else path.suffixes[-1:])
    return path.with_name(f"{path.name.removesuffix(extensions)}{suffix}{extensions}").as_posix()


def check_names(recipe: Recipe, dataset: Dataset) -> None:
    """Refuse copies in one tree that would take the place of the input's own files or folders, as `a__c1.csv/`.

    Files that differ in their extension alone would take each other's place once all are PNG.
    """
    if recipe.head.encode == "exact":
        _check_exact(recipe, dataset)
    longest = max(dataset.struck, key=lambda file: len(os.fsencode(file.path.name)))
    name = PurePosixPath(place_in_output(recipe, dataset, "", longest, recipe.head.copies)).name
    if len(os.fsencode(name)) > LONGEST_NAME:
        raise UsageProblem(f"{longest.name}: the name is too long for that of a copy: at most {LONGEST_NAME} bytes")
    kept = {file.relative for file in dataset.files if file.carried}
    folders = {file.relative.rpartition("/")[0] for file in dataset.files}
    kept |= {parent.as_posix() for folder in folders for parent in [Path(folder), *Path(folder).parents]}
    if recipe.head.layout == "copies" or not any("__c" in name for name in kept):
        return
    for file, copy in product(dataset.struck, recipe.head.written):
        path = place_in_output(recipe, dataset, "", file, copy)
        if path in kept and path != file.relative:
            raise UsageProblem(
                f"{path}: is there already, and copy {copy} of {file.relative} would get this name: rename one, "
                "or leave out `layout: merged`"
            )


def _check_exact(recipe: Recipe, dataset: Dataset) -> None:
    folders = {parent.as_posix() for file in dataset.files for parent in PurePosixPath(file.relative).parents}
    taken = dict(zip(folders, folders, strict=True))
    for file in dataset.files:
        path = place_in_output(recipe, dataset, "", file, 1)
        other = taken.setdefault(path, file.relative)
        if other != file.relative:
            raise UsageProblem(
                f"{file.relative} and {other}: with `encode: exact` both would be written to {path}: rename one"
            )
