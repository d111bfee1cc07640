"""Write the copies: hand out tasks, gather what they did, put files together."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

from noisecli import manifest as manifests
from noisecli.engine import Counts, Index, Tally
from noisecli.errors import UsageProblem
from noisecli.executors import Pool
from noisecli.formats.arranged import ORDER_BYTES, find_order, find_places
from noisecli.formats.csv import CsvFile
from noisecli.formats.images import EXACT
from noisecli.formats.plain import COMPRESSED
from noisecli.listing import InputEntry, OutputEntry
from noisecli.partners import GROUP_BYTES
from noisecli.plan import Plan
from noisecli.recipe import Recipe
from noisecli.recipe.models import IMAGENET_C
from noisecli.run import work
from noisecli.run.dataset import Dataset, InputFile
from noisecli.run.dirt import spoil
from noisecli.run.intervals import IntervalTable
from noisecli.run.outside import Outside
from noisecli.run.pairing import columns_of_partners, pairings_of
from noisecli.run.truth import Truth
from noisecli.survey import Survey

Progress = Callable[[str, int, int], None]
"""Told the stage, the bytes done and the bytes in all."""

CLEAN = "clean/0/"
"""Where the clean data go in the layout of ImageNet-C, as if that were a step."""

TASK_SLABS = 8
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

    def spill(self) -> int:
        """About how many bytes are put aside on disk at a time.

        For rows that move it is the largest table, and its order; for rows that are paired some columns of all tables.
        """
        plans = self.plans.values()
        if self.dataset.target == "images":
            return 0
        tables = [(file.table(), self.tables[file.relative].parts) for file in self.dataset.struck]
        sizes = [(table.spilled(parts), sum(part.rows for part in parts)) for table, parts in tables]
        moving = max(size + ORDER_BYTES * rows for size, rows in sizes) if any(plan.scatters for plan in plans) else 0
        asked = {name for plan in plans for name in columns_of_partners(plan)}
        share = len(asked) / max(1, len(tables[0][0].fields())) if asked else 0
        grouped = {pairing for plan in plans for pairing in pairings_of(plan)}
        return moving + sum(round(size * share) + GROUP_BYTES * len(grouped) * rows for size, rows in sizes)

    def target(self, variant: str, file: InputFile, copy: int, kept: bool = False) -> str:
        """Where a copy of a file goes, relative to the output; "." is the output itself.

        A file that is `kept` has the format that it had.
        """
        return _target(self.recipe, self.dataset, variant, file, copy, kept)


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


@dataclass
class Record:
    """What adds up while a run goes on."""

    inputs: dict[str, InputEntry] = field(default_factory=dict)
    outputs: list[OutputEntry] = field(default_factory=list)
    tallies: dict[str, Tally] = field(default_factory=dict)
    """What was counted, by variant."""
    skipped: dict[str, str] = field(default_factory=dict)
    """Path to why the file, or some of its rows, were carried instead of struck, or why it is left out."""
    struck: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Steps that changed each image of the output, by its path, if provenance is asked for."""
    warnings: list[str] = field(default_factory=list)
    outside: Outside = field(default_factory=Outside)
    """What steps took from outside the recipe."""
    truth: Truth | None = None
    """Where it is written down what really changed, if it is asked for."""
    intervals: IntervalTable | None = None
    """Where it is written down what lasts, if it is asked for and something does."""

    def count(self, variant: str, tally: Tally) -> None:
        """Add what a task counted."""
        mine = self.tallies.setdefault(variant, {})
        for key, counts in tally.items():
            mine.setdefault(key, Counts()).add(counts)

    def file(self, copy: int, path: str, done: work.FileDone, rows: int | None = None) -> None:
        """Note a file that was written to `path`."""
        self.outputs.append(
            OutputEntry(
                path=path,
                input=done.relative,
                copy=copy,
                sha256=done.result[0],
                bytes=done.result[1],
                rows=rows,
                content=done.content,
                carried=done.source == done.result,
                drawn=done.drawn,
            )
        )


