"""Partners of rows where there are hardly any, where they agree in odd values, and what is left of them afterwards."""

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import noisecli
from noisecli.errors import DataProblem, NoiseWarning, RecipeProblem
from noisecli.run import augment, execute, replay

Step = dict[str, Any]

N = 3_000
NUMBERS = pa.array(np.arange(N))
PERMUTE: Step = {"op": "permute", "columns": "x"}
WITHIN: Step = {**PERMUTE, "within": "group"}
MIXUP: Step = {"op": "mixup", "columns": "x"}
MAPS = Path("/proc/self/maps")


def recipe(*steps: Step, **head: Any) -> dict[str, Any]:
    return {"noisecli": 1, "seed": 1, **head, "steps": list(steps)}


def run(table: pa.Table, *steps: Step, **head: Any) -> pa.Table:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoiseWarning)
        return noisecli.corrupt(table, recipe(*steps, **head))


# -------------------------------------------------------------------------------------------------------------- groups


@pytest.mark.parametrize("missing", [np.nan, None])
def test_rows_without_a_group_are_one_group_wherever_row_groups_are_cut(missing, tmp_path):
    groups = [missing if i % 3 == 0 else float(i % 3) for i in range(N)]
    table = pa.table({"x": NUMBERS, "group": pa.array(groups, pa.float64())})
    found = []
    for size in (700, N):
        pq.write_table(table, tmp_path / "in.parquet", row_group_size=size)
        augment(tmp_path / "in.parquet", recipe(WITHIN), tmp_path / "out.parquet", force=True)
        found.append(pq.read_table(tmp_path / "out.parquet")["x"].to_numpy())
    assert np.array_equal(*found)
    assert np.array_equal(found[0] % 3, np.arange(N) % 3)
    assert np.array_equal(np.sort(found[0]), np.arange(N))


