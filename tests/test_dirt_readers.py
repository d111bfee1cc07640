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


# What each kind breaks, as its documentation says


@pytest.fixture
def dirty(tmp_path):
    """Write the clean file, strike it, and give the path of the copy and what the step changed."""

    def make(clean=CLEAN, **step):
        (tmp_path / "clean.csv").write_text(clean, encoding="utf-8", newline="")
        done = augment(
            tmp_path / "clean.csv", {"noisecli": 1, "seed": 7, "steps": [step]}, tmp_path / "dirty.csv", force=True
        )
        changed = sum(counts["changed"] for counts in done.manifest.steps[0].columns.values())
        assert changed
        return done.output, changed

    return make


def cells_of(path, **how):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file, **how))


def test_a_short_row_is_filled_up_with_missing_cells(dirty):
    path, changed = dirty(op="ragged_row", cells="fewer")
    assert pd.read_csv(path)["day"].isna().sum() == pl.read_csv(path)["day"].null_count() == changed


def test_an_open_quote_loses_rows_without_a_word(dirty):
    path, _ = dirty(op="broken_quote")
    assert len(cells_of(path)) < 301
    assert any("\n" in cell for row in cells_of(path) for cell in row)


def test_a_row_with_another_delimiter_is_all_in_the_first_column(dirty):
    path, changed = dirty(op="mixed_delimiter")
    frame = pd.read_csv(path)
    alone = frame[frame["amount"].isna()]
    assert len(alone) == changed
    assert alone["id"].str.contains(";").all()


def test_scripts_that_split_at_lf_find_a_cr_in_the_last_cell(dirty):
    path, changed = dirty(op="mixed_line_ends")
    lines = path.read_bytes().decode().split("\n")
    assert sum(line.split(",")[-1].endswith("\r") for line in lines) == changed
    path, changed = dirty(op="mixed_line_ends", line_end="cr")
    assert len(path.read_bytes().split(b"\n")) == 302 - changed


def test_a_second_header_turns_all_columns_to_text(dirty):
    path, changed = dirty(op="repeated_header")
    frame = pl.read_csv(path)
    assert set(frame.dtypes) == {pl.String}
    assert (frame["id"] == "id").sum() == changed


def test_blank_lines_are_rows_without_cells(dirty):
    path, changed = dirty(op="blank_lines", lines=2)
    assert cells_of(path).count([]) == 2 * changed
    assert pl.read_csv(path)["id"].null_count() == 2 * changed


def test_foreign_bytes_turn_text_to_bytes_or_replacement_characters(dirty):
    path, changed = dirty(op="wrong_encoding")
    assert pyarrow.csv.read_csv(path).schema.field("full_name").type == pyarrow.binary()
    assert path.read_text(encoding="utf-8", errors="replace").count("\ufffd") == changed


@pytest.mark.parametrize(
    "step",
    [
        {"op": "decimal_comma"},
        {"op": "thousands_separator"},
        {"op": "units_in_values", "unit": " kg"},
    ],
    ids=lambda step: step["op"],
)
def test_numbers_in_another_spelling_turn_the_column_to_text_or_are_missing(step, dirty):
    path, changed = dirty(**step, columns="amount")
    assert pl.read_csv(path).schema["amount"] == pl.String
    asked = pl.read_csv(path, schema_overrides={"amount": pl.Float64}, ignore_errors=True)
    assert asked["amount"].null_count() == changed


def test_a_decimal_comma_may_be_taken_to_separate_thousands_and_the_other_way_round(dirty, tmp_path):
    clean = "x\n" + "1234.5\n" * 100
    path, changed = dirty(clean, op="decimal_comma", columns="x")
    assert (pd.read_csv(path, thousands=",")["x"] == 12345).sum() == changed
    path, changed = dirty(clean.replace(".5", ""), op="thousands_separator", columns="x")
    assert (pd.read_csv(path, decimal=",")["x"] == 1.234).sum() == changed


def test_the_mark_is_part_of_the_first_name_and_two_marks_are_for_all(dirty):
    path, _ = dirty(op="bom")
    assert cells_of(path)[0][0] == "\ufeffid"
    path, _ = dirty("\ufeff" + CLEAN, op="bom")
    assert pd.read_csv(path).columns[0] == pl.read_csv(path).columns[0] == "\ufeffid"
    assert pyarrow.csv.read_csv(path).column_names[0] == with_duckdb(path)[0][0] == "\ufeffid"


def test_columns_in_another_order_are_others_by_position_and_the_same_by_name(dirty, tmp_path):
    path, _ = dirty(op="reorder_columns")
    assert cells_of(path)[1] != cells_of(tmp_path / "clean.csv")[1]
    assert sorted(cells_of(path)[0]) == sorted(cells_of(tmp_path / "clean.csv")[0])
    frame = pd.read_csv(tmp_path / "clean.csv")
    assert pd.read_csv(path)[list(frame)].equals(frame)


def test_a_second_column_of_one_name_is_ambiguous(dirty):
    path, _ = dirty(op="duplicate_column", columns="id")
    assert pd.read_csv(path).columns[-1] == "id.1"
    with pytest.raises(KeyError, match="2 times"):
        pyarrow.csv.read_csv(path).column("id")


def test_a_column_of_another_name_is_not_found(dirty):
    path, _ = dirty(op="rename_column", columns="full_name")
    with pytest.raises(ValueError, match="full_name"):
        pd.read_csv(path, usecols=["full_name"])


def test_a_footer_is_a_row_with_a_text_in_the_first_column(dirty):
    path, _ = dirty(op="footer_lines")
    last = pd.read_csv(path).iloc[-1]
    assert last["id"] == "End of report"
    assert last.isna().sum() == 3


def test_the_last_row_of_a_file_that_was_cut_off_is_short_or_says_something_else(dirty, tmp_path):
    path, _ = dirty(op="truncated_tail", share=0.1)
    clean, found = cells_of(tmp_path / "clean.csv"), cells_of(path)
    assert len(found) == 272
    assert found[:-1] == clean[:271]
    assert clean[271] != found[-1]
