"""Advice of `validate`: for each kind a recipe that gets it, and near misses that do not."""

import json
import sys

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from noisecli import advice
from noisecli.advice import copies
from noisecli.recipe.builtin import names as built_in

N = 200
ROLES = {"label": "churn", "split": "split", "id": "customer_id"}


@pytest.fixture(scope="module")
def frame():
    """Data with a column for each kind of trouble, and some without."""
    order = np.arange(N)
    return pd.DataFrame(
        {
            "plain": 10 + np.sin(order) * 3.21,
            "PassengerId": order + 1,
            "item_id": [f"c{i}" for i in order * 7 % N],
            "flag": order % 2,
            "levels": order % 3,
            "few": (order * 13) % 7,
            "dull": np.where(order % 33 == 0, 5.5, 0.0),
            "half": np.where(order % 5 == 0, 5.5, 0.0),
            "flat": 7.0,
            "empty": np.nan,
            "target": np.cos(order),
            "only": "red",
            "colour": np.where(order % 2, "red", "blue"),
            "upper": np.where(order % 2, "UP AND AWAY", "DOWN"),
            "text": [f"{['a', 'b', 'c'][i % 3]} word{i % 50} other" for i in order],
            "two": np.where(order % 2, "yes", "no"),
            "three": np.array(["x", "y", "z"])[order % 3],
            "fold": np.where(order % 4, "train", "test"),
            "set": np.where(order % 4, "a", "b"),
        }
    ).round(2)


def noise(columns, **more):
    return {"op": "gaussian_noise", "columns": columns, "sigma": 1.0, **more}


def flip(rate, **more):
    return {"op": "label_flip", "rate": rate, **more}


KNOWN = {"data": {"split": "fold"}}
TWO, THREE = ({"copies": 5, "data": {"label": label, "split": "fold"}} for label in ("two", "three"))
MATRIX = {"kind": "matrix", "matrix": {"x": {"y": 0.6, "x": 0.4}}, "rate": 1.0}
MISSING, UPPER = {"op": "missing", "columns": "plain"}, {"op": "case", "columns": "text", "to": "upper", "rate": 1}
TURNED = {"op": "sign_flip", "columns": "plain", "rate": 1}
ROUND = {**KNOWN, "purpose": "evaluate"}

