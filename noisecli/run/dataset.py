"""What the input is: its files, which of them a recipe may strike, and which are carried."""

import os
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from noisecli.corruption import Target
from noisecli.errors import DataProblem, UsageProblem
from noisecli.formats import FOUND_OUT, Reading, TableFile, images
from noisecli.formats.csv import CsvFile
from noisecli.formats.feather import FEATHER
from noisecli.formats.parquet import ParquetFile

TABLES: dict[str, Callable[[Path, str, Reading], TableFile]] = {".csv": CsvFile, ".parquet": ParquetFile, **FEATHER}
IMAGES = frozenset(images.EXTENSIONS)
FORMATS = {**images.EXTENSIONS, **{suffix: suffix for suffix in TABLES}}
"""Format by extension."""

HELD_OUT = frozenset({"val", "valid", "validation", "dev", "test", "holdout"})
"""Folder names, and stems of single files, that mean data to be left alone under `purpose: train`."""


@dataclass(frozen=True)
class InputFile:
    """One file of the input."""

    path: Path
    relative: str
    """POSIX path from the input; "." for a single file."""
    carried: bool
    """Copied as it is: of another kind, or held out."""
    reading: Reading = FOUND_OUT
    """How it is read as a table."""

    @property
    def address(self) -> str:
        """What random numbers are keyed by: a single file may be renamed."""
        return "" if self.relative == "." else unicodedata.normalize("NFC", self.relative)

    @property
    def name(self) -> str:
        """What faults call it."""
        name = self.path.name if self.relative == "." else self.relative
        return name if name.isprintable() else repr(name)

    def table(self) -> TableFile:
        """Open it as a table."""
        return TABLES[self.path.suffix.lower()](self.path, self.name, self.reading)


@dataclass(frozen=True)
class Dataset:
    """The input."""

    root: Path
    target: Target
    files: tuple[InputFile, ...]
    """Sorted by address, so that the order on disk does not matter."""

    @property
    def single(self) -> bool:
        """Whether it is one file."""
        return self.files[0].relative == "."

    @property
    def struck(self) -> list[InputFile]:
        """Files that the recipe may strike."""
        return [file for file in self.files if not file.carried]


def find_target(root: Path) -> Target | None:
    """Say what the input holds; None where a folder holds tables and images."""
    found = {_target(path) for _, path in _walk(root)} - {None}
    if not found:
        kinds = ", ".join([*TABLES, *sorted(IMAGES)])
        raise DataProblem(f"{root}: {'no' if root.is_dir() else 'is no'} file that noisecli reads ({kinds})")
    return found.pop() if len(found) == 1 else None


def discover(root: Path, target: Target, purpose: str) -> Dataset:
    """List the files of the input and settle which are carried."""
    train_only = purpose == "train"
    whole = root.resolve()
    if train_only and any(name.lower() in HELD_OUT for name in (whole.name, whole.stem, whole.parent.name)):
        raise UsageProblem(
            f"{root}: looks like held-out data, which `purpose: train` leaves alone; to strike it, add the line "
            "`purpose: evaluate` to the recipe"
        )
    files = []
    for relative, path in _walk(root):
        if not _is_text(relative):
            raise DataProblem(f"{relative!r}: a file name that is not UTF-8, so no manifest can hold it: rename it")
        held_out = train_only and relative != "." and _is_held_out(relative, target)
        files.append(InputFile(path, relative, held_out or _target(path) != target))
    dataset = Dataset(
        root, target, tuple(sorted(files, key=lambda file: file.address.encode("utf-8", "surrogateescape")))
    )
    if not dataset.struck:
        raise DataProblem(f"{root}: every file of {target} is held out under `purpose: train`")
    return dataset


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _target(path: Path) -> Target | None:
    suffix = path.suffix.lower()
    return "table" if suffix in TABLES else "images" if suffix in IMAGES else None


def _is_held_out(relative: str, target: Target) -> bool:
    """Whether a folder on the way names a held-out split (`val/`, `split=test/`), or a table does (`test.csv`)."""
    path = PurePosixPath(relative)
    names = [part.rpartition("=")[2] for part in path.parts[:-1]] + [path.stem] * (target == "table")
    return any(name.lower() in HELD_OUT for name in names)


def _walk(root: Path) -> Iterator[tuple[str, Path]]:
    """Yield every file with its relative POSIX path."""
    if not root.exists():
        raise UsageProblem(f"{root}: no such file or folder")
    if root.is_file():
        yield ".", root
        return
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder, name)
            if path.is_file():
                yield path.relative_to(root).as_posix(), path
