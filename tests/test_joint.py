"""Ops on several columns together, through the doors that users have.

Seeds are fixed, so the tests are certain; bounds are 4 standard errors. The covariance of n pairs of normals has the
standard error sqrt((s_ii s_jj + s_ij^2) / n). Tests of fit fail below a probability of 10^-4.
"""

import json
import warnings
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from golden import OPS
from numpy.typing import NDArray
from scipy import stats

import noisecli
from noisecli.corruption import JointCorruption
from noisecli.errors import DataProblem, NoiseWarning, RecipeProblem
from noisecli.formats import csv as csv_format
from noisecli.recipe import load
from noisecli.run import augment
from noisecli.streams import BLOCK

Command = Callable[..., Any]
Floats = NDArray[np.float64]
Step = dict[str, Any]

N = 6 * BLOCK + 1_700
UNLIKELY = 1e-4
FAMILIES = (".entered", ".dependent")
JOINT = {op.name: op for op in OPS.values() if issubclass(op, JointCorruption) and op.__module__.endswith(FAMILIES)}
"""Those that need nothing but the columns that they strike: no labels, and no partners of rows."""

joint_op = pytest.mark.parametrize("name", JOINT)


def numbers(rows: int = N) -> pa.Table:
    """`a`, `b` and `c` are normal and correlate, `d` is about 100, `e` is `a` + `b`, so that nothing is left to it."""
    rng = np.random.Generator(np.random.PCG64(5))
    x, y, z, w = rng.normal(size=(4, rows))
    a, b, c = x, 3 * (0.8 * x + 0.6 * y), 0.5 * z - 0.3 * x
    return pa.table({"a": a, "b": b, "c": c, "d": 100 + 30 * w, "e": a + b})


TABLE = numbers()


