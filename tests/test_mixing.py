"""Steps that pair rows, and soft labels, through the doors that users have.

Seeds are fixed, so the tests are certain. Means are compared within 4 standard errors; tests of fit fail below a
probability of 10^-4.
"""

import csv
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from scipy import optimize, special, stats

import noisecli
from noisecli.engine import soft
from noisecli.errors import DataProblem, NoiseWarning, RecipeProblem
from noisecli.formats import csv as csv_format
from noisecli.run import augment, replay
from noisecli.streams import BLOCK

Floats = NDArray[np.float64]
Step = dict[str, Any]

N = 2 * BLOCK + 3_000
UNLIKELY = 1e-4
CLASSES = ("ash", "birch", "cedar")


def trees(rows: int = N) -> pa.Table:
    """Rows sorted by class, the worst case for mixing: `number` is the row's own, `x` and `y` tell it twice over."""
    number = np.arange(rows)
    kinds = np.array(CLASSES)[number * 3 // rows]
    return pa.table({"number": number, "x": number * 1.0, "y": number * -2.0, "kind": kinds, "word": kinds})


TREES = trees()
MIXUP: Step = {"op": "mixup", "columns": ["x", "y"], "alpha": 0.4}
SMOOTHING: Step = {"op": "label_smoothing", "epsilon": 0.1}


def run(table: Any, *steps: Step, layout: str = "wide", seed: int = 1, **head: Any) -> Any:
    """Corrupt a table whose classes are in `kind`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoiseWarning)
        soft = {"soft_labels": layout} if {step["op"] for step in steps} & {"mixup", "label_smoothing"} else {}
        data = {"label": "kind", **soft, **head.pop("data", {})}
        return noisecli.corrupt(table, {"noisecli": 1, "seed": seed, "data": data, **head, "steps": list(steps)})


def shares_of(table: pa.Table) -> Floats:
    """What each row is of each class, (rows, classes)."""
    names = [name for name in table.column_names if name.startswith("kind__p__")]
    assert names == [f"kind__p__{name}" for name in CLASSES]
    return np.stack([table[name].to_numpy() for name in names], axis=1)


def own(table: pa.Table) -> NDArray[np.intp]:
    """The number of each row's class."""
    return np.array([CLASSES.index(name) for name in table["kind"].to_pylist()])


# ------------------------------------------------------------------------------------------------------------ partners


def test_permute_at_rate_1_puts_every_value_elsewhere_once():
    new = run(TREES, {"op": "permute", "columns": "number", "rate": 1})["number"].to_numpy()
    assert not np.array_equal(new, np.arange(N))
    assert np.array_equal(np.sort(new), np.arange(N))


def test_partners_come_from_anywhere_though_rows_are_sorted():
    new = run(TREES, {"op": "permute", "columns": "number", "rate": 1})["number"].to_numpy()
    assert abs(stats.spearmanr(np.arange(N), new).statistic) < 4 / np.sqrt(N - 1)
    counts, *_ = np.histogram2d(np.arange(N), new, bins=10)
    assert stats.chisquare(counts.ravel(), ddof=18).pvalue > UNLIKELY  # rows and columns of the table are given


def test_a_value_has_the_same_origin_at_every_rate():
    few, many = (run(TREES, {"op": "permute", "columns": "number", "rate": rate}) for rate in (0.1, 0.4))
    few, many = few["number"].to_numpy(), many["number"].to_numpy()
    struck = few != np.arange(N)
    assert 0 < np.count_nonzero(struck) < np.count_nonzero(many != np.arange(N))
    assert np.array_equal(few[struck], many[struck])


def test_permute_within_a_column_keeps_to_its_values():
    groups = np.arange(N) % 7
    table = TREES.append_column("group", pa.array(groups))
    new = run(table, {"op": "permute", "columns": "number", "rate": 1, "within": "group"})["number"].to_numpy()
    assert np.array_equal(new % 7, groups)
    assert np.array_equal(np.sort(new), np.arange(N))
    assert np.count_nonzero(new != np.arange(N)) > 0.99 * N


def test_permute_leaves_gaps_where_they_are_and_loses_no_value():
    numbers = pa.array([None if i % 3 == 1 else i for i in range(N)])
    new = run(pa.table({"x": numbers, "kind": TREES["kind"]}), {"op": "permute", "columns": "x", "rate": 1})["x"]
    assert new.is_null().equals(pa.chunked_array([numbers.is_null()]))
    assert sorted(new.drop_null().to_pylist()) == numbers.drop_null().to_pylist()


def test_partners_are_the_same_however_the_table_is_read(tmp_path, monkeypatch):
    """Several files, slabs of any size, one worker or two: partners are found by the place of a row in the dataset."""
    pa.csv.write_csv(TREES.slice(0, 10_000), source := folder(tmp_path) / "a.csv")
    pa.csv.write_csv(TREES.slice(10_000), source.with_name("b.csv"))
    given = recipe({"op": "permute", "columns": ["number", "word"], "rate": 0.5, "within": "kind"}, MIXUP)
    whole = augment(source.parent, given, tmp_path / "one")
    monkeypatch.setattr(csv_format, "SLAB_BYTES", 20_000)
    small = augment(source.parent, given, tmp_path / "small", workers=2)
    assert [entry.sha256 for entry in whole.manifest.outputs] == [entry.sha256 for entry in small.manifest.outputs]
    numbers = [read(tmp_path / "one" / name)["number"].to_numpy() for name in ("a.csv", "b.csv")]
    assert (numbers[0] >= 10_000).any()
    assert (numbers[1] < 10_000).any()


def test_gaps_that_begin_late_change_no_partner_by_where_slabs_are_cut(tmp_path, monkeypatch):
    numbers = pa.array([None if i > 9_000 and i % 3 == 0 else i for i in range(20_000)])
    pa.csv.write_csv(pa.table({"x": numbers, "kind": ["a"] * 20_000}), tmp_path / "in.csv")
    given = {"noisecli": 1, "seed": 1, "steps": [{"op": "permute", "columns": "x", "rate": 1}]}
    whole = augment(tmp_path / "in.csv", given, tmp_path / "one.csv")
    monkeypatch.setattr(csv_format, "SLAB_BYTES", 5_000)
    small = augment(tmp_path / "in.csv", given, tmp_path / "small.csv")
    assert whole.output.read_bytes() == small.output.read_bytes()


def test_a_file_and_a_frame_get_the_same(tmp_path):
    pa.csv.write_csv(TREES, tmp_path / "in.csv")
    augment(tmp_path / "in.csv", recipe(MIXUP, SMOOTHING), tmp_path / "out.csv")
    frame = run(TREES.to_pandas(), MIXUP, SMOOTHING)
    found = read(tmp_path / "out.csv").to_pandas()
    assert list(frame.columns) == list(found.columns)
    assert np.array_equal(frame["kind__p__birch"], found["kind__p__birch"])


def test_held_out_rows_are_no_partners_and_keep_hard_labels():
    split = pa.array(["test" if i % 4 == 0 else "train" for i in range(N)])
    table = TREES.append_column("split", split)
    steps = ({"op": "permute", "columns": "number", "rate": 1}, {**MIXUP, "columns": "x"}, SMOOTHING)
    new = run(table, *steps, data={"split": "split"})
    held = np.arange(N) % 4 == 0
    numbers = new["number"].to_numpy()
    assert np.array_equal(numbers[held], np.arange(N)[held])
    assert (numbers[~held] % 4 != 0).all()
    assert np.array_equal(new["x"].to_numpy()[held], TREES["x"].to_numpy()[held])
    assert np.array_equal(shares_of(new)[held], np.eye(3)[own(TREES)[held]])


# --------------------------------------------------------------------------------------------------------------- mixup


def mixed(alpha: float) -> tuple[Floats, pa.Table]:
    """How much each row keeps of itself, told by soft labels, where its class and its partner's differ."""
    new = run(TREES, {**MIXUP, "alpha": alpha}, layout="pair")
    return new["lambda"].to_numpy(), new


def test_features_and_labels_are_mixed_in_the_same_shares():
    share, new = mixed(0.4)
    x, y = (new[name].to_numpy() for name in "xy")
    np.testing.assert_allclose(y, -2 * x, rtol=0, atol=1e-6)
    partner = (x - share * np.arange(N)) / (1 - share)  # the partner's number, from the mixture
    told = share < 0.9
    near = np.rint(partner[told]).astype(int)
    np.testing.assert_allclose(partner[told], near, rtol=0, atol=1e-3)
    assert np.array_equal(new["kind_b"].to_numpy(zero_copy_only=False)[told], np.array(CLASSES)[near * 3 // N])
    assert new["kind"].equals(TREES["kind"])


@pytest.mark.parametrize("alpha", [0.1, 0.4, 1.0, 3.0])
def test_shares_are_beta_distributed(alpha):
    share, _ = mixed(alpha)
    assert stats.kstest(share, stats.beta(alpha, alpha).cdf).pvalue > UNLIKELY


def test_the_partner_is_as_often_of_each_class_as_rows_are():
    _, new = mixed(1.0)
    counts = np.zeros((3, 3))
    np.add.at(counts, (own(TREES), [CLASSES.index(name) for name in new["kind_b"].to_pylist()]), 1)
    assert stats.chi2_contingency(counts).pvalue > UNLIKELY


def test_soft_labels_add_up_to_1_and_survive_flips_and_clones():
    flip = {"op": "label_flip", "rate": 0.2}
    new = run(TREES, {**MIXUP, "rate": 0.7}, SMOOTHING, flip, {"op": "duplicate", "rate": 0.1}, {"op": "drop"})
    shares = shares_of(new)
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=0, atol=1e-12)
    assert (shares >= 0.1 / 3 - 1e-12).all()
    untouched = new["x"].to_numpy() == new["number"].to_numpy()
    assert 0.25 * len(new) < np.count_nonzero(untouched) < 0.35 * len(new)
    assert np.array_equal(shares[untouched].argmax(axis=1), own(new)[untouched])  # the flipped class is the own one


def test_mixup_within_a_class_keeps_labels_hard():
    new = run(TREES, {**MIXUP, "within": "class"})
    assert np.array_equal(shares_of(new), np.eye(3)[own(TREES)])
    assert np.count_nonzero(new["x"].to_numpy() != TREES["x"].to_numpy()) > 0.9 * N


def test_what_is_no_number_comes_from_the_larger_share_or_by_chance():
    for categorical in ("dominant", "sample"):
        step = {**MIXUP, "columns": ["x", "word"], "alpha": 1, "categorical": categorical}
        new = run(TREES, step, layout="pair")
        share = new["lambda"].to_numpy()
        other = (new["kind_b"].to_numpy(zero_copy_only=False)) != new["kind"].to_numpy(zero_copy_only=False)
        taken = (new["word"].to_numpy(zero_copy_only=False)) != TREES["word"].to_numpy(zero_copy_only=False)
        if categorical == "dominant":
            assert np.array_equal(taken, other & (share < 0.5))
        else:
            assert not (taken & ~other).any()
            chance = (1 - share)[other]
            spread = np.sqrt((chance * (1 - chance)).sum())
            assert abs(np.count_nonzero(taken) - chance.sum()) < 4 * spread


def test_mixup_keeps_gaps_integers_and_rows_without_a_label():
    count = pa.array([None if i % 5 == 0 else i for i in range(N)], pa.int32())
    kind = pa.array([None if i % 7 == 0 else CLASSES[i % 3] for i in range(N)])
    table = pa.table({"count": count, "kind": kind})
    new = run(table, {"op": "mixup", "columns": "count", "alpha": 1})
    assert new.schema.field("count").type == pa.int32()
    assert new["count"].is_null().equals(pa.chunked_array([count.is_null()]))
    unlabelled = kind.is_null().to_numpy(zero_copy_only=False)
    before, after = count.fill_null(-1).to_numpy(), new["count"].fill_null(-1).to_numpy()
    assert np.array_equal(before[unlabelled], after[unlabelled])
    assert new["kind__p__ash"].is_null().to_numpy().tolist() == unlabelled.tolist()


def test_severity_of_mixup_strengthens_the_mixture():
    lost = [1 - np.abs(2 * mixed(alpha)[0] - 1).mean() for alpha in (0.1, 0.2, 0.4, 1.0, 2.0)]
    assert lost == sorted(lost)


# ------------------------------------------------------------------------------------------------------------- layouts


def test_label_smoothing_gives_what_it_says():
    shares = shares_of(run(TREES, SMOOTHING))
    expected = np.full((N, 3), 0.1 / 3) + 0.9 * np.eye(3)[own(TREES)]
    np.testing.assert_allclose(shares, expected, rtol=0, atol=1e-15)


def test_weighted_rows_carry_the_same_shares():
    steps = ({**MIXUP, "rate": 0.6}, {**SMOOTHING, "rate": 0.5})
    wide, weighted = run(TREES, *steps), run(TREES, *steps, layout="weighted")
    table = np.zeros((N, 3))
    np.add.at(table, (weighted["number"].to_numpy(), own(weighted)), weighted["sample_weight"].to_numpy())
    assert np.array_equal(table, shares_of(wide))
    assert (weighted["sample_weight"].to_numpy() > 0).all()
    kept = weighted.group_by("number", use_threads=False).aggregate([("x", "count_distinct")])
    assert set(kept["x_count_distinct"].to_pylist()) == {1}  # the clones of a row differ in class and weight alone


def test_weighted_rows_are_the_same_however_many_are_made_at_once(monkeypatch):
    table = trees(3_000)
    whole = run(table, MIXUP, SMOOTHING, layout="weighted")
    monkeypatch.setattr(soft, "SPREAD", 1_000)
    assert run(table, MIXUP, SMOOTHING, layout="weighted").equals(whole)


def test_weighted_rows_stay_together_wherever_steps_on_rows_put_them(tmp_path):
    """Cloned, dropped, drawn anew and shuffled, and told by the truth: the same rows as in the wide layout."""
    write(trees(2_000), tmp_path / "in.parquet")
    rows = [{"op": op, "rate": 0.4} for op in ("duplicate", "drop", "resample")]
    steps = ({**MIXUP, "rate": 0.6}, {**SMOOTHING, "rate": 0.5}, *rows, {"op": "shuffle", "rate": 0.7})
    found = {}
    for layout in ("wide", "weighted"):
        out = tmp_path / f"{layout}.parquet"
        augment(tmp_path / "in.parquet", recipe(*steps, layout=layout), out, truth=True)
        found[layout] = pq.read_table(out)
        lines = pq.read_table(f"{out}.noisecli-truth.parquet").to_pandas()
        rows_of = lines[lines["column"].isna() & lines["output_row"].notna()].sort_values("output_row")
        assert rows_of["output_row"].tolist() == list(range(len(found[layout])))
        assert rows_of["row"].tolist() == found[layout]["number"].to_pylist()
    wide, weighted = found["wide"], found["weighted"]
    weights = weighted["sample_weight"].to_numpy()
    whose = np.rint(np.cumsum(weights) - weights / 2 - 0.5).astype(int)  # the weights of a row add up to 1
    assert np.array_equal(weighted["number"].to_numpy(), wide["number"].to_numpy()[whose])
    assert np.array_equal(weighted["x"].to_numpy(), wide["x"].to_numpy()[whose])
    table = np.zeros((len(wide), 3))
    np.add.at(table, (whose, own(weighted)), weights)
    assert np.array_equal(table, shares_of(wide))


def fitted(features: Floats, targets: Floats, weights: Floats) -> Floats:
    """Multinomial logistic regression with a little ridge, so that it has one solution, by Newton's method."""
    size = (features.shape[1], targets.shape[1])

    def loss(flat: Floats) -> tuple[float, Floats]:
        scores = features @ flat.reshape(size)
        value = -(weights[:, None] * targets * special.log_softmax(scores, axis=1)).sum() + 0.5 * flat @ flat
        slope = features.T @ (weights[:, None] * (special.softmax(scores, axis=1) - targets))
        return value, slope.ravel() + flat

    def bend(flat: Floats, direction: Floats) -> Floats:
        p, d = special.softmax(features @ flat.reshape(size), axis=1), features @ direction.reshape(size)
        return (features.T @ (weights[:, None] * p * (d - (p * d).sum(axis=1, keepdims=True)))).ravel() + direction

    start = np.zeros(size[0] * size[1])
    return optimize.minimize(loss, start, jac=True, hessp=bend, method="trust-ncg", options={"gtol": 1e-9}).x


def test_weighted_rows_fit_the_regression_of_exact_soft_cross_entropy():
    rng = np.random.Generator(np.random.PCG64(3))
    kinds = rng.integers(3, size=600)
    x, y = rng.normal(size=(2, 600)) + np.stack([kinds == 1, kinds == 2])
    table = pa.table({"number": np.arange(600), "x": x, "y": y, "kind": np.array(CLASSES)[kinds]})
    steps = ({**MIXUP, "rate": 0.6, "alpha": 1}, {**SMOOTHING, "rate": 0.5})
    wide, weighted = run(table, *steps), run(table, *steps, layout="weighted")

    def features(table: pa.Table) -> Floats:
        return np.stack([np.ones(len(table)), table["x"].to_numpy(), table["y"].to_numpy()], axis=1)

    soft = fitted(features(wide), shares_of(wide), np.ones(len(wide)))
    hard = fitted(features(weighted), np.eye(3)[own(weighted)], weighted["sample_weight"].to_numpy())
    np.testing.assert_allclose(hard, soft, rtol=0, atol=1e-6)


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".feather", ".jsonl"])
@pytest.mark.parametrize("layout", ["wide", "pair", "weighted"])
def test_every_format_takes_every_layout(tmp_path, suffix, layout):
    table = trees(3_000)
    source = tmp_path / f"in{suffix}"
    write(table, source)
    given = recipe({**MIXUP, "rate": 0.5}, layout=layout)
    outcome = augment(source, given, tmp_path / f"out{suffix}", truth=True)
    expected = run(table, {**MIXUP, "rate": 0.5}, layout=layout).to_pandas()
    found = load_frame(tmp_path / f"out{suffix}")
    assert list(found.columns) == list(expected.columns)
    pd.testing.assert_frame_equal(found[expected.columns[3:]], expected[expected.columns[3:]], check_dtype=False)
    again, same, different = replay(outcome.output, source, tmp_path / f"again{suffix}")
    assert (same, different) == ([], [])
    assert again.manifest.outputs[0].sha256 == outcome.manifest.outputs[0].sha256


