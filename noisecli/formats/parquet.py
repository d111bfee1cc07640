"""Parquet: row group by row group, columns that change are written anew in the manner that the footer tells."""

import io
import os
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from functools import cache, partial
from itertools import accumulate, islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.types as pt

from noisecli.columns import Column
from noisecli.engine import Index, Slab
from noisecli.errors import DataProblem
from noisecli.formats import AS_IT_CAME, Assembled, Part, Transform, Written, pieces
from noisecli.formats.arranged import Spill
from noisecli.formats.content import ArrowFile, Vocabulary, legible, plain, spaced
from noisecli.formats.digest import Content
from noisecli.formats.footer import Manner, is_int96, leaves, outgoing_pairs, owners
from noisecli.formats.gathered import gather_group
from noisecli.formats.hashed import HashedFile
from noisecli.formats.outgoing import outgoing_schema
from noisecli.formats.stitch import Piece, Source, Stitching
from noisecli.streams import BLOCK

PAGE_BYTES = 1 << 16
"""How much of a column is read at a time: by default all of it lies in memory beside what becomes of it."""
SLAB_CELLS = 1 << 18
"""How many cells of a row group are worked on at once."""
MOST_CELLS = 1_000_000
"""How many are looked at for an excerpt."""
OTHER_ROWS = "it has another number of rows than the footer says"
SIGNATURE = 28
"""Bytes that a legible footer is longer by where columns are encrypted. To look at one of these aborts the process."""

_UNITS: dict[tuple[Path, int, int], str] = {}
"""What was found of the INT96 times of a file, by its path, size and time: all of them have to be read for it."""


