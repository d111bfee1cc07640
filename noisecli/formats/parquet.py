"""Parquet: read row group by row group, written anew in the manner that the input's own footer tells."""

import base64
import os
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from functools import cached_property
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.types as pt

from noisecli.columns import Column
from noisecli.engine import Index, Slab, Struck
from noisecli.errors import DataProblem
from noisecli.formats import AS_IT_CAME, Part, Transform, Written
from noisecli.formats.arranged import Spill
from noisecli.formats.content import (
    ArrowFile,
    Vocabulary,
    legible,
    moves,
    plain,
    spaced,
    with_index,
)
from noisecli.formats.digest import Content
from noisecli.formats.footer import Manner, is_int96, leaves, owners
from noisecli.formats.outgoing import outgoing_metadata, outgoing_schema, reshaped

ARROW_SCHEMA = b"ARROW:schema"
SPARK_SCHEMA = b"org.apache.spark.sql.parquet.row.metadata"
MOST_CELLS = 1_000_000
"""How many cells of a row group are looked at for an excerpt."""
SIGNATURE = 28
"""Bytes that a legible footer is longer by where columns are encrypted. To look at one of these aborts the process."""


class ParquetFile(ArrowFile):
    """One Parquet file. Only one row group at a time is in memory."""

    def fields(self) -> Mapping[str, pa.DataType]:
        with self._open() as source:
            return {field.name: plain(field.type) for field in source.schema_arrow}

    def scan(self, columns: Sequence[str]) -> Iterator[tuple[Part, Slab]]:
        with self._open() as source:
            self._refuse_ambiguous(source.schema_arrow, columns)
            first_row = 0
            for group in range(source.num_row_groups):
                self._open_columns(source, group)
                rows = source.metadata.row_group(group).num_rows
                cells = self._cells(self._read(source, group, columns), columns) if columns else {}
                yield Part(first_row, rows, group), Slab(first_row, rows, cells)
                first_row += rows
                del cells
                pa.default_memory_pool().release_unused()

    def write(
        self,
        parts: Sequence[Part],
        columns: Mapping[str, Column],
        transform: Transform,
        sink: Path,
        outgoing: Mapping[str, pa.DataType] = AS_IT_CAME,
    ) -> Written:
        written, disordered = self._write(parts, list(columns), transform, sink, outgoing, sort_order=True)
        if disordered:
            self._forget_sort_order(sink)
        return written

    def _write(
        self,
        parts: Sequence[Part],
        columns: Sequence[str],
        transform: Transform,
        sink: Path,
        outgoing: Mapping[str, pa.DataType],
        sort_order: bool,
    ) -> tuple[Written, bool]:
        """Write the file; also say whether it claims a sort order that may no longer hold."""
        with self._open() as source:
            self._refuse_ambiguous(source.schema_arrow, columns)
            schema = outgoing_schema(source.schema_arrow, columns, outgoing)
            with self._blaming("the footer"):
                manner = Manner.of(source, self.path, schema, outgoing)
            sort_order = sort_order and manner.sorted_by.isdisjoint(outgoing)
            content = Content(schema)
            vocabulary = Vocabulary(source.schema_arrow, set(columns) - set(outgoing))
            rows, changed, disordered = 0, bool(outgoing), False
            waiting: deque[pa.Table] = deque()

            def slabs() -> Iterator[Slab]:
                for part in parts:
                    waiting.append(self._read(source, part.start))
                    yield Slab(part.first_row, part.rows, self._cells(waiting[-1], columns))

            with _writer(sink, schema, manner, sort_order) as writer:
                for struck in transform(slabs()):
                    table = waiting.popleft()
                    moved = moves(struck, table.num_rows)
                    altered = {name for name, mask in struck.changed.items() if mask.any()}
                    changed |= moved or bool(altered)
                    disordered |= moved or not altered.isdisjoint(manner.sorted_by)
                    chunks = table.columns
                    del table
                    table = self._outgoing(chunks, schema, struck, moved, outgoing)
                    with self._blaming("the encoding of columns"):
                        writer.write_table(table, row_group_size=max(1, table.num_rows))
                    content.feed(table)
                    vocabulary.add(table)
                    rows += table.num_rows
                    del table, chunks, struck
                    pa.default_memory_pool().release_unused()
                if manner.metadata:
                    writer.add_key_value_metadata(_pairs(manner.metadata, vocabulary.overfull(), outgoing))
        warnings = tuple(f"{self.name}: {loss}" for loss in manner.lost)
        written = Written(rows, changed, content.hexdigest(), warnings)
        return written, disordered and sort_order and bool(manner.sorted_by)

    def _forget_sort_order(self, sink: Path) -> None:
        """Write a file again without its claim to be sorted: that it no longer holds is only known at the end."""
        whole = ParquetFile(sink, self.name)
        unsorted = sink.with_name(f"{sink.name}.unsorted")
        try:
            parts = [part for part, _ in whole.scan([])]
            untouched: Transform = lambda slabs: (Struck({}, {}, None) for _ in slabs)  # noqa: E731
            whole._write(parts, [], untouched, unsorted, AS_IT_CAME, sort_order=False)
            unsorted.replace(sink)
        finally:
            unsorted.unlink(missing_ok=True)

    def spilled(self, parts: Sequence[Part]) -> int:
        if not parts:
            return 0
        with self._open() as source:
            first = self._read(source, parts[0].start).nbytes
        return int(first * sum(part.rows for part in parts) / max(1, parts[0].rows))

    def excerpt(self, target: Path, size: int, places: int) -> None:
        with self._open() as source, pq.ParquetWriter(os.fspath(target), source.schema_arrow) as writer:
            groups = spaced(source.num_row_groups, places)
            for group in groups:
                found = source.metadata.row_group(group)
                rows = max(1, size * found.num_rows // max(1, len(groups) * found.total_byte_size))
                for table in self._stretches(source, group, rows, -(-places // len(groups))):
                    writer.write_table(table)

    def _stretches(self, source: pq.ParquetFile, group: int, rows: int, places: int) -> Iterator[pa.Table]:
        """Rows from some places in a row group, as far as so many cells reach: nothing in it can be skipped."""
        each = max(1, rows // places)
        reach = min(source.metadata.row_group(group).num_rows, max(rows, MOST_CELLS // source.metadata.num_columns))
        wanted = set(spaced(-(-reach // each), places))
        with self._blaming(f"row group {group}"):
            batches = source.iter_batches(batch_size=each, row_groups=[group], use_threads=False)
            for number, batch in enumerate(islice(batches, max(wanted) + 1)):
                if number in wanted:
                    yield pa.Table.from_batches([batch])

    def arrange(self, order: Index, target: Path) -> str:
        with self._open() as source, ExitStack() as stack:
            whole = source.schema_arrow
            coded = [field.name for field in whole if pt.is_dictionary(field.type)]
            schema = outgoing_schema(whole, coded, AS_IT_CAME)
            with self._blaming("the footer"):
                manner = Manner.of(source, self.path, schema, AS_IT_CAME)
            content, vocabulary = Content(schema), Vocabulary(whole, coded)
            spill = stack.enter_context(closing(Spill(self.path, schema)))
            sizes = [source.metadata.row_group(i).num_rows for i in range(source.num_row_groups)]
            for group in range(len(sizes)):
                columns = self._read(source, group).columns
                spill.add(self._outgoing(columns, schema, Struck({}, {}, None), False, AS_IT_CAME))
            writer = stack.enter_context(_writer(target, schema, manner, sort_order=False))
            with self._blaming("the new order"):
                for table in spill.tables(order, sizes, compact=True):
                    writer.write_table(table, row_group_size=max(1, table.num_rows))
                    content.feed(table)
                    vocabulary.add(table)
                    pa.default_memory_pool().release_unused()
            if manner.metadata:
                writer.add_key_value_metadata(_pairs(manner.metadata, vocabulary.overfull(), AS_IT_CAME))
        return content.hexdigest()

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
                legible(source.schema_arrow)
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

    def _open_columns(self, source: pq.ParquetFile, group: int) -> None:
        """Read one row: to ask for the codec of a column aborts the process where the footer tells nonsense of it."""
        with self._blaming(f"row group {group}"):
            next(source.iter_batches(1, row_groups=[group], use_threads=False), None)

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


def _pairs(
    metadata: Mapping[bytes, bytes], overfull: Collection[str], outgoing: Mapping[str, pa.DataType]
) -> dict[bytes, bytes]:
    """Key-value pairs whose schemas promise wide indices for some dictionaries, and what columns the copy has."""
    pairs = outgoing_metadata(metadata, outgoing) or {}
    if outgoing:
        pairs.pop(SPARK_SCHEMA, None)  # without one Spark goes by the file
    if ARROW_SCHEMA in pairs and (overfull or outgoing):
        schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(pairs[ARROW_SCHEMA])))
        for name in overfull:
            field = schema.field(name)
            schema = schema.set(schema.get_field_index(name), field.with_type(with_index(field.type)))
        pairs[ARROW_SCHEMA] = base64.b64encode(reshaped(schema, outgoing).serialize())
    return pairs


@contextmanager
def _writer(sink: Path, schema: pa.Schema, manner: Manner, sort_order: bool) -> Iterator[pq.ParquetWriter]:
    order = manner.sort_order if sort_order else ()
    with (
        pa.OSFile(os.fsencode(sink), "wb") as handle,
        pq.ParquetWriter(handle, schema, sorting_columns=order or None, **manner.options) as writer,
    ):
        yield writer