def test_the_order_of_the_classes_is_in_the_manifest(tmp_path):
    pa.csv.write_csv(trees(300), tmp_path / "in.csv")
    outcome = augment(tmp_path / "in.csv", recipe(SMOOTHING), tmp_path / "out.csv")
    assert outcome.manifest.facts.columns["kind"].categories == CLASSES
    entry = json.loads(outcome.manifest_path.read_text())["steps"][0]
    assert list(entry["outgoing"]) == [f"kind__p__{name}" for name in CLASSES]


def test_the_clean_copy_has_no_soft_labels(tmp_path):
    pa.csv.write_csv(trees(300), tmp_path / "in.csv")
    given = {**recipe(SMOOTHING), "keep_original": True}
    augment(tmp_path / "in.csv", given, tmp_path / "out")
    assert (tmp_path / "out/copy=0/in.csv").read_bytes() == (tmp_path / "in.csv").read_bytes()
    with (tmp_path / "out/copy=1/in.csv").open(newline="") as file:
        assert next(csv.reader(file))[-1] == "kind__p__cedar"


@pytest.mark.parametrize(
    ("steps", "head", "fault"),
    [
        ([MIXUP], {"data": {}}, "needs to know the classes"),
        ([SMOOTHING], {"data": {}}, r"^\S+ op 'label_smoothing' needs to know the classes: [^\n]+$"),
        ([SMOOTHING], {"data": {"label": "kind"}, "columns": "flag"}, "is for the label, 'kind': leave `columns` out"),
        ([MIXUP], {"data": {"label": "kind"}, "columns": ["x", "kind"]}, "leave it out of `columns`"),
        ([SMOOTHING], {"data": {"label": "x"}}, "takes bool, integer or text columns; 'x' is float"),
        ([MIXUP], {"data": {"label": "x"}, "columns": "y"}, "soft labels need classes"),
        ([SMOOTHING], {"data": {"label": "kind", "soft_labels": "pair"}}, "cannot say what 'label_smoothing' makes"),
        ([MIXUP, {**MIXUP, "id": "b"}], {"data": {"label": "kind", "soft_labels": "pair"}}, "no third class"),
        ([{"op": "permute", "columns": "x", "within": "nothing"}], {}, "no column 'nothing'"),
        ([{**SMOOTHING, "exact": True}], {"data": {"label": "kind"}}, "takes no 'exact'"),
        ([{"op": "label_flip"}], {"data": {"label": "kind", "soft_labels": "pair"}}, "no step makes labels soft"),
    ],
)
def test_faults_say_what_is_missing(steps, head, fault):
    steps = [{**step, **({"columns": head["columns"]} if "columns" in head else {})} for step in steps]
    given = {"noisecli": 1, "seed": 1, "data": head.get("data", {}), "steps": steps}
    with pytest.raises(RecipeProblem, match=fault):
        noisecli.corrupt(TREES, given)


