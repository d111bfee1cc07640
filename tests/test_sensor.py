"""Faults of sensors: runs of struck rows along a series, against plain models.

Seeds are fixed; statistical bounds are 4 standard errors.
"""

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

ROWS = 4000
IN_RUNS = {"where": {"m": 1}}
BURST = {"rate": 0.3, "mechanism": {"burst": {"length": 15}}}
STEPS = {
    "stuck": {"op": "stuck", "rate": 1},
    "linear": {"op": "drift", "slope": 0.25, "unit": "absolute"},
    "random_walk": {"op": "drift", "kind": "random_walk", "slope": 0.25, "unit": "absolute"},
}
COUNT = {"op": "drift", "slope": 1, "unit": "absolute"}
"""Turns zeros to how many rows of the run there are so far."""

every_step = pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
either_choice = pytest.mark.parametrize("choice", [IN_RUNS, BURST], ids=["where", "burst"])


def a_recipe(step: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"noisecli": 1, "seed": 3, "data": {"entity": "e"}, "steps": [{"columns": "x", **step}], **more}


def noisy(frame: pd.DataFrame, step: dict[str, Any], **more: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    done: np.ndarray[Any, np.dtype[np.float64]] = corrupt(frame, a_recipe(step, **more)).x.to_numpy()
    return done


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """Interleaved rows of four entities, one of them with a single row; gaps in the numbers, marks in runs."""
    rng = np.random.default_rng(8)
    x = rng.normal(20, 3, ROWS).cumsum().round(2)
    x[rng.random(ROWS) < 0.15] = np.nan
    entity = rng.choice(["a", "b", "long"], ROWS, p=[0.3, 0.1, 0.6])
    entity[ROWS // 2] = "once"
    mark = np.repeat(rng.random(ROWS // 20) < 0.4, 20).astype(int)
    mark[:30] = 1
    return pd.DataFrame({"n": np.arange(ROWS), "e": entity, "x": x, "m": mark})


def zeros(entities: int, length: int) -> pd.DataFrame:
    """Rows of entities in turn."""
    return pd.DataFrame({"e": np.tile(np.arange(entities), length), "x": 0.0})


# Models: one series, row by row


def held(x: list[float], struck: list[int]) -> list[float]:
    result, last = [], None
    for value, hit in zip(x, struck, strict=True):
        if value == value and (not hit or last is None):
            last = value
        result.append(last if value == value and hit and last is not None else value)
    return result


def drifted(x: list[float], struck: list[int], added: list[float]) -> list[float]:
    result, off = [], 0.0
    for value, hit, more in zip(x, struck, added, strict=True):
        off = off + more if hit else 0.0
        result.append(value + off)
    return result


@pytest.mark.parametrize("group", [1, 7, 600, ROWS])
def test_stuck_and_drift_are_as_their_models_say(table: pd.DataFrame, group: int, tmp_path: Path) -> None:
    table = table.head(max(120, min(140 * group, ROWS)))
    wide = table.assign(**dict.fromkeys(STEPS, table.x))
    pq.write_table(pa.Table.from_pandas(wide), tmp_path / "in.parquet", row_group_size=group)
    steps = [{**step, **IN_RUNS, "id": name, "columns": name} for name, step in STEPS.items()]
    output = augment(tmp_path / "in.parquet", {**a_recipe({}), "steps": steps}, tmp_path / "out.parquet").output
    done = {name: pq.read_table(output)[name].to_numpy() for name in STEPS}
    alone = {**a_recipe({}), "steps": [{**STEPS["random_walk"], "id": "random_walk", "columns": "random_walk"}]}
    walk = corrupt(wide.assign(random_walk=0.0), alone).random_walk.to_numpy()
    for _, own in table.groupby("e"):
        rows, x, struck = own.index, own.x.tolist(), own.m.tolist()
        np.testing.assert_array_equal(done["stuck"][rows], held(x, struck))
        np.testing.assert_array_equal(done["linear"][rows], drifted(x, struck, [0.25] * len(x)))
        added = np.diff(walk[rows], prepend=0).tolist()
        np.testing.assert_allclose(done["random_walk"][rows], drifted(x, struck, added), atol=1e-9)


def test_a_sensor_that_is_stuck_from_the_beginning_holds_its_first_number() -> None:
    rows = pd.DataFrame({"e": [1, 1, 2, 1, 2, 2], "x": [np.nan, 3.0, 5.0, 4.0, 6.0, np.nan]})
    np.testing.assert_array_equal(noisy(rows, STEPS["stuck"]), [np.nan, 3, 5, 3, 5, np.nan])


def test_stuck_holds_what_an_earlier_step_left() -> None:
    rows = pd.DataFrame({"e": 1, "x": [1.0, 2.0, 3.0, 4.0], "m": [0, 0, 1, 1]})
    offset = {"op": "offset", "columns": "x", "rate": 1, "amount": 10, "unit": "absolute"}
    recipe = a_recipe(STEPS["stuck"])
    recipe["steps"] = [offset, {**recipe["steps"][0], **IN_RUNS}]
    np.testing.assert_array_equal(corrupt(rows, recipe).x, [11, 12, 12, 12])


# Series


@either_choice
@every_step
def test_interleaved_or_one_after_the_other_is_the_same(
    table: pd.DataFrame, step: dict[str, Any], choice: dict[str, Any]
) -> None:
    step = {**step, **choice}
    done = noisy(table, step)
    by_entity = table.sort_values("e", kind="stable")
    np.testing.assert_array_equal(noisy(by_entity, step), done[by_entity.index])
    assert not np.array_equal(done, table.x, equal_nan=True)


@either_choice
@every_step
def test_an_entity_more_changes_nothing(table: pd.DataFrame, step: dict[str, Any], choice: dict[str, Any]) -> None:
    step = {**step, **choice}
    done, without = noisy(table, step), table[table.e != "a"]
    np.testing.assert_array_equal(noisy(without, step), done[without.index])


@either_choice
@every_step
def test_where_a_file_is_cut_and_workers_do_not_matter(
    table: pd.DataFrame,
    step: dict[str, Any],
    choice: dict[str, Any],
    tmp_path: Path,
    tree: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "in").mkdir()
    for name, part in (("a", table[:1500]), ("b", table[1500:])):
        part.to_csv(tmp_path / f"in/{name}.csv", index=False)
    recipe = a_recipe({**step, **choice})
    whole = augment(tmp_path / "in", recipe, tmp_path / "whole", truth=True, workers=1).output
    assert tree(augment(tmp_path / "in", recipe, tmp_path / "two", truth=True, workers=2).output) == tree(whole)
    monkeypatch.setattr(csv, "SLAB_BYTES", 500)
    cut = augment(tmp_path / "in", recipe, tmp_path / "cut", workers=1).output
    assert [(cut / f"{n}.csv").read_bytes() for n in "ab"] == [(whole / f"{n}.csv").read_bytes() for n in "ab"]


@every_step
def test_truth_and_counts_tell_what_changed(table: pd.DataFrame, step: dict[str, Any], tmp_path: Path) -> None:
    table.to_csv(tmp_path / "in.csv", index=False)
    done = augment(tmp_path / "in.csv", a_recipe({**step, **BURST}), tmp_path / "out.csv", truth=True)
    told = pq.read_table(f"{done.output}.noisecli-truth.parquet")
    changed = (pd.read_csv(done.output).x != table.x) & table.x.notna()
    counts = done.manifest.steps[0].columns["x"]
    assert counts["changed"] == len(told) == changed.sum() > 0
    assert counts["eligible"] == table.x.notna().sum()
    assert counts["struck"] < 0.6 * counts["eligible"]


# Bursts


def test_bursts_are_runs_of_an_entity_with_the_rate_and_length() -> None:
    entities, length, share, mean = 20, 5000, 0.2, 25.0
    step = {**COUNT, "rate": share, "mechanism": {"burst": {"length": mean}}}
    place = noisy(zeros(entities, length), step).reshape(length, entities)
    struck = place > 0
    # The variance of a share of rows in runs is larger by the sum of their correlations.
    spread = (share * (1 - share) / struck.size * (2 / (1 / mean + share / (1 - share) / mean))) ** 0.5
    assert abs(struck.mean() - share) < 4 * spread
    ends = place[:-1][struck[:-1] & ~struck[1:]]
    assert abs(ends.mean() - mean) < 4 * mean / len(ends) ** 0.5
    before = np.vstack([np.zeros(entities), place[:-1]])
    np.testing.assert_array_equal(place, np.where(struck, before + 1, 0))
    together = np.corrcoef(struck.T)[np.triu_indices(entities, 1)]
    assert abs(together.mean()) < 0.02, "entities fail together"


def test_bursts_are_as_likely_at_the_first_rows_as_anywhere() -> None:
    entities = 4000
    place = noisy(zeros(entities, 3), {**COUNT, "rate": 0.3, "mechanism": {"burst": {"length": 200}}})
    struck = place.reshape(3, entities) > 0
    assert (abs(struck.mean(axis=1) - 0.3) < 4 * (0.21 / entities) ** 0.5).all()


def test_a_higher_rate_strikes_what_a_lower_one_does_and_more() -> None:
    rows, burst = zeros(10, 2000), {"mechanism": {"burst": {"length": 30}}}
    masks = [noisy(rows, {**COUNT, **burst, "rate": rate}) > 0 for rate in (0, 0.05, 0.3, 0.6, 1)]
    assert not masks[0].any()
    assert masks[-1].all()
    for less, more in pairwise(masks):
        assert not (less & ~more).any()
        assert less.sum() < more.sum()


def test_a_burst_goes_on_over_missing_numbers_and_passes_over_held_out_rows(table: pd.DataFrame) -> None:
    step = {**COUNT, **BURST}
    full, gaps = noisy(table.assign(x=0.0), step), noisy(table.assign(x=table.x * 0), step)
    there = table.x.notna()
    np.testing.assert_array_equal(gaps[there], full[there])
    split = table.assign(x=0.0, s=np.where(np.arange(ROWS) % 3, "train", "test"))
    done = noisy(split, step, data={"entity": "e", "split": "s"})
    assert not done[split.s == "test"].any()
    np.testing.assert_array_equal(done[split.s == "train"], noisy(split[split.s == "train"], step))


def test_a_burst_in_two_columns_strikes_each_for_itself() -> None:
    rows = zeros(5, 4000).assign(y=0.0)
    done = corrupt(rows, a_recipe({**COUNT, **BURST, "columns": ["x", "y"]}))
    assert abs(np.corrcoef(done.x > 0, done.y > 0)[0, 1]) < 4 * (15 / len(rows)) ** 0.5


# Strengths


def test_a_random_walk_spreads_as_the_root_of_its_rows() -> None:
    entities, length = 3000, 40
    step = {**STEPS["random_walk"], "slope": 2}
    walk = noisy(zeros(entities, length), step).reshape(length, entities)
    variance = (walk**2).mean(axis=1) / (4 * np.arange(1, length + 1))
    assert (abs(variance - 1) < 4 * (2 / entities) ** 0.5).all()


def test_units_of_drift_and_spike(table: pd.DataFrame) -> None:
    sizes = {"sd": table.x.std(ddof=0), "range": table.x.max() - table.x.min(), "value": table.x.abs()}
    rows = table.assign(e=np.arange(ROWS))
    for unit, size in sizes.items():
        drift = noisy(rows, {"op": "drift", "slope": -0.5, "unit": unit}) - table.x
        np.testing.assert_allclose(drift, -0.5 * size + 0 * table.x, rtol=1e-9)
        spike = noisy(rows, {"op": "spike", "height": 3, "unit": unit, "rate": 1}) - table.x
        np.testing.assert_allclose(abs(spike), 3 * size + 0 * table.x, rtol=1e-9)


def test_spikes_go_both_ways_at_their_rate() -> None:
    rows = zeros(1, 100_000)
    done = noisy(rows, {"op": "spike", "height": 7, "unit": "absolute", "rate": 0.05})
    assert set(np.unique(done)) == {-7, 0, 7}
    for sign in (-7, 7):
        assert abs((done == sign).mean() - 0.025) < 4 * (0.025 / len(rows)) ** 0.5
