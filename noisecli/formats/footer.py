"""The manner in which a Parquet file was written, as far as its footer and first page tell."""

import base64
import inspect
import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.types as pt

from noisecli.formats.content import leaf_types, with_index
from noisecli.formats.outgoing import outgoing_metadata, reshaped

ARROW_SCHEMA = b"ARROW:schema"
SPARK_SCHEMA = b"org.apache.spark.sql.parquet.row.metadata"
CODECS = {"UNCOMPRESSED": "NONE", "UNKNOWN": "LZ4"}
"""How the writer calls codecs by other names; one that is read but has no name is LZ4 as Hadoop frames it."""
SETTABLE = {"BYTE_STREAM_SPLIT", "DELTA_BINARY_PACKED", "DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY"}
WIDTHS = {"INT32": 4, "INT64": 8, "INT96": 12, "FLOAT": 4, "DOUBLE": 8}
"""Bytes of a value."""
SPARED = 0.75
"""Share of their flat size that values in a dictionary take at most, else it is of no use."""
DICTIONARY_BYTES = 1 << 20
"""Writers go on with a dictionary until it takes more than this, by default."""
# The writer of an older pyarrow knows fewer options; what it cannot keep is better lost than fatal.
KNOWN_OPTIONS = frozenset(inspect.signature(pq.ParquetWriter).parameters)
LOSSES = {"bloom_filter_options": "the bloom filters are left out: the installed pyarrow cannot write them; update it"}
"""What the user is told where the writer does not know an option."""

# The first fields of a page header (Thrift, compact): type, two sizes, then a checksum if there is one.
PAGE_HEADER = re.compile(rb"\x15(.)(?:\x15[\x80-\xff]*[\x00-\x7f]){2}(\x15)?", re.DOTALL)
DATA_PAGE_V2 = b"\x06"


@dataclass(frozen=True)
class Manner:
    """How a file is written, as far as its footer tells."""

    options: Mapping[str, Any]
    """What the writer is told; columns by their path in the file to be written."""
    metadata: Mapping[bytes, bytes]
    """Key-value pairs of the footer, with the Arrow schema as it is: then types that Parquet cannot tell stay, too."""
    lost: Mapping[str, frozenset[str]]
    """What the installed pyarrow cannot write, for the user to know, and the columns that have it."""

    @classmethod
    def of(
        cls,
        source: pq.ParquetFile,
        path: Path,
        schema: pa.Schema,
        outgoing: Mapping[str, pa.DataType],
        columns: Collection[str],
    ) -> "Manner":
        """Read the manner off a file that is to be written with this schema, some columns of which are new in it.

        `columns` are those that are written: footers may be long, and what is told of the others does not matter.
        """
        metadata = source.metadata
        groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
        owned = list(zip(_paths(schema), owners(schema), leaf_types(schema), strict=True))
        told = {leaf: each for leaf, each in enumerate(owned) if each[1] in columns}
        options = {**_file_options(source, path, schema), **_column_options(groups, told, outgoing)}
        return cls(
            {name: value for name, value in options.items() if name in KNOWN_OPTIONS},
            metadata.metadata or {},
            {
                loss: frozenset(owner for path, owner, _ in owned if path in options[name])
                for name, loss in LOSSES.items()
                if name not in KNOWN_OPTIONS
            },
        )


def _file_options(source: pq.ParquetFile, path: Path, schema: pa.Schema) -> dict[str, Any]:
    """Whatever holds for the file as a whole."""
    pairs = list(zip(leaves(source), leaf_types(schema), strict=False))  # added columns come last
    times = [is_int96(leaf) for leaf, type_ in pairs if pt.is_timestamp(type_)]
    old = source.metadata.format_version == "1.0" and not any(_is_modern(leaf, type_) for leaf, type_ in pairs)
    page = _first_page(path, source.metadata)
    # Of this writer readers take it that all pages of the second kind are compressed, whatever is said of them.
    compresses_all = source.metadata.created_by.startswith("parquet-cpp version")
    return {
        "version": "1.0" if old else "2.6",
        "data_page_version": "2.0" if page and page[1] == DATA_PAGE_V2 and not compresses_all else "1.0",
        "write_page_checksum": bool(page and page[2]),
        "write_page_index": _has_page_index(source.metadata),
        "use_deprecated_int96_timestamps": bool(times) and all(times),
        "store_decimal_as_integer": any(
            pt.is_decimal(type_) and leaf.physical_type in ("INT32", "INT64") for leaf, type_ in pairs
        ),
        "write_time_adjusted_to_utc": any(
            pt.is_time(type_) and json.loads(leaf.logical_type.to_json())["isAdjustedToUTC"] for leaf, type_ in pairs
        ),
        "use_compliant_nested_type": False,  # names the elements of lists as they are
        "store_schema": False,  # the input's is carried, if it has one
    }