def test_facts_that_do_not_know_a_class_are_refused(tmp_path):
    pa.csv.write_csv(trees(300).slice(0, 200), tmp_path / "old.csv")
    pa.csv.write_csv(trees(300), tmp_path / "new.csv")
    facts = augment(tmp_path / "old.csv", recipe(MIXUP), tmp_path / "out.csv").manifest_path
    with pytest.raises(DataProblem, match="'cedar' is none of the classes that the recorded facts know"):
        augment(tmp_path / "new.csv", {**recipe(MIXUP), "facts": str(facts)}, tmp_path / "again.csv")


def test_a_column_of_that_name_is_a_fault():
    table = TREES.append_column("sample_weight", TREES["x"])
    with pytest.raises(RecipeProblem, match="'sample_weight', which the step adds, is there already"):
        run(table, SMOOTHING, layout="weighted")


# -------------------------------------------------------------------------------------------------------------- shared


def recipe(*steps: Step, layout: str = "wide") -> dict[str, Any]:
    return {"noisecli": 1, "seed": 1, "data": {"label": "kind", "soft_labels": layout}, "steps": list(steps)}


def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


def read(path: Path) -> pa.Table:
    return pyarrow.csv.read_csv(path)


def write(table: pa.Table, path: Path) -> None:
    if path.suffix == ".csv":
        pyarrow.csv.write_csv(table, path)
    elif path.suffix == ".parquet":
        pq.write_table(table, path, row_group_size=700)
    elif path.suffix == ".feather":
        table.to_pandas().to_feather(path)
    else:
        table.to_pandas().to_json(path, orient="records", lines=True)


def load_frame(path: Path) -> pd.DataFrame:
    if path.suffix == ".jsonl":
        return pd.read_json(path, lines=True, precise_float=True)
    readers = {".csv": pd.read_csv, ".parquet": pd.read_parquet, ".feather": pd.read_feather}
    return readers[path.suffix](path)
