"""The truth beside an output: its lines turn the clean data into the noisy data, and say no more than that."""

import datetime as dt
import gzip
import json
import os
import re
import shutil
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import groupby, pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet as pq
import pyarrow.types as pt
import pytest
from golden import OPS, PIXEL_OPS, example_step, head, make_images, make_input
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import noisecli
from noisecli.columns import Kind, to_text
from noisecli.corruption import (
    Corruption,
    FileCorruption,
    NumberCorruption,
    RowsCorruption,
    TableCorruption,
    TextCorruption,
)
from noisecli.errors import SystemProblem
from noisecli.formats import csv as csv_format
from noisecli.manifest import TRUTH, Manifest, path_for, read
from noisecli.run import execute, truth
from noisecli.run import lines as row_groups
from tests.test_memory import peak, write_table
from tests.test_promises import EVERY_STEP, make_table
from tests.test_types import FIRSTS, NEEDED, STRIKERS, accepted
from tests.test_types import TABLE as EVERY_TYPE

Command = Callable[..., Any]
Recipe = Callable[..., Path]
Line = dict[str, Any]

COLUMNS = ["sweep", "copy", "file", "row", "output_row", "column", "step", "before", "after", "drawn"]
NULLS = {"", "NA", "N/A", "NaN", "null", "NULL", "None"}
TABLE_OPS = {
    name: op for name, op in OPS.items() if issubclass(op, TableCorruption) and not issubclass(op, FileCorruption)
}
"""Those that act on what the file holds; tests/test_dirt.py is about those that act on the file."""
TEXT_OPS = {op.name for op in TABLE_OPS.values() if issubclass(op, TextCorruption)}


# ------------------------------------------------------------------------------------- what a table says, and its truth


@dataclass
class Cells:
    """A table as the truth speaks of it."""

    names: list[str]
    rows: list[list[Any]]
    """Text or None for each cell of a CSV file; in other files what the value looks like."""
    says: Mapping[str, Callable[[str], Any]]
    """By column, what a text in the truth stands for."""

    def meaning(self, column: str, text: str | None) -> Any:
        return None if text is None else self.says[column](text)


def read_csv(data: bytes, delimiter: str = ",", encoding: str = "utf-8") -> Cells:
    """Cells without quotes and padding; None where one is missing."""
    if data.startswith(b"\x1f\x8b"):
        data = gzip.decompress(data)
    text = data.decode(encoding).removeprefix("\ufeff")
    rows: list[list[str | None]] = [[]]
    for cell, end in re.findall(rf'("(?:[^"]|"")*"|[^{delimiter}\r\n]*)({re.escape(delimiter)}|\r?\n|\Z)', text):
        if cell or end or rows[-1]:
            bare = cell.strip(" ")
            rows[-1].append(cell[1:-1].replace('""', '"') if cell[:1] == '"' else None if bare in NULLS else bare)
            if end != delimiter:
                rows.append([])
    header, *body = rows[:-1]
    names = [name or f"#{i}" for i, name in enumerate(header, 1)]
    return Cells(names, body, dict.fromkeys(names, str))


def looks(value: Any) -> str:
    """What a value looks like: NaN is NaN, and -0 is not 0."""
    return repr(value)


def nested(value: Any) -> Any:
    """A nested value as JSON has it."""
    return json.loads(json.dumps(value, default=lambda leaf: leaf.hex() if isinstance(leaf, bytes) else str(leaf)))


def reader(type_: pa.DataType) -> Callable[[str], Any]:
    """How a text of the truth is read back as a value of a type."""
    if pt.is_dictionary(type_):
        return reader(type_.value_type)
    if isinstance(type_, pa.UuidType):
        return lambda text: looks(uuid.UUID(hex=text))
    if pt.is_nested(type_):
        return lambda text: looks(json.loads(text))
    if pt.is_binary(type_) or pt.is_large_binary(type_) or pt.is_fixed_size_binary(type_) or pt.is_binary_view(type_):
        return lambda text: looks(bytes.fromhex(text))
    if pt.is_duration(type_):
        return lambda text: looks(pa.scalar(int(text), type_).as_py())
    if pt.is_time(type_):
        return lambda text: looks(dt.time.fromisoformat(text))
    return lambda text: looks(pa.scalar(text).cast(type_).as_py())


