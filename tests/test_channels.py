"""Faults between a sensor and its record: readings lost in bad stretches, channels that leak; and concepts that drift.

Seeds are fixed; statistical bounds are 4 standard errors.
"""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from noisecli import NoiseError, corrupt

N = 40_000


def a_recipe(*steps: dict[str, Any], **data: str) -> dict[str, Any]:
    return {"noisecli": 1, "seed": 4, "data": data, "steps": list(steps)}


# Intermittent


BAD = {"op": "intermittent", "columns": "x", "rate": 0.2, "mechanism": {"burst": {"length": 25}}}


def test_readings_are_lost_with_the_chance_of_gilbert_and_elliott_in_bad_stretches_only() -> None:
    rows = pd.DataFrame({"x": np.ones(N)})
    bad = corrupt(rows, a_recipe({**BAD, "loss": 1})).x.isna().to_numpy()
    lost = corrupt(rows, a_recipe({**BAD, "loss": 0.3})).x.isna().to_numpy()
    assert not (lost & ~bad).any()
    count = int(bad.sum())
    assert abs(lost.sum() - 0.3 * count) < 4 * (0.21 * count) ** 0.5
    # Within a stretch neighbours are lost independently.
    both = bad[:-1] & bad[1:]
    pairs = int(both.sum())
    assert abs((lost[:-1] & lost[1:] & both).sum() - 0.09 * pairs) < 4 * (0.09 * 0.91 * 3 * pairs) ** 0.5


def test_what_is_lost_at_a_lower_chance_is_lost_at_a_higher_one() -> None:
    rows = pd.DataFrame({"x": np.ones(2000)})
    lost = [corrupt(rows, a_recipe({**BAD, "loss": loss})).x.isna() for loss in (0, 0.2, 0.6, 1)]
    assert not lost[0].any()
    for less, more in pairwise(lost):
        assert not (less & ~more).any()
        assert less.sum() < more.sum()


@pytest.mark.parametrize(
    ("fill", "columns", "result"), [("zero", "[a, b]", "0.00,0,on\n0.00,0,off"), ("null", "[b, c]", "1.25,,\n2.50,,")]
)
def test_what_stands_for_a_lost_reading(
    fill: str, columns: str, result: str, tmp_path: Path, command: Callable[..., Any], recipe: Callable[..., Path]
) -> None:
    (tmp_path / "in.csv").write_text("a,b,c\n1.25,7,on\n2.50,8,off\n")
    path = recipe(f"op: intermittent, rate: 1, loss: 1, fill: {fill}, columns: {columns}")
    done = command("augment", tmp_path / "in.csv", "-r", path, "-o", tmp_path / "out.csv")
    assert done.code == 0, done.err
    assert (tmp_path / "out.csv").read_text() == f"a,b,c\n{result}\n"


def test_a_word_has_no_zero() -> None:
    with pytest.raises(NoiseError, match="is text, which has no 0"):
        corrupt(pd.DataFrame({"c": ["on"]}), a_recipe({"op": "intermittent", "columns": "c", "fill": "zero"}))


# Cross talk


def test_a_share_of_another_channel_leaks_whatever_its_units() -> None:
    rng = np.random.default_rng(3)
    rows = pd.DataFrame({"x": rng.normal(5, 2, 500), "y": rng.normal(-300, 100, 500)})
    rows.loc[::10, "y"] = np.nan
    step = {"op": "cross_talk", "columns": "x", "share": 0.3, "source": "y"}
    with pytest.warns(match="50 of 500 struck came out unchanged: the other column is missing"):
        done = corrupt(rows, a_recipe(step))
    leak = 0.3 * rows.x.std(ddof=0) * (rows.y - rows.y.mean()) / rows.y.std(ddof=0)
    np.testing.assert_allclose(done.x, rows.x + leak.fillna(0), rtol=1e-12)
    with pytest.warns(match="50 of 500"):
        in_other_units = corrupt(rows.assign(y=rows.y * 9 / 5 + 32), a_recipe(step))
    np.testing.assert_allclose(in_other_units.x, done.x, rtol=1e-12)


def test_without_a_source_each_column_gets_its_share_of_the_next_one() -> None:
    rng = np.random.default_rng(3)
    rows = pd.DataFrame(rng.normal(0, 1, (4000, 3)), columns=["a", "b", "c"])
    done = corrupt(rows, a_recipe({"op": "cross_talk", "columns": ["a", "b", "c"], "share": 0.5}))
    for mine, other, none in (("a", "b", "c"), ("b", "c", "a"), ("c", "a", "b")):
        leak = done[mine] - rows[mine]
        assert np.corrcoef(leak, rows[other])[0, 1] > 0.999999
        assert abs(np.corrcoef(leak, rows[none])[0, 1]) < 4 / len(rows) ** 0.5


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ({"columns": ["x"]}, "takes two columns or more, or a `source`"),
        ({"columns": ["x", "y"], "source": "y"}, "cannot leak into itself"),
        ({"columns": ["x"], "source": "z"}, "only numbers leak"),
    ],
)
def test_what_cannot_leak(step: dict[str, Any], said: str) -> None:
    rows = pd.DataFrame({"x": [1.0, 2.0], "y": [1.0, 3.0], "z": ["a", "b"]})
    with pytest.raises(NoiseError, match=said):
        corrupt(rows, a_recipe({"op": "cross_talk", **step}))


# Concepts that drift, as the documentation writes them


def test_a_gradual_drift_of_the_concept_goes_over_into_the_new_one() -> None:
    rows = pd.DataFrame({"t": pd.date_range("2024-05-01", periods=N, freq="8min"), "y": np.arange(N) % 3})
    flip = {"op": "label_flip", "kind": "pair", "columns": "y"}
    between = {"window": {"from": "2024-06-01", "to": "2024-09-01", "ramp": "up"}}
    after = {"window": {"from": "2024-09-01"}}
    steps = [
        {**flip, "id": "between", "rate": 0.5, "mechanism": between},
        {**flip, "id": "after", "rate": 1, "mechanism": after},
    ]
    done = corrupt(rows, a_recipe(*steps, time="t"))
    changed = (done.y != rows.y).to_numpy()
    assert (done.y[changed] == (rows.y[changed] + 1) % 3).all()
    when = rows.t.to_numpy()
    begin, end = np.datetime64("2024-06-01"), np.datetime64("2024-09-01")
    assert not changed[when < begin].any()
    assert changed[when >= end].all()
    place = (when - begin) / (end - begin)
    for low in (0.0, 0.25, 0.5, 0.75):
        part = changed[(place >= low) & (place < low + 0.25)]
        assert abs(part.mean() - low - 0.125) < 4 * 0.5 / len(part) ** 0.5
