"""Metadata of image folders: rows follow their images to new names and classes, and to every copy.

That is what Hugging Face calls an imagefolder: `metadata.csv`, `metadata.jsonl` or `metadata.parquet`, beside images or
in a folder above them, have a row an image. What no image came of is carried, byte for byte or value for value.
"""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from posixpath import basename, dirname, relpath
from typing import Any

import numpy as np
import pyarrow as pa

from noisecli.columns import Column, Kind
from noisecli.engine import Slab, Struck
from noisecli.errors import DataProblem
from noisecli.formats import combined
from noisecli.listing import OutputEntry
from noisecli.manifest import digest, place
from noisecli.run.dataset import IMAGES, OTHER_IMAGES, InputFile, names_split
from noisecli.run.execute import Prepared
from noisecli.run.images.added import Added, added_columns
from noisecli.run.images.checks import changes_names
from noisecli.run.images.metadata import all_metadata, columns_of_names, is_text, named_file, names_in, opened, renamed
from noisecli.run.record import Made, Record

Place = tuple[int, int]
"""Number of a copy, and of a file among those that came of one in it."""
Copies = dict[str, dict[Place, Made]]
"""What became of each file of the input, by its path."""


@dataclass
class Tree:
    """One complete tree of an output."""

    root: str
    """Its folder in the output; "" is the output itself."""
    copies: Copies = field(default_factory=dict)

    @cached_property
    def is_relabelled(self) -> bool:
        """Whether an image has come to another class."""
        return any(made.label != made.new_label for made in self.made())

    def made(self) -> Iterator[Made]:
        """Yield all files of it, those that came of one file together."""
        return (made for copies in self.copies.values() for made in copies.values())


def follows(prepared: Prepared) -> bool:
    """Whether metadata have to be written anew."""
    recipe = prepared.recipe
    coco = prepared.annotations.coco if prepared.annotations is not None else ()
    renamed = bool(all_metadata(prepared.dataset) or coco) and changes_names(recipe)
    return renamed or bool(added_columns(recipe, prepared.classes).types)


def write_labels(prepared: Prepared, record: Record, data: Path, space: Path) -> None:
    """Write metadata anew wherever they have to follow, or get columns more.

    Args:
        prepared: what was to be done.
        record: what was done; images and other files are written, and metadata carried.
        data: the output.
        space: a folder for drafts.
    """
    metadata, added = all_metadata(prepared.dataset), added_columns(prepared.recipe, prepared.classes)
    rewritten: dict[str, OutputEntry] = {}
    lost: list[str] = []
    untold: list[str] = []
    for tree in trees(record.made or ()):
        told: set[str] = set()
        for file in metadata:
            for made in tree.copies[file.relative].values():
                entry, rows = made.entry, Rows(tree, dirname(file.relative), added, told)
                try:
                    rewritten[entry.path] = _rewrite(file, entry, rows, place(data, entry.path), space / "labels")
                except DataProblem as error:
                    if not file.reading.skip_errors:
                        raise
                    record.skipped[file.relative] = str(error).removeprefix(f"{file.name}: ")
                if rows.lost:
                    many = f"{rows.lost:,} rows name" if rows.lost > 1 else "1 row names"
                    lost.append(f"{file.name}: {many} no file that is there: carried as before")
        if added.types:
            record.outputs += _write_new(tree, added, data, [file.relative for file in metadata], told)
        untold += [made.entry.path for made in tree.made() if len(made.shares) > 1 and made.entry.path not in told]
    record.outputs[:] = [rewritten.get(entry.path, entry) for entry in record.outputs]
    record.warnings += dict.fromkeys(lost)
    if untold:
        what = f"{len(untold):,} mixed images have no row in the metadata, so that nothing tells their soft labels"
        record.warnings.append(f"{what}; the first is {untold[0]}: give every image a row, or move the metadata away")


