"""Columns of a copy that have not the input's type, or that the input does not have."""

import csv
import gzip
import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import feather

import noisecli
from noisecli.engine import Slab, Struck
from noisecli.errors import DataProblem, RecipeProblem
from noisecli.formats import Reading, TableFile
from noisecli.formats.arrays import NumpyTable
from noisecli.formats.csv import CsvFile
from noisecli.formats.feather import FeatherFile
from noisecli.formats.frames import PandasFrame
from noisecli.formats.gathered import gather
from noisecli.formats.jsonl import JsonLinesFile
from noisecli.formats.parquet import ParquetFile
from noisecli.formats.tables import ArrowTable, MemoryTable

Add = Callable[..., bytes]
SHARES = [0.1, None, 1e20]


def give(columns: Mapping[str, pa.Array], order: list[int] | None = None) -> Callable[[Slab], Struck]:
    """Give a slab, the only one of its file, some columns; those that it does not have are added."""
    return lambda slab: Struck(
        columns,
        {name: np.ones(len(cells), bool) for name, cells in columns.items()},
        None if order is None else np.array(order, np.intp),
    )


def write(file: TableFile, change: Callable[[Slab], Struck], outgoing: Mapping[str, pa.Array], target: Path) -> bytes:
    parts = [part for part, _ in file.scan([])]
    types = {name: cells.type for name, cells in outgoing.items()}
    sink = target.with_suffix(".sink")
    assert file.write(parts, {}, lambda slabs: map(change, slabs), sink, types).changed
    file.assemble([sink], target, types)
    return target.read_bytes()


@pytest.fixture
def to_csv(tmp_path: Path) -> Add:
    """Add columns to a CSV."""

    def call(data: bytes, columns: Mapping[str, pa.Array], order: list[int] | None = None, **reading: Any) -> bytes:
        (tmp_path / "in.csv").write_bytes(data)
        told = Reading(**{"spool": tmp_path / "spool", **reading})
        file = CsvFile(tmp_path / "in.csv", "in.csv", told)
        return write(file, give(columns, order), columns, tmp_path / "out.csv")

    return call


@pytest.fixture
def to_lines(tmp_path: Path) -> Add:
    """Add columns to JSON Lines."""

    def call(data: bytes, columns: Mapping[str, pa.Array], order: list[int] | None = None, **reading: Any) -> bytes:
        (tmp_path / "in.jsonl").write_bytes(data)
        file = JsonLinesFile(tmp_path / "in.jsonl", "in.jsonl", Reading(**reading))
        return write(file, give(columns, order), columns, tmp_path / "out.jsonl")

    return call


# ------------------------------------------------------------------------------------------------------- CSV, added


@pytest.mark.parametrize(
    ("data", "added"),
    [
        (b"a,b\n1,x\n2,y\n3,z\n", b"a,b,p\n1,x,0.1\n2,y,\n3,z,1e+20\n"),
        (b"a,b\n1,x\n2,y\n3,z", b"a,b,p\n1,x,0.1\n2,y,\n3,z,1e+20"),
        (b"a,b\r\n1,x\r\n2,y\r\n3,\r\n", b"a,b,p\r\n1,x,0.1\r\n2,y,\r\n3,,1e+20\r\n"),
        (b"a,b\r\n1,x\r\n2,y\r\n3,", b"a,b,p\r\n1,x,0.1\r\n2,y,\r\n3,,1e+20"),
        (b'\xef\xbb\xbfa;b\n1;x\n2;"y\n"\n3; z \n\n', b'\xef\xbb\xbfa;b;p\n1;x;0.1\n2;"y\n";\n3; z ;1e+20\n\n'),
        (b'a\tb\n1\t"x"\n2\ty"y\n3\t\n', b'a\tb\tp\n1\t"x"\t0.1\n2\ty"y\t\n3\t\t1e+20\n'),
        (b"a\n1\n\n3\n", b"a,p\n1,0.1\n,\n3,1e+20\n"),
    ],
)
def test_cells_are_added_at_the_end_of_csv_rows(to_csv, data, added):
    assert to_csv(data, {"p": pa.array(SHARES)}) == added


def test_nothing_is_added_to_a_header_that_is_not_there(to_csv):
    assert to_csv(b"1,x\n2,y\n", {"p": pa.array([1, 2])}, header=False) == b"1,x,1\n2,y,2\n"


