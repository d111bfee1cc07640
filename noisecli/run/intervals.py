"""The intervals of faults that last: from when to when a step struck the rows of a series, one after the other.

They come in the order in which they are over, so none has to wait for another, however long it lasts.
"""

import os
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import ipc

from noisecli.engine import Intervals, Struck, in_order
from noisecli.formats import Transform
from noisecli.plan import Plan
from noisecli.run.lines import Lines

SCHEMA = pa.schema(
    {
        "sweep": pa.string(),  # folder of the variant; null without a sweep
        "copy": pa.int32(),
        "file": pa.string(),  # of the input, as the manifest calls it
        "entity": pa.string(),  # as written; null where there is none
        "column": pa.string(),  # null where whole rows are struck
        "step": pa.string(),
        "op": pa.string(),
        "first_row": pa.int64(),  # of the input file, from 0
        "last_row": pa.int64(),
        "from": pa.string(),  # time of the first row, as written; null where it has none
        "to": pa.string(),
        "rows": pa.int64(),  # of the entity, from the first to the last
        "changed": pa.int64(),  # how many of their cells really changed
    }
)


class IntervalShard:
    """Writes down what lasts in one file of one copy."""

    def __init__(self, sink: Path, about: Mapping[str, Any], plan: Plan, intervals: Intervals) -> None:
        self._about = about
        self._steps = pa.array([step.id for step in plan.steps], pa.string())
        self._ops = pa.array([step.corruption.name for step in plan.steps], pa.string())
        self._intervals = intervals
        self._open = ExitStack()
        file = self._open.enter_context(pa.OSFile(os.fsencode(sink), "wb"))
        self._stream = self._open.enter_context(ipc.new_stream(file, SCHEMA))

    def __enter__(self) -> "IntervalShard":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            self._write(self._intervals.rest())
        self._open.close()

    def watch(self, transform: Transform) -> Transform:
        """Return a transform that does the same, while what is over is written down."""
        return lambda slabs: map(self._keep, transform(slabs))

    def _keep(self, struck: Struck) -> Struck:
        self._write(in_order(struck.over))
        return replace(struck, over=())

    def _write(self, found: pa.Table) -> None:
        if len(found) == 0:
            return
        known = {name: found[name] for name in found.column_names}
        for name, value in self._about.items():
            known[name] = pa.repeat(pa.scalar(value, SCHEMA.field(name).type), len(found))
        known["column"] = pc.if_else(pc.equal(found["column"], ""), pa.scalar(None, pa.string()), found["column"])
        known["step"], known["op"] = (names.take(found["step"].combine_chunks()) for names in (self._steps, self._ops))
        self._stream.write_table(pa.table([known[name] for name in SCHEMA.names], schema=SCHEMA))


class IntervalTable(Lines):
    """All intervals of a run, in one file."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, SCHEMA)

    def take(self, shard: Path) -> None:
        """Add the lines of a shard, and remove it."""
        with pa.OSFile(os.fsencode(shard)) as file, ipc.open_stream(file) as stream:
            for batch in stream:
                self.add(pa.Table.from_batches([batch]))
        shard.unlink()
