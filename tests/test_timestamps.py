"""Clocks, repeated times, rows that come late and other sampling, along series of dates, times and numbers.

Seeds are fixed; statistical bounds are 4 standard errors.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from noisecli import augment, corrupt
from noisecli.formats import csv

N = 3000
STEPS: dict[str, dict[str, Any]] = {
    "clock_drift": {"op": "clock_drift", "ppm": 50_000},
    "duplicate_timestamp": {"op": "duplicate_timestamp", "rate": 0.3, "mechanism": {"burst": {"length": 4}}},
    "change_sampling": {"op": "change_sampling", "every": 3, "rate": 0.8},
    "change_sampling in time": {"op": "change_sampling", "every": "1h"},
}
every_step = pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)


def a_recipe(*steps: dict[str, Any], **data: str) -> dict[str, Any]:
    return {"noisecli": 1, "seed": 6, "data": data, "steps": list(steps)}


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """Interleaved rows of three entities at irregular times, some of them missing."""
    rng = np.random.default_rng(2)
    when = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.exponential(400, N).cumsum().round(), unit="s")
    entity = rng.choice(["a", "b", "long"], N, p=[0.3, 0.1, 0.6])
    return pd.DataFrame({"n": np.arange(N), "e": entity, "t": pd.Series(when).mask(rng.random(N) < 0.05)})


def noisy(frame: pd.DataFrame, *steps: dict[str, Any]) -> pd.DataFrame:
    done: pd.DataFrame = corrupt(frame.reset_index(drop=True), a_recipe(*steps, entity="e", time="t"))
    return done.set_index("n").sort_index()


# Series


@every_step
@pytest.mark.filterwarnings("ignore:step 'clock_drift':noisecli.NoiseWarning")
def test_neither_interleaving_nor_other_entities_matter(table: pd.DataFrame, step: dict[str, Any]) -> None:
    done = noisy(table, step)
    assert not done.equals(table.set_index("n"))
    if "rate" not in step or "mechanism" in step:  # mcar strikes rows of the file by their place in it
        pd.testing.assert_frame_equal(noisy(table.sort_values("e", kind="stable"), step), done)
        pd.testing.assert_frame_equal(noisy(table[table.e != "a"], step), done[done.e != "a"])


@every_step
@pytest.mark.parametrize("seconds", [True, False])
def test_where_a_file_is_cut_does_not_matter(
    table: pd.DataFrame, step: dict[str, Any], seconds: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = table.head(150)
    numbers = (table.t - pd.Timestamp("2024-01-01")).dt.total_seconds()
    (table.assign(t=numbers) if seconds else table).to_csv(tmp_path / "in.csv", index=False)
    recipe = a_recipe(step, entity="e", time="t")
    whole = augment(tmp_path / "in.csv", recipe, tmp_path / "whole.csv", truth=True, workers=1).output.read_bytes()
    assert whole != (tmp_path / "in.csv").read_bytes()
    for size in (60, 700):
        monkeypatch.setattr(csv, "SLAB_BYTES", size)
        assert augment(tmp_path / "in.csv", recipe, tmp_path / f"{size}.csv", workers=1).output.read_bytes() == whole


# Clocks


def test_a_clock_gains_from_the_first_time_of_its_series_on() -> None:
    start = pd.Timestamp("2024-03-01T12:00")
    hours = pd.Series([0, 0, 1, 10, 100, 1000])
    frame = pd.DataFrame({"e": [1, 2, 2, 1, 2, 1], "t": start + pd.to_timedelta(hours, unit="h")})
    with pytest.warns(match="2 of 6 struck came out unchanged: it is the first time of its series"):
        done = corrupt(frame, a_recipe({"op": "clock_drift", "ppm": 1000}, entity="e", time="t"))
    assert ((done.t - frame.t).dt.total_seconds() == hours * 3.6).all()


@pytest.mark.parametrize("type_", [pa.timestamp("ns"), pa.timestamp("ms", "Europe/Berlin"), pa.date32(), pa.float64()])
def test_a_clock_of_any_type(type_: pa.DataType, tmp_path: Path) -> None:
    def days(*numbers: int | None) -> pa.Array:
        start = 0.0 if type_ == pa.float64() else datetime(2024, 1, 1, tzinfo=UTC)
        unit = 1.0 if type_ == pa.float64() else timedelta(days=1)
        return pa.array([None if n is None else start + n * unit for n in numbers], type_)

    pq.write_table(pa.table({"t": days(None, 0, 100, None, 1000)}), tmp_path / "in.parquet")
    recipe = a_recipe({"op": "clock_drift", "ppm": 10_000, "columns": "t"})
    done = pq.read_table(augment(tmp_path / "in.parquet", recipe, tmp_path / "out.parquet").output)
    assert done["t"].combine_chunks().equals(days(None, 0, 101, None, 1010))


def test_times_far_away_move_by_whole_microseconds_and_text_keeps_its_spelling(
    tmp_path: Path, command: Callable[..., Any], recipe: Callable[..., Path]
) -> None:
    lines = ["t", "2024-01-01T01:00:00+02:00", "2024-01-01T02:00:00+03:00", "9000-01-01 00:00:00.123457Z"]
    (tmp_path / "in.csv").write_text("\n".join(lines) + "\n")
    path = recipe("op: clock_drift, ppm: 500000", data="{time: t}")
    done = command("augment", tmp_path / "in.csv", "-r", path, "-o", tmp_path / "out.csv")
    assert done.code == 0, done.err
    assert (tmp_path / "out.csv").read_text().splitlines()[1:3] == lines[1:3]
    assert "1 results were clipped" in done.err
    path = recipe("op: clock_drift, ppm: 0", data="{time: t}")
    assert command("augment", tmp_path / "in.csv", "-r", path, "-o", tmp_path / "same.csv").code == 0
    assert (tmp_path / "same.csv").read_bytes() == (tmp_path / "in.csv").read_bytes()


def test_a_repeated_time_is_that_of_the_row_before_in_its_series() -> None:
    times = pd.date_range("2024-01-01", periods=6, freq="h")
    frame = pd.DataFrame({"e": [1, 2, 1, 2, 1, 2], "t": times, "m": [0, 0, 1, 0, 1, 1]})
    step = {"op": "duplicate_timestamp", "rate": 1, "where": {"m": 1}}
    done = corrupt(frame, a_recipe(step, entity="e", time="t"))
    assert done.t.tolist() == times[[0, 1, 0, 3, 0, 3]].tolist()


def test_repeated_times_have_their_rate() -> None:
    frame = pd.DataFrame({"t": np.arange(50_000.0)})
    done = corrupt(frame, a_recipe({"op": "duplicate_timestamp", "rate": 0.2}, time="t")).t
    assert abs((done.diff() == 0).mean() - 0.2) < 4 * (0.16 / len(frame)) ** 0.5
    assert (done.diff().iloc[1:] >= 0).all()


# Late rows


def test_late_rows_are_as_many_as_the_rate_says_and_the_others_keep_their_order() -> None:
    rows, rate = 40_000, 0.05
    step = {"op": "late_arrival", "delay": 4, "rate": rate}
    order = corrupt(pd.DataFrame({"x": np.arange(rows)}), a_recipe(step)).x.to_numpy()
    assert sorted(order) == list(range(rows))
    on_time = np.maximum.accumulate(order) == order
    # Of late rows that are neighbours some still ascend.
    late = rows - on_time.sum()
    assert rate * (1 - 4 * rate) * rows - 4 * (rate * rows) ** 0.5 < late < rate * rows + 4 * (rate * rows) ** 0.5


def test_each_delay_is_equally_likely() -> None:
    entities = 30_000
    frame = pd.DataFrame({"x": np.arange(10 * entities)})
    step = {"op": "late_arrival", "delay": 4, "rate": 1, "where": {"m": 1}}
    done = corrupt(frame.assign(m=(frame.x % 10 == 0).astype(int)), a_recipe(step)).x.to_numpy()
    delay = np.flatnonzero(done % 10 == 0) - np.arange(0, len(frame), 10)
    counts = np.bincount(delay, minlength=6)
    assert counts[0] == counts[5] == 0
    assert (abs(counts[1:5] - entities / 4) < 4 * (entities * 3 / 16) ** 0.5).all()


def test_out_of_order_rows_change_places_with_the_next() -> None:
    frame = pd.DataFrame({"x": [0, 1, 2, 3, 4], "m": [0, 1, 0, 0, 1]})
    step = {"op": "late_arrival", "delay": 1, "rate": 1, "where": {"m": 1}}
    assert corrupt(frame, a_recipe(step)).x.tolist() == [0, 2, 1, 3, 4]


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".jsonl"])
def test_late_rows_come_out_the_same_in_every_format_and_however_it_is_cut(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame, source = pd.DataFrame({"x": np.arange(500)}), tmp_path / f"in{suffix}"
    late, shuffled = {"op": "late_arrival", "delay": 30, "rate": 0.2}, {"op": "shuffle", "rate": 0.02}
    steps = [{"op": "duplicate"}, late, shuffled, {**late, "id": "again"}, {"op": "drop", "rate": 0.1}]
    expected = corrupt(frame, a_recipe(*steps)).x.tolist()
    if suffix == ".parquet":
        pq.write_table(pa.Table.from_pandas(frame), source, row_group_size=60)
    else:
        frame.to_csv(source, index=False) if suffix == ".csv" else frame.to_json(source, orient="records", lines=True)
    monkeypatch.setattr(csv, "SLAB_BYTES", 100)
    output = augment(source, a_recipe(*steps), tmp_path / f"out{suffix}", truth=True).output
    readers: dict[str, Callable[[Path], pd.DataFrame]] = {
        ".csv": pd.read_csv,
        ".parquet": pd.read_parquet,
        ".jsonl": lambda path: pd.read_json(path, lines=True),
    }
    assert readers[suffix](output).x.tolist() == expected
    assert expected != sorted(expected)


def test_a_higher_rate_makes_the_same_rows_late_and_more() -> None:
    frame = pd.DataFrame({"x": np.arange(2000)})
    late = []
    for rate in (0.02, 0.1):
        order = corrupt(frame, a_recipe({"op": "late_arrival", "delay": 50, "rate": rate})).x.to_numpy()
        place = np.argsort(order)
        late.append(set(np.flatnonzero(place - np.arange(2000) > 5).tolist()))
    assert len(late[0] - late[1]) <= 2  # a row overtaken by more late ones ends less far behind
    assert len(late[0]) < len(late[1])


# Sampling


def test_every_nth_row_of_an_entity_is_kept(table: pd.DataFrame) -> None:
    done = noisy(table, {"op": "change_sampling", "every": 3})
    for entity, own in table.groupby("e"):
        assert done[done.e == entity].index.tolist() == own.n.tolist()[::3]


def test_the_first_row_of_each_stretch_of_time_is_kept() -> None:
    times = pd.to_datetime(
        ["2024-01-01T00:05", "2024-01-01T00:59", "2024-01-01T01:00", "2024-01-01T05:10", "2024-01-01T05:20"]
    )
    done = corrupt(pd.DataFrame({"t": times}), a_recipe({"op": "change_sampling", "every": "1h"}, time="t"))
    assert done.t.tolist() == times[[0, 2, 3]].tolist()


def test_only_struck_rows_are_left_out_and_never_held_out_ones() -> None:
    frame = pd.DataFrame({"x": np.arange(12), "s": ["train"] * 8 + ["test"] * 4, "m": [0] * 4 + [1] * 8})
    step = {"op": "change_sampling", "every": 4, "where": {"m": 1}}
    assert corrupt(frame, a_recipe(step, split="s")).x.tolist() == [0, 1, 2, 3, 4, 8, 9, 10, 11]


def test_severities_leave_out_more_and_more() -> None:
    frame = pd.DataFrame({"x": np.arange(640)})
    left = [len(corrupt(frame, a_recipe({"op": "change_sampling", "severity": level}))) for level in range(6)]
    assert left == [640, 320, 160, 80, 40, 20]
    assert all(more > less for more, less in pairwise(left))
