"""Which category becomes which: finer levels, shifted codes, annotators, and what the manifest tells of it.

Seeds are fixed, so the tests are certain; a count lies within 4 sd of what a binomial gives, and tests of fit fail
below a probability of 10^-4.
"""

import csv
import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from golden import changed, strike
from scipy import stats

import noisecli
from noisecli.corruptions.table.category import EncodingShift
from noisecli.corruptions.table.label import LabelFlip
from noisecli.corruptions.table.level import SplitLevel
from noisecli.streams import BLOCK

N = 6 * BLOCK
UNLIKELY = 1e-4
CLASSES = ["ant", "bee", "cat", "dog", "eel", "fox"]
MIXED = pa.array([CLASSES[i * 7919 % 2003 % 6] for i in range(N)])


def moves(before: pa.Array, after: pa.Array) -> Counter[tuple[Any, Any]]:
    """How often each value became each other one."""
    pairs = Counter(zip(before.to_pylist(), after.to_pylist(), strict=True))
    return Counter({(old, new): count for (old, new), count in pairs.items() if old != new})


def wrong(op: LabelFlip, **address: Any) -> Any:
    return changed(MIXED, strike(op, MIXED, **address).cells)


# Levels and codes


def test_a_level_splits_into_finer_ones_all_alike():
    done = strike(SplitLevel(levels={"ant": ["red ant", "wood ant", "ant"], "bee": ["bumblebee"]}), MIXED)
    found = moves(MIXED, done.cells)
    assert set(found) == {("ant", "red ant"), ("ant", "wood ant"), ("bee", "bumblebee")}
    ants = MIXED.to_pylist().count("ant")
    seen = [found["ant", "red ant"], found["ant", "wood ant"]]
    assert stats.chisquare([*seen, ants - sum(seen)]).pvalue > UNLIKELY
    assert found["bee", "bumblebee"] == MIXED.to_pylist().count("bee")


@pytest.mark.parametrize("k", [1, 2, 7, 6 * 10**30 + 1])
def test_codes_shift_along_the_sorted_categories_and_wrap_round(k):
    found = moves(MIXED, strike(EncodingShift(k=k), MIXED).cells)
    assert set(found) == {(old, CLASSES[(i + k) % 6]) for i, old in enumerate(CLASSES)}
    assert sum(found.values()) == N


def test_numbers_are_shifted_by_size_and_gaps_stay():
    cells = pa.array([100, 9, None, -1, 9], pa.int16())
    assert strike(EncodingShift(), cells).cells.to_pylist() == [-1, 100, None, 9, 100]


def test_every_row_is_shifted_unless_a_rate_says_otherwise(tmp_path):
    (tmp_path / "in.csv").write_text("c,n\n" + "b,10\na,9\nc,-1\n" * 20)
    recipe = {"noisecli": 1, "steps": [{"op": "encoding_shift", "columns": ["c", "n"]}]}
    made = noisecli.augment(tmp_path / "in.csv", recipe, tmp_path / "out.csv").output
    assert made.read_text() == "c,n\n" + "c,-1\nb,10\na,9\n" * 20


def test_what_an_earlier_step_made_is_no_code(tmp_path):
    (tmp_path / "in.csv").write_text("c\n" + "b\na\nc\n" * 30)
    steps = [
        {"op": "unseen_category", "columns": "c", "values": ["?"], "rate": 0.3},
        {"op": "encoding_shift", "columns": "c"},
    ]
    done = noisecli.augment(tmp_path / "in.csv", {"noisecli": 1, "seed": 1, "steps": steps}, tmp_path / "out.csv")
    noisy = done.output.read_text().split()[1:]
    assert noisy.count("?") == done.manifest.steps[0].columns["c"]["changed"] > 10
    pairs = zip("bac" * 30, noisy, strict=True)
    assert {pair for pair in pairs if pair[1] != "?"} == {("a", "b"), ("b", "c"), ("c", "a")}
    assert sum(done.manifest.steps[1].transitions["c"]["a"].values()) == noisy.count("b")