def test_nulls_and_nan_are_spelt_as_the_file_does(to_csv):
    cells = {"p": pa.array([None, float("nan")]), "q": pa.array([None, "-"])}
    assert to_csv(b"a,b\n1,-\n2,-\n", cells, null_values=("-",)) == b'a,b,p,q\n1,-,-,-\n2,-,-,"-"\n'


def test_rows_that_misfit_are_carried(to_csv):
    data = b"a,b\n1,x\n2\n3,y,z\n4,w\n"
    assert to_csv(data, {"p": pa.array([1, 2, 3, 4])}, skip_errors=True) == b"a,b,p\n1,x,1\n2\n3,y,z\n4,w,4\n"


def test_clones_and_moved_rows_have_cells_of_their_own(to_csv, to_lines):
    assert to_csv(b"a,b\n1,x\n2,y\n", {"p": pa.array([7, 8, 9])}, [0, 0, 1]) == b"a,b,p\n1,x,7\n1,x,8\n2,y,9\n"
    lines = to_lines(b'{"a":1}\n{"a":2}\n', {"p": pa.array([7, 8, 9])}, [1, 1, 0])
    assert lines == b'{"a":2,"p":7}\n{"a":2,"p":8}\n{"a":1,"p":9}\n'


def test_compressed_and_recoded_files_come_out_so(tmp_path):
    path = tmp_path / "in.csv"
    path.write_bytes("a;b\nä;1\n".encode("utf-16"))
    file = CsvFile(path, "in.csv", Reading(spool=tmp_path / "spool"))
    columns = {"ö": pa.array(["é"])}
    assert write(file, give(columns), columns, tmp_path / "out.csv").decode("utf-16") == "a;b;ö\nä;1;é\n"


WORDS = st.text(st.sampled_from('ab;,\t|"\r\n é1.-'), max_size=6) | st.sampled_from(["NA", "", "null", "0x1"])


@given(data=st.data(), delimiter=st.sampled_from(",;\t|"), end=st.sampled_from(["\n", "\r\n"]), ended=st.booleans())
def test_a_csv_of_any_dialect_reads_back_with_its_new_columns(to_csv, data, delimiter, end, ended):
    width = data.draw(st.integers(1, 3))
    rows = data.draw(st.lists(st.lists(WORDS, min_size=width, max_size=width), min_size=1, max_size=5))
    names = data.draw(st.lists(WORDS.filter(bool), min_size=1, max_size=3, unique=True))
    words = data.draw(st.lists(WORDS, min_size=len(rows), max_size=len(rows)))
    numbers = data.draw(st.lists(st.floats(allow_nan=False), min_size=len(rows), max_size=len(rows)))
    file = io.StringIO(newline="")
    writer = csv.writer(file, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerows([[f"c{i}" for i in range(width)], *rows])
    text = file.getvalue() if ended else file.getvalue().removesuffix(end)
    columns = {name: pa.array(words if i % 2 else numbers) for i, name in enumerate(names)}
    found = to_csv(text.encode(), columns, delimiter=delimiter).decode()
    assert found.endswith(end) == (ended or found[-1] in "\r\n")
    known = list(csv.reader(io.StringIO(found, newline=""), delimiter=delimiter))
    assert [row[:width] for row in known[1:]] == rows
    assert known[0][width:] == names
    for i in range(len(names)):
        cells = [row[width + i] for row in known[1:]]
        assert cells == words if i % 2 else [float(cell) for cell in cells] == numbers


# ------------------------------------------------------------------------------------------------ JSON Lines, added


@pytest.mark.parametrize(
    ("line", "added"),
    [
        ('{"a": 1, "b": 2}', '{"a": 1, "b": 2, "p": 0.5, "q\\"": "é\\n"}'),
        ('{"a":1,"b":2}', '{"a":1,"b":2,"p":0.5,"q\\"":"é\\n"}'),
        ('{"a":1, "b":[2, {}]}', '{"a":1, "b":[2, {}], "p":0.5, "q\\"":"é\\n"}'),
        ('{"a": {"b":1}}', '{"a": {"b":1}, "p": 0.5, "q\\"": "é\\n"}'),
        (' { "a" : "}" } \r', ' { "a" : "}", "p": 0.5, "q\\"": "é\\n" } \r'),
        ("{}", '{"p": 0.5, "q\\"": "é\\n"}'),
        ("{ }", '{"p": 0.5, "q\\"": "é\\n" }'),
        ('\n\n{"a":1}', '\n\n{"a":1,"p":0.5,"q\\"":"é\\n"}'),
    ],
)
@pytest.mark.parametrize("end", ["\n", ""])
def test_members_are_added_at_the_end_of_objects_in_their_manner(to_lines, line, added, end):
    columns = {"p": pa.array([1.0, 0.5]), 'q"': pa.array(["x", "é\n"])}
    found = to_lines(f'{{"a":0,"z":0}}\n{line}{end}'.encode(), columns).decode()
    assert found == f'{{"a":0,"z":0,"p":1,"q\\"":"x"}}\n{added}{end}'


def test_what_json_has_no_word_for_is_null(to_lines):
    columns = {"p": pa.array([None, float("nan"), float("inf")]), "q": pa.array([True, None, False])}
    found = to_lines(b'{"a":1}\n' * 3, columns)
    assert found == b'{"a":1,"p":null,"q":true}\n{"a":1,"p":null,"q":null}\n{"a":1,"p":null,"q":false}\n'


def test_lines_that_are_no_objects_are_carried(to_lines):
    found = to_lines(b'{"a":1}\n[1]\n{"a":\n{}\n', {"p": pa.array([1, 2, 3, 4])}, skip_errors=True)
    assert found == b'{"a":1,"p":1}\n[1]\n{"a":\n{"p": 4}\n'


VALUES = st.recursive(st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=4), st.lists, max_leaves=4)


