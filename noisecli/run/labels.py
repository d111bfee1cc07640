"""Metadata of image folders: rows follow their images to new names, and to every copy.

That is what Hugging Face calls an imagefolder: `metadata.csv`, `metadata.jsonl` or `metadata.parquet`, beside images or
in a folder above them, have a row an image. What no image came of is carried, byte for byte or value for value.
"""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from posixpath import basename, dirname, normpath
from typing import Any

import numpy as np
import pyarrow as pa

from noisecli.columns import Column, Kind
from noisecli.engine import Slab, Struck
from noisecli.errors import DataProblem, UsageProblem
from noisecli.formats import TableFile
from noisecli.listing import OutputEntry
from noisecli.manifest import digest, place
from noisecli.plan import TRAINING
from noisecli.recipe import Recipe
from noisecli.run.dataset import HELD_OUT, IMAGES, OTHER_IMAGES, Dataset, InputFile
from noisecli.run.execute import Prepared, Record

METADATA = frozenset({"metadata.csv", "metadata.jsonl", "metadata.parquet"})
PROVENANCE: Mapping[str, pa.DataType] = {"_copy": pa.int64(), "_source": pa.string(), "_steps": pa.string()}
"""What `data: {provenance: true}` adds."""

UNTOUCHED = "-"
"""What is said of steps where none changed an image: an empty cell would be no text to those that guess types."""

SPLITS = HELD_OUT | TRAINING

Copies = dict[str, dict[int, OutputEntry]]
"""What became of each file of the input, by its path and the number of the copy."""
Changes = Mapping[str, Sequence[str]]
"""Steps that changed files of the output, by their paths."""


@dataclass
class Tree:
    """One complete tree of an output."""

    root: str
    """Its folder in the output; "" is the output itself."""
    copies: Copies = field(default_factory=dict)


def check_labels(recipe: Recipe, dataset: Dataset) -> None:
    """Refuse metadata that cannot be read, and provenance that has no place, before anything is written."""
    told = recipe.head.data.provenance
    if told and dataset.single:
        raise UsageProblem(f"{dataset.root}: `provenance` is told in a folder of images, and this is one: leave it out")
    for file in _metadata(dataset) if told or _renames(recipe) else ():
        try:
            table = _opened(file)
            fields = table.fields()
            for _ in table.scan([]) if _columns(fields) else ():
                pass  # this finds what is wrong with it
        except DataProblem as error:
            if not file.reading.skip_errors:
                raise DataProblem(f"{error} (`on_error: skip` carries such metadata untouched)") from error
            continue
        for name in PROVENANCE:
            if told and name in fields:
                raise DataProblem(f"{file.name}: has a column {name!r} already, which `provenance` adds: rename it")


def write_labels(prepared: Prepared, record: Record, data: Path, space: Path) -> None:
    """Write metadata anew wherever names changed or provenance is asked for.

    Args:
        prepared: what was to be done.
        record: what was done; images and other files are written, and metadata carried.
        data: the output.
        space: a folder for drafts.
    """
    metadata, told = _metadata(prepared.dataset), prepared.recipe.head.data.provenance
    if not told and not (metadata and _renames(prepared.recipe)):
        return
    rewritten: dict[str, OutputEntry] = {}
    for tree in _trees(record.outputs):
        for file in metadata:
            rows = Rows(tree.copies, dirname(file.relative), record.struck if told else None)
            for entry in tree.copies[file.relative].values():
                try:
                    rewritten[entry.path] = _rewrite(file, entry, rows, place(data, entry.path), space / "labels")
                except DataProblem as error:
                    if not file.reading.skip_errors:
                        raise
                    record.skipped[file.relative] = str(error).removeprefix(f"{file.name}: ")
        if told and not metadata:
            record.outputs += _write_new(tree, record.struck, data)
    record.outputs[:] = [rewritten.get(entry.path, entry) for entry in record.outputs]


