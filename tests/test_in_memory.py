"""Tables and images in memory: the same noise as through files, and nothing else touched."""

import copy
import datetime as dt
import subprocess
import sys
import warnings
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from golden import PIXEL_OPS
from PIL import Image

import noisecli
from noisecli.errors import NoiseError
from noisecli.formats import tables
from noisecli.streams import BLOCK
from tests.test_types import COLUMNS, FIRSTS, KINDS, NEEDED, OPS, ROWS, STRIKERS, TABLE

pytestmark = pytest.mark.filterwarnings("ignore::noisecli.NoiseWarning")

IMAGE_OPS = sorted(op.name for op in PIXEL_OPS.values())
ON_COLOURS = {"channel_dropout", "channel_shuffle", "chromatic_aberration", "hue", "saturate"}
"""Ops that leave a picture of one channel as it is."""
Steps = list[dict[str, Any]]


def recipe_of(*steps: dict[str, Any], **head: Any) -> dict[str, Any]:
    return {"noisecli": 1, "seed": 7, **head, "steps": list(steps)}


def through_parquet(table: pa.Table, recipe: dict[str, Any], folder: Path, **options: Any) -> pa.Table:
    """What a run from Parquet to Parquet gives."""
    pq.write_table(table, folder / "in.parquet", row_group_size=options.pop("row_group_size", 25))
    done = noisecli.augment(folder / "in.parquet", recipe, folder / "out.parquet", force=True)
    return pq.read_table(done.output), done.manifest.warnings


def cells(table: pa.Table) -> dict[str, str]:
    """Cells by column; as text, since NaN is not itself."""
    return {name: str(table[name].to_pylist()) for name in table.column_names}


def same_as_through_parquet(table: pa.Table, recipe: dict[str, Any], folder: Path) -> pa.Table:
    """Check that the noise is the same; Parquet's own losses, as of whole seconds, are not the noise's."""
    expected, _ = through_parquet(table, recipe, folder)
    read = noisecli.corrupt(pq.read_table(folder / "in.parquet"), recipe)
    assert read.schema.equals(expected.schema, check_metadata=True)
    assert cells(read) == cells(expected)
    noisy = noisecli.corrupt(table, recipe)
    noisy.validate(full=True)
    assert noisy.schema.equals(table.schema, check_metadata=True)
    assert cells(noisy) == cells(expected)
    return noisy


# ------------------------------------------------------------------------------------------------------- Arrow tables

SPLIT = pa.array([("train", "test", "Train ", None)[i % 4] for i in range(ROWS)])
RECIPES: dict[str, dict[str, Any]] = {
    **{op: recipe_of({"op": op, "columns": "all", "rate": 0.5, **NEEDED.get(op, {})}) for op in STRIKERS},
    # Parquet has no times to the second: it keeps them to the millisecond, and so what becomes of them.
    "date_jitter": recipe_of({"op": "date_jitter", "columns": ["date*", "timestamp [mun]*"], "rate": 0.5}),
    "epoch_unit": recipe_of({"op": "epoch_unit", "columns": ["timestamp [mun]*", "*int*"], "rate": 0.5}),
    **{f"{op}, exact": recipe_of({"op": op, "columns": "all", "rate": 0.3, "exact": True}) for op in ("missing",)},
    **{op: recipe_of({"op": op, "rate": 0.4}) for op in OPS if not OPS[op].strikes_columns and op != "prior_shift"},
    "prior_shift": recipe_of({"op": "prior_shift", "columns": "category", "shares": {"large": 0.7}}),
    "label_flip of the label": recipe_of({"op": "label_flip", "rate": 0.4}, data={"label": "category"}),
    "many": recipe_of(
        {"op": "gaussian_noise", "columns": "numeric", "sigma": 0.5, "decimals": 1},
        {"op": "missing", "columns": ["*int*", "str*"], "rate": 0.2},
        {"op": "typo", "columns": "string_view", "rate": 0.5},
        {"op": "duplicate", "rate": 0.3},
    ),
    "where": recipe_of(
        {"op": "missing", "columns": ["int8", "uuid"], "rate": 0.5, "where": {"int64": {"gt": 1}}, "exact": True},
        {"op": "typo", "columns": "string", "rate": 0.5, "where": {"category": ["small", "large"], "bool": True}},
    ),
    "clean": recipe_of({"op": "gaussian_noise", "columns": "numeric", "severity": 0}),
}


FEW = TABLE.select(sorted({KINDS[name]: name for name in reversed(TABLE.column_names)}.values()))
"""A column of each kind."""
ON_FEW = {op for op in STRIKERS if op not in FIRSTS and RECIPES[op]["steps"][0]["columns"] == "all"}
"""Ops that accept the same kinds as another one, which is tried on every type."""


@pytest.mark.parametrize("name", RECIPES)
def test_every_type_gets_what_it_would_get_in_parquet(name: str, tmp_path: Path) -> None:
    table = FEW if name in ON_FEW else TABLE
    before = table.to_pylist()
    noisy = same_as_through_parquet(table, RECIPES[name], tmp_path)
    assert str(table.to_pylist()) == str(before)
    assert (str(noisy.to_pylist()) == str(before)) == (name == "clean")