CASES = {
    # what it is about: [steps, head] that get it, [steps, head] that do not
    "split": ([[noise("plain")], {}], [[noise("plain")], KNOWN]),
    "split, minded": ([[noise("plain")], {}], [[noise("plain", where={"fold": "train"})], {}]),
    "where": ([[noise("plain", where={"fold": "test"})], KNOWN], [[noise("plain", where={"fold": "train"})], KNOWN]),
    "purpose": ([[noise("plain")], ROUND], [[noise("plain")], KNOWN]),
    "id": ([[noise("numeric")], KNOWN], [[noise(["PassengerId", "plain"])], KNOWN]),
    "id, given": ([[noise("*Id")], KNOWN], [[noise("numeric")], {"data": {"split": "fold", "id": "PassengerId"}}]),
    "id, by name": (
        [[{"op": "typo", "columns": "item*", "rate": 1}], KNOWN],
        [[{"op": "typo", "columns": "t*"}], KNOWN],
    ),
    "label": ([[noise("numeric")], KNOWN], [[noise("target")], KNOWN]),
    "code": ([[noise("f*")], KNOWN], [[noise("l*")], KNOWN]),
    "variance": ([[noise("dull")], KNOWN], [[noise("half")], KNOWN]),
    "variance, spared": ([[noise("dull")], KNOWN], [[noise("dull", where={"dull": {"ne": 0}})], KNOWN]),
    "empty": ([[{"op": "missing", "columns": "e*"}], KNOWN], [[{"op": "missing", "columns": "dull"}], KNOWN]),
    "rate": ([[noise("plain", rate=0.004)], KNOWN], [[noise("plain", rate=0.02)], KNOWN]),
    "rate, over columns": ([[noise("few", rate=0.004)], KNOWN], [[noise("numeric", rate=0.004)], KNOWN]),
    "constant": ([[noise("flat")], KNOWN], [[noise("flat", unit="absolute")], KNOWN]),
    "unit": ([[noise("plain", sigma=11)], KNOWN], [[noise("plain", sigma=11, unit="absolute")], KNOWN]),
    "unit, sigma": ([[noise("plain", sigma=500)], KNOWN], [[noise("plain", sigma=9)], KNOWN]),
    "resolution": ([[noise("few", sigma=0.05)], KNOWN], [[noise("few")], KNOWN]),
    "resolution, decimals": ([[noise("few", sigma=0.05)], KNOWN], [[noise("few", sigma=0.05, decimals=3)], KNOWN]),
    "unchanged": (
        [[{"op": "category_swap", "columns": "only"}], KNOWN],
        [[{"op": "category_swap", "columns": "colour"}], KNOWN],
    ),
    "eligible": ([[{**UPPER, "columns": "upper"}], KNOWN], [[UPPER], KNOWN]),
    "eligible, where": ([[noise("plain", where={"few": 9})], KNOWN], [[noise("plain", where={"few": 6})], KNOWN]),
    "rows": ([[{"op": "drop", "rate": 1}], {}], [[{"op": "drop", "rate": 0.5}], {}]),
    "void": ([[{**MISSING, "rate": 0.9}, noise("plain")], KNOWN], [[{**MISSING, "rate": 0.5}, noise("plain")], KNOWN]),
    "vain": ([[noise("plain"), {**MISSING, "rate": 1}], KNOWN], [[noise("plain"), {**MISSING, "rate": 0.5}], KNOWN]),
    "vain, undone": ([[TURNED, {**TURNED, "id": "b"}], KNOWN], [[TURNED, {**TURNED, "id": "b", "rate": 0.3}], KNOWN]),
    "vain, added": (
        [[noise("plain"), {"op": "constant", "columns": "plain", "rate": 1}], KNOWN],
        [[{"op": "constant", "columns": "plain", "rate": 1}, noise("plain")], KNOWN],
    ),
    "few": ([[flip(0.2)], {"data": {"label": "two", "split": "fold"}}], [[flip(0.2)], TWO]),
    "limit": ([[flip(0.5)], TWO], [[flip(0.49)], TWO]),
    "limit, three": ([[flip(0.67)], THREE], [[flip(0.66)], THREE]),
    "limit, pair": ([[flip(0.5, kind="pair")], THREE], [[flip(0.49, kind="pair")], THREE]),
    "limit, own": ([[flip(1, include_self=True)], THREE], [[flip(0.95, include_self=True)], THREE]),
    "limit, matrix": (
        [[{"op": "label_flip", **MATRIX}], THREE],
        [[{"op": "label_flip", **MATRIX, "rate": 0.8}], THREE],
    ),
    "labels": ([[flip(0.2)], {**TWO, "purpose": "evaluate"}], [[flip(0.2)], TWO]),
    "copies": ([[{"op": "duplicate", "rate": 0.2}], {}], [[{"op": "duplicate", "rate": 0.2}], KNOWN]),
    "copies, told": ([[{"op": "resample"}], {}], [[{"op": "resample"}], {"data": {"source_row": True}}]),
    "copies, merged": (
        [[noise("plain")], {"copies": 2, "layout": "merged"}],
        [[noise("plain")], {"copies": 2, "layout": "copies"}],
    ),
    "pairs": ([[{"op": "permute", "columns": "plain"}], {}], [[{"op": "permute", "columns": "plain"}], KNOWN]),
}


@pytest.fixture
def advised(tmp_path):
    """What is advised on a recipe for some data: a DataFrame, written in a format, or what is there."""

    def call(given, steps, suffix=".csv", **head):
        path = given
        if isinstance(given, pd.DataFrame):
            path = tmp_path / f"in{suffix}"
            (given.to_parquet if suffix == ".parquet" else given.to_csv)(path, index=False)
        return advice.examine(path, {"noisecli": 1, "seed": 1, **head, "steps": steps})[1]

    return call


def kinds(found):
    return {line.about for line in found}


@pytest.mark.parametrize("name", CASES)
def test_advice_is_given_where_it_belongs_and_nowhere_near(advised, frame, name):
    about = name.partition(",")[0]
    (steps, head), (other_steps, other_head) = CASES[name]
    assert about in kinds(advised(frame, steps, **head))
    assert about not in kinds(advised(frame, other_steps, **other_head))


