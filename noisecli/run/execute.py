"""Write the copies: hand out tasks, gather what they did, put files together."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count, groupby, islice, pairwise, product
from pathlib import Path

from noisecli import manifest as manifests
from noisecli.annotations import Annotations
from noisecli.engine import Index, Tally
from noisecli.errors import UsageProblem
from noisecli.executors import Pool
from noisecli.formats import Assembled, Part, combined
from noisecli.formats.arranged import ORDER_BYTES, find_order, find_places
from noisecli.formats.csv import CsvFile
from noisecli.listing import InputEntry
from noisecli.partners import GROUP_BYTES
from noisecli.plan import Plan
from noisecli.recipe import Recipe
from noisecli.recipe.models import IMAGENET_C
from noisecli.run import work
from noisecli.run.dataset import Dataset, InputFile
from noisecli.run.dirt import spoil
from noisecli.run.images.arrange import Arrangement
from noisecli.run.images.classes import Classes
from noisecli.run.images.tars import write_files
from noisecli.run.images.write import FileDone, FilesDone, FilesTask, Outgoing, copy_bytes
from noisecli.run.layout import place_in_output
from noisecli.run.pairing import columns_of_partners, pairings_of
from noisecli.run.record import Record
from noisecli.run.resume import Log
from noisecli.survey import Survey

Progress = Callable[[str, int, int], None]
"""Told the stage, the bytes done and the bytes in all."""

TASK_SLABS = 8
MOST_TASKS = 64
"""So many share a Parquet file, whose footer each of them reads."""

MOST_SINKS = 128
"""So many there may be where each takes a share of the columns: what all of them write is open at once."""

SHARE_CELLS = 1 << 21
"""Cells of a row group for a task: more take memory, and longer each, as they leave the processor's cache."""

TASK_IMAGES = 16


@dataclass(frozen=True)
class Prepared:
    """Everything settled before the first byte is written."""

    recipe: Recipe
    dataset: Dataset
    plans: Mapping[str, Plan]
    """One a variant of the recipe, by its folder."""
    tables: Mapping[str, work.Surveyed]
    """Tables to be struck, by relative path."""
    warnings: list[str]
    survey: Survey | None = None
    """What was found out of the tables; None: nothing had to be."""
    classes: Classes | None = None
    """Those of images; None: no step asks for them."""
    annotations: Annotations | None = None
    """Those of images that come out under other names; None: none do."""
    followers: Mapping[str, tuple[InputFile, ...]] = field(default_factory=dict)
    """Files that get the stem of what comes of such an image, by its path."""

    def spill(self) -> int:
        """About how many bytes are put aside on disk at a time.

        For rows that move it is the largest table, and its order; for rows that are paired some columns of all tables.
        """
        plans = self.plans.values()
        asked = {name for plan in plans for name in columns_of_partners(plan)}
        scattering = any(plan.scatters for plan in plans)
        if self.dataset.target == "images" or not (asked or scattering):
            return 0
        tables = [(file.table(), self.tables[file.relative].parts) for file in self.dataset.struck]
        sizes = [(table.spilled(parts), sum(part.rows for part in parts)) for table, parts in tables]
        moving = max(size + ORDER_BYTES * rows for size, rows in sizes) if scattering else 0
        share = len(asked) / max(1, len(tables[0][0].fields())) if asked else 0
        grouped = {pairing for plan in plans for pairing in pairings_of(plan)}
        return moving + sum(round(size * share) + GROUP_BYTES * len(grouped) * rows for size, rows in sizes)


class Meter:
    """Adds up bytes for a progress display."""

    def __init__(self, show: Progress | None) -> None:
        self._show = show
        self._stage, self._done, self._all, self._finished = "", 0, 0, 0

    def start(self, stage: str, total: int) -> None:
        """Begin a stage of so many bytes."""
        self._stage, self._done, self._all, self._finished = stage, 0, total, 0
        self.add(0)

    def finish(self, size: int) -> None:
        """Note that a file of that size is done, of which some parts may have been noted already."""
        self._finished += size
        self.add(max(0, self._finished - self._done))

    def add(self, count: int) -> None:
        """Note that so many more bytes are done."""
        self._done += count
        if self._show is not None:
            self._show(self._stage, self._done, self._all)