def trees(files: Iterable[Made]) -> list[Tree]:
    """Return the trees that files of the output belong to."""
    trees: dict[str, Tree] = {}
    for made in files:
        copies = trees.setdefault(made.root, Tree(made.root)).copies.setdefault(made.entry.input, {})
        number = made.entry.copy_number
        copies[number, sum(copy == number for copy, _ in copies)] = made
    return list(trees.values())


@dataclass
class Rows:
    """What becomes of the rows of one file of metadata."""

    tree: Tree
    folder: str
    """Where the metadata lie in the input: names are relative to it."""
    added: Added
    told: set[str]
    """Paths of files that have a row, so far."""
    names: Sequence[str] = ()
    """Columns that hold names of files."""
    label: str | None = None
    """The column of the classes, where it has to follow; None: it has not."""
    lost: int = 0
    """Rows about no file that is there, so far."""

    def __call__(self, slabs: Iterable[Slab]) -> Iterator[Struck]:
        return map(self._follow, slabs)

    def _follow(self, slab: Slab) -> Struck:
        """Give the row of an image to each file that came of it, one after the other."""
        cells = {name: column.to_pylist() for name, column in slab.cells.items()}
        order: list[int] = []
        places: list[Place | None] = []
        about: list[list[Made]] = []
        for row, values in enumerate(zip(*(cells[name] for name in self.names), strict=True)):
            both = zip(self.names, values, strict=True)
            named = [self._of(name) for column, value in both for name in names_in(column, value)]
            found = [made for made in named if made]
            self.lost += bool(named) and not found
            self.told.update(each.entry.path for made in found for each in made.values())
            known: list[Place | None] = [*sorted({place for made in found for place in made})]
            for place_of in known or [None]:
                order.append(row)
                places.append(place_of)
                about.append([_one(made, place_of) for made in found])
        new, changed = {}, {}
        for name, old in cells.items():
            if name == self.label:
                fresh = [_relabelled(old[row], made) for row, made in zip(order, about, strict=True)]
            else:
                fresh = [self._renamed(name, old[row], place_of) for row, place_of in zip(order, places, strict=True)]
            differs = np.array([cell != old[row] for cell, row in zip(fresh, order, strict=True)], bool)
            if differs.any():
                new[name], changed[name] = pa.array(fresh, slab.cells[name].type), differs
        self.lost += 0 if slab.misfits is None else int(slab.misfits.sum())
        copies = [None if place_of is None else place_of[0] for place_of in places]
        new |= self.added.columns(list(zip(copies, about, strict=True)))
        return Struck(new, changed, None if len(order) == slab.rows else np.array(order, np.intp))

    def _of(self, name: str) -> Mapping[Place, Made]:
        """What came of the file that a row names; nothing where it is not there."""
        return self.tree.copies.get(named_file(self.folder, name), {})

    def _renamed(self, column: str, value: Any, place_of: Place | None) -> Any:
        """Return a cell in the row of a file that came of another one."""
        return renamed(column, value, lambda name: self._name(name, self._of(name), place_of))

    def _name(self, name: str, copies: Mapping[Place, Made], place_of: Place | None) -> str:
        """What a file is called now."""
        return new_name(name, _one(copies, place_of), self.folder) if copies else name


def new_name(name: str, made: Made, folder: str) -> str:
    """Return what a file is called now by that which lies in a folder of the input, and called it by a name.

    Where it stays in its folder, only the last part of its name changes.
    """
    path = made.entry.path[len(made.root) :].lstrip("/")
    if dirname(path) == dirname(made.entry.input):
        return name[: len(name) - len(basename(name.replace("\\", "/")))] + basename(path)
    return relpath(path, folder or ".")


def _relabelled(label: Any, about: Sequence[Made]) -> Any:
    """Return the label in the row of an image."""
    if not about or about[0].label == about[0].new_label:
        return label
    return about[0].new_label