def test_a_split_holds_rows_out_as_in_files(tmp_path: Path) -> None:
    table = TABLE.append_column("fold", SPLIT)
    recipe = recipe_of({"op": "missing", "columns": ["int64", "lists"], "rate": 0.9}, data={"split": "fold"})
    noisy = same_as_through_parquet(table, recipe, tmp_path)
    held_out = [fold is None or fold == "test" for fold in SPLIT.to_pylist()]
    new, old = (which["lists"].filter(pa.array(held_out)) for which in (noisy, table))
    assert new.equals(old)
    assert noisy["lists"].null_count > table["lists"].null_count
    everything = noisecli.corrupt(table, {**recipe, "purpose": "evaluate"})
    assert everything["lists"].null_count > noisy["lists"].null_count
    with pytest.raises(NoiseError, match="no row is training data"):
        noisecli.corrupt(table, {**recipe, "data": {"split": "string"}})


def test_code_of_the_users_own_runs_where_it_is_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in_memory_damage.py").write_text("def shift(rows, rng):\n    return rows + rng.normal()\n")
    monkeypatch.syspath_prepend(tmp_path)
    recipe = recipe_of({"op": "custom", "columns": ["int16", "double"], "function": "in_memory_damage:shift"})
    pq.write_table(TABLE, tmp_path / "in.parquet", row_group_size=7)
    done = noisecli.augment(tmp_path / "in.parquet", recipe, tmp_path / "out.parquet", allow_code=True)
    noisy = noisecli.corrupt(TABLE, recipe, allow_code=True)
    assert cells(noisy) == cells(pq.read_table(done.output)) != cells(TABLE)
    with pytest.raises(NoiseError, match="code that is not noisecli's"):
        noisecli.corrupt(TABLE, recipe)


def test_a_long_table_with_small_dictionaries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "SLAB", 7 * BLOCK)
    rows = 130_000  # more than go through the engine at once
    words = pa.array([f"word {i:03}" for i in range(120)])
    coded = pa.DictionaryArray.from_arrays(pa.array(np.arange(rows) % 120, pa.int8()), words)
    table = pa.table({"n": np.arange(rows) % 250, "coded": pa.chunked_array([coded.slice(0, 7), coded.slice(7)])})
    recipe = recipe_of(
        {"op": "missing", "columns": "n", "rate": 0.01, "exact": True},
        {"op": "typo", "columns": "coded", "rate": 0.005},
        {"op": "duplicate", "rate": 0.001},
    )
    expected, _ = through_parquet(table, recipe, tmp_path, row_group_size=40_000)
    noisy = noisecli.corrupt(table, recipe)
    noisy.validate(full=True)
    assert noisy.schema.field("coded").type.index_type == pa.int32()  # int8 holds no more than 128 words
    assert noisy["n"].equals(expected["n"])
    assert noisy["coded"].cast(pa.string()).equals(expected["coded"].cast(pa.string()))
    assert vocabulary(noisy["coded"])[:120] == words.to_pylist()


def vocabulary(column: pa.ChunkedArray) -> list[str]:
    return column.unify_dictionaries().chunk(0).dictionary.to_pylist()


def test_what_no_step_strikes_is_the_same_memory() -> None:
    noisy = noisecli.corrupt(TABLE, recipe_of({"op": "missing", "columns": "int8", "rate": 0.5}))
    kept = [name for name in COLUMNS if noisy[name] is TABLE[name] or noisy[name].equals(TABLE[name])]
    assert set(COLUMNS) - set(kept) <= {"int8", "float"}  # NaN is not itself
    addresses = [[b and b.address for b in t["struct"].chunk(0).buffers()] for t in (noisy, TABLE)]
    assert addresses[0] == addresses[1]


@pytest.mark.parametrize(
    "type_", [pa.run_end_encoded(pa.int32(), pa.string()), pa.decimal32(5, 2), pa.list_view(pa.int32())]
)
def test_types_that_parquet_lacks(type_: pa.DataType) -> None:
    values = {"string": ["a b", "a b", "c"], "decimal": [Decimal("1.25"), None], "list": [[1], [2, 3]]}
    key = next(key for key in values if key in str(type_))
    plain = pa.array(values[key] * 20)
    cells = pa.array(plain.to_pylist(), type_) if key != "string" else pa.compute.run_end_encode(plain)
    table = pa.table({"x": cells, "n": pa.array(range(len(cells)))})
    noisy = noisecli.corrupt(table, recipe_of({"op": "missing", "columns": "n", "rate": 0.5}))
    assert noisy["x"].equals(table["x"])
    assert noisy.schema == table.schema