# Annotators


@pytest.mark.parametrize("accuracy", [0.0, 0.5, 0.8, 1.0])
def test_accuracy_is_the_share_of_right_answers(accuracy):
    count = wrong(LabelFlip(kind="annotator", accuracy=accuracy)).sum()
    assert abs(count - (1 - accuracy) * N) <= 4 * np.sqrt(N * accuracy * (1 - accuracy))


def test_an_annotator_mistakes_a_class_for_one_other_in_every_run():
    one = LabelFlip(kind="annotator", annotators=1, accuracy=0)
    habits = {seed: set(moves(MIXED, strike(one, MIXED, seed=seed).cells)) for seed in (1, 2)}
    assert habits[1] == habits[2]
    assert [old for old, _ in sorted(habits[1])] == CLASSES


def test_annotators_are_drawn_alike_and_have_habits_of_their_own():
    """With a fourth annotator each of the first three answers less often, and just as before."""
    shares = {}
    for annotators in (1, 2, 3, 4):
        found = moves(MIXED, strike(LabelFlip(kind="annotator", annotators=annotators, accuracy=0), MIXED).cells)
        shares[annotators] = {
            (old, new): count / MIXED.to_pylist().count(old) for (old, new), count in found.items()
        }  # of each class, a whole number of annotators
        for (old, _), share in shares[annotators].items():
            here = MIXED.to_pylist().count(old)
            nearest = np.rint(share * annotators) / annotators
            assert nearest > 0
            assert abs(share - nearest) <= 4 * np.sqrt(max(nearest * (1 - nearest), 1e-9) / here)
    assert set(shares[1]) < set(shares[2]) <= set(shares[3]) <= set(shares[4])


def test_habits_are_spread_over_all_other_classes():
    op = LabelFlip(kind="annotator", annotators=200, accuracy=0)
    found = moves(MIXED, strike(op, MIXED).cells)
    assert len(found) == 6 * 5
    for old in CLASSES:
        counts = np.array([count for (was, _), count in found.items() if was == old])
        # Of 200 annotators each picks one of five: a count has the spread of 200 draws, not of the rows.
        assert (np.abs(counts / counts.sum() - 0.2) <= 4 * np.sqrt(0.2 * 0.8 / 200)).all()


def test_what_good_annotators_get_wrong_worse_ones_get_wrong_alike():
    good, bad = (strike(LabelFlip(kind="annotator", accuracy=a), MIXED).cells for a in (0.9, 0.4))
    few = pa.array(changed(MIXED, good))
    assert 0 < pc.sum(few).as_py() < changed(MIXED, bad).sum()
    assert good.filter(few).equals(bad.filter(few))


def test_an_exact_share_of_each_class_is_answered_anew():
    done = strike(LabelFlip(kind="annotator", accuracy=0), MIXED, 0.3)
    assert done.counts.struck == done.counts.changed == int(0.3 * N + 0.5)
    for old, count in Counter(MIXED.to_pylist()).items():
        assert abs(sum(n for (was, _), n in moves(MIXED, done.cells).items() if was == old) - 0.3 * count) <= 1


@pytest.mark.parametrize(
    ("tail", "magnitude"), [("mid", False), ("lower", True)], ids=["signed margin", "magnitude of the margin"]
)
def test_labels_near_the_boundary_are_mistaken_most(tail, magnitude, tmp_path):
    rows = 40_000
    margin = stats.norm.ppf((np.arange(rows) * 7919 % 20_011 + 0.5) / 20_011)
    shown = np.abs(margin) if magnitude else margin
    pq.write_table(pa.table({"margin": shown, "y": np.where(margin > 0, "yes", "no")}), tmp_path / "in.parquet")
    step = {"op": "label_flip", "rate": 0.2, "mechanism": {"mar": {"columns": "margin", "tail": tail}}}
    recipe = {"noisecli": 1, "seed": 4, "data": {"label": "y"}, "steps": [step]}
    done = noisecli.augment(tmp_path / "in.parquet", recipe, tmp_path / "out.parquet")
    assert not done.manifest.steps[0].exact
    flipped = changed(pq.read_table(tmp_path / "in.parquet")["y"], pq.read_table(done.output)["y"])
    assert abs(flipped.sum() - 0.2 * rows) <= 4 * np.sqrt(rows * 0.2 * 0.8)
    by_distance = flipped[np.argsort(np.abs(margin), kind="stable")].reshape(5, -1).mean(axis=1)
    assert (np.diff(by_distance) < 0).all()
    assert by_distance[0] > 2 * by_distance[-1]