def _target(recipe: Recipe, dataset: Dataset, variant: str, file: InputFile, copy: int, kept: bool = False) -> str:
    """Where a copy of a file goes, relative to the output; "." is the output itself.

    A file that is `kept` has the format that it had.
    """
    head = recipe.head
    alone = len(head.written) == 1 and not variant
    name = dataset.root.name if file.relative == "." and not alone else file.relative
    if head.encode == "exact" and not kept and not file.carried and name != ".":
        name = Path(name).with_suffix(EXACT).as_posix()
    if alone:
        return name
    above = f"{variant}/" if variant else ""
    if head.layout == IMAGENET_C:
        return (CLEAN if copy == 0 else above) + name
    if head.layout == "copies":
        return f"{above}copy={copy}/{name}"
    if file.carried or len(head.written) == 1:
        return above + name
    # All extensions belong together: `a.csv.gz` becomes `a__c1.csv.gz`.
    path = Path(name)
    extensions = "".join(path.suffixes[-2:] if path.suffix.lower() in COMPRESSED else path.suffixes[-1:])
    return above + path.with_name(f"{path.name.removesuffix(extensions)}__c{copy}{extensions}").as_posix()


def check_names(recipe: Recipe, dataset: Dataset) -> None:
    """Refuse copies in one tree that would take the place of the input's own files or folders, as `a__c1.csv/`.

    Files that differ in their extension alone would take each other's place once all are PNG.
    """
    if recipe.head.encode == "exact":
        _check_exact(recipe, dataset)
    kept = {file.relative for file in dataset.files if file.carried}
    folders = {file.relative.rpartition("/")[0] for file in dataset.files}
    kept |= {parent.as_posix() for folder in folders for parent in [Path(folder), *Path(folder).parents]}
    if recipe.head.layout == "copies" or not any("__c" in name for name in kept):
        return
    for file, copy in product(dataset.struck, recipe.head.written):
        path = _target(recipe, dataset, "", file, copy)
        if path in kept and path != file.relative:
            raise UsageProblem(
                f"{path}: is there already, and copy {copy} of {file.relative} would get this name: rename one, "
                "or leave out `layout: merged`"
            )


def _check_exact(recipe: Recipe, dataset: Dataset) -> None:
    taken: dict[str, str] = {}
    for file in dataset.files:
        path = _target(recipe, dataset, "", file, 1)
        other = taken.setdefault(path, file.relative)
        if other != file.relative:
            raise UsageProblem(
                f"{file.relative} and {other}: with `encode: exact` both would be written to {path}: rename one"
            )


def write_tables(prepared: Prepared, record: Record, pool: Pool, data: Path, space: Path, meter: Meter) -> None:
    """Write every copy of every table that is struck."""
    tasks: list[work.TableTask] = []
    written = [copy for copy in prepared.recipe.head.written if copy]
    for variant, copy, file in product(prepared.plans, written, prepared.dataset.struck):
        parts, plan = prepared.tables[file.relative].parts, prepared.plans[variant].without_dirt
        rows = sum(part.rows for part in parts)
        shared = file.table().splits and not plan.whole_files
        step = TASK_SLABS if shared else max(len(parts), 1)
        for i in range(0, max(len(parts), 1), step):
            sink = space / f"part-{len(tasks)}"
            shard = sink.with_suffix(".truth") if record.truth is not None else None
            keys = sink.with_suffix(".keys") if plan.scatters else None
            told = sink.with_suffix(".intervals") if plan.series is not None and plan.series.told else None
            tasks.append(work.TableTask(file, parts[i : i + step], plan, copy, sink, variant, shard, keys, rows, told))
    results = pool.map(work.write_table, tasks)
    pieces: list[tuple[work.TableTask, work.TableDone]] = []
    for i, (task, done) in enumerate(zip(tasks, results, strict=True)):
        record.count(task.variant, done.tally)
        if record.intervals is not None and task.intervals is not None:
            record.intervals.take(task.intervals)
        if task.keys is None:
            _take_truth(record, task, sum(piece.written.rows for _, piece in pieces))
        pieces.append((task, done))
        meter.add(sum(part.size for part in task.parts))
        following = tasks[i + 1] if i + 1 < len(tasks) else None
        if following is None or following.whole != task.whole:
            _finish_table(prepared, record, data, pieces)
            meter.finish(prepared.tables[task.file.relative].size)
            pieces = []


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


