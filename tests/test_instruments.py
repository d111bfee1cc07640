"""Instruments with a memory: delays, filters, dead bands, counters and warps, against plain models.

Seeds are fixed; statistical bounds are 4 standard errors.
"""

import hashlib
import json
import math
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

from noisecli import NoiseError, augment, corrupt
from noisecli.formats import csv

ROWS = 3000
DRIFT = {"op": "drift", "slope": 0.5, "unit": "absolute"}
STEPS = {
    "lag": {"op": "lag", "delay": 3},
    "lag in time": {"op": "lag", "delay": "90s"},
    "low_pass": {"op": "low_pass", "time_constant": 4},
    "low_pass in time": {"op": "low_pass", "time_constant": "2min"},
    "hysteresis": {"op": "hysteresis", "width": 8, "unit": "absolute"},
    "counter_reset": {"op": "counter_reset", "chance": 0.02},
    "sample_and_hold": {"op": "sample_and_hold", "every": 7},
    "sample_and_hold in time": {"op": "sample_and_hold", "every": "5min"},
    "magnitude_warp": {"op": "magnitude_warp", "spacing": 20},
    "magnitude_warp in time": {"op": "magnitude_warp", "spacing": "10min"},
    "time_warp": {"op": "time_warp", "delay": 12, "spacing": 20},
    "exponential": {**DRIFT, "kind": "exponential"},
    "sinus": {**DRIFT, "kind": "sinus", "period": 17},
    "step": {**DRIFT, "kind": "step", "period": 17},
}
PARTLY = {"rate": 0.4, "mechanism": {"burst": {"length": 10}}}

every_step = pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)


def a_recipe(*steps: dict[str, Any], **data: str) -> dict[str, Any]:
    return {"noisecli": 1, "seed": 3, "data": data, "steps": [{"columns": "x", **step} for step in steps]}


def shown(values: list[float], step: dict[str, Any], times: list[float] | None = None) -> list[float]:
    """What one series of numbers becomes; times are in seconds."""
    frame = pd.DataFrame({"x": np.array(values, np.float64)})
    data = {} if times is None else {"time": "t"}
    done = corrupt(frame if times is None else frame.assign(t=times), a_recipe(step, **data))
    result: list[float] = done.x.tolist()
    return result


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """Interleaved rows of three entities at irregular times, with gaps in the numbers and in the times."""
    rng = np.random.default_rng(8)
    x = rng.normal(0.5, 3, ROWS).cumsum().round(2)
    x[rng.random(ROWS) < 0.15] = np.nan
    t = rng.exponential(10, ROWS).cumsum().round(1)
    t[rng.random(ROWS) < 0.05] = np.nan
    return pd.DataFrame(
        {"n": np.arange(ROWS), "e": rng.choice(["a", "b", "long"], ROWS, p=[0.3, 0.1, 0.6]), "t": t, "x": x}
    )


def noisy(frame: pd.DataFrame, step: dict[str, Any]) -> np.ndarray[Any, np.dtype[np.float64]]:
    done: np.ndarray[Any, np.dtype[np.float64]] = corrupt(frame, a_recipe(step, entity="e", time="t")).x.to_numpy()
    return done


# Series


@every_step
def test_neither_interleaving_nor_other_entities_matter(table: pd.DataFrame, step: dict[str, Any]) -> None:
    for chosen in (step, {**step, **PARTLY}):
        done = noisy(table, chosen)
        by_entity = table.sort_values("e", kind="stable")
        np.testing.assert_array_equal(noisy(by_entity, chosen), done[by_entity.index])
        without = table[table.e != "a"]
        np.testing.assert_array_equal(noisy(without, chosen), done[without.index])
        np.testing.assert_array_equal(np.isnan(done), table.x.isna())
        assert (np.abs(done - table.x) > 0).mean() > 0.2


