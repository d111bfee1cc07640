"""Parquet: read row group by row group, written anew in the manner that the input's own footer tells."""

import base64
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.types as pt

from noisecli.columns import Column
from noisecli.engine import Slab, Struck
from noisecli.errors import DataProblem
from noisecli.formats import FOUND_OUT, Part, Reading, Transform, Written
from noisecli.formats.content import (
    Content,
    Vocabulary,
    as_type,
    plain,
    replace_cells,
    with_index,
    workable,
)
from noisecli.formats.footer import Manner, is_int96, leaves, owners

ARROW_SCHEMA = b"ARROW:schema"
SIGNATURE = 28
"""Bytes that a legible footer is longer by where columns are encrypted. To look at one of these aborts the process."""


class ParquetFile:
    """One Parquet file. Only one row group at a time is in memory."""

    splits = False
    as_text = False

    def __init__(self, path: Path, name: str, reading: Reading = FOUND_OUT) -> None:
        self.path = path
        self.name = name

    def fields(self) -> Mapping[str, pa.DataType]:
        with self._open() as source:
            return {field.name: plain(field.type) for field in source.schema_arrow}

    def scan(self, columns: Sequence[str]) -> Iterator[tuple[Part, Slab]]:
        with self._open() as source:
            self._refuse_ambiguous(source.schema_arrow, columns)
            first_row = 0
            for group in range(source.num_row_groups):
                rows = source.metadata.row_group(group).num_rows
                cells = self._cells(self._read(source, group, columns), columns) if columns else {}
                yield Part(first_row, rows, group), Slab(first_row, rows, cells)
                first_row += rows
                del cells
                pa.default_memory_pool().release_unused()

    def write(self, parts: Sequence[Part], columns: Mapping[str, Column], transform: Transform, sink: Path) -> Written:
        written, disordered = self._write(parts, list(columns), transform, sink, sort_order=True)
        if disordered:
            self._forget_sort_order(sink)
        return written

    def assemble(self, sinks: Sequence[Path], target: Path) -> str | None:
        (sink,) = sinks
        sink.replace(target)
        return None

    def _write(
        self, parts: Sequence[Part], columns: Sequence[str], transform: Transform, sink: Path, sort_order: bool
    ) -> tuple[Written, bool]:
        """Write the file; also say whether it claims a sort order that may no longer hold."""
        with self._open() as source:
            self._refuse_ambiguous(source.schema_arrow, columns)
            schema = _outgoing_schema(source.schema_arrow, columns)
            manner = Manner.of(source, self.path, schema)
            content = Content(schema)
            vocabulary = Vocabulary(source.schema_arrow, columns)
            rows, changed, disordered = 0, False, False
            with _writer(sink, schema, manner, sort_order) as writer:
                for part in parts:
                    table = self._read(source, part.start)
                    struck = transform(Slab(part.first_row, part.rows, self._cells(table, columns)))
                    moved = _moves(struck, part.rows)
                    altered = {name for name, mask in struck.changed.items() if mask.any()}
                    changed |= moved or bool(altered)
                    disordered |= moved or not altered.isdisjoint(manner.sorted_by)
                    chunks = table.columns
                    del table
                    table = self._outgoing(chunks, schema, struck, moved)
                    writer.write_table(table, row_group_size=max(1, table.num_rows))
                    content.feed(table)
                    vocabulary.add(table)
                    rows += table.num_rows
                    del table, chunks, struck
                    pa.default_memory_pool().release_unused()
                if manner.metadata:
                    writer.add_key_value_metadata(_widened(manner.metadata, vocabulary.overfull()))
        warnings = tuple(f"{self.name}: {loss}" for loss in manner.lost)
        written = Written(rows, changed, content.hexdigest(), warnings)
        return written, disordered and sort_order and bool(manner.sorted_by)

    def _outgoing(self, columns: list[pa.ChunkedArray], schema: pa.Schema, struck: Struck, moved: bool) -> pa.Table:
        """Put the struck cells and the new order into the columns of a row group, freeing each column as it goes."""
        order = pa.array(struck.order) if moved else None
        for i, field in enumerate(schema):
            column = as_type(columns[i], field.type)
            if field.name in struck.cells:
                column = replace_cells(column, struck.cells[field.name])
            if order is not None:
                with self._blaming(f"column {field.name!r}"):
                    column = column.take(order)
            if field.name in struck.cells and not field.nullable and column.null_count:
                raise DataProblem(
                    f"{self.name}: column {field.name!r} is declared 'not null', so no cell of it can be made missing. "
                    "Leave the column out of the step, or write the input with the column declared nullable."
                )
            columns[i] = column
        return pa.Table.from_arrays(columns, schema=schema)

    def _forget_sort_order(self, sink: Path) -> None:
        """Write a file again without its claim to be sorted: that it no longer holds is only known at the end."""
        whole = ParquetFile(sink, self.name)
        unsorted = sink.with_name(f"{sink.name}.unsorted")
        try:
            parts = [part for part, _ in whole.scan([])]
            whole._write(parts, [], lambda _: Struck({}, {}, None), unsorted, sort_order=False)
            unsorted.replace(sink)
        finally:
            unsorted.unlink(missing_ok=True)

    # ----------------------------------------------------------------------------------------------------- reading

    @contextmanager
    def _open(self) -> Iterator[pq.ParquetFile]:
        self._check_ends()
        with self._open_at(self._int96_unit) as source:
            yield source

    @contextmanager
    def _open_at(self, int96_unit: str) -> Iterator[pq.ParquetFile]:
        with pa.OSFile(os.fsencode(self.path)) as handle:
            with self._blaming("the footer"):
                source = pq.ParquetFile(
                    handle,
                    pre_buffer=False,
                    coerce_int96_timestamp_unit=int96_unit,
                    page_checksum_verification=True,
                )
                source.schema_arrow  # noqa: B018 - made when asked for, and it can fail
                footer = int.from_bytes(handle.read_at(4, handle.size() - 8), "little")
            if footer - source.metadata.serialized_size == SIGNATURE:
                raise self._encrypted()
            yield source

    @cached_property
    def _int96_unit(self) -> str:
        """Nanoseconds, unless the file holds INT96 times that overflow them: Spark's year 9999 would come out as 1816.

        Such times are read, and so written, to the microsecond.
        """
        with self._open_at("us") as source:
            names = owners(source.schema_arrow)
            old = {name for name, leaf in zip(names, leaves(source), strict=True) if is_int96(leaf)}
            if not old:
                return "ns"
            with self._open_at("ns") as finer:
                target = pa.schema([field for field in finer.schema_arrow if field.name in old])
            for group in range(source.num_row_groups):
                try:
                    self._read(source, group, target.names).cast(target)
                except pa.ArrowInvalid:
                    return "us"
        return "ns"

    def _read(self, source: pq.ParquetFile, group: int, columns: Sequence[str] | None = None) -> pa.Table:
        with self._blaming(f"row group {group}"):
            # Threads are off: the workers are processes, one a core.
            table = source.read_row_group(group, columns=columns, use_threads=False)
            if table.num_rows != source.metadata.row_group(group).num_rows:
                raise pa.ArrowInvalid("it has another number of rows than the footer says")
        # A dot in a name can also mean a path, and so bring more columns than were asked for.
        return table if columns is None else table.select(list(columns))

    def _cells(self, table: pa.Table, columns: Sequence[str]) -> dict[str, pa.Array]:
        cells = {}
        for name in columns:
            with self._blaming(f"column {name!r}"):
                column = table.column(name)
                column = as_type(column, plain(column.type))
                cells[name] = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
                # Text in Parquet may be any bytes, and the kernels trust that it is UTF-8.
                cells[name].validate(full=True)
        return cells

    def _refuse_ambiguous(self, schema: pa.Schema, columns: Sequence[str]) -> None:
        for name in columns:
            if len(schema.get_all_field_indices(name)) > 1:
                raise DataProblem(
                    f"{self.name}: there are several columns {name!r}, so it is not clear which one a step means. "
                    "Rename them, or leave them out of the recipe."
                )

    def _check_ends(self) -> None:
        with self.path.open("rb") as file:
            head = file.read(4)
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 4))
            tail = file.read(4)
        if size == 0:
            raise DataProblem(f"{self.name}: the file is empty. Fetch or write it again.")
        if b"PARE" in (head, tail):
            raise self._encrypted()
        if head != b"PAR1":
            raise DataProblem(f"{self.name}: this is not a Parquet file, whatever its name says. Check the path.")
        if size < 12 or tail != b"PAR1":
            raise DataProblem(f"{self.name}: the file is cut off, its footer is missing. Fetch or write it again.")

    def _encrypted(self) -> DataProblem:
        return DataProblem(f"{self.name}: the file is encrypted. Decrypt it and give the plain file.")

    @contextmanager
    def _blaming(self, where: str) -> Iterator[None]:
        """Tell what pyarrow finds wrong with the file as a DataProblem; trouble with the disk or memory passes."""
        try:
            yield
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            if isinstance(error, MemoryError) or getattr(error, "errno", None):
                raise
            reason = next(iter(str(error).splitlines()), type(error).__name__).rstrip(". ")
            if "decrypt" in reason.lower():
                raise self._encrypted() from error
            if "offset overflow" in reason:
                advice = "More than 2 GiB of text in one row group: write the input with smaller row groups."
            else:
                advice = "The file is damaged, or of a kind that pyarrow cannot read: fetch or write it again."
            raise DataProblem(f"{self.name}: {where} cannot be read: {reason}. {advice}") from error