def read_arrow(table: pa.Table) -> Cells:
    columns = []
    for column in table.columns:
        values = column.to_pylist()
        if pt.is_nested(column.type):
            values = [None if value is None else nested(value) for value in values]
        columns.append([None if value is None else looks(value) for value in values])
    says = {field.name: reader(field.type) for field in table.schema}
    return Cells(table.column_names, [list(row) for row in zip(*columns, strict=True)], says)


def read_table(path: Path) -> Cells:
    if path.suffix == ".parquet":
        return read_arrow(pq.read_table(path))
    if path.suffix == ".feather":
        return read_arrow(pa.feather.read_table(path))
    return read_csv(path.read_bytes())


def read_widened(clean: Path, noisy: Path) -> Cells:
    """A clean table, with those columns as text that became text."""
    read = {".parquet": pq.read_table, ".feather": pa.feather.read_table}.get(clean.suffix)
    if read is None:
        return read_table(clean)
    table, types = read(clean), read(noisy).schema
    for place, field in enumerate(table.schema):
        if field.name in types.names and pt.is_string(types.field(field.name).type) and not pt.is_string(field.type):
            table = table.set_column(place, field.name, to_text(table[field.name].combine_chunks()))
    return read_arrow(table)


def truth_path(output: Path) -> Path:
    return output.with_name(output.name + TRUTH)


def lines_of(output: Path) -> list[Line]:
    """The lines of a truth, after a look at its schema."""
    table = pq.read_table(truth_path(output))
    assert table.column_names == COLUMNS
    return list(table.to_pylist())


def rebuilt(clean: Cells, lines: list[Line]) -> list[list[Any]]:
    """Do to the clean rows what the lines about one copy say; every line must start where the last one ended."""
    rows = [list(row) for row in clean.rows]
    about_rows = [line for line in lines if line["column"] is None]
    order = sorted((line["output_row"], line["row"]) for line in about_rows if line["output_row"] is not None)
    about_clones = [line for line in lines if line["column"] is not None and line["output_row"] is not None]
    for line in lines:
        if line["column"] is None:
            assert (line["before"], line["after"], line["drawn"]) == (None, None, None)
            assert line["output_row"] is not None or line["step"] is not None, "who left the row out?"
            continue
        assert line["drawn"] is None
        if line["output_row"] is None:
            change(clean, rows[line["row"]], line)
    if not about_rows:
        return rows
    assert [place for place, _ in order] == list(range(len(order)))
    outgoing = [list(rows[row]) for _, row in order]
    for line in about_clones:
        assert order[line["output_row"]][1] == line["row"]
        change(clean, outgoing[line["output_row"]], line)
    return outgoing


def change(clean: Cells, row: list[Any], line: Line) -> None:
    place = clean.names.index(line["column"])
    before, after = (clean.meaning(line["column"], line[key]) for key in ("before", "after"))
    assert len(row) == len(clean.names), "a row that does not fit the header was struck"
    assert row[place] == before
    assert before != after
    row[place] = after


def check_counts(manifest: Manifest, lines: list[Line]) -> None:
    """As many lines as were counted, for each step and column; a text may hold several words."""
    found = Counter((line["sweep"], line["step"], line["column"]) for line in lines if line["step"] is not None)
    for step in manifest.steps:
        for column, counts in step.columns.items():
            count = found.pop((step.sweep, step.id, column or None), 0)
            if step.op in TEXT_OPS:
                assert (count > 0) == (counts["changed"] > 0)
                assert count <= counts["changed"]
            elif step.op in ("shuffle", "late_arrival"):
                assert count == 0, "a moved row has no line but its own"
            elif step.op == "duplicate" and any(other.op == "drop" for other in manifest.steps):
                assert column or count <= counts["changed"], "a clone may be left out again"
            elif step.op == "duplicate" and column and sum(other.op == "duplicate" for other in manifest.steps) > 1:
                assert (count > 0) == (counts["changed"] > 0), "a clone with an error may be cloned in its turn"
            else:
                assert count == counts["changed"]
    assert not found


def place_of(line: Line) -> tuple[int, bool, int, str]:
    """Where a line stands: by row, cells before the row itself."""
    return line["row"], line["column"] is None, line["output_row"] or 0, line["column"] or ""


