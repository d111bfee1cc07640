"""A Parquet file comes out as it went in, but for what was struck."""

import base64
import datetime as dt
import os
import pickle
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noisecli.engine import Slab, Struck
from noisecli.errors import DataProblem
from noisecli.formats import Written, footer
from noisecli.formats.digest import Content
from noisecli.formats.parquet import ParquetFile
from noisecli.manifest import digest

OLD = int(pa.__version__.partition(".")[0]) < 26
"""This pyarrow reads no null among lists of a fixed size, makes no bloom filters, and takes no UUID as one."""

ROWS = 10
TIMES = pa.array([i if i % 4 else None for i in range(ROWS)], pa.timestamp("us", "UTC"))
COLUMNS: dict[str, pa.Array] = {
    "int": pa.array([None, *range(1, ROWS)], pa.int16()),
    "float": pa.array([float("nan"), -0.0, None, *range(ROWS - 3)], pa.float64()),
    "text": pa.array(["ä", "", None, *"abcdefg"]),
    "large": pa.array([*"abcdefghij"], pa.large_string()),
    "view": pa.array([None, "b" * 30, *"abcdefgh"], pa.string_view()),
    "bool": pa.array([True, None] * 5),
    "times": TIMES,
    "date": pa.array([dt.date(2020, 1, 1)] * ROWS, pa.date64()),
    "seconds": pa.array(range(ROWS), pa.timestamp("s")),
    "lasting": pa.array(range(ROWS), pa.duration("ms")),
    "money": pa.array([Decimal("1.20"), None] * 5, pa.decimal128(7, 2)),
    "blob": pa.array([b"\xff", None] * 5),
    "fixed": pa.array([b"abc", None] * 5, pa.binary(3)),
    "half": pa.array(np.arange(ROWS, dtype=np.float16)),
    "uuid": pa.array([b"x" * 16, None] * 5, pa.uuid()),
    "nothing": pa.nulls(ROWS),
    "sizes": pa.array([*"SMLSMLSML", None]).dictionary_encode().cast(pa.dictionary(pa.int8(), pa.string(), True)),
    "list": pa.array([[1], [2, None], None, [], [3]] * 2),
    "lists": pa.array([[["a"], None], None, [], [[]], [["b", None]]] * 2),
    "views": pa.array([["a"], None] * 5, pa.list_(pa.string_view())),
    "pair": pa.array([[1, 2], [3, 4] if OLD else None] * 5, pa.list_(pa.int8(), 2)),
    "struct": pa.array([{"a": 1, "b": None}, None] * 5, pa.struct({"a": pa.int64(), "b": pa.string()})),
    "map": pa.array([[("k", 1)], [], None, [("l", None), ("m", 2)], []] * 2, pa.map_(pa.string(), pa.int64())),
    "a.b": pa.array(range(ROWS)),
}
TABLE = pa.table(COLUMNS)


Change = Callable[[Slab], Struck]


def untouched(slab: Slab) -> Struck:
    return Struck({}, {}, None)


def replace(cells: Mapping[str, Any], order: list[int] | None = None) -> Change:
    """Put the same values into every slab; a single one into all of its cells."""

    def transform(slab: Slab) -> Struck:
        filled = {name: values * slab.rows if len(values) == 1 else values for name, values in cells.items()}
        new = {name: pa.array(values, slab.cells[name].type) for name, values in filled.items()}
        changed = {name: np.ones(slab.rows, bool) for name in new}
        return Struck(new, changed, None if order is None else np.array(order, np.intp))

    return transform


def reorder(order: Callable[[int], Any]) -> Change:
    return lambda slab: Struck({}, {}, np.asarray(order(slab.rows), np.intp))


backwards = reorder(lambda rows: np.arange(rows)[::-1])


