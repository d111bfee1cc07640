"""`data: {source_row: true}`: each row of a copy says which row of the input it comes from."""

import json

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import noisecli

ROWS = 500
MOVING = ("op: duplicate, rate: 0.3, place: random", "op: drop, rate: 0.2", "op: shuffle, rate: 0.5")


@pytest.fixture
def frame():
    return pd.DataFrame(
        {"key": np.arange(ROWS) + 1000, "split": ["train", "train", "test"] * (ROWS // 3) + ["train"] * 2}
    )


def write(frame, path):
    if path.suffix == ".parquet":
        return frame.to_parquet(path, index=False, row_group_size=ROWS // 4)
    return frame.to_csv(path, index=False)


def read(path):
    return pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_every_row_says_where_it_comes_from(frame, tmp_path, recipe, suffix, monkeypatch):
    monkeypatch.setattr("noisecli.formats.csv.SLAB_BYTES", 1_000)  # several slabs, as there are several row groups
    given = tmp_path / f"in{suffix}"
    write(frame, given)
    asked = recipe(*MOVING, data="{source_row: true, split: split}", copies=2)
    done = noisecli.augment(given, asked, tmp_path / "out")
    for copy in (1, 2):
        noisy = read(tmp_path / "out" / f"copy={copy}" / given.name)
        assert list(noisy.columns) == ["key", "split", "_source_row"]
        assert noisy._source_row.dtype == np.int64
        assert (frame.key.to_numpy()[noisy._source_row] == noisy.key).all()
        assert set(noisy._source_row[noisy.split == "test"]) == set(frame.index[frame.split == "test"])
        assert noisy._source_row.duplicated().any()  # else nothing was shown
    again = noisecli.augment(given, asked, tmp_path / "again", workers=1)
    assert again.manifest.to_bytes() == done.manifest.to_bytes()
    outcome, other_bytes, different = noisecli.replay(done.output, given, tmp_path / "replayed")
    assert (other_bytes, different) == ([], [])
    assert outcome.manifest.recipe["data"]["source_row"] is True


def test_all_but_the_column_is_what_it_is_without(frame, tmp_path, recipe):
    write(frame, tmp_path / "in.csv")
    step = "op: gaussian_noise, columns: key, sigma: 0.5"
    noisecli.augment(tmp_path / "in.csv", recipe(step), tmp_path / "bare.csv")
    noisecli.augment(tmp_path / "in.csv", recipe(step, data="{source_row: true}"), tmp_path / "told.csv")
    bare, told = ((tmp_path / name).read_text().splitlines() for name in ("bare.csv", "told.csv"))
    assert told == [f"{line},{number}" for line, number in zip(bare, ["_source_row", *range(ROWS)], strict=True)]


def test_rows_keep_their_number_where_labels_are_weighted(tmp_path, recipe):
    frame = pd.DataFrame({"x": np.arange(60.0), "y": ["a", "b", "c"] * 20})
    frame.to_parquet(tmp_path / "in.parquet")
    asked = recipe("op: label_smoothing, epsilon: 0.3", data="{label: y, soft_labels: weighted, source_row: true}")
    noisecli.augment(tmp_path / "in.parquet", asked, tmp_path / "out.parquet")
    noisy = pq.read_table(tmp_path / "out.parquet").to_pandas()
    assert len(noisy) == 180
    assert (noisy.x == noisy._source_row).all()


def test_data_in_memory_get_it_too(frame):
    frame = frame.set_index(pd.Index([f"r{i}" for i in range(ROWS)]))
    asked = {"noisecli": 1, "seed": 3, "data": {"source_row": True}, "steps": [{"op": "duplicate", "rate": 0.2}]}
    noisy = noisecli.corrupt(frame, asked)
    assert len(noisy) > ROWS
    assert (noisy.index == frame.index[noisy._source_row]).all()
    assert (noisy.key == frame.key.to_numpy()[noisy._source_row]).all()


def test_a_column_of_that_name_is_not_overwritten(frame, tmp_path, recipe, command):
    write(frame.rename(columns={"key": "_source_row"}), tmp_path / "in.csv")
    asked = recipe("op: drop", data="{source_row: true}")
    result = command("augment", tmp_path / "in.csv", "-r", asked, "-o", tmp_path / "out.csv")
    assert result.code == 2
    assert "the input has a column '_source_row' already" in result.err
    assert not (tmp_path / "out.csv").exists()
    assert json.loads(command("schema").out)["$defs"]["Data"]["properties"]["source_row"]["type"] == "boolean"
