"""Feather (version 2) and other Arrow IPC files: read batch by batch, written anew with the same schema and codec.

The codec is told only in the metadata of a batch, a flatbuffer, from which it is read; its level is told nowhere.
"""

import os
import struct
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt
from pyarrow import ipc

from noisecli.columns import Column, numpy_dtype
from noisecli.engine import Index, Slab
from noisecli.errors import DataProblem
from noisecli.formats import AS_IT_CAME, Part, Transform, Written
from noisecli.formats.arranged import Spill
from noisecli.formats.content import (
    ArrowFile,
    as_type,
    holds_views,
    legible,
    plain,
    spaced,
    with_index,
    without_loose_views,
)
from noisecli.formats.digest import Content
from noisecli.formats.gathered import side_by_side
from noisecli.formats.outgoing import outgoing_schema, reshaped

MAGIC = b"ARROW1"
FIRST_MESSAGE = 8
STREAM = b"\xff\xff\xff\xff"
"""What a message starts with, and so an IPC stream."""

Manner = Mapping[str, Any]
"""What the writer is told."""


class FeatherFile(ArrowFile):
    """One Arrow IPC file. Only one record batch at a time is in memory, and the dictionaries."""

    def fields(self) -> Mapping[str, pa.DataType]:
        with self._open() as source:
            return {field.name: plain(field.type) for field in source.schema}

    def scan(self, columns: Sequence[str]) -> Iterator[tuple[Part, Slab]]:
        with self._open() as source:
            self._refuse_ambiguous(source.schema, columns)
            places = sorted(source.schema.get_field_index(name) for name in columns)
        first_row = 0
        with self._open(places) as source:
            for number in range(source.num_record_batches):
                table = pa.Table.from_batches([self._read(source, number)[0]])
                yield (
                    Part(first_row, table.num_rows, number),
                    Slab(first_row, table.num_rows, self._cells(table, columns)),
                )
                first_row += table.num_rows

    def write(
        self,
        parts: Sequence[Part],
        columns: Mapping[str, Column],
        transform: Transform,
        sink: Path,
        outgoing: Mapping[str, pa.DataType] = AS_IT_CAME,
    ) -> Written:
        with self._open() as source:
            self._refuse_ambiguous(source.schema, list(columns))
            coded = {name for name in columns if pt.is_dictionary(source.schema.field(name).type)} - set(outgoing)
            schema = outgoing_schema(source.schema, list(columns), outgoing)
            kept = reshaped(source.schema, outgoing)
            content = Content(schema)
            known: dict[str, pa.Array] = {}
            rows, changed = 0, bool(outgoing)
            manner = self._manner(source)
            waiting: deque[tuple[pa.Table, Slab, Any]] = deque()

            def slabs() -> Iterator[Slab]:
                for part in parts:
                    batch, note = self._read(source, part.start)
                    table = pa.Table.from_batches([batch])
                    slab = Slab(part.first_row, part.rows, self._cells(table, list(columns)))
                    waiting.append((table, slab, note))
                    del batch, table
                    yield slab

            with _writer(sink, _mixed(kept, schema, coded), manner) as write:
                for struck in transform(slabs()):
                    table, slab, note = waiting.popleft()
                    noisy = side_by_side([(struck, slab)], outgoing)
                    changed |= noisy.order is not None or any(mask.any() for mask in noisy.changed.values())
                    table = self._outgoing(table.columns, schema, noisy)
                    content.feed(table)
                    rows += table.num_rows
                    write({**dict(enumerate(table.columns)), **_rebased(table, coded, known)}, note)
            if coded:
                self._settle(sink, _narrowed(kept, known), manner)
        return Written(rows, changed, (content.hexdigest(),))

    def _settle(self, sink: Path, schema: pa.Schema, manner: Manner) -> None:
        """Write a file again in its final types and with whole dictionaries: what they hold is only known at the end.

        A schema stands before the data, and not every reader knows dictionaries that come in pieces.
        """
        settled = sink.with_name(f"{sink.name}.settled")
        try:
            with FeatherFile(sink, self.name)._open() as source, _writer(settled, schema, manner) as write:
                for number in range(source.num_record_batches):
                    batch, note = self._read(source, number)
                    write(dict(enumerate(pa.Table.from_batches([batch]).columns)), note)
            settled.replace(sink)
        finally:
            settled.unlink(missing_ok=True)

    def spilled(self, parts: Sequence[Part]) -> int:
        if not parts:
            return 0
        with self._open() as source:
            first = self._read(source, parts[0].start)[0].nbytes
        return int(first * sum(part.rows for part in parts) / max(1, parts[0].rows))

    def excerpt(self, target: Path, size: int, places: int) -> None:
        with self._open() as source:
            numbers = spaced(source.num_record_batches, places)
            with _writer(target, source.schema, self._manner(source)) as write:
                for number in numbers:
                    batch, note = self._read(source, number)
                    rows = max(1, size * batch.num_rows // max(1, len(numbers) * batch.nbytes))
                    write(dict(enumerate(pa.Table.from_batches([batch.slice(0, rows)]).columns)), note)

    def arrange(self, order: Index, target: Path) -> str:
        with self._open() as source, ExitStack() as stack:
            schema = outgoing_schema(source.schema, [], AS_IT_CAME)
            content = Content(schema)
            spill = stack.enter_context(closing(Spill(self.path, schema)))
            sizes, notes = [], []
            for number in range(source.num_record_batches):
                batch, note = self._read(source, number)
                columns = pa.Table.from_batches([batch]).columns
                spill.add(self._outgoing(columns, schema))
                sizes.append(batch.num_rows)
                notes.append(note)
                del batch, columns
            write = stack.enter_context(_writer(target, source.schema, self._manner(source)))
            with self._blaming("the new order"):
                # All batches have the same dictionaries, since a file can hold but one for each column.
                for table, note in zip(spill.tables(order, sizes, compact=False), notes, strict=True):
                    content.feed(table)
                    write(dict(enumerate(table.columns)), note)
        return content.hexdigest()

    # ----------------------------------------------------------------------------------------------------- reading

    @contextmanager
    def _open(self, places: Sequence[int] = ()) -> Iterator[ipc.RecordBatchFileReader]:
        """Open the file to read the columns at some places, or all."""
        self._check_ends()
        with pa.OSFile(os.fsencode(self.path)) as handle:
            with self._blaming("the footer"):
                options = ipc.IpcReadOptions(use_threads=False, included_fields=list(places))
                source = ipc.open_file(handle, options=options)
                legible(source.schema)
            yield source

    def _read(self, source: ipc.RecordBatchFileReader, number: int) -> tuple[pa.RecordBatch, Any]:
        """One batch and the metadata of its own."""
        with self._blaming(f"record batch {number}"):
            batch, note = source.get_batch_with_custom_metadata(number)
            # Nothing in the format guards against damage, and the kernels trust what they are given.
            batch.validate(full=True)
        for i, field in enumerate(batch.schema):
            if holds_views(field.type):
                batch = batch.set_column(i, field, without_loose_views(batch.column(i)))
        return batch, note

    def _manner(self, source: ipc.RecordBatchFileReader) -> Manner:
        """How the file was written: version of the format, codec, and the metadata of the footer."""
        with pa.OSFile(os.fsencode(self.path)) as handle, self._blaming("the file"):
            handle.seek(FIRST_MESSAGE)
            messages = ipc.MessageReader.open_stream(handle)
            first = next(iter(messages), None)
            if first is None:
                raise pa.ArrowInvalid("it begins with no schema")
            batch = next((message for message in messages if message.type == "record batch"), None)
            options = ipc.IpcWriteOptions(
                metadata_version=ipc.MetadataVersion(first.metadata_version),
                compression=_codec(batch.metadata.to_pybytes()) if batch and source.num_record_batches else None,
                emit_dictionary_deltas=True,
                use_threads=False,
            )
        metadata = getattr(source, "metadata", None)
        return {"options": options, **({"metadata": metadata} if metadata else {})}

    def _check_ends(self) -> None:
        with self.path.open("rb") as file:
            head = file.read(len(MAGIC))
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - len(MAGIC)))
            tail = file.read(len(MAGIC))
        if size == 0:
            raise DataProblem(f"{self.name}: the file is empty. Fetch or write it again.")
        if head.startswith(b"FEA1"):
            raise DataProblem(f"{self.name}: this is Feather version 1. Write it again as version 2 or as Parquet.")
        if head.startswith(STREAM):
            raise DataProblem(f"{self.name}: this is an Arrow stream. Write it again as an Arrow file or as Parquet.")
        if head != MAGIC:
            raise DataProblem(f"{self.name}: this is not an Arrow file, whatever its name says. Check the path.")
        if size < FIRST_MESSAGE + len(MAGIC) or tail != MAGIC:
            raise DataProblem(f"{self.name}: the file is cut off, its footer is missing. Fetch or write it again.")