FAR = pa.array([2**58, 0] * (N // 2), pa.timestamp("us"))  # the year 11,103


@pytest.mark.parametrize(
    "groups",
    [
        FAR,
        FAR.cast(pa.int64()).cast(pa.timestamp("ns", "Europe/Berlin")),
        pa.array([7, 8] * (N // 2), pa.date32()),
        pa.array([True, False] * (N // 2)),
        pa.array(["a", "b"] * (N // 2)).dictionary_encode(),
    ],
    ids=lambda groups: str(groups.type),
)
def test_partners_agree_in_columns_of_any_type(groups):
    new = run(pa.table({"x": NUMBERS, "group": groups}), WITHIN)["x"].to_numpy()
    assert np.array_equal(new % 2, np.arange(N) % 2)
    assert np.count_nonzero(new != np.arange(N)) > 0.99 * N


def test_partners_cannot_agree_in_nested_cells():
    table = pa.table({"x": NUMBERS, "group": pa.array([[1]] * N)})
    with pytest.raises(RecipeProblem, match=r"steps.0.within: .*'group' is list<item: int64>"):
        run(table, WITHIN)


def test_a_row_alone_in_its_group_keeps_its_value():
    groups = pa.array(["alone" if i % 100 == 0 else "many" for i in range(N)])
    groups = pa.array([f"{name} {i}" if name == "alone" else name for i, name in enumerate(groups.to_pylist())])
    new = run(pa.table({"x": NUMBERS, "group": groups}), WITHIN)["x"].to_numpy()
    alone = np.arange(N) % 100 == 0
    assert np.array_equal(new[alone], np.arange(N)[alone])
    assert np.array_equal(np.sort(new), np.arange(N))


# ---------------------------------------------------------------------------------------------------------- hardly any

FEW = pa.table({"x": [1.0, 2.0, 3.0], "group": ["a", "b", "a"], "split": ["train", "test", "test"]})
ODD = {
    "no row": FEW.slice(0, 0).drop(["split"]),
    "one row": FEW.slice(0, 1).drop(["split"]),
    "one training row": FEW,
    "no value": FEW.set_column(0, "x", pa.nulls(3, pa.float64())).drop(["split"]),
    "no group": FEW.set_column(1, "group", pa.nulls(3, pa.string())).drop(["split"]),
}


@pytest.mark.parametrize("step", [PERMUTE, WITHIN, MIXUP, {**MIXUP, "within": "class"}], ids=str)
@pytest.mark.parametrize("table", ODD.values(), ids=ODD)
def test_who_finds_no_partner_stays(table, step):
    data = {"label": "group", **({"split": "split"} if "split" in table.column_names else {})}
    new = run(table, step, data=data)
    if table is not ODD["no group"]:
        assert new.select(table.column_names).equals(table)
    assert sorted(new["x"].to_pylist(), key=str) == sorted(table["x"].to_pylist(), key=str)


@pytest.mark.parametrize("step", [{**PERMUTE, "columns": ["x", "y"]}, {**MIXUP, "columns": ["x", "y"]}], ids=str)
def test_partners_do_not_depend_on_the_order_of_the_columns(step):
    names = ["x", "y", "group"]
    table = pa.table({"x": NUMBERS, "y": NUMBERS, "group": ["a", "b"] * (N // 2)})
    new = run(table, step, data={"label": "group"})
    turned = run(table.select(names[::-1]), step, data={"label": "group"})
    assert turned.select(new.column_names).equals(new)
    same = new["x"].to_numpy() == new["y"].to_numpy()
    assert same.all() if step["op"] == "mixup" else np.count_nonzero(same) < 10  # each column has partners of its own


def test_no_training_row_is_an_error():
    table = FEW.set_column(2, "split", pa.array(["test"] * 3))
    with pytest.raises(DataProblem, match="no row is training data"):
        run(table, PERMUTE, data={"split": "split"})


# -------------------------------------------------------------------------------------------------------------- labels


def test_mixup_within_a_class_changes_no_label_and_says_so(tmp_path):
    pq.write_table(pa.table({"x": NUMBERS, "group": ["a", "b"] * (N // 2)}), tmp_path / "in.parquet")
    for within, low, high in (("class", 0, 0), ("any", 0.45 * N, 0.55 * N)):
        given = recipe({**MIXUP, "within": within}, data={"label": "group"})
        manifest = augment(tmp_path / "in.parquet", given, tmp_path / "out.parquet", force=True).manifest
        counts = manifest.steps[0].columns["group"]
        assert counts["struck"] == N
        assert low <= counts["changed"] <= high


def test_mixup_does_not_take_the_label_as_a_feature_too():
    table = pa.table({"x": NUMBERS, "group": ["a", "b"] * (N // 2)})
    with pytest.raises(RecipeProblem, match=r"mixes the label 'group' in any case"):
        run(table, {**MIXUP, "columns": ["x", "group"]}, data={"label": "group"})


# --------------------------------------------------------------------------------------------------------------- files


def a_folder(path: Path, *tables: pa.Table) -> Path:
    path.mkdir()
    for i, table in enumerate(tables):
        pq.write_table(table, path / f"{i}.parquet", row_group_size=500)
    return path


TABLE = pa.table({"x": NUMBERS, "group": ["a", "b"] * (N // 2), "half": ["c"] * (N // 2) + ["d"] * (N // 2)})


def test_sweeps_copies_and_files_share_partners_and_replay(tmp_path):
    source = a_folder(tmp_path / "in", TABLE.slice(0, 2_000), TABLE.slice(2_000))
    given = recipe(WITHIN, copies=2, sweep={"steps.permute.within": ["group", "half"]})
    outcome = augment(source, given, tmp_path / "out", workers=2)
    seen = []
    for by in ("group", "half"):
        for copy in (1, 2):
            folder = tmp_path / f"out/permute.within={by}/copy={copy}"
            new = pa.concat_tables([pq.read_table(folder / name) for name in ("0.parquet", "1.parquet")])["x"]
            values = new.to_numpy()
            assert np.array_equal(np.sort(values), np.arange(N))
            assert TABLE[by].take(pa.array(values)).equals(TABLE[by])
            seen.append(values.tobytes())
    assert len(set(seen)) == 4
    _, same, different = replay(outcome.manifest_path, source, tmp_path / "again")
    assert (same, different) == ([], [])


@pytest.mark.parametrize(
    ("second", "fault"),
    [
        (TABLE.drop(["group"]), "1.parquet: has no column 'group'"),
        (TABLE.set_column(0, "x", NUMBERS.cast(pa.float64())), "1.parquet: has another type of column 'x'"),
    ],
)
@pytest.mark.parametrize("facts", [False, True])
def test_files_that_do_not_fit_together_are_told_with_recorded_facts_too(facts, second, fault, tmp_path):
    old = augment(a_folder(tmp_path / "old", TABLE, TABLE), recipe(WITHIN), tmp_path / "first").manifest_path
    source = a_folder(tmp_path / "in", TABLE, second)
    with pytest.raises(DataProblem, match=fault):
        augment(source, recipe(WITHIN, **({"facts": str(old)} if facts else {})), tmp_path / "out")


# ----------------------------------------------------------------------------------------------------- what is left


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_nothing_is_left_of_what_was_put_aside(error, tmp_path, monkeypatch):
    pq.write_table(TABLE, tmp_path / "in.parquet")

    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(execute, "find_places", fail)
    monkeypatch.setattr(execute, "find_order", fail)
    with pytest.raises(error):
        augment(tmp_path / "in.parquet", recipe(WITHIN, {"op": "shuffle"}), tmp_path / "out.parquet")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.parquet"]
    assert not mapped()


def test_removed_files_keep_no_room_on_the_disk(tmp_path):
    pq.write_table(TABLE, tmp_path / "in.parquet")
    augment(tmp_path / "in.parquet", recipe(WITHIN), tmp_path / "out.parquet")
    run(TABLE, WITHIN)
    assert not mapped()


def mapped() -> list[str]:
    """Removed files that this process still holds in memory."""
    if not MAPS.exists():
        pytest.skip("this system does not tell what is mapped")
    return [line for line in MAPS.read_text().splitlines() if "noisecli-" in line and line.endswith("(deleted)")]


# ----------------------------------------------------------------------------------------------------------- manifests


@pytest.mark.parametrize("matrix", [[[1, 5], [5, 1]], [[-1, 0], [0, 1]]])
def test_a_recorded_covariance_that_is_none_is_refused_in_a_line(matrix, tmp_path):
    pq.write_table(pa.table({"x": NUMBERS, "y": NUMBERS}), tmp_path / "in.parquet")
    step = {"op": "correlated_noise", "columns": ["x", "y"]}
    path = augment(tmp_path / "in.parquet", recipe(step), tmp_path / "out.parquet").manifest_path
    content = json.loads(path.read_text())
    content["facts"]["covariances"][0]["matrix"] = matrix
    path.write_text(json.dumps(content))
    with pytest.raises(DataProblem, match="the manifest's covariance"):
        augment(tmp_path / "in.parquet", recipe(step, facts=str(path)), tmp_path / "again.parquet")


def test_recorded_counts_of_no_cell_are_refused_in_a_line(tmp_path):
    pq.write_table(TABLE, tmp_path / "in.parquet")
    step = {"op": "prior_shift", "columns": "group", "shares": {"a": 0.2}}
    path = augment(tmp_path / "in.parquet", recipe(step), tmp_path / "out.parquet").manifest_path
    content = json.loads(path.read_text())
    content["facts"]["columns"]["group"]["counts"] = [0, 0]
    path.write_text(json.dumps(content))
    with pytest.raises(DataProblem, match=r"counts.*greater than 0"):
        augment(tmp_path / "in.parquet", recipe(step, facts=str(path)), tmp_path / "again.parquet")
