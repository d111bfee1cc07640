"""Write images of a copy, and what is carried into it. Files go in and out, never pixels."""

import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from noisecli.corruption import CloningCorruption, Pixels
from noisecli.engine import Counts, ImageEngine, Tally
from noisecli.errors import DataProblem
from noisecli.formats.images import ImageFile, parse_image
from noisecli.imagefiles import read_exif
from noisecli.imagefiles.exif import orientation
from noisecli.manifest import digest, place
from noisecli.pixels.frame import framed, stored, upright
from noisecli.plan import Plan, StepPlan, source_address
from noisecli.recipe.models import Encode
from noisecli.run.dataset import InputFile


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A file of a copy that is no struck table: an image, a clone of one, or what is carried."""

    file: InputFile
    path: str
    """In the output."""
    root: str
    """Folder of the output that is the tree of a copy; "" for the output itself."""
    address: str
    """What random numbers are keyed by: that of a clone is its own."""
    label: str | None = None
    """Class that it has in the input."""
    new_label: str | None = None
    """Class that it comes out in."""
    relabelled: Mapping[str, Any] = field(default_factory=dict)
    """Steps that gave it another class, and from which to which."""
    clones: tuple[tuple[StepPlan, int], ...] = ()
    """Steps that made it of its source, with its number among the clones."""
    partners: Mapping[str, InputFile] = field(default_factory=dict)
    """By step, the image that it is mixed with if it is struck."""

    @property
    def is_altered_clone(self) -> bool:
        """Whether it is a clone that is not its source, byte for byte."""
        ops = [step.corruption for step, _ in self.clones]
        return any(isinstance(op, CloningCorruption) and not op.is_exact for op in ops)

    @property
    def unconverted(self) -> str:
        """Its path in the format that it had; one without extension is the output itself."""
        path = PurePosixPath(self.path)
        return path.with_suffix(self.file.path.suffix).as_posix() if path.suffix else self.path

    def path_of(self, done: "FileDone") -> str:
        """Return where it really went."""
        return self.unconverted if done.skipped else self.path


@dataclass(frozen=True)
class FilesTask:
    """Write some files of one copy: images are struck, what is carried is copied."""

    files: Sequence[Outgoing]
    data: Path
    """The output."""
    plan: Plan
    copy: int
    variant: str = ""
    encode: Encode = "struck"
    truth: Path | None = None
    """Where it goes what changed in the images of a tar; None: it is not asked for."""

    @property
    def name(self) -> str:
        """The file that is being written, for faults: they are written in order."""
        left = (out.file.name for out in self.files if not place(self.data, out.path).exists())
        return next(left, self.files[-1].file.name)


@dataclass
class FileDone:
    """What came of one file."""

    relative: str
    source: tuple[str, int]
    """SHA-256 and size of what was read."""
    result: tuple[str, int]
    """SHA-256 and size of what was written."""
    content: str | None = None
    drawn: dict[str, Any] | None = None
    changed: tuple[str, ...] = ()
    """Steps that really changed an image."""
    skipped: str = ""
    """Why a file that should have been struck was carried."""
    rows: int | None = None
    """Rows of a table, or images in a tar."""
    unread: Mapping[str, str] = field(default_factory=dict)
    """Images in a tar that should have been struck and were carried, and why."""


@dataclass
class FilesDone:
    """What came of some files."""

    files: list[FileDone] = field(default_factory=list)
    tally: Tally = field(default_factory=dict)


def write_files(task: FilesTask) -> FilesDone:
    """Write some files."""
    done = FilesDone()
    for out in task.files:
        place(task.data, out.path).parent.mkdir(parents=True, exist_ok=True)
        engine = ImageEngine(task.plan, task.copy)
        steps = [] if out.file.carried or task.copy == 0 else _strikes(out, engine, task.plan, task.copy)
        try:
            done.files.append(_write(out, engine, steps, task))
        except DataProblem as error:
            if not out.file.reading.skip_errors:
                raise DataProblem(f"{error} (`on_error: skip` carries such images untouched)") from error
            skipped = str(error).removeprefix(f"{out.file.name}: ")
            done.files.append(replace(carry(out.file, place(task.data, out.unconverted)), skipped=skipped))
            for step in steps:  # of a clone those on pixels are not counted here
                engine.tally.setdefault((step.id, ""), Counts()).void += 1
        _count(done.tally, engine.tally, task.plan, bool(out.clones))
    return done


def _strikes(out: Outgoing, engine: ImageEngine, plan: Plan, copy: int) -> list[StepPlan]:
    """The steps that strike an image: a clone has what its source has, and faults of its own file."""
    steps = engine.strikes(out.address, out.label)
    if not out.clones:
        return steps
    uncounted = ImageEngine(plan, copy).strikes(source_address(out.address), out.label)
    return [*(step for step in uncounted if not step.on_image_file), *steps]


def _count(tally: Tally, new: Tally, plan: Plan, is_clone: bool) -> None:
    """Add what was counted; of a clone only what its source has not counted already."""
    on_file = {step.id for step in plan.steps if step.on_image_file}
    for key, counts in new.items():
        if not is_clone or key[0] in on_file:
            tally.setdefault(key, Counts()).add(counts)


def _write(out: Outgoing, engine: ImageEngine, steps: list[StepPlan], task: FilesTask) -> FileDone:
    target = place(task.data, out.path)
    anew = task.encode != "struck" and not out.file.carried
    if not steps and not anew and not out.is_altered_clone:
        return carry(out.file, target)
    raw = out.file.read_image()
    done = strike_image(out, raw, engine, steps, task.encode)
    target.write_bytes(done.data)
    read, written = ((hashlib.sha256(data).hexdigest(), len(data)) for data in (raw, done.data))
    return FileDone(out.file.relative, read, written, done.content, done.drawn, done.changed)


@dataclass(frozen=True)
class StruckImageFile:
    """What became of an image and its file."""

    data: bytes
    content: str | None
    """Digest of the pixels; None where a step damaged the file, so that readers disagree about them."""
    drawn: dict[str, Any]
    changed: tuple[str, ...]
    """Steps that really changed it."""


def strike_image(
    out: Outgoing,
    raw: bytes,
    engine: ImageEngine,
    steps: Sequence[StepPlan],
    encode: Encode = "struck",
    image: ImageFile | None = None,
) -> StruckImageFile:
    """Return an image file after the steps that strike it.

    Where all of them are on the file it is not decoded, unless every image is encoded anew.

    Args:
        out: where from, and what it is mixed with.
        raw: the bytes of its source.
        engine: what strikes.
        steps: which do.
        encode: as the recipe says.
        image: the source taken apart, if that has been done.
    """
    content: str | None = None
    drawn: dict[str, Any] = {}
    changed: tuple[str, ...] = ()
    finished = raw
    if encode != "struck" or out.is_altered_clone or not all(step.on_image_file for step in steps):
        image = image or parse_image(raw, out.file.name)
        image = image.exact() if encode == "exact" else image
        source = source_address(out.address)
        with _naming(out.file):
            struck = engine(source, image.pixels, steps, _Partners(out, raw))
            cloned = engine.clone(source, struck.result, out.clones)
        drawn, changed = {**struck.drawn, **cloned.drawn}, (*struck.changed, *cloned.changed)
        if changed or encode != "struck":  # else the codec would do what no step did
            content, finished = image.digest(cloned.result), image.encode(cloned.result)
        for step in drawn.keys() & out.partners.keys():
            drawn[step]["partner"] = out.partners[step].relative
    with _naming(out.file):
        damaged = engine.damage(out.address, finished, steps)
    content = None if damaged.changed else content
    return StruckImageFile(damaged.result, content, {**drawn, **damaged.drawn}, (*changed, *damaged.changed))


@dataclass(frozen=True)
class _Partners:
    """Reads the images that one is mixed with."""

    out: Outgoing
    raw: bytes

    def __call__(self, step: StepPlan, pixels: Pixels) -> Pixels:
        """Return the partner as it looks on the stored frame of the image, so that both are upright together."""
        file = self.out.partners[step.id]
        try:
            data = file.read_image()
            shown = upright(parse_image(data, file.name).pixels, orientation(read_exif(data)))
        except DataProblem as error:
            raise DataProblem(f"its partner {error}") from None
        return framed(stored(shown, orientation(read_exif(self.raw))), pixels)


@contextmanager
def _naming(file: InputFile) -> Iterator[None]:
    try:
        yield
    except DataProblem as error:
        raise DataProblem(f"{file.name}: {error}") from None


def carry(file: InputFile, target: Path) -> FileDone:
    """Copy a file as it is."""
    target.parent.mkdir(parents=True, exist_ok=True)
    copy_bytes(file.path, target)
    found = digest(target)
    return FileDone(file.relative, found, found)


def copy_bytes(source: Path, target: Path) -> None:
    """Copy a file, sharing its blocks where the file system can."""
    try:
        with source.open("rb") as read, target.open("wb") as write:
            left = os.fstat(read.fileno()).st_size
            while left > 0:
                sent = os.copy_file_range(read.fileno(), write.fileno(), left)
                if sent == 0:
                    break
                left -= sent
            if left == 0:
                return
    except (AttributeError, OSError):
        pass  # not this system, or not between these two file systems
    shutil.copyfile(source, target)
