"""What a worker does: survey one file, or write a stretch of one copy. Files go in and out, never cells or pixels."""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from noisecli.engine import ImageEngine, OutOfOrder, TableEngine, Tally
from noisecli.errors import DataProblem
from noisecli.formats import Part, Transform, Written
from noisecli.formats.arranged import keyed
from noisecli.formats.images import ImageFile, parse_image, read_image
from noisecli.manifest import digest
from noisecli.plan import Plan, StepPlan
from noisecli.recipe.models import Encode
from noisecli.run.dataset import InputFile
from noisecli.run.intervals import IntervalShard
from noisecli.run.truth import Shard
from noisecli.survey import Request, Survey


@dataclass(frozen=True)
class SurveyTask:
    """Read one table: its structure, its digest, and the facts asked for."""

    file: InputFile
    request: Request
    known: tuple[str, int] | None = None
    """SHA-256 and size of the file, if an earlier pass has found them."""


@dataclass(frozen=True)
class Surveyed:
    """What a table turned out to be."""

    survey: Survey | None
    parts: list[Part]
    misfits: list[int]
    """Numbers of the rows that do not fit the header, from 1."""
    sha256: str
    size: int


def survey_table(task: SurveyTask, read: Callable[[int], None] = lambda size: None) -> Surveyed:
    """Scan one table; `read` is told the bytes of each part."""
    table = task.file.table()
    parts: list[Part] = []
    misfits: list[int] = []

    def slabs() -> Any:
        for part, slab in table.scan(list(task.request.columns)):
            parts.append(part)
            if slab.misfits is not None:
                misfits.extend((np.flatnonzero(slab.misfits) + slab.first_row + 1).tolist())
            yield slab
            read(part.size)

    # Names are known to be there, and finding them out may take long.
    storage = dict.fromkeys(task.request.columns, pa.string()) if table.as_text else table.fields()
    survey = Survey.of(task.request, storage, as_text=table.as_text)
    survey.add_file(task.file.address, slabs())
    return Surveyed(survey, parts, misfits, *(task.known or digest(task.file.path)))


@dataclass(frozen=True)
class TableTask:
    """Write some parts of one copy of a table."""

    file: InputFile
    parts: Sequence[Part]
    plan: Plan
    copy: int
    sink: Path
    variant: str = ""
    truth: Path | None = None
    """Where the shard of the truth goes; None: it is not asked for."""
    keys: Path | None = None
    """Where the keys go by which the rows of the file will be ordered; None: they stay in order."""
    rows: int = 0
    """Rows of the whole file."""
    intervals: Path | None = None
    """Where the shard of the intervals goes; None: they are not asked for, or nothing lasts."""

    @property
    def whole(self) -> tuple[str, int, str]:
        """Tells the outgoing file that the parts belong to."""
        return self.variant, self.copy, self.file.relative


@dataclass(frozen=True)
class TableDone:
    """What came of it."""

    written: Written
    tally: Tally


def write_table(task: TableTask) -> TableDone:
    """Corrupt and write some parts of a table."""
    engine = TableEngine(task.plan, task.copy, task.file.address, keep_changes=task.truth is not None)
    columns = {name: task.plan.columns[name] for name in task.plan.touched}
    transform: Transform = engine
    with ExitStack() as stack:
        about = {"sweep": task.variant or None, "copy": task.copy, "file": task.file.relative}
        if task.intervals is not None and engine.intervals is not None:
            told = stack.enter_context(IntervalShard(task.intervals, about, task.plan, engine.intervals))
            transform = told.watch(transform)
        if task.truth is not None:
            shard = stack.enter_context(Shard(task.truth, about, task.plan, task.parts))
            transform = shard.watch(transform)
        if task.keys is not None:
            transform = keyed(transform, task.parts, task.rows, stack.enter_context(task.keys.open("wb")))
        try:
            written = task.file.table().write(task.parts, columns, transform, task.sink, task.plan.outgoing)
        except OutOfOrder as error:
            raise DataProblem(f"{task.file.path}: {error}") from None
    return TableDone(written, engine.tally)


@dataclass(frozen=True)
class FilesTask:
    """Write one copy of some files: images are struck, what is carried is copied."""

    files: Sequence[InputFile]
    targets: Sequence[Path]
    plan: Plan
    copy: int
    variant: str = ""
    encode: Encode = "struck"


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
    """Why an image that should have been struck was carried."""


@dataclass
class FilesDone:
    """What came of some files."""

    files: list[FileDone] = field(default_factory=list)
    tally: Tally = field(default_factory=dict)


def write_files(task: FilesTask) -> FilesDone:
    """Write some files."""
    engine = ImageEngine(task.plan, task.copy)
    done = FilesDone(tally=engine.tally)
    for file, target in zip(task.files, task.targets, strict=True):
        target.parent.mkdir(parents=True, exist_ok=True)
        steps = [] if file.carried or task.copy == 0 else engine.strikes(file.address)
        try:
            if steps or (task.encode != "struck" and not file.carried):
                done.files.append(_write_image(file, target, engine, steps, task.encode))
            else:
                done.files.append(carry(file, target))
        except DataProblem as error:
            if not file.reading.skip_errors:
                raise DataProblem(f"{error} (`on_error: skip` carries such images untouched)") from error
            skipped = str(error).removeprefix(f"{file.name}: ")
            done.files.append(replace(carry(file, _unconverted(file, target)), skipped=skipped))
            for step in steps:
                engine.tally[step.id, ""].void += 1
    return done


def _unconverted(file: InputFile, target: Path) -> Path:
    """Where a file goes in its own format; a target without extension is the output itself."""
    return target.with_suffix(file.path.suffix) if target.suffix else target


def _write_image(file: InputFile, target: Path, engine: ImageEngine, steps: list[StepPlan], encode: Encode) -> FileDone:
    raw = read_image(file.path, file.name)
    done = strike_image(file, raw, engine, steps, encode)
    target.write_bytes(done.data)
    read, written = ((hashlib.sha256(data).hexdigest(), len(data)) for data in (raw, done.data))
    return FileDone(file.relative, read, written, done.content, done.drawn, done.changed)


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
    file: InputFile,
    raw: bytes,
    engine: ImageEngine,
    steps: list[StepPlan],
    encode: Encode = "struck",
    image: ImageFile | None = None,
) -> StruckImageFile:
    """Return an image file after the steps that strike it.

    Where all of them are on the file it is not decoded, unless every image is encoded anew.

    Args:
        file: the file.
        raw: its bytes.
        engine: what strikes.
        steps: which do.
        encode: as the recipe says.
        image: the file taken apart, if that has been done.
    """
    content: str | None = None
    drawn: dict[str, Any] = {}
    changed: tuple[str, ...] = ()
    finished = raw
    if encode != "struck" or not all(step.on_image_file for step in steps):
        image = image or parse_image(raw, file.name)
        image = image.exact() if encode == "exact" else image
        with _naming(file):
            struck = engine(file.address, image.pixels, steps)
        content, finished = image.digest(struck.result), image.encode(struck.result)
        drawn, changed = struck.drawn, struck.changed
    with _naming(file):
        damaged = engine.damage(file.address, finished, steps)
    content = None if damaged.changed else content
    return StruckImageFile(damaged.result, content, {**drawn, **damaged.drawn}, (*changed, *damaged.changed))


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