def check(source: Path, outcome: Any, cells: Callable[[Path], Cells] = read_table) -> list[Line]:
    """Hold every outgoing file against the input and its lines."""
    lines = lines_of(outcome.output)
    left = list(lines)
    for entry in outcome.manifest.outputs:
        clean = source if entry.input == "." or source.is_file() else source / entry.input
        noisy = outcome.output if entry.path == "." or outcome.output.is_file() else outcome.output / entry.path

        def mine(line: Line, entry: Any = entry) -> bool:
            sweep = line["sweep"]
            inside = sweep is None or entry.path.startswith(f"{sweep}/")
            return inside and (line["copy"], line["file"]) == (entry.copy_number, entry.input)

        ours = [line for line in left if mine(line)]
        left = [line for line in left if not mine(line)]
        if entry.carried:
            assert not ours or clean.read_bytes() == noisy.read_bytes()
        if clean.suffix == ".txt":
            continue
        rows = [place_of(line)[:3] for line in ours]
        assert rows == sorted(rows)
        struck = [(line["row"], line["output_row"], line["column"]) for line in ours if line["column"] is not None]
        assert len(list(groupby(struck))) == len(set(struck)), "lines about one cell stand together"
        before = read_widened(clean, noisy) if cells is read_table else cells(clean)
        assert rebuilt(before, ours) == cells(noisy).rows
    assert not left, "lines about a file that was not written"
    check_counts(outcome.manifest, lines)
    assert outcome.manifest.truth.rows == len(lines)
    return lines


def a_recipe(*steps: Mapping[str, Any], **head: Any) -> dict[str, Any]:
    return {"noisecli": 1, "seed": 11, **head, "steps": list(steps)}


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Any]:
    """Run some steps with a truth and give the outcome."""

    def call(source: Path, *steps: Mapping[str, Any], **head: Any) -> Any:
        folder = tmp_path / f"run-{len(list(tmp_path.glob('run-*')))}"
        name = source.name if source.is_file() else "out"
        return noisecli.augment(source, a_recipe(*steps, **head), folder / name, truth=True, workers=1, allow_code=True)

    return call


def as_format(path: Path, suffix: str) -> Path:
    """The same table as a file of another format, in several batches."""
    if suffix != ".feather":
        return path
    target = path.with_suffix(suffix)
    pa.feather.write_feather(pq.read_table(path), target, chunksize=150)
    return target


# --------------------------------------------------------------------------------------------------------- every recipe


@pytest.mark.parametrize(("suffix", "rate"), [(".csv", {}), (".parquet", {"rate": 0.5}), (".feather", {"rate": 1})])
@pytest.mark.parametrize("name", [name for name, op in TABLE_OPS.items() if not head(op)])
def test_every_op_alone(run: Any, tmp_path: Path, name: str, suffix: str, rate: dict[str, Any]) -> None:
    """Soft labels are columns that the input has not, of which the truth says nothing."""
    op = TABLE_OPS[name]
    source = as_format(make_input(op, tmp_path, ".parquet" if suffix == ".feather" else suffix), suffix)
    outcome = run(source, {**example_step(op), **rate})
    assert check(source, outcome), "the example changes nothing"


@pytest.mark.parametrize(("name", "suffix"), [*product(STRIKERS, [".parquet"]), *product(FIRSTS, [".feather"])])
def test_every_type(run: Any, tmp_path: Path, name: str, suffix: str) -> None:
    source = tmp_path / f"types{suffix}"
    if suffix == ".parquet":
        pq.write_table(EVERY_TYPE, source, row_group_size=40)
    else:
        pa.feather.write_feather(EVERY_TYPE, source, chunksize=40)
    clones = {"op": "duplicate", "rate": 0.2}
    steps = [{"op": name, "id": i, "columns": "all", "rate": 0.5, **NEEDED.get(name, {})} for i in ("one", "two")]
    outcome = run(source, *steps, {"op": "missing", "id": "gone", "columns": "all", "rate": 0.2}, clones)
    lines = check(source, outcome)
    assert {line["step"] for line in lines} == {"one", "two", "gone", "duplicate", None}
    assert {line["column"] for line in lines} == {None, *EVERY_TYPE.column_names} - {"nothing"}
    struck = {line["column"] for line in lines if line["step"] in ("one", "two")}
    assert struck <= accepted(name), "`all` passes over what an op cannot strike"
    read = {".parquet": pq.read_schema, ".feather": lambda path: pa.ipc.open_file(path).schema}[suffix]
    assert read(outcome.output).equals(read(source), check_metadata=True)


