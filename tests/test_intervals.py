"""Intervals of faults that last: the same however rows lie, and what the truth says cell by cell."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from golden import example_step

from noisecli import augment, manifest, replay
from noisecli.corruption import SeriesCorruption, registered
from noisecli.formats import csv

ROWS = 1500
ROLES = {"entity": "e", "time": "t"}
BURST = {"burst": {"length": 9}}
STEPS: dict[str, dict[str, Any]] = {
    "missing": {"op": "missing", "columns": "x", "mechanism": BURST},
    "noise": {"op": "gaussian_noise", "columns": ["x", "y"], "unit": "absolute", "mechanism": BURST},
    "typo": {"op": "typo", "columns": "w", "mechanism": BURST},
    "drop": {"op": "drop", "mechanism": {"burst": {"length": "20min"}}},
    "joint": {"op": "missing", "columns": ["x", "w"], "joint": True, "mechanism": BURST},
    "blank_row": {"op": "blank_row", "columns": ["x", "w"], "mechanism": BURST},
    "stuck": {"op": "stuck", "columns": "x", "mechanism": BURST},
    "drift": {"op": "drift", "columns": "x", "unit": "absolute", "slope": 1, "mechanism": BURST},
    "smooth": {"op": "smooth", "columns": "x"},
    "coloured": {"op": "coloured_noise", "columns": "x", "unit": "absolute", "sigma": 9},
    "window": {"op": "missing", "columns": "x", "mechanism": {"window": {"from": "2026-03-01T05:00"}}},
    "words": {"op": "typo", "columns": "w", "mechanism": {"window": {"to": "2026-03-01T05:00"}}},
    "season": {"op": "missing", "columns": "x", "mechanism": {"window": {"period": "7h"}}},
}
PER_ENTITY = [name for name in STEPS if name not in ("window", "words", "season", "smooth", "coloured")]
"""Steps whose strikes are those of the entity; the others choose by the row of the file."""

SERIES = sorted(name for (_, name), op in registered().items() if issubclass(op, SeriesCorruption))

every_step = pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)


def a_recipe(*steps: dict[str, Any], **data: str) -> dict[str, Any]:
    steps = tuple({"rate": 0.4, "id": f"s{i}", **step} for i, step in enumerate(steps))
    return {"noisecli": 1, "seed": 5, "data": data, "steps": list(steps)}


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """Interleaved rows of five entities and of none, some without a number or a time."""
    rng = np.random.default_rng(2)
    frame = pd.DataFrame(
        {
            "n": np.arange(ROWS),
            "e": rng.choice(["a", "b", "c", "once", None], ROWS, p=[0.4, 0.3, 0.28, 0.002, 0.018]),
            "x": rng.integers(0, 3, ROWS).astype(float),
            "y": rng.normal(0, 1, ROWS).round(3),
            "w": rng.choice(["red fox", "old hen"], ROWS),
        }
    )
    times = pd.Timestamp("2026-03-01") + pd.to_timedelta(rng.integers(0, 120, ROWS).cumsum(), unit="s")
    frame["t"] = times.strftime("%Y-%m-%d %H:%M:%S")
    frame.loc[rng.random(ROWS) < 0.05, "t"] = None
    frame.loc[rng.random(ROWS) < 0.1, "x"] = np.nan
    return frame


def run(frame: pd.DataFrame, folder: Path, *steps: dict[str, Any], **data: str) -> Path:
    """Write the frame and its noisy copy with a truth; return the copy."""
    folder.mkdir(exist_ok=True)
    frame.to_csv(folder / "in.csv", index=False)
    return augment(folder / "in.csv", a_recipe(*steps, **(data or ROLES)), folder / "out.csv", truth=True).output


def intervals(output: Path) -> pd.DataFrame:
    found = pq.read_table(f"{output}.noisecli-intervals.parquet").to_pandas()
    return found.astype(object).where(found.notna(), None)


def by_entity(found: pd.DataFrame) -> list[tuple[Any, ...]]:
    """Intervals without the numbers of rows in the file."""
    told = found[["entity", "column", "step", "op", "from", "to", "rows", "changed"]]
    return sorted(tuple(map(str, line)) for line in told.itertuples(index=False, name=None))


@pytest.mark.filterwarnings("ignore:.*came out unchanged")
@pytest.mark.parametrize("name", PER_ENTITY)
def test_an_entity_has_the_same_intervals_wherever_its_rows_are_and_whoever_else_is_there(
    table: pd.DataFrame, name: str, tmp_path: Path
) -> None:
    table = table[table.e.notna()]  # a row without an entity is known by its place in the file
    found = by_entity(intervals(run(table, tmp_path / "1", STEPS[name])))
    assert len({entity for entity, *_ in found}) >= 3
    contiguous = table.sort_values("e", kind="stable")
    assert by_entity(intervals(run(contiguous, tmp_path / "2", STEPS[name]))) == found
    fewer = by_entity(intervals(run(table[table.e != "a"], tmp_path / "3", STEPS[name])))
    assert fewer == [line for line in found if line[0] != "a"]


@pytest.mark.filterwarnings("ignore:.*came out unchanged")
@pytest.mark.parametrize("name", SERIES)
def test_an_op_along_series_gives_an_entity_the_same_wherever_its_rows_are(
    table: pd.DataFrame, name: str, tmp_path: Path
) -> None:
    table = table[table.e.notna()]
    op = registered()["table", name]
    given = {key: value for key, value in example_step(op).items() if key in op.model_fields}
    absolute = {"unit": "absolute"} if "unit" in op.model_fields else {}  # not a fact of all rows together
    columns = {"height": "x", "when": "t"}[example_step(op)["columns"][0]]
    step = {**given, **absolute, "op": name, "columns": columns, "mechanism": BURST}

    def told(frame: pd.DataFrame, folder: str) -> tuple[dict[Any, Any], list[tuple[Any, ...]]]:
        output = run(frame, tmp_path / folder, step)
        rows = pd.read_csv(output, dtype=str, keep_default_na=False).groupby("e")
        return {entity: own.to_numpy().tolist() for entity, own in rows}, by_entity(intervals(output))

    rows, faults = told(table, "interleaved")
    assert faults
    assert told(table.sort_values("e", kind="stable"), "contiguous") == (rows, faults)
    rows.pop("a")
    assert told(table[table.e != "a"], "fewer") == (rows, [line for line in faults if line[0] != "a"])


@every_step
def test_where_a_file_is_cut_does_not_show(
    table: pd.DataFrame, step: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(table[:300], tmp_path / "whole", step)
    for size in (150, 2000):
        monkeypatch.setattr(csv, "SLAB_BYTES", size)
        cut = run(table[:300], tmp_path / str(size), step)
        for ending in (".noisecli-intervals.parquet", ".noisecli-truth.parquet", ".noisecli.json", ""):
            assert Path(f"{cut}{ending}").read_bytes() == Path(f"{whole}{ending}").read_bytes(), (size, ending)


@every_step
@pytest.mark.parametrize("roles", [ROLES, {"time": "n"}, {"entity": "e"}, {"id": "n"}], ids=str)
def test_intervals_are_runs_of_what_the_truth_tells(
    table: pd.DataFrame, step: dict[str, Any], roles: dict[str, str], tmp_path: Path
) -> None:
    """Each change lies in one interval of its step and column; those hold nothing else, and do not touch."""
    if step["op"] == "drop" and "time" not in roles:
        step = {**step, "mechanism": BURST}
    if "window" in step.get("mechanism", ()):
        by = {} if roles.get("time") == "t" else {"by": "t"}
        step = {**step, "mechanism": {"window": {**step["mechanism"]["window"], **by}}}
    output = run(table, tmp_path / "run", step, **roles)
    found, truth = intervals(output), pq.read_table(f"{output}.noisecli-truth.parquet").to_pandas()
    names = table.e.where(table.e.notna(), "nobody " + table.n.astype(str)) if "entity" in roles else table.n * 0
    for column, told in truth[truth.step.notna()].fillna({"column": "-"}).groupby("column"):
        mine = found[found.column.fillna("-") == column].sort_values("first_row")
        assert (mine.changed.sum(), mine.changed.min() > 0) == (told.row.nunique(), True)
        for entity, own in table.groupby(names):
            here = mine[mine.first_row.isin(own.n)]
            places = own.reset_index(drop=True).n
            at = {row: place for place, row in places.items()}
            spans = [(at[first], at[last]) for first, last in zip(here.first_row, here.last_row, strict=True)]
            assert all(before[1] + 1 < after[0] for before, after in pairwise(spans)), entity
            assert [last - first + 1 for first, last in spans] == here.rows.tolist()
            changed = [places[first : last + 1].isin(told.row).sum() for first, last in spans]
            assert changed == here.changed.tolist()
            assert here.entity.isna().all() or here.entity.tolist() == [entity] * len(here)
    times = (
        [None if pd.isna(time) else str(time) for time in table[roles["time"]]] if "time" in roles else [None] * ROWS
    )
    for end, row in (("from", "first_row"), ("to", "last_row")):
        assert found[end].tolist() == [times[i] for i in found[row]]


def test_masked_words_that_stay_are_no_change(table: pd.DataFrame, tmp_path: Path) -> None:
    step = {"op": "word_mask", "columns": "w", "strategy": "bert", "rate": 0.3, "mechanism": BURST}
    output = run(table, tmp_path / "run", step)
    truth = pq.read_table(f"{output}.noisecli-truth.parquet").to_pandas()
    really = truth.before != truth.after
    assert intervals(output).changed.sum() == really.sum() < len(truth)


def test_overlapping_faults_each_keep_their_line(table: pd.DataFrame, tmp_path: Path) -> None:
    steps = STEPS["missing"], STEPS["noise"], STEPS["drift"], {**STEPS["drop"], "rate": 0.1}
    found = intervals(run(table, tmp_path / "all", *steps))
    alone = [intervals(run(table, tmp_path / str(i), {**step, "id": f"s{i}"})) for i, step in enumerate(steps)]
    assert found.step.unique().size == 4
    for told in alone[0], alone[3]:  # what comes later may find nothing left to change
        mine = found[found.step == told.step[0]]
        pd.testing.assert_frame_equal(mine.reset_index(drop=True), told)
    overlapping = found.merge(found, on=["entity", "column"])
    assert (
        (overlapping.step_x < overlapping.step_y)
        & (overlapping.first_row_x <= overlapping.last_row_y)
        & (overlapping.first_row_y <= overlapping.last_row_x)
    ).any()


def test_a_fault_goes_on_over_what_cannot_be_changed(tmp_path: Path) -> None:
    frame = pd.DataFrame({"t": np.arange(9) * 60, "x": [1.0, np.nan, 1.5, 2, np.nan, np.nan, 3, 4, np.nan]})
    where = {"t": {"ge": 120, "lt": 480}}
    step = {"op": "offset", "columns": "x", "rate": 1, "where": where, "mechanism": {"burst": {"length": "1h"}}}
    found = intervals(run(frame, tmp_path / "run", step, time="t"))
    assert found.to_dict("records") == [
        {
            "sweep": None,
            "copy": 1,
            "file": ".",
            "entity": None,
            "column": "x",
            "step": "s0",
            "op": "offset",
            "first_row": 2,
            "last_row": 7,
            "from": "120",
            "to": "420",
            "rows": 6,
            "changed": 4,
        }
    ]


def test_held_out_rows_do_not_end_a_fault(table: pd.DataFrame, tmp_path: Path) -> None:
    some = table.assign(s=np.where(np.arange(ROWS) % 3 > 0, "train", "test"))
    train = some[some.s == "train"].reset_index(drop=True)
    steps, roles = (STEPS["stuck"], STEPS["drop"]), {**ROLES, "split": "s"}
    expected = by_entity(intervals(run(train, tmp_path / "train", *steps, **roles)))
    assert by_entity(intervals(run(some, tmp_path / "some", *steps, **roles))) == expected


def test_workers_copies_files_and_sweeps(table: pd.DataFrame, tmp_path: Path, tree: Any) -> None:
    (tmp_path / "in").mkdir()
    for name, part in (("a", table[:700]), ("b", table[700:]), ("c", table)):
        part.to_csv(tmp_path / f"in/{name}.csv", index=False)
    recipe = {**a_recipe(STEPS["drop"], STEPS["stuck"], **ROLES), "copies": 2, "sweep": {"steps.s0.rate": [0, 0.2]}}
    recipe["steps"] = recipe["steps"][::-1]
    for workers in (1, 2):
        augment(tmp_path / "in", recipe, tmp_path / str(workers) / "out", truth=True, workers=workers)
    assert tree(tmp_path / "1") == tree(tmp_path / "2")
    found = intervals(tmp_path / "1/out")
    told = found.groupby(["sweep", "copy", "file", "step"]).size()
    assert set(told.index) == {
        (f"s0.rate={rate}", copy, f"{name}.csv", step)
        for rate, steps in ((0, ["s1"]), (0.2, ["s0", "s1"]))
        for copy in (1, 2)
        for name in "abc"
        for step in steps
    }
    assert found.groupby(["sweep", "copy", "file"], sort=False).ngroup().is_monotonic_increasing


def test_the_manifest_holds_the_digest_and_a_replay_makes_the_same(table: pd.DataFrame, tmp_path: Path) -> None:
    output = run(table, tmp_path, STEPS["stuck"], STEPS["window"])
    beside = Path(f"{output}.noisecli-intervals.parquet")
    made, faults = manifest.verify(output)
    assert not faults
    assert made.intervals is not None
    assert made.intervals.rows == len(intervals(output)) > 0
    done, _, different = replay(output, tmp_path / "in.csv", tmp_path / "again.csv")
    assert different == []
    assert Path(f"{done.output}.noisecli-intervals.parquet").read_bytes() == beside.read_bytes()
    kept = beside.read_bytes()
    beside.write_bytes(kept[:-1])
    assert manifest.verify(output)[1] == [f"{beside}: differs from what the manifest says"]
    beside.unlink()
    assert manifest.verify(output)[1] == [f"{beside}: missing"]
    augment(tmp_path / "in.csv", a_recipe(STEPS["stuck"], **ROLES), output, truth=True, force=True)
    assert beside.exists()
    augment(tmp_path / "in.csv", a_recipe(STEPS["stuck"], **ROLES), output, force=True)
    assert not beside.exists()
    assert manifest.verify(output)[1] == []


def test_without_a_truth_or_a_fault_that_lasts_there_are_none(table: pd.DataFrame, tmp_path: Path) -> None:
    output = run(table, tmp_path / "1", {"op": "missing", "columns": "x"}, {"op": "spike", "columns": "y"})
    assert not Path(f"{output}.noisecli-intervals.parquet").exists()
    assert manifest.read(manifest.path_for(output)).intervals is None
    frame = table.sort_values("y")  # only steps along series need times in order
    assert len(intervals(run(frame, tmp_path / "2", STEPS["window"])))
    clean = run(table, tmp_path / "3", {**STEPS["stuck"], "rate": 0})
    assert not Path(f"{clean}.noisecli-intervals.parquet").exists()


def test_every_format_tells_the_same(table: pd.DataFrame, tmp_path: Path) -> None:
    frame = table.assign(t=pd.to_datetime(table.t).astype("datetime64[s]"))
    steps = STEPS["missing"], STEPS["drop"]
    expected = by_entity(intervals(run(table, tmp_path / "csv", *steps)))
    pq.write_table(pa.Table.from_pandas(frame), tmp_path / "in.parquet", row_group_size=70)
    frame.assign(t=table.t).to_json(tmp_path / "in.jsonl", orient="records", lines=True)
    for name in ("in.parquet", "in.jsonl"):
        done = augment(tmp_path / name, a_recipe(*steps, **ROLES), tmp_path / f"out-{name}", truth=True)
        found = intervals(done.output).replace({r"\.000$": ""}, regex=True)  # Parquet counts milliseconds
        assert by_entity(found) == expected, name


@every_step
def test_a_file_without_rows_has_none(table: pd.DataFrame, step: dict[str, Any], tmp_path: Path) -> None:
    frame = table.assign(t=pd.to_datetime(table.t))
    pq.write_table(pa.Table.from_pandas(frame).slice(0, 0), tmp_path / "in.parquet")
    done = augment(tmp_path / "in.parquet", a_recipe(step, **ROLES), tmp_path / "out.parquet", truth=True)
    assert len(intervals(done.output)) == 0


def test_a_fault_of_whole_blocks_is_told_too(
    table: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such a step holds slabs back until it has seen their block."""
    (tmp_path / "blocks.py").write_text("def zero(frame, rng):\n    return frame.assign(y=0.0)\n")
    monkeypatch.syspath_prepend(tmp_path)
    step = {"op": "custom", "function": "blocks:zero", "columns": "y", "rate": 0.3, "mechanism": BURST}
    table.to_csv(tmp_path / "in.csv", index=False)
    recipe = a_recipe(step, STEPS["stuck"], **ROLES)
    told = []
    for size in (1 << 22, 900):
        monkeypatch.setattr(csv, "SLAB_BYTES", size)
        done = augment(tmp_path / "in.csv", recipe, tmp_path / f"out{size}.csv", truth=True, allow_code=True)
        told.append(Path(f"{done.output}.noisecli-intervals.parquet").read_bytes())
    assert told[0] == told[1]
    found = intervals(done.output)
    assert found.groupby("op").changed.sum()["custom"] == done.manifest.steps[0].columns["y"]["changed"] > 0


def test_an_entity_of_a_nested_type_is_no_entity_of_a_window(tmp_path: Path) -> None:
    rows = pa.table({"e": [[1], [2], [1]], "x": [1.0, 2.0, 3.0]})
    pq.write_table(rows, tmp_path / "in.parquet")
    step = {"op": "missing", "columns": "x", "rate": 1, "mechanism": {"window": {"from": 1}}}
    done = augment(tmp_path / "in.parquet", a_recipe(step, entity="e"), tmp_path / "out.parquet", truth=True)
    assert intervals(done.output)[["entity", "first_row", "last_row"]].to_numpy().tolist() == [[None, 1, 2]]