class Lab:
    """Writes an input and, through the class under test, its output."""

    def __init__(self, folder: Path) -> None:
        self.source, self.sink = folder / "in.parquet", folder / "out.parquet"
        self.file = ParquetFile(self.source, "in.parquet")

    def give(self, table: pa.Table, row_group_size: int | None = None, **options: Any) -> "Lab":
        pq.write_table(table, self.source, row_group_size=row_group_size, **options)
        return self

    def write(self, transform: Change = untouched, *columns: str) -> Written:
        parts, draft = [part for part, _ in self.file.scan(columns)], self.sink.with_name("part-0")
        written = self.file.write(parts, columns, lambda slabs: map(transform, slabs), draft)
        made = self.file.assemble([draft], self.sink)
        assert made.content is None
        assert made.proof in (None, digest(self.sink))
        return written

    def footers(self) -> tuple[pq.FileMetaData, pq.FileMetaData]:
        return pq.read_metadata(self.source), pq.read_metadata(self.sink)


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


def chunks(metadata: pq.FileMetaData, what: str) -> list[list[Any]]:
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    return [[getattr(group.column(j), what) for j in range(group.num_columns)] for group in groups]


# ------------------------------------------------------------------------------------------------------------- reading


def test_fields_are_columns_in_order_dictionaries_by_their_values(lab: Lab) -> None:
    fields = lab.give(TABLE).file.fields()
    assert list(fields) == TABLE.column_names
    assert fields["sizes"] == pa.string()
    assert fields["view"] == pa.large_string()
    assert fields["times"] == pa.timestamp("us", "UTC")


def test_scan_gives_row_groups_with_only_the_asked_cells(lab: Lab) -> None:
    slabs = list(lab.give(TABLE, 4).file.scan(["sizes", "a.b"]))
    assert [(part.first_row, part.rows, part.start) for part, _ in slabs] == [(0, 4, 0), (4, 4, 1), (8, 2, 2)]
    for part, slab in slabs:
        assert (slab.first_row, slab.rows, list(slab.cells)) == (part.first_row, part.rows, ["sizes", "a.b"])
        for name, cells in slab.cells.items():
            assert isinstance(cells, pa.Array)
            assert cells.to_pylist() == TABLE[name].slice(part.first_row, part.rows).to_pylist()


