"""Tables in memory: what is read of them, and a noisy copy of the same type. Arrow's own here, others beside it."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Protocol

import pyarrow as pa

from noisecli.engine import Slab
from noisecli.formats.content import ArrowData, Vocabulary, as_type, plain
from noisecli.formats.gathered import Noisy
from noisecli.formats.outgoing import outgoing_schema, reshaped
from noisecli.streams import BLOCK

SLAB = 64 * BLOCK
"""Rows that go through the engine at once: bounds what it needs besides the data."""


class MemoryTable(Protocol):
    """A table of some library, in memory."""

    @property
    def rows(self) -> int:
        """How many rows there are."""

    @property
    def names(self) -> Sequence[str]:
        """Names of all columns, in order."""

    def fields(self, columns: Collection[str]) -> Mapping[str, pa.DataType]:
        """Name and type of each of some columns in order; dictionary columns by the type of their values.

        Those that cannot be read, only carried, are left out.
        """

    def read(self, columns: Sequence[str]) -> pa.Table:
        """Return some columns."""

    def replaced(self, noisy: Noisy) -> Any:
        """Return a noisy copy of the library's type; what did not change is as it was."""


class ArrowTable(ArrowData):
    """A pyarrow table; its `sound` columns need not be validated."""

    def __init__(self, table: pa.Table, sound: Collection[str] = ()) -> None:
        super().__init__("table")
        self._table = table
        self._sound = sound
        self.names = table.column_names

    @property
    def rows(self) -> int:
        return int(self._table.num_rows)

    def fields(self, columns: Collection[str]) -> Mapping[str, pa.DataType]:
        return {field.name: plain(field.type) for field in self._table.schema if field.name in columns}

    def read(self, columns: Sequence[str]) -> pa.Table:
        self._refuse_ambiguous(self._table.schema, columns)
        return self._table.select(list(columns))

    def slabs(self, rows: int) -> Iterator[Slab]:
        """Yield the whole table as slabs; `rows` is their sum, which a table without columns does not know."""
        for start in range(0, rows, SLAB):
            piece = self._table.slice(start, SLAB)
            yield Slab(start, min(SLAB, rows - start), self._cells(piece, self.names, self._sound))

    def replaced(self, noisy: Noisy) -> pa.Table:
        kept = [name for name in noisy.cells if name not in noisy.outgoing]
        own = reshaped(self._table.schema, noisy.outgoing)
        schema = outgoing_schema(self._table.schema, kept, noisy.outgoing)
        vocabulary = Vocabulary(self._table.schema, kept)
        order = None if noisy.order is None else pa.array(noisy.order)
        columns = self._table.columns
        for i, field in enumerate(schema):
            if field.name in noisy.outgoing:
                self._refuse_lost(noisy.cells[field.name], field)
                columns[i : i + 1] = [noisy.cells[field.name]]
            elif field.name in noisy.cells or order is not None:
                columns[i] = self._outgoing_column(columns[i], field, noisy.cells.get(field.name), order)
        for name in vocabulary.wanted:
            chunks = columns[schema.get_field_index(name)].chunks
            vocabulary.add(name, [chunk.dictionary for chunk in chunks])
        overfull = vocabulary.overfull()
        for i, (narrow, wide) in enumerate(zip(own, schema, strict=True)):
            final = wide if narrow.name in overfull else narrow
            columns[i] = as_type(columns[i], final.type)
            schema = schema.set(i, final)
        return pa.Table.from_arrays(columns, schema=schema)
