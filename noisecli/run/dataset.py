"""What the input is: its files, which of them a recipe may strike, and which are carried."""

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import cached_property
from itertools import islice
from pathlib import Path, PurePath, PurePosixPath

from noisecli.annotations import find_masks, masks_by_name
from noisecli.corruption import Target
from noisecli.errors import DataProblem, UsageProblem
from noisecli.formats import FOUND_OUT, Reading, TableFile, images, tar
from noisecli.formats.csv import CsvFile
from noisecli.formats.feather import FEATHER
from noisecli.formats.jsonl import JsonLinesFile
from noisecli.formats.plain import COMPRESSED
from noisecli.manifest import COMPANIONS
from noisecli.plan import TRAINING
from noisecli.recipe.load import Holding
from noisecli.run.walk import Entry, walk

METADATA = frozenset({"metadata.csv", "metadata.jsonl", "metadata.parquet"})
"""Names of tables that tell of the images around and below them, in what Hugging Face calls an imagefolder."""


def _parquet(path: Path, name: str, reading: Reading) -> TableFile:
    from noisecli.formats.parquet import ParquetFile  # takes 0.02 s, for which other files need not wait

    return ParquetFile(path, name, reading)


TABLES: dict[str, Callable[[Path, str, Reading], TableFile]] = {
    ".csv": CsvFile,
    ".tsv": CsvFile,
    ".jsonl": JsonLinesFile,
    ".ndjson": JsonLinesFile,
    ".parquet": _parquet,
    **FEATHER,
}
IMAGES = frozenset(images.EXTENSIONS)
OTHER_IMAGES = images.OTHER_EXTENSIONS
TAR = ".tar"
PEEKED = 64
"""Among so many files at the beginning of a tar there is an image, or it is no tar of images."""
HELD_OUT = frozenset({"val", "valid", "validation", "dev", "test", "holdout"})
"""Folder names, and stems of single files, that mean data to be left alone under `purpose: train`."""


@dataclass(frozen=True)
class InputFile:
    """One file of the input, or an image in a tar."""

    path: Path
    relative: str
    """POSIX path from the input; "." for a single file."""
    carried: bool
    """Copied as it is: of another kind, or held out."""
    reading: Reading = FOUND_OUT
    """How it is read as a table."""
    spares: bool = False
    """Whether held-out folders in a tar are left alone."""
    mask_globs: tuple[str, ...] | None = None
    """Where the masks are in a tar; None: their names tell."""
    member: tar.Member | None = None
    """Where an image lies in a tar; `path` is that of the tar."""

    @property
    def address(self) -> str:
        """What random numbers are keyed by: a single file may be renamed."""
        return "" if self.relative == "." else _normal(self.relative)

    @property
    def name(self) -> str:
        """What faults call it."""
        name = self.path.name if self.relative == "." else self.relative
        if self.member is not None and self.relative == self.member.name:
            name = f"{self.path.name}/{name}"
        return name if name.isprintable() else repr(name)

    @property
    def is_tar(self) -> bool:
        """Whether images lie in it."""
        return self.member is None and self.path.suffix.lower() == TAR

    def images(self) -> Iterator["InputFile"]:
        """Yield the images that lie in it, if it is a tar, or else the image that it is."""
        if not self.is_tar:
            yield self
            return
        for member in self._members():
            carried = member.name in self.masks or (self.spares and _is_held_out(member.name, "images"))
            yield replace(self, relative=self._inside(member), carried=carried, member=member)

    @cached_property
    def masks(self) -> frozenset[str]:
        """The images in a tar that are masks, by their names in it."""
        if self.mask_globs is None:
            return masks_by_name([member.name for member in self._members()])
        here = ((member.name, self._inside(member)) for member in self._members())
        return frozenset(name for name, path in here if any(lies_at(path, glob) for glob in self.mask_globs))

    def _inside(self, member: tar.Member) -> str:
        return member.name if self.relative == "." else f"{self.relative}/{member.name}"

    def _members(self) -> Iterator[tar.Member]:
        """Yield the images in a tar as members."""
        try:
            with self.path.open("rb") as file:
                yield from filter(_is_image, tar.members(file, self.name))
        except DataProblem as error:
            if self.reading.skip_errors:
                raise
            raise DataProblem(f"{error} (`on_error: skip` carries such tars untouched)") from error

    def read_image(self) -> bytes:
        """Read it as the file of an image."""
        if self.member is not None and self.member.objection:
            raise DataProblem(f"{self.name}: {self.member.objection}")
        return images.read_image(self.path, self.name, self.member)

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
    masks: frozenset[str] = frozenset()
    """Relative paths of pictures that are annotations; they are carried."""

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

    @property
    def images(self) -> list[InputFile]:
        """Images that are no masks, those too that are held out or of a kind that is not read."""
        found = (file for file in self.files if file.relative not in self.masks)
        return [file for file in found if file.path.suffix.lower() in IMAGES | OTHER_IMAGES]

    def struck_images(self) -> Iterator[InputFile]:
        """Yield the images that the recipe may strike, those in tars too."""
        for file in self.struck:
            try:
                found = [image for image in file.images() if not image.carried]
            except DataProblem:
                if not file.reading.skip_errors:
                    raise
                continue  # such a tar is carried
            yield from found


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
    if path.name.lower().endswith(tar.COMPRESSED):
        return suffix
    return images.EXTENSIONS.get(suffix) or (suffix if suffix in TABLES or suffix == TAR else None)