@pytest.mark.parametrize("table", [TABLE.slice(0, 0), pa.table({}), pa.table({"a": pa.chunked_array([], pa.int64())})])
def test_tables_without_rows(table: pa.Table) -> None:
    for op in ("gaussian_noise", "missing"):
        if table.num_columns:
            noisy = noisecli.corrupt(table, recipe_of({"op": op, "columns": "*int*" if len(table.schema) > 1 else "a"}))
            assert noisy.equals(table, check_metadata=True)
    noisy = noisecli.corrupt(table, recipe_of({"op": "duplicate"}))
    assert noisy.equals(table, check_metadata=True)


def test_a_column_that_must_not_be_missing_is_refused() -> None:
    table = pa.table([pa.array([1, 2, 3])], pa.schema([pa.field("a", pa.int64(), nullable=False)]))
    with pytest.raises(NoiseError, match="column 'a' is declared 'not null'"):
        noisecli.corrupt(table, recipe_of({"op": "missing", "columns": "a", "rate": 1}))


def test_two_columns_of_one_name() -> None:
    table = pa.table([[1, 2], [3, 4], [5, 6]], ["a", "a", "b"])
    noisy = noisecli.corrupt(
        table, recipe_of({"op": "missing", "columns": "b", "rate": 1}, {"op": "duplicate", "rate": 1})
    )
    assert noisy.column_names == ["a", "a", "b"]
    assert noisy.column(1).to_pylist() == [3, 3, 4, 4]
    with pytest.raises(NoiseError, match="several columns 'a'"):
        noisecli.corrupt(table, recipe_of({"op": "missing", "columns": "a"}))


def test_text_that_is_not_utf8_is_refused_by_name() -> None:
    bad = pa.Array.from_buffers(pa.string(), 1, pa.array([b"\xff"]).buffers())
    with pytest.raises(NoiseError, match="table: column 's' cannot be read: Invalid UTF8"):
        noisecli.corrupt(pa.table({"s": bad}), recipe_of({"op": "typo", "columns": "s"}))


# --------------------------------------------------------------------------------------------------------- DataFrames