def test_lines_say_what_where_and_what_to_do(advised, frame):
    steps = [{"op": "missing", "id": "gone", "columns": "plain", "rate": 1}, noise(["plain", "few"], sigma=0.05)]
    void, coarse = sorted(map(str, advised(frame, steps, **KNOWN)), reverse=True)
    assert void == (
        "step 'gaussian_noise', column 'plain': step 'gone' removed 100 % of what it strikes: put it first, "
        "or lower that rate"
    )
    assert coarse.startswith(
        "step 'gaussian_noise', column 'few': 100 % of its strikes change nothing, being smaller than"
    )
    (limit,) = advised(frame, [flip(0.5)], **TWO)
    assert str(limit).endswith("which no method can learn: stay below 0.5")


def test_typed_columns_have_a_resolution_too(advised, frame):
    weak = advised(frame, [noise("few", sigma=0.05)], suffix=".parquet", **KNOWN)
    assert "resolution" in kinds(weak)
    assert not kinds(advised(frame, [noise("few"), noise("plain", id="b", sigma=0.01)], suffix=".parquet", **KNOWN))


@pytest.mark.parametrize(
    ("folder", "told"), [("val_images", True), ("val2017", False), ("x_test", True), ("val", False), ("latest", False)]
)
def test_folders_that_look_held_out(advised, frame, tmp_path, folder, told):
    for name in ("train", folder):
        (tmp_path / "data" / name).mkdir(parents=True)
        frame.drop(columns="fold").to_csv(tmp_path / "data" / name / "part.csv", index=False)
    assert ("split" in kinds(advised(tmp_path / "data", [noise("plain")]))) is told


@pytest.mark.parametrize(("name", "told"), [("x_test.csv", True), ("contest.csv", False)])
def test_files_that_look_held_out(advised, frame, tmp_path, name, told):
    frame.drop(columns="fold").to_csv(tmp_path / name, index=False)
    assert ("split" in kinds(advised(tmp_path / name, [noise("plain")]))) is told


def test_training_folders_under_evaluate(advised, frame, tmp_path):
    for name in ("train", "test"):
        (tmp_path / name).mkdir()
        frame.drop(columns="fold").to_csv(tmp_path / name / "part.csv", index=False)
    assert kinds(advised(tmp_path / "train", [noise("plain")], purpose="evaluate")) == {"purpose"}
    assert not advised(tmp_path / "test", [noise("plain")], purpose="evaluate")


def test_rows_that_are_in_both_splits_already(advised, frame, tmp_path, monkeypatch):
    columns = ["plain", "few", "text", "fold"]
    test = frame.fold == "test"
    leaking = frame[columns].copy()
    leaking.loc[test.to_numpy().nonzero()[0][:3], columns[:3]] = frame.loc[[1, 2, 3], columns[:3]].to_numpy()
    (line,) = advised(leaking, [noise("plain")], **KNOWN)
    assert str(line).startswith(f"column 'fold': 3 of {test.sum()} held-out rows are the same as a training row")
    assert not advised(frame[columns], [noise("plain")], **KNOWN)
    numbered = leaking.assign(PassengerId=frame.PassengerId)
    assert advised(numbered, [noise("plain")], data={"split": "fold", "id": "PassengerId"}) == [line]
    assert not advised(leaking[["plain", "few", "fold"]], [noise("plain")], **KNOWN), "two columns agree by chance"
    answers = frame[["few", "levels", "flag", "two", "fold"]]
    assert not advised(answers, [{"op": "missing", "columns": "few"}], **KNOWN)
    monkeypatch.setattr(copies, "MOST_ROWS", 50)
    leaking[::-1].to_parquet(tmp_path / "groups.parquet", row_group_size=50, index=False)
    assert not advised(tmp_path / "groups.parquet", [noise("plain")], **KNOWN), "no more is read"


@pytest.mark.parametrize(
    ("side", "step", "told"),
    [
        (32, {"op": "gaussian_noise", "severity": 5, "scale": "none"}, True),
        (32, {"op": "gaussian_noise", "severity": 5}, False),
        (32, {"op": "jpeg_compression"}, True),
        (32, {"op": "jpeg_compression", "quality": 60}, False),
        (224, {"op": "gaussian_noise", "severity": 5, "scale": "none"}, False),
        (32, {"op": "cutout", "severity": 5, "scale": "none"}, False),
    ],
)
def test_presets_too_strong_for_small_images(advised, tmp_path, side, step, told):
    for name in "abc":
        Image.new("RGB", (side, side), (90, 120, 30)).save(tmp_path / f"{name}.png")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    assert ("size" in kinds(advised(tmp_path, [step]))) is told


