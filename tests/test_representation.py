"""What floating point cannot hold, dropped features, and conversions of one's own: exactly, and from file to file.

Bounds as in `test_statistics`: seeds are fixed, counts lie within 4 sd, and tests of fit fail below 10^-4.
"""

import csv
import json
import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from golden import changed, strike
from scipy import stats

import noisecli
from noisecli.corruptions.table.dropout import FeatureDropout
from noisecli.corruptions.table.representation import FloatInstability
from noisecli.corruptions.table.unit import WrongUnit
from noisecli.errors import RecipeProblem
from noisecli.streams import BLOCK

N = 8 * BLOCK
UNLIKELY = 1e-4
NUMBERS = pa.array((np.arange(N) * 7919 % 20_011 - 10_000) / 7)
VALUES = NUMBERS.to_numpy()
KINDS = ["inf", "nan", "denormal", "float32_roundtrip", "overflow"]
SOME = [1.5, -2.25, 0.1, -0.3, 0.0, 1e10]


def struck(op: Any, cells: pa.Array = NUMBERS, **address: Any) -> Any:
    return strike(op, cells, **address).cells.to_numpy()


# What numbers become


def test_infinity_keeps_the_sign_and_nan_is_no_number():
    assert struck(FloatInstability(kind="inf"), pa.array([2.0, -3.0, 0.0, -0.0])).tolist() == [
        *(math.inf, -math.inf, math.inf, -math.inf)
    ]
    assert np.isnan(struck(FloatInstability(kind="nan"))).all()


@pytest.mark.parametrize(("type_", "bits"), [(pa.float64(), 52), (pa.float32(), 23)])
def test_subnormal_numbers_are_uniform_and_keep_the_sign(type_, bits):
    done = strike(FloatInstability(kind="denormal"), NUMBERS.cast(type_))
    assert done.cells.type == type_
    found = done.cells.to_numpy()
    info = np.finfo(found.dtype)
    assert (np.signbit(found) == np.signbit(VALUES)).all()
    assert (np.abs(found) >= info.smallest_subnormal).all()
    assert (np.abs(found) < info.smallest_normal).all()
    counted = np.abs(found) / info.smallest_subnormal
    assert stats.kstest(counted / 2.0**bits, "uniform").pvalue > UNLIKELY


def test_single_precision_is_what_is_left():
    values = np.array([0.1, 16777217.0, -1e300, 0.5, 3e-46])
    found = struck(FloatInstability(kind="float32_roundtrip"), pa.array(values))
    assert found.tolist() == [0.10000000149011612, 16777216.0, -math.inf, 0.5, 0.0]


@pytest.mark.parametrize("type_", [pa.float64(), pa.float32()])
def test_what_is_beyond_one_overflows(type_):
    done = strike(FloatInstability(kind="overflow"), pa.array([1.5, -2.0, 1.0, 0.5, 0.0], type_))
    largest = float(np.finfo(done.cells.to_numpy().dtype).max)
    assert done.cells.to_pylist() == [math.inf, -math.inf, largest, largest / 2, 0.0]
    assert (done.counts.changed, done.counts.clipped) == (3 + 1, 0), "1 becomes the largest, 0 stays"


@pytest.mark.parametrize("kind", KINDS)
def test_faults_strike_their_rate(kind):
    done = strike(FloatInstability(kind=kind), pa.array(VALUES + 0.1), 0.2)
    assert abs(done.counts.struck - 0.2 * N) <= 4 * np.sqrt(0.2 * 0.8 * N)
    assert changed(pa.array(VALUES + 0.1), done.cells).sum() == done.counts.changed >= 0.99 * done.counts.struck


# Files


