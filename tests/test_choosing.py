"""Which cells a step strikes: one mask for all columns, missingness patterns, missing cells, combinations, words.

Seeds are fixed, so the tests are certain; the bounds are 4 standard deviations of a count of independent strikes.
"""

import json
import warnings
from collections.abc import Callable
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from scipy.special import expit

import noisecli
from noisecli.corruption import CellCorruption, registered
from noisecli.errors import NoiseError, NoiseWarning
from noisecli.formats import csv as csv_format
from noisecli.run import execute
from noisecli.streams import BLOCK

Command = Callable[..., Any]
Mask = NDArray[np.bool_]
Step = dict[str, Any]

N = 6 * BLOCK + 1_700
RATES = [0.01, 0.1, 0.5]
MECHANISMS: list[Any] = [
    "mcar",
    {"mar": {"columns": "x"}},
    {"burst": {"length": 12}},
    {"clustered": ["g", "h"]},
    {"window": {"from": 2_000, "to": 100_000, "ramp": "up"}},
]
"""One of each that chooses whole rows."""

rng = np.random.Generator(np.random.PCG64(4))
FRAME = pd.DataFrame({"x": rng.normal(size=N), "a": 1.0, "b": 2.5, "c": "u", "g": rng.integers(0, 400, N)})
FRAME["h"] = np.where(FRAME["g"] % 2 == 0, np.arange(N) % 3, 7)


def a_step(**keys: Any) -> Step:
    return {"op": "missing", "columns": ["a", "b", "c"], "rate": 0.1, **keys}


PATTERNS = [{"columns": ["a", "b"], "weight": 3}, {"columns": "c"}, {"columns": ["c", "a"], "weight": 0.5}]


def by_patterns(rate: float = 0.1, **keys: Any) -> Step:
    return {"op": "missing", "rate": rate, "patterns": PATTERNS, **keys}


def a_recipe(*steps: Step, **head: Any) -> dict[str, Any]:
    return {"noisecli": 1, "seed": 8, **head, "steps": list(steps)}


def corrupt(step: Step, frame: pd.DataFrame = FRAME, **head: Any) -> pd.DataFrame:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoiseWarning)
        return noisecli.corrupt(frame, a_recipe(step, **head))


def gone(step: Step, frame: pd.DataFrame = FRAME, **head: Any) -> NDArray[np.bool_]:
    """Which cells of a, b and c become missing, a column each."""
    names = ["a", "b", "c"]
    return np.asarray(corrupt(step, frame, **head)[names].isna() & ~frame[names].isna())


def assert_share(count: int, n: int, share: float) -> None:
    assert abs(count - n * share) <= 4 * np.sqrt(n * share * (1 - share)), (count, n * share)


# ------------------------------------------------------------------------------------------------ joint


@pytest.mark.parametrize("mechanism", MECHANISMS, ids=str)
def test_a_joint_step_strikes_the_same_rows_in_all_columns(mechanism: Any) -> None:
    masks = gone(a_step(joint=True, mechanism=mechanism))
    assert (masks == masks[:, :1]).all()
    assert 0.02 < masks[:, 0].mean() < 0.2
    apart = gone(a_step(joint=False, mechanism=mechanism))
    assert (apart[:, 0] != apart[:, 1]).any()
    np.testing.assert_array_equal(apart, gone(a_step(mechanism=mechanism)))


@pytest.mark.parametrize("rate", RATES)
def test_a_joint_step_has_the_rate(rate: float) -> None:
    assert_share(gone(a_step(joint=True, rate=rate))[:, 2].sum(), N, rate)
    mar = gone(a_step(joint=True, rate=rate, mechanism={"mar": {"columns": "x"}}))[:, 0]
    assert_share(mar.sum(), N, rate)
    assert FRAME["x"][mar].mean() > 0.3


def test_each_column_of_a_joint_step_keeps_its_own_eligibility() -> None:
    frame = FRAME.assign(a=FRAME["a"].where(FRAME.index % 2 == 0))
    masks = gone(a_step(joint=True, rate=0.4), frame)
    np.testing.assert_array_equal(masks, gone(a_step(joint=True, rate=0.4)) & frame[["a", "b", "c"]].notna())


def test_an_op_draws_for_each_column_of_a_joint_step() -> None:
    step = {"op": "gaussian_noise", "columns": ["a", "b"], "sigma": 1, "unit": "absolute", "joint": True, "rate": 0.2}
    done = corrupt(step)
    a, b = done["a"] - FRAME["a"], done["b"] - FRAME["b"]
    np.testing.assert_array_equal(a != 0, b != 0)
    assert abs(np.corrcoef(a[a != 0], b[a != 0])[0, 1]) < 4 / np.sqrt((a != 0).sum())


