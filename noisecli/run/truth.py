"""The truth: which cells each step really changed, from what to what, and which row each outgoing row comes from.

Workers write shards, the parent puts them together. The order of the lines and the cuts of the file follow from the
lines alone: by variant and copy, file, row, column, step.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import ipc

from noisecli.celltext import as_written
from noisecli.engine import Change, Index, Slab, Struck
from noisecli.formats import Transform, watched
from noisecli.plan import Plan
from noisecli.run.lines import Lines

SCHEMA = pa.schema(
    {
        "sweep": pa.string(),  # folder of the variant; null without a sweep
        "copy": pa.int32(),
        "file": pa.string(),  # of the input, as the manifest calls it
        "row": pa.int64(),  # of the input file, from 0; null for images
        "output_row": pa.int64(),  # of the copy, from 0; in lines about a whole row, or about a cell of a clone alone
        "column": pa.string(),  # null in lines about a row or an image
        "step": pa.string(),  # what changed a cell, made a clone or left a row out; null for a row itself
        "before": pa.string(),
        "after": pa.string(),
        "drawn": pa.string(),  # what an image got, as JSON
    }
)

IMAGE_SCHEMA = pa.schema([SCHEMA.field(name) for name in ("column", "step", "before", "after", "drawn")])

PIECE = 4_096
"""Rows of which the lines are sorted and written at once."""

PIECE_BYTES = 8 << 20
"""How many bytes of cells that may be, unless a single row has more."""


class Shard:
    """Writes down what becomes of some parts of a table."""

    def __init__(self, sink: Path, about: Mapping[str, Any], plan: Plan) -> None:
        self._about = about
        self._steps = pa.array([step.id for step in plan.steps], pa.string())
        self._columns = list(dict.fromkeys([*plan.touched, *plan.outgoing]))
        self._written = 0
        self._open = ExitStack()
        file = self._open.enter_context(pa.OSFile(os.fsencode(sink), "wb"))
        options = ipc.IpcWriteOptions(compression="lz4", use_threads=False)
        self._stream = self._open.enter_context(ipc.new_stream(file, SCHEMA, options=options))

    def __enter__(self) -> "Shard":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._open.close()

    def watch(self, transform: Transform) -> Transform:
        """Return a transform that does the same, while what it does is written down."""
        return watched(transform, self._keep)

    def _keep(self, slab: Slab, struck: Struck) -> Struck:
        places = None if struck.order is None else np.argsort(struck.order, kind="stable")
        for start in range(0, slab.rows, PIECE):
            for lines in self._lines(struck, places, start, min(start + PIECE, slab.rows)):
                self._stream.write_table(self._named(lines.take(_order(lines)), slab.first_row))
        self._written += slab.rows if struck.order is None else len(struck.order)
        return replace(struck, changes=(), gone=())  # they need not stay while the cells are written

    def _lines(self, struck: Struck, places: Index | None, start: int, stop: int) -> Iterator[pa.Table]:
        """Lines about some rows, in one table, or in several where cells are long."""
        pieces = [slice(*np.searchsorted(change.rows, [start, stop]).tolist()) for change in struck.changes]
        held = sum(c.before[p].nbytes + c.after[p].nbytes for c, p in zip(struck.changes, pieces, strict=True))
        if held > PIECE_BYTES and stop - start > 1:
            middle = (start + stop) // 2
            yield from self._lines(struck, places, start, middle)
            yield from self._lines(struck, places, middle, stop)
            return
        found = [self._cells(c, p) for c, p in zip(struck.changes, pieces, strict=True) if p.start < p.stop]
        if places is not None:
            found.append(self._rows(struck, places, start, stop))
        for step, rows in struck.gone:
            lost = rows[slice(*np.searchsorted(rows, [start, stop]))]
            found.append(pa.table({"row": lost, "step": np.full(len(lost), step)}))
        if any(map(len, found)):
            yield pa.concat_tables(found, promote_options="default").combine_chunks()

    def _cells(self, change: Change, piece: slice) -> pa.Table:
        """Lines about some changes of a column, with the numbers of column and step."""
        rows = change.rows[piece]
        mine = pa.array(np.arange(piece.start, piece.stop))  # taken, as a slice of over 2 GiB of text cannot be cast
        lines = {
            "row": rows,
            "column": np.full(len(rows), self._columns.index(change.column)),
            "step": np.full(len(rows), change.step),
            "before": as_written(change.before.take(mine)),
            "after": as_written(change.after.take(mine)),
        }
        if change.places is not None:
            lines["output_row"] = change.places[piece] + self._written
        if change.drawn is not None:
            lines["drawn"] = change.drawn.take(mine)
        return pa.table(lines)

    def _rows(self, struck: Struck, places: Index, start: int, stop: int) -> pa.Table:
        """Lines about outgoing rows that come from some rows; `places` sorts the outgoing ones by where from."""
        assert struck.order is not None
        assert struck.makers is not None
        mine = places[slice(*np.searchsorted(struck.order, [start, stop], sorter=places))]
        makers = struck.makers[mine]
        step = pa.array(makers, mask=makers < 0)
        return pa.table({"row": struck.order[mine], "output_row": mine + self._written, "step": step})

    def _named(self, lines: pa.Table, first_row: int) -> pa.Table:
        """Put in the names of columns and steps, and what all lines have in common."""
        known = _repeated(self._about, len(lines))
        known["row"] = pc.add(lines["row"], first_row)
        known["step"] = self._steps.take(lines["step"].combine_chunks())
        if "column" in lines.column_names:
            known["column"] = pa.array(self._columns, pa.string()).take(lines["column"].combine_chunks())
        return _complete({**dict(zip(lines.column_names, lines.columns, strict=True)), **known}, len(lines))


class Truth(Lines):
    """The whole truth of a run, in one file."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, SCHEMA)

    def take(self, shard: Path, written: int, places: Index | None = None) -> None:
        """Add the lines of a shard, and remove it.

        Args:
            shard: the file.
            written: how many rows of the copy come before those of the shard.
            places: where each row of the copy goes in the end; None: they stay where they are.
        """
        with pa.OSFile(os.fsencode(shard)) as file, ipc.open_stream(file) as stream:
            for batch in stream:
                lines = pa.Table.from_batches([batch])
                place = SCHEMA.get_field_index("output_row")
                outgoing = pc.add(lines["output_row"], written).combine_chunks()
                if places is not None:
                    outgoing = pa.array(places[outgoing.fill_null(0)], mask=np.asarray(outgoing.is_null()))
                lines = lines.set_column(place, SCHEMA.field(place), outgoing)
                self.add(lines if places is None else lines.take(_placed(lines)))
        shard.unlink()

    def images(self, about: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]) -> None:
        """Add lines about an image, each with a step and other columns of the schema; `drawn` is written as JSON."""
        told = [
            {**line, "drawn": json.dumps(line["drawn"], sort_keys=True)} if "drawn" in line else line for line in lines
        ]
        self.add_file(about, pa.Table.from_pylist(told, IMAGE_SCHEMA))

    def add_file(self, about: Mapping[str, Any], lines: pa.Table) -> None:
        """Add lines about a file, in their order."""
        if len(lines):
            columns = dict(zip(lines.column_names, lines.columns, strict=True))
            self.add(_complete({**columns, **_repeated(about, len(lines))}, len(lines)))


def _order(lines: pa.Table) -> pa.Array:
    """How to sort lines: a cell before its row, an earlier step before a later."""
    keys = [lines[name] for name in ("step", "column", "output_row") if name in lines.column_names]
    if "column" in lines.column_names:
        keys.append(pc.is_null(lines["column"]).cast(pa.int8()))
    return pa.array(np.lexsort([np.asarray(pc.fill_null(key, -1)) for key in [*keys, lines["row"]]]))


def _placed(lines: pa.Table) -> pa.Array:
    """How to sort lines again whose outgoing rows have gone elsewhere."""
    whole = np.asarray(pc.is_null(lines["column"]))
    return pa.array(np.lexsort([np.asarray(pc.fill_null(lines["output_row"], -1)), whole, lines["row"]]))


def _repeated(values: Mapping[str, Any], count: int) -> dict[str, pa.Array]:
    return {name: pa.repeat(pa.scalar(value, SCHEMA.field(name).type), count) for name, value in values.items()}


def _complete(columns: Mapping[str, Any], count: int) -> pa.Table:
    """Make a table of these columns and nulls for the others."""
    return pa.table([columns.get(field.name, pa.nulls(count, field.type)) for field in SCHEMA], schema=SCHEMA)