def test_what_holds_for_a_whole_sweep_names_no_part_of_it(advised, frame, tmp_path):
    (tmp_path / "train").mkdir()
    frame.to_csv(tmp_path / "train" / "a.csv")
    sweep = {"severity": [0, 1, 2], "steps": "alone"}
    step = {"op": "gaussian_noise", "columns": "plain", "severity": 1}
    (found,) = advised(tmp_path / "train", [step], purpose="evaluate", sweep=sweep)
    assert (found.about, found.sweep) == ("purpose", None)


def test_a_sweep_says_a_thing_once_and_where_it_begins(advised, frame):
    for values, first in (([0.01, 0.05, 2.0], 0.01), ([2.0, 1.0, 0.05], 0.05)):
        found = advised(frame, [noise("few")], sweep={"steps.gaussian_noise.sigma": values}, **KNOWN)
        assert [(line.about, line.sweep) for line in found] == [("resolution", f"gaussian_noise.sigma={first}")]


def test_of_several_files_the_largest_is_tried(advised, frame, tmp_path):
    for name, rows in (("a", 3), ("b", N), ("c", 3)):
        frame[:rows].to_csv(tmp_path / f"{name}.csv", index=False)
    assert kinds(advised(tmp_path, [noise("few", sigma=0.05)], **KNOWN)) == {"resolution"}


def test_nobody_elses_code_runs(advised, frame, tmp_path, monkeypatch):
    (tmp_path / "damage_of_mine.py").write_text("raise RuntimeError('imported')\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    step = {"op": "custom", "columns": ["plain"], "function": "damage_of_mine:lose", "rate": 0.5}
    found = advised(frame, [step, {**MISSING, "rate": 1}, noise("plain")], **KNOWN)
    assert kinds(found) == {"void"}
    assert "damage_of_mine" not in sys.modules


def test_what_would_stop_the_run_is_said(advised, frame):
    data = {"split": "fold", "time": "few"}
    found = advised(frame, [{"op": "lag", "columns": "plain"}], data=data)
    assert [line.about for line in found] == ["trial"]
    assert "sort the rows by 'few'" in str(found[0])


def test_validate_warns_and_augment_does_not(command, frame, recipe, tmp_path):
    given, asked = tmp_path / "in.csv", recipe("op: gaussian_noise, columns: flat", data="{split: fold}")
    frame.to_csv(given, index=False)
    result = command("validate", asked, given)
    assert result.code == 0
    assert [
        line for line in result.err.splitlines() if line.startswith("warning: step 'gaussian_noise', column 'flat'")
    ]
    told = command("validate", asked, given, "--json").json
    assert [(line["about"], line["step"], line["columns"]) for line in told["advice"]] == [
        ("constant", "gaussian_noise", ["flat"])
    ]
    assert told["warnings"] == []
    dry = command("augment", given, "-r", asked, "-o", tmp_path / "out.csv", "--dry-run", "--json")
    assert "advice" not in dry.json
    done = command("augment", given, "-r", asked, "-o", tmp_path / "out.csv")
    assert "equal, so noise" not in done.err
    manifest = json.loads((tmp_path / "out.csv.noisecli.json").read_text())
    assert set(manifest["facts"]["columns"]) == {"flat", "fold"}


@pytest.mark.parametrize("name", sorted(built_in()))
def test_recipes_that_come_along_raise_no_false_alarm(sample, name):
    on_images = name.startswith("imagenet")
    sets = [] if on_images else [(f"data.{role}", column, "--set") for role, column in ROLES.items()]
    data = sample / ("images/val" if on_images else "customers.csv")
    _, found = advice.examine(data, f"builtin:{name}", overrides=sets)
    # Its weakest noise is less than one visit, or year of age.
    assert kinds(found) <= ({"resolution"} if name == "weak-to-strong" else set())


@pytest.mark.parametrize(
    ("name", "data"), [("customers", "customers.csv"), ("training", "customers.parquet"), ("photos", "images")]
)
def test_examples_raise_no_false_alarm(sample, name, data):
    assert not advice.examine(sample / data, sample.parent / "examples" / f"{name}.yaml")[1]