def find_target(root: Path) -> Holding:
    """Say what the input holds: tables, images, or a folder of both; in an imagefolder all tables are metadata."""
    entries = list(walk(root))
    found: set[Target] = set()
    broken: list[DataProblem] = []
    for entry in entries:
        try:
            target = _target(entry)
        except DataProblem as problem:
            broken.append(problem)
        else:
            found |= {target} if target else set()
    if not found:
        _refuse(root, [entry for entry in entries if entry.objection])
        if broken:
            raise broken[0]
        kinds = ", ".join([*TABLES, *sorted(IMAGES), TAR])
        raise DataProblem(f"{root}: {'no' if root.is_dir() else 'is no'} file that noisecli reads ({kinds})")
    if len(found) == 1:
        return found.pop()
    tables = (entry.path.name for entry in entries if _is_of(entry, "table"))
    return "imagefolder" if METADATA.issuperset(tables) else "both"


def discover(root: Path, target: Target, purpose: str, reading: Reading, masks: Sequence[str] | None = None) -> Dataset:
    """List the files of the input and settle which are carried, and how the others are read.

    Args:
        root: the input.
        target: what is struck.
        purpose: as the recipe says.
        reading: how files of text are read.
        masks: globs of the masks in a folder of images; None: they are found by their names.
    """
    train_only = purpose == "train"
    whole = root.resolve()
    if train_only and (_means_held_out(whole) or any(map(_names_held_out, whole.parts[-2:]))):
        raise UsageProblem(
            f"{root}: looks like held-out data, which `purpose: train` leaves alone; to strike it, add the line "
            "`purpose: evaluate` to the recipe"
        )
    entries = sorted(walk(root), key=lambda entry: entry.relative.encode("utf-8", "surrogateescape"))
    objectionable = [entry for entry in entries if entry.objection]
    if not reading.skip_errors:
        _refuse(root, objectionable, " (`on_error: skip` leaves such entries out)")
    taken = {entry.relative: entry.path for entry in entries if not entry.objection}
    known_masks = _find_masks(taken, masks) if target == "images" else frozenset()
    files, globs = [], None if masks is None else tuple(masks)
    for entry in entries:
        if not entry.objection:
            held_out = train_only and entry.relative != "." and _is_held_out(entry.relative, target)
            carried = held_out or not _is_of(entry, target) or entry.relative in known_masks
            files.append(InputFile(entry.path, entry.relative, carried, reading, train_only, globs))
    left_out = {entry.name: entry.objection for entry in objectionable}
    ordered = tuple(sorted(files, key=lambda file: file.address.encode()))
    dataset = Dataset(root, target, ordered, left_out, known_masks)
    if not dataset.struck:
        _refuse(root, [entry for entry in objectionable if _is_of(entry, target)])
        if known_masks:
            what = f"{len(known_masks):,} masks, which are carried"
            raise DataProblem(f"{root}: no image to strike beside {what}: say `data: {{masks: []}}` if they are none")
        raise DataProblem(f"{root}: every file of {target} is held out under `purpose: train`")
    return dataset


def _find_masks(files: Mapping[str, Path], globs: Sequence[str] | None) -> frozenset[str]:
    if globs is None:
        return find_masks(files)
    return frozenset(name for name in files if any(lies_at(name, glob) for glob in globs))


def lies_at(path: str, glob: str) -> bool:
    """Whether a path is one of those that a glob stands for, however their letters are composed."""
    return fnmatchcase(_normal(path), _normal(glob))


def _normal(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _refuse(root: Path, entries: Sequence[Entry], advice: str = "") -> None:
    if entries:
        first, *others = entries
        more = f"; there are {len(others):,} more that cannot be taken" if others else ""
        raise DataProblem(f"{root / first.name}: {first.objection}{more}{advice}")


def _is_of(entry: Entry, target: Target) -> bool:
    """Whether a file is of a kind; a tar that cannot be read is one that should hold images."""
    try:
        return _target(entry) == target
    except DataProblem:
        return target == "images"


def _target(entry: Entry) -> Target | None:
    if entry.relative != "." and entry.path.name.endswith(tuple(COMPANIONS.values())):
        return None  # an earlier run left it beside its output
    suffix = entry.path.suffix.lower()
    if suffix == TAR:
        return "images" if not entry.objection and any(first_images(entry.path, str(entry.path))) else None
    return "table" if table_suffix(entry.path) in TABLES else "images" if suffix in IMAGES else None


def first_images(path: Path, name: str) -> Iterator[str]:
    """Yield the names of the images at the beginning of a tar; `name` is what faults call it."""
    with path.open("rb") as file:
        yield from (member.name for member in islice(tar.members(file, name), PEEKED) if _is_image(member))


def _is_image(member: tar.Member) -> bool:
    return PurePosixPath(member.name).suffix.lower() in IMAGES


def names_split(folder: str) -> bool:
    """Whether a folder's name means a split, not a class: `train`, `split=test`, `val2017`."""
    return _split_of(folder) in HELD_OUT | TRAINING


def _names_held_out(folder: str) -> bool:
    return _split_of(folder) in HELD_OUT


def _split_of(folder: str) -> str:
    """The name of a split without the year that COCO and VOC give it."""
    return re.sub(r"[-_]?(19|20)[0-9]{2}$", "", folder.rpartition("=")[2].lower())


def _is_held_out(relative: str, target: Target) -> bool:
    """Whether a folder on the way names a held-out split (`val/`, `split=test/`), or a table or tar (`test.csv`)."""
    path = PurePosixPath(relative)
    holds_many = target == "table" or path.suffix.lower() == TAR
    return any(map(_names_held_out, path.parts[:-1])) or (holds_many and _means_held_out(path))


def _means_held_out(path: PurePath) -> bool:
    """Whether a file bears the name of a held-out split, or of a shard of one: `test.csv`, `test-00000-of-00002`."""
    stem = path.name.partition(".")[0].lower()
    return re.sub(r"[-_][0-9]+([-_]of[-_][0-9]+)?$", "", stem) in HELD_OUT