def run(table: pa.Table, *steps: Step, seed: int = 1, **head: Any) -> pa.Table:
    """Corrupt a table; what has no effect anywhere is of no interest here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoiseWarning)
        return noisecli.corrupt(table, {"noisecli": 1, "seed": seed, **head, "steps": list(steps)})


def added(table: pa.Table, step: Step, **more: Any) -> dict[str, Floats]:
    """What a step adds to each number."""
    done = run(table, step, **more)
    return {name: done[name].to_numpy() - table[name].to_numpy() for name in table.column_names}


def step_for(name: str, columns: list[str], **more: Any) -> Step:
    return {"op": name, "columns": columns, "rate": 1, **more}


def differing(table: pa.Table, done: pa.Table) -> dict[str, NDArray[np.bool_]]:
    return {
        name: np.array(
            [one != other for one, other in zip(table[name].to_pylist(), done[name].to_pylist(), strict=True)]
        )
        for name in table.column_names
    }


# ------------------------------------------------------------------------------------------ what every such op keeps to

ODD = {
    "one row": pa.table({"größe": [1.5], "вес": [2.5]}),
    "no row": pa.table({"größe": pa.array([], pa.float64()), "вес": pa.array([], pa.float64())}),
    "all null": pa.table({"größe": pa.array([None] * 9, pa.float64()), "вес": [1.0, 2.5] * 4 + [None]}),
    "never both": pa.table({"größe": [1.5, None] * 20, "вес": [None, 2.5] * 20}),
    "one value": pa.table({"größe": [7.5] * 9, "вес": [7.5] * 9}),
    "special": pa.table({"größe": [np.nan, np.inf, -np.inf, 1.5], "вес": [2.5, 3.5, None, 4.5]}),
    "integers": pa.table(
        {"größe": pa.array([-128, 127, 5, None], pa.int8()), "вес": pa.array([1, 2, 3, 4], pa.int8())}
    ),
}


@joint_op
@pytest.mark.parametrize("case", ODD)
def test_odd_tables_keep_their_shape_and_what_is_missing(name: str, case: str) -> None:
    table = ODD[case]
    done = run(table, step_for(name, ["größe", "вес"]))
    assert done.schema.equals(table.schema)
    assert done.num_rows == table.num_rows
    for column in table.column_names:
        before, after = table[column].to_pylist(), done[column].to_pylist()
        assert all(after[row] is None for row, value in enumerate(before) if value is None)


@joint_op
def test_order_of_columns_in_the_step_does_not_matter(name: str) -> None:
    one, other = (run(TABLE, step_for(name, columns)) for columns in (["a", "b"], ["b", "a"]))
    assert one.equals(other)
    assert not one.equals(TABLE)


@joint_op
def test_rows_are_struck_in_all_columns_at_once_or_each_column_for_itself(name: str) -> None:
    step = step_for(name, ["a", "b"]) | {"rate": 0.3}
    masks = differing(TABLE, run(TABLE, step))
    a, b = masks["a"], masks["b"]
    if not JOINT[name].together:
        assert abs(np.corrcoef(a, b)[0, 1]) <= 4 / np.sqrt(N)
    elif name == "monotone_missing":
        assert not (a & ~b).any()
    else:
        assert (a == b).all()
    assert abs(b.sum() - 0.3 * N) <= 4 * np.sqrt(N * 0.3 * 0.7)
    assert not any(masks[other].any() for other in ("c", "d", "e"))


@joint_op
@pytest.mark.parametrize("mechanism", [{"mar": {"columns": "d"}}, {"burst": {"length": 12}}, {"clustered": "g"}])
def test_mechanisms_choose_rows_at_the_rate(name: str, mechanism: Any) -> None:
    table = TABLE.append_column("g", pa.array(np.arange(N) * 7919 % 997))
    step = step_for(name, ["a", "b"], mechanism=mechanism)
    few, many = (differing(table, run(table, step | {"rate": rate}))["b"] for rate in (0.2, 0.4))
    assert abs(few.mean() - 0.2) < 0.06
    assert not (few & ~many).any()
    if "mar" in mechanism:
        high = TABLE["d"].to_numpy() > 100
        assert few[high].mean() > 1.4 * few[~high].mean()


@joint_op
def test_what_mnar_and_exact_mean_for_rows(name: str) -> None:
    with pytest.raises(RecipeProblem, match="takes no 'exact'"):
        load({"noisecli": 1, "steps": [step_for(name, ["a", "b"], exact=True)]}, target="table")
    mnar = {"noisecli": 1, "steps": [step_for(name, ["a", "b"], mechanism="mnar")]}
    if JOINT[name].together:
        with pytest.raises(RecipeProblem, match="strikes whole rows"):
            load(mnar, target="table")
    else:
        masks = differing(TABLE, run(TABLE, step_for(name, ["a", "b"], mechanism="mnar") | {"rate": 0.2}))
        assert masks["a"][TABLE["a"].to_numpy() > 0].mean() > 1.4 * masks["a"][TABLE["a"].to_numpy() < 0].mean()


@joint_op
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_files_workers_counts_replay_and_facts(
    name: str, suffix: str, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slabs of 10,000 bytes and several workers change nothing, and the manifest counts what really changed."""
    holes = np.arange(2_000) % 9 == 0
    columns = {key: pa.array(TABLE[key].to_numpy()[:2_000].round(3), mask=holes) for key in ("a", "b", "d")}
    source = tmp_path / f"in{suffix}"
    if suffix == ".csv":
        pa.csv.write_csv(pa.table(columns), source)
    else:
        pq.write_table(pa.table(columns), source, row_group_size=300)
    step = step_for(name, ["a", "b"]) | {"rate": 0.5} | ({"by": "d"} if "by" in JOINT[name].model_fields else {})
    given = {"noisecli": 1, "seed": 3, "steps": [step]}
    whole = augment(source, given, tmp_path / f"whole{suffix}")
    monkeypatch.setattr(csv_format, "SLAB_BYTES", 10_000)
    cut = augment(source, given, tmp_path / f"cut{suffix}", workers=2, truth=True)
    assert cut.output.read_bytes() == whole.output.read_bytes()
    assert cut.manifest.facts == whole.manifest.facts
    found = cut.manifest.steps[0].columns
    assert set(found) == {"a", "b"}
    assert all(
        0 < counts["changed"] <= counts["struck"] < counts["eligible"] == 2_000 - holes.sum()
        for counts in found.values()
    )
    assert cut.manifest.truth is not None
    assert cut.manifest.truth.rows == sum(counts["changed"] for counts in found.values())
    assert command("replay", whole.output, "--input", source, "-o", tmp_path / f"again{suffix}").code == 0
    pinned = augment(source, {**given, "facts": str(whole.output)}, tmp_path / f"pinned{suffix}")
    assert pinned.output.read_bytes() == whole.output.read_bytes()