def frame() -> pd.DataFrame:
    """Every dtype that a DataFrame commonly has."""
    n = 80
    numbers = np.arange(n)
    gaps = numbers % 7 == 3
    words = [None if gap else ("quick brown fox", "lazy dog", "ä")[i % 3] for i, gap in enumerate(gaps)]
    columns: dict[str, Any] = {
        **{f"np {t}": numbers.astype(t) for t in ("int8", "int64", "uint16", "float16", "float32", "float64")},
        "gaps": np.where(gaps, np.nan, numbers / 4),
        "np bool": numbers % 2 == 0,
        "Int64": pd.array([None if gap else i for i, gap in enumerate(gaps)], "Int64"),
        "Float32": pd.array(numbers / 4, "Float32"),
        "boolean": pd.array([None if gap else True for gap in gaps], "boolean"),
        "objects": pd.Series(words, dtype=object),
        "nan objects": pd.Series([np.nan if word is None else word for word in words], dtype=object),
        "python": pd.array(words, "string[python]"),
        "pyarrow": pd.array(words, "string[pyarrow]"),
        "str": pd.Series(words, dtype="str") if pd.__version__ >= "3" else pd.array(words, "string"),
        "category": pd.Categorical(words, ["lazy dog", "quick brown fox", "ä", "unused"], ordered=True),
        "coded": pd.Categorical(numbers % 4 * 10),
        "ns": pd.date_range("2024-02-29", periods=n, freq="h").as_unit("ns"),
        "zone": pd.date_range("2024-02-29", periods=n, freq="h", tz="Asia/Kolkata").as_unit("us"),
        "delta": pd.to_timedelta(numbers, "s"),
        "period": pd.period_range("2024-01", periods=n, freq="M"),
        "interval": pd.interval_range(0, n),
        "arrow": pd.array([Decimal(i) / 4 for i in range(n)], pd.ArrowDtype(pa.decimal128(9, 2))),
        "arrow text": pd.array(words, pd.ArrowDtype(pa.large_string())),
        "arrow lists": pd.array([[1], []] * (n // 2), pd.ArrowDtype(pa.list_(pa.int8()))),
        "decimals": pd.Series([Decimal(i) / 4 for i in range(n)], dtype=object),
        "dates": pd.Series([dt.date(2024, 2, 29)] * n, dtype=object),
        "lists": pd.Series([[i, None] for i in range(n)], dtype=object),
        "mixed": pd.Series([i if i % 2 else "x" for i in range(n)], dtype=object),
        "sparse": pd.arrays.SparseArray(numbers % 3),
        "complex": numbers * 1j,
        "cut": pd.cut(numbers, 4),
    }
    made = pd.DataFrame(columns)
    made.index = pd.Index(numbers * 2, name="row")
    made.attrs["source"] = ["somewhere"]
    return made


FRAME = frame()
OPAQUE = {"mixed", "sparse", "complex", "interval", "cut"}
READABLE = [name for name in FRAME if name not in OPAQUE]
TWINS = {"np int8": "Int8", "np int64": "Int64", "np uint16": "UInt16", "np bool": "boolean"}


def as_arrow(table: pd.DataFrame) -> pa.Table:
    return pa.Table.from_pandas(table, preserve_index=False)


FRAME_RECIPES = {  # a frame is made an Arrow table, to which every op was put above
    **{op: recipe_of({"op": op, "columns": "all", "rate": 0.5, **NEEDED.get(op, {})}) for op in FIRSTS},
    "label_flip": recipe_of({"op": "label_flip", "rate": 0.4}, data={"label": "category"}),
    "duplicate": recipe_of({"op": "duplicate", "rate": 0.4}),
    "many": RECIPES["many"]
    | {
        "steps": [
            {"op": "gaussian_noise", "columns": "numeric", "sigma": 0.5},
            {"op": "typo", "columns": ["objects", "category", "arrow text"], "rate": 0.3},
            {"op": "missing", "columns": "*", "rate": 0.2, "where": {"np int64": {"gt": 10}}},
            {"op": "duplicate", "rate": 0.2},
        ]
    },
}


@pytest.mark.parametrize("name", FRAME_RECIPES)
def test_a_frame_gets_what_it_would_get_in_parquet(name: str, tmp_path: Path) -> None:
    before = copy.deepcopy(FRAME)
    noisy = noisecli.corrupt(FRAME, FRAME_RECIPES[name])
    expected, _ = through_parquet(as_arrow(FRAME[READABLE]), FRAME_RECIPES[name], tmp_path)
    found = as_arrow(noisy[READABLE])
    for column in READABLE:
        assert str(found[column].to_pylist()) == str(expected[column].to_pylist()), column
    pd.testing.assert_frame_equal(FRAME, before)
    assert FRAME.attrs == before.attrs == noisy.attrs
    assert noisy.index.name == "row"
    assert set(noisy.index) == set(FRAME.index)
    pd.testing.assert_index_equal(noisy.columns, FRAME.columns)
    for column in FRAME:
        lost = column in TWINS and noisy[column].isna().any()
        dtype = TWINS[column] if lost else FRAME[column].dtype
        if column in ("category", "coded"):
            old = FRAME[column].cat.categories.tolist()
            assert noisy[column].cat.categories.tolist()[: len(old)] == old
            assert noisy[column].cat.ordered == FRAME[column].cat.ordered
        else:
            assert noisy[column].dtype == dtype, column


def test_rows_repeat_their_labels() -> None:
    noisy = noisecli.corrupt(FRAME, recipe_of({"op": "duplicate", "rate": 0.4}))
    assert len(noisy) > len(FRAME)
    pd.testing.assert_frame_equal(noisy, FRAME.loc[noisy.index])


def test_cells_that_no_step_struck_are_the_same_objects() -> None:
    noisy = noisecli.corrupt(FRAME, recipe_of({"op": "missing", "columns": "*objects", "rate": 0.5}))
    for column, null in (("objects", None), ("nan objects", FRAME["nan objects"].iloc[3])):
        pairs = list(zip(noisy[column], FRAME[column], strict=True))
        assert all(new is old or new is null for new, old in pairs)
        assert 0 < sum(new is not old for new, old in pairs) < len(FRAME)
    assert all(new is old for new, old in zip(noisy["mixed"], FRAME["mixed"], strict=True))


def test_the_copy_shares_nothing_with_the_frame() -> None:
    data = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})
    noisy = noisecli.corrupt(data, recipe_of({"op": "missing", "columns": "a", "rate": 1}))
    noisy.iloc[0, 1] = 9
    assert data["b"].tolist() == [3, 4]


@pytest.mark.parametrize("step", [{"op": "missing", "columns": "a"}, {"op": "shuffle", "rate": 0.001}])
def test_not_even_arrays_that_pandas_does_not_copy_on_write_are_shared(step: dict[str, Any]) -> None:
    """A step on rows, too, may leave all of them where they were."""
    data = pd.DataFrame({"a": [1.0] * 60, "b": pd.array([3] * 60, "Int64")})
    for seed in range(5):
        noisy = noisecli.corrupt(data, {"noisecli": 1, "seed": seed, "steps": [step]})
        for name in data:
            noisy[name].array[:] = 9
    assert data.equals(pd.DataFrame({"a": [1.0] * 60, "b": pd.array([3] * 60, "Int64")}))