def table_of(suffix: str, folder: Path) -> Path:
    path = folder / f"in{suffix}"
    numbers = [number for i in range(50) for number in (i + 0.1, -i - 0.3)]
    if suffix == ".csv":
        path.write_text("n,x\n" + "".join(f"{i},{number:.2f}\n" for i, number in enumerate(numbers)))
    elif suffix == ".jsonl":
        path.write_text("".join(f'{{"n": {i}, "x": {number:.2f}}}\n' for i, number in enumerate(numbers)))
    else:
        pq.write_table(pa.table({"n": range(100), "x": numbers}), path)
    return path


def read(path: Path) -> list[float]:
    if path.suffix == ".csv":
        return [float(row["x"]) for row in csv.DictReader(path.read_text().splitlines())]
    if path.suffix == ".jsonl":
        return [json.loads(line)["x"] for line in path.read_text().splitlines()]
    return list(pq.read_table(path)["x"].to_pylist())


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_file_holds_in_full_what_was_made_and_the_truth_tells_it(kind, suffix, tmp_path):
    source = table_of(suffix, tmp_path)
    step = {"op": "float_instability", "columns": "x", "kind": kind, "rate": 0.4}
    recipe = {"noisecli": 1, "seed": 5, "steps": [step]}
    done = noisecli.augment(source, recipe, tmp_path / f"out{suffix}", truth=True)
    clean, noisy = read(source), read(done.output)
    exact = strike(FloatInstability(kind=kind), pa.array(clean), 0.4, name="x", step="float_instability", seed=5)
    assert list(map(repr, noisy)) == list(map(repr, exact.cells.to_pylist()))
    lines = pq.read_table(f"{done.output}.noisecli-truth.parquet").to_pylist()
    assert len(lines) == done.manifest.steps[0].columns["x"]["changed"] == exact.counts.changed
    for line in lines:
        assert float(line["before"]) == clean[line["row"]]
        assert repr(float(line["after"])) == repr(noisy[line["row"]])
    noisecli.replay(f"{done.output}.noisecli.json", source, tmp_path / f"again{suffix}")
    assert (tmp_path / f"again{suffix}").read_bytes() == done.output.read_bytes()


def test_words_of_the_formats(tmp_path):
    for kind, in_csv, in_json in [("inf", {"inf", "-inf"}, {"Infinity", "-Infinity"}), ("nan", {'"NaN"'}, {"NaN"})]:
        recipe = {"noisecli": 1, "steps": [{"op": "float_instability", "columns": "x", "kind": kind, "rate": 1}]}
        made = noisecli.augment(table_of(".csv", tmp_path), recipe, tmp_path / f"{kind}.csv").output
        assert {line.partition(",")[2] for line in made.read_text().splitlines()[1:]} == in_csv
        made = noisecli.augment(table_of(".jsonl", tmp_path), recipe, tmp_path / f"{kind}.jsonl").output
        assert {line.partition('"x": ')[2].rstrip("}") for line in made.read_text().splitlines()} == in_json


@pytest.mark.parametrize("kind", KINDS)
def test_readers_of_csv_get_numbers(kind, tmp_path):
    step = {"op": "float_instability", "columns": "x", "kind": kind, "rate": 0.4}
    source = table_of(".csv", tmp_path)
    made = noisecli.augment(source, {"noisecli": 1, "seed": 5, "steps": [step]}, tmp_path / "out.csv").output
    wanted = read(made)
    readers = {
        "pandas": lambda: pd.read_csv(made)["x"].to_numpy(),
        "pyarrow": lambda: pa.csv.read_csv(made)["x"].to_numpy(),
        "polars": lambda: polars.read_csv(made)["x"].to_numpy(),
        "duckdb": lambda: duckdb.sql(f"SELECT x FROM '{made}'").fetchnumpy()["x"],
    }
    for name, reader in readers.items():
        np.testing.assert_allclose(reader(), wanted, rtol=1e-15, atol=5e-324, err_msg=name)