@joint_op
def test_an_earlier_step_may_take_the_cells_away(name: str, tmp_path: Path) -> None:
    source = tmp_path / "in.parquet"
    pq.write_table(TABLE.select(["a", "b"]).slice(0, 1_000), source)
    gone = {"op": "missing", "columns": "a", "rate": 0.5}
    done = augment(source, {"noisecli": 1, "seed": 3, "steps": [gone, step_for(name, ["a", "b"])]}, tmp_path / "out")
    found = done.manifest.steps[1].columns
    assert found["a"]["void"] == done.manifest.steps[0].columns["a"]["struck"]
    assert found["b"]["void"] == (found["a"]["void"] if JOINT[name].whole else 0)
    assert all(counts["struck"] == counts["eligible"] == 1_000 for counts in found.values())


# -------------------------------------------------------------------------------------------------------- one by one


def assert_covariance(noise: list[Floats], asked: Floats) -> None:
    found = np.cov(np.stack(noise), bias=True)
    errors = np.sqrt((np.outer(np.diag(asked), np.diag(asked)) + asked**2) / N)
    assert (np.abs(found - asked) <= 4 * errors + 1e-12).all(), (found, asked)


def test_correlated_noise_has_the_observed_covariance() -> None:
    noise = added(TABLE, step_for("correlated_noise", ["a", "b", "c", "d"], sigma=0.3))
    names = ["a", "b", "c", "d"]
    observed = np.cov(np.stack([TABLE[name].to_numpy() for name in names]), bias=True)
    assert_covariance([noise[name] for name in names], 0.09 * observed)
    for name in names:
        assert stats.kstest(noise[name] / noise[name].std(), "norm").pvalue > UNLIKELY


def test_correlated_noise_has_the_covariance_of_a_matrix_in_the_columns_units() -> None:
    matrix = {"a": {"a": 4, "b": -1.5}, "b": {"b": 1, "c": 0.2}, "c": {"c": 0.25}}
    noise = added(TABLE, step_for("correlated_noise", ["a", "b", "c"], covariance=matrix))
    assert_covariance([noise[n] for n in "abc"], np.array([[4, -1.5, 0], [-1.5, 1, 0.2], [0, 0.2, 0.25]]))


def test_a_column_that_is_the_sum_of_others_gets_the_sum_of_their_noise() -> None:
    noise = added(TABLE, step_for("correlated_noise", ["a", "b", "e"], sigma=0.5))
    np.testing.assert_allclose(noise["e"], noise["a"] + noise["b"], atol=1e-5)
    np.testing.assert_allclose(added(TABLE, step_for("correlated_noise", ["a", "b"], sigma=0.5))["b"], noise["b"])


def test_a_column_at_the_end_leaves_the_noise_of_the_others_alone() -> None:
    """Nor does another sigma: it is multiplied by a draw that stays."""
    two = added(TABLE, step_for("correlated_noise", ["a", "b"], sigma=0.1))
    four = added(TABLE, step_for("correlated_noise", ["a", "b", "c", "d"], sigma=0.4))
    for name in ("a", "b"):
        np.testing.assert_allclose(four[name], 4 * two[name], atol=1e-12)