def test_a_label_op_may_be_joint() -> None:
    frame = FRAME.assign(c=np.where(FRAME["x"] > 0, "u", "v"), d=np.where(FRAME["x"] > 1, "u", "v"))
    done = corrupt({"op": "label_flip", "columns": ["c", "d"], "rate": 0.2, "joint": True}, frame)
    np.testing.assert_array_equal(done["c"] != frame["c"], done["d"] != frame["d"])
    assert_share((done["c"] != frame["c"]).sum(), N, 0.2)


# ------------------------------------------------------------------------------------------------ patterns


@pytest.mark.parametrize("rate", RATES)
def test_patterns_have_their_shares_of_the_struck_rows(rate: float) -> None:
    masks = gone(by_patterns(rate))
    struck = masks.any(axis=1)
    assert_share(struck.sum(), N, rate)
    for pattern, share in {(1, 1, 0): 3 / 4.5, (0, 0, 1): 1 / 4.5, (1, 0, 1): 0.5 / 4.5}.items():
        assert_share((masks == pattern).all(axis=1).sum(), struck.sum(), share)
    assert {tuple(row) for row in np.unique(masks, axis=0).astype(int).tolist()} <= {
        (0, 0, 0),
        (1, 1, 0),
        (0, 0, 1),
        (1, 0, 1),
    }


@pytest.mark.parametrize("mechanism", MECHANISMS, ids=str)
def test_patterns_leave_the_strikes_of_the_rows_alone(mechanism: Any) -> None:
    joint = gone(a_step(joint=True, mechanism=mechanism))[:, 0]
    np.testing.assert_array_equal(gone(by_patterns(mechanism=mechanism)).any(axis=1), joint)
    np.testing.assert_array_equal(gone(by_patterns(mechanism=mechanism, columns=["b", "c", "a"])).any(axis=1), joint)


def test_patterns_work_with_other_ops() -> None:
    step = {"op": "offset", "amount": 4, "unit": "absolute", "rate": 0.5}
    done = corrupt({**step, "patterns": [{"columns": "a"}, {"columns": "b", "weight": 9}]})
    a, b = (done["a"] == 5).to_numpy(), (done["b"] == 6.5).to_numpy()
    assert not (a & b).any()
    assert_share(a.sum(), N, 0.05)
    assert_share(b.sum(), N, 0.45)


def test_counts_of_patterns_are_of_cells_that_could_be_struck(tmp_path: Path) -> None:
    FRAME.head(5_000).assign(c=["u", None] * 2_500).to_csv(tmp_path / "in.csv", index=False)
    entry = noisecli.augment(tmp_path / "in.csv", a_recipe(by_patterns(0.5)), tmp_path / "out.csv").manifest.steps[0]
    assert [entry.columns[name]["eligible"] for name in "abc"] == [5_000, 5_000, 2_500]
    assert entry.rates == {"a": pytest.approx(0.5 * 3.5 / 4.5), "b": pytest.approx(1 / 3), "c": pytest.approx(1 / 6)}
    out = pd.read_csv(tmp_path / "out.csv")
    assert entry.columns["b"]["struck"] == entry.columns["b"]["changed"] == out["b"].isna().sum()


def test_rates_of_patterns_are_no_reason_to_warn() -> None:
    """Of a column that a tenth of the struck rows concern, a tenth of the rate is expected."""
    step = {"op": "missing", "rate": 0.5, "patterns": [{"columns": "a"}, {"columns": "b", "weight": 9}]}
    for mechanism in MECHANISMS:
        noisecli.corrupt(FRAME, a_recipe({**step, "rate": 0.3, "mechanism": mechanism}))


# ------------------------------------------------------------------------------------------------ the promises


STEPS = {
    **{f"joint {mechanism}": a_step(joint=True, mechanism=mechanism) for mechanism in MECHANISMS},
    "patterns": by_patterns(),
    "patterns, mar": by_patterns(mechanism=MECHANISMS[1]),
}


@pytest.mark.parametrize("name", STEPS)
def test_strikes_nest_over_rates(name: str) -> None:
    masks = [gone({**STEPS[name], "rate": rate}) for rate in (0, 0.01, 0.1, 0.11, 0.5, 0.9, 1)]
    assert all((~low | high).all() for low, high in pairwise(masks))
    assert not masks[0].any()