@every_step
def test_where_a_file_is_cut_does_not_matter(
    table: pd.DataFrame, step: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.head(600).to_csv(tmp_path / "in.csv", index=False)
    recipe = a_recipe({**step, **PARTLY}, entity="e", time="t")
    whole = augment(tmp_path / "in.csv", recipe, tmp_path / "whole.csv", truth=True, workers=1).output.read_bytes()
    for size in (60, 700):
        monkeypatch.setattr(csv, "SLAB_BYTES", size)
        assert augment(tmp_path / "in.csv", recipe, tmp_path / f"{size}.csv", workers=1).output.read_bytes() == whole


def bits(frame: pd.DataFrame) -> dict[str, str]:
    """A digest of what each step makes of a table, to the last bit."""
    steps = {**STEPS, "in time": {"op": "lag", "delay": 1, "rate": 0.4, "mechanism": {"burst": {"length": "3min"}}}}
    return {name: hashlib.sha256(noisy(frame, step).tobytes()).hexdigest() for name, step in steps.items()}


def test_the_last_bits_do_not_depend_on_the_features_of_the_cpu(table: pd.DataFrame, tmp_path: Path) -> None:
    features = [name for name in __cpu_dispatch__ if __cpu_features__.get(name)]
    if not features:
        pytest.skip("numpy has nothing to switch off on this CPU")
    table.to_parquet(tmp_path / "table.parquet")
    script = (
        "import json, sys; import pandas as pd, test_instruments;"
        f"assert not any(test_instruments.__cpu_features__[name] for name in {features});"
        "print(json.dumps(test_instruments.bits(pd.read_parquet(sys.argv[1]))))"
    )
    tests = Path(__file__).parent
    changed = {"NPY_DISABLE_CPU_FEATURES": " ".join(features), "PYTHONPATH": f"{tests}{os.pathsep}{tests.parent}"}
    command = [sys.executable, "-c", script, str(tmp_path / "table.parquet")]
    done = subprocess.run(command, env={**os.environ, **changed}, capture_output=True, text=True, timeout=80)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == bits(table)


WITHOUT_RUNS = {name: step for name, step in STEPS.items() if step["op"] != "drift"}


@pytest.mark.parametrize("step", WITHOUT_RUNS.values(), ids=WITHOUT_RUNS)
def test_what_a_row_becomes_does_not_depend_on_which_are_struck(table: pd.DataFrame, step: dict[str, Any]) -> None:
    everywhere = noisy(table, step)
    for chosen in ({"rate": 0.3}, PARTLY, {"where": {"n": {"gt": 1000}}}):
        done = noisy(table, {**step, **chosen})
        touched = (done != table.x) & table.x.notna()
        np.testing.assert_array_equal(done[touched], everywhere[touched])
        assert 0 < touched.sum() < ROWS


# Delays, filters, dead bands


NAN = math.nan


def test_lag_by_rows() -> None:
    np.testing.assert_array_equal(shown([1, 2, NAN, 4, 5, 6], {"op": "lag", "delay": 2}), [1, 1, NAN, 2, 2, 4])
    np.testing.assert_array_equal(shown([NAN, 2, 3], {"op": "lag", "delay": 2}), [NAN, 2, 2])
    assert shown([1, 2, 3], {"op": "lag", "delay": 10_000}) == [1, 1, 1]


def test_lag_by_a_duration_shows_the_last_number_that_is_so_old() -> None:
    times = [0, 10, 20, 21, 22, 90, 100]
    assert shown([1, 2, 3, 4, 5, 6, 7], {"op": "lag", "delay": "10s"}, times) == [1, 1, 2, 2, 2, 5, 6]
    with_gaps = [0, NAN, 20, NAN, 30]
    assert shown([1, 2, 3, 4, 5], {"op": "lag", "delay": "10s"}, with_gaps) == [1, 1, 2, 2, 4]


@pytest.mark.parametrize("slab", [8, 1 << 20])
def test_rows_before_the_first_time_are_one_moment(slab: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("t,x\n,1\n,2\n,3\n0,4\n60,5\n70,6\n")
    monkeypatch.setattr(csv, "SLAB_BYTES", slab)
    recipe = a_recipe({"op": "lag", "delay": "10s"}, time="t")
    done = pd.read_csv(augment(tmp_path / "in.csv", recipe, tmp_path / "out.csv", workers=1).output).x
    assert done.tolist() == [1, 1, 1, 3, 4, 5]


@pytest.mark.parametrize("slab", [500, 1 << 20])
def test_lag_by_a_duration_looks_back_a_thousand_rows(
    slab: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pd.DataFrame({"t": np.arange(1500), "x": np.arange(1500.0)}).to_csv(tmp_path / "in.csv", index=False)
    monkeypatch.setattr(csv, "SLAB_BYTES", slab)
    fine, too_long = (a_recipe({"op": "lag", "delay": delay}, time="t") for delay in ("1000s", "1001s"))
    done = pd.read_csv(augment(tmp_path / "in.csv", fine, tmp_path / "out.csv").output).x
    np.testing.assert_array_equal(done, np.maximum(np.arange(1500) - 1000, 0))
    with pytest.raises(NoiseError, match="within 1001s before a row there are more than 1,000 rows"):
        augment(tmp_path / "in.csv", too_long, tmp_path / "other.csv")


def test_low_pass_is_an_exponential_filter() -> None:
    step, share = {"op": "low_pass", "time_constant": 2}, 1 - math.exp(-0.5)
    np.testing.assert_allclose(shown([0, 1, 1, 1], step), [0, share, 1 - math.exp(-1), 1 - math.exp(-1.5)], rtol=1e-14)
    jump = shown([NAN, 0, NAN, NAN, 1], step)
    np.testing.assert_allclose(jump, [NAN, 0, NAN, NAN, 1 - math.exp(-1.5)], rtol=1e-14)
    assert shown([0.1] * 50, step) == [0.1] * 50


def test_low_pass_by_a_duration_goes_by_the_time_between_rows() -> None:
    done = shown([0, 1, 1, 1], {"op": "low_pass", "time_constant": "1min"}, [0, 60, 61, 200])
    np.testing.assert_allclose(done, [0, *(1 - np.exp(-np.array([60, 61, 200]) / 60))], rtol=1e-14)


def test_hysteresis_moves_only_outside_of_its_dead_band() -> None:
    step = {"op": "hysteresis", "width": 2, "unit": "absolute"}
    done = shown([5, 5.5, 6, 7, NAN, 6, 5, 4.5, 6, 6.5], step)
    np.testing.assert_array_equal(done, [5, 5, 5, 6, NAN, 6, 6, 5.5, 5.5, 5.5])


def test_hysteresis_is_a_loop_of_its_width() -> None:
    up = np.arange(-20, 21) / 2
    done = shown([*up, *up[::-1]], {"op": "hysteresis", "width": 3, "unit": "absolute"})
    rising, falling = done[: len(up)], done[len(up) :][::-1]
    assert rising[20] == -1.5
    assert falling[20] == 1.5


@pytest.mark.parametrize(
    "step",
    [
        {"op": "low_pass", "time_constant": 1},
        {"op": "time_warp", "delay": 2, "spacing": 2},
    ],
    ids=lambda step: step["op"],
)
def test_the_difference_of_huge_numbers_is_not_clipped(step: dict[str, Any]) -> None:
    huge = [1.7e308, -1.7e308] * 20
    done = shown(huge, step)
    assert max(map(abs, done)) <= 1.7e308 * (1 + 1e-12)
    assert done != huge


# Counters and sampling


def test_a_counter_begins_again_at_its_resets() -> None:
    count = np.arange(1000.0) * 3 + 100
    done = np.array(shown(count.tolist(), {"op": "counter_reset", "chance": 0.02}))
    resets = np.flatnonzero(np.diff(done) < 0) + 1
    assert len(resets) > 5
    np.testing.assert_array_equal(done[resets], 0)
    base = np.zeros(1000)
    for reset in resets:
        base[reset:] = count[reset]
    np.testing.assert_array_equal(done, count - base)
    assert shown([5, 6, 8], {"op": "counter_reset", "chance": 1}) == [0, 0, 0]
    np.testing.assert_array_equal(shown([NAN, NAN, 8], {"op": "counter_reset", "chance": 1}), [NAN, NAN, 0])


def test_resets_come_at_their_chance_and_those_of_a_lower_one_among_those_of_a_higher() -> None:
    rows, resets = 40_000, []
    for chance in (0.003, 0.03):
        done = np.array(shown(np.arange(1.0, rows + 1).tolist(), {"op": "counter_reset", "chance": chance}))
        resets.append(set(np.flatnonzero(done == 0).tolist()))
        assert abs(len(resets[-1]) - chance * rows) < 4 * (chance * rows) ** 0.5
    assert resets[0] < resets[1]


def test_sample_and_hold() -> None:
    step = {"op": "sample_and_hold", "every": 3}
    np.testing.assert_array_equal(shown([1, 2, 3, 4, NAN, 6, NAN, 8], step), [1, 1, 1, 4, NAN, 4, NAN, 4])
    np.testing.assert_array_equal(shown([NAN, 2, 3, 4], step), [NAN, 2, 2, 4])
    in_time = {"op": "sample_and_hold", "every": "1min"}
    assert shown([1, 2, 3, 4, 5, 6], in_time, [50, 59, 60, 100, 119, 300]) == [1, 1, 3, 3, 3, 6]


# Kinds of drift


def drift(rows: int, **step: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array(shown([0.0] * rows, {"op": "drift", "unit": "absolute", **step}))


def test_kinds_of_drift_by_hand() -> None:
    assert drift(4, kind="exponential", slope=1, growth=0.5).tolist() == [1, 2.5, 4.75, 8.125]
    assert drift(3, kind="exponential", slope=1, growth=-0.5).tolist() == [1, 1.5, 1.75]
    assert drift(7, kind="step", slope=2, period=3).tolist() == [6, 6, 6, 12, 12, 12, 18]
    places = np.arange(1, 101)
    wave = 25 / math.tau * np.sin(math.tau * places / 25)
    np.testing.assert_allclose(drift(100, kind="sinus", slope=1, period=25), wave, atol=1e-13)


def test_all_kinds_of_drift_begin_at_the_same_pace() -> None:
    for kind, first in {"linear": 1, "exponential": 1, "sinus": 25 / math.tau * math.sin(math.tau / 25)}.items():
        period = {"period": 25} if kind == "sinus" else {}
        np.testing.assert_allclose(drift(2, kind=kind, slope=1, **period)[0], first, rtol=1e-12)


def test_exponential_drift_beyond_all_numbers_is_clipped_and_ends_with_its_run() -> None:
    rows = 3000
    frame = pd.DataFrame({"x": [0.0] * rows, "m": (np.arange(rows) < rows - 5).astype(int)})
    step = {"op": "drift", "kind": "exponential", "growth": 1, "slope": 1e10, "unit": "absolute", "where": {"m": 1}}
    with pytest.warns(match="clipped"):
        done = corrupt(frame, a_recipe(step)).x.to_numpy()
    assert np.isfinite(done).all()
    assert (done[-5:] == 0).all()
    assert (np.diff(done[:900]) > 0).all()


@pytest.mark.parametrize(
    "wrong", [{"growth": 0.1}, {"period": 5}, {"kind": "sinus", "growth": 0.1}, {"kind": "exponential", "growth": -1}]
)
def test_what_a_kind_of_drift_has_no_use_for_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(NoiseError):
        drift(3, **wrong)


# Warps


def warps(entities: int, length: int, **step: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    """What entities of ones, or of their rows' numbers, become; (length, entities)."""
    numbers = np.repeat(np.arange(float(length)), entities) if step["op"] == "time_warp" else 1.0
    frame = pd.DataFrame({"e": np.tile(np.arange(entities), length), "x": numbers})
    done = corrupt(frame, a_recipe(step, entity="e")).x.to_numpy()
    return np.asarray(done, np.float64).reshape(length, entities)


def test_a_magnitude_warp_has_its_deviation_at_every_row() -> None:
    entities = 2000
    factor = warps(entities, 50, op="magnitude_warp", sigma=0.2, spacing=12)
    assert (abs(factor.mean(axis=1) - 1) < 4 * 0.2 / entities**0.5).all()
    assert (abs(factor.var(axis=1) / 0.04 - 1) < 4 * (2 / entities) ** 0.5).all()
    assert stats_normal(factor[25] - 1, 0.2)


def stats_normal(values: np.ndarray[Any, np.dtype[np.float64]], sd: float) -> bool:
    """Whether as many lie within one and two deviations as do of a normal distribution."""
    shares = {1: 0.6827, 2: 0.9545}
    near = (abs(np.mean(abs(values) < k * sd) - p) < 4 * (p * (1 - p) / len(values)) ** 0.5 for k, p in shares.items())
    return all(near)


def test_a_magnitude_warp_is_smooth_and_forgets() -> None:
    entities, spacing = 1000, 50
    curve = (warps(entities, 6 * spacing, op="magnitude_warp", sigma=1, spacing=spacing) - 1).T
    # Of a cubic spline of unit variance with such knots each row is near its neighbours.
    steps, bends = np.diff(curve), np.diff(curve, 2)
    assert np.sqrt((steps**2).mean()) < 2 / spacing
    assert np.sqrt((bends**2).mean()) < 6 / spacing**2
    early, late = curve[:, 10], curve[:, 10 + 4 * spacing]
    assert abs(np.corrcoef(early, late)[0, 1]) < 4 / entities**0.5
    assert np.corrcoef(early, curve[:, 12])[0, 1] > 0.95


def test_a_time_warp_delays_by_half_on_average_and_never_turns_back() -> None:
    entities, length, delay = 1000, 200, 20
    shown_rows = warps(entities, length, op="time_warp", delay=delay, spacing=25)
    assert (np.diff(shown_rows, axis=0) > -1e-9).all()
    back = np.arange(length)[:, np.newaxis] - shown_rows
    assert (back >= 0).all()
    assert (back <= delay).all()
    later = back[delay:]
    # A row's delay weighs four uniform numbers, with squares that add up to 0.5 at most.
    assert (abs(later.mean(axis=1) - delay / 2) < 4 * delay * (0.5 / 12 / entities) ** 0.5).all()
    assert later.std() > 0.1 * delay


def test_a_time_warp_of_strength_nests_and_interpolates() -> None:
    weak, strong = (warps(5, 300, op="time_warp", delay=delay, spacing=50) for delay in (10, 20))
    back = [np.arange(300)[30:, np.newaxis] - rows[30:] for rows in (weak, strong)]
    np.testing.assert_allclose(2 * back[0], back[1], atol=1e-9)
    with pytest.raises(NoiseError, match="time could run backwards"):
        warps(5, 300, op="time_warp", delay=30, spacing=20)


def test_a_warp_in_time_goes_by_the_clock() -> None:
    times = np.array([0.0, 1, 2, 3, 3600, 3601, 7200])
    step = {"op": "magnitude_warp", "sigma": 0.3, "spacing": "1h"}
    every = np.array(shown([1.0] * 7201, step, list(range(7201))))
    some = np.array(shown([1.0] * 7, step, times.tolist()))
    # The knots are those of other rows, but rows of one second hardly differ.
    assert np.ptp(some[:4]) < 0.01
    assert abs(np.diff(every)).max() < 0.001
    assert np.ptp(every) > 0.05


def test_strengths_order_the_distance_from_the_truth(table: pd.DataFrame) -> None:
    clean = table[table.e == "long"].x.to_numpy()
    for op in ("lag", "low_pass", "hysteresis", "magnitude_warp", "time_warp", "sample_and_hold"):
        off = [
            np.nanmean(abs(np.array(shown(clean.tolist(), {"op": op, "severity": severity})) - clean))
            for severity in range(6)
        ]
        assert off[0] == 0
        assert all(less < more for less, more in pairwise(off)), op