def test_covariance_goes_by_rows_in_which_all_columns_are_numbers_and_by_training_rows() -> None:
    holes = np.arange(N) % 5 == 0
    table = pa.table(
        {
            "a": pa.array(TABLE["a"].to_numpy(), mask=holes),
            "b": TABLE["b"].to_numpy() * np.where(np.arange(N) % 3 == 0, 50, 1),
            "split": np.where(np.arange(N) % 3 == 0, "test", "train"),
        }
    )
    kept = ~holes & (np.arange(N) % 3 != 0)
    done = run(table, step_for("correlated_noise", ["a", "b"], sigma=1), data={"split": "split"})
    observed = np.cov(TABLE["a"].to_numpy()[kept], TABLE["b"].to_numpy()[kept], bias=True)
    noise = done["b"].to_numpy() - table["b"].to_numpy()
    assert (noise[np.arange(N) % 3 == 0] == 0).all()
    struck = noise[np.arange(N) % 3 != 0]
    assert abs(struck.var() - observed[1, 1]) <= 4 * observed[1, 1] * np.sqrt(2 / len(struck))
    assert (noise[holes & (np.arange(N) % 3 != 0)] != 0).all(), "a number beside a missing cell gets noise, too"


def test_covariance_is_in_the_manifest_and_a_step_on_other_columns_has_none(tmp_path: Path) -> None:
    source = tmp_path / "in.parquet"
    pq.write_table(TABLE.slice(0, 3_000), source)
    given = {"noisecli": 1, "seed": 1, "steps": [{"op": "correlated_noise", "columns": ["b", "a"]}]}
    done = augment(source, given, tmp_path / "out.parquet")
    (facts,) = json.loads(done.manifest_path.read_bytes())["facts"]["covariances"]
    assert facts["columns"] == ["a", "b"]
    clean = TABLE.slice(0, 3_000)
    np.testing.assert_allclose(facts["matrix"], np.cov(clean["a"].to_numpy(), clean["b"].to_numpy(), bias=True))
    given["steps"][0]["columns"] = ["a", "c"]  # type: ignore[index]
    with pytest.raises(DataProblem, match=r"no facts of some columns|no covariances of the columns"):
        augment(source, {**given, "facts": str(done.output)}, tmp_path / "other.parquet")


def test_covariance_of_sorted_columns_over_blocks_and_files(tmp_path: Path) -> None:
    """Block by block the columns lie elsewhere: nearly all of the covariance is between blocks, little within."""
    rows = np.arange(2 * BLOCK + 500)
    table = pa.table({"a": rows + 1e6, "b": np.sqrt(rows)})
    (tmp_path / "in").mkdir()
    for i, start in enumerate((0, 7_000)):
        stop = 7_000 if i == 0 else len(rows)
        pq.write_table(table.slice(start, stop - start), tmp_path / f"in/{i}.parquet", row_group_size=3_000)
    given = {"noisecli": 1, "seed": 1, "steps": [{"op": "correlated_noise", "columns": ["a", "b"]}]}
    (facts,) = augment(tmp_path / "in", given, tmp_path / "out").manifest.facts.covariances
    np.testing.assert_allclose(facts.matrix, np.cov(table["a"], table["b"], bias=True), rtol=1e-12)


WRONG = {
    "is not positive semidefinite": {"a": {"a": 1, "b": 2}, "b": {"b": 1}},
    "another the other way round": {"a": {"a": 1, "b": 0.5}, "b": {"a": 0.4, "b": 1}},
    "a variance must not be below 0": {"a": {"a": 1}, "b": {"b": -1}},
    "should be observed": {},
    "has no place in `covariance`": {"a": {"a": 1}},
    "of 'c', which the step does not strike": {"a": {"a": 1}, "b": {"b": 1}, "c": {"c": 1}},
    "should be a mapping": {"a": 3},
    "should be a valid number": {"a": {"a": True}},
    "should be observed, or name columns": "sample",
    "covariance: should be observed, or name columns": [[1, 0], [0, 1]],
    "is 0.5 of 'a' with 'c', and 'c' has no variance of its own": {"a": {"a": 1, "c": 0.5}, "b": {"b": 1}},
}