def _renames(recipe: Recipe) -> bool:
    """Whether images come out under other names, or several of one in a folder."""
    head = recipe.head
    return head.encode == "exact" or (head.layout == "merged" and len(head.written) > 1)


def _metadata(dataset: Dataset) -> list[InputFile]:
    return [file for file in dataset.files if file.path.name in METADATA and dataset.target == "images"]


def _opened(file: InputFile) -> TableFile:
    """The table; rows that do not fit it are carried."""
    return replace(file, reading=replace(file.reading, skip_errors=True)).table()


def _trees(outputs: Iterable[OutputEntry]) -> list[Tree]:
    trees: dict[str, Tree] = {}
    for entry in outputs:
        root = dirname(entry.path).removesuffix(dirname(entry.input)).rstrip("/")
        tree = trees.setdefault(root, Tree(root))
        tree.copies.setdefault(entry.input, {})[entry.copy_number] = entry
    return list(trees.values())


@dataclass(frozen=True)
class Rows:
    """What becomes of the rows of one file of metadata."""

    copies: Copies
    folder: str
    """Where the metadata lie in the input: names are relative to it."""
    struck: Changes | None
    """None: provenance is not asked for."""

    def __call__(self, slabs: Iterable[Slab]) -> Iterator[Struck]:
        return map(self._follow, slabs)

    def _follow(self, slab: Slab) -> Struck:
        """Give the row of an image to each copy of it, one after the other."""
        cells = {name: column.to_pylist() for name, column in slab.cells.items()}
        order: list[int] = []
        copies: list[int | None] = []
        about: list[list[OutputEntry]] = []
        for row, values in enumerate(zip(*cells.values(), strict=True)):
            found = [made for value in values for name in _names(value) if (made := self._of(name))]
            known: list[int | None] = [*sorted({copy for made in found for copy in made})]
            for copy in known or [None]:
                order.append(row)
                copies.append(copy)
                about.append([_one(made, copy) for made in found])
        new, changed = {}, {}
        for name, old in cells.items():
            fresh = [self._renamed(old[row], copy) for row, copy in zip(order, copies, strict=True)]
            differs = np.array([cell != old[row] for cell, row in zip(fresh, order, strict=True)], bool)
            if differs.any():
                new[name], changed[name] = pa.array(fresh, slab.cells[name].type), differs
        if self.struck is not None:
            new |= _provenance(copies, about, self.struck)
        return Struck(new, changed, None if len(order) == slab.rows else np.array(order, np.intp))

    def _of(self, name: str) -> Mapping[int, OutputEntry]:
        """The copies of the file that a row names; none where it is not there."""
        return self.copies.get(normpath(f"{self.folder}/{name}" if self.folder else name), {})

    def _renamed(self, value: Any, copy: int | None) -> Any:
        """Return a cell in the row of a copy: files stay in their folders, so only the last part of a name changes."""
        fresh = {}
        for name in _names(value):
            last = basename(_one(made, copy).path) if (made := self._of(name)) else basename(name)
            fresh[name] = name[: len(name) - len(basename(name))] + last
        listed = _listed(value)
        if listed is None:
            return fresh.get(value, value)
        renamed = [fresh.get(name, name) if isinstance(name, str) else name for name in listed]
        return value if renamed == listed else renamed if value is listed else json.dumps(renamed, ensure_ascii=False)


def _names(value: Any) -> list[str]:
    """The names in a cell."""
    listed = _listed(value)
    return [name for name in ([value] if listed is None else listed) if isinstance(name, str)]


def _listed(value: Any) -> list[Any] | None:
    """The list that a cell is, in JSON Lines as text; None where it is none."""
    if isinstance(value, str) and value.startswith("["):
        try:
            value = json.loads(value)
        except ValueError:
            return None  # a name may begin so, too
    return value if isinstance(value, list) else None


def _one(made: Mapping[int, OutputEntry], copy: int | None) -> OutputEntry:
    """A copy of a file; what is carried into a merged tree is there once, for all."""
    return next(iter(made.values())) if copy is None or copy not in made else made[copy]


