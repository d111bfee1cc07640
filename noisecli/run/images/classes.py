"""The class of each image: the folder that it lies in, or what its row in the metadata says."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from posixpath import dirname

import numpy as np
import pyarrow as pa

from noisecli.columns import Column, Kind
from noisecli.corruption import ImageLabelCorruption, MixingCorruption
from noisecli.errors import DataProblem
from noisecli.partners import Numbers
from noisecli.plan import StepPlan, class_of
from noisecli.recipe import Recipe
from noisecli.run.dataset import METADATA, Dataset, InputFile, names_split
from noisecli.run.images.metadata import all_metadata, is_name, is_text, named_file, opened
from noisecli.streams import Stream, permuted, scramble


@dataclass(frozen=True)
class Classes:
    """Which class each image has, and which images may be partners of each other."""

    of: Mapping[str, str]
    """Address to class, of all images that have one."""
    training: tuple[InputFile, ...]
    """Images that may be struck and have a class, by address."""
    column: str | None = None
    """Column of the metadata that says it; None: folders do."""

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Classes of the training images, sorted."""
        return tuple(sorted({self.of[file.address] for file in self.training}))

    @cached_property
    def folders(self) -> Mapping[str, str]:
        """Their folders as they are spelled: classes are composed (NFC), as addresses are, and names may not be."""
        return {self.of[file.address]: class_of(file.relative) for file in reversed(self.training)}

    @cached_property
    def codes(self) -> Mapping[str, int]:
        """Number of each of them."""
        return {name: i for i, name in enumerate(self.names)}

    @cached_property
    def places(self) -> Mapping[str, int]:
        """Number of each training image, by address."""
        return {file.address: i for i, file in enumerate(self.training)}

    @cached_property
    def as_column(self) -> Column:
        """The classes as those of a column of a table."""
        counts = np.bincount(self._numbers, minlength=len(self.names))
        found = tuple(counts.tolist())
        return Column(self.column or "folder", Kind.TEXT, pa.string(), categories=self.names, counts=found)

    def partners(self, seed: int, copy: int, step: StepPlan) -> Numbers:
        """Return the number of each training image's partner: a permutation of them all, or within each class."""
        assert isinstance(step.corruption, MixingCorruption)
        key = Stream(seed, copy, step.id, "").words("partner", "", [""])
        count = len(self.training)
        if not step.corruption.pairs_within_class():
            return permuted(key, np.arange(count), np.full(count, count))
        found = np.empty(count, np.int64)
        for number, mine in enumerate(self._groups):
            keys = scramble(key, number)
            found[mine] = mine[permuted(keys, np.arange(len(mine)), np.full(len(mine), len(mine)))]
        return found

    @cached_property
    def _numbers(self) -> Numbers:
        """Number of the class of each training image."""
        return np.array([self.codes[self.of[file.address]] for file in self.training], np.int64)

    @cached_property
    def _groups(self) -> list[Numbers]:
        return [np.flatnonzero(self._numbers == code) for code in range(len(self.names))]


def needs_classes(recipe: Recipe) -> bool:
    """Say whether a step looks at the classes of images."""
    ops = [step.corruption for step in recipe.steps_of_all]
    return any(isinstance(op, MixingCorruption | ImageLabelCorruption) for op in ops)


def find_classes(recipe: Recipe, dataset: Dataset) -> Classes | None:
    """Find the class of each image; None: no step asks for it.

    Raises:
        DataProblem: there are no classes, or metadata do not say them as they should.
    """
    if recipe.target != "images" or not needs_classes(recipe):
        return None
    column = recipe.head.data.label
    named = dict(_by_folder(dataset)) if column is None else _by_metadata(dataset, column)
    training = tuple(file for file in dataset.struck if file.address in named)
    if not training:
        where = "folders of their classes" if column is None else f"rows of metadata with a {column!r}"
        way = ", or let metadata say the classes: `data: {label: COLUMN}`" if column is None else ""
        raise DataProblem(f"{dataset.root}: a step needs the classes of images: put them into {where}{way}")
    return Classes(named, training, column)


def _by_folder(dataset: Dataset) -> Iterator[tuple[str, str]]:
    for file in dataset.images:
        name = class_of(file.address)
        if name and not names_split(name):
            yield file.address, name


def _by_metadata(dataset: Dataset, column: str) -> dict[str, str]:
    known = {file.relative: file.address for file in dataset.images}
    metadata = all_metadata(dataset)
    if not metadata:
        names = ", ".join(sorted(METADATA))
        raise DataProblem(
            f"{dataset.root}: `data: {{label: {column}}}` is a column of metadata, and there are none: {names}"
        )
    found: dict[str, str] = {}
    for file in metadata:
        if _says_nothing(file, column, dataset):
            continue
        for address, label in labels_in(file, column, known):
            if found.setdefault(address, label) != label:
                what = f"{column!r} says of {address} that it is {found[address]!r}, and that it is {label!r}"
                raise DataProblem(f"{file.name}: {what}: an image has one class")
    return found


def _says_nothing(file: InputFile, column: str, dataset: Dataset) -> bool:
    """Whether metadata are about held-out images alone and lack the column, as those of test sets may."""
    folder = dirname(file.relative)
    concerns = any(not folder or image.relative.startswith(f"{folder}/") for image in dataset.struck)
    return not concerns and column not in opened(file).fields()


def labels_in(file: InputFile, column: str, known: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield addresses of images and what a column of metadata says of them.

    Args:
        file: the metadata.
        column: has to be one of text.
        known: addresses of images by their relative paths.
    """
    table = opened(file)
    fields = table.fields()
    if column not in fields or not is_text(fields[column]):
        what = "is no column of text" if column in fields else "is no column"
        raise DataProblem(f"{file.name}: {column!r} {what}: `data: {{label: COLUMN}}` names the classes of images")
    if is_name(column):
        raise DataProblem(f"{file.name}: {column!r} names the files, not their classes: `data: {{label: COLUMN}}`")
    names = [name for name, type_ in fields.items() if is_name(name) and is_text(type_)]
    for _, slab in table.scan([*names, column]):
        labels = slab.cells[column].to_pylist()
        for name in names:
            for value, label in zip(slab.cells[name].to_pylist(), labels, strict=True):
                address = None if value is None else known.get(named_file(dirname(file.relative), value))
                if address is not None and label is not None:
                    yield address, label