@pytest.mark.parametrize("message", WRONG)
def test_faults_of_a_covariance(message: str) -> None:
    with pytest.raises(RecipeProblem, match=message):
        run(TABLE, {"op": "correlated_noise", "columns": ["a", "b"], "covariance": WRONG[message]})


def test_covariances_of_too_many_columns_are_refused() -> None:
    wide = pa.table({f"c{i}": [1.0] for i in range(201)})
    with pytest.raises(RecipeProblem, match="takes at most 200 columns, and the step strikes 201"):
        run(wide, {"op": "correlated_noise", "columns": "all"})


def test_a_matrix_takes_no_sigma_and_huge_numbers_have_no_covariance() -> None:
    with pytest.raises(RecipeProblem, match="scale the matrix instead"):
        run(TABLE, {"op": "correlated_noise", "columns": "a", "sigma": 0.1, "covariance": {"a": {"a": 1}}})
    with pytest.raises(DataProblem, match="too large for a covariance"):
        run(pa.table({"a": [1e300, -1e300]}), {"op": "correlated_noise", "columns": "a"})


@pytest.mark.parametrize("by", [None, "d"])
def test_heteroscedastic_noise_grows_with_a_value(by: str | None) -> None:
    """The mean square of noise is in proportion to the square of the value: the regression of one on the other."""
    more = {} if by is None else {"by": by}
    noise = added(TABLE, step_for("heteroscedastic_noise", ["b"], sigma=0.4, **more))["b"]
    size = TABLE[by or "b"].to_numpy() ** 2
    spread = 0.4 * TABLE["b"].to_numpy().std()
    slope = spread**2 / np.mean(size)  # so that the mean square of all noise is that of sigma
    standard = noise**2 / size / slope
    assert abs(np.mean(standard) - 1) <= 4 * np.sqrt(2 / N)
    for part in np.array_split(np.argsort(size), 10):
        assert abs(np.mean(standard[part]) - 1) <= 4 * np.sqrt(2 / len(part))
    fitted = np.sum(size * noise**2) / np.sum(size**2)
    assert abs(fitted - slope) <= 4 * slope * np.sqrt(2 * np.sum(size**4)) / np.sum(size**2)
    assert abs(np.sqrt(np.mean(noise**2)) / spread - 1) <= 4 * np.sqrt(np.mean(size**2) / 2 / N) / np.mean(size)


def test_heteroscedastic_noise_is_none_where_the_other_value_is_missing() -> None:
    holes = np.arange(N) % 3 == 0
    table = TABLE.append_column("by", pa.array(np.abs(TABLE["a"].to_numpy()) + 1, mask=holes))
    noise = added(table.select(["b", "by"]), step_for("heteroscedastic_noise", ["b"], by="by"))["b"]
    assert (noise[holes] == 0).all()
    assert (noise[~holes] != 0).all()


def test_heteroscedastic_noise_reads_the_clean_column_and_a_role() -> None:
    step = step_for("heteroscedastic_noise", ["b"], by="d")
    wiped = {"op": "scale", "columns": "d", "factor": 0}
    data = {"id": "d"}
    assert run(TABLE, wiped, step, data=data)["b"].equals(run(TABLE, step, data=data)["b"])


