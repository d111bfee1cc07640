"""Columns of a copy that have not the input's type, or that the input does not have, in the schema."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.types as pt

from noisecli.formats.content import with_index, workable

PANDAS = b"pandas"
"""Key of the metadata from which pandas restores its dtypes."""

EXTENSION = b"ARROW:extension:"
"""How the keys begin that call a column more than its storage type tells."""

PANDAS_TYPES = (
    (pt.is_boolean, "bool", "bool"),
    (pt.is_integer, "int64", "int64"),
    (pt.is_floating, "float64", "float64"),
    (pt.is_string, "unicode", "object"),
)
"""What pandas calls the types of outgoing columns."""


def added(outgoing: Mapping[str, pa.DataType], fields: Iterable[str]) -> list[str]:
    """Name the columns that the input does not have, in order."""
    known = set(fields)
    return [name for name in outgoing if name not in known]


def outgoing_schema(schema: pa.Schema, touched: Sequence[str], outgoing: Mapping[str, pa.DataType]) -> pa.Schema:
    """The schema that is written: of workable types, and in touched dictionaries with room for new values."""
    for i, field in enumerate(schema):
        type_ = workable(field.type)
        widen = pt.is_dictionary(type_) and field.name in touched
        schema = schema.set(i, field.with_type(with_index(type_) if widen else type_))
    return reshaped(schema, outgoing)


def reshaped(schema: pa.Schema, outgoing: Mapping[str, pa.DataType]) -> pa.Schema:
    """The schema with its outgoing columns in their types; those that it does not have come last."""
    if not outgoing:
        return schema
    new = added(outgoing, schema.names)
    for name, type_ in outgoing.items():
        if name in new:
            schema = schema.append(pa.field(name, type_))
        else:
            field = schema.field(name)
            about = {key: value for key, value in (field.metadata or {}).items() if not key.startswith(EXTENSION)}
            nullable = field.nullable or pt.is_floating(field.type)  # NaN becomes null
            schema = schema.set(schema.get_field_index(name), pa.field(name, type_, nullable, about or None))
    return schema.with_metadata(outgoing_metadata(schema.metadata, outgoing))


def outgoing_metadata(
    metadata: Mapping[bytes, bytes] | None, outgoing: Mapping[str, pa.DataType]
) -> dict[bytes, bytes] | None:
    """Metadata in which pandas finds the types of the outgoing columns."""
    if metadata is None or not outgoing:
        return None if metadata is None else dict(metadata)
    try:
        pandas = json.loads(metadata[PANDAS])
        known = {column["field_name"]: column for column in pandas["columns"]}
        for name, type_ in outgoing.items():
            if name not in known:
                pandas["columns"].append(known.setdefault(name, {"name": name, "field_name": name}))
            known[name] |= {**_pandas_type(type_), "metadata": None}
    except (KeyError, RecursionError, TypeError, ValueError):  # there is none, or it is not what pandas writes
        return dict(metadata)
    return {**metadata, PANDAS: json.dumps(pandas).encode()}


def _pandas_type(type_: pa.DataType) -> dict[str, Any]:
    names = next((names for test, *names in PANDAS_TYPES if test(type_)), None)
    return (
        {"pandas_type": names[0], "numpy_type": names[1]}
        if names
        else {"pandas_type": "object", "numpy_type": "object"}
    )