def write_tables(
    prepared: Prepared, record: Record, pool: Pool, log: Log, data: Path, space: Path, meter: Meter
) -> None:
    """Write every copy of every table that is struck."""
    tasks: list[work.TableTask] = []
    written = [copy for copy in prepared.recipe.head.written if copy]
    for variant, copy, file in product(prepared.plans, written, prepared.dataset.struck):
        parts, plan = prepared.tables[file.relative].parts, prepared.plans[variant].without_dirt
        rows = sum(part.rows for part in parts)
        shared = file.table().splits and not plan.whole_files
        portion = TASK_SLABS if file.table().as_text else -(-len(parts) // MOST_TASKS)  # row groups are large
        step = max(portion if shared else len(parts), 1)
        shares = _share_out(plan, file, parts) if shared and record.truth is None else [plan]
        for i, (share, own) in product(range(0, max(len(parts), 1), step), enumerate(shares)):
            sink = space / f"part-{len(tasks)}"
            shard = sink.with_suffix(".truth") if record.truth is not None else None
            keys = sink.with_suffix(".keys") if plan.scatters else None
            told = sink.with_suffix(".intervals") if plan.series is not None and plan.series.told else None
            some, beside = parts[i : i + step], (shard, keys, rows, told)
            tasks.append(work.TableTask(file, some, own, copy, sink, variant, *beside, share, len(shares)))
    results = log.map(pool, work.write_table, tasks, lambda task, _: [task.sink])
    pieces: list[tuple[work.TableTask, work.TableDone]] = []
    for i, (task, done) in enumerate(results):
        record.count(task.variant, done.tally)
        if record.intervals is not None and task.intervals is not None:
            record.intervals.take(task.intervals)
        if task.keys is None:
            _take_truth(record, task, sum(piece.written.rows for _, piece in pieces))
        pieces.append((task, done))
        meter.add(task.size)
        following = tasks[i + 1] if i + 1 < len(tasks) else None
        if following is None or following.whole != task.whole:
            _finish_table(prepared, record, log, data, pieces)
            meter.finish(prepared.tables[task.file.relative].size)
            pieces = []


def _share_out(plan: Plan, file: InputFile, parts: Sequence[Part]) -> list[Plan]:
    """Deal the columns of large row groups out, to tasks of their own."""
    if file.table().as_text or not 0 < len(parts) <= MOST_TASKS or not plan.by_column:
        return [plan]
    struck = {name for step in plan.steps for name in step.columns}
    names = [name for name in file.table().fields() if name in struck]  # so digests of columns come in their order
    worth = len(names) * max(part.rows for part in parts) // SHARE_CELLS
    count = min(len(names), worth, MOST_SINKS // len(parts))
    if count < 2:
        return [plan]
    bounds = [len(names) * i // count for i in range(count + 1)]
    return [plan.striking(names[start:stop]) for start, stop in pairwise(bounds)]


def _take_truth(record: Record, task: work.TableTask, written: int, places: Index | None = None) -> None:
    """Add what a task wrote down; so many rows of the file come before it, and `places` says where all of them go."""
    if record.truth is not None and task.truth is not None:
        record.truth.take(task.truth, written, places)


def _settle_order(record: Record, pieces: Sequence[tuple[work.TableTask, work.TableDone]]) -> Index | None:
    """Find in which order the rows of a table come out; the truth of them is told by where that puts them."""
    sinks = [task.keys for task, _ in pieces if task.keys is not None]
    if not sinks:
        return None
    order = find_order(sinks, pieces[0][0].rows)
    places, written = None, 0
    if order is not None and record.truth is not None:
        places = find_places(order, sinks[0].with_suffix(".places"))
    for task, done in pieces:
        _take_truth(record, task, written, places)
        written += done.written.rows
    return order


def _put_together(
    prepared: Prepared, record: Record, target: Path, pieces: Sequence[tuple[work.TableTask, work.TableDone]]
) -> FilesDone:
    """Put the parts of one table together; where nothing changed the copy is the input, byte for byte."""
    task = pieces[0][0]
    target.parent.mkdir(parents=True, exist_ok=True)
    found = prepared.tables[task.file.relative]
    made, tally = Assembled(), Tally()
    order = _settle_order(record, pieces)
    changed = order is not None or any(piece.written.changed for _, piece in pieces)
    plan, sinks = prepared.plans[task.variant], [piece.sink for piece, _ in pieces]
    rows = sum(piece.written.rows for task, piece in pieces if task.share == 0)
    if plan.dirt and isinstance(task.file.table(), CsvFile):
        tally, rows, made = spoil(plan, task, sinks, target, order, rows, record.truth)
        changed |= any(counts.changed for counts in tally.values())
    elif changed:
        made = task.file.table().assemble(sinks, target, plan.outgoing, order)
    if not changed:
        for sink in sinks:
            sink.unlink(missing_ok=True)
        copy_bytes(task.file.path, target)
        made = replace(made, proof=None)
    proof = made.proof or manifests.digest(target)
    done = FileDone(task.file.relative, (found.sha256, found.size), proof, rows=rows)
    done.content = made.content or combined(piece.written for _, piece in pieces)
    return FilesDone([done], tally)


def _finish_table(
    prepared: Prepared, record: Record, log: Log, data: Path, pieces: Sequence[tuple[work.TableTask, work.TableDone]]
) -> None:
    """Put the parts of one table together, and note what came of it."""
    task = pieces[0][0]
    found = prepared.tables[task.file.relative]
    path = place_in_output(prepared.recipe, prepared.dataset, task.variant, task.file, task.copy)
    target = manifests.place(data, path)
    result = log.once(target, lambda: _put_together(prepared, record, target, pieces))
    record.count(task.variant, result.tally)
    (done,) = result.files
    if found.misfits:
        rows_at = ", ".join(map(str, found.misfits[:5])) + (" and more" if len(found.misfits) > 5 else "")
        reason = f"rows {task.file.table().misfit}: {len(found.misfits)} (row {rows_at})"
        record.skipped[done.relative] = reason
    lines = [line for _, piece in pieces for line in piece.written.warnings]
    record.warnings += [line for line in dict.fromkeys(lines) if line not in record.warnings]
    came = sum(part.rows for part in found.parts)
    record.inputs[done.relative] = InputEntry(path=done.relative, sha256=found.sha256, bytes=found.size, rows=came)
    record.file(task.copy, path, done, done.rows)


def write_others(prepared: Prepared, record: Record, pool: Pool, log: Log, data: Path, meter: Meter) -> None:
    """Write images, and carry everything that is not struck."""
    for task, result in log.map(pool, write_files, _file_tasks(prepared, record, data), _written):
        record.count(task.variant, result.tally)
        for out, done in zip(task.files, result.files, strict=True):
            record.image(task, out, done, prepared.classes)
            meter.finish(done.source[1])


def _written(task: FilesTask, result: FilesDone) -> list[Path]:
    """The files that a task has written."""
    both = zip(task.files, result.files, strict=True)
    return [manifests.place(task.data, out.path_of(done)) for out, done in both]


def _file_tasks(prepared: Prepared, record: Record, data: Path) -> Iterator[FilesTask]:
    """Arrange copy after copy."""
    head, taken, number = prepared.recipe.head, set[str](), count()
    for i, (variant, copy) in enumerate(product(prepared.plans, head.written)):
        if head.layout == IMAGENET_C and copy == 0 and i:
            continue  # there is one clean set beside all the others
        plan = prepared.plans[variant]
        made = Arrangement(prepared.recipe, prepared.dataset, prepared.classes, variant, plan, copy, prepared.followers)
        moving = bool(prepared.followers) or any(step.on_image_set for step in plan.steps)
        files = _all_different(made.files(), taken) if moving else made.files()
        for some in _dealt_out(files):
            truth = record.truth.path.with_name(f"images-{next(number)}") if record.truth is not None else None
            yield FilesTask(some, data, plan, copy, variant, head.encode, truth)
        record.count(variant, made.engine.tally)


def _dealt_out(files: Iterator[Outgoing]) -> Iterator[tuple[Outgoing, ...]]:
    """Make portions of files, each for a task; a tar that is struck is one alone."""
    for is_tar, some in groupby(files, lambda out: out.file.is_tar and not out.file.carried):
        while portion := tuple(islice(some, 1 if is_tar else TASK_IMAGES)):
            yield portion


def _all_different(files: Iterator[Outgoing], taken: set[str]) -> Iterator[Outgoing]:
    """Refuse files of one name, which one that is moved or cloned may have in common with another."""
    for out in files:
        if out.path in taken:
            what = f"{out.path}: two files would get this name, of which {out.file.relative} is one"
            raise UsageProblem(f"{what}: rename it in the input")
        taken.add(out.path)
        yield out