@given(
    objects=st.lists(st.dictionaries(st.text(max_size=4), VALUES, max_size=3), min_size=1, max_size=4),
    spaced=st.booleans(),
    text=st.text(max_size=5),
)
def test_json_lines_read_back_with_their_new_member(to_lines, objects, spaced, text):
    objects = [{key: value for key, value in item.items() if key != "new"} for item in objects]
    if not any(objects):
        return
    separators = (", ", ": ") if spaced else (",", ":")
    lines = "".join(json.dumps(item, separators=separators) + "\n" for item in objects)
    found = to_lines(lines.encode(), {"new": pa.array([text] * len(objects))}).decode()
    assert [json.loads(line) for line in found.split("\n")[:-1]] == [{**item, "new": text} for item in objects]


# --------------------------------------------------------------------------------------------------- Arrow, added

TABLE = pa.table({"a": [1, 2, 3], "b": pa.array(["x", None, "z"]).dictionary_encode()})
ADDED = {"p": pa.array(SHARES), "q": pa.array([1, None, 3]), "s": pa.array(["ä", None, ""])}
CLASSES = {".parquet": ParquetFile, ".feather": FeatherFile}


def save(table: pa.Table, path: Path, **manner: Any) -> TableFile:
    if path.suffix == ".parquet":
        pq.write_table(table, path, **manner)
    else:
        feather.write_feather(table, path, **manner)
    return CLASSES[path.suffix](path, path.name)


def load(path: Path) -> pa.Table:
    return pq.read_table(path) if path.suffix == ".parquet" else feather.read_table(path)


@pytest.mark.parametrize("suffix", CLASSES)
@pytest.mark.parametrize("order", [None, [2, 2, 0]])
def test_fields_are_added_after_all_others(tmp_path, suffix, order):
    file, target = save(TABLE, tmp_path / f"in{suffix}"), tmp_path / f"out{suffix}"
    write(file, give(ADDED, order), ADDED, target)
    found = load(target)
    assert found.schema.names == ["a", "b", "p", "q", "s"]
    assert found.schema.field("b").type == TABLE.schema.field("b").type
    assert found.select(list(ADDED)).to_pydict() == pa.table(ADDED).to_pydict()
    assert found.select(["a", "b"]).to_pydict() == (TABLE if order is None else TABLE.take(order)).to_pydict()


@pytest.mark.parametrize("suffix", CLASSES)
def test_pandas_reads_added_columns_and_its_own_metadata_stays(tmp_path, suffix):
    frame = pd.DataFrame(
        {"a": pd.array([1, None, 3], "Int64"), "t": pd.date_range("2026", periods=3, tz="Europe/Paris")}
    )
    frame.index = pd.Index([5, 6, 7], name="key")
    file = save(pa.Table.from_pandas(frame), tmp_path / f"in{suffix}")
    target = tmp_path / f"out{suffix}"
    write(file, give(ADDED), ADDED, target)
    found = load(target).to_pandas()
    assert list(found.index) == [5, 6, 7]
    assert found.columns.tolist() == ["a", "t", *ADDED]
    pd.testing.assert_frame_equal(found[["a"]], frame[["a"]])
    assert str(found["t"].dtype).endswith("Europe/Paris]")
    assert found["s"].tolist()[:1] == ["ä"]
    assert found["p"].tolist()[0] == 0.1


