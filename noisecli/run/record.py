"""What adds up while a run goes on."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from noisecli.corruption import MixingCorruption
from noisecli.engine import Counts, Tally
from noisecli.errors import DataProblem
from noisecli.listing import InputEntry, OutputEntry
from noisecli.plan import Plan
from noisecli.run.images.classes import Classes
from noisecli.run.images.tars import read_truth
from noisecli.run.images.write import FileDone, FilesTask, Outgoing
from noisecli.run.intervals import IntervalTable
from noisecli.run.outside import Outside
from noisecli.run.truth import Truth


@dataclass(frozen=True, slots=True)
class Made:
    """A file of the output that metadata may speak of."""

    entry: OutputEntry
    root: str
    """Folder of the tree that it belongs to."""
    steps: tuple[str, ...] = ()
    """Those that changed it, or made it."""
    label: str | None = None
    """Class that its source has."""
    shares: Mapping[str, float] = field(default_factory=dict)
    """How much of each class it is; empty where that is not known."""
    new_label: str | None = None
    """Class that it has come to."""


@dataclass
class Record:
    """What adds up while a run goes on."""

    inputs: dict[str, InputEntry] = field(default_factory=dict)
    outputs: list[OutputEntry] = field(default_factory=list)
    tallies: dict[str, Tally] = field(default_factory=dict)
    """What was counted, by variant."""
    skipped: dict[str, str] = field(default_factory=dict)
    """Path to why the file, or some of its rows, were carried instead of struck, or why it is left out."""
    made: list[Made] | None = None
    """The files that metadata have to follow; None: they need not."""
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

    def file(self, copy: int, path: str, done: FileDone, rows: int | None = None) -> None:
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

    def image(self, task: FilesTask, out: Outgoing, done: FileDone, classes: Classes | None) -> None:
        """Note an image that was written, or a file that was carried."""
        sha, size = done.source
        entry = InputEntry(path=done.relative, sha256=sha, bytes=size)
        if self.inputs.setdefault(done.relative, entry).sha256 != sha:
            raise changed(out.file.name)
        if done.skipped:
            self.skipped[done.relative] = done.skipped
        self.skipped |= done.unread
        drawn = done.drawn or {}
        for step, number in out.clones:
            drawn[step.id] = {"clone": number, **drawn.get(step.id, {})}
        done.drawn = {**out.relabelled, **drawn} or None
        path = out.path_of(done)
        self.file(task.copy, path, done, done.rows)
        steps = (*out.relabelled, *done.changed, *(step.id for step, _ in out.clones))
        if self.made is not None:
            shares = {} if classes is None else _shares(task.plan, out, done.drawn or {}, classes)
            told = tuple(dict.fromkeys(steps))
            self.made.append(Made(self.outputs[-1], out.root, told, out.label, shares, out.new_label))
        if self.truth is not None:
            about = {"sweep": task.variant or None, "copy": task.copy, "file": done.relative}
            self.truth.images(about, list(_lines(task, replace(out, path=path), done, classes)))
            if done.rows is not None and task.truth is not None:
                for name, lines in read_truth(task.truth):
                    self.truth.images({**about, "file": name}, lines)


def changed(name: str) -> DataProblem:
    """Return the error to raise about a file that is not what it was when it was read before."""
    return DataProblem(f"{name}: changed while it was read, so nothing was written: run again when it stands still")


def _lines(task: FilesTask, out: Outgoing, done: FileDone, classes: Classes | None) -> Iterator[dict[str, Any]]:
    """Lines of the truth; of a clone what its source has not."""
    drawn = done.drawn or {}
    if not out.clones:
        for step, change in out.relabelled.items():
            yield {"step": step, "column": classes and classes.as_column.name, **change}
        yield from ({"step": step, "drawn": drawn[step]} for step in done.changed)
        return
    cloning = [step.id for step, _ in out.clones]
    on_file = [step.id for step in task.plan.steps if step.on_image_file and step.id in done.changed]
    yield from ({"step": step, "drawn": {**drawn[step], "output": out.path}} for step in [*cloning, *on_file])


def _shares(plan: Plan, out: Outgoing, drawn: Mapping[str, Any], classes: Classes) -> dict[str, float]:
    """How much of each class an image is, after the steps that mixed it with others."""
    if out.new_label is None:
        return {}
    shares = {out.new_label: 1.0}
    for step in plan.steps:
        if isinstance(step.corruption, MixingCorruption) and step.id in drawn:
            own, other = drawn[step.id]["share"], classes.of[out.partners[step.id].address]
            shares = {name: share * own for name, share in shares.items()}
            shares[other] = shares.get(other, 0.0) + (1 - own)
    return shares