def _outgoing_schema(schema: pa.Schema, touched: Sequence[str]) -> pa.Schema:
    """The schema that is written: of workable types, and in touched dictionaries with room for new values."""
    for i, field in enumerate(schema):
        type_ = workable(field.type)
        widen = pt.is_dictionary(type_) and field.name in touched
        schema = schema.set(i, field.with_type(with_index(type_) if widen else type_))
    return schema


def _widened(metadata: Mapping[bytes, bytes], columns: Iterable[str]) -> dict[bytes, bytes]:
    """Key-value pairs whose Arrow schema promises wide indices for some dictionaries, and else is what it was."""
    metadata = dict(metadata)
    for name in columns:
        schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(metadata[ARROW_SCHEMA])))
        field = schema.field(name)
        schema = schema.set(schema.get_field_index(name), field.with_type(with_index(field.type)))
        metadata[ARROW_SCHEMA] = base64.b64encode(schema.serialize())
    return metadata


def _moves(struck: Struck, rows: int) -> bool:
    return struck.order is not None and not np.array_equal(struck.order, np.arange(rows))


@contextmanager
def _writer(sink: Path, schema: pa.Schema, manner: Manner, sort_order: bool) -> Iterator[pq.ParquetWriter]:
    order = manner.sort_order if sort_order else ()
    with (
        pa.OSFile(os.fsencode(sink), "wb") as handle,
        pq.ParquetWriter(handle, schema, sorting_columns=order or None, **manner.options) as writer,
    ):
        yield writer
