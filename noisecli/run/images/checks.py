"""What is refused of the metadata of images before anything is written."""

from collections.abc import Mapping, Sequence
from posixpath import dirname

import pyarrow as pa

from noisecli.corruption import CloningCorruption, ImageLabelCorruption
from noisecli.errors import DataProblem, UsageProblem
from noisecli.recipe import Recipe
from noisecli.run.dataset import Dataset, InputFile
from noisecli.run.images.added import Added, added_columns
from noisecli.run.images.classes import Classes, labels_in
from noisecli.run.images.metadata import all_metadata, columns_of_names, is_text, named_file, names_in, opened


def check_labels(recipe: Recipe, dataset: Dataset, classes: Classes | None) -> None:
    """Refuse metadata that cannot be read or cannot follow, and columns that have no place."""
    added = added_columns(recipe, classes)
    if added.types and dataset.single:
        what = "`provenance` is" if added.provenance else "soft labels are"
        raise UsageProblem(f"{dataset.root}: {what} told in a folder of images, and this is one: leave it out")
    named: set[str] = set()
    metadata = all_metadata(dataset) if added.types or changes_names(recipe) else []
    for file in metadata:
        try:
            fields, names = _look(file)
        except DataProblem as error:
            if not file.reading.skip_errors:
                raise DataProblem(f"{error} (`on_error: skip` carries such metadata untouched)") from error
            continue
        named |= names
        for name in added.types:
            if name in fields:
                raise DataProblem(f"{file.name}: has a column {name!r} already, which the run adds: rename it")
        if classes is not None and classes.column is None and _relabels(recipe):
            _check_following(file, fields, added, dataset, classes)
    if added.classes and classes is not None:
        _check_rows(metadata, named, classes)


def _look(file: InputFile) -> tuple[Mapping[str, pa.DataType], set[str]]:
    """The columns of metadata, and all files that they name."""
    table, folder = opened(file), dirname(file.relative)
    fields = table.fields()
    columns = list(columns_of_names(file, fields))
    found: set[str] = set()
    for _, slab in table.scan(columns) if columns else ():
        for column in columns:
            cells = slab.cells[column].to_pylist()
            found.update(named_file(folder, name) for value in cells for name in names_in(column, value))
    return fields, found


def _check_following(
    file: InputFile, fields: Mapping[str, pa.DataType], added: Added, dataset: Dataset, classes: Classes
) -> None:
    """Refuse metadata that cannot follow images into other folders."""
    if dirname(file.relative) in {dirname(image.relative) for image in classes.training}:
        what = "lies beside images that a step moves into other folders, and cannot follow"
        raise DataProblem(f"{file.name}: {what}: put it into the folder above, with paths in `file_name`")
    if added.label not in fields:
        return
    if not is_text(fields[added.label]):
        what = f"its column {added.label!r} has no names of classes, and cannot follow images that get others"
        raise DataProblem(f"{file.name}: {what}: make it text, or leave it out")
    known = {image.relative: image.address for image in dataset.images}
    for address, label in labels_in(file, added.label, known):
        if classes.of.get(address, label) != label:
            what = f"{address} is {label!r} there, and lies in {classes.of[address]!r}"
            raise DataProblem(f"{file.name}: {what}: say `data: {{label: {added.label}}}` to go by the metadata alone")


def _check_rows(metadata: Sequence[InputFile], named: set[str], classes: Classes) -> None:
    """Refuse metadata that lack rows for images below them, whose soft labels would be lost."""
    for file in metadata:
        folder = dirname(file.relative)
        below = (image for image in classes.training if not folder or image.relative.startswith(f"{folder}/"))
        lost = [image.name for image in below if image.relative not in named]
        if lost:
            more = f" and for {len(lost) - 1:,} more" if len(lost) > 1 else ""
            what = f"has no row for {lost[0]}{more}, and soft labels need one"
            raise DataProblem(f"{file.name}: {what}: add it, with the path in `file_name`, or move the metadata away")


def changes_names(recipe: Recipe) -> bool:
    """Whether images come out under other names or in other classes, or several of one."""
    head, ops = recipe.head, (step.corruption for step in recipe.steps_of_all)
    on_sets = _relabels(recipe) or any(isinstance(op, CloningCorruption) for op in ops)
    return on_sets or head.encode == "exact" or (head.layout == "merged" and len(head.written) > 1)


def _relabels(recipe: Recipe) -> bool:
    return any(isinstance(step.corruption, ImageLabelCorruption) for step in recipe.steps_of_all)
