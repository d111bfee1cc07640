"""Cells of Arrow tables, in types that can be worked on, and back in those that the table has."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from noisecli.celltext import to_mask
from noisecli.columns import numpy_dtype
from noisecli.engine import Index, Slab
from noisecli.errors import DataProblem
from noisecli.formats import AS_IT_CAME, FOUND_OUT, Assembled, Part, Reading
from noisecli.formats.gathered import UNTOUCHED, Noisy

INDEX = pa.int32()
"""Indices of a dictionary that is worked on: narrower ones might not hold the new values."""

VIEW = np.dtype("V16")
"""A text in an array of views: its size, and either itself or where it lies."""

MOST_AT_ONCE = 1 << 31
"""Who asks for more bytes of memory than this in one piece has mostly read a length that is damaged."""


def leaf_types(schema: Iterable[pa.Field]) -> Iterator[pa.DataType]:
    """Types of the columns that Parquet would make of these fields: it stores what is nested leaf by leaf."""
    for field in schema:
        type_ = field.type.storage_type if isinstance(field.type, pa.BaseExtensionType) else field.type
        inner = _fields(type_)
        if inner:
            yield from leaf_types(inner)
        else:
            yield type_


def legible(schema: Iterable[pa.Field]) -> None:
    """Fail where a name of a column, of what is nested in one, or of a time zone is not UTF-8."""
    for field in schema:
        field.name, getattr(field.type, "tz", "")
        legible(_fields(field.type))


def _fields(type_: pa.DataType) -> list[pa.Field]:
    """What is nested in a type."""
    type_ = type_.value_type if pt.is_dictionary(type_) else type_
    return [type_.field(i) for i in range(type_.num_fields)]


def plain(type_: pa.DataType) -> pa.DataType:
    """The type that cells are worked on in: of a dictionary that of its values, and no views."""
    return workable(type_.value_type if pt.is_dictionary(type_) else type_)


def workable(type_: pa.DataType) -> pa.DataType:
    """The same type without views, run ends and narrow decimals, for which Arrow lacks most kernels."""
    if pt.is_run_end_encoded(type_):
        return workable(type_.value_type)
    if pt.is_string_view(type_):
        return pa.large_string()
    if pt.is_binary_view(type_):
        return pa.large_binary()
    if pt.is_decimal(type_) and type_.bit_width < 128:
        return pa.decimal128(type_.precision, type_.scale)
    if pt.is_dictionary(type_):
        return pa.dictionary(type_.index_type, workable(type_.value_type), type_.ordered)
    if pt.is_struct(type_):
        return pa.struct([field.with_type(workable(field.type)) for field in type_])
    for test, make in ((pt.is_list, pa.list_), (pt.is_large_list, pa.large_list)):
        if test(type_):
            return make(type_.value_field.with_type(workable(type_.value_type)))
    return type_


def with_index(type_: pa.DataType) -> pa.DataType:
    """The dictionary type with indices that hold whatever an op may add."""
    return pa.dictionary(INDEX, type_.value_type, type_.ordered)


def as_type(column: pa.ChunkedArray, type_: pa.DataType) -> pa.ChunkedArray:
    """The same cells in another type of theirs."""
    if column.type == type_:
        return column
    if pt.is_run_end_encoded(type_):
        return pc.run_end_encode(as_type(column, type_.value_type), run_end_type=type_.run_end_type)
    if pt.is_run_end_encoded(column.type):
        return as_type(pc.run_end_decode(column), type_)
    if pt.is_string_view(column.type) or pt.is_binary_view(column.type):
        column = pa.chunked_array(map(without_loose_views, column.chunks), column.type)
    if not pt.is_dictionary(column.type):
        return column.cast(type_)
    wide = pt.is_dictionary(type_)
    chunks = []
    for chunk in column.chunks:
        values = chunk.dictionary.cast(type_.value_type if wide else type_)
        indices = chunk.indices.cast(type_.index_type if wide else INDEX)
        chunks.append(pa.DictionaryArray.from_arrays(indices, values, ordered=wide and type_.ordered))
    column = pa.chunked_array(chunks, None if chunks else type_)
    return column if wide or not chunks else column.cast(type_)


def holds_views(type_: pa.DataType) -> bool:
    """Whether it is a type of views, or such are nested in it."""
    leaves = (leaf.value_type if pt.is_dictionary(leaf) else leaf for leaf in leaf_types([pa.field("", type_)]))
    return any(pt.is_string_view(leaf) or pt.is_binary_view(leaf) for leaf in leaves)


def without_loose_views(cells: pa.Array) -> pa.Array:
    """The same cells with nothing under the nulls of views; nested ones must not be slices, and in a file none are.

    What is there may lead anywhere; no validation looks at it, but kernels do.
    """
    type_ = cells.type
    if isinstance(type_, pa.BaseExtensionType):
        return type_.wrap_array(without_loose_views(cells.storage))
    if pt.is_dictionary(type_):
        values = without_loose_views(cells.dictionary)
        return pa.DictionaryArray.from_arrays(cells.indices, values, ordered=type_.ordered, safe=False)
    if pt.is_run_end_encoded(type_):
        return pa.RunEndEncodedArray.from_arrays(cells.run_ends, without_loose_views(cells.values), type_)
    if type_.num_fields:
        inner = [cells.field(i) for i in range(type_.num_fields)] if hasattr(cells, "field") else [cells.values]
        own = cells.buffers()[: type_.num_buffers]
        return pa.Array.from_buffers(type_, len(cells), own, children=[without_loose_views(child) for child in inner])
    if not holds_views(type_) or not cells.null_count:
        return cells
    valid, views, *data = cells.buffers()
    places = np.frombuffer(views, VIEW)[: cells.offset + len(cells)].copy()
    places[cells.offset :][to_mask(pc.is_null(cells))] = np.zeros((), VIEW)
    return pa.Array.from_buffers(type_, len(cells), [valid, pa.py_buffer(places), *data], offset=cells.offset)


def replace_cells(column: pa.ChunkedArray, cells: pa.ChunkedArray) -> pa.ChunkedArray:
    """Put cells in the place of a whole column, in its type."""
    if not pt.is_dictionary(column.type):
        return as_type(cells, column.type)
    # The old values keep their places, since the order of categories has a meaning; new ones follow.
    old = column.unify_dictionaries()
    values = old.chunk(0).dictionary if old.num_chunks else pa.array([], column.type.value_type)
    cells = cells.cast(values.type)
    fresh = pc.unique(cells.drop_null())
    values = pa.concat_arrays([values, fresh.filter(pc.invert(pc.is_in(fresh, value_set=values)))])
    indices = pc.index_in(cells, value_set=values, skip_nulls=True).combine_chunks()
    return pa.chunked_array([pa.DictionaryArray.from_arrays(indices, values, ordered=column.type.ordered)])


class Vocabulary:
    """Whether the dictionaries of some columns still fit the indices that the schema promises.

    A reader that follows the promise fails on the first value too many, be it in one row group or over all.
    """

    def __init__(self, schema: pa.Schema, columns: Iterable[str]) -> None:
        types = {name: schema.field(name).type for name in columns}
        narrow = {n: t for n, t in types.items() if pt.is_dictionary(t) and t.index_type.bit_width < INDEX.bit_width}
        self._room = {name: np.iinfo(numpy_dtype(type_.index_type)).max + 1 for name, type_ in narrow.items()}
        self._values = {name: pa.array([], plain(type_)) for name, type_ in narrow.items()}

    @property
    def wanted(self) -> set[str]:
        """Columns of which values have to be known; beyond the limit their number does not matter."""
        return set(self._values) - self.overfull()

    def add(self, name: str, found: Iterable[pa.Array]) -> None:
        """Take note of more values of a column."""
        self._values[name] = pc.unique(pa.chunked_array([self._values[name], *found]))

    def overfull(self) -> set[str]:
        """Columns whose values need wider indices."""
        return {name for name, values in self._values.items() if len(values) > self._room[name]}


class ArrowData:
    """What Arrow tables have in common, in files and in memory."""

    advice = "The table is damaged, or of a kind that pyarrow cannot work on: make it again, or cast the column."
    """What to do when pyarrow cannot read something."""

    def __init__(self, name: str) -> None:
        self.name = name

    def _outgoing_column(
        self, column: pa.ChunkedArray, field: pa.Field, cells: pa.ChunkedArray | None, order: pa.Array | None
    ) -> pa.ChunkedArray:
        """Return a column in its new order and with its struck cells, where there are any, in the type of a field."""
        if cells is not None and not pt.is_dictionary(field.type):
            column = as_type(cells, field.type)
            self._refuse_lost(column, field)
            return column
        column = as_type(column, field.type)
        if order is not None:
            with self._blaming(f"column {field.name!r}"):
                column = as_type(as_type(column, workable(field.type)).take(order), field.type)
        if cells is not None:
            column = replace_cells(column, cells)
            self._refuse_lost(column, field)
        return column

    def _refuse_lost(self, column: pa.ChunkedArray, field: pa.Field) -> None:
        if not field.nullable and column.null_count:
            raise DataProblem(
                f"{self.name}: column {field.name!r} is declared 'not null', so no cell of it can be made missing. "
                "Leave the column out of the step, or write the input with the column declared nullable."
            )

    def _cells(self, table: pa.Table, columns: Sequence[str], sound: Collection[str] = ()) -> dict[str, pa.Array]:
        """Return some columns in their plain types; those that are `sound` have been validated before."""
        cells = {}
        for name in columns:
            with self._blaming(f"column {name!r}"):
                column = table.column(name)
                column = as_type(column, plain(column.type))
                cells[name] = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
                if name not in sound:  # text in a file may be any bytes, and the kernels trust that it is UTF-8
                    cells[name].validate(full=True)
        return cells

    def _refuse_ambiguous(self, schema: pa.Schema, columns: Sequence[str]) -> None:
        for name in columns:
            if len(schema.get_all_field_indices(name)) > 1:
                raise DataProblem(
                    f"{self.name}: there are several columns {name!r}, so it is not clear which one a step means. "
                    "Rename them, or leave them out of the recipe."
                )

    @contextmanager
    def _blaming(self, where: str) -> Iterator[None]:
        """Tell what pyarrow finds wrong with the file as a DataProblem; trouble with the disk or memory passes."""
        try:
            yield
        except MemoryError as error:
            asked = re.search(r"size (\d+)", str(error))
            if not isinstance(error, pa.ArrowException) or (asked and int(asked[1]) <= MOST_AT_ONCE):
                raise
            reason = f"it asks for {int(asked[1]):,} bytes of memory at once" if asked else str(error)
            raise self._damage(where, reason) from error
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            if getattr(error, "errno", None):
                raise
            reason = next(iter(str(error).splitlines()), type(error).__name__).rstrip(". ")
            raise self._damage(where, reason) from error

    def _damage(self, where: str, reason: str) -> DataProblem:
        advice = self.advice
        if "offset overflow" in reason:
            advice = "More than 2 GiB of text in one row group or batch: write the input with smaller ones."
        return DataProblem(f"{self.name}: {where} cannot be read: {reason}. {advice}")


class ArrowFile(ArrowData):
    """What files that hold Arrow's types have in common."""

    splits = False
    as_text = False
    settings: frozenset[str] = frozenset()
    misfit = ""
    advice = "The file is damaged, or of a kind that pyarrow cannot read: fetch or write it again."

    def __init__(self, path: Path, name: str, reading: Reading = FOUND_OUT) -> None:
        super().__init__(name)
        self.path = path

    def assemble(
        self,
        sinks: Sequence[Path],
        target: Path,
        outgoing: Mapping[str, pa.DataType] = AS_IT_CAME,
        order: Index | None = None,
    ) -> Assembled:
        (sink,) = sinks
        if order is None:
            sink.replace(target)
            return Assembled()
        content = type(self)(sink, self.name).arrange(order, target)
        sink.unlink()
        return Assembled(content)

    def outline(self) -> Iterator[Part]:
        """Find where the parts lie, without looking at cells; only of files that split."""
        raise NotImplementedError

    def read(self, parts: Sequence[Part], columns: Sequence[str]) -> Iterator[tuple[Part, Slab]]:
        """Read some parts as a scan does; only of files that split."""
        raise NotImplementedError

    def arrange(self, order: Index, target: Path) -> str:
        """Write the file anew with its rows in another order; return the digest of its content."""
        raise NotImplementedError

    def _outgoing(self, columns: list[pa.ChunkedArray], schema: pa.Schema, noisy: Noisy = UNTOUCHED) -> pa.Table:
        """Put the struck cells and the new order into the columns of a part, freeing each column as it goes.

        Of columns that got new cells only the dictionaries are looked at.
        """
        order = None if noisy.order is None else pa.array(noisy.order)
        for i, field in enumerate(schema):
            cells = noisy.cells.get(field.name)
            if cells is not None and field.name in noisy.outgoing:
                self._refuse_lost(cells, field)
                columns[i : i + 1] = [cells]
            else:
                columns[i] = self._outgoing_column(columns[i], field, cells, order)
        return pa.Table.from_arrays(columns, schema=schema)

    def _damage(self, where: str, reason: str) -> DataProblem:
        return self._encrypted() if "decrypt" in reason.lower() else super()._damage(where, reason)

    def _encrypted(self) -> DataProblem:
        return DataProblem(f"{self.name}: the file is encrypted. Decrypt it and give the plain file.")


def spaced(count: int, places: int) -> list[int]:
    """Return at most so many of the numbers below `count`, evenly spaced, 0 among them."""
    most = min(count, places)
    return [i * (count - 1) // max(1, most - 1) for i in range(most)]
