"""What the input is: its files, which of them a recipe may strike, and which are carried."""

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath, PurePosixPath
from typing import Literal

from noisecli.corruption import Target
from noisecli.errors import DataProblem, UsageProblem
from noisecli.formats import FOUND_OUT, Reading, TableFile, images
from noisecli.formats.csv import CsvFile
from noisecli.formats.feather import FEATHER
from noisecli.formats.jsonl import JsonLinesFile
from noisecli.formats.parquet import ParquetFile
from noisecli.formats.plain import COMPRESSED
from noisecli.manifest import COMPANIONS
from noisecli.run.walk import Entry, walk

TABLES: dict[str, Callable[[Path, str, Reading], TableFile]] = {
    ".csv": CsvFile,
    ".tsv": CsvFile,
    ".jsonl": JsonLinesFile,
    ".ndjson": JsonLinesFile,
    ".parquet": ParquetFile,
    **FEATHER,
}
IMAGES = frozenset(images.EXTENSIONS)
OTHER_IMAGES = frozenset({".avif", ".bmp", ".gif", ".heic", ".jp2", ".tif", ".tiff", ".webp"})
"""Pictures that are carried, since their pixels are not read."""
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
        return TABLES[table_suffix(self.path)](self.path, self.name, self.reading)


@dataclass(frozen=True)
class Dataset:
    """The input."""

    root: Path
    target: Target
    files: tuple[InputFile, ...]
    """Sorted by address, so that the order on disk does not matter."""
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Name to why the entry is no part of the input, where that is no error."""

    def spooled(self, folder: Path) -> "Dataset":
        """Return the same input, with plain copies of its files in a folder where they need some."""
        files = (replace(file, reading=replace(file.reading, spool=folder)) for file in self.files)
        return replace(self, files=tuple(files))

    @property
    def single(self) -> bool:
        """Whether it is one file."""
        return self.files[0].relative == "."

    @property
    def struck(self) -> list[InputFile]:
        """Files that the recipe may strike."""
        return [file for file in self.files if not file.carried]


def missing_entries(dataset: Dataset) -> list[str]:
    """Warn of entries that are left out: who counts the files of a copy expects all of them."""
    if not dataset.left_out:
        return []
    (name, why), *others = dataset.left_out.items()
    count = f"{len(others) + 1:,} entries are left out, as the manifest lists; the first is " if others else ""
    return [f"{count or '1 entry is left out: '}{name}: {why}"]


def unread_images(dataset: Dataset) -> list[str]:
    """Warn of pictures beside those that are struck: who mixes formats expects noise on all of them."""
    suffixes = [suffix for file in dataset.files if (suffix := file.path.suffix.lower()) in OTHER_IMAGES]
    if not suffixes:
        return []
    images = "1 image is" if len(suffixes) == 1 else f"{len(suffixes):,} images are"
    kinds = ", ".join(sorted(set(suffixes)))
    return [f"{images} of a kind that is not read, and carried without noise ({kinds}): convert them to PNG or JPEG"]


def table_suffix(path: Path) -> str:
    """Return the extension that tells the format of a table, in lower case: `.csv` of `data.CSV.gz`."""
    inner = path.with_suffix("") if path.suffix.lower() in COMPRESSED else path
    suffix = inner.suffix.lower()
    return suffix if inner is path or TABLES.get(suffix) in (CsvFile, JsonLinesFile) else ""


def format_of(path: Path) -> str | None:
    """Return the format that a name stands for, compression included; None where it stands for none."""
    suffix = path.suffix.lower()
    if suffix in COMPRESSED and table_suffix(path):
        return table_suffix(path) + suffix
    return images.EXTENSIONS.get(suffix) or (suffix if suffix in TABLES else None)


def find_target(root: Path) -> Target | Literal["both"]:
    """Say what the input holds: tables, images, or a folder of both."""
    entries = list(walk(root))
    found = {target for entry in entries if (target := _target(entry.path, entry.relative))}
    if not found:
        _refuse(root, [entry for entry in entries if entry.objection])
        kinds = ", ".join([*TABLES, *sorted(IMAGES)])
        raise DataProblem(f"{root}: {'no' if root.is_dir() else 'is no'} file that noisecli reads ({kinds})")
    return found.pop() if len(found) == 1 else "both"


def discover(root: Path, target: Target, purpose: str, reading: Reading) -> Dataset:
    """List the files of the input and settle which are carried, and how the others are read."""
    train_only = purpose == "train"
    whole = root.resolve()
    if train_only and (_means_held_out(whole) or any(name.lower() in HELD_OUT for name in whole.parts[-2:])):
        raise UsageProblem(
            f"{root}: looks like held-out data, which `purpose: train` leaves alone; to strike it, add the line "
            "`purpose: evaluate` to the recipe"
        )
    entries = sorted(walk(root), key=lambda entry: entry.relative.encode("utf-8", "surrogateescape"))
    objectionable = [entry for entry in entries if entry.objection]
    if not reading.skip_errors:
        _refuse(root, objectionable, " (`on_error: skip` leaves such entries out)")
    files = []
    for entry in entries:
        if not entry.objection:
            held_out = train_only and entry.relative != "." and _is_held_out(entry.relative, target)
            carried = held_out or _target(entry.path, entry.relative) != target
            files.append(InputFile(entry.path, entry.relative, carried, reading))
    left_out = {entry.name: entry.objection for entry in objectionable}
    dataset = Dataset(root, target, tuple(sorted(files, key=lambda file: file.address.encode())), left_out)
    if not dataset.struck:
        _refuse(root, [entry for entry in objectionable if _target(entry.path, entry.relative) == target])
        raise DataProblem(f"{root}: every file of {target} is held out under `purpose: train`")
    return dataset


def _refuse(root: Path, entries: Sequence[Entry], advice: str = "") -> None:
    if entries:
        first, *others = entries
        more = f"; there are {len(others):,} more that cannot be taken" if others else ""
        raise DataProblem(f"{root / first.name}: {first.objection}{more}{advice}")


def _target(path: Path, relative: str) -> Target | None:
    if relative != "." and path.name.endswith(tuple(COMPANIONS.values())):
        return None  # an earlier run left it beside its output
    return "table" if table_suffix(path) in TABLES else "images" if path.suffix.lower() in IMAGES else None


def _is_held_out(relative: str, target: Target) -> bool:
    """Whether a folder on the way names a held-out split (`val/`, `split=test/`), or a table does (`test.csv`)."""
    path = PurePosixPath(relative)
    folders = (part.rpartition("=")[2].lower() for part in path.parts[:-1])
    return not HELD_OUT.isdisjoint(folders) or (target == "table" and _means_held_out(path))


def _means_held_out(path: PurePath) -> bool:
    """Whether a file bears the name of a held-out split, or of a shard of one: `test.csv`, `test-00000-of-00002`."""
    stem = path.name.partition(".")[0].lower()
    return re.sub(r"[-_][0-9]+([-_]of[-_][0-9]+)?$", "", stem) in HELD_OUT