def _one(copies: Mapping[Place, Made], place_of: Place | None) -> Made:
    """What came of a file; what is carried into a merged tree is there once, for all, and clones may have no mask."""
    first = next(iter(copies.values()))
    return first if place_of is None else copies.get(place_of, copies.get((place_of[0], 0), first))


def _rewrite(file: InputFile, old: OutputEntry, rows: Rows, target: Path, draft: Path) -> OutputEntry:
    """Write metadata over the carried file; it stays where nothing of it changes."""
    table, outgoing = opened(file), rows.added.types
    fields = table.fields()
    columns = columns_of_names(file, fields)
    if not columns:
        return old
    label = rows.added.label
    if label in fields and is_text(fields[label]) and rows.tree.is_relabelled:
        columns[label], rows.label = Column(label, Kind.TEXT, fields[label]), label
    rows.names = [name for name in columns if name != rows.label]
    written = table.write([part for part, _ in table.scan([])], columns, rows, draft, outgoing)
    if not written.changed:
        draft.unlink()
        return old
    content = table.assemble([draft], target, outgoing).content or combined([written])
    return entry_of(old.path, old.input, old.copy_number, target, written.rows, content)


def _write_new(tree: Tree, added: Added, data: Path, metadata: Sequence[str], told: set[str]) -> Iterator[OutputEntry]:
    """Write metadata where there are none, for each split if the folders are splits; so the classes come with them.

    Where other splits have some, only those that tell soft labels.
    """
    pictures = [file for file in tree.made() if PurePosixPath(file.entry.path).suffix.lower() in IMAGES | OTHER_IMAGES]
    tops = {file.entry.input.partition("/")[0] if "/" in file.entry.input else "" for file in pictures}
    by_split = all(map(names_split, tops))
    labels = _labels(pictures, by_split)
    for top in sorted(tops) if by_split else [""]:
        mine = [file for file in pictures if not top or file.entry.input.startswith(f"{top}/")]
        has_some = any("/" not in name or not top or name.startswith(f"{top}/") for name in metadata)
        if has_some or (metadata and not any(len(file.shares) > 1 for file in mine)):
            continue
        name = f"{top}/metadata.csv".lstrip("/")
        path = f"{tree.root}/{name}".lstrip("/")
        mine.sort(key=lambda file: (file.entry.input, file.entry.copy_number))  # clones stay after their sources
        cells = added.columns([(file.entry.copy_number, [file]) for file in mine])
        with place(data, path).open("w", newline="", encoding="utf-8") as file:
            lines = csv.writer(file, lineterminator="\n")
            lines.writerow(["file_name", *([added.label] if labels else []), *cells])
            for made_here, *values in zip(mine, *(column.to_pylist() for column in cells.values()), strict=True):
                label = [labels[made_here.entry.path]] if labels else []
                lines.writerow([made_here.entry.path[len(path) - len("metadata.csv") :], *label, *values])
        told.update(file.entry.path for file in mine)
        first = min(file.entry.copy_number for file in mine)
        yield entry_of(path, name, first, place(data, path), len(mine))


def _labels(pictures: Sequence[Made], by_split: bool) -> dict[str, str | None]:
    """The class that each picture has come to, by path; empty where the folders are no classes."""
    if any(file.new_label is not None for file in pictures):
        return {file.entry.path: file.new_label for file in pictures}
    folders = {file.entry.path: PurePosixPath(file.entry.input).parts[by_split:-1] for file in pictures}
    has_classes = len(set(map(len, folders.values()))) == 1 and len({inner[-1:] for inner in folders.values()}) > 1
    return {path: inner[-1] for path, inner in folders.items()} if has_classes else {}


def entry_of(
    path: str, source: str, copy: int, target: Path, rows: int | None = None, content: str | None = None
) -> OutputEntry:
    """Return the entry of a file that was written anew."""
    sha, size = digest(target)
    return OutputEntry(path=path, input=source, copy=copy, sha256=sha, bytes=size, rows=rows, content=content)