def _column_options(
    groups: Sequence[pq.RowGroupMetaData],
    told: Mapping[int, tuple[str, str, pa.DataType]],
    outgoing: Mapping[str, pa.DataType],
) -> dict[str, Any]:
    """Whatever each column may have as it likes. A column that was in a dictionary anywhere is so everywhere.

    Of each leaf its path, its column and its type are given. Outgoing columns, of other types than in the file, have a
    dictionary if they are text; those that the file does not have are else like its last one.
    """
    codecs, dictionaries, statistics, encodings, blooms = {}, [], [], {}, {}
    for leaf, (path, owner, type_) in told.items() if groups else ():
        chunks = [group.column(min(leaf, group.num_columns - 1)) for group in groups if group.num_columns]
        if not chunks:
            continue
        codecs[path] = CODECS.get(chunks[0].compression, chunks[0].compression)
        used = SETTABLE.intersection(encoding for chunk in chunks for encoding in chunk.encodings)
        if pt.is_string(type_) if owner in outgoing else any(map(_has_dictionary, chunks)):
            dictionaries.append(path)
        elif used and owner not in outgoing:
            encodings[path] = min(used)
        if any(chunk.is_stats_set for chunk in chunks):
            statistics.append(path)
        if any(getattr(chunk, "bloom_filter_offset", None) for chunk in chunks):
            blooms[path] = {"ndv": max(1, *(group.num_rows for group in groups))}
    return {
        "compression": codecs,
        "use_dictionary": dictionaries,
        "column_encoding": encodings,
        "write_statistics": statistics,
        "bloom_filter_options": blooms,
    }


def _has_page_index(metadata: pq.FileMetaData) -> bool:
    """Whether any column has one; of a long footer one row group must do."""
    group = _first_group(metadata)
    return group is not None and any(group.column(i).has_offset_index for i in range(group.num_columns))


def _has_dictionary(chunk: pq.ColumnChunkMetaData) -> bool:
    """Whether a column chunk is in a dictionary of use: writers begin one, and give it up where all cells differ."""
    flat, size = chunk.num_values * WIDTHS.get(chunk.physical_type, 0), chunk.total_uncompressed_size
    given_up = flat and size > max(SPARED * flat, DICTIONARY_BYTES)
    return not given_up and any(encoding.endswith("DICTIONARY") for encoding in chunk.encodings)


def leaves(source: pq.ParquetFile) -> list[pq.ColumnSchema]:
    """Return the columns of the file itself, of which a nested one has several."""
    return [source.schema.column(i) for i in range(len(source.schema))]


def owners(schema: pa.Schema) -> list[str]:
    """Name of the column that each leaf of the file belongs to."""
    return [field.name for field in schema for _ in leaf_types([field])]


def _paths(schema: pa.Schema) -> list[str]:
    """Path of each leaf in the file to be written, which the writer knows best."""
    buffer = pa.BufferOutputStream()
    pq.ParquetWriter(buffer, schema, use_compliant_nested_type=False, store_schema=False).close()
    written = pq.read_metadata(pa.BufferReader(buffer.getvalue())).schema
    return [written.column(i).path for i in range(len(written))]


def _first_page(path: Path, metadata: pq.FileMetaData) -> re.Match[bytes] | None:
    """Header of the first data page: its layout and checksum are told nowhere else."""
    group = _first_group(metadata)
    if group is None:
        return None
    with path.open("rb") as file:
        file.seek(group.column(0).data_page_offset)
        return PAGE_HEADER.match(file.read(32))


def _first_group(metadata: pq.FileMetaData) -> pq.RowGroupMetaData | None:
    """Return the first row group that has cells."""
    groups = (metadata.row_group(i) for i in range(metadata.num_row_groups))
    return next((group for group in groups if group.num_rows and group.num_columns), None)


def is_int96(leaf: pq.ColumnSchema) -> bool:
    """Say whether a column holds times in the 96-bit form of old writers."""
    return bool(leaf.physical_type == "INT96")


def _is_modern(leaf: pq.ColumnSchema, type_: pa.DataType) -> bool:
    """Whether format 1.0 would have to change the cells to hold them."""
    return type_ == pa.uint32() or (getattr(type_, "unit", "") == "ns" and not is_int96(leaf))


def outgoing_pairs(
    metadata: Mapping[bytes, bytes], overfull: Collection[str], outgoing: Mapping[str, pa.DataType]
) -> dict[bytes, bytes]:
    """Return key-value pairs whose schemas promise wide indices for some dictionaries, and have the copy's columns."""
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