@pytest.mark.parametrize("suffix", ["csv", "parquet", "jsonl"])
def test_the_cut_of_the_work_does_not_matter(suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = [{**step, "id": f"s{i}", "rate": 0.1} for i, step in enumerate(STEPS.values())]
    frame = FRAME.head(2 * BLOCK + 99).round(4)
    source = write(tmp_path / f"in.{suffix}", frame)
    expected = noisecli.corrupt(frame, a_recipe(*steps[:1]))[["a", "b", "c"]].isna()
    for i, step in enumerate(steps):
        expected = noisecli.corrupt(frame, a_recipe(step))[["a", "b", "c"]].isna()
        for slab, tasks, workers in ((300_000, 1, 2), (77_777, 3, 1)):
            if i % 2 == workers % 2:
                continue  # half of them each
            monkeypatch.setattr(csv_format, "SLAB_BYTES", slab)
            monkeypatch.setattr(execute, "TASK_SLABS", tasks)
            out = noisecli.augment(source, a_recipe(step), tmp_path / f"{slab}-{i}.{suffix}", workers=workers).output
            pd.testing.assert_frame_equal(read(out)[["a", "b", "c"]].isna(), expected)


def write(path: Path, frame: pd.DataFrame) -> Path:
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    elif path.suffix == ".jsonl":
        frame.to_json(path, orient="records", lines=True)
    else:
        frame.to_parquet(path, row_group_size=7_000)
    return path


def read(path: Path) -> pd.DataFrame:
    if path.suffix == ".csv":
        return pd.read_csv(path)
    return pd.read_json(path, lines=True) if path.suffix == ".jsonl" else pd.read_parquet(path)


@pytest.mark.parametrize("step", [by_patterns(0.2, mechanism=MECHANISMS[1]), a_step(joint=True)], ids=str)
def test_replay_and_truth_agree(step: Step, tmp_path: Path, command: Command) -> None:
    source = write(tmp_path / "in.csv", FRAME.head(20_000).round(4))
    out = noisecli.augment(source, a_recipe(step), tmp_path / "out.csv", truth=True).output
    result = command("replay", out, "--input", source, "-o", tmp_path / "again.csv")
    assert result.code == 0, result.err
    assert (tmp_path / "again.csv").read_bytes() == out.read_bytes()
    truth = pd.read_parquet(tmp_path / "out.csv.noisecli-truth.parquet")
    for name in "abc":
        rows = truth["row"][truth["column"] == name]
        assert sorted(rows) == np.flatnonzero(read(out)[name].isna()).tolist()


# ------------------------------------------------------------------------------------------------ nulls


FILL = {"op": "impute_constant", "columns": "v", "rate": 1, "nulls": "strike", "where": {"v": {"null": True}}}


def test_gaps_are_filled_in_as_plain_values(tmp_path: Path, rows_of: Any) -> None:
    text = 'k,v,w\n1,,x\n2,5,"q ""r"""\n3,NA,""\n4,7,\n5, ,z\n6,5,z\n'
    (tmp_path / "in.csv").write_text(text)
    words = {"op": "disguised_missing", "tokens": ["?"], "columns": "w", "where": {"w": {"null": True}}}
    steps = [FILL, {**FILL, **words}]
    outcome = noisecli.augment(tmp_path / "in.csv", a_recipe(*steps), tmp_path / "out.csv", truth=True)
    filled = 'k,v,w\n1,5,x\n2,5,"q ""r"""\n3,5,""\n4,7,?\n5, 5,z\n6,5,z\n'
    assert outcome.output.read_text() == filled
    counts = outcome.manifest.steps[0].columns["v"]
    assert [counts[key] for key in ("eligible", "struck", "changed", "void", "inexact")] == [3, 3, 3, 0, 0]
    truth = pd.read_parquet(tmp_path / "out.csv.noisecli-truth.parquet")
    assert truth["row"][truth["column"] == "v"].tolist() == [0, 2, 4]


@pytest.mark.parametrize("rate", RATES)
def test_missing_cells_are_struck_like_others(rate: float) -> None:
    frame = FRAME.assign(v=np.where(FRAME.index % 4 == 0, np.nan, 3.25))
    step = {"op": "constant", "columns": "v", "value": -1, "rate": rate}
    skip, strike = (corrupt({**step, "nulls": how}, frame)["v"] == -1 for how in ("skip", "strike"))
    assert_share(strike.sum(), N, rate)
    assert_share(strike[::4].sum(), len(strike[::4]), rate)
    assert not skip[::4].any()
    np.testing.assert_array_equal(skip, strike & frame["v"].notna())
    pd.testing.assert_series_equal(corrupt(step, frame)["v"] == -1, skip)


OPS: dict[str, tuple[dict[str, Any], pa.Array]] = {
    "impute_constant": ({}, pa.array([None, "u", "w", "w"] * 50)),
    "disguised_missing": ({}, pa.array([None, 3_000_000, 10, 20] * 50, pa.timestamp("us"))),
    "unseen_category": ({"values": [8, 9]}, pa.array([None, 1, 2, 2] * 50, pa.int32())),
    "constant": ({"value": "mean"}, pa.array([None, 1.5, float("nan"), 2.5] * 50)),
    "impulse": ({}, pa.array([None, 2, 3, 4] * 50, pa.decimal128(7, 2))),
}


def test_ops_that_fill_nulls_are_tested() -> None:
    fill = {op.name for op in registered().values() if issubclass(op, CellCorruption) and op.fills_nulls}
    assert fill == set(OPS)


def write_table(path: Path, table: pa.Table) -> Path:
    if path.suffix == ".csv":
        pa.csv.write_csv(table.set_column(1, "v", table["v"].cast(pa.string())), path)
        path.write_text(path.read_text().replace('"', "").replace("nan", ""))
    elif path.suffix == ".jsonl":
        rows = [{"n": row["n"], "v": row["v"] if row["v"] == row["v"] else None} for row in table.to_pylist()]
        path.write_text("".join(json.dumps(row, default=plainly) + "\n" for row in rows))
    else:
        pq.write_table(table, path)
    return path


def plainly(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal) else value.isoformat()


@pytest.mark.parametrize("suffix", ["csv", "parquet", "jsonl"])
@pytest.mark.parametrize("op", OPS)
def test_every_such_op_fills_gaps_in_every_format(op: str, suffix: str, tmp_path: Path) -> None:
    parameters, cells = OPS[op]
    source = write_table(tmp_path / f"in.{suffix}", pa.table({"n": range(len(cells)), "v": cells}))
    step = {"op": op, "columns": "v", "rate": 1, "nulls": "strike", **parameters}
    outcome = noisecli.augment(source, a_recipe(step), tmp_path / f"out.{suffix}")
    assert read(outcome.output)["v"].notna().all()
    counts = outcome.manifest.steps[0].columns["v"]
    assert counts["eligible"] == counts["struck"] == len(cells)
    assert counts["void"] == counts["inexact"] == 0
    assert counts["changed"] >= 50
    noisecli.augment(source, {**outcome.manifest.recipe}, tmp_path / f"again.{suffix}")
    assert (tmp_path / f"again.{suffix}").read_bytes() == outcome.output.read_bytes()


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_an_exact_number_of_missing_cells_is_struck(suffix: str, tmp_path: Path) -> None:
    frame = pd.DataFrame({"n": np.arange(9_000), "v": np.where(np.arange(9_000) % 3 == 0, np.nan, 2.5)})
    source = write(tmp_path / f"in.{suffix}", frame)
    for where, struck in (({}, 900), ({"where": {"v": {"null": True}}}, 300)):
        step = {"op": "constant", "value": 7, "columns": "v", "rate": 0.1, "exact": True, "nulls": "strike", **where}
        outcome = noisecli.augment(source, a_recipe(step), tmp_path / f"out.{suffix}", force=True)
        assert outcome.manifest.steps[0].columns["v"]["struck"] == struck
        assert (read(outcome.output)["v"] == 7).sum() == struck


def test_a_row_without_the_key_stays_without_it(tmp_path: Path) -> None:
    lines = ['{"n": 1, "v": null}', '{"n": 2}', '{"n": 3, "v": 4.5}', '{"v": 5, "n": 4}'] * 30
    (tmp_path / "in.jsonl").write_text("\n".join(lines) + "\n")
    for exact, mechanism in ((True, "mcar"), (False, {"mar": {"columns": "n"}})):
        step = {**FILL, "op": "disguised_missing", "tokens": ["-9"], "exact": exact, "mechanism": mechanism}
        outcome = noisecli.augment(tmp_path / "in.jsonl", a_recipe(step), tmp_path / "out.jsonl", force=True)
        assert outcome.manifest.steps[0].columns["v"]["eligible"] == 30
        found = outcome.output.read_text().splitlines()
        assert found[1] == lines[1]
        assert '"v": null' not in outcome.output.read_text()


def test_what_an_earlier_step_removed_is_filled_in_too() -> None:
    steps = [a_step(rate=0.3), {"op": "constant", "columns": "a", "value": 9, "rate": 1, "nulls": "strike"}]
    assert (noisecli.corrupt(FRAME, a_recipe(*steps))["a"] == 9).all()


def test_a_mar_curve_counts_the_missing_cells() -> None:
    frame = FRAME.assign(v=np.where(FRAME["x"] > 0, np.nan, 3.25))
    step = {"op": "constant", "columns": "v", "value": -1, "rate": 0.2, "nulls": "strike"}
    mask = corrupt({**step, "mechanism": {"mar": {"columns": "x"}}}, frame)["v"] == -1
    assert_share(mask.sum(), N, 0.2)


# ------------------------------------------------------------------------------------------------ combinations


@pytest.mark.parametrize("rate", RATES)
def test_combinations_are_struck_as_a_whole(rate: float) -> None:
    mask = gone(a_step(rate=rate, mechanism={"clustered": ["g", "h"]}))[:, 0]
    groups = pd.Series(mask).groupby([FRAME["g"], FRAME["h"]])
    assert set(groups.mean()) <= {0.0, 1.0}
    assert abs(mask.sum() - N * rate) <= 4 * np.sqrt(rate * (1 - rate) * np.sum(groups.size().to_numpy() ** 2.0))
    if rate == 0.5:
        assert len(set(pd.Series(mask).groupby(FRAME["g"]).mean())) > 2


def test_a_list_of_one_is_that_one() -> None:
    one, same = (gone(a_step(mechanism={"clustered": by})) for by in ("g", ["g"]))
    np.testing.assert_array_equal(one, same)


def test_combinations_are_the_same_in_every_format_and_alone_without_a_value(tmp_path: Path) -> None:
    frame = FRAME.head(9_000)[["a", "g", "h"]].astype({"g": "Int64"})
    frame.loc[::2, "g"] = pd.NA
    step = a_step(columns="a", rate=0.4, mechanism={"clustered": ["g", "h"]})
    masks = [
        read(
            noisecli.augment(write(tmp_path / f"in.{suffix}", frame), a_recipe(step), tmp_path / f"out.{suffix}").output
        )["a"].isna()
        for suffix in ("csv", "parquet", "jsonl")
    ]
    np.testing.assert_array_equal(masks[0], masks[1])
    np.testing.assert_array_equal(masks[0], masks[2])
    assert_share(masks[0][::2].sum(), 4_500, 0.4)
    assert 0.2 < masks[0][::2][frame["h"] == 7].mean() < 0.6


# ------------------------------------------------------------------------------------------------ words


WORDS = FRAME.head(60_000).assign(s="ab cd ef gh")
TYPO = {"op": "typo", "columns": "s", "rate": 0.2}


def struck_words(step: Step, rows: int = len(WORDS)) -> NDArray[np.bool_]:
    done = corrupt(step, WORDS.head(rows))["s"]
    return np.array([[a != b for a, b in zip(["ab", "cd", "ef", "gh"], row.split(" "), strict=True)] for row in done])


def test_words_have_the_chance_that_mar_gives_to_their_row() -> None:
    words = struck_words({**TYPO, "mechanism": {"mar": {"columns": "x"}}})
    assert_share(words.sum(), words.size, 0.2)
    x = (WORDS["x"] - WORDS["x"].mean()) / WORDS["x"].std()
    for low, high in pairwise([-9, -1, 0, 1, 9]):
        rows = ((x > low) & (x <= high)).to_numpy()
        expected = expit(x[rows] + np.log(0.2 / 0.8) - 0.25).mean()
        assert abs(words[rows].mean() - expected) < 0.05
    together = words.all(axis=1).mean()
    assert together < 0.05, "each word for itself"


@pytest.mark.parametrize("mechanism", MECHANISMS[2:4], ids=str)
def test_all_words_of_a_chosen_row_are_struck(mechanism: Any) -> None:
    words = struck_words({**TYPO, "mechanism": mechanism})
    assert set(words.mean(axis=1)) == {0.0, 1.0}
    assert 0.1 < words.mean() < 0.3


@pytest.mark.parametrize("mechanism", MECHANISMS, ids=str)
def test_words_nest_over_rates(mechanism: Any) -> None:
    masks = [struck_words({**TYPO, "mechanism": mechanism, "rate": rate}, BLOCK + 99) for rate in (0, 0.1, 0.2, 0.6)]
    assert all((~low | high).all() for low, high in pairwise(masks))
    assert not masks[0].any()


# ------------------------------------------------------------------------------------------------ faults

FAULTS = {
    "op: missing, columns: [a, b], joint: true, mechanism: mnar": "cell's own value would choose other ones",
    "op: missing, columns: [a, b], joint: true, exact: true": "may have fewer eligible cells than its exact number",
    "op: typo, columns: c, joint: true": "op 'typo' strikes parts of texts, it takes no 'joint'",
    "op: drop, joint: true": "op 'drop' strikes whole rows, it takes no 'joint'",
    "op: custom, columns: a, function: 'a:b', joint: true": "op 'custom' strikes whole rows, it takes no 'joint'",
    "op: missing, columns: a, joint: 3": "joint: should be a valid boolean",
    "op: missing, columns: a, nulls: strike": "op 'missing' needs a value to change: missing cells cannot be struck",
    "op: gaussian_noise, columns: a, nulls: strike": "op 'gaussian_noise' needs a value to change",
    "op: typo, columns: c, nulls: strike": "op 'typo' strikes parts of texts, it takes no 'nulls'",
    "op: drop, nulls: strike": "op 'drop' strikes whole rows, it takes no 'nulls'",
    "op: constant, columns: a, nulls: fill": "'skip' or 'strike'",
    "op: missing, patterns: [{columns: [a, q]}]": "no column 'q' in",
    "op: missing, patterns: [{columns: numeric}]": "no column 'numeric' in",
    "op: missing, patterns: [{columns: a}, {columns: '[bc]'}]": "no column '[bc]' in",
    "op: missing, patterns: [{columns: a, wieght: 2}]": "unknown key 'wieght'",
    "op: missing, patterns: [{columns: a, weight: 0}]": "greater than 0",
    "op: missing, patterns: []": "too few entries",
    "op: missing, columns: [a, b], patterns: [{columns: a}]": "are not all the names in `patterns`, and no others",
    "op: missing, columns: numeric, patterns: [{columns: a}]": "are not all the names in `patterns`, and no others",
    "op: missing, patterns: [{columns: a}], mechanism: mnar": "'patterns' strikes rows",
    "op: missing, patterns: [{columns: a}], exact: true": "'patterns' strikes rows",
    "op: missing, patterns: [{columns: a}], mechanism: {mar: {columns: a}}": "column 'a' would decide about itself",
    "op: gaussian_noise, patterns: [{columns: [a, c]}]": "op 'gaussian_noise' takes float or integer columns",
    "op: drop, patterns: [{columns: a}]": "op 'drop' strikes whole rows, it takes no 'patterns'",
    "op: typo, patterns: [{columns: c}]": "op 'typo' strikes parts of texts, it takes no 'patterns'",
    "op: missing, columns: a, mechanism: {burst: {length: 1e18}}": "length: should be less than or equal to",
    "op: missing, columns: a, mechanism: {mar: b}": "'mar' takes a mapping, such as {mar: {columns: age}}",
    "op: missing, columns: a, mechanism: {burst: 20}": "'burst' takes a mapping, such as {burst: {length: 20}}",
    "op: missing, columns: a, mechanism: {clustered: [g, q]}": "no column 'q' in",
    "op: missing, columns: a, mechanism: {clustered: []}": "too few entries",
}


@pytest.mark.parametrize("text", FAULTS)
def test_faults_are_one_clear_line(text: str, command: Command, recipe: Any, tmp_path: Path) -> None:
    FRAME.head(50).to_csv(tmp_path / "in.csv", index=False)
    path = recipe(text)
    result = command("augment", tmp_path / "in.csv", "-r", path, "-o", tmp_path / "out.csv", "--allow-code")
    assert result.code == 2
    assert len(result.errors) == 1, result.err
    assert FAULTS[text] in result.errors[0]
    assert f":{len(path.read_text().splitlines())}:" in result.errors[0]


def test_python_gets_the_same_faults() -> None:
    with pytest.raises(NoiseError, match="'joint' strikes rows"):
        noisecli.corrupt(FRAME, a_recipe(a_step(joint=True, exact=True)))


def test_the_schema_has_the_keys(command: Command) -> None:
    keys = command("schema").json["$defs"]["table_step"]["properties"]
    assert keys["joint"]["type"] == "boolean"
    assert keys["nulls"]["enum"] == ["skip", "strike"]
    assert "patterns" in keys