def test_quartiles_of_many_rows_are_those_of_the_same_rows_in_pieces(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    data = pa.table({"x": rng.lognormal(size=300_000)})
    pq.write_table(data, tmp_path / "in.parquet", row_group_size=50_000)
    recipe = {"noisecli": 1, "seed": 1, "steps": [{"op": "outlier", "columns": "x", "rate": 0.1}]}
    noisecli.augment(tmp_path / "in.parquet", recipe, tmp_path / "out.parquet")
    assert pq.read_table(tmp_path / "out.parquet").equals(noisecli.corrupt(data, recipe))


def test_a_buffer_may_be_longer_than_its_numbers() -> None:
    data = pa.py_buffer(np.arange(9.0).tobytes() + b"end")
    column = pa.Array.from_buffers(pa.float64(), 8, [None, data], offset=1)
    noisy = noisecli.corrupt(pa.table({"x": column}), recipe_of({"op": "gaussian_noise", "columns": "x", "rate": 1}))
    assert noisy["x"].to_pylist() != column.to_pylist()


@pytest.mark.parametrize("column", sorted(OPAQUE))
def test_a_column_that_can_only_be_carried_is_refused_by_name(column: str) -> None:
    with pytest.raises(NoiseError, match=f"column '{column}' can only be carried"):
        noisecli.corrupt(FRAME, recipe_of({"op": "missing", "columns": ["np int8", column]}))
    with pytest.raises(NoiseError, match=f"column '{column}' can only be carried"):
        noisecli.corrupt(FRAME, recipe_of({"op": "missing", "columns": "gaps", "where": {column: 1}}))
    with pytest.raises(NoiseError, match=f"column '{column}' can only be carried"):
        noisecli.corrupt(FRAME, recipe_of({"op": "label_flip"}, data={"label": column}))


def test_labels_that_are_not_text_or_not_unique() -> None:
    data = pd.DataFrame([[1.0, 2.0, 3.0, 4.0]] * 50, columns=[2020, "x", "x", ("a", 1)])
    step = {"op": "missing", "columns": ["2020", "#3", "('a', 1)"], "rate": 0.5}
    noisy = noisecli.corrupt(data, recipe_of(step))
    assert noisy.isna().any().tolist() == [True, False, True, True]
    assert noisy.columns.tolist() == data.columns.tolist()
    with pytest.raises(NoiseError, match="no column 'x'"):
        noisecli.corrupt(data, recipe_of({"op": "missing", "columns": "x"}))
    with pytest.raises(NoiseError, match="a column bears a name like '#3'"):
        noisecli.corrupt(data.set_axis(["a", "#3", "x", "x"], axis=1), recipe_of(step))
    columns = pd.MultiIndex.from_product([["a", "b"], [1, 2]])
    with pytest.raises(NoiseError, match="MultiIndex"):
        noisecli.corrupt(data.set_axis(columns, axis=1), recipe_of(step))


def test_a_frame_in_foreign_byte_order_is_refused_by_name() -> None:
    data = pd.DataFrame({"a": np.arange(3.0), "b": np.arange(3).astype(">i8")})
    with pytest.raises(NoiseError, match="column 'b' is of foreign byte order"):
        noisecli.corrupt(data, recipe_of({"op": "duplicate"}))


def test_frames_without_rows_or_columns() -> None:
    empty = FRAME.iloc[:0]
    for op in ("gaussian_noise", "missing", "typo"):
        steps = [{"op": op, "columns": "all" if op == "missing" else "*yarrow" if op == "typo" else "np*"}]
        pd.testing.assert_frame_equal(noisecli.corrupt(empty, recipe_of(*steps)), empty)
    bare = pd.DataFrame(index=range(40))
    noisy = noisecli.corrupt(bare, recipe_of({"op": "duplicate", "rate": 0.5}))
    assert noisy.shape == (len(noisy), 0)
    assert len(noisy) > 40
    with pytest.raises(NoiseError, match="no column 'a'"):
        noisecli.corrupt(pd.DataFrame(), recipe_of({"op": "missing", "columns": "a"}))


def test_multi_index_rows_and_flags() -> None:
    data = pd.DataFrame({"a": range(40)}, pd.MultiIndex.from_product([range(20), ["x", "y"]]))
    noisy = noisecli.corrupt(data, recipe_of({"op": "duplicate", "rate": 0.5}))
    assert noisy.index.nlevels == 2
    with pytest.raises(NoiseError, match="duplicate labels"):
        noisecli.corrupt(data.set_flags(allows_duplicate_labels=False), recipe_of({"op": "duplicate", "rate": 0.5}))


# ------------------------------------------------------------------------------------------------------- numpy tables


@pytest.mark.parametrize("dtype", ["int8", "uint64", "float32", "float64", ">f8", ">i4", "bool"])
def test_an_array_is_a_table_with_numbered_columns(dtype: str, tmp_path: Path) -> None:
    array = np.arange(300).reshape(100, 3).astype(dtype)
    kind = array.dtype.kind
    steps = [{"op": "missing", "columns": "#2", "rate": 0.3}] if kind == "f" else []
    steps += [{"op": "gaussian_noise", "columns": ["#1", "#3"]}] if kind != "b" else []
    recipe = recipe_of(*steps, {"op": "duplicate", "rate": 0.3})
    before = array.copy()
    noisy = noisecli.corrupt(array, recipe)
    native = array.astype(array.dtype.newbyteorder("="))
    table = pa.table({f"#{i + 1}": native[:, i] for i in range(3)})
    expected, _ = through_parquet(table, recipe, tmp_path)
    assert noisy.dtype == array.dtype
    np.testing.assert_array_equal(array, before)
    np.testing.assert_array_equal(noisy, expected.to_pandas().to_numpy())
    flat = noisecli.corrupt(array[:, 0], recipe_of({"op": "duplicate", "rate": 0.3}))
    assert flat.ndim == 1
    assert flat.dtype == array.dtype


def test_an_array_in_any_layout() -> None:
    array = np.arange(300.0).reshape(3, 100).T
    array[5, 0] = np.nan
    recipe = recipe_of({"op": "gaussian_noise", "columns": "all"})
    noisy = noisecli.corrupt(array, recipe)
    np.testing.assert_array_equal(noisy, noisecli.corrupt(np.ascontiguousarray(array), recipe))
    assert np.argwhere(np.isnan(noisy)).tolist() == [[5, 0]]
    frozen = array.copy()
    frozen.flags.writeable = False
    np.testing.assert_array_equal(noisy, noisecli.corrupt(frozen, recipe))


# ------------------------------------------------------------------------------------------------------------- images


def picture(*shape: int, dtype: str = "uint8") -> Any:
    top = np.iinfo(dtype).max
    return (np.arange(np.prod(shape)) * 7919 % (top + 1)).reshape(shape).astype(dtype)


SHAPES = [(20, 24), (20, 24, 1), (20, 24, 3), (20, 24, 4), (20, 24, 2)]


@pytest.mark.parametrize("op", IMAGE_OPS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_an_image_gets_the_pixels_of_a_png(op: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    recipe = recipe_of({"op": op, "rate": 1}, target="images")
    array = picture(*shape)
    before = array.copy()
    noisy = noisecli.corrupt(array, recipe)
    Image.fromarray(array[..., 0] if shape[2:] == (1,) else array).save(tmp_path / "in.png")
    done = noisecli.augment(tmp_path / "in.png", recipe, tmp_path / "out.png")
    assert noisy.dtype == array.dtype
    with Image.open(done.output) as expected:
        np.testing.assert_array_equal(noisy, np.asarray(expected).reshape(shape))
    np.testing.assert_array_equal(array, before)
    assert np.array_equal(noisy, array) == (op in ON_COLOURS and (array.ndim == 2 or array.shape[2] < 3))


@pytest.mark.parametrize("op", IMAGE_OPS)
def test_16_bits_of_grey_and_of_colour(op: str, tmp_path: Path) -> None:
    recipe = recipe_of({"op": op, "rate": 1}, target="images")
    grey = picture(20, 24, dtype="uint16")
    Image.fromarray(grey).save(tmp_path / "in.png")
    done = noisecli.augment(tmp_path / "in.png", recipe, tmp_path / "out.png")
    noisy = noisecli.corrupt(grey, recipe)
    with Image.open(done.output) as expected:
        np.testing.assert_array_equal(noisy, np.asarray(expected))
    np.testing.assert_array_equal(noisy, noisecli.corrupt(grey.astype(">u2"), recipe))
    colour = picture(20, 24, 3, dtype="uint16")
    assert noisecli.corrupt(colour, recipe).dtype == np.uint16
    assert not np.array_equal(noisecli.corrupt(colour, recipe), colour)


def test_a_batch_is_addressed_by_number() -> None:
    batch = np.stack([picture(20, 24, 4)] * 12)
    recipe = recipe_of({"op": "gaussian_noise", "rate": 0.5})
    noisy = noisecli.corrupt(batch, recipe)
    struck = [not np.array_equal(new, old) for new, old in zip(noisy, batch, strict=True)]
    assert 0 < sum(struck) < 12
    np.testing.assert_array_equal(noisy[..., 3], batch[..., 3])
    np.testing.assert_array_equal(noisecli.corrupt(batch[:5], recipe), noisy[:5])
    first, second = [new for new, hit in zip(noisy, struck, strict=True) if hit][:2]
    assert not np.array_equal(first, second)
    exact = noisecli.corrupt(batch, recipe_of({"op": "gaussian_noise", "rate": 0.5, "exact": True}))
    assert sum(not np.array_equal(new, old) for new, old in zip(exact, batch, strict=True)) == 6
    assert noisecli.corrupt(batch[:0], recipe).shape == (0, 20, 24, 4)


def test_a_square_of_bytes_is_what_the_recipe_says() -> None:
    array = picture(30, 3)
    as_table = noisecli.corrupt(array, recipe_of({"op": "gaussian_noise", "columns": "#1"}))
    np.testing.assert_array_equal(as_table[:, 1:], array[:, 1:])
    as_image = noisecli.corrupt(array, recipe_of({"op": "gaussian_noise"}, target="images"))
    assert not np.array_equal(as_image[:, 1:], array[:, 1:])
    assert noisecli.corrupt(array, recipe_of({"op": "cutout"})).shape == (30, 3)


# ---------------------------------------------------------------------------------------------------- seeds and copies

NOISE = {"op": "gaussian_noise", "columns": "np float64"}


def test_seed_copy_and_severity_choose_the_noise(tmp_path: Path) -> None:
    three = recipe_of(NOISE, copies=3, keep_original=True, layout="merged")
    pq.write_table(as_arrow(FRAME[READABLE]), tmp_path / "in.parquet")
    noisecli.augment(tmp_path / "in.parquet", recipe_of(NOISE, copies=3), tmp_path / "out")
    for number in (1, 2, 3):
        written = pq.read_table(tmp_path / f"out/copy={number}/in.parquet", partitioning=None)
        found = noisecli.corrupt(FRAME, three, copy=number)["np float64"]
        assert written["np float64"].to_pylist() == found.tolist()
    again = noisecli.corrupt(FRAME, recipe_of(NOISE), seed=np.int64(8))
    pd.testing.assert_frame_equal(again, noisecli.corrupt(FRAME, {**recipe_of(NOISE), "seed": 8}))
    assert not again.equals(noisecli.corrupt(FRAME, recipe_of(NOISE)))
    strong = noisecli.corrupt(FRAME, recipe_of({**NOISE, "severity": 1}), severity=5)
    pd.testing.assert_frame_equal(strong, noisecli.corrupt(FRAME, recipe_of({**NOISE, "severity": 5})))


def test_a_recipe_from_a_file_and_a_key_of_it(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("noisecli: 1\nseed: 7\nsteps: [{op: missing, columns: gaps}]\n")
    (tmp_path / "params.yaml").write_text("noise:\n  noisecli: 1\n  seed: 7\n  steps: [{op: missing, columns: gaps}]\n")
    expected = noisecli.corrupt(FRAME, recipe_of({"op": "missing", "columns": "gaps"}))
    pd.testing.assert_frame_equal(noisecli.corrupt(FRAME, tmp_path / "recipe.yaml"), expected)
    pd.testing.assert_frame_equal(noisecli.corrupt(FRAME, f"{tmp_path / 'params.yaml'}#noise"), expected)


def test_facts_of_an_earlier_run_are_pinned(tmp_path: Path) -> None:
    table = pa.table({"x": np.arange(100.0)})
    pq.write_table(table, tmp_path / "in.parquet")
    step = {"op": "gaussian_noise", "columns": "x"}
    done = noisecli.augment(tmp_path / "in.parquet", recipe_of(step), tmp_path / "out.parquet")
    less = table.slice(0, 10)
    pinned = noisecli.corrupt(less, recipe_of(step, facts=str(done.output)))
    assert pinned.equals(pq.read_table(done.output).slice(0, 10))
    assert not noisecli.corrupt(less, recipe_of(step)).equals(pinned)


# ---------------------------------------------------------------------------------------------------------- warnings


@pytest.mark.filterwarnings("always::noisecli.NoiseWarning")
def test_warnings_are_those_of_the_manifest_and_point_at_the_caller(tmp_path: Path) -> None:
    table = pa.table({"a": pa.nulls(50, pa.int64()), "b": pa.array([5] * 50), "c": pa.array([127] * 50, pa.int8())})
    recipe = recipe_of(
        {"op": "missing", "columns": "a"},
        {"op": "gaussian_noise", "columns": ["b", "c"], "unit": "absolute", "sigma": 0.4, "rate": 1},
    )
    _, expected = through_parquet(table, recipe, tmp_path)
    with pytest.warns(noisecli.NoiseWarning) as caught:
        noisecli.corrupt(table, recipe)
    assert [str(warning.message) for warning in caught] == expected
    assert {warning.filename for warning in caught} == {__file__}
    assert issubclass(noisecli.NoiseWarning, UserWarning)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        noisecli.corrupt(table, recipe_of({"op": "missing", "columns": "b", "rate": 0.5}))


# ------------------------------------------------------------------------------------------------------------- faults

IMAGE = recipe_of({"op": "cutout"})
MISSING = recipe_of({"op": "missing", "columns": "*", "rate": 1})


@pytest.mark.parametrize(
    ("data", "recipe", "options", "message"),
    [
        ([1, 2], MISSING, {}, "list is not taken: give a pandas DataFrame"),
        ("data.csv", MISSING, {}, "use noisecli.augment"),
        (FRAME["gaps"], MISSING, {}, "Series is not taken"),
        (np.ma.masked_array([1.0]), MISSING, {}, "a masked array is not taken"),
        (np.array(1.0), MISSING, {}, "without dimensions"),
        (np.array([["a"]]), MISSING, {}, "an array of <U1 is no table of numbers"),
        (np.zeros((2, 2), complex), MISSING, {}, "an array of complex128 is no table of numbers"),
        (np.zeros((9, 2), int), MISSING, {}, "column '#1': an array of int64 can hold no missing value"),
        (np.zeros((4, 4, 3)), IMAGE, {}, "images of float64 are not taken.*uint8, from 0 to 255, or uint16"),
        (np.zeros((4, 4), bool), IMAGE, {}, "images of bool are not taken"),
        (np.zeros((2, 4, 4, 3, 1), np.uint8), IMAGE, {}, r"shape \(2, 4, 4, 3, 1\) is no image"),
        (np.zeros((8, 40, 40), np.uint8), IMAGE, {}, r"shape \(8, 40, 40\) is no image: give"),
        (np.zeros((0, 40, 3), np.uint8), IMAGE, {}, "is no image"),
        (np.zeros((4, 4, 3), np.uint8), MISSING, {}, "op 'missing' is for tables, the input holds images"),
        (FRAME, IMAGE, {}, "op 'cutout' is for images, the input holds tables"),
        (np.zeros((2, 70_000, 1, 3), np.uint8), recipe_of({"op": "jpeg_compression"}), {}, "image 0: jpeg_compression"),
        (FRAME, {"noisecli": 1, "steps": [NOISE]}, {}, "no seed: give `seed=`, or put `seed:` in the recipe"),
        (FRAME, {"noisecli": 1, "seed": None, "steps": [NOISE]}, {}, "no seed"),
        (FRAME, recipe_of(NOISE), {"seed": -1}, "seed=-1: .*greater than or equal to 0"),
        (FRAME, recipe_of(NOISE), {"seed": "x"}, "seed=x: "),
        (FRAME, recipe_of(NOISE), {"severity": 3}, "step 'gaussian_noise' has none"),
        (FRAME, recipe_of(NOISE), {"copy": 2}, "copy=2: the recipe has copies 1 to 1"),
        (FRAME, recipe_of(NOISE), {"copy": 0}, "copy=0: the recipe has copies 1 to 1"),
        (FRAME, recipe_of(NOISE), {"copy": "one"}, "copy='one'"),
        (FRAME, recipe_of(NOISE, sweep={"steps.gaussian_noise.rate": [0, 1]}), {}, "sweep.*loop over its values"),
        (FRAME, recipe_of(NOISE, data={"delimiter": ";"}), {}, "'delimiter' is about CSV files"),
        (FRAME, recipe_of(NOISE, data={"types": {"gaps": "text"}}), {}, "'types' is about CSV files"),
        (FRAME, recipe_of({"op": "missing", "columns": "gasp"}), {}, "no column 'gasp' in the data.*'gaps'"),
        (FRAME, recipe_of({"op": "typo", "columns": "gaps"}), {}, "'gaps' is float"),
        (FRAME, "nowhere.yaml", {}, "no such recipe file"),
        (FRAME, "noisecli: 1\nsteps: []\n", {}, "a recipe is a YAML file or a mapping, and this is YAML text"),
        (FRAME, [NOISE], {}, "a recipe is a YAML file or a mapping, and this is list"),
        (FRAME, None, {}, "and this is NoneType"),
        ([np.zeros((4, 4), np.uint8)], IMAGE, {}, "list is not taken"),
    ],
)
def test_faults_are_told_in_one_line(data: Any, recipe: Any, options: Any, message: str) -> None:
    with pytest.raises(NoiseError, match=message) as caught:
        noisecli.corrupt(data, recipe, **options)
    assert "\n" not in str(caught.value)


def test_a_seed_that_is_null_in_yaml_is_none(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("noisecli: 1\nseed: null\nsteps:\n  - {op: missing, columns: all, rate: 0.5}\n", encoding="utf-8")
    with pytest.raises(NoiseError, match="no seed"):
        noisecli.corrupt(FRAME, str(path))


def test_another_library_is_told_how_to_get_here() -> None:
    made = type("DataFrame", (), {"__module__": "polars.dataframe.frame"})()
    with pytest.raises(NoiseError, match=r"^polars\.[a-z.]*DataFrame is not taken.*polars: give frame.to_arrow"):
        noisecli.corrupt(made, MISSING)


def test_arrow_and_numpy_work_without_pandas() -> None:
    code = f"""if True:
        import builtins
        load = builtins.__import__
        def without_pandas(name, *rest):
            if name.split(".")[0] == "pandas":
                raise ImportError(name)
            return load(name, *rest)
        builtins.__import__ = without_pandas
        import numpy as np, pyarrow as pa, noisecli
        recipe = {recipe_of({"op": "missing", "columns": "*", "rate": 0.5})!r}
        print(noisecli.corrupt(pa.table({{"a": pa.array([1.0, None] * 40)}}), recipe)["a"].null_count > 40)
        print(int(np.isnan(noisecli.corrupt(np.zeros((80, 2)), recipe)).sum()) > 0)
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True\nTrue\n"


def test_a_single_image_that_a_rate_passes_over_is_no_surprise(recwarn: pytest.WarningsRecorder) -> None:
    grey, step = np.full((8, 8), 90, np.uint8), {"op": "brightness", "amount": 0.2, "rate": 0.5}
    results = [noisecli.corrupt(grey, {"noisecli": 1, "steps": [step]}, seed=seed) for seed in range(20)]
    assert 0 < sum(np.array_equal(result, grey) for result in results) < 20
    assert not recwarn.list