def test_scan_for_no_column_decodes_nothing(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.give(TABLE, 4)
    monkeypatch.setattr(pq.ParquetFile, "read_row_group", None)
    assert [slab.cells for _, slab in lab.file.scan([])] == [{}, {}, {}]


def test_dotted_name_is_not_taken_for_a_path(lab: Lab) -> None:
    table = pa.table({"a": [{"b": 1}], "a.b": [2], "a.c": [3]})
    ((_, slab),) = lab.give(table).file.scan(["a.b", "a"])
    assert slab.cells["a.b"].to_pylist() == [2]
    assert slab.cells["a"].to_pylist() == [{"b": 1}]
    lab.write(replace({"a.b": [9]}), "a.b")
    assert pq.read_table(lab.sink).to_pylist() == [{"a": {"b": 1}, "a.b": 9, "a.c": 3}]


def test_file_can_be_sent_to_a_worker(lab: Lab) -> None:
    fields = lab.give(TABLE).file.fields()
    assert pickle.loads(pickle.dumps(lab.file)).fields() == fields


# ------------------------------------------------------------------------------------------------- untouched, replaced


@pytest.mark.parametrize("store_schema", [True, False])
@pytest.mark.parametrize("compliant", [True, False])
def test_untouched_file_keeps_cells_schema_and_row_groups(lab: Lab, store_schema: bool, compliant: bool) -> None:
    lab.give(TABLE, 4, store_schema=store_schema, use_compliant_nested_type=compliant)
    written = lab.write()
    before, after = lab.footers()
    assert (written.rows, written.changed) == (ROWS, False)
    assert str(pq.read_table(lab.sink).to_pylist()) == str(pq.read_table(lab.source).to_pylist())
    assert pq.read_schema(lab.sink).equals(pq.read_schema(lab.source), check_metadata=True)
    assert after.schema.equals(before.schema)
    assert after.metadata == before.metadata
    assert [after.row_group(i).num_rows for i in range(3)] == [4, 4, 2]


def test_nan_payloads_and_signed_zeros_are_carried(lab: Lab) -> None:
    bits = np.array([0x7FF8000000000001, 0xFFF8000000000000, 0x8000000000000000, 0], np.uint64)
    lab.give(pa.table({"x": bits.view(np.float64)}), use_dictionary=False).write()
    assert (pq.read_table(lab.sink)["x"].to_numpy().view(np.uint64) == bits).all()


@pytest.mark.parametrize("name", [name for name in COLUMNS if name != "nothing" and not (OLD and name == "uuid")])
def test_any_column_can_be_replaced_and_the_others_stay(lab: Lab, name: str) -> None:
    cells = TABLE[name].to_pylist()
    new = [*cells[1:], cells[0]]
    written = lab.give(TABLE).write(replace({name: new}), name)
    table = pq.read_table(lab.sink)
    assert written.changed
    assert str(table[name].to_pylist()) == str(new)
    assert str(table.drop([name]).to_pylist()) == str(pq.read_table(lab.source).drop([name]).to_pylist())
    assert table.schema.equals(pq.read_schema(lab.source), check_metadata=True)


def test_every_column_follows_the_order(lab: Lab) -> None:
    order = [7, 7, 0, 3, 2]
    written = lab.give(TABLE, 8).write(reorder(lambda rows: order if rows == 8 else [1, 0]))
    rows = pq.read_table(lab.source).to_pylist()
    assert str(pq.read_table(lab.sink).to_pylist()) == str([rows[i] for i in [*order, 9, 8]])
    assert (written.rows, written.changed) == (7, True)
    assert [lab.footers()[1].row_group(i).num_rows for i in range(2)] == [5, 2]


def test_replaced_cells_are_those_of_the_outgoing_rows(lab: Lab) -> None:
    lab.give(pa.table({"x": [1, 2, 3], "y": [4, 5, 6]})).write(replace({"x": [30, 10]}, [2, 0]), "x")
    assert pq.read_table(lab.sink).to_pydict() == {"x": [30, 10], "y": [6, 4]}


def test_identical_order_is_no_change(lab: Lab) -> None:
    assert not lab.give(TABLE, 4).write(reorder(np.arange)).changed


def test_row_group_may_become_empty(lab: Lab) -> None:
    written = lab.give(TABLE, 4).write(reorder(lambda rows: [] if rows == 4 else [0]))
    after = lab.footers()[1]
    assert written.rows == 1
    assert [after.row_group(i).num_rows for i in range(3)] == [0, 0, 1]


@pytest.mark.parametrize("table", [TABLE.slice(0, 0), pa.table({})])
def test_empty_table(lab: Lab, table: pa.Table) -> None:
    assert lab.give(table).write() == Written(0, False)
    assert pq.read_schema(lab.sink).equals(pq.read_schema(lab.source), check_metadata=True)


def test_file_without_row_groups(lab: Lab) -> None:
    pq.ParquetWriter(lab.source, TABLE.schema).close()
    assert lab.write().rows == 0
    assert lab.footers()[1].num_row_groups == 0


def test_row_group_of_millions_stays_one(lab: Lab) -> None:
    rows = 3_000_000
    lab.give(pa.table({"x": np.arange(rows, dtype=np.int32)}), rows, use_dictionary=False).write()
    assert lab.footers()[1].num_row_groups == 1


def test_duplicate_names_are_carried_but_not_touched(lab: Lab) -> None:
    table = pa.table([[1, 2], [3, 4], [5, 6]], names=["x", "x", "y"])
    lab.give(table).write(replace({"y": [0, 0]}, [1, 0]), "y")
    assert [column.to_pylist() for column in pq.ParquetFile(lab.sink).read().columns] == [[2, 1], [4, 3], [0, 0]]
    with pytest.raises(DataProblem, match="several columns 'x'"):
        list(lab.file.scan(["x"]))


def test_null_in_a_not_null_column_is_refused(lab: Lab) -> None:
    schema = pa.schema([pa.field("x", pa.int64(), nullable=False), pa.field("y", pa.int64(), nullable=False)])
    lab.give(pa.table([[1, 2], [3, 4]], schema=schema))
    lab.write(replace({"x": [5, 6]}), "x")
    assert pq.read_schema(lab.sink) == schema
    with pytest.raises(DataProblem, match=r"in\.parquet: column 'y' is declared 'not null'"):
        lab.write(replace({"y": [None, 4]}), "y")


# -------------------------------------------------------------------------------------------------------- dictionaries


def categorical(values: list[str | None], categories: list[str], index: pa.DataType) -> pa.Array:
    indices = pa.array([None if value is None else categories.index(value) for value in values], index)
    return pa.DictionaryArray.from_arrays(indices, pa.array(categories), ordered=True)


def test_order_of_categories_stays_and_new_values_follow(lab: Lab) -> None:
    sizes = categorical(["L", "S", None], ["S", "M", "L", "XL"], pa.int8())
    lab.give(pa.table({"size": sizes})).write(replace({"size": ["M", None, "?"]}), "size")
    column = pq.read_table(lab.sink)["size"].combine_chunks()
    assert column.type == sizes.type
    assert column.dictionary.to_pylist() == ["S", "M", "L", "XL", "?"]
    assert column.to_pylist() == ["M", None, "?"]


def test_pandas_categories_survive(lab: Lab) -> None:
    frame = pd.DataFrame({"size": pd.Categorical(["L", "S"], ["S", "M", "L"], ordered=True)}, index=["p", "q"])
    frame.to_parquet(lab.source)
    lab.write(replace({"size": ["S", "S"]}), "size")
    after = pd.read_parquet(lab.sink)
    assert list(after.index) == ["p", "q"]
    assert list(after["size"].cat.categories) == ["S", "M", "L"]
    assert after["size"].cat.ordered


@pytest.mark.parametrize("group", [100, 200])
def test_indices_are_widened_when_new_values_need_it(lab: Lab, group: int) -> None:
    """Both within a row group, and where only the row groups together have too many."""

    def fresh(slab: Slab) -> Struck:
        cells = pa.array([f"new {slab.first_row + i}" for i in range(slab.rows)])
        return Struck({"x": cells}, {"x": np.ones(slab.rows, bool)}, None)

    x = categorical(["a"] * 200, ["a"], pa.int8())
    field = pa.field("x", x.type, metadata={"unit": "m"})
    lab.give(pa.table([x], schema=pa.schema([field], {"who": "me"})), group).write(fresh, "x")
    table = pq.read_table(lab.sink)
    assert table["x"].to_pylist() == [f"new {i}" for i in range(200)]
    assert table.schema.field("x").type == pa.dictionary(pa.int32(), pa.string(), True)
    assert len(table["x"].combine_chunks().dictionary) >= 200
    assert table.schema.metadata == {b"who": b"me"}
    assert table.schema.field("x").metadata[b"unit"] == b"m"


def test_values_of_row_groups_that_stay_count_for_the_width_of_indices(lab: Lab) -> None:
    """60 values in each of two row groups, to which 60 come: only together they are too many."""

    def fresh(slab: Slab) -> Struck:
        if slab.first_row:
            return Struck({}, {}, None)
        cells = pa.array([f"new {i}" for i in range(slab.rows)])
        return Struck({"x": cells}, {"x": np.ones(slab.rows, bool)}, None)

    early, late = ([f"{when} {i}" for i in range(60)] for when in ("early", "late"))
    chunks = [categorical(values, values, pa.int8()) for values in (early, late)]
    lab.give(pa.table({"x": pa.chunked_array(chunks)}), 60).write(fresh, "x")
    table = pq.read_table(lab.sink)
    assert table["x"].to_pylist() == [*(f"new {i}" for i in range(60)), *late]
    assert table.schema.field("x").type.index_type == pa.int32()


# -------------------------------------------------------------------------------------------------------------- manner


def test_codec_dictionary_statistics_and_encoding_of_each_column_stay(lab: Lab) -> None:
    names = ["int", "float", "text", "list", "struct"]
    lab.give(
        TABLE.select(names),
        4,
        compression={"int": "ZSTD", "float": "NONE", "text": "GZIP", "list.list.element": "BROTLI", "struct.a": "LZ4"},
        use_dictionary=["text", "struct.b"],
        write_statistics=["int", "list.list.element"],
        column_encoding={"int": "DELTA_BINARY_PACKED", "float": "BYTE_STREAM_SPLIT", "struct.a": "PLAIN"},
    )
    lab.write(backwards)
    before, after = lab.footers()
    for what in ("compression", "encodings", "has_dictionary_page", "is_stats_set", "path_in_schema"):
        assert chunks(after, what) == chunks(before, what), what


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("checksum", [True, False])
@pytest.mark.parametrize("index", [True, False])
@pytest.mark.parametrize("change", [untouched, backwards, replace({"int": [1]})])
def test_pages_keep_their_kind(lab: Lab, version: str, checksum: bool, index: bool, change: Change) -> None:
    """With everything else equal, too, the bytes are, whether they are carried or written anew."""
    options = {"data_page_version": version, "write_page_checksum": checksum, "write_page_index": index}
    table = pa.table({"int": [1] * ROWS, "text": ["a"] * ROWS, "list": [[1]] * ROWS})
    lab.give(table, 4, **options).write(change, "int")
    assert lab.sink.read_bytes() == lab.source.read_bytes()


@pytest.mark.parametrize("version", ["1.0", "2.4", "2.6"])
def test_format_version_stays(lab: Lab, version: str) -> None:
    lab.give(TABLE.select(["int", "text", "times"]), version=version).write(backwards)
    before, after = lab.footers()
    assert after.format_version == before.format_version
    assert after.schema.equals(before.schema)


@pytest.mark.skipif(OLD, reason="this pyarrow makes no bloom filters")
@pytest.mark.parametrize("change", [untouched, backwards])
def test_bloom_filters_stay_where_they_were(lab: Lab, change: Change) -> None:
    lab.give(TABLE.select(["int", "text"]), bloom_filter_options={"text": True}).write(change)
    assert [offset is not None for offset in chunks(lab.footers()[1], "bloom_filter_offset")[0]] == [False, True]


@pytest.mark.skipif(OLD, reason="this pyarrow makes no bloom filters")
def test_bloom_filters_that_cannot_be_written_are_left_out_with_a_warning(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.give(TABLE.select(["int", "text"]), bloom_filter_options={"text": True})
    assert lab.write().warnings == ()
    monkeypatch.setattr(footer, "KNOWN_OPTIONS", footer.KNOWN_OPTIONS - {"bloom_filter_options"})
    assert lab.write(replace({"int": [1] * ROWS}), "int").warnings == ()
    (warning,) = lab.write(replace({"text": ["new"] * ROWS}), "text").warnings
    assert warning.startswith("in.parquet: the bloom filters are left out")
    assert chunks(lab.footers()[1], "bloom_filter_offset") == [[None, None]]
    assert lab.give(TABLE.select(["text"])).write(replace({"text": ["new"] * ROWS}), "text").warnings == ()


def test_decimals_and_times_keep_their_physical_type(lab: Lab) -> None:
    table = pa.table({"money": COLUMNS["money"], "time": pa.array(range(ROWS), pa.time64("us"))})
    lab.give(table, store_decimal_as_integer=True, write_time_adjusted_to_utc=True).write()
    before, after = lab.footers()
    assert after.schema.equals(before.schema)
    assert after.schema.column(0).physical_type == "INT32"


@pytest.mark.parametrize("last", [dt.datetime(2262, 1, 1), dt.datetime(9999, 12, 31, 23, 59, 59, 999999)])
def test_int96_times_stay_int96_even_beyond_nanoseconds(lab: Lab, last: dt.datetime) -> None:
    times = pa.array([dt.datetime(1, 1, 1) if last.year > 3000 else dt.datetime(1700, 1, 1), None, last])
    table = pa.table({"t": times, "in": pa.array([[last], [], None], pa.list_(times.type))})
    lab.give(table, use_deprecated_int96_timestamps=True, store_schema=False).write()
    after = pq.ParquetFile(lab.sink, coerce_int96_timestamp_unit="us")
    assert {after.schema.column(i).physical_type for i in range(2)} == {"INT96"}
    assert after.read().to_pydict() == table.to_pydict()


def test_int96_keeps_nanoseconds(lab: Lab) -> None:
    table = pa.table({"t": pa.array([1, None, -1], pa.timestamp("ns"))})
    lab.give(table, use_deprecated_int96_timestamps=True, store_schema=False).write(backwards)
    assert pq.read_table(lab.sink).equals(table.take([2, 1, 0]))


ORDER = (pq.SortingColumn(1, descending=True), pq.SortingColumn(0))
SORTED = pa.table({"a": [1, 2, 3, 4], "b": [4, 3, 2, 1], "c": [0, 0, 0, 0]})


@pytest.mark.parametrize(
    ("transform", "kept"),
    [
        (untouched, True),
        (replace({"c": [1, 2]}), True),
        (reorder(np.arange), True),
        (replace({"a": [8, 9]}), False),
        (reorder(lambda rows: [1, 0]), False),
        (lambda slab: untouched(slab) if slab.first_row == 0 else replace({"b": [5, 6]})(slab), False),
    ],
)
def test_sort_order_is_claimed_as_long_as_it_holds(lab: Lab, transform: Change, kept: bool) -> None:
    lab.give(SORTED, 2, sorting_columns=ORDER).write(transform, "a", "b", "c")
    after = lab.footers()[1]
    assert [after.row_group(i).sorting_columns for i in range(2)] == [ORDER if kept else ()] * 2
    assert sorted(path.name for path in lab.sink.parent.iterdir()) == ["in.parquet", "out.parquet"]


def test_same_input_same_bytes(lab: Lab) -> None:
    lab.give(TABLE, 4)
    first = lab.write(reorder(lambda rows: np.arange(rows)[::-1])), lab.sink.read_bytes()
    assert (lab.write(reorder(lambda rows: np.arange(rows)[::-1])), lab.sink.read_bytes()) == first


def test_parts_can_be_written_by_themselves(lab: Lab, tmp_path: Path) -> None:
    change = replace({"text": ["new"]})
    lab.give(TABLE, 4).write(change, "text")
    sinks = [tmp_path / f"part-{i}" for i in range(3)]
    for (part, _), sink in zip(lab.file.scan(["text"]), sinks, strict=True):
        lab.file.write([part], {"text": None}, lambda slabs: map(change, slabs), sink)
    lab.file.assemble(sinks, tmp_path / "target.parquet")
    assert (tmp_path / "target.parquet").read_bytes() == lab.sink.read_bytes()
    assert not any(sink.exists() for sink in sinks)


# ------------------------------------------------------------------------------------------------------------- content


def content_of(table: pa.Table, piece: int | None = None) -> str:
    content = Content(table.schema)
    for start in range(0, max(1, table.num_rows), piece or max(1, table.num_rows)):
        content.feed(table.slice(start, piece))
    return content.hexdigest()


KINDS: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "integer": (pa.int32(), st.integers(-9, 9)),
    "bool": (pa.bool_(), st.booleans()),
    "text": (pa.string(), st.text("aé€", max_size=3)),
    "list": (pa.list_(pa.int8()), st.lists(st.none() | st.integers(0, 3), max_size=3)),
    "struct": (pa.struct({"a": pa.int8(), "b": pa.string()}), st.fixed_dictionaries({"a": st.none() | st.just(1)})),
    "map": (pa.map_(pa.string(), pa.int8()), st.lists(st.tuples(st.text("ab"), st.none() | st.just(1)), max_size=2)),
}


@given(kind=st.sampled_from(sorted(KINDS)), data=st.data(), piece=st.integers(1, 5))
def test_content_tells_cells_and_nothing_else(kind: str, data: st.DataObject, piece: int) -> None:
    type_, values = KINDS[kind]
    cells = st.lists(st.none() | values, max_size=8)
    one, other = pa.array(data.draw(cells), type_), pa.array(data.draw(cells), type_)
    content = content_of(pa.table({"x": one}))
    assert content == content_of(pa.table({"x": one}), piece)
    assert content == content_of(pa.table({"x": pa.concat_arrays([other, one]).slice(len(other))}))
    assert (content == content_of(pa.table({"x": other}))) == (one.to_pylist() == other.to_pylist())


@given(values=st.lists(st.none() | st.text("ab", max_size=2), min_size=1))
def test_content_does_not_tell_how_text_is_stored(values: list[str | None]) -> None:
    cells = pa.array(values, pa.string())
    layouts = [cells, cells.cast(pa.large_string()), cells.cast(pa.string_view()), cells.dictionary_encode()]
    assert len({content_of(pa.table({"x": layout})) for layout in layouts}) == 1


def test_content_ignores_what_lies_under_a_null() -> None:
    validity = pa.py_buffer(b"\x05")
    one, other = (
        pa.Array.from_buffers(pa.int8(), 3, [validity, pa.py_buffer(bytes(b))]) for b in ([1, 2, 3], [1, 9, 3])
    )
    assert content_of(pa.table({"x": one})) == content_of(pa.table({"x": other}))


def test_content_tells_names_types_and_nan_payloads() -> None:
    x = np.array([0x7FF8000000000001, 0x7FF8000000000000], np.uint64).view(np.float64)
    tables = [
        pa.table({"x": [1]}),
        pa.table({"y": [1]}),
        pa.table({"x": pa.array([1], pa.int32())}),
        pa.table({"x": ["a", ""]}),
        pa.table({"x": ["", "a"]}),
        pa.table({"x": x[:1]}),
        pa.table({"x": x[1:]}),
        pa.table({"x": [[1], []]}),
        pa.table({"x": [[], [1]]}),
    ]
    assert len({content_of(table) for table in tables}) == len(tables)


def test_content_tells_what_was_written_anew(lab: Lab) -> None:
    table = TABLE.select(["half", "a.b", "map", "text"])
    first = lab.give(table, 4).write(replace({"half": [1.0]}), "half").contents
    assert first == lab.write(replace({"half": [1.0]}), "half").contents
    others = [lab.write(replace({"half": [2.0]}), "half"), lab.write(replace({"a.b": [1]}), "a.b"), lab.write()]
    made = lab.give(table, ROWS).write(backwards).contents
    whole = pq.read_table(lab.sink)
    assert made == tuple(f"0:{content_of(whole.select([name]))}" for name in whole.column_names)
    assert len({first, *(written.contents for written in others)}) == 4


@given(
    rows=st.lists(st.tuples(st.none() | st.integers(0, 5), st.none() | st.text("ab", max_size=2)), max_size=12),
    group=st.integers(1, 5),
    seed=st.integers(0, 99),
)
def test_what_is_written_is_what_was_made(
    tmp_path: Path, rows: list[tuple[int | None, str | None]], group: int, seed: int
) -> None:
    """Against a model: a list of rows, each row group of which is struck and reordered."""
    lab, model = Lab(tmp_path), []
    numbers, texts = pa.array([a for a, _ in rows], pa.int64()), pa.array([b for _, b in rows], pa.string())

    def transform(slab: Slab) -> Struck:
        generator = np.random.default_rng(seed + slab.first_row)
        mask, order = generator.random(slab.rows) < 0.5, generator.integers(0, slab.rows, slab.rows)
        old = slab.cells["text"].take(pa.array(order)).to_pylist()
        new = [f"{cell}!" if hit else cell for cell, hit in zip(old, mask, strict=True)]
        model.extend((rows[slab.first_row + i][0], cell) for i, cell in zip(order, new, strict=True))
        return Struck({"text": pa.array(new, pa.string())}, {"text": mask}, order)

    lab.give(pa.table({"number": numbers, "text": texts.dictionary_encode()}), group)
    written = lab.write(transform, "text")
    table = pq.read_table(lab.sink)
    assert list(zip(*table.to_pydict().values(), strict=True)) == model
    assert written.changed or model == rows


# -------------------------------------------------------------------------------------------------------------- errors


def test_what_is_no_parquet_is_named(lab: Lab) -> None:
    whole = lab.give(TABLE, use_dictionary=False).source.read_bytes()
    footer = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    cases = {
        b"": "the file is empty",
        b"a,b\n1,2\n" * 5: "not a Parquet file",
        whole[:-9]: "cut off",
        whole[: len(whole) // 2]: "cut off",
        b"PAR1": "cut off",
        b"PARE" + whole[4:-4] + b"PARE": "encrypted",
        whole[:footer] + b"\xff" * 9 + whole[footer + 9 :]: "footer cannot be read",
        whole[:-8] + b"\xff\xff\xff\x7f" + b"PAR1": "footer cannot be read",
    }
    for content, message in cases.items():
        lab.source.write_bytes(content)
        with pytest.raises(DataProblem, match=rf"^in\.parquet: .*{message}.*\.$") as caught:
            lab.file.fields()
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("legible_footer", [True, False])
def test_encrypted_columns_are_named(lab: Lab, legible_footer: bool) -> None:
    encryption = pytest.importorskip("pyarrow.parquet.encryption")

    class Keys(encryption.KmsClient):  # type: ignore[misc, name-defined]
        def wrap_key(self, key: bytes, _: str) -> bytes:
            return base64.b64encode(key)

    config = encryption.EncryptionConfiguration("footer", column_keys={"key": ["x"]}, plaintext_footer=legible_footer)
    factory = encryption.CryptoFactory(lambda _: Keys())
    properties = factory.file_encryption_properties(encryption.KmsConnectionConfig(), config)
    lab.give(pa.table({"x": [1], "y": [2]}), encryption_properties=properties)
    with pytest.raises(DataProblem, match=r"^in\.parquet: the file is encrypted"):
        lab.write()


def test_corrupt_page_is_named(lab: Lab) -> None:
    table = pa.table({"x": np.arange(50_000)})
    whole = bytearray(lab.give(table, 25_000, use_dictionary=False, write_page_checksum=True).source.read_bytes())
    whole[len(whole) * 3 // 4] ^= 0xFF
    lab.source.write_bytes(whole)
    with pytest.raises(DataProblem, match=r"^in\.parquet: row group 1 cannot be read: .*damaged"):
        list(lab.file.scan(["x"]))
    with pytest.raises(DataProblem, match="row group 1"):
        lab.write()


def test_text_that_is_not_utf8_is_named(lab: Lab) -> None:
    broken = pa.Array.from_buffers(pa.string(), 1, pa.array([b"\xff"]).buffers())
    lab.give(pa.table({"x": broken, "y": [1]}))
    with pytest.raises(DataProblem, match=r"column 'x' cannot be read: .*UTF8"):
        list(lab.file.scan(["x"]))
    lab.write(replace({"y": [2]}), "y")
    assert pq.read_table(lab.sink)["x"].cast(pa.binary()).to_pylist() == [b"\xff"]


def test_trouble_with_the_disk_is_not_blamed_on_the_data(lab: Lab, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        lab.file.fields()
    with pytest.raises(IsADirectoryError):
        ParquetFile(tmp_path, "folder").fields()
    with pytest.raises(FileNotFoundError):
        lab.give(TABLE).file.write([], [], untouched, tmp_path / "no" / "out.parquet")


def test_failure_of_an_op_is_its_own(lab: Lab) -> None:
    def fail(slab: Slab) -> Struck:
        raise pa.ArrowInvalid("an op")

    with pytest.raises(pa.ArrowInvalid, match="an op"):
        lab.give(TABLE).write(fail)


@pytest.mark.skipif(os.name != "posix", reason="names are bytes on POSIX only")
def test_file_names_need_not_be_text(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"\xff.parquet")
    path.write_bytes(b"")
    pq.write_table(TABLE, pa.OSFile(os.fsencode(path), "wb"))
    assert ParquetFile(path, "x").fields()
