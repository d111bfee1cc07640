"""Dirt: steps on the finished CSV file of a copy, while its parts are put together."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from noisecli.corruption import FileCorruption, ImageFileCorruption, Records, RowsCorruption, Sheet
from noisecli.engine import FileChange, FileEngine, Index, Slab, Tally
from noisecli.formats import Assembled, TableFile
from noisecli.formats.csv import CsvFile
from noisecli.plan import Plan
from noisecli.recipe import Recipe
from noisecli.run.truth import Truth
from noisecli.run.work import TableTask


def refuse_dirt(recipe: Recipe, tables: Sequence[TableFile]) -> None:
    """Refuse steps on a finished CSV file where a table is none, but for those that may be left out.

    Data in memory are no table in a file. Where there is no table, steps on finished image files are refused, too.
    """
    for step in recipe.steps:
        if isinstance(step.corruption, ImageFileCorruption) and not tables:
            what = "damages image files, and an array is none"
            way = "leave it out here, or write the images to files and use `noisecli augment` on those"
            recipe.source.fault(("steps", step.number, "op"), f"op {step.corruption.name!r} {what}: {way}")
        if isinstance(step.corruption, FileCorruption) and not _are_csv(tables) and not step.optional:
            what = "damages the text of a CSV file, and the input is none"
            way = "leave it out here, or write the data to a CSV file and use `noisecli augment` on that"
            recipe.source.fault(("steps", step.number, "op"), f"op {step.corruption.name!r} {what}: {way}")
    recipe.source.raise_faults()


def leave_dirt_out(plan: Plan, tables: Sequence[TableFile]) -> Plan:
    """Return the plan with steps on a finished CSV file left out, where a table is none."""
    if _are_csv(tables):
        return plan
    steps = (replace(s, rate=0.0) if isinstance(s.corruption, FileCorruption) else s for s in plan.steps)
    return replace(plan, steps=tuple(steps))


def _are_csv(tables: Sequence[TableFile]) -> bool:
    return bool(tables) and all(isinstance(table, CsvFile) for table in tables)


def spoil(
    plan: Plan,
    task: TableTask,
    sinks: Sequence[Path],
    target: Path,
    order: Index | None,
    rows: int,
    truth: Truth | None,
) -> tuple[Tally, int, Assembled]:
    """Put the parts of a table together and damage the file.

    Args:
        plan: that of the copy, with its dirt.
        task: one of the tasks that wrote the parts.
        sinks: the parts.
        target: the file.
        order: in which the rows of the parts come out; None: as they are.
        rows: how many come out.
        truth: where it is written down what really changed, if it is asked for.

    Returns:
        what it did, how many rows are left, and what came of it.
    """
    engine = FileEngine(plan, task.copy, task.file.address)
    table = task.file.table()
    assert isinstance(table, CsvFile)

    def watched(sheet: Sheet, slabs: Iterator[tuple[Slab, Records]]) -> Iterator[pa.Buffer | bytes]:
        for piece in engine(sheet, slabs):
            if truth is not None:
                truth.add_file(about, _lines(plan, engine.changes))
            engine.changes.clear()
            yield piece

    about = {"sweep": task.variant or None, "copy": task.copy, "file": task.file.relative}
    made = table.assemble_spoilt(sinks, target, plan.outgoing, order, rows, plan.split, watched)
    return engine.tally, engine.rows, made


def _lines(plan: Plan, changes: Sequence[FileChange]) -> pa.Table:
    """Lines of the truth, by row, column and step."""
    tables = [_told(plan, change) for change in changes]
    if not tables:
        return pa.table({"step": pa.array([], pa.string())})
    lines = pa.concat_tables(tables)
    return lines.sort_by([(key, "ascending") for key in ("output_row", "column", "number")]).drop_columns("number")


def _told(plan: Plan, change: FileChange) -> pa.Table:
    count = len(change.before)
    rows = pa.nulls(count, pa.int64()) if change.rows is None else pa.array(change.rows, pa.int64())
    in_order = not any(isinstance(step.corruption, RowsCorruption) for step in plan.steps)
    in_order &= plan.soft is None or plan.soft.layout != "weighted"
    return pa.table(
        {
            "row": rows if in_order else pa.nulls(count, pa.int64()),
            "output_row": rows,
            "column": pa.array([change.column] * count, pa.string()),
            "step": pa.array([plan.steps[change.step].id] * count, pa.string()),
            "before": _readable(change.before),
            "after": _readable(change.after),
            "number": np.full(count, change.step),
        }
    )


def _readable(texts: pa.Array) -> pa.Array:
    """What is written as text, in which bytes that are none stand as `\\xe9`."""
    return pa.array([text.decode("utf-8", "backslashreplace") for text in texts.to_pylist()], pa.string())
