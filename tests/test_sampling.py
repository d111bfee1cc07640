"""Steps on rows: near duplicates, samples drawn anew, other shares of the classes.

Seeds are fixed, so the tests are certain. Counts are compared within 4 standard deviations; tests of fit fail below a
probability of 10^-4.
"""

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from scipy import stats

import noisecli
from noisecli import manifest as manifests
from noisecli.errors import DataProblem, NoiseWarning, RecipeProblem
from noisecli.run import augment
from noisecli.streams import BLOCK

Step = dict[str, Any]

N = 2 * BLOCK + 3_000
UNLIKELY = 1e-4
PEOPLE = pa.table(
    {
        "row": np.arange(N),
        "name": [f"{first} {last}" for first in ("Ada", "Emil", "Ibrahim") for last in ("Olsen", "Petrov")] * (N // 6)
        + ["Zoë Quist"] * (N % 6),
        "income": np.arange(N) % 1_000 + 1_000,
        "height": [None if i % 10 == 0 else 150 + i % 60 / 2 for i in range(N)],
        "member": pa.array([i % 3 == 0 for i in range(N)]),
        "kind": ["rare" if i % 10 == 0 else "often" if i % 10 < 4 else "most" for i in range(N)],
    }
)
NEAR: Step = {"op": "duplicate", "rate": 0.2, "errors": 2, "columns": ["name", "income", "height", "member"]}


def run(table: Any, *steps: Step, seed: int = 1, **head: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoiseWarning)
        return noisecli.corrupt(table, {"noisecli": 1, "seed": seed, **head, "steps": list(steps)})


def wrong_fields(new: pd.DataFrame) -> pd.DataFrame:
    """Which fields of each clone differ from those of its source, the row before it."""
    clones = new["row"] == new["row"].shift()
    before = new.shift()
    same = (new == before) | (new.isna() & before.isna())
    return ~same[clones]


# ----------------------------------------------------------------------------------------------------- near duplicates


def test_every_clone_has_so_many_wrong_fields_and_no_source_has():
    clean = PEOPLE.to_pandas()
    for errors in (1, 2, 3):
        new = run(PEOPLE, {**NEAR, "errors": errors}).to_pandas()
        wrong = wrong_fields(new)
        assert set(wrong.sum(axis=1)) == {errors}
        sources = new[new["row"] != new["row"].shift()].reset_index(drop=True)
        pd.testing.assert_frame_equal(sources, clean, check_dtype=False)  # a column that loses a flag has objects
        assert not wrong[["row", "kind"]].any().any()


def test_all_fields_are_equally_likely_to_be_wrong():
    wrong = wrong_fields(run(PEOPLE, {**NEAR, "errors": 1, "columns": ["name", "income", "member"]}).to_pandas())
    assert stats.chisquare(wrong[["name", "income", "member"]].sum()).pvalue > UNLIKELY


def test_more_errors_strike_what_fewer_strike():
    one, two = (wrong_fields(run(PEOPLE, {**NEAR, "errors": errors}).to_pandas()) for errors in (1, 2))
    assert (two | ~one).all().all()


def test_errors_do_not_depend_on_the_order_of_the_columns():
    names = PEOPLE.column_names
    assert run(PEOPLE.select(names[::-1]), NEAR).select(names).equals(run(PEOPLE, NEAR))


def test_a_row_with_few_values_gets_as_many_errors_as_it_can():
    table = pa.table({"row": np.arange(400), "name": ["Ada", None] * 200, "note": pa.nulls(400, pa.string())})
    wrong = wrong_fields(
        run(table, {"op": "duplicate", "rate": 1, "errors": 2, "columns": ["name", "note"]}).to_pandas()
    )
    assert wrong["name"].to_numpy().tolist() == [True, False] * 200
    assert not wrong["note"].any()


def test_errors_look_like_those_of_a_typist():
    new = run(PEOPLE, {**NEAR, "errors": 1}).to_pandas()
    clean = PEOPLE.to_pandas().set_index("row")
    clones = new[new["row"] == new["row"].shift()].set_index("row")
    old = clean.loc[clones.index]
    names = clones["name"] != old["name"]
    lengths = clones["name"][names].str.len() - old["name"][names].str.len()
    assert set(lengths) <= {-1, 0, 1}
    assert (clones["name"][names].str.count(" ") == 1).all()
    incomes = clones["income"] != old["income"]
    pairs = zip(clones["income"][incomes], old["income"][incomes], strict=True)
    assert {sum(a != b for a, b in zip(f"{x:04}", f"{y:04}", strict=True)) for x, y in pairs} == {1}
    flags = clones["member"].isna()
    assert flags.sum() > 0
    assert clones["member"][~flags].astype(bool).equals(old["member"][~flags])


def test_the_truth_links_clones_to_their_source_and_tells_their_errors(tmp_path):
    pa.csv.write_csv(PEOPLE, tmp_path / "in.csv")
    recipe = {
        "noisecli": 1,
        "seed": 3,
        "steps": [NEAR, {"op": "duplicate", "id": "again"}, {"op": "drop", "rate": 0.3}],
    }
    outcome = augment(tmp_path / "in.csv", recipe, tmp_path / "out.csv", truth=True)
    truth = pq.read_table(manifests.beside(outcome.output, manifests.TRUTH)).to_pandas()
    out = pd.read_csv(outcome.output, dtype=str, keep_default_na=False)
    clean = pd.read_csv(tmp_path / "in.csv", dtype=str, keep_default_na=False)
    rows = truth[truth["column"].isna() & truth["output_row"].notna()].set_index("output_row")["row"]
    rebuilt = clean.iloc[rows.sort_index().to_numpy()].reset_index(drop=True)
    assert (rebuilt["row"] == out["row"]).all()
    cells = {name: rebuilt[name].tolist() for name in rebuilt}
    for line in truth[truth["column"].notna()].itertuples():
        assert cells[line.column][int(line.output_row)] == line.before
        cells[line.column][int(line.output_row)] = "" if pd.isna(line.after) else line.after
    assert cells == {name: out[name].tolist() for name in out}


def test_clones_of_several_steps_err_each_for_itself():
    new = run(PEOPLE, {**NEAR, "rate": 1, "clones": 3, "errors": 1}).to_pandas()
    clones = new[new["row"].duplicated()]
    assert len(clones) == 3 * N
    different = clones.drop_duplicates()
    assert len(different) > 2 * N


# ------------------------------------------------------------------------------------------------------------- samples


def times(table: pa.Table, rows: int = N) -> np.ndarray[Any, np.dtype[np.int64]]:
    """How often each row came out; rows stand in their old order."""
    numbers = table["row"].to_numpy()
    assert (np.diff(numbers) >= 0).all()
    return np.bincount(numbers, minlength=rows)


def test_resampled_rows_come_out_as_often_as_poisson_says():
    found = np.bincount(times(run(PEOPLE, {"op": "resample"})))
    expected = stats.poisson(1).pmf(np.arange(len(found))) * N
    few = expected < 10
    found, expected = (np.append(x[~few], x[few].sum()) for x in (found, expected))
    expected[-1] = N - expected[:-1].sum()
    assert stats.chisquare(found, expected).pvalue > UNLIKELY


def test_resampled_rows_come_out_in_proportion_to_their_weights():
    weights = PEOPLE.append_column("weight", pa.array([(0, 1, 3, 80)[i % 4] for i in range(N)], pa.float64()))
    found = times(run(weights, {"op": "resample", "columns": "weight"}))
    for place, weight in enumerate((0, 1, 3, 80)):
        mean, rows = weight / 21, len(found[place::4])
        assert abs(found[place::4].mean() - mean) <= 4 * np.sqrt(mean / rows)
        assert abs(found[place::4].var() - mean) <= 4 * np.sqrt((mean + 2 * mean**2) / rows)


def test_a_row_without_a_weight_counts_as_the_mean():
    weights = PEOPLE.append_column("weight", pa.array([None if i % 2 else 7.0 for i in range(N)]))
    found = times(run(weights, {"op": "resample", "columns": "weight"}))
    assert abs(found[1::2].mean() - 1) < 4 / np.sqrt(N / 2)


def test_prior_shift_gives_the_shares_that_are_asked_for():
    new = run(PEOPLE, {"op": "prior_shift", "shares": {"rare": 0.5, "most": 0.2}}, data={"label": "kind"})
    assert abs(len(new) - N) < 4 * np.sqrt(N / 4)
    shares = {value["values"]: value["counts"] / len(new) for value in new["kind"].value_counts().to_pylist()}
    for name, share in {"rare": 0.5, "most": 0.2, "often": 0.3}.items():
        assert abs(shares[name] - share) < 4 * np.sqrt(0.25 / N)
    found = times(new)
    rare = np.array(PEOPLE["kind"].to_pylist()) == "rare"
    assert set(found[rare]) <= {4, 5}
    assert set(found[~rare]) == {0, 1}


def test_prior_shift_can_leave_out_a_class_and_held_out_rows_stay():
    split = pa.array(["test" if i % 5 == 0 else "train" for i in range(N)])
    table = PEOPLE.append_column("split", split)
    step = {"op": "prior_shift", "shares": {"often": 0.4, "most": 0.6}}
    found = times(run(table, step, data={"label": "kind", "split": "split"}))
    held, rare = np.arange(N) % 5 == 0, np.array(PEOPLE["kind"].to_pylist()) == "rare"
    assert (found[held] == 1).all()
    assert (found[rare & ~held] == 0).all()


def test_a_struck_share_alone_takes_part():
    found = times(run(PEOPLE, {"op": "resample", "rate": 0.1}))
    share = 0.1 * (1 - np.exp(-1))
    assert abs(np.count_nonzero(found != 1) - share * N) < 4 * np.sqrt(N * share * (1 - share))


@pytest.mark.parametrize(
    ("step", "fault"),
    [
        ({"op": "resample", "columns": ["income", "height"]}, "takes one column"),
        ({"op": "resample", "columns": "name"}, "takes float or integer columns; 'name' is text"),
        ({"op": "prior_shift", "columns": "kind", "shares": {"raer": 0.5}}, "has no category 'raer'"),
        ({"op": "prior_shift", "columns": "kind", "shares": {"rare": 0.7, "most": 0.6}}, "add up to 1.3"),
        (
            {"op": "prior_shift", "columns": "kind", "shares": {"rare": 0.2, "most": 0.2, "often": 0.2}},
            "no other classes",
        ),
        ({"op": "prior_shift", "shares": {"rare": 0.5}}, "needs `columns:`, or `data: {label: COLUMN}`"),
        ({"op": "duplicate", "columns": "name"}, "takes no 'columns' without `errors`"),
    ],
)
def test_faults_say_what_is_wrong(step, fault):
    with pytest.raises(RecipeProblem, match=fault):
        run(PEOPLE, step)


def test_negative_weights_are_refused():
    with pytest.raises(RecipeProblem, match="below 0, which are no weights"):
        run(pa.table({"w": [1.0, -2.0]}), {"op": "resample", "columns": "w"})


def test_weights_far_from_the_recorded_mean_are_refused(tmp_path):
    pq.write_table(pa.table({"w": [1.0, 2.0]}), tmp_path / "old.parquet")
    pq.write_table(pa.table({"w": [1.0, 1e9]}), tmp_path / "new.parquet")
    given = {"noisecli": 1, "seed": 1, "steps": [{"op": "resample", "columns": "w"}]}
    facts = augment(tmp_path / "old.parquet", given, tmp_path / "first.parquet").manifest_path
    with pytest.raises(DataProblem, match=r"a weight is 6.67e\+08 times the mean"):
        augment(tmp_path / "new.parquet", {**given, "facts": str(facts)}, tmp_path / "out.parquet")


def test_weights_of_held_out_rows_may_be_of_any_size():
    weights, split = np.ones(1_000), np.array(["train"] * 1_000)
    weights[5], split[5] = 1e15, "test"
    table = pa.table({"w": weights, "split": split, "number": np.arange(1_000)})
    new = run(table, {"op": "resample", "columns": "w"}, data={"split": "split"})
    assert np.count_nonzero(new["number"].to_numpy() == 5) == 1


def test_the_summary_asks_no_rate_of_the_fields_of_clones(tmp_path, command, recipe):
    pa.csv.write_csv(PEOPLE.select(["name", "income"]).slice(0, 200), tmp_path / "in.csv")
    path = recipe("op: duplicate, rate: 0.2, errors: 1, columns: [name, income]")
    shown = command("augment", tmp_path / "in.csv", "-r", path, "-o", tmp_path / "out.csv")
    lines = [line.split() for line in shown.out.splitlines() if line.startswith("duplicate")]
    assert [line[-2] for line in lines] == ["0.2", "-", "-"]
