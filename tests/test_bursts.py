"""Bursts along entities, in steps of every kind, and bursts that last some time.

Seeds are fixed; statistical bounds are 4 standard deviations.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noisecli import augment, corrupt
from noisecli.errors import DataProblem, RecipeProblem
from noisecli.formats import csv

ROWS = 3000
ROLES = {"entity": "e", "time": "t"}
STEPS: dict[str, dict[str, Any]] = {
    "missing": {"op": "missing", "columns": "x"},
    "noise": {"op": "gaussian_noise", "columns": "x", "unit": "absolute", "sigma": 0.5},
    "exponential": {"op": "exponential_noise", "columns": "x", "unit": "absolute"},
    "typo": {"op": "typo", "columns": "w"},
    "joint": {"op": "missing", "columns": ["x", "w"], "joint": True},
    "patterns": {"op": "missing", "patterns": [{"columns": "x"}, {"columns": ["x", "w"]}]},
    "blank_row": {"op": "blank_row", "columns": ["x", "w"]},
    "relative": {"op": "heteroscedastic_noise", "columns": "x"},
    "date_jitter": {"op": "date_jitter", "columns": "t"},
    "category": {"op": "category_swap", "columns": "w"},
    "drop": {"op": "drop"},
    "duplicate": {"op": "duplicate", "errors": 1, "columns": ["x", "w"]},
    "stuck": {"op": "stuck", "columns": "x"},
    "drift": {"op": "drift", "columns": "x", "unit": "absolute", "kind": "random_walk"},
}
LENGTHS: dict[str, Any] = {"rows": 12, "time": "20min"}
"""Rows of an entity are two minutes apart on average."""

every_step = pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
every_length = pytest.mark.parametrize("length", LENGTHS.values(), ids=LENGTHS)


def burst(step: dict[str, Any], length: Any = 12, rate: float = 0.3) -> dict[str, Any]:
    return {**step, "rate": rate, "mechanism": {"burst": {"length": length}}}


def a_recipe(*steps: dict[str, Any], **data: str) -> dict[str, Any]:
    return {"noisecli": 1, "seed": 11, "data": data, "steps": list(steps)}


def noisy(frame: pd.DataFrame, *steps: dict[str, Any], **data: str) -> pd.DataFrame:
    result: pd.DataFrame = corrupt(frame, a_recipe(*steps, **(data or ROLES)))
    return result


def by_entity(frame: pd.DataFrame) -> dict[str, list[Any]]:
    """Rows of each entity as text, in order."""
    return {name: own.astype(str).to_numpy().tolist() for name, own in frame.groupby("e")}


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """Interleaved rows of five entities, one of them with a single row, at irregular times."""
    rng = np.random.default_rng(8)
    entity = rng.choice(["a", "b", "long", "rare"], ROWS, p=[0.25, 0.24, 0.5, 0.01])
    entity[ROWS // 2] = "once"
    frame = pd.DataFrame({"e": entity, "x": rng.normal(20, 3, ROWS), "w": rng.choice(["red fox", "old hen"], ROWS)})
    gaps = rng.exponential(120e6, ROWS) * (rng.random(ROWS) < 0.9)
    micros = pd.Series(gaps).groupby(frame.e).cumsum().astype("int64")
    frame["t"] = pd.Timestamp("2026-03-01") + pd.to_timedelta(micros, unit="us")
    frame["t"] = frame["t"].astype("datetime64[us]")
    return frame


# What an entity gets


@pytest.mark.filterwarnings("ignore:.*came out unchanged", "ignore:.*struck, far from")
@every_length
@every_step
def test_an_entity_gets_the_same_wherever_its_rows_are_and_whoever_else_is_there(
    table: pd.DataFrame, step: dict[str, Any], length: Any
) -> None:
    asked = burst(step, length)
    expected = by_entity(noisy(table, asked))
    assert expected != by_entity(table)
    assert by_entity(noisy(table.sort_values("e", kind="stable"), asked)) == expected
    shuffled = table.iloc[np.argsort(table.e.map({"long": 0, "rare": 1, "a": 2, "once": 3, "b": 2}), kind="stable")]
    assert by_entity(noisy(shuffled, asked)) == expected
    for left_out in ("a", "rare"):
        fewer = by_entity(noisy(table[table.e != left_out], asked))
        if step["op"] not in ("category_swap", "heteroscedastic_noise"):  # whose facts are those of all rows
            assert fewer == {name: rows for name, rows in expected.items() if name != left_out}


@pytest.mark.filterwarnings("ignore:.*came out unchanged")
@every_length
@every_step
def test_where_a_file_is_cut_does_not_show(
    table: pd.DataFrame,
    step: dict[str, Any],
    length: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recipe = a_recipe(burst(step, length), **ROLES)
    table.to_csv(tmp_path / "in.csv", index=False)
    whole = augment(tmp_path / "in.csv", recipe, tmp_path / "whole.csv").output.read_bytes()
    assert whole != (tmp_path / "in.csv").read_bytes()
    monkeypatch.setattr(csv, "SLAB_BYTES", 7919)
    assert augment(tmp_path / "in.csv", recipe, tmp_path / "cut.csv", workers=2).output.read_bytes() == whole
    frames = []
    for group in (ROWS, 211):
        pq.write_table(pa.Table.from_pandas(table), tmp_path / "in.parquet", row_group_size=group)
        frames.append(pd.read_parquet(augment(tmp_path / "in.parquet", recipe, tmp_path / f"{group}.parquet").output))
    pd.testing.assert_frame_equal(*frames)


def test_all_words_of_struck_rows_are_struck_and_no_others(table: pd.DataFrame) -> None:
    done = noisy(table, burst({"op": "word_mask", "columns": "w"})).w
    masked = done == "[MASK] [MASK]"
    assert done[~masked].equals(table.w[~masked])
    assert 0.15 < masked.mean() < 0.45


def test_rows_without_an_entity_are_struck_each_for_itself(tmp_path: Path) -> None:
    frame = pd.DataFrame({"e": [None] * ROWS + ["a"] * 99, "x": 1.0})
    lost = []
    for group in (len(frame), 50):
        pq.write_table(pa.Table.from_pandas(frame), tmp_path / "in.parquet", row_group_size=group)
        recipe = a_recipe(burst(STEPS["missing"], rate=0.3), entity="e")
        done = augment(tmp_path / "in.parquet", recipe, tmp_path / f"{group}.parquet").output
        lost.append(pd.read_parquet(done).x.isna().to_numpy())
    assert np.array_equal(*lost)
    alone = lost[0][:ROWS]
    assert abs(alone.mean() - 0.3) < 4 * (0.3 * 0.7 / ROWS) ** 0.5
    assert abs((alone[1:] == alone[:-1]).mean() - 0.58) < 4 * (0.58 * 0.42 / ROWS) ** 0.5 * 1.5


@every_length
def test_runs_are_those_of_an_entity(length: Any) -> None:
    """100 entities in turn, 400 rows each: a run of the file would strike neighbours, which are other entities."""
    n, k, rate = 400, 100, 0.25
    frame = pd.DataFrame({"e": np.tile(np.arange(k), n), "t": np.repeat(np.arange(n) * 120.0, k), "x": 1.0})
    lost = noisy(frame, burst(STEPS["missing"], length, rate)).x.isna().to_numpy().reshape(n, k)
    # After one row of an entity: by the chain; for 20 minutes and rows 2 minutes apart exp(-0.1 / 0.75) is kept.
    kept = 1 - (1 + rate / (1 - rate)) / 12 if length == 12 else np.exp(-0.1 / 0.75)
    said = lost[1:] == lost[:-1]
    agreeing = 1 - 2 * rate * (1 - rate) * (1 - kept)
    assert abs(said.mean() - agreeing) < 4 * (agreeing * (1 - agreeing) / said.size) ** 0.5 * 1.5
    # Neighbouring entities strike each for itself.
    across = lost[:, 1:] == lost[:, :-1]
    slack = ((1 + kept**2) / (1 - kept**2)) ** 0.5  # a pair of chains forgets as the square of one
    independent = 1 - 2 * rate * (1 - rate)
    assert abs(across.mean() - independent) < 4 * (independent * (1 - independent) / across.size) ** 0.5 * slack


def test_each_column_copy_and_file_has_runs_of_its_own(table: pd.DataFrame, tmp_path: Path) -> None:
    both = noisy(table, burst({"op": "missing", "columns": ["x", "w"]}))
    assert (both.x.isna() != both.w.isna()).any()
    (tmp_path / "in").mkdir()
    for name in ("1", "2"):
        table.to_csv(tmp_path / f"in/{name}.csv", index=False)
    recipe = {**a_recipe(burst(STEPS["missing"]), **ROLES), "copies": 2}
    done = augment(tmp_path / "in", recipe, tmp_path / "out", workers=2).output
    gone = {tuple(pd.read_csv(path).x.isna()) for path in done.rglob("*.csv")}
    assert len(gone) == 4


def test_runs_go_over_rows_that_where_or_a_missing_value_keeps_out(table: pd.DataFrame) -> None:
    some = table.assign(x=table.x.where(np.arange(ROWS) % 3 > 0))
    all_of_it = noisy(table, burst(STEPS["missing"])).x.isna()
    assert (noisy(some, burst(STEPS["missing"])).x.isna() == (all_of_it | some.x.isna())).all()
    kept_out = noisy(table, {**burst(STEPS["missing"]), "where": {"w": "red fox"}}).x.isna()
    assert (kept_out == (all_of_it & (table.w == "red fox"))).all()


def test_held_out_rows_are_no_part_of_a_run(table: pd.DataFrame) -> None:
    train = np.arange(ROWS) % 4 > 0
    some = table.assign(s=np.where(train, "train", "test"))
    for length in LENGTHS.values():
        done = noisy(some, burst(STEPS["missing"], length), **ROLES, split="s")
        assert done.x[~train].notna().all()
        assert by_entity(done[train].drop(columns="s")) == by_entity(
            noisy(table[train], burst(STEPS["missing"], length))
        )


def test_steps_strike_runs_each_for_itself_in_one_recipe(table: pd.DataFrame) -> None:
    missing, typo = burst(STEPS["missing"]), burst(STEPS["typo"], "20min")
    together = noisy(table, missing, typo, burst(STEPS["drop"]))
    left = together.index
    assert together.x.equals(noisy(table, missing).x[left])
    assert together.w.equals(noisy(table, typo).w[left])
    assert left.equals(noisy(table, burst(STEPS["drop"])).index)


def test_without_entities_runs_are_those_of_the_file(table: pd.DataFrame) -> None:
    """Nor are times looked at, which fall between the entities here."""
    step = burst(STEPS["missing"])
    assert noisy(table, step, time="t").x.equals(noisy(table, step, id="t").x)
    with pytest.raises(DataProblem, match=r"sort the rows by 't', name the devices with `data: {entity: COLUMN}` if"):
        noisy(table, burst(STEPS["missing"], "20min"), time="t")


# Lengths in time


@pytest.mark.parametrize("rate", [0.02, 0.2, 0.7])
@pytest.mark.parametrize("length", ["30s", "5min", "2h"])
def test_a_rate_is_kept_on_irregular_times(rate: float, length: str) -> None:
    """Struck rows correlate as exp(-pace dt), which makes the variance of their number."""
    rng = np.random.default_rng(4)
    k, n = 200, 300
    seconds = rng.exponential(rng.choice([1.0, 60.0, 900.0], (k, n))).cumsum(axis=1)
    frame = pd.DataFrame({"e": np.repeat(np.arange(k), n), "t": seconds.ravel(), "x": 1.0})
    lost = noisy(frame, burst(STEPS["missing"], length, rate)).x.isna().to_numpy().reshape(k, n)
    mean = pd.Timedelta(length).total_seconds()
    apart = np.abs(seconds[:, :, np.newaxis] - seconds[:, np.newaxis, :])
    variance = rate * (1 - rate) * np.exp(-apart / (mean * (1 - rate))).sum()
    assert abs(lost.sum() - rate * k * n) < 4 * variance**0.5
    for at in (0, n // 2, n - 1):  # at every row, and not only on the whole
        assert abs(lost[:, at].sum() - rate * k) < 4 * (k * rate * (1 - rate)) ** 0.5


def test_a_run_lasts_as_long_as_is_said() -> None:
    """Rows a second apart, runs of five minutes: the chain in continuous time, seen once a second."""
    n = 400_000
    frame = pd.DataFrame({"t": np.arange(n), "x": 1.0})
    lost = noisy(frame, burst(STEPS["missing"], "5min", 0.3), time="t").x.isna().to_numpy()
    runs = np.diff(np.flatnonzero(np.diff(lost.astype(int), prepend=0, append=0))).astype(float)[::2]
    leave = 0.7 * (1 - np.exp(-1 / (300 * 0.7)))
    assert abs(runs.mean() - 1 / leave) < 4 / leave / len(runs) ** 0.5


@pytest.mark.filterwarnings("ignore:.*(struck, far from|strikes none)")
@given(
    rates=st.lists(st.floats(0.01, 0.99), min_size=2, max_size=4),
    length=st.sampled_from(["1s", "40s", "1h", 3.5, 20]),
    seed=st.integers(0, 99),
)
def test_strikes_nest_over_rates(rates: list[float], length: Any, seed: int) -> None:
    rates = sorted(rate for rate in rates if isinstance(length, str) or rate < 1 - 1 / length)
    rng = np.random.default_rng(seed)
    gaps = rng.exponential(20, 600) * (rng.random(600) < 0.8)
    frame = pd.DataFrame({"e": rng.integers(0, 5, 600), "t": gaps.cumsum(), "x": 1.0})
    struck = np.zeros(600, bool)
    with np.errstate(all="raise", under="ignore"):
        for rate in [*rates, 1.0]:
            more = corrupt(frame, {**a_recipe(burst(STEPS["missing"], length, rate), **ROLES), "seed": seed}).x.isna()
            assert (more >= struck).all()
            struck = more
    assert struck.all()


@pytest.mark.filterwarnings("ignore:.*struck, far from")
def test_rows_at_one_time_or_without_one_share_the_fate_of_the_row_before() -> None:
    t = np.repeat(np.arange(500.0) * 60, 4)
    t[1::4], t[2::4] = np.nan, t[3::4]
    lost = noisy(pd.DataFrame({"t": t, "x": 1.0}), burst(STEPS["missing"], "2min"), time="t").x.isna().to_numpy()
    assert (lost.reshape(-1, 4) == lost[::4, np.newaxis]).all()
    assert 0 < lost.mean() < 1
    never = noisy(pd.DataFrame({"t": np.full(50, np.nan), "x": 1.0}), burst(STEPS["missing"], "2min"), time="t")
    assert never.x.isna().nunique() == 1


@pytest.mark.parametrize(
    "times",
    [
        lambda s: s,
        lambda s: s.astype("float64"),
        lambda s: pd.to_datetime(s, unit="s"),
        lambda s: pd.to_datetime(s, unit="s", utc=True),
        lambda s: pd.to_datetime(s, unit="s").dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
    ],
    ids=["integer", "float", "datetime", "zone", "text"],
)
def test_a_number_counts_seconds(times: Callable[[pd.Series], Any], tmp_path: Path) -> None:
    seconds = pd.Series(np.random.default_rng(3).integers(0, 40, 500).cumsum())
    frame = pd.DataFrame({"t": seconds, "x": 1.0})
    recipe = a_recipe(burst(STEPS["missing"], "1.5min"), time="t")
    expected = corrupt(frame, recipe).x
    frame.assign(t=times(seconds)).to_csv(tmp_path / "in.csv", index=False)
    done = augment(tmp_path / "in.csv", recipe, tmp_path / "out.csv")
    pd.testing.assert_series_equal(pd.read_csv(done.output).x, expected)


@pytest.mark.parametrize(
    ("length", "data", "what"),
    [
        ("5min", {}, "steps.0.mechanism.burst.length: length: 5min is a duration, and nothing says when a row was: "
         "name the column of times with `data: {time: COLUMN}`, or give a number of rows"),
        ("5 minutes", ROLES, "length: '5 minutes' is neither a number of rows nor a duration as in 7d, 24h, 30min"),
        ("0s", ROLES, "length: '0s' should be a microsecond at least"),
        (0.5, ROLES, "length: should be greater than or equal to 1"),
        (True, ROLES, "length: should be a number, not true or false"),
    ],
)  # fmt: skip
def test_lengths_that_make_no_sense_are_faults(
    table: pd.DataFrame, length: Any, data: dict[str, str], what: str
) -> None:
    with pytest.raises(RecipeProblem) as raised:
        corrupt(table, a_recipe(burst(STEPS["missing"], length), **data))
    assert what in str(raised.value)
