"""Where the metadata of a folder of images stand, and which files they name."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from posixpath import normpath
from typing import Any

import pyarrow as pa

from noisecli.columns import Column, Kind
from noisecli.formats import TableFile
from noisecli.run.dataset import METADATA, Dataset, InputFile


def all_metadata(dataset: Dataset) -> list[InputFile]:
    """The files of metadata in a folder of images."""
    return [file for file in dataset.files if file.path.name in METADATA and dataset.target == "images"]


def opened(file: InputFile) -> TableFile:
    """The table; rows that do not fit it are carried."""
    return replace(file, reading=replace(file.reading, skip_errors=True)).table()


def columns_of_names(file: InputFile, fields: Mapping[str, pa.DataType]) -> dict[str, Column]:
    """The columns that hold names of files, in lists and mappings too; in JSON Lines these are text."""
    in_json = file.path.suffix.lower() == ".jsonl"
    named = (name for name, type_ in fields.items() if _holds_names(name, type_) or (in_json and is_text(type_)))
    return {name: Column(name, Kind.TEXT, fields[name]) for name in named}


def is_name(key: str) -> bool:
    """Say whether Hugging Face takes what has this key for the name of a file, or a list of them."""
    return f"_{key}".endswith(("_file_name", "_file_names"))


def _holds_names(key: str, type_: pa.DataType) -> bool:
    if pa.types.is_struct(type_):
        return any(_holds_names(inner.name, inner.type) for inner in type_)
    if pa.types.is_list(type_) or pa.types.is_large_list(type_):
        return _holds_names(key, type_.value_type)
    return is_name(key) and is_text(type_)


def names_in(key: str, value: Any) -> list[str]:
    """The names in a cell of a column."""
    found: list[str] = []
    renamed(key, value, lambda name: found.append(name) or name)  # type: ignore[func-returns-value]
    return found


def renamed(key: str, value: Any, rename: Callable[[str], str]) -> Any:
    """Return a cell of a column with other names in it."""
    if isinstance(value, list):
        return [renamed(key, each, rename) for each in value]
    if isinstance(value, dict):
        return {inner: renamed(inner, each, rename) for inner, each in value.items()}
    if not isinstance(value, str):
        return value
    written = _parsed(value) if is_name(key) or "file_name" in value else None
    if written is None:
        return rename(value) if is_name(key) else value
    new = renamed(key, written, rename)
    return value if new == written else json.dumps(new, ensure_ascii=False)


def _parsed(text: str) -> Any:
    """The list or mapping that a text is in JSON; None where it is none."""
    if not text.startswith(("[", "{")):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # a name may begin so, too
        return None


def is_text(type_: pa.DataType) -> bool:
    """Say whether cells are text."""
    return bool(pa.types.is_string(type_) or pa.types.is_large_string(type_))


def named_file(folder: str, name: str) -> str:
    """The file that metadata in a folder name, relative to the input; some write them with backslashes."""
    name = name.replace("\\", "/")
    return normpath(f"{folder}/{name}" if folder else name)
