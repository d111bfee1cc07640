"""Look at a dataset: all of a small one, an excerpt of a large one."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from noisecli.corruption import Target
from noisecli.errors import DataProblem, NoiseError, UsageProblem
from noisecli.formats import FOUND_OUT, Reading
from noisecli.run.dataset import Dataset, InputFile, discover, find_target
from noisecli.run.excerpt import Excerpt, excerpt
from noisecli.starter.profile import Profile, profile
from noisecli.survey import Request, Survey

SIZE = 4 << 20
"""Bytes of tables that are looked at."""

PLACES = 32
"""From how many places of a large file they come."""

LIKELY_ENCODING = "cp1252"
"""Tried where a file is not UTF-8: that of Windows in the west of Europe and America."""


@dataclass(frozen=True)
class Opened:
    """An input, and the part of it that is looked at."""

    dataset: Dataset
    purpose: str
    both: bool
    """Whether the input has tables and images."""
    excerpt: Excerpt

    @property
    def name(self) -> str:
        """What the input is called."""
        return self.dataset.root.name + ("" if self.dataset.single else "/")


@dataclass(frozen=True)
class TableLook:
    """What was found in tables."""

    opened: Opened
    encoding: str | None
    """Said only where the files need it."""
    profiles: Mapping[str, Profile]
    """By column, in the order of the first file."""
    file_of_row: NDArray[np.int64]
    """Number of the file that each row comes from."""
    uneven: tuple[str, ...]
    """Columns that not all files have in the same type."""
    settings: frozenset[str]
    """What `data:` may say of such files."""

    @property
    def rows(self) -> int:
        """How many rows were looked at."""
        return len(self.file_of_row)


def open_input(source: Path, folder: Path) -> Opened:
    """Find out what an input is, and make an excerpt of it in a folder."""
    target = find_target(source)
    root = Path(os.path.abspath(source))  # noqa: PTH100 - a link stays one
    settled: Target = "images" if target == "imagefolder" else target if target != "both" else _larger(root)
    try:
        dataset, purpose = discover(root, settled, "train", FOUND_OUT), "train"
    except NoiseError:
        dataset, purpose = discover(root, settled, "evaluate", FOUND_OUT), "evaluate"
    if any(file.is_tar for file in dataset.struck):
        raise UsageProblem(
            f"{source}: a starter recipe is made of images in folders, not in tars: unpack one, and name it"
        )
    folder.mkdir()
    return Opened(dataset, purpose, target == "both", excerpt(dataset, folder, SIZE, PLACES))


def _larger(root: Path) -> Target:
    """Of which kind there are more files; the names of both are known to be there."""
    targets: tuple[Target, Target] = ("table", "images")
    counts = [len(discover(root, target, "evaluate", FOUND_OUT).struck) for target in targets]
    return targets[int(counts[1] > counts[0])]


def look_at_tables(opened: Opened, spool: Path) -> TableLook:
    """Read the excerpt, and find out what its columns are."""
    try:
        return _look(opened, spool, None)
    except DataProblem as problem:
        try:
            return _look(opened, spool, LIKELY_ENCODING)
        except NoiseError:
            raise problem from None


def _look(opened: Opened, spool: Path, encoding: str | None) -> TableLook:
    files = _excerpted(opened, Reading(encoding=encoding, spool=spool))
    tables = [file.table() for file in files]
    fields = [table.fields() for table in tables]
    names = [name for name in fields[0] if all(other.get(name) == fields[0][name] for other in fields[1:])]
    if not names:
        raise DataProblem(f"{opened.name}: its files have no column in common; make a recipe for one of them")
    storage = dict.fromkeys(names, pa.string()) if tables[0].as_text else {name: fields[0][name] for name in names}
    survey: Survey | None = None
    pieces: dict[str, list[pa.Array]] = {name: [] for name in names}
    rows: list[int] = []
    for file, table in zip(files, tables, strict=True):
        rows.append(0)
        found = Survey.of(Request(dict.fromkeys(names, frozenset({"filled"}))), storage, as_text=table.as_text)

        def slabs(table: object = table) -> Iterator[object]:
            for _, slab in table.scan(names):  # type: ignore[attr-defined]
                rows[-1] += slab.rows
                for name in names:
                    pieces[name].append(slab.cells[name])
                yield slab

        found.add_file(file.address, slabs())  # type: ignore[arg-type]
        if survey is None:
            survey = found
        else:
            survey.merge(found)
    assert survey is not None
    if not sum(rows):
        raise DataProblem(f"{opened.name}: has no rows, so there is nothing to make a recipe for")
    profiles = {}
    for name in names:
        found_column = survey.columns[name]
        cells = pa.chunked_array(pieces[name], storage[name]).combine_chunks()
        profiles[name] = profile(found_column.column(), cells, bool(found_column.census.told))
    every = dict.fromkeys(name for each in fields for name in each)
    uneven = tuple(name for name in every if name not in profiles)
    return TableLook(opened, encoding, profiles, np.repeat(np.arange(len(rows)), rows), uneven, tables[0].settings)


def _excerpted(opened: Opened, reading: Reading) -> list[InputFile]:
    """The files of an excerpt."""
    found = discover(opened.excerpt.root, opened.dataset.target, "evaluate", reading)
    return [replace(file, reading=reading) for file in found.struck]
