"""What a worker does: survey one file, or write a stretch of one copy. Files go in and out, never cells or pixels."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from noisecli.engine import TableEngine, Tally
from noisecli.errors import DataProblem, NoiseError, RowProblem
from noisecli.executors import Pool
from noisecli.formats import Part, Transform, Written
from noisecli.formats.arranged import keyed
from noisecli.manifest import digest
from noisecli.plan import Plan
from noisecli.run.dataset import InputFile
from noisecli.run.intervals import IntervalShard
from noisecli.run.truth import Shard
from noisecli.survey import Request, Survey

SURVEY_BYTES = 6 << 20
"""How much of a file a worker surveys at a time, at least, if its parts are not larger."""


@dataclass(frozen=True)
class SurveyTask:
    """Read one table: its structure, its digest, and the facts asked for."""

    file: InputFile
    request: Request
    known: tuple[str, int] | None = None
    """SHA-256 and size of the file, if an earlier pass has found them."""
    parts: Sequence[Part] | None = None
    """Read these alone, which follow each other, and leave the digest to who asks; None: the whole file."""

    @property
    def name(self) -> str:
        """The file, for faults."""
        return self.file.name


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
    names = task.request.looks_at(table.as_text)
    parts: list[Part] = []
    misfits: list[int] = []

    def slabs() -> Any:
        some = task.parts
        for part, slab in table.scan(names) if some is None else table.read(some, names):
            if not parts or part != parts[-1]:
                parts.append(part)
                read(part.size)
            if slab.misfits is not None:
                misfits.extend((np.flatnonzero(slab.misfits) + slab.first_row + 1).tolist())
            yield slab

    survey = Survey.of(task.request, _storage(task), table.as_text, task.parts[0].first_row if task.parts else None)
    if task.parts is not None:
        survey.add_file(task.file.address, slabs())
        return Surveyed(survey, parts, misfits, "", 0)
    with ThreadPoolExecutor(1) as threads:
        known = threads.submit(lambda: task.known or digest(task.file.path))
        survey.add_file(task.file.address, slabs())
        return Surveyed(survey, parts, misfits, *known.result())


def _storage(task: SurveyTask) -> Mapping[str, pa.DataType]:
    """Say how the columns asked for are stored: text has to be read to know them, but that they are there is known."""
    table = task.file.table()
    return dict.fromkeys(task.request.columns, pa.string()) if table.as_text else table.fields()


def has_parts(task: SurveyTask) -> bool:
    """Say whether several workers are of use for one file."""
    return task.file.table().splits and task.file.path.stat().st_size > 2 * SURVEY_BYTES


def survey_in_parts(whole: SurveyTask, pool: Pool, read: Callable[[int], None]) -> Surveyed:
    """Scan one file by several workers, and take its digest meanwhile; the result is that of `survey_table`.

    Figures of blocks are merged in the order of the blocks, whoever has found them.
    """
    table = whole.file.table()
    survey = Survey.of(whole.request, _storage(whole), table.as_text)
    found = Surveyed(survey, [], [], "", 0)
    faults: list[NoiseError] = []

    def tasks() -> Iterator[SurveyTask]:
        parts: list[Part] = []
        try:
            for part in table.outline():
                if sum(one.size for one in parts) >= SURVEY_BYTES:
                    yield replace(whole, parts=parts)
                    parts = []
                parts.append(part)
        except NoiseError as fault:  # rows before it may have another one
            faults.append(fault)
        if parts:
            yield replace(whole, parts=parts)

    with ThreadPoolExecutor(1) as threads:
        known = threads.submit(lambda: whole.known or digest(whole.file.path))
        for some in pool.map(survey_table, tasks()):
            assert some.survey is not None
            survey.merge(some.survey)
            found.parts.extend(some.parts)
            found.misfits.extend(some.misfits)
            read(sum(part.size for part in some.parts))
        for fault in faults:
            raise fault
        survey.end_file()
        sha256, size = known.result()
    return replace(found, sha256=sha256, size=size)


@dataclass(frozen=True)
class TableTask:
    """Write some parts of one copy of a table, or a share of their columns."""

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
    share: int = 0
    """Number of the share of the columns."""
    shares: int = 1
    """Into how many the columns are dealt out."""

    @property
    def size(self) -> int:
        """Bytes of the file that it stands for."""
        return sum(part.size for part in self.parts) // self.shares

    @property
    def name(self) -> str:
        """The file, for faults."""
        return self.file.name

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
            shard = stack.enter_context(Shard(task.truth, about, task.plan))
            transform = shard.watch(transform)
        if task.keys is not None:
            transform = keyed(transform, task.rows, stack.enter_context(task.keys.open("wb")))
        try:
            written = task.file.table().write(task.parts, columns, transform, task.sink, task.plan.outgoing)
        except RowProblem as error:
            raise DataProblem(f"{task.file.path}: {error}") from None
    return TableDone(written, engine.tally)