FEATHER = {".feather": FeatherFile, ".arrow": FeatherFile}
"""The format by extension."""


@contextmanager
def _writer(sink: Path, schema: pa.Schema, manner: Manner) -> Iterator[Any]:
    """Give a function that writes columns, by number, as one batch in the types of a schema."""
    with pa.OSFile(os.fsencode(sink), "wb") as handle, ipc.new_file(handle, schema, **manner) as writer:

        def write(columns: Mapping[int, pa.ChunkedArray], note: Any) -> None:
            cells = [_whole(as_type(columns[i], field.type)) for i, field in enumerate(schema)]
            writer.write_batch(pa.RecordBatch.from_arrays(cells, schema=schema), custom_metadata=note)

        yield write


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _mixed(schema: pa.Schema, wide: pa.Schema, names: set[str]) -> pa.Schema:
    """The schema with some columns as in another."""
    for i, field in enumerate(schema):
        if field.name in names:
            schema = schema.set(i, wide.field(i))
    return schema


def _rebased(table: pa.Table, names: set[str], known: dict[str, pa.Array]) -> dict[int, pa.ChunkedArray]:
    """Some columns, by number, on one dictionary each for the whole file, which grows at its end only."""
    columns = {}
    for name in names:
        place = table.schema.get_field_index(name)
        cells = _whole(table.column(place))
        old = known.get(name, cells.dictionary)
        fresh = cells.dictionary.filter(pc.invert(pc.is_in(cells.dictionary, value_set=old)))
        known[name] = pa.concat_arrays([old, fresh])
        indices = pc.index_in(cells.dictionary, value_set=known[name]).take(cells.indices)
        array = pa.DictionaryArray.from_arrays(indices, known[name], ordered=cells.type.ordered)
        columns[place] = pa.chunked_array([array])
    return columns


def _narrowed(schema: pa.Schema, known: Mapping[str, pa.Array]) -> pa.Schema:
    """The schema, with wider indices where a dictionary has outgrown its own."""
    for name, values in known.items():
        place = schema.get_field_index(name)
        field = schema.field(place)
        if len(values) > np.iinfo(numpy_dtype(field.type.index_type)).max + 1:
            schema = schema.set(place, field.with_type(with_index(field.type)))
    return schema


def _codec(message: bytes) -> str | None:
    """How the buffers of a record batch are compressed: Message.header, RecordBatch.compression, its codec."""

    def follow(at: int) -> int:
        return at + int(struct.unpack_from("<I", message, at)[0])

    def field(table: int, slot: int) -> int:
        """Where a field of a table lies; 0 where it has its default."""
        entries = table - int(struct.unpack_from("<i", message, table)[0])
        size, entry = struct.unpack_from("<H", message, entries)[0], 4 + 2 * slot
        offset = struct.unpack_from("<H", message, entries + entry)[0] if entry < size else 0
        return table + int(offset) if offset else 0

    compression = field(follow(field(follow(0), 2)), 3)
    if not compression:
        return None
    codec = field(follow(compression), 0)
    return "zstd" if codec and message[codec] == 1 else "lz4"