def test_added_columns_are_packed_as_their_neighbours(tmp_path):
    file = save(TABLE, tmp_path / "in.parquet", compression="zstd", write_statistics=["a", "b"])
    write(file, give(ADDED), ADDED, tmp_path / "out.parquet")
    columns = pq.read_metadata(tmp_path / "out.parquet").row_group(0)
    found = [columns.column(i) for i in range(5)]
    assert {column.compression for column in found} == {"ZSTD"}
    assert (found[2].statistics.min, found[2].statistics.max, found[2].statistics.null_count) == (0.1, 1e20, 1)
    assert [column.has_dictionary_page for column in found[2:]] == [False, False, True]


def test_a_table_without_rows_gets_its_columns(tmp_path):
    file = save(TABLE[:0], tmp_path / "in.parquet")
    columns = {name: cells[:0] for name, cells in ADDED.items()}
    write(file, give(columns), columns, tmp_path / "out.parquet")
    assert load(tmp_path / "out.parquet").schema.names == ["a", "b", *ADDED]


# ------------------------------------------------------------------------------------------------ in memory, added


def add_to(table: MemoryTable, order: list[int] | None = None) -> Any:
    slab = Slab(0, table.rows, {})
    types = {name: cells.type for name, cells in ADDED.items()}
    return table.replaced(gather([(give(ADDED, order)(slab), slab)], types))


@pytest.mark.parametrize("order", [None, [2, 2, 0]])
def test_tables_in_memory_get_new_columns(order):
    found = add_to(ArrowTable(TABLE), order)
    assert found.schema.names == ["a", "b", *ADDED]
    assert found.select(list(ADDED)).to_pydict() == pa.table(ADDED).to_pydict()
    frame = pd.DataFrame({"a": [1, 2, 3]}, index=[7, 7, 9])
    noisy = add_to(PandasFrame(frame), order)
    assert noisy.columns.tolist() == ["a", *ADDED]
    assert noisy.index.tolist() == ([7, 7, 9] if order is None else [9, 9, 7])
    assert noisy["p"].tolist()[0] == 0.1
    assert frame.columns.tolist() == ["a"]


def test_an_array_of_numbers_has_no_room_for_columns():
    with pytest.raises(DataProblem, match=r"column 'p' cannot be added: .* give a pandas DataFrame"):
        add_to(NumpyTable(np.zeros((3, 2))))


# ------------------------------------------------------------------------------------------------ from a recipe on

ADDS = ["b__p__x", "b__p__y, z"]


def recipe(**head: Any) -> dict[str, Any]:
    """Soft labels, which are columns that the input does not have, and clones."""
    steps = [{"op": "label_smoothing", "epsilon": 0.5}, {"op": "duplicate", "rate": 0.3}]
    return {"noisecli": 1, "seed": 7, "data": {"label": "b", "soft_labels": "wide"}, **head, "steps": steps}


INPUTS = {
    "in.csv": b"a,b\n" + b'1,x\n2,"y, z"\n' * 20,
    "in.jsonl": b'{"a": 1, "b": "x"}\n{"b": "y, z"}\n' * 20,
    "in.csv.gz": gzip.compress(b"a;b\r\n" + b"1;x\r\n2;y, z\r\n" * 20),
}


