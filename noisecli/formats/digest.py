"""A digest of what an Arrow table says, whatever its layout."""

import hashlib
import json
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt
from numpy.typing import NDArray

from noisecli.celltext import to_mask
from noisecli.splice import string_buffers

PIECE = 65_536
"""Rows digested at once: keeps the working copies small, and decoded text below the reach of 32-bit offsets."""


class Content:
    """Digest of a table, fed in order and in pieces of any size: tables of equal cells have equal content.

    Chunks, padding, dictionaries, what lies under a null and the width of text offsets leave no trace in it.
    """

    def __init__(self, schema: pa.Schema) -> None:
        self._names: list[str] = schema.names
        self._columns = [_Cells(type_) for type_ in schema.types]

    @classmethod
    def of_each(cls, table: pa.Table) -> Iterator[str]:
        """Yield the digest of each column of a whole table."""
        for i, field in enumerate(table.schema):  # a name may come twice
            content = cls(pa.schema([field]))
            content.feed(table.select([i]))
            yield content.hexdigest()

    def feed(self, table: pa.Table) -> None:
        """Add the next rows."""
        for digest, column in zip(self._columns, table.columns, strict=True):
            for chunk in column.chunks:
                for start in range(0, len(chunk), PIECE):
                    digest.feed(chunk.slice(start, PIECE))

    def hexdigest(self) -> str:
        """SHA-256 over the names, types and cells of all columns."""
        columns = [[name, column.summary()] for name, column in zip(self._names, self._columns, strict=True)]
        return hashlib.sha256(json.dumps(columns).encode()).hexdigest()


class _Cells:
    """Digest of one column, or of what is nested in it. Each stream is a plain concatenation, so cuts cannot show."""

    def __init__(self, type_: pa.DataType) -> None:
        self._tag, fields = _shape(type_)
        self._names = [field.name for field in fields] if self._tag == "struct" else [""] * len(fields)
        self._children = [_Cells(field.type) for field in fields]
        self._validity, self._sizes, self._values = hashlib.sha256(), hashlib.sha256(), hashlib.sha256()

    def feed(self, cells: pa.Array) -> None:
        cells = _decoded(cells)
        self._validity.update(to_mask(pc.is_valid(cells)).tobytes())
        cells = cells.drop_null()
        if len(cells) == 0:
            return
        if self._tag in ("struct", "map", "list"):  # a struct may have nothing in it
            self._feed_nested(cells)
        elif self._tag in ("string", "binary"):
            data, offsets = string_buffers(cells)
            self._add_sizes(np.diff(offsets))
            self._values.update(data)
        elif pt.is_union(cells.type):
            self._values.update("".join(f"{cell!r}\n" for cell in cells.to_pylist()).encode())
        elif pt.is_boolean(cells.type):
            self._values.update(to_mask(cells).tobytes())
        else:
            width = cells.type.bit_width // 8
            self._values.update(cells.buffers()[1].slice(cells.offset * width, len(cells) * width))

    def _feed_nested(self, cells: pa.Array) -> None:
        if self._tag == "struct":
            inner = cells.flatten()
        elif self._tag == "map":
            # keys and items are those of the whole buffer, wherever this piece lies in it.
            offsets = np.asarray(cells.offsets, np.int64)
            first, last = int(offsets[0]), int(offsets[-1])
            self._add_sizes(np.diff(offsets))
            inner = [cells.keys.slice(first, last - first), cells.items.slice(first, last - first)]
        else:
            self._add_sizes(np.asarray(pc.list_value_length(cells)))
            inner = [cells.flatten()]
        for child, part in zip(self._children, inner, strict=True):
            child.feed(part)

    def _add_sizes(self, sizes: NDArray[np.integer]) -> None:
        self._sizes.update(sizes.astype("<i8").tobytes())

    def summary(self) -> list[object]:
        streams = [stream.hexdigest() for stream in (self._validity, self._sizes, self._values)]
        children = [[name, child.summary()] for name, child in zip(self._names, self._children, strict=True)]
        return [self._tag, *streams, children]


def _shape(type_: pa.DataType) -> tuple[str, list[pa.Field]]:
    """What a type is called in the digest, and the fields nested in it."""
    if isinstance(type_, pa.BaseExtensionType):
        return _shape(type_.storage_type)
    if pt.is_dictionary(type_):
        return _shape(type_.value_type)
    if pt.is_struct(type_):
        return "struct", [type_.field(i) for i in range(type_.num_fields)]
    if pt.is_map(type_):
        return "map", [type_.key_field, type_.item_field]
    if type_.num_fields and not pt.is_union(type_):
        return "list", [type_.value_field]
    if pt.is_string(type_) or pt.is_large_string(type_) or pt.is_string_view(type_):
        return "string", []
    if pt.is_binary(type_) or pt.is_large_binary(type_) or pt.is_binary_view(type_):
        return "binary", []
    return str(type_), []


def _decoded(cells: pa.Array) -> pa.Array:
    """The same cells in a layout whose buffers can be read straight off."""
    if isinstance(cells, pa.ExtensionArray):
        return _decoded(cells.storage)
    if pt.is_dictionary(cells.type):
        return _decoded(cells.dictionary_decode())
    if pt.is_string_view(cells.type):
        return cells.cast(pa.large_string())
    if pt.is_binary_view(cells.type):
        return cells.cast(pa.large_binary())
    return cells