DIALECTS: dict[str, tuple[str, bytes, dict[str, Any], str, str]] = {
    "plain": (".csv", b"a,b\n1.5,one two\n2.25,three\n,four\nNA,five\n", {}, ",", "utf-8"),
    "quotes": (".csv", b'a,"b"\n"1.5","on""e, two"\n2.25,"three\nlines"\n"7",""\n3,"NA"\n', {}, ",", "utf-8"),
    "semicolon": (".csv", "\ufeffa;b\r\n1.5;Zoë, x\r\n2.25;\r\n4;five".encode(), {}, ";", "utf-8"),
    "latin-1": (".csv", "a,b\n1.5,Zoë\n2.25,Köln\n".encode("latin-1"), {"encoding": "latin-1"}, ",", "latin-1"),
    "packed": (".csv.gz", gzip.compress(b"a,b\n1.5,one\n2.25,two\n", mtime=0), {}, ",", "utf-8"),
    "padded": (".csv", b"a,b\n  1.5 , one\n 22.25,  two  \n  ,  NA\n", {}, ",", "utf-8"),
    "ragged": (".csv", b"a,b\n1.5,one\n3\n\n4,5,6\n7,eight\n9,ten", {}, ",", "utf-8"),
    "tabs": (".csv", b"a\tb\n1.5\tone two\n2.25\t\n", {}, "\t", "utf-8"),
}


@pytest.mark.parametrize("name", DIALECTS)
def test_every_dialect(run: Any, tmp_path: Path, name: str) -> None:
    suffix, data, reading, delimiter, encoding = DIALECTS[name]
    source = tmp_path / f"in{suffix}"
    source.write_bytes(data)
    steps = [
        {"op": "typo", "columns": "b", "rate": 1},
        {"op": "gaussian_noise", "columns": "a", "sigma": 2},
        {"op": "missing", "columns": ["a", "b"], "rate": 0.3},
        {"op": "duplicate", "rate": 0.5},
    ]
    outcome = run(source, *steps, data=reading, on_error="skip")
    lines = check(source, outcome, lambda path: read_csv(path.read_bytes(), delimiter, encoding))
    assert {line["step"] for line in lines} >= {"typo", "gaussian_noise", None}


KINDS = {
    "height": Kind.FLOAT,
    "visits": Kind.INTEGER,
    "name": Kind.TEXT,
    "note": Kind.TEXT,
    "city": Kind.TEXT,
    "churn": Kind.TEXT,
}


NAMING = {"table-merge_levels", "table-split_level", "table-prior_shift"}
"""Ops whose parameters name values of their column."""