def fill(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for name, data in INPUTS.items():
        (folder / name).write_bytes(data)
    table = pa.table({"a": [1, 2] * 20, "b": ["x", "y, z"] * 20})
    pq.write_table(table, folder / "in.parquet")
    feather.write_feather(table, folder / "in.feather")


@pytest.mark.parametrize("name", [*INPUTS, "in.parquet", "in.feather"])
def test_a_step_adds_its_columns_to_every_copy(name, tmp_path):
    fill(tmp_path)
    source = tmp_path / name
    done = noisecli.augment(source, recipe(copies=2, layout="merged"), tmp_path / "out", truth=True)
    assert done.manifest.steps[0].outgoing == dict.fromkeys(ADDS, "double")
    files = [path for path in done.output.rglob("*") if path.is_file()]
    assert len(files) == 2
    for file in files:
        data = file.read_bytes()
        if name.endswith("jsonl"):
            rows = [json.loads(line) for line in data.splitlines()]
        elif "csv" in name:
            text = (gzip.decompress(data) if name.endswith("gz") else data).decode()
            head = "a;b;b__p__x;b__p__y, z" if name.endswith("gz") else 'a,b,b__p__x,"b__p__y, z"'
            assert text.splitlines()[0] == head
            rows = list(csv.DictReader(io.StringIO(text), delimiter=text[1]))
        else:
            rows = load(file).to_pylist()
        assert len(rows) > 40
        assert all(list(row)[-2:] == ADDS for row in rows)
        assert all(sum(float(row[name]) for name in ADDS) == 1 for row in rows)
    assert noisecli.verify(done.output, source)[1] == []
    assert noisecli.replay(done.output, source, tmp_path / "again")[1:] == ([], [])


def test_a_name_that_any_file_has_is_a_fault_of_the_step(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "1.jsonl").write_text('{"a": 1, "b": "x"}\n')
    (tmp_path / "in" / "2.jsonl").write_text('{"a": 1, "b": "y, z", "b__p__x": 1}\n')
    taken = "column 'b__p__x', which the step adds, is there already, from the input"
    with pytest.raises(RecipeProblem, match=f"^recipe.steps.0: {taken}$"):
        noisecli.augment(tmp_path / "in", recipe(), tmp_path / "out")
    mixed = pd.DataFrame({"b": ["x", "y, z"], "b__p__x": [object(), 1]})
    with pytest.raises(RecipeProblem, match=taken):
        noisecli.corrupt(mixed, recipe())


def test_nothing_is_added_where_the_rate_is_0(tmp_path):
    fill(tmp_path)
    swept = recipe(sweep={"steps.label_smoothing.rate": [0, 1], "steps.duplicate.rate": [0]})
    done = noisecli.augment(tmp_path / "in.csv", swept, tmp_path / "out")
    texts = sorted((path.read_bytes() for path in done.output.rglob("*.csv")), key=len)
    assert texts[0] == INPUTS["in.csv"]
    assert texts[1].startswith(b"a,b,b__p__x")


@pytest.mark.filterwarnings("ignore::noisecli.NoiseWarning")
def test_in_memory_a_step_adds_its_columns():
    frame = pd.DataFrame({"b": ["x", "y, z"] * 20})
    assert noisecli.corrupt(frame, recipe()).columns.tolist() == ["b", *ADDS]
    table = noisecli.corrupt(pa.Table.from_pandas(frame), recipe())
    assert [str(field.type) for field in table.schema][1:] == ["double", "double"]
    with pytest.raises(DataProblem, match="cannot be added"):
        noisecli.corrupt(np.array([[1, 2], [2, 2]]), recipe(data={"label": "#1", "soft_labels": "wide"}))


@pytest.mark.filterwarnings("ignore::noisecli.NoiseWarning")
def test_all_formats_of_arrow_and_memory_agree(tmp_path):
    table = pa.table(
        {
            "list": pa.array([[1], None, [2, 3], []] * 100),
            "a": [1, 2, None, 4] * 100,
            "struct": pa.array([{"a": 1, "b": [1]}, None] * 200),
            "coded": pa.array(["u", "v", "w", None] * 100).dictionary_encode(),
            "code": pa.array([1.5, None] * 200).dictionary_encode(),
            "b": ["x", "y, z"] * 200,
        }
    )
    mark = {"op": "disguised_missing", "columns": ["a", "code"], "tokens": ["?"], "rate": 0.1}
    asked = recipe()
    asked["steps"] = [mark, {"op": "category_swap", "columns": ["coded"], "rate": 0.2}, *asked["steps"]]
    pq.write_table(table, tmp_path / "in.parquet", row_group_size=90, data_page_version="2.0")
    feather.write_feather(table, tmp_path / "in.feather", chunksize=70)
    found = [noisecli.corrupt(table, asked)]
    found += [load(noisecli.augment(tmp_path / f"in{s}", asked, tmp_path / f"out{s}").output) for s in CLASSES]
    schema = found[0].schema
    assert [str(schema.field(name).type) for name in ("a", "code", *ADDS)] == ["string", "string", "double", "double"]
    assert schema.field("coded").type == table.schema.field("coded").type
    assert found[0].equals(found[2])
    assert found[0].to_pydict() == found[1].to_pydict()