@pytest.mark.parametrize(("by", "message"), [("s", "is text, and noise can only grow with"), ("x", "no column 'x'")])
def test_faults_of_by_stand_at_its_line(by: str, message: str, tmp_path: Path) -> None:
    pa.csv.write_csv(pa.table({"b": [1.0], "s": ["one"]}), tmp_path / "in.csv")
    (tmp_path / "r.yaml").write_text(
        f"noisecli: 1\nsteps:\n  - op: heteroscedastic_noise\n    columns: b\n    by: {by}\n"
    )
    with pytest.raises(RecipeProblem, match=f"r.yaml:5:.*{message}"):
        augment(tmp_path / "in.csv", tmp_path / "r.yaml", tmp_path / "out.csv")


def test_swapped_cells_stand_in_each_others_place(tmp_path: Path) -> None:
    """Where one of the two is missing nothing happens; in a CSV file they keep their spelling."""
    lines = [f'"f{i}",l{i},{i}.50,0{i}.{i}' for i in range(1, 200)] + [",l,1,2", "f,,1,2"]
    (tmp_path / "in.csv").write_text("\n".join(["first,last,x,code", *lines]) + "\n")
    done = augment(
        tmp_path / "in.csv",
        {"noisecli": 1, "seed": 1, "steps": [step_for("swap_columns", ["first", "last"]) | {"rate": 0.5}]},
        tmp_path / "out.csv",
    )
    after = done.output.read_text().splitlines()[1:]
    swapped = 0
    for old, new in zip(lines, after, strict=True):
        first, last, *rest = old.replace('"', "").split(",")
        cells = new.replace('"', "").split(",")
        assert cells in ([first, last, *rest], [last, first, *rest])
        swapped += cells[0] != first
    assert after[-2:] == lines[-2:]
    assert swapped == done.manifest.steps[0].columns["first"]["changed"]
    assert done.manifest.steps[0].columns["first"]["eligible"] == 199
    assert 70 < swapped < 130


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (["a", "b", "c"], "takes exactly two columns, and the step strikes 3"),
        (["a"], "takes exactly two columns, and the step strikes 1"),
        (["a", "n"], "takes columns of the same type; 'a' is float .double., 'n' is integer .int64."),
        (["l", "a"], "op 'swap_columns' takes bool, date.* columns; 'l' is other"),
        (["t", "s"], "takes columns of the same type; 's' is text, 't' is date"),
    ],
)
def test_only_two_columns_of_one_type_are_swapped(columns: list[str], message: str) -> None:
    table = TABLE.slice(0, 3).append_column("n", [[1, 2, 3]]).append_column("s", [["x", "y", "z"]])
    table = table.append_column("t", pa.array([1, 2, 3], pa.int32()).cast(pa.date32())).append_column("l", [[[1]] * 3])
    with pytest.raises(RecipeProblem, match=message):
        run(table, step_for("swap_columns", columns))


def test_monotone_missing_is_monotone_and_breaks_off_anywhere_alike() -> None:
    done = run(TABLE, step_for("monotone_missing", ["e", "a", "c", "b"]) | {"rate": 0.5})
    gone = np.stack([np.asarray(done[name].is_null()) for name in ("a", "b", "c", "e")])
    assert all(not (first & ~later).any() for first, later in pairwise(gone))
    struck = gone[-1]
    assert abs(struck.sum() - 0.5 * N) <= 4 * np.sqrt(N) / 2
    left = (~gone).sum(axis=0)[struck]
    assert stats.chisquare(np.bincount(left, minlength=4)).pvalue > UNLIKELY
    assert done["d"].null_count == 0


def test_a_row_that_drops_out_later_is_no_shortfall(tmp_path: Path) -> None:
    pq.write_table(TABLE.slice(0, 500), tmp_path / "in.parquet")
    steps = [step_for("monotone_missing", ["a", "b", "c"])]
    done = augment(tmp_path / "in.parquet", {"noisecli": 1, "seed": 1, "steps": steps}, tmp_path / "out.parquet")
    assert done.manifest.warnings == []
    assert done.manifest.steps[0].columns["a"]["changed"] < done.manifest.steps[0].columns["c"]["changed"] == 500
