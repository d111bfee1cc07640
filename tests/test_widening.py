"""Text in a column of another type: the column becomes text, is said to, and can be read everywhere."""

import datetime as dt
import json
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import feather

import noisecli
from noisecli.errors import DataProblem, RecipeProblem

MARK = {"op": "disguised_missing", "columns": ["x"], "tokens": ["?"], "rate": 0.3}
ROWS = 400
SUFFIXES = (".parquet", ".csv")


def recipe(*steps: dict[str, Any], **head: Any) -> dict[str, Any]:
    return {"noisecli": 1, "seed": 7, **head, "steps": list(steps)}


def times(values: list[Any], type_: pa.DataType | None = None) -> pa.Array:
    return pa.array(values * (ROWS // len(values)), type_)


DAY, MOMENT = dt.date(2024, 2, 29), dt.datetime(2024, 2, 29, 12, 30, 0, 5)
COLUMNS = {
    "float64": (times([0.1, None, -2.5, 1e300]), ["0.1", None, "-2.5", "1e+300"]),
    "float32": (times([0.1, None, float("nan"), float("-inf")], pa.float32()), ["0.1", None, None, "-inf"]),
    "int8": (times([-128, None, 0, 7], pa.int8()), ["-128", None, "0", "7"]),
    "uint64": (times([2**64 - 1, None, 0, 7], pa.uint64()), ["18446744073709551615", None, "0", "7"]),
    "bool": (times([True, None, False, True]), ["true", None, "false", "true"]),
    "date": (times([DAY, None]), ["2024-02-29", None]),
    "time": (times([MOMENT, None], pa.timestamp("us")), ["2024-02-29 12:30:00.000005", None]),
    "zoned": (times([MOMENT, None], pa.timestamp("us", "UTC")), ["2024-02-29 12:30:00.000005Z", None]),
    "money": (times([Decimal("1.20"), None], pa.decimal128(9, 2)), ["1.20", None]),
    "coded": (times([3, None, 5, 7]).dictionary_encode(), ["3", None, "5", "7"]),
}


@pytest.mark.parametrize("suffix", [".parquet", ".feather"])
@pytest.mark.parametrize("name", COLUMNS)
def test_the_column_is_text_with_what_was_there_as_it_can_be_read_back(name, suffix, tmp_path):
    cells, written = COLUMNS[name]
    source = tmp_path / f"in{suffix}"
    table = pa.table({"x": cells, "y": times([1.5, None]), "z": times(["a", "b"]).dictionary_encode()})
    pq.write_table(table, source) if suffix == ".parquet" else feather.write_feather(table, source)
    done = noisecli.augment(source, recipe(MARK), tmp_path / f"out{suffix}")
    found = pq.read_table(done.output) if suffix == ".parquet" else feather.read_table(done.output)
    assert found.schema.field("x").type == pa.string()
    assert found.drop_columns("x").equals(table.drop_columns("x"))
    struck = np.asarray(pc.fill_null(pc.equal(found["x"], "?"), False))
    clean = written * (ROWS // len(written))
    assert [cell for cell, hit in zip(found["x"].to_pylist(), struck, strict=True) if not hit] == [
        cell for cell, hit in zip(clean, struck, strict=True) if not hit
    ]
    assert not any(hit and cell is None for cell, hit in zip(clean, struck, strict=True))
    assert struck.sum() == done.manifest.steps[0].columns["x"]["changed"] > 0
    frame = pd.read_parquet(done.output) if suffix == ".parquet" else pd.read_feather(done.output)
    assert set(frame["x"].dropna()) == {"?", *clean} - {None}
    assert noisecli.verify(done.output, source)[1] == []
    assert noisecli.replay(done.output, source, tmp_path / f"again{suffix}")[1:] == ([], [])


def test_it_is_declared_in_the_manifest_as_a_warning_and_before_the_run(command, tmp_path):
    source, out = tmp_path / "in.parquet", tmp_path / "out.parquet"
    pq.write_table(pa.table({"fare": times([1.5, 2.5])}), source)
    (tmp_path / "r.yaml").write_text(
        "noisecli: 1\nseed: 7\nsteps:\n"
        "  - {op: gaussian_noise, columns: fare}\n"
        "  - {op: disguised_missing, id: x, columns: fare, tokens: [-1, N/A, '?']}\n"
    )
    line = "column 'fare' becomes text, since step 'x' writes 'N/A' into it"
    seen = command("augment", source, "-r", tmp_path / "r.yaml", "-o", out, "--dry-run", "--json")
    assert seen.json["warnings"] == [line]
    assert [step.get("outgoing") for step in seen.json["steps"]] == [None, {"fare": "string"}]
    done = command("augment", source, "-r", tmp_path / "r.yaml", "-o", out)
    assert done.code == 0
    assert f"warning: {line}" in done.err
    manifest = json.loads((tmp_path / "out.parquet.noisecli.json").read_text())
    assert manifest["warnings"] == [line]
    assert [step.get("outgoing") for step in manifest["steps"]] == [None, {"fare": "string"}]
    assert manifest["facts"]["columns"]["fare"]["storage"] == "double"


def test_steps_before_and_after_go_on_with_what_is_a_number(tmp_path):
    source = tmp_path / "in.parquet"
    pq.write_table(pa.table({"x": pa.array(range(ROWS), pa.int16())}), source)
    shift = {"op": "offset", "columns": ["x"], "amount": 1000, "unit": "absolute", "rate": 1}
    steps = [{**shift, "id": "before"}, MARK, {**shift, "id": "after"}]
    done = noisecli.augment(source, recipe(*steps), tmp_path / "out.parquet", truth=True)
    found = pq.read_table(done.output)["x"].to_pylist()
    assert {cell for i, cell in enumerate(found) if cell != str(i + 2000)} == {"?"}
    counts = done.manifest.steps[2].columns["x"]
    assert counts["struck"] == ROWS
    assert counts["void"] == counts["struck"] - counts["changed"] == found.count("?") > 0
    lines = pq.read_table(f"{done.output}.noisecli-truth.parquet").to_pandas()
    first = lines[lines["row"] == found.index("?")]
    number = found.index("?")
    assert first[["before", "after"]].values.tolist() == [[str(number), str(number + 1000)], [str(number + 1000), "?"]]


@pytest.mark.parametrize("type_", [pa.int64(), pa.float64()])
def test_it_is_treated_as_in_a_csv_file(type_, tmp_path):
    values = pa.array([None if i % 9 == 0 else i * 7919 % 2003 for i in range(ROWS)], type_)
    pq.write_table(pa.table({"x": values}), tmp_path / "in.parquet")
    texts = ["" if value is None else str(value) for value in pc.cast(values, pa.string()).to_pylist()]
    (tmp_path / "in.csv").write_text("\n".join(["x", *(text and text.replace("None", "") for text in texts)]) + "\n")
    steps = [
        {"op": "offset", "columns": ["x"], "amount": 5, "unit": "absolute", "rate": 0.5},
        {**MARK, "mechanism": {"mnar": {}}},
        {"op": "missing", "columns": ["x"], "where": {"x": {"gt": 1000}}, "rate": 0.2, "exact": True},
    ]
    typed, plain = (noisecli.augment(tmp_path / f"in{s}", recipe(*steps), tmp_path / f"out{s}") for s in SUFFIXES)
    cells = ["NA" if cell is None else cell for cell in pq.read_table(typed.output)["x"].to_pylist()]
    assert cells == [cell or "NA" for cell in plain.output.read_text().splitlines()[1:]]
    assert [s.columns for s in typed.manifest.steps] == [s.columns for s in plain.manifest.steps]


def test_other_steps_strike_what_they_strike_without_it(tmp_path):
    cells = times([0.5, None, 1.25, float("nan"), float("inf"), 7.0, 8.0, 9.0])
    pq.write_table(pa.table({"x": cells, "g": times(["a", "b", "c", "d"])}), tmp_path / "in.parquet")
    others = [
        {"op": "gaussian_noise", "columns": ["x"], "rate": 0.5, "exact": True},
        {"op": "missing", "columns": ["g"], "rate": 0.3, "mechanism": {"mar": {"columns": "x"}}},
        {"op": "impulse", "columns": ["x"], "rate": 0.2, "where": {"x": {"lt": 8.5}}},
    ]
    bare = noisecli.augment(tmp_path / "in.parquet", recipe(*others), tmp_path / "bare.parquet")
    with_it = noisecli.augment(tmp_path / "in.parquet", recipe(*others, MARK), tmp_path / "with.parquet")
    counts = [
        {k: c[k] for k in ("eligible", "struck", "changed")} for s in bare.manifest.steps for c in s.columns.values()
    ]
    again = [
        {k: c[k] for k in ("eligible", "struck", "changed")} for s in with_it.manifest.steps for c in s.columns.values()
    ]
    assert again[: len(counts)] == counts
    one, other = pq.read_table(bare.output), pq.read_table(with_it.output)
    assert one["g"].equals(other["g"])
    for number, text in zip(one["x"].to_pylist(), other["x"].to_pylist(), strict=True):
        assert text == "?" or (text is None and (number is None or number != number)) or float(text) == number


@given(st.lists(st.none() | st.floats(), min_size=30, max_size=30), st.sampled_from([pa.float32(), pa.float64()]))
@pytest.mark.filterwarnings("ignore::noisecli.NoiseWarning")
def test_untouched_numbers_read_back(values, type_):
    numbers = pa.array([None if v is None else np.float64(v) for v in values]).cast(type_)
    found = noisecli.corrupt(pa.table({"x": numbers}), recipe(MARK))["x"].to_pylist()
    for text, number in zip(found, numbers.to_pylist(), strict=True):
        assert text == "?" or (text is None) == (number is None or number != number)
        if text not in (None, "?"):
            assert type_.to_pandas_dtype()(text) == number


TEXTS = {
    "unseen_category": ({"values": ["new"]}, [1, 2, 3], "new"),
    "impute_constant": ({"value": "unknown"}, [1, 2, 3], "unknown"),
    "merge_levels": ({"levels": {"few": ["1", "2"]}}, [1, 2, 3], "few"),
    "split_level": ({"levels": {"1": ["one"]}}, [1, 2, 3], "one"),
    "ordinal_shift": ({"order": ["1", "2", "many"], "rate": 1}, [1, 2, 2], "many"),
}


@pytest.mark.parametrize("op", TEXTS)
def test_every_op_that_writes_a_text_widens(op, tmp_path):
    parameters, values, text = TEXTS[op]
    pq.write_table(pa.table({"x": pa.array(values * 40, pa.int8())}), tmp_path / "in.parquet")
    step = {"op": op, "columns": ["x"], "rate": 0.4, **parameters}
    done = noisecli.augment(tmp_path / "in.parquet", recipe(step), tmp_path / "out.parquet")
    found = set(pq.read_table(done.output)["x"].to_pylist())
    assert text in found <= {text, *map(str, values)}
    assert f"writes {text!r} into it" in done.manifest.warnings[0]


def test_codes_that_become_codes_stay_what_they_are(tmp_path):
    pq.write_table(pa.table({"x": pa.array([1, 2, 3] * 40, pa.int8())}), tmp_path / "in.parquet")
    (tmp_path / "in.csv").write_text("x\n" + "1\n2\n3\n" * 40)
    step = {"op": "merge_levels", "columns": ["x"], "levels": {"9": ["1", "2"]}, "rate": 0.5}
    typed, plain = (noisecli.augment(tmp_path / f"in{s}", recipe(step), tmp_path / f"out{s}") for s in SUFFIXES)
    found = pq.read_table(typed.output)["x"]
    assert found.type == pa.int8()
    assert set(found.to_pylist()) == {1, 2, 3, 9}
    assert "\n".join(map(str, found.to_pylist())) == plain.output.read_text()[2:-1]


def test_integers_are_rounded_half_to_even_and_clipping_is_counted(tmp_path):
    pq.write_table(pa.table({"x": pa.array([0, 1, 2, -3, 127, None], pa.int8())}), tmp_path / "in.parquet")
    step = {"op": "offset", "columns": ["x"], "amount": 0.5, "unit": "absolute", "rate": 1}
    done = noisecli.augment(tmp_path / "in.parquet", recipe(step), tmp_path / "out.parquet")
    assert pq.read_table(done.output)["x"].to_pylist() == [0, 2, 2, -2, 127, None]
    assert done.manifest.steps[0].columns["x"]["clipped"] == 1
    assert any("1 results were clipped" in line for line in done.manifest.warnings)


@pytest.mark.parametrize(
    ("cells", "tokens"),
    [(pa.array([1, 2], pa.int8()), ["9999"]), (pa.array([1, 2]), ["?", "0.5"]), (pa.array([True, False]), ["true"])],
)
def test_a_number_that_does_not_fit_is_no_reason_to(cells, tokens, tmp_path):
    pq.write_table(pa.table({"x": cells}), tmp_path / "in.parquet")
    step = {**MARK, "tokens": tokens, "rate": 1}
    if tokens == ["true"]:
        done = noisecli.augment(tmp_path / "in.parquet", recipe(step), tmp_path / "out.parquet")
        assert pq.read_schema(done.output).field("x").type == pa.bool_()
        assert done.manifest.steps[0].outgoing is None
        return
    with pytest.raises(RecipeProblem, match=f"cannot hold '{tokens[-1]}'"):
        noisecli.augment(tmp_path / "in.parquet", recipe(step), tmp_path / "out.parquet")


def test_categories_of_numbers_and_flags_are_shifted_as_text(tmp_path):
    table = pa.table({"x": times([1, 10, 2, 2]), "f": times([True, True, False, None])})
    pq.write_table(table, tmp_path / "in.parquet")
    swap = {"op": "category_swap", "columns": ["x", "f"], "distribution": "frequency", "rate": 0.4}
    flip = {"op": "label_flip", "columns": ["x"], "rate": 0.3}
    mark = {**MARK, "columns": ["x", "f"], "rate": 0.1}
    bare = noisecli.augment(tmp_path / "in.parquet", recipe(swap, flip), tmp_path / "bare.parquet")
    done = noisecli.augment(tmp_path / "in.parquet", recipe(swap, flip, mark), tmp_path / "out.parquet")
    for name in ("x", "f"):
        without = pc.cast(pq.read_table(bare.output)[name], pa.string()).to_pylist()
        found = pq.read_table(done.output)[name].to_pylist()
        assert [a for a, b in zip(without, found, strict=True) if b != "?"] == [b for b in found if b != "?"]
        assert "?" in found
    assert noisecli.replay(done.output, tmp_path / "in.parquet", tmp_path / "again.parquet")[1:] == ([], [])


def test_facts_of_a_manifest_go_with_a_step_that_widens(tmp_path):
    pq.write_table(pa.table({"x": times([1.5, 2.5, 9.0, 4.0])}), tmp_path / "in.parquet")
    noise = {"op": "gaussian_noise", "columns": ["x"]}
    first = noisecli.augment(tmp_path / "in.parquet", recipe(noise, MARK), tmp_path / "first.parquet")
    pinned = recipe(noise, MARK, facts=str(first.output))
    again = noisecli.augment(tmp_path / "in.parquet", pinned, tmp_path / "again.parquet")
    assert again.output.read_bytes() == first.output.read_bytes()
    assert again.manifest.warnings == first.manifest.warnings


def test_a_step_of_rate_0_changes_no_type_and_a_sweep_only_where_it_acts(tmp_path):
    pq.write_table(pa.table({"x": times([1.5, 2.5])}), tmp_path / "in.parquet")
    swept = recipe({**MARK, "id": "m"}, sweep={"steps.m.rate": [0, 0.2]})
    done = noisecli.augment(tmp_path / "in.parquet", swept, tmp_path / "out")
    types = {path.parent.parent.name: pq.read_schema(path).field("x").type for path in done.output.rglob("*.parquet")}
    assert set(map(str, types.values())) == {"double", "string"}
    assert [step.outgoing for step in done.manifest.steps] == [None, {"x": "string"}]
    assert sum("becomes text" in line for line in done.manifest.warnings) == 1


def test_all_files_of_a_folder_get_the_type(tmp_path):
    (tmp_path / "in").mkdir()
    for i, values in enumerate(([1.5] * 50, [None] * 50, [2.5])):
        pq.write_table(pa.table({"x": pa.array(values, pa.float64())}), tmp_path / "in" / f"{i}.parquet")
    done = noisecli.augment(tmp_path / "in", recipe(MARK, copies=2, layout="merged"), tmp_path / "out")
    schemas = [pq.read_schema(path) for path in sorted(done.output.rglob("*.parquet"))]
    assert [str(schema.field("x").type) for schema in schemas] == ["string"] * 6
    assert noisecli.verify(done.output, tmp_path / "in")[1] == []


def test_a_sort_order_that_no_longer_holds_is_not_claimed(tmp_path):
    table = pa.table({"x": list(range(ROWS)), "y": list(range(ROWS))})
    order = [pq.SortingColumn(0), pq.SortingColumn(1)]
    pq.write_table(table, tmp_path / "in.parquet", sorting_columns=order)
    done = noisecli.augment(tmp_path / "in.parquet", recipe(MARK), tmp_path / "out.parquet")
    group = pq.read_metadata(done.output).row_group(0)
    assert group.sorting_columns == ()
    assert group.column(0).statistics.max == "?"
    assert pq.read_metadata(done.output).num_rows == ROWS


def test_a_column_that_is_declared_not_null_may_hold_nan(tmp_path):
    schema = pa.schema([pa.field("x", pa.float64(), nullable=False), pa.field("n", pa.int8(), nullable=False)])
    pq.write_table(pa.table({"x": [1.0, float("nan")] * 50, "n": [1, 2] * 50}, schema=schema), tmp_path / "in.parquet")
    step = {**MARK, "columns": ["x", "n"]}
    done = noisecli.augment(tmp_path / "in.parquet", recipe(step), tmp_path / "out.parquet")
    assert pq.read_table(done.output)["x"].null_count == 50
    assert not pq.read_schema(done.output).field("n").nullable
    with pytest.raises(DataProblem, match="column 'n' is declared 'not null'"):
        noisecli.augment(
            tmp_path / "in.parquet", recipe(step, {"op": "missing", "columns": ["n"]}), tmp_path / "lost.parquet"
        )


def test_metadata_of_pandas_and_spark_tell_no_lies(tmp_path):
    frame = pd.DataFrame({"x": pd.array([1, None] * 50, "Int64"), "c": pd.Categorical([1, 2] * 50)})
    table = pa.Table.from_pandas(frame)
    spark = {b"org.apache.spark.sql.parquet.row.metadata": b'{"type":"struct","fields":[]}', b"mine": b"kept"}
    pq.write_table(table.replace_schema_metadata({**table.schema.metadata, **spark}), tmp_path / "in.parquet")
    step = {**MARK, "columns": ["x", "c"]}
    done = noisecli.augment(tmp_path / "in.parquet", recipe(step), tmp_path / "out.parquet")
    found = pd.read_parquet(done.output)
    assert found["x"].map(type).isin([str, float]).all()
    assert set(found["c"]) == {"1", "2", "?"}
    metadata = pq.read_metadata(done.output).metadata
    assert metadata[b"mine"] == b"kept"
    assert b"org.apache.spark.sql.parquet.row.metadata" not in metadata
    assert pq.read_schema(done.output).field("c").type == pa.string()


def test_encodings_for_numbers_alone_are_dropped(tmp_path):
    pq.write_table(
        pa.table({"x": times([1, 2])}),
        tmp_path / "in.parquet",
        use_dictionary=False,
        column_encoding={"x": "DELTA_BINARY_PACKED"},
        compression="gzip",
    )
    done = noisecli.augment(tmp_path / "in.parquet", recipe(MARK), tmp_path / "out.parquet")
    assert pq.read_metadata(done.output).row_group(0).column(0).compression == "GZIP"
    assert set(pq.read_table(done.output)["x"].to_pylist()) == {"1", "2", "?"}


def test_near_duplicates_and_rows_in_another_order(tmp_path):
    pq.write_table(pa.table({"x": list(range(ROWS)), "s": times(["a b", "c d"])}), tmp_path / "in.parquet")
    steps = [MARK, {"op": "duplicate", "columns": ["x", "s"], "errors": 1, "rate": 0.2}]
    done = noisecli.augment(tmp_path / "in.parquet", recipe(*steps), tmp_path / "out.parquet", truth=True)
    assert len(pq.read_table(done.output)) > ROWS
    assert pq.read_schema(done.output).field("x").type == pa.string()


def test_columns_of_one_type_must_stay_so_to_be_swapped(tmp_path):
    pq.write_table(pa.table({"x": times([1.5, 2.5]), "y": times([1.5, 2.5])}), tmp_path / "in.parquet")
    swap = {"op": "swap_columns", "columns": ["x", "y"]}
    with pytest.raises(RecipeProblem, match=r"takes columns of the same type.*a step turns 'x' to text"):
        noisecli.augment(tmp_path / "in.parquet", recipe(MARK, swap), tmp_path / "out.parquet")
    both = {**MARK, "columns": ["x", "y"]}
    line = "2 columns ('x', 'y') become text, since step 'disguised_missing' writes '?' into them"
    done = noisecli.augment(tmp_path / "in.parquet", recipe(both, swap), tmp_path / "out.parquet")
    assert done.manifest.steps[1].columns["x"]["changed"] > 0
    assert line in done.manifest.warnings


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_files_of_text_take_any_text_without_a_word(suffix, tmp_path):
    rows = [f'{{"x":{i}}}' if suffix == ".jsonl" else str(i) for i in range(50)]
    (tmp_path / f"in{suffix}").write_text("\n".join([*(["x"] if suffix == ".csv" else []), *rows]) + "\n")
    done = noisecli.augment(tmp_path / f"in{suffix}", recipe(MARK), tmp_path / f"out{suffix}")
    assert done.manifest.warnings == []
    assert done.manifest.steps[0].outgoing is None


def test_in_memory_it_is_text_too():
    frame = pd.DataFrame({"x": [1.5, None, 2.5, 4.0] * 25, "y": range(100)}, index=range(100, 200))
    with pytest.warns(noisecli.NoiseWarning, match=r"'x' becomes text, since step 'disguised_missing' writes '\?'"):
        noisy = noisecli.corrupt(frame, recipe(MARK))
    assert set(noisy["x"].dropna()) == {"?", "1.5", "2.5", "4"}
    assert noisy["x"].isna().sum() == 25
    assert noisy["y"].equals(frame["y"])
    assert frame["x"].dtype == np.float64
    with pytest.warns(noisecli.NoiseWarning, match="becomes text"):
        table = noisecli.corrupt(pa.Table.from_pandas(frame), recipe(MARK))
    assert table.to_pandas()["x"].tolist()[0] == noisy["x"].tolist()[0]
    assert table.schema.field("x").type == pa.string()
    with pytest.raises(DataProblem, match="column '#1' cannot become text"):
        noisecli.corrupt(np.ones((50, 2)), recipe({**MARK, "columns": ["#1"]}))