# What the manifest tells


def class_cells(path: Path, column: str) -> list[str]:
    return [row[column] for row in csv.DictReader(path.read_text().splitlines())]


def nested(found: Iterable[tuple[tuple[str, str], int]]) -> dict[str, dict[str, int]]:
    told: dict[str, dict[str, int]] = {}
    for (old, new), count in found:
        told.setdefault(old, {})[new] = count
    return told


def test_transitions_add_up_over_slabs_files_workers_and_copies(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    padding = "padding to fill the slab " * 10
    for name, rows in (("a.csv", 20_000), ("b.csv", 500)):
        lines = (f"{CLASSES[i * 7919 % 2003 % 6]},{i % 3},{padding}\n" for i in range(rows))
        (folder / name).write_text("y,code,note\n" + "".join(lines))
    steps = [
        {"op": "label_flip", "rate": 0.2},
        {"op": "category_swap", "columns": "code", "rate": 0.3},
        {"op": "missing", "columns": "note", "rate": 0.001},
    ]
    recipe = {"noisecli": 1, "seed": 3, "copies": 2, "data": {"label": "y"}, "steps": steps}
    done = noisecli.augment(folder, recipe, tmp_path / "out", workers=2)
    found: dict[str, Counter[Any]] = {"y": Counter(), "code": Counter()}
    for name in ("a.csv", "b.csv"):
        for copy in (1, 2):
            for column, counts in found.items():
                clean = class_cells(folder / name, column)
                noisy = class_cells(done.output / f"copy={copy}" / name, column)
                counts.update(pair for pair in zip(clean, noisy, strict=True) if pair[0] != pair[1])
    flips, swaps, gaps = done.manifest.steps
    assert flips.transitions == {"y": nested(found["y"].items())}
    assert swaps.transitions == {"code": nested(found["code"].items())}
    assert sum(map(Counter.total, map(Counter, flips.transitions["y"].values()))) == flips.columns["y"]["changed"]
    assert gaps.transitions is None
    written = json.loads((tmp_path / "out.noisecli.json").read_text())["steps"]
    assert [step.get("transitions") for step in written] == [flips.transitions, swaps.transitions, None]
    assert "transitions" not in written[2]
    assert "transitions" not in written[0]["columns"]["y"]
    alone = noisecli.augment(folder, recipe, tmp_path / "alone", workers=1)
    assert alone.manifest.to_bytes() == done.manifest.to_bytes()


def test_categories_are_told_as_recipes_call_them(tmp_path):
    columns = {"flag": [True, False, True, None] * 50, "code": [3, 10, -1, 3] * 50}
    coded = pa.array(["x", "y", None, "x"] * 50).dictionary_encode()
    pq.write_table(pa.table({**columns, "coded": coded}), tmp_path / "in.parquet")
    step = {"op": "category_swap", "columns": [*columns, "coded"], "rate": 1}
    done = noisecli.augment(
        tmp_path / "in.parquet", {"noisecli": 1, "seed": 1, "steps": [step]}, tmp_path / "o.parquet"
    )
    told = done.manifest.steps[0].transitions
    assert told["flag"] == {"false": {"true": 50}, "true": {"false": 100}}
    assert told["coded"] == {"x": {"y": 100}, "y": {"x": 50}}
    assert list(told["code"]) == ["-1", "3", "10"]
    assert sum(told["code"]["3"].values()) == 100


def test_only_columns_of_at_most_a_hundred_categories_are_told(tmp_path):
    table = {"few": [f"c{i % 100}" for i in range(3030)], "many": [f"c{i % 101}" for i in range(3030)]}
    pq.write_table(pa.table(table), tmp_path / "in.parquet")
    step = {"op": "category_swap", "columns": ["few", "many"], "rate": 0.5}
    done = noisecli.augment(
        tmp_path / "in.parquet", {"noisecli": 1, "seed": 1, "steps": [step]}, tmp_path / "o.parquet"
    )
    entry = done.manifest.steps[0]
    assert list(entry.transitions) == ["few"]
    assert sum(sum(row.values()) for row in entry.transitions["few"].values()) == entry.columns["few"]["changed"] > 1000


def test_each_combination_of_a_sweep_has_its_own(tmp_path):
    (tmp_path / "in.csv").write_text("y\n" + "a\nb\nc\n" * 100)
    recipe = {
        "noisecli": 1,
        "seed": 1,
        "data": {"label": "y"},
        "steps": [{"op": "label_flip", "kind": "pair"}],
        "sweep": {"steps.label_flip.rate": [0, 0.1, 1]},
    }
    done = noisecli.augment(tmp_path / "in.csv", recipe, tmp_path / "out")
    assert [step.transitions["y"] for step in done.manifest.steps] == [
        {},
        {"a": {"b": 10}, "b": {"c": 10}, "c": {"a": 10}},
        {"a": {"b": 100}, "b": {"c": 100}, "c": {"a": 100}},
    ]
    noisecli.replay(tmp_path / "out.noisecli.json", tmp_path / "in.csv", tmp_path / "again")
    assert json.loads((tmp_path / "again.noisecli.json").read_text())["steps"][1]["transitions"] == {
        "y": done.manifest.steps[1].transitions["y"]
    }


REFUSED = {
    "op: split_level, columns: [c], levels: {fly: [x, y]}": "has no category 'fly'; it has ant, bee",
    "op: split_level, columns: [c], levels: {ant: [x, x]}": "levels: 'ant' names a finer category twice",
    "op: split_level, columns: [c], levels: {ant: [ant]}": "levels: 'ant' becomes nothing but itself",
    "op: split_level, columns: [c], levels: {ant: []}": "needs at least one",
    "op: encoding_shift, columns: [c], k: 4": "has 2 categories: moved by 4 they are what they were",
    "op: encoding_shift, columns: [c], k: 0": "k: should be greater than 0",
    "op: encoding_shift, columns: [b]": "takes integer or text columns; 'b' is bool",
    "op: label_flip, columns: [c], accuracy: 0.5": "annotators and accuracy are for `kind: annotator`",
    "op: label_flip, columns: [c], kind: annotator, accuracy: 2": "accuracy: should be less than or equal to 1",
    "op: label_flip, columns: [c], kind: annotator, annotators: 0": "annotators: should be greater than 0",
    "op: label_flip, columns: [c], kind: annotator, annotators: 2000000": "annotators: should be less than or equal",
    "op: duplicate, clones: 1000000000000": "clones: should be less than or equal to 1000000",
    "op: label_flip, columns: [c], kind: annotator, matrix: {ant: {bee: 1}}": "a matrix is for `kind: matrix`",
}


@pytest.mark.parametrize("step", REFUSED)
def test_what_cannot_be_is_refused_in_one_line(step, command, recipe, tmp_path):
    (tmp_path / "in.csv").write_text("n,c,b\n" + "1,ant,true\n2,bee,false\n" * 20)
    done = command("augment", tmp_path / "in.csv", "-r", recipe(step), "-o", tmp_path / "out.csv")
    assert done.code == 2
    assert [REFUSED[step] in line for line in done.errors] == [True], done.err
    assert not (tmp_path / "out.csv").exists()
