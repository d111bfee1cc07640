"""The truth: which cells each step really changed, from what to what, and which row each outgoing row comes from.

Workers write shards, the parent puts them together. The order of the lines and the cuts of the file follow from the
lines alone: by variant and copy, file, row, column, step.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyarrow.types as pt
from numpy.typing import NDArray
from pyarrow import ipc

from noisecli.columns import Kind, kind_of
from noisecli.engine import Struck
from noisecli.formats import Part, Transform
from noisecli.plan import Plan

SCHEMA = pa.schema(
    {
        "sweep": pa.string(),  # folder of the variant; null without a sweep
        "copy": pa.int32(),
        "file": pa.string(),  # of the input, as the manifest calls it
        "row": pa.int64(),  # of the input file, from 0; null for images
        "output_row": pa.int64(),  # of the copy, from 0; only in lines about a whole row
        "column": pa.string(),  # null in lines about a row or an image
        "step": pa.string(),  # null for a row that is no clone
        "before": pa.string(),
        "after": pa.string(),
        "drawn": pa.string(),  # what an image got, as JSON
    }
)

PIECE = 4_096
"""Rows of which the lines are sorted and written at once."""

GROUP_BYTES = 16 << 20
"""How much a row group holds before it is packed; a line counts as its texts and LINE_BYTES."""

LINE_BYTES = 64


class Shard:
    """Writes down what becomes of some parts of a table."""

    def __init__(self, sink: Path, about: Mapping[str, Any], plan: Plan, parts: Sequence[Part]) -> None:
        self._stream = ipc.new_stream(str(sink), SCHEMA)
        self._about = about
        self._steps = pa.array([step.id for step in plan.steps], pa.string())
        self._columns = plan.touched
        self._parts = iter(parts)
        self._written = 0

    def __enter__(self) -> "Shard":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stream.close()

    def watch(self, transform: Transform) -> Transform:
        """Return a transform that does the same, while what it does is written down."""
        return lambda slabs: map(self._keep, transform(slabs))

    def _keep(self, struck: Struck) -> Struck:
        part = next(self._parts)
        for start in range(0, part.rows, PIECE):
            found = [*self._cells(struck, start, start + PIECE), *self._rows(struck, start, start + PIECE)]
            if found:
                lines = pa.concat_tables(found, promote_options="default").combine_chunks()
                lines = lines.take(_order(lines))
                self._stream.write_table(self._named(lines, part.first_row))
        self._written += part.rows if struck.order is None else len(struck.order)
        return struck

    def _cells(self, struck: Struck, start: int, stop: int) -> Iterator[pa.Table]:
        """Lines about cells in some rows, with the numbers of columns and steps."""
        for change in struck.changes:
            piece = slice(*np.searchsorted(change.rows, [start, stop]).tolist())
            rows = change.rows[piece]
            if len(rows):
                column, step = self._columns.index(change.column), change.step
                yield pa.table(
                    {
                        "row": rows,
                        "column": np.full(len(rows), column),
                        "step": np.full(len(rows), step),
                        "before": as_written(change.before[piece]),
                        "after": as_written(change.after[piece]),
                    }
                )

    def _rows(self, struck: Struck, start: int, stop: int) -> Iterator[pa.Table]:
        """Lines about outgoing rows that come from some rows."""
        if struck.order is not None and struck.makers is not None:
            places = np.flatnonzero((struck.order >= start) & (struck.order < stop))
            makers = struck.makers[places]
            step = pa.array(makers, mask=makers < 0)
            if len(places):
                yield pa.table({"row": struck.order[places], "output_row": places + self._written, "step": step})

    def _named(self, lines: pa.Table, first_row: int) -> pa.Table:
        """Put in the names of columns and steps, and what all lines have in common."""
        known = _repeated(self._about, len(lines))
        known["row"] = pc.add(lines["row"], first_row)
        known["step"] = self._steps.take(lines["step"].combine_chunks())
        if "column" in lines.column_names:
            known["column"] = pa.array(self._columns, pa.string()).take(lines["column"].combine_chunks())
        return _complete({**dict(zip(lines.column_names, lines.columns, strict=True)), **known}, len(lines))


class Truth:
    """The whole truth of a run, in one file: row groups are cut by what they hold, not by who wrote it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._writer = pq.ParquetWriter(path, SCHEMA, compression="zstd")
        self._waiting: list[pa.Table] = []
        self._weight = 0

    def __enter__(self) -> "Truth":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None and self._waiting:
            self._write(pa.concat_tables(self._waiting))
        self._writer.close()

    def take(self, shard: Path, written: int) -> None:
        """Add the lines of a shard, whose copy has so many rows before it, and remove it."""
        with ipc.open_stream(pa.OSFile(str(shard))) as stream:
            for batch in stream:
                lines = pa.Table.from_batches([batch])
                place = SCHEMA.get_field_index("output_row")
                self._add(lines.set_column(place, SCHEMA.field(place), pc.add(lines["output_row"], written)))
        shard.unlink()

    def images(self, about: Mapping[str, Any], drawn: Mapping[str, Any]) -> None:
        """Add a line for each step that changed an image."""
        if drawn:
            texts = [json.dumps(values, sort_keys=True) for values in drawn.values()]
            lines = {"step": pa.array(drawn, pa.string()), "drawn": pa.array(texts, pa.string())}
            self._add(_complete({**lines, **_repeated(about, len(drawn))}, len(drawn)))

    def _add(self, lines: pa.Table) -> None:
        self._waiting.append(lines)
        self._weight += int(_weights(lines).sum())
        if self._weight >= GROUP_BYTES:
            self._write_full_groups()

    def _write_full_groups(self) -> None:
        lines = pa.concat_tables(self._waiting)
        ends = np.cumsum(_weights(lines))
        start, done = 0, 0
        while ends[-1] - done >= GROUP_BYTES:
            stop = int(np.searchsorted(ends, done + GROUP_BYTES)) + 1
            self._write(lines[start:stop])
            start, done = stop, int(ends[stop - 1])
        self._waiting, self._weight = [lines[start:]], int(ends[-1]) - done

    def _write(self, lines: pa.Table) -> None:
        if len(lines):
            self._writer.write_table(lines.combine_chunks(), row_group_size=len(lines))