def test_decimals_that_a_step_asks_for_are_kept(tmp_path):
    for kind, after in (("denormal", {"0.0", "-0.0"}), ("float32_roundtrip", {"3.1"})):
        source = tmp_path / "in.csv"
        source.write_text("x\n" + "3.1415\n-2.5001\n" * 10)
        step = {"op": "float_instability", "columns": "x", "kind": kind, "rate": 1, "decimals": 1}
        made = noisecli.augment(source, {"noisecli": 1, "steps": [step]}, tmp_path / f"{kind}.csv").output
        assert {line for line in made.read_text().splitlines()[1:] if line != "-2.5"} == after


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_later_steps_pass_over_what_is_no_number(suffix, tmp_path):
    source = table_of(suffix, tmp_path)
    steps = [
        {"op": "float_instability", "columns": "x", "kind": "nan", "rate": 0.3},
        {"op": "float_instability", "id": "more", "columns": "x", "kind": "inf", "rate": 0.3},
        {"op": "offset", "columns": "x", "amount": 1, "unit": "absolute", "rate": 1},
    ]
    done = noisecli.augment(source, {"noisecli": 1, "seed": 2, "steps": steps}, tmp_path / f"out{suffix}")
    noisy = np.array(read(done.output))
    first, second, third = (step.columns["x"] for step in done.manifest.steps)
    assert np.isnan(noisy).sum() == first["changed"] > 10
    assert np.isinf(noisy).sum() == second["changed"] > 10
    assert second["void"] > 0
    assert third["void"] == first["changed"] + second["changed"]
    assert third["changed"] == 100 - third["void"]


def test_a_noisy_file_can_be_read_again(tmp_path):
    step = {"op": "float_instability", "columns": "x", "kind": "inf", "rate": 0.3}
    noise = {"op": "gaussian_noise", "columns": "x"}
    source = table_of(".jsonl", tmp_path)
    first = noisecli.augment(source, {"noisecli": 1, "seed": 2, "steps": [step]}, tmp_path / "one.jsonl").output
    again = {"noisecli": 1, "seed": 3, "data": {"types": {"x": "float"}}, "steps": [noise]}
    second = noisecli.augment(first, again, tmp_path / "two.jsonl").output
    infinite = np.isinf(read(first))
    assert (np.array(read(second))[infinite] == np.array(read(first))[infinite]).all()
    assert (np.array(read(second))[~infinite] != np.array(read(first))[~infinite]).all()


@pytest.mark.parametrize(
    ("type_", "kind", "says"),
    [
        (pa.decimal128(10, 2), "inf", "is stored as decimal128.*, which holds no infinity"),
        (pa.decimal128(10, 2), "nan", "which holds no NaN"),
        (pa.decimal128(10, 2), "overflow", "which holds no infinity"),
        (pa.decimal128(10, 2), "denormal", "which holds no subnormal number"),
        (pa.float32(), "float32_roundtrip", "is in single precision already"),
        (pa.int64(), "inf", "takes float columns; 'x' is integer"),
    ],
)
def test_columns_that_cannot_hold_it_are_refused(type_, kind, says, tmp_path):
    pq.write_table(pa.table({"x": pa.array([1.0, 2.0, 3.0]).cast(type_)}), tmp_path / "in.parquet")
    step = {"op": "float_instability", "columns": "x", "kind": kind}
    with pytest.raises(RecipeProblem, match=says):
        noisecli.augment(tmp_path / "in.parquet", {"noisecli": 1, "steps": [step]}, tmp_path / "out.parquet")


def test_decimals_go_through_single_precision():
    cells = pa.array([16777217.0, 3.0]).cast(pa.decimal128(12, 2))
    assert [str(cell) for cell in strike(FloatInstability(kind="float32_roundtrip"), cells).cells.to_pylist()] == [
        "16777216.00",
        "3.00",
    ]


# Dropout


