"""The files of a run, an entry each; written as Parquet where they are too many for a manifest.

Who need not write or read Parquet imports nothing for it: that takes 0.02 s.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass
from pydantic_core import from_json

from noisecli.errors import DataProblem

ROW_GROUP = 16_384
LEAST_BYTES = 16
"""A list takes more than this for each file: digests do not get smaller."""
LONGEST_NAME = 255
"""Bytes that a name may have, on the file systems there are."""
STRICT = ConfigDict(extra="forbid")


def _stays_inside(path: str) -> str:
    if not path or path.startswith("/") or "\0" in path or ".." in path.split("/"):
        raise ValueError("must be a relative path that does not leave its folder")
    if any(len(name.encode("utf-8", "surrogatepass")) > LONGEST_NAME for name in path.split("/")):
        raise ValueError(f"must have no name of more than {LONGEST_NAME} bytes")
    return path


Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


# Not models: a run may have millions of them, and slots take less than half the memory.
@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class InputEntry:
    """A file that was read."""

    path: Annotated[str, AfterValidator(_stays_inside)]
    """Relative to INPUT or OUTPUT; "." is that file itself."""
    sha256: Sha256
    bytes: int
    rows: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class OutputEntry(InputEntry):
    """A file that was written."""

    input: str
    """The input file that it is a copy of."""
    copy_number: int = Field(alias="copy")
    content: str | None = None
    """Digest of the decoded cells or pixels; None where the file was carried, or its bytes are its content."""
    carried: bool = False
    """Copied byte for byte."""
    drawn: dict[str, Any] | None = None
    """What an image got, by step."""


LISTS: dict[str, tuple[str, TypeAdapter[Any]]] = {
    "inputs": ("input", TypeAdapter(list[InputEntry])),
    "outputs": ("output", TypeAdapter(list[OutputEntry])),
    "skipped": ("skipped", TypeAdapter(list[dict[str, str]])),
}
"""The lists of a manifest, with the role that their entries have in Parquet."""

SCHEMA = pa.schema(
    [
        pa.field("role", pa.string(), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        ("input", pa.string()),
        ("copy", pa.int64()),
        ("sha256", pa.string()),
        ("bytes", pa.int64()),
        ("rows", pa.int64()),
        ("content", pa.string()),
        ("carried", pa.bool_()),
        ("drawn", pa.string()),
        ("why", pa.string()),
    ]
)


def write(path: Path, lists: Mapping[str, Sequence[Any]]) -> None:
    """Write the lists of a manifest, given by their keys, as Parquet: the same bytes for the same entries."""
    import pyarrow.parquet as pq

    with pq.ParquetWriter(path, SCHEMA, compression="zstd", use_dictionary=["role", "drawn", "why"]) as writer:
        for key, (role, adapter) in LISTS.items():
            for i in range(0, len(lists[key]), ROW_GROUP):
                some = adapter.dump_python(lists[key][i : i + ROW_GROUP], mode="json", by_alias=True)
                writer.write_table(pa.Table.from_pylist([_to_row(role, entry) for entry in some], SCHEMA))


def _to_row(role: str, entry: dict[str, Any]) -> dict[str, Any]:
    drawn = entry.get("drawn")
    return {**entry, "role": role, "drawn": None if drawn is None else json.dumps(drawn, sort_keys=True)}


def read(path: Path) -> dict[str, list[Any]]:
    """Read what `write` wrote; it is data from outside, so everything in it is checked."""
    import pyarrow.parquet as pq

    lists: dict[str, list[Any]] = {key: [] for key in LISTS}
    try:
        with pq.ParquetFile(path) as file:
            if not file.schema_arrow.equals(SCHEMA):
                raise ValueError("other columns")
            for batch in file.iter_batches(ROW_GROUP):
                _take(batch.to_pylist(), lists)
                if len(lists["inputs"]) + len(lists["outputs"]) > path.stat().st_size // LEAST_BYTES:
                    raise ValueError("more files than so small a list can hold")
        if not lists["outputs"]:
            raise ValueError("no outputs")
    except (pa.ArrowException, OSError, ValueError) as error:
        if getattr(error, "errno", None):  # trouble with the disk; pyarrow's own complaints have no number
            raise
        reason = str(error)
        if isinstance(error, ValidationError):
            fault = error.errors()[0]
            reason = f"{'.'.join(map(str, fault['loc'][1:]))}: {fault['msg']}"
        raise DataProblem(f"{path}: not a list of files: {' '.join(reason.split())}") from None
    return lists


def _take(rows: list[dict[str, Any]], lists: dict[str, list[Any]]) -> None:
    """Check some rows and add them to the lists that they belong to."""
    left = len(rows)
    for key, (role, adapter) in LISTS.items():
        mine = [_to_entry(row) for row in rows if row["role"] == role]
        lists[key] += adapter.validate_python(mine)
        left -= len(mine)
    if left:
        raise ValueError("a role that noisecli does not know")


def _to_entry(row: dict[str, Any]) -> dict[str, Any]:
    entry = {key: value for key, value in row.items() if value is not None and key != "role"}
    if "drawn" in entry:
        entry["drawn"] = from_json(entry["drawn"])
    return entry