@st.composite
def several_steps(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Some ops with the parameters of their examples, on any columns that they take; those on rows come last."""

    def step(op: type[Corruption], number: int) -> dict[str, Any]:
        assert issubclass(op, TableCorruption)
        made = {**example_step(op), "id": f"s{number}", "rate": draw(st.sampled_from([0, 0.05, 0.5, 1]))}
        if op.name == "duplicate":
            made |= {"errors": draw(st.integers(0, 3)), "place": draw(st.sampled_from(["adjacent", "random"]))}
        if op.strikes_columns:
            fitting = [name for name, kind in KINDS.items() if kind in op.accepts]
            least = 2 if op.name == "cross_talk" else 1
            made["columns"] = draw(st.lists(st.sampled_from(fitting), min_size=least, max_size=3, unique=True))
            if op.name == "swap_columns":
                made["columns"] = draw(st.permutations(["name", "note", "city", "churn"]))[:2]
            if "by" in op.model_fields:
                made["by"] = draw(st.sampled_from(["height", "visits"]))
            if issubclass(op, NumberCorruption) and draw(st.booleans()):
                made["decimals"] = draw(st.sampled_from(["keep", 0, 1, 9]))
        if draw(st.booleans()):
            made["where"] = draw(st.sampled_from([{"visits": {"gt": 20}}, {"city": {"null": True}}]))
        return made

    anywhere = [
        op for name, op in TABLE_OPS.items() if name not in NAMING and not head(op) and op.accepts & set(KINDS.values())
    ]
    ops = draw(st.lists(st.sampled_from(anywhere), min_size=1, max_size=6))
    ops.sort(key=lambda op: issubclass(op, RowsCorruption))
    return [step(op, number) for number, op in enumerate(ops)]


@given(steps=several_steps(), suffix=st.sampled_from([".csv", ".parquet", ".feather"]), split=st.booleans())
def test_any_recipe(tmp_path_factory: pytest.TempPathFactory, steps: list[Any], suffix: str, split: bool) -> None:
    folder = tmp_path_factory.mktemp("any")
    source = folder / "people.csv"
    source.write_bytes(make_table(80))
    if suffix != ".csv":
        table = pa.csv.read_csv(source, parse_options=pa.csv.ParseOptions(newlines_in_values=True))
        coded = table.set_column(4, "city", table["city"].dictionary_encode())
        pq.write_table(coded, source.with_suffix(".parquet"), row_group_size=30)
        source = as_format(source.with_suffix(".parquet"), suffix)
    recipe = a_recipe(*steps, **({"data": {"split": "split"}} if split else {}))
    try:
        check(
            source,
            noisecli.augment(source, recipe, folder / "out" / source.name, truth=True, workers=1, allow_code=True),
        )
    finally:
        shutil.rmtree(folder)


def test_two_steps_on_a_cell_chain(run: Any, tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_bytes(b"x,y\n1.50,a\n2.25,b\n")
    gone = {"op": "missing", "rate": 1}
    steps = [{"op": "gaussian_noise", "columns": "x", "sigma": 3}, {**gone, "columns": "y"}]
    outcome = run(source, *steps, {**gone, "id": "later", "columns": "x"})
    lines = check(source, outcome)
    first, second, _ = (line for line in lines if line["row"] == 0)
    assert first["before"] == "1.50"
    assert first["after"] == second["before"] != "1.50"
    assert second["after"] is None
    assert lines[0] == {**dict.fromkeys(COLUMNS), "copy": 1, "file": ".", "row": 0, "column": "x",
                        "step": "gaussian_noise", "before": "1.50", "after": first["after"]}  # fmt: skip


# ------------------------------------------------------------------------------------------- copies, sweeps and folders


@pytest.fixture
def people(tmp_path: Path) -> Path:
    path = tmp_path / "people.csv"
    path.write_bytes(make_table(300))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Tables for training and held-out ones, and what is no table."""
    root = tmp_path / "data"
    for i, name in enumerate(["a.csv", "deep/b.csv", "test/c.csv", "val.csv"]):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(make_table(50, np.random.Generator(np.random.PCG64(i))))
    (root / "read me.txt").write_text("hello")
    return root


LAYOUTS: dict[str, dict[str, Any]] = {
    "copies": {"copies": 3},
    "with the original": {"copies": 2, "keep_original": True},
    "merged": {"copies": 2, "layout": "merged", "keep_original": True},
    "split": {"data": {"split": "split", "label": "churn"}},
    "sweep": {"sweep": {"steps.typo.rate": [0, 0.1, 0.5]}, "copies": 2},
    "alone": {"sweep": {"steps": "alone"}},
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("single", [True, False])
def test_every_layout(run: Any, people: Path, folder: Path, layout: str, single: bool) -> None:
    head = LAYOUTS[layout]
    source = people if single else folder
    lines = check(source, run(source, *EVERY_STEP, **head))
    assert {line["copy"] for line in lines} == set(range(1, head.get("copies", 1) + 1))
    assert {line["file"] for line in lines} == ({"."} if single else {"a.csv", "deep/b.csv"})
    if layout == "sweep":
        folders = [f"steps.typo.rate={rate}".replace("steps.", "") for rate in (0, 0.1, 0.5)]
        assert {line["sweep"].replace("steps.", "") for line in lines} == set(folders)
    if layout == "split":
        clean = read_table(people) if single else None
        struck = {line["row"] for line in lines if line["step"] is not None}
        assert clean is None or {clean.rows[row][-1] for row in struck} == {"train"}


def test_rows_tell_where_they_come_from(run: Any, people: Path) -> None:
    steps = [{"op": "duplicate", "id": "once", "rate": 0.3}, {"op": "duplicate", "id": "thrice", "clones": 3}]
    outcome = run(people, {"op": "missing", "columns": "note", "rate": 0.5}, *steps)
    lines = [line for line in check(people, outcome) if line["column"] is None]
    assert [line["output_row"] for line in lines] == list(range(outcome.manifest.outputs[0].rows))
    originals = [line["row"] for line in lines if line["step"] is None]
    assert originals == list(range(300))
    assert {line["step"] for line in lines} == {None, "once", "thrice"}


# --------------------------------------------------------------------------------------------------------------- images


def pixels(path: Path) -> Any:
    return np.asarray(Image.open(path))


@pytest.mark.parametrize("name", PIXEL_OPS)
def test_a_line_for_each_step_that_changed_an_image(run: Any, tmp_path: Path, name: str) -> None:
    source = make_images(tmp_path / "images")
    Image.new("RGB", (20, 20), "white").save(source / "train" / "white.png")
    steps = [
        {"op": "brightness", "id": "light", "amount": 0.4, "rate": 0.7},
        {**example_step(PIXEL_OPS[name]), "id": "mine", "rate": 0.7},
        {"op": "brightness", "id": "glare", "amount": 1, "rate": 0.7},
    ]
    stages = [source, *(run(source, *steps[:i], copies=2).output for i in (1, 2))]
    last = run(source, *steps, copies=2)
    stages.append(last.output)
    lines = lines_of(last.output)
    expected = []
    for copy, entry in product((1, 2), last.manifest.inputs):
        paths = [stages[0] / entry.path, *(stage / f"copy={copy}" / entry.path for stage in stages[1:])]
        for step, (before, after) in zip(steps, pairwise(paths), strict=True):
            if (pixels(before) != pixels(after)).any():
                expected.append((copy, entry.path, step["id"]))
    assert [(line["copy"], line["file"], line["step"]) for line in lines] == expected
    assert {step for _, path, step in expected if path == "train/white.png"} <= {"mine"}
    drawn = {(entry.copy_number, entry.input): entry.drawn for entry in read(path_for(last.output)).outputs}
    for line in lines:
        assert json.loads(line["drawn"]) == drawn[line["copy"], line["file"]][line["step"]]
        assert [line[key] for key in ("sweep", "row", "output_row", "column", "before", "after")] == [None] * 6
    check_counts(last.manifest, lines)


# ----------------------------------------------------------------------------------------------------------- same bytes


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """More than a block, and many slabs where these are small."""
    path = tmp_path_factory.mktemp("big") / "people.csv"
    path.write_bytes(make_table(20_000))
    return path


BIG = a_recipe(*EVERY_STEP, data={"split": "split", "label": "churn"}, copies=2)


@pytest.fixture(scope="module")
def usual(big: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return noisecli.augment(
        big, BIG, tmp_path_factory.mktemp("usual") / "out", truth=True, workers=1, allow_code=True
    ).output


@pytest.mark.parametrize(
    ("slab", "task_slabs", "piece", "piece_bytes", "waiting"),
    [(1 << 16, 1, 4096, 1 << 23, 256), (300_007, 3, 777, 10_000, 2), (1 << 30, 8, 100_000, 1 << 30, 5)],
)
def test_cuts_do_not_show(
    big: Path,
    usual: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    slab: int,
    task_slabs: int,
    piece: int,
    piece_bytes: int,
    waiting: int,
) -> None:
    monkeypatch.setattr(csv_format, "SLAB_BYTES", slab)
    monkeypatch.setattr(execute, "TASK_SLABS", task_slabs)
    monkeypatch.setattr(truth, "PIECE", piece)
    monkeypatch.setattr(truth, "PIECE_BYTES", piece_bytes)
    monkeypatch.setattr(row_groups, "WAITING", waiting)
    cut = noisecli.augment(big, BIG, tmp_path / "cut", truth=True, workers=1, allow_code=True).output
    assert truth_path(cut).read_bytes() == truth_path(usual).read_bytes()


def test_workers_replay_and_the_day_do_not_show(big: Path, usual: Path, tmp_path: Path, command: Command) -> None:
    two = noisecli.augment(big, BIG, tmp_path / "two", truth=True, workers=2).output
    assert truth_path(two).read_bytes() == truth_path(usual).read_bytes()
    assert command("replay", usual, "--input", big, "-o", tmp_path / "again", "-q", "--workers", 1).code == 0
    assert truth_path(tmp_path / "again").read_bytes() == truth_path(usual).read_bytes()
    assert path_for(tmp_path / "again").read_bytes() == path_for(usual).read_bytes()


def test_images_of_two_workers(sample: Path, tmp_path: Path, tree: Any) -> None:
    steps = [{"op": "gaussian_noise", "rate": 0.5}, {"op": "cutout", "rate": 0.5}]
    for workers in (1, 2):
        recipe = a_recipe(*steps, copies=3)
        noisecli.augment(sample / "images", recipe, tmp_path / str(workers) / "out", truth=True, workers=workers)
    assert tree(tmp_path / "1") == tree(tmp_path / "2")


def test_row_groups_are_cut_by_what_they_hold(
    usual: Path, big: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_groups, "GROUP_BYTES", 500_000)
    cut = noisecli.augment(big, BIG, tmp_path / "cut", truth=True, workers=1, allow_code=True).output
    file = pq.ParquetFile(truth_path(cut))
    assert pq.read_table(truth_path(cut)) == pq.read_table(truth_path(usual))
    weights = []
    for i in range(file.num_row_groups):
        lines = file.read_row_group(i).to_pylist()
        texts = (value for line in lines for value in line.values() if isinstance(value, str))
        weights.append(sum(len(text.encode()) for text in texts) + row_groups.LINE_BYTES * len(lines))
    assert len(weights) > 10
    assert all(500_000 <= weight < 501_000 for weight in weights[:-1])


# ---------------------------------------------------------------------------------------------------------------- edges


@pytest.mark.parametrize("name", ["people.csv", "people.parquet", "images"])
def test_an_empty_truth_is_a_file_with_the_schema(run: Any, people: Path, tmp_path: Path, name: str) -> None:
    source = make_images(tmp_path / "images") if name == "images" else people
    if name == "people.parquet":
        source = tmp_path / name
        pq.write_table(pa.table({"height": [1.0, 2.0]}), source)
    step = {"op": "gaussian_noise", "rate": 0, **({} if name == "images" else {"columns": "height"})}
    outcome = run(source, step)
    assert lines_of(outcome.output) == []
    assert outcome.manifest.truth.rows == 0


def test_the_command_line(people: Path, tmp_path: Path, command: Command, recipe: Recipe) -> None:
    path, out = recipe("op: missing, columns: note, rate: 0.5"), tmp_path / "out.csv"
    done = command("augment", people, "-r", path, "-o", out, "--truth", "--workers", 1)
    assert f"truth     {truth_path(out)}" in done.out.splitlines()
    lines = lines_of(out)
    assert rebuilt(read_table(people), lines) == read_table(out).rows
    check_counts(read(path_for(out)), lines)
    assert command("verify", out, "--input", people).code == 0
    assert command("augment", people, "-r", path, "-o", out, "--force", "-q", "--workers", 1).code == 0
    assert not truth_path(out).exists()
    refused = command("augment", people, "-r", path, "-o", "-", "--truth")
    assert refused.code == 2
    assert refused.out == ""
    assert len(refused.errors) == 1
    assert "--truth" in refused.errors[0]


def test_a_run_that_fails_leaves_no_truth(people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(truth.Truth, "take", fail)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(SystemProblem, match="the disk is full"):
        noisecli.augment(people, BIG, tmp_path / "out" / "people.csv", truth=True)
    assert sorted(tmp_path.iterdir()) == before


FINE: dict[str, tuple[pa.Array, list[str]]] = {
    "zone": (
        pa.array([0, 1_704_067_200_000_001], pa.timestamp("us", "Asia/Kolkata")),
        ["1970-01-01 00:00:00.000000Z", "2024-01-01 00:00:00.000001Z"],
    ),
    "no zone": (pa.array([0, 86_400], pa.timestamp("s")), ["1970-01-01 00:00:00", "1970-01-02 00:00:00"]),
    "unknown zone": (pa.array([0], pa.timestamp("s", "Mars/Base")), ["1970-01-01 00:00:00Z"]),
    "far": (pa.array([10**17], pa.timestamp("s")), ["<value out of range: 100000000000000000>"]),
    "date": (pa.array([0, -1], pa.date32()), ["1970-01-01", "1969-12-31"]),
    "time": (pa.array([1], pa.time64("ns")), ["00:00:00.000000001"]),
    "duration": (pa.array([1, -90], pa.duration("ns")), ["1", "-90"]),
    "interval": (pa.array([(1, 2, 3)], pa.month_day_nano_interval()), ["[1, 2, 3]"]),
    "bytes": (pa.array([b"\xff\x00", b""]), ["ff00", ""]),
    "float": (pa.array([0.1, 1e300, float("inf"), -0.0]), ["0.1", "1e+300", "inf", "-0"]),
    "single": (pa.array([0.1, 16_777_216], pa.float32()), ["0.1", "16777216"]),
    "half": (pa.array([0.5, float("nan")], pa.float16()), ["0.5", "nan"]),
    "nested": (
        pa.array([{"a": [0.1, float("nan"), None], "b": b"\xff"}, {"a": None, "b": None}]),
        ['{"a": [0.1, "nan", null], "b": "ff"}', '{"a": null, "b": null}'],
    ),
    "singles": (pa.array([[0.1], []], pa.list_(pa.float32())), ["[0.1]", "[]"]),
    "moments": (
        pa.array([[1, None]], pa.list_(pa.timestamp("ns", "UTC"))),
        ['["1970-01-01 00:00:00.000000001Z", null]'],
    ),
    "map": (pa.array([[("é", 1)], []], pa.map_(pa.string(), pa.int64())), ['[["é", 1]]', "[]"]),
    "no fields": (pa.array([{}], pa.struct([])), ["{}"]),
}


@pytest.mark.parametrize("name", FINE)
def test_how_cells_are_written(run: Any, tmp_path: Path, name: str) -> None:
    cells, texts = FINE[name]
    source = tmp_path / "in.feather"
    pa.feather.write_feather(pa.table({"x": pa.concat_arrays([cells, pa.nulls(1, cells.type)])}), source)
    lines = lines_of(run(source, {"op": "missing", "columns": "x", "rate": 1}).output)
    struck = [text for text in texts if not (name == "half" and text == "nan")]
    assert [line["before"] for line in lines if line["before"] in struck] == struck
    assert {line["after"] for line in lines} == {None}
    assert len(lines) <= len(texts)


def test_minus_zero_is_not_zero(run: Any, tmp_path: Path) -> None:
    source = tmp_path / "in.parquet"
    pq.write_table(pa.table({"x": [-0.0, 0.0, 3.0, float("nan"), float("inf")] * 40}), source)
    there = {"op": "gaussian_noise", "columns": "x", "unit": "absolute", "sigma": 1, "decimals": 0}
    lines = check(source, run(source, there, {**there, "id": "back"}, {**there, "id": "again"}))
    ends = {(line["before"], line["after"]) for line in lines}
    assert {before for before, _ in ends} >= {"-0", "0", "3"}
    assert not {"nan", "inf"} & {text for pair in ends for text in pair}


def test_long_texts_make_small_row_groups(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "in.parquet"
    texts = ["word " * 4_000 + str(i) for i in range(60)]
    pq.write_table(pa.table({"x": texts}), source)
    monkeypatch.setattr(truth, "PIECE_BYTES", 220_000)
    monkeypatch.setattr(row_groups, "GROUP_BYTES", 220_000)
    outcome = run(source, {"op": "typo", "columns": "x", "rate": 0.005})
    assert len(check(source, outcome)) == 60
    file = pq.ParquetFile(truth_path(outcome.output))
    assert [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)] == [6] * 10


def test_a_folder_whose_name_is_no_text(people: Path, tmp_path: Path) -> None:
    output = tmp_path / os.fsdecode(b"\xff") / "out.csv"
    outcome = noisecli.augment(people, BIG, output, truth=True)
    with pa.OSFile(os.fsencode(truth_path(outcome.output))) as file:
        assert pq.read_metadata(file).num_rows == outcome.manifest.truth.rows > 0


# --------------------------------------------------------------------------------------------------------------- memory


@pytest.mark.stress
@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="reads memory from /proc")
@pytest.mark.parametrize(("workers", "limit"), [(1, 300), (2, 600)])
@pytest.mark.parametrize("rate", [0.0005, 1])
def test_the_truth_of_a_million_rows(tmp_path: Path, recipe: Recipe, workers: int, limit: int, rate: float) -> None:
    write_table(tmp_path / "in.csv", 85)
    steps = [f"op: gaussian_noise, columns: [height, weight], unit: absolute, sigma: 1, rate: {rate}"]
    steps += [f"op: typo, columns: name, rate: {rate}", f"op: missing, columns: city, rate: {rate}"]
    path = recipe(*steps, *(["op: duplicate, rate: 0.01"] if rate == 1 else []))
    assert peak(tmp_path / "in.csv", path, tmp_path / "out.csv", workers, "--truth") < limit
    assert pq.read_metadata(truth_path(tmp_path / "out.csv")).num_rows > (4_000_000 if rate == 1 else 1_000)
