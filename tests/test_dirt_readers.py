"""What readers make of dirt: the table in docs/dirt.md is held against the readers themselves."""

import csv
import re
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow.csv
import pytest
from golden import OPS

from noisecli.corruption import FileCorruption
from noisecli.recipe.source import parse
from noisecli.run import augment

DOC = (Path(__file__).parents[1] / "docs" / "dirt.md").read_text(encoding="utf-8")
ROWS = [f'{i},"Zoë, no. {i}",{i * 1234.5},2024-05-{i % 28 + 1:02}' for i in range(1, 301)]
CLEAN = "\n".join(["id,full_name,amount,day", *ROWS]) + "\n"


def with_csv(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file, strict=True))


def with_pandas(path):
    frame = pd.read_csv(path)
    return [*map(str, frame.dtypes), list(frame), frame.astype(str).to_numpy().tolist()]


def with_pyarrow(path):
    table = pyarrow.csv.read_csv(path)
    return table.schema, [column.to_pylist() for column in table.columns]


def with_polars(path):
    frame = pl.read_csv(path)
    return frame.schema, frame.rows()


def with_duckdb(path):
    found = duckdb.sql(f"SELECT * FROM read_csv('{path}')")
    return found.columns, [str(type_) for type_ in found.types], found.fetchall()


READERS = {
    "csv": with_csv,
    "pandas": with_pandas,
    "pyarrow": with_pyarrow,
    "polars": with_polars,
    "duckdb": with_duckdb,
}
REFUSALS = (
    csv.Error,
    UnicodeError,
    pd.errors.ParserError,
    pyarrow.ArrowInvalid,
    pl.exceptions.PolarsError,
    duckdb.Error,
)


def verdict(reader, clean, dirty):
    try:
        found = reader(dirty)
    except REFUSALS:
        return "rejects"
    return "same" if found == reader(clean) else "differs"


HEAD, *TABLE = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in re.findall(r"^\| (?:step|`\{op:).*$", DOC, re.MULTILINE)
]


DIRT = {op.name: op for op in OPS.values() if issubclass(op, FileCorruption)}


def test_every_kind_says_what_it_breaks_there_and_in_the_documentation():
    told = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", DOC, re.MULTILINE))
    assert {name: op.breaks for name, op in DIRT.items()} == told
    assert all(len(text) > 40 for text in told.values())


@pytest.mark.parametrize("name", DIRT)
def test_the_catalogue_says_what_it_breaks(name, command):
    assert command("ops", name, "--json").json[0]["breaks"] == DIRT[name].breaks
    assert " ".join(DIRT[name].breaks.split()) in " ".join(command("ops", name).out.split())


def test_the_table_has_every_kind_and_every_reader():
    assert ["step", *READERS] == HEAD
    told = {re.search(r"op: (\w+)", step)[1] for step, *_ in TABLE}
    assert told == set(DIRT)


@pytest.mark.parametrize("line", TABLE, ids=[step for step, *_ in TABLE])
def test_readers_do_what_the_table_says(line, tmp_path):
    step, *said = line
    clean = tmp_path / "clean.csv"
    clean.write_bytes(CLEAN.encode())
    done = augment(
        clean, {"noisecli": 1, "seed": 7, "steps": [dict(parse(step.strip("`"), step).data)]}, tmp_path / "dirty.csv"
    )
    found = [verdict(reader, clean, done.output) for reader in READERS.values()]
    assert found == said
    assert set(said) != {"same"}, "nobody notices"