def _finish_table(
    prepared: Prepared, record: Record, data: Path, pieces: Sequence[tuple[work.TableTask, work.TableDone]]
) -> None:
    """Put the parts of one table together; where nothing changed the copy is the input, byte for byte."""
    task = pieces[0][0]
    path = prepared.target(task.variant, task.file, task.copy)
    target = manifests.place(data, path)
    target.parent.mkdir(parents=True, exist_ok=True)
    found = prepared.tables[task.file.relative]
    content = None
    order = _settle_order(record, pieces)
    changed = order is not None or any(piece.written.changed for _, piece in pieces)
    plan, sinks = prepared.plans[task.variant], [piece.sink for piece, _ in pieces]
    rows = sum(piece.written.rows for _, piece in pieces)
    if plan.dirt and isinstance(task.file.table(), CsvFile):
        tally, rows, content = spoil(plan, task, sinks, target, order, rows, record.truth)
        record.count(task.variant, tally)
        changed |= any(counts.changed for counts in tally.values())
    elif changed:
        content = task.file.table().assemble(sinks, target, plan.outgoing, order)
    if not changed:
        for sink in sinks:
            sink.unlink(missing_ok=True)
        work.copy_bytes(task.file.path, target)
    done = work.FileDone(task.file.relative, (found.sha256, found.size), manifests.digest(target))
    done.content = content or pieces[-1][1].written.content
    if found.misfits:
        rows_at = ", ".join(map(str, found.misfits[:5])) + (" and more" if len(found.misfits) > 5 else "")
        reason = f"rows {task.file.table().misfit}: {len(found.misfits)} (row {rows_at})"
        record.skipped[done.relative] = reason
    lines = [line for _, piece in pieces for line in piece.written.warnings]
    record.warnings += [line for line in dict.fromkeys(lines) if line not in record.warnings]
    came = sum(part.rows for part in found.parts)
    record.inputs[done.relative] = InputEntry(path=done.relative, sha256=found.sha256, bytes=found.size, rows=came)
    record.file(task.copy, path, done, rows)


def write_files(prepared: Prepared, record: Record, pool: Pool, data: Path, meter: Meter) -> None:
    """Write images, and carry everything that is not struck."""
    files = [file for file in prepared.dataset.files if file.carried or prepared.dataset.target == "images"]
    head = prepared.recipe.head
    tasks = []
    for i, (variant, copy) in enumerate(product(prepared.plans, head.written)):
        if head.layout == IMAGENET_C and copy == 0 and i:
            continue  # there is one clean set beside all the others
        once = head.layout == "merged" and copy != head.written[0]
        ours = prepared.dataset.files if copy == 0 else [file for file in files if not (file.carried and once)]
        for i in range(0, len(ours), TASK_IMAGES):
            some = ours[i : i + TASK_IMAGES]
            targets = tuple(manifests.place(data, prepared.target(variant, file, copy)) for file in some)
            tasks.append(work.FilesTask(some, targets, prepared.plans[variant], copy, variant, head.encode))
    for task, result in zip(tasks, pool.map(work.write_files, tasks), strict=True):
        record.count(task.variant, result.tally)
        for file, done in zip(task.files, result.files, strict=True):
            sha, size = done.source
            record.inputs.setdefault(done.relative, InputEntry(path=done.relative, sha256=sha, bytes=size))
            if done.skipped:
                record.skipped[done.relative] = done.skipped
            path = prepared.target(task.variant, file, task.copy, bool(done.skipped))
            record.file(task.copy, path, done)
            if done.changed and head.data.provenance:
                record.struck[path] = done.changed
            if record.truth is not None:
                about = {"sweep": task.variant or None, "copy": task.copy, "file": done.relative}
                record.truth.images(about, {step: (done.drawn or {})[step] for step in done.changed})
            meter.finish(size)