def as_written(cells: pa.Array) -> pa.Array:
    """Cells as text: numbers as short as they can be read back, times in UTC if they have a zone, else JSON."""
    if pt.is_timestamp(cells.type) and cells.type.tz is not None:
        moments = cells.cast(pa.timestamp(cells.type.unit)).cast(pa.string())
        return pc.binary_join_element_wise(moments, "Z", "")
    if kind_of(cells.type) is not Kind.OTHER:
        return cells.cast(pa.string())
    texts = [None if cell is None else json.dumps(cell, default=_bare) for cell in cells.to_pylist()]
    return pa.array(texts, pa.string())


def _bare(value: Any) -> Any:
    return value.hex() if isinstance(value, bytes) else str(value)


def _order(lines: pa.Table) -> pa.Array:
    """How to sort lines: a cell before its row, an earlier step before a later."""
    keys = [lines[name] for name in ("step", "column", "output_row", "row") if name in lines.column_names]
    return pa.array(np.lexsort([np.asarray(pc.fill_null(key, -1)) for key in keys]))


def _repeated(values: Mapping[str, Any], count: int) -> dict[str, pa.Array]:
    return {name: pa.repeat(pa.scalar(value, SCHEMA.field(name).type), count) for name, value in values.items()}


def _complete(columns: Mapping[str, Any], count: int) -> pa.Table:
    """Make a table of these columns and nulls for the others."""
    return pa.table([columns.get(field.name, pa.nulls(count, field.type)) for field in SCHEMA], schema=SCHEMA)


def _weights(lines: pa.Table) -> NDArray[np.int64]:
    """How much each line counts towards a row group."""
    weights = np.full(len(lines), LINE_BYTES, np.int64)
    for name in ("before", "after", "drawn"):
        weights += np.asarray(pc.fill_null(pc.binary_length(lines[name]), 0), np.int64)
    return weights
