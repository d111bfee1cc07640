"""Boxes and masks beside images: masks are carried, and steps after which they would fit no more are refused."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import chain
from pathlib import PurePosixPath

from noisecli.annotations import COLUMNS, MASK, Annotations, folders_of, masks_by_name
from noisecli.corruption import AnyImageCorruption, Corruption, ImageLabelCorruption, MixingCorruption
from noisecli.errors import DataProblem
from noisecli.plan import Plan, StepPlan
from noisecli.recipe import Recipe
from noisecli.run.dataset import TABLES, Dataset, InputFile, first_images, lies_at, table_suffix

NO_MASKS = "(`data: {masks: []}` if they are none)"
SHOWN = 3
"""So many folders are listed in a message."""


def annotations_of(dataset: Dataset) -> Annotations:
    """Return what a folder of images says of where things lie in them."""
    return Annotations({file.relative: file.path for file in dataset.files}, dataset.masks)


def check_annotated(recipe: Recipe, dataset: Dataset, annotations: Annotations, plans: Mapping[str, Plan]) -> None:
    """Refuse globs of masks at which there is nothing, and steps after which boxes or masks would fit no more."""
    _check_masks(recipe, dataset)
    for variant in recipe.variants:
        for asked, step in zip(variant.recipe.steps, plans[variant.folder].steps, strict=True):
            does = _what_fits_no_more(step.corruption)
            if does:
                refuse_marked(recipe, dataset, annotations, asked.number, step, does)
    recipe.source.raise_faults()


def _what_fits_no_more(op: Corruption) -> str:
    """Say what an op does after which boxes and masks fit no more; "": nothing."""
    if isinstance(op, ImageLabelCorruption):
        return "changes the class of whole images, not of what is in them"
    if isinstance(op, MixingCorruption):
        return "mixes images, but not their boxes and masks"
    return "moves what is in a picture" if isinstance(op, AnyImageCorruption) and op.moves() else ""


def _check_masks(recipe: Recipe, dataset: Dataset) -> None:
    addresses = [file.address for file in dataset.files]
    for glob in recipe.head.data.masks or ():
        inside = (image.address for _, images in _tars(dataset) for image in images)
        if not any(lies_at(address, glob) for address in chain(addresses, inside)):
            example = f": paths are like {addresses[0]!r}" if addresses[0] else ""
            recipe.source.fault(("data", "masks"), f"no file is at {glob!r}{example}")
    recipe.source.raise_faults()


def carried_masks(recipe: Recipe, dataset: Dataset) -> list[str]:
    """Say which pictures were taken for masks, unless the recipe does."""
    if recipe.head.data.masks is not None:
        return []
    lines = [f"carried as masks: {name} and its like {NO_MASKS}" for name in _first_masks(dataset)[:1]]
    return lines if not dataset.masks else [*lines, _carried_files(dataset)]


def _first_masks(dataset: Dataset) -> list[str]:
    """What is taken for masks at the beginning of the first tar; its shards are alike."""
    for file in dataset.struck:
        if file.is_tar:
            with suppress(DataProblem):
                names = masks_by_name(list(first_images(file.path, file.name)))
                return [f"{file.name}/{name}" for name in sorted(names)]
    return []


def _tars(dataset: Dataset) -> Iterator[tuple[InputFile, list[InputFile]]]:
    """Yield the tars that may be struck, each with its images."""
    for file in dataset.struck:
        with suppress(DataProblem):  # a run says what is wrong with it, or carries it
            if file.is_tar:
                yield file, list(file.images())


def _carried_files(dataset: Dataset) -> str:
    folders = [f"{name}/" if name != "." else "the folder itself" for name in folders_of(dataset.masks)]
    more = f" and {len(folders) - SHOWN:,} more" if len(folders) > SHOWN else ""
    return f"carried as masks: {len(dataset.masks):,} in {', '.join(folders[:SHOWN])}{more} {NO_MASKS}"


def refuse_marked(
    recipe: Recipe, dataset: Dataset, annotations: Annotations, number: int, step: StepPlan, does: str
) -> None:
    """Leave a fault with the recipe where a step may strike an image that has boxes or a mask.

    Args:
        recipe: the recipe.
        dataset: the input.
        annotations: those of the input.
        number: that of the step in the recipe.
        step: the step.
        does: what it does, after which they would fit no more.
    """
    for file, what, name in _marked(dataset, annotations, step):
        by_files = "leave such images out by `files`"
        ways = f"{by_files}, or say `data: {{masks: []}}` if it is none" if what == MASK else f"or {by_files}"
        recipe.source.fault(
            ("steps", number),
            f"step {step.id!r} (op {step.corruption.name!r}) {does}, and {file.name} has {what} in {_shown(name)}: "
            f"take another op, {ways}",
        )
        return


def _shown(name: str) -> str:
    return name if name.isprintable() else repr(name)


def _marked(dataset: Dataset, annotations: Annotations, step: StepPlan) -> Iterator[tuple[InputFile, str, str]]:
    """Yield the images that a step may strike and that are annotated, with what they have and where."""
    if step.rate == 0:
        return
    admitted = [file for file in dataset.struck if step.admits(file.address)]
    for file in admitted:
        for what, name in annotations.marking(file.relative):
            yield file, what, name
    for file, images in _tars(dataset):
        if any(not image.carried and step.admits(image.address) for image in images):
            yield from ((file, MASK, name) for name in sorted(file.masks))
    for table in _tables_of_boxes(dataset) if admitted else ():
        folder = PurePosixPath(table.relative).parent
        for file in admitted:
            if PurePosixPath(file.relative).is_relative_to(folder):
                yield file, "boxes", table.relative


def _tables_of_boxes(dataset: Dataset) -> Iterator[InputFile]:
    """Tables beside images that have, by their names, a column of files and one of boxes."""
    for file in dataset.files:
        if not dataset.single and table_suffix(file.path) in TABLES:
            try:
                names = [name.lower() for name in file.table().fields()]
            except DataProblem:
                continue  # no table after all
            if not COLUMNS.isdisjoint(names) and any("file" in name or "image" in name for name in names):
                yield file