def _provenance(
    copies: Sequence[int | None], about: Sequence[Sequence[OutputEntry]], struck: Changes
) -> dict[str, pa.Array]:
    """Tell of each row where its images come from; nothing, where they are not there."""
    told = {
        "_copy": copies,
        "_source": [entries[0].input if entries else None for entries in about],
        "_steps": [_steps(entries, struck) if entries else None for entries in about],
    }
    return {name: pa.array(told[name], type_) for name, type_ in PROVENANCE.items()}


def _steps(entries: Iterable[OutputEntry], struck: Changes) -> str:
    return " ".join(dict.fromkeys(step for entry in entries for step in struck.get(entry.path, ()))) or UNTOUCHED


def _rewrite(file: InputFile, old: OutputEntry, rows: Rows, target: Path, draft: Path) -> OutputEntry:
    """Write metadata over the carried file; it stays where nothing of it changes."""
    table = _opened(file)
    columns = _columns(table.fields())
    if not columns:
        return old
    outgoing = {} if rows.struck is None else PROVENANCE
    written = table.write([part for part, _ in table.scan([])], columns, rows, draft, outgoing)
    if not written.changed:
        draft.unlink()
        return old
    content = table.assemble([draft], target, outgoing) or written.content
    return _entry(old.path, old.input, old.copy_number, target, written.rows, content)


def _columns(fields: Mapping[str, pa.DataType]) -> dict[str, Column]:
    """The columns that hold names of files."""
    found = {}
    for name, type_ in fields.items():
        inner = type_.value_type if pa.types.is_list(type_) or pa.types.is_large_list(type_) else type_
        is_text = pa.types.is_string(inner) or pa.types.is_large_string(inner)
        if is_text and f"_{name}".endswith(("_file_name", "_file_names")):
            found[name] = Column(name, Kind.TEXT, type_)
    return found


def _write_new(tree: Tree, struck: Changes, data: Path) -> Iterator[OutputEntry]:
    """Write metadata where there are none, for each split if the folders are splits; so the classes come with them."""
    made = [entry for entries in tree.copies.values() for entry in entries.values()]
    pictures = [entry for entry in made if PurePosixPath(entry.path).suffix.lower() in IMAGES | OTHER_IMAGES]
    tops = {entry.input.partition("/")[0] if "/" in entry.input else "" for entry in pictures}
    by_split = all(top.rpartition("=")[2].lower() in SPLITS for top in tops)
    folders = {entry.path: PurePosixPath(entry.input).parts[by_split:-1] for entry in pictures}
    has_classes = len(set(map(len, folders.values()))) == 1 and len({inner[-1:] for inner in folders.values()}) > 1
    for top in sorted(tops) if by_split else [""]:
        name = f"{top}/metadata.csv".lstrip("/")
        path = f"{tree.root}/{name}".lstrip("/")
        mine = [entry for entry in pictures if not top or entry.input.startswith(f"{top}/")]
        with place(data, path).open("w", newline="", encoding="utf-8") as file:
            lines = csv.writer(file, lineterminator="\n")
            lines.writerow(["file_name", *["label"] * has_classes, *PROVENANCE])
            for entry in sorted(mine, key=lambda entry: (entry.input, entry.copy_number)):
                label = folders[entry.path][-1:] if has_classes else ()
                name_here = entry.path[len(path) - len("metadata.csv") :]
                lines.writerow([name_here, *label, entry.copy_number, entry.input, _steps([entry], struck)])
        yield _entry(path, name, min(entry.copy_number for entry in mine), place(data, path), len(mine))


def _entry(path: str, source: str, copy: int, target: Path, rows: int, content: str | None = None) -> OutputEntry:
    sha, size = digest(target)
    return OutputEntry(path=path, input=source, copy=copy, sha256=sha, bytes=size, rows=rows, content=content)
