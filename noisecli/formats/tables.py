"""Tables in memory: what is read of them, and a noisy copy of the same type. Arrow's own here, others beside it."""

import dataclasses
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from noisecli.engine import Index, Slab, Struck
from noisecli.formats import AS_IT_CAME
from noisecli.formats.arranged import keys
from noisecli.formats.content import ArrowData, Vocabulary, as_type, moves, plain
from noisecli.formats.outgoing import outgoing_schema, reshaped
from noisecli.streams import BLOCK, Mask

SLAB = 64 * BLOCK
"""Rows that go through the engine at once: bounds what it needs besides the data."""


@dataclass(frozen=True)
class Noisy:
    """What became of a whole table."""

    cells: Mapping[str, pa.ChunkedArray]
    """New columns, those only in which something changed, one cell for each outgoing row and in `plain` types."""
    changed: Mapping[str, Mask]
    """Which of their cells differ from the clean ones of the rows that they come from."""
    order: Index | None
    """Row of the table that each outgoing row comes from; None: all rows, in order."""
    outgoing: Mapping[str, pa.DataType] = dataclasses.field(default_factory=dict)
    """Columns with other types than in the table, and columns that it does not have; they are among the cells."""

    def new(self, column: str) -> tuple[Index, pa.Array]:
        """Return the rows of a column that changed, and their new cells."""
        changed = self.changed[column]
        return np.flatnonzero(changed), self.cells[column].filter(pa.array(changed)).combine_chunks()


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


def gather(slabs: Iterable[tuple[Struck, Slab]], outgoing: Mapping[str, pa.DataType] = AS_IT_CAME) -> Noisy:
    """Put what became of all slabs of a table together, given with the slabs themselves."""
    pairs = list(slabs)
    orders = [np.arange(slab.rows) if struck.order is None else struck.order for struck, slab in pairs]
    cells, changed = {}, {}
    for name in dict.fromkeys([*(name for struck, _ in pairs for name in struck.cells), *outgoing]):
        parts = [
            struck.cells[name] if name in struck.cells else slab.cells[name].take(pa.array(order))
            for (struck, slab), order in zip(pairs, orders, strict=True)
        ]
        cells[name] = pa.chunked_array(parts, outgoing.get(name))
        masks = [struck.changed.get(name, np.zeros(len(o), bool)) for (struck, _), o in zip(pairs, orders, strict=True)]
        changed[name] = np.concatenate([np.zeros(0, bool), *masks])
    order = None
    if any(moves(struck, slab.rows) for struck, slab in pairs):
        order = np.concatenate([own + slab.first_row for own, (_, slab) in zip(orders, pairs, strict=True)])
    noisy = Noisy(cells, changed, order, outgoing)
    return _arranged(noisy, pairs) if any(struck.elsewhere for struck, _ in pairs) else noisy


def _arranged(noisy: Noisy, pairs: Sequence[tuple[Struck, Slab]]) -> Noisy:
    """Put the rows of a table into the order that the steps gave them."""
    rows = sum(slab.rows for _, slab in pairs)
    by_key = np.argsort(np.concatenate([keys(struck, slab, rows) for struck, slab in pairs]), kind="stable")
    cells = {name: column.take(pa.array(by_key)) for name, column in noisy.cells.items()}
    changed = {name: mask[by_key] for name, mask in noisy.changed.items()}
    return Noisy(cells, changed, by_key if noisy.order is None else noisy.order[by_key], noisy.outgoing)