class ParquetFile(ArrowFile):
    """One Parquet file. Only one row group at a time is in memory."""

    splits = True

    def fields(self) -> Mapping[str, pa.DataType]:
        with self._open() as source:
            return {field.name: plain(field.type) for field in source.schema_arrow}

    def scan(self, columns: Sequence[str]) -> Iterator[tuple[Part, Slab]]:
        return self.read(list(self.outline()), columns)

    def outline(self) -> Iterator[Part]:
        with self._open() as source:
            rows = [source.metadata.row_group(i).num_rows for i in range(source.num_row_groups)]
        size = self.path.stat().st_size / max(sum(rows), 1)
        for group, (first_row, count) in enumerate(zip(accumulate(rows, initial=0), rows, strict=False)):
            yield Part(first_row, count, group, int(size * count))

    def read(self, parts: Sequence[Part], columns: Sequence[str]) -> Iterator[tuple[Part, Slab]]:
        with self._open() as source:
            self._refuse_ambiguous(source.schema_arrow, columns)
            for part in parts:
                self._open_columns(source, part.start)
                for slab, _ in self._slabs(source, part, columns, columns):
                    yield part, slab

    def write(
        self,
        parts: Sequence[Part],
        columns: Mapping[str, Column],
        transform: Transform,
        sink: Path,
        outgoing: Mapping[str, pa.DataType] = AS_IT_CAME,
    ) -> Written:
        with self._open() as source, sink.open("wb") as target:
            self._refuse_ambiguous(source.schema_arrow, list(columns))
            schema = outgoing_schema(source.schema_arrow, list(columns), outgoing)
            manner = cache(partial(self._manner, source, schema, outgoing))
            rows, changed, contents, lost = 0, bool(outgoing), list[str](), set[str]()
            waiting: deque[tuple[Slab, pa.Table]] = deque()
            asked: list[str] | None = list(columns)

            def slabs() -> Iterator[Slab]:
                for part in parts:
                    for both in self._slabs(source, part, asked, list(columns)):
                        waiting.append(both)
                        yield both[0]
                        del both

            made = transform(slabs())
            for part in parts:
                noisy, names, old = gather_group(made, waiting, part.rows, outgoing)
                moved = noisy.order is not None
                asked = None if moved else asked  # rows that follow will mostly move, too
                kept = schema if moved else pa.schema([field for field in schema if field.name in noisy.altered])
                if not moved:
                    old = [old[names.index(name)] for name in kept.names if name in names]
                elif names != source.schema_arrow.names:
                    old = self._read(source, part.start).columns
                table = self._outgoing(old, kept, noisy)
                how = manner(frozenset(schema.names if moved else {*columns, *outgoing}))
                with self._blaming("the encoding of columns"):
                    pieces.append(target, table, how)
                contents.extend(f"{part.start}:{column}" for column in Content.of_each(table))
                changed |= moved or table.num_columns > 0
                lost |= {loss for loss, names in how.lost.items() if not names.isdisjoint(table.column_names)}
                rows += part.rows if noisy.order is None else len(noisy.order)
                del table, noisy, old
        warnings = tuple(f"{self.name}: {loss}" for loss in sorted(lost))
        return Written(rows, changed, tuple(contents), warnings)

    def _manner(
        self,
        source: pq.ParquetFile,
        schema: pa.Schema,
        outgoing: Mapping[str, pa.DataType],
        columns: Collection[str],
    ) -> Manner:
        """How some columns are written anew."""
        with self._blaming("the footer"):
            return Manner.of(source, self.path, schema, outgoing, columns)

    def assemble(
        self,
        sinks: Sequence[Path],
        target: Path,
        outgoing: Mapping[str, pa.DataType] = AS_IT_CAME,
        order: Index | None = None,
    ) -> Assembled:
        draft = sinks[0].with_suffix(".whole")
        with self._open() as source, ExitStack() as stack:
            schema = outgoing_schema(source.schema_arrow, source.schema_arrow.names, outgoing)
            manner = self._manner(source, schema, outgoing, schema.names)
            whole = [name.encode() for name in schema.names]
            sources = [stack.enter_context(path.open("rb")) for path in (self.path, *sinks)]
            found = pieces.read_back(sources[1:], whole, source.num_row_groups)
            with self._blaming("the footer"):
                mine = Source(sources[0], 0, self.path.stat().st_size)
                mine.check()
                template = pieces.described(schema, manner)
                stitching = Stitching(mine, template, found, frozenset(map(str.encode, outgoing)))
            pairs = outgoing_pairs(manner.metadata, self._overfull(source, stitching, outgoing), outgoing)
            with HashedFile(draft) as file, self._blaming("what its footer tells of"):
                stitching.write(file, partial(self._late, source, schema, manner), pairs)
        for sink in sinks:
            sink.unlink()
        made = super().assemble([draft], target, outgoing, order)
        return Assembled(proof=file.proof) if order is None else made

    def _late(
        self, source: pq.ParquetFile, schema: pa.Schema, manner: Manner, group: int, numbers: Collection[int]
    ) -> Piece:
        """Write columns of a row group anew as they are: another row group has them in another form by now."""
        columns = self._read(source, group).columns
        chosen = sorted(numbers)
        kept = pa.schema([schema.field(i) for i in chosen])
        table = self._outgoing([columns[i] for i in chosen], kept)
        file = io.BytesIO()
        pieces.write(file, table, manner)
        return Piece(Source(file, 0, file.tell()), {number: i for i, number in enumerate(chosen)})

    def _overfull(
        self, source: pq.ParquetFile, stitching: Stitching, outgoing: Mapping[str, pa.DataType]
    ) -> Collection[str]:
        """Name the categories whose values need wider indices by now."""
        schema = source.schema_arrow
        anew = {i: schema.field(i) for i in stitching.anew if i < len(schema)}
        coded = {i: field.name for i, field in anew.items() if pt.is_dictionary(field.type)}
        vocabulary = Vocabulary(schema, set(coded.values()) - set(outgoing))
        for number, name in coded.items() if vocabulary.wanted else ():
            for group, own in enumerate(stitching.pieces):
                if name not in vocabulary.wanted:
                    break
                if piece := next((piece for piece in own if number in piece.columns), None):
                    vocabulary.add(name, pieces.categories(piece, name, plain(schema.field(number).type)))
                else:
                    column = self._read(source, group, [name]).column(0)
                    vocabulary.add(name, [chunk.dictionary for chunk in column.chunks])
        return vocabulary.overfull()

    def spilled(self, parts: Sequence[Part]) -> int:
        if not parts:
            return 0
        with self._open() as source:
            share = sum(part.rows for part in parts) / max(1, parts[0].rows)
            return int(share * self._read(source, parts[0].start).nbytes)

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
            manner = self._manner(source, schema, AS_IT_CAME, schema.names)
            content, vocabulary = Content(schema), Vocabulary(whole, coded)
            spill = stack.enter_context(closing(Spill(self.path, schema)))
            sizes = [source.metadata.row_group(i).num_rows for i in range(source.num_row_groups)]
            for group in range(len(sizes)):
                columns = self._read(source, group).columns
                spill.add(self._outgoing(columns, schema))
            handle = stack.enter_context(pa.OSFile(os.fsencode(target), "wb"))
            writer = stack.enter_context(pq.ParquetWriter(handle, schema, **manner.options))
            with self._blaming("the new order"):
                for table in spill.tables(order, sizes, compact=True):
                    writer.write_table(table, row_group_size=max(1, table.num_rows))
                    content.feed(table)
                    for name in vocabulary.wanted:
                        vocabulary.add(name, [chunk.dictionary for chunk in table.column(name).chunks])
                    pa.default_memory_pool().release_unused()
            if manner.metadata:
                writer.add_key_value_metadata(outgoing_pairs(manner.metadata, vocabulary.overfull(), AS_IT_CAME))
        return content.hexdigest()

    # ----------------------------------------------------------------------------------------------------- reading

    @contextmanager
    def _open(self) -> Iterator[pq.ParquetFile]:
        self._check_ends()
        with self._open_at("ns") as source:
            unit = self._int96_unit(source)
            if unit == "ns":
                yield source
                return
        with self._open_at(unit) as source:
            yield source

    @contextmanager
    def _open_at(self, int96_unit: str) -> Iterator[pq.ParquetFile]:
        with pa.OSFile(os.fsencode(self.path)) as handle:
            with self._blaming("the footer"):
                source = pq.ParquetFile(
                    handle,
                    pre_buffer=False,
                    buffer_size=PAGE_BYTES,
                    coerce_int96_timestamp_unit=int96_unit,
                    page_checksum_verification=True,
                )
                legible(source.schema_arrow)
                footer = int.from_bytes(handle.read_at(4, handle.size() - 8), "little")
            if footer - source.metadata.serialized_size == SIGNATURE:
                raise self._encrypted()
            yield source

    def _int96_unit(self, source: pq.ParquetFile) -> str:
        """Nanoseconds, unless the file holds INT96 times that overflow them: Spark's year 9999 would come out as 1816.

        Such times are read, and so written, to the microsecond.
        """
        names = owners(source.schema_arrow)
        old = {name for name, leaf in zip(names, leaves(source), strict=True) if is_int96(leaf)}
        if not old:
            return "ns"
        found = self.path.stat()
        key = self.path, found.st_size, found.st_mtime_ns
        if key not in _UNITS:
            _UNITS[key] = "us" if self._overflows([each for each in source.schema_arrow if each.name in old]) else "ns"
        return _UNITS[key]

    def _overflows(self, times: Sequence[pa.Field]) -> bool:
        """Whether columns of times hold some that these types cannot."""
        target = pa.schema(times)
        with self._open_at("us") as source:
            for group in range(source.num_row_groups):
                try:
                    self._read(source, group, target.names).cast(target)
                except pa.ArrowInvalid:
                    return True
        return False

    def _read(self, source: pq.ParquetFile, group: int, columns: Sequence[str] | None = None) -> pa.Table:
        with self._blaming(f"row group {group}"):
            # Threads are off: the workers are processes, one a core.
            table = source.read_row_group(group, columns=columns, use_threads=False)
            if table.num_rows != source.metadata.row_group(group).num_rows:
                raise pa.ArrowInvalid(OTHER_ROWS)
        # A dot in a name can also mean a path, and so bring more columns than were asked for.
        return table if columns is None else table.select(list(columns))

    def _slabs(
        self, source: pq.ParquetFile, part: Part, asked: Sequence[str] | None, columns: Sequence[str]
    ) -> Iterator[tuple[Slab, pa.Table]]:
        """Yield the slabs of a row group, and what was read for them: the columns that were asked for, or all."""
        if asked is not None and not asked:
            yield Slab(part.first_row, part.rows, {}), pa.table({})
            return
        first_row = part.first_row
        for table in self._slices(source, part, asked):
            slab = Slab(first_row, table.num_rows, self._cells(table, columns))
            first_row += slab.rows
            yield slab, table

    def _slices(self, source: pq.ParquetFile, part: Part, columns: Sequence[str] | None) -> Iterator[pa.Table]:
        """Yield some columns of a row group, a stretch of rows at a time, or all columns at once."""
        if columns is None or part.rows == 0:
            yield self._read(source, part.start, columns)
            return
        size, left = max(1, SLAB_CELLS // len(columns) // BLOCK) * BLOCK, part.rows
        with self._blaming(f"row group {part.start}"):
            batches = source.iter_batches(size, row_groups=[part.start], columns=columns, use_threads=False)
            while left:
                batch = next(batches, None)
                if batch is None or batch.num_rows > left:
                    raise pa.ArrowInvalid(OTHER_ROWS)
                left -= batch.num_rows
                if left == 0:
                    del batches  # it holds a page of each column
                yield pa.Table.from_batches([batch]).select(list(columns))

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