@pytest.mark.parametrize("share", [0.0, 0.05, 0.5, 1.0])
@pytest.mark.parametrize("fill", ["zero", "mean"])
def test_a_share_of_cells_is_dropped_and_the_others_are_kept(share, fill):
    values = VALUES + 1e6
    done = struck(FeatureDropout(share=share, fill=fill), pa.array(values))
    dropped = done != values
    np.testing.assert_allclose(done[dropped], 0 if fill == "zero" else values.mean(), rtol=1e-12)
    assert abs(dropped.sum() - share * N) <= 4 * np.sqrt(N * share * (1 - share))


@pytest.mark.parametrize("fill", ["zero", "mean"])
def test_rescaling_keeps_the_expectation(fill):
    value, share = 30.0, 0.3
    cells = pa.array([value, 10.0] * (N // 2))
    done = struck(FeatureDropout(share=share, fill=fill, rescale=True), cells)[::2]
    filled = 0.0 if fill == "zero" else 20.0
    kept = filled + (value - filled) / (1 - share)
    np.testing.assert_allclose(np.unique(done), [filled, kept], rtol=1e-12)
    sd = (kept - filled) * np.sqrt(share * (1 - share))
    assert abs(done.mean() - value) <= 4 * sd / np.sqrt(N / 2)


def test_what_a_small_share_drops_a_larger_one_drops_too():
    values = VALUES + 1e6
    dropped = [struck(FeatureDropout(**row), pa.array(values)) == 0 for row in FeatureDropout.severities]
    for few, many in pairwise(dropped):
        assert not (few & ~many).any()
        assert few.sum() < many.sum()


# Conversions of one's own


def test_an_affine_conversion_is_the_one_of_two_units():
    cells = pa.array([0.0, 37.0, -40.0, 100.0])
    assert struck(WrongUnit(scale=1.8, offset=32), cells).round(9).tolist() == [32.0, 98.6, -40.0, 212.0]
    assert struck(WrongUnit(from_unit="C", to_unit="F"), cells).round(9).tolist() == [32.0, 98.6, -40.0, 212.0]
    assert struck(WrongUnit(scale=2.5), cells).tolist() == [0.0, 92.5, -100.0, 250.0]
    assert struck(WrongUnit(offset=-1), cells).tolist() == [-1.0, 36.0, -41.0, 99.0]


REFUSED = {
    "op: wrong_unit, columns: [x], from_unit: C, to_unit: F, scale: 2": "'scale' stands instead of 'from_unit' and",
    "op: wrong_unit, columns: [x], from_unit: C, offset: 2": "'offset' stands instead of 'from_unit' and 'to_unit'",
    "op: wrong_unit, columns: [x], from_unit: C": "needs 'from_unit' and 'to_unit', or 'scale' and 'offset'",
    "op: wrong_unit, columns: [x]": "needs 'from_unit' and 'to_unit', or 'scale' and 'offset'",
    "op: wrong_unit, columns: [x], scale: 0, offset: 3": "a scale of 0 makes all numbers alike",
    "op: wrong_unit, columns: [x], scale: 1": "scale 1 and offset 0 change nothing",
    "op: feature_dropout, columns: [x], share: 1, rescale: true": "rescale needs a share below 1",
    "op: feature_dropout, columns: [x], share: 1.5": "share: should be less than or equal to 1",
    "op: feature_dropout, columns: [x], fill: missing": "fill: should be 'zero' or 'mean'",
    "op: float_instability, columns: [x], kind: huge": "kind: should be 'inf', 'nan', 'denormal'",
    "op: float_instability, columns: [n]": "takes float columns; 'n' is integer",
}


@pytest.mark.parametrize("step", REFUSED)
def test_what_cannot_be_is_said_in_one_line(command, recipe, tmp_path, step):
    done = command("augment", table_of(".csv", tmp_path), "-r", recipe(step), "-o", tmp_path / "out.csv")
    assert done.code == 2
    assert [REFUSED[step] in line for line in done.errors] == [True], done.err
    assert not (tmp_path / "out.csv").exists()
