"""Where a step strikes: mar, mnar, burst and clustered, through the doors that users have.

Seeds are fixed, so the tests are certain; the bounds are those of theory, 4 standard deviations of the count or of the
estimate. The standard deviation of a count of struck rows is not the binomial one: sum p (1 - p) where each row has a
chance p of its own; larger by (1 + rho) / (1 - rho) in runs whose states correlate by rho = stay - enter from row to
row; and r (1 - r) times the sum of the squared sizes for whole groups.
"""

import json
import warnings
from collections.abc import Callable
from itertools import pairwise, permutations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from scipy import stats
from scipy.optimize import brentq
from scipy.special import expit

import noisecli
from noisecli.errors import NoiseError, NoiseWarning
from noisecli.formats import csv as csv_format
from noisecli.run import execute
from noisecli.streams import BLOCK

Command = Callable[..., Any]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Step = dict[str, Any]

N = 6 * BLOCK + 1_700
UNLIKELY = 1e-4
RATES = [0.01, 0.1, 0.5]
TAILS = ["upper", "lower", "mid", "both"]
OTHERS: list[Any] = [
    {"mar": {"columns": "x"}},
    {"mar": {"columns": ["x", "w"], "tail": "both"}},
    {"mnar": {"tail": "lower"}},
    {"burst": {"length": 12}},
    {"clustered": "g"},
]
"""One of each that takes a rate."""


def make_frame(rows: int) -> pd.DataFrame:
    """`x`, `w` and `y` are normal and independent, `g` makes groups of unequal sizes."""
    rng = np.random.Generator(np.random.PCG64(3))
    x, w, y = rng.normal(size=(3, rows))
    group = (rng.random(rows) ** 2 * 800).astype(int)
    return pd.DataFrame({"x": 50 + 7 * x, "w": w, "y": y, "z": y, "g": group})


FRAME = make_frame(N)


def missing(mechanism: Any, rate: float | None = 0.1, columns: Any = "y", **more: Any) -> Step:
    step = {"op": "missing", "columns": columns, "mechanism": mechanism, **more}
    return step if rate is None else {**step, "rate": rate}


def a_recipe(*steps: Step, **head: Any) -> dict[str, Any]:
    return {"noisecli": 1, "seed": 8, **head, "steps": list(steps)}


def gone(*steps: Step, frame: pd.DataFrame = FRAME, column: str | list[str] = "y", **how: Any) -> Mask:
    """Which cells of a column, or of several, the steps make missing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoiseWarning)  # few rows may have no strike, and two steps may meet
        done = noisecli.corrupt(frame, a_recipe(*steps), **how)
    return np.asarray(done[column].isna() & ~frame[column].isna())


def standard(values: Any) -> Floats:
    numbers = np.asarray(values, float)
    return (numbers - numbers.mean()) / numbers.std()


def fold(score: Floats, tail: str) -> Floats:
    return {"upper": score, "lower": -score, "both": np.abs(score), "mid": -np.abs(score)}[tail]


def chances(score: Floats, rate: float) -> Floats:
    """A logistic curve of slope 1 whose mean is the rate."""
    shift = brentq(lambda b: expit(score + b).mean() - rate, -60, 60)
    return np.asarray(expit(score + shift))


def logistic(mask: Mask, *scores: Floats) -> tuple[Floats, Floats]:
    """Slopes of the logistic regression of a mask on scores, and their standard errors, by Newton's iteration."""
    design = np.column_stack([np.ones(len(mask)), *scores])
    beta = np.zeros(design.shape[1])
    for _ in range(30):
        p = expit(design @ beta)
        information = (design.T * (p * (1 - p))) @ design
        beta += np.linalg.solve(information, design.T @ (mask - p))
    return beta[1:], np.sqrt(np.diag(np.linalg.inv(information)))[1:]


def assert_slopes(mask: Mask, *scores: Floats, are: Any) -> None:
    slopes, errors = logistic(mask, *scores)
    assert (np.abs(slopes - are) <= 4 * errors).all(), (slopes, errors)


def assert_count(mask: Mask, n: int, rate: float, variance: float) -> None:
    assert abs(np.count_nonzero(mask) - n * rate) <= 4 * np.sqrt(variance)


# ------------------------------------------------------------------------------------------------ mar and mnar


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("own", [False, True])
def test_scored_cells_have_the_rate_and_the_slope(own: bool, tail: str, rate: float) -> None:
    mechanism = {"mnar": {"tail": tail}} if own else {"mar": {"columns": "x", "tail": tail}}
    score = fold(standard(FRAME["y" if own else "x"]), tail)
    mask = gone(missing(mechanism, rate))
    p = chances(score, rate)
    assert_count(mask, N, rate, np.sum(p * (1 - p)))
    assert_slopes(mask, score, are=1)


def test_mcar_depends_on_nothing() -> None:
    assert_slopes(gone(missing("mcar", 0.3)), standard(FRAME["x"]), standard(FRAME["y"]), are=0)


def test_mar_depends_on_nothing_but_its_columns() -> None:
    mask = gone(missing({"mar": {"columns": ["x", "w"]}}, 0.2))
    others = [standard(FRAME[name]) for name in ("x", "w", "y")]
    assert_slopes(mask, *others, are=[2**-0.5, 2**-0.5, 0])


def littles_test(frame: pd.DataFrame, mask: Mask) -> float:
    """The probability of such gaps in `y`, or odder ones, if they depend on nothing (Little 1988).

    `x` and `w` have no gaps, so the estimates of greatest likelihood have a closed form: the regression of `y` on both.
    """
    both, y = frame[["x", "w"]].to_numpy(), frame["y"].to_numpy()
    mean, covariance = both.mean(axis=0), np.cov(both.T, bias=True)
    design = np.column_stack([np.ones(len(y)), both])[~mask]
    (intercept, *slopes), rest, *_ = np.linalg.lstsq(design, y[~mask], rcond=None)
    shared = covariance @ slopes
    variance = rest[0] / len(design) + shared @ slopes
    spread = np.block([[covariance, shared[:, None]], [shared[None], np.array([[variance]])]])
    full = np.column_stack([both, y])[~mask].mean(axis=0) - np.append(mean, intercept + mean @ slopes)
    away = [(full, spread), (both[mask].mean(axis=0) - mean, covariance)]
    counts = (np.count_nonzero(~mask), np.count_nonzero(mask))
    statistic = sum(n * d @ np.linalg.solve(s, d) for n, (d, s) in zip(counts, away, strict=True))
    return float(stats.chi2(3 + 2 - 3).sf(statistic))


def test_littles_test_finds_mar_and_nothing_else() -> None:
    """It cannot find mnar: `y` does not go with `x` or `w`."""
    for mechanism in ("mcar", "mnar", {"burst": {"length": 5}}, {"clustered": "g"}):
        assert littles_test(FRAME, gone(missing(mechanism, 0.2))) > UNLIKELY, mechanism
    for columns in (["x"], ["w"], ["x", "w"]):
        assert littles_test(FRAME, gone(missing({"mar": {"columns": columns}}, 0.2))) < 1e-30
    several = [missing({"mar": {"columns": name}}, 0.1, id=name) for name in ("x", "w")]
    assert littles_test(FRAME, gone(*several)) < 1e-30


@pytest.mark.parametrize(("tail", "sign"), [("upper", -1), ("lower", 1), ("mid", 0), ("both", 0)])
def test_mnar_biases_the_mean(tail: str, sign: int) -> None:
    kept = FRAME["y"][~gone(missing({"mnar": {"tail": tail}}, 0.3))]
    bias = (kept.mean() - FRAME["y"].mean()) / (FRAME["y"].std() / np.sqrt(len(kept)))
    assert abs(bias) < 4 if sign == 0 else sign * bias > 20


def test_steps_leave_each_others_chances_alone() -> None:
    """Clean values decide, even those that an earlier step has damaged."""
    steps = [
        missing({"mar": {"columns": "x"}}, 0.3, "y", id="a"),
        missing({"mar": {"columns": "y", "tail": "lower"}}, 0.2, "x", id="b"),
        missing({"mar": {"columns": "x", "tail": "both"}}, 0.2, "z", id="c"),
        {"op": "gaussian_noise", "columns": ["x", "y"], "sigma": 5},
    ]
    alone = {column: gone(step, column=column) for column, step in zip("yxz", steps, strict=False)}
    x, y = standard(FRAME["x"]), standard(FRAME["y"])
    assert_slopes(alone["y"], x, are=1)
    assert_slopes(alone["x"], -y, are=1)
    assert_slopes(alone["z"], np.abs(x), are=1)
    for order in permutations(steps):
        np.testing.assert_array_equal(gone(*order, column=[*alone]).T, [*alone.values()])


def test_what_is_missing_counts_as_the_mean_and_infinity_lies_far_out() -> None:
    frame = FRAME.assign(x=standard(FRAME["x"]))
    frame.loc[frame.index % 5 == 0, "x"] = np.nan
    frame.loc[frame.index % 50 == 1, "x"] = np.inf
    frame.loc[frame.index % 50 == 2, "x"] = -np.inf
    mask = gone(missing({"mar": {"columns": "x"}}, 0.3), frame=frame)
    finite = frame["x"][np.isfinite(frame["x"])]
    score = np.clip((frame["x"].fillna(finite.mean()) - finite.mean()) / finite.std(ddof=0), -16, 16).to_numpy()
    p = chances(score, 0.3)
    for rows in (np.full(N, True), frame["x"].isna(), frame["x"] == np.inf, frame["x"] == -np.inf):
        assert_count(mask[rows], 1, p[rows].sum(), max(np.sum((p * (1 - p))[rows]), 1e-3))


@pytest.mark.parametrize("cells", [[7] * N, [None] * N, [0.1] * N], ids=["constant", "nothing", "tenths"])
def test_a_column_without_a_spread_makes_it_mcar(cells: list[Any]) -> None:
    frame = FRAME.assign(x=pd.array(cells, "Float64"))
    assert_count(gone(missing({"mar": {"columns": "x"}}, 0.1), frame=frame), N, 0.1, N * 0.09)


@pytest.mark.parametrize("cells", ["integers", "decimals"])
def test_the_storage_of_the_deciding_column_does_not_matter(cells: str, tmp_path: Path) -> None:
    numbers = (standard(FRAME["x"]) * 1000).round() if cells == "integers" else FRAME["x"].round(3)
    frame = FRAME.assign(x=numbers.astype("int64") if cells == "integers" else numbers)[["x", "y"]]
    mask = gone(missing({"mar": {"columns": "x"}}, 0.1), frame=frame)
    assert_slopes(mask, standard(frame["x"]), are=1)
    np.testing.assert_array_equal(blank(on_file(tmp_path / "in.csv", frame, missing({"mar": {"columns": "x"}}))), mask)


def test_where_keeps_the_rate_among_the_rows_that_pass() -> None:
    passes = (FRAME["g"] < 100).to_numpy()
    for mechanism in OTHERS[:3]:
        mask = gone(missing(mechanism, 0.25, where={"g": {"lt": 100}}))
        assert not mask[~passes].any()
        assert_count(mask, int(passes.sum()), 0.25, passes.sum() * 0.25 * 0.75)


def test_held_out_rows_are_in_no_score() -> None:
    """Values of other splits, however far out, change nothing."""
    split = np.where(np.arange(N) % 4 == 0, "test", "train")
    wild = FRAME.assign(
        split=split, x=FRAME["x"].where(split == "train", 1e6), y=FRAME["y"].where(split == "train", 99)
    )
    masks = []
    for frame in (FRAME.assign(split=split), wild):
        for mechanism in OTHERS[:3]:
            done = noisecli.corrupt(frame, a_recipe(missing(mechanism, 0.2), data={"split": "split"}))
            masks.append(done["y"].isna().to_numpy())
    for ours, theirs in zip(masks[:3], masks[3:], strict=True):
        assert not ours[split == "test"].any()
        assert_count(ours, int((split == "train").sum()), 0.2, N * 0.75 * 0.16)
        np.testing.assert_array_equal(ours, theirs)


def test_selectors_pass_over_what_cannot_be_chosen_so() -> None:
    frame = FRAME.assign(t="a")
    done = noisecli.corrupt(frame, a_recipe(missing("mnar", 0.2, "all")))
    assert done["t"].notna().all()
    assert done["y"].isna().any()
    done = noisecli.corrupt(frame, a_recipe(missing({"mar": {"columns": "x"}}, 0.2, "numeric")))
    assert done["x"].notna().all()
    assert done["y"].isna().any()


# ------------------------------------------------------------------------------------------------ burst


def lengths(mask: Mask) -> NDArray[np.int64]:
    """Lengths of the runs of struck rows."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    return edges[1::2] - edges[::2]


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("length", [2, 5, 60])
def test_bursts_have_the_rate_and_geometric_lengths(length: float, rate: float) -> None:
    mask = gone(missing({"burst": {"length": length}}, rate))
    stay, enter = 1 - 1 / length, rate / (1 - rate) / length
    rho = stay - enter
    assert_count(mask, N, rate, N * rate * (1 - rate) * (1 + rho) / (1 - rho))
    runs = lengths(mask)
    assert abs(runs.mean() - length) <= 4 * np.sqrt(length**2 * stay / len(runs))
    for k in (1, 2, 4, length):
        share = stay ** (k - 1) / length
        assert abs(np.mean(runs == k) - share) <= 4 * np.sqrt(share * (1 - share) / len(runs))


def test_enter_and_stay_imply_the_rate() -> None:
    mask = gone(missing({"burst": {"enter": 0.02, "stay": 0.9}}, None))
    rate, rho = 0.02 / 0.12, 0.88
    assert_count(mask, N, rate, N * rate * (1 - rate) * (1 + rho) / (1 - rho))
    np.testing.assert_array_equal(mask, gone(missing({"burst": {"length": 10}}, rate)))


def test_bursts_are_as_likely_at_the_first_rows_as_anywhere() -> None:
    """Long runs, each file 40 rows: a chain that began outside a run would hardly ever be in one."""
    frame = FRAME.head(40)
    first = [gone(missing({"burst": {"length": 200}}, 0.3), frame=frame, seed=seed)[0] for seed in range(600)]
    assert_count(np.array(first), 600, 0.3, 600 * 0.21)


def test_a_run_may_be_longer_than_the_file() -> None:
    masks = [gone(missing({"burst": {"length": 1e12}}, 0.5), frame=FRAME, seed=seed) for seed in range(24)]
    assert all(mask.all() or not mask.any() for mask in masks)
    assert 0 < sum(bool(mask[0]) for mask in masks) < 24


def test_bursts_at_rate_0_and_1() -> None:
    for length in (1, 30):
        assert not gone(missing({"burst": {"length": length}}, 0)).any()
        assert gone(missing({"burst": {"length": length}}, 1)).all()


@pytest.mark.parametrize(("length", "rate"), [(1, 0.1), (4, 0.8)])
def test_runs_shorter_than_those_of_chance_are_refused(length: float, rate: float) -> None:
    with pytest.raises(NoiseError, match=rf"at rate {rate} runs are .* rows long by chance alone, not {length}"):
        gone(missing({"burst": {"length": length}}, rate))


# ------------------------------------------------------------------------------------------------ clustered


@pytest.mark.parametrize("rate", RATES)
def test_groups_are_struck_as_a_whole(rate: float) -> None:
    mask = gone(missing({"clustered": "g"}, rate))
    sizes = FRAME.groupby("g").size()
    assert set(pd.Series(mask).groupby(FRAME["g"]).mean()) <= {0.0, 1.0}
    assert_count(mask, N, rate, rate * (1 - rate) * np.sum(sizes.to_numpy() ** 2))


def test_rows_without_a_group_are_struck_each_for_itself() -> None:
    frame = FRAME.assign(g=FRAME["g"].astype("Int64").mask(FRAME.index % 2 == 0))
    mask = gone(missing({"clustered": "g"}, 0.3), frame=frame)
    n = N // 2
    assert_count(mask[::2], n, 0.3, n * 0.21)
    sizes = lengths(mask[::2])
    assert abs(sizes.mean() - 1 / 0.7) < 0.05, "one by one"
    assert set(pd.Series(mask[1::2]).groupby(FRAME["g"].to_numpy()[1::2]).mean()) == {0.0, 1.0}


KEYS = {
    "integer": lambda g: g,
    "float": lambda g: g / 4,
    "bool": lambda g: g % 2 == 0,
    "text": lambda g: "naïve " + g.astype(str),
    "date": lambda g: pd.Timestamp("2024-01-01") + pd.to_timedelta(g, unit="D"),
}


@pytest.mark.parametrize("kind", KEYS)
def test_groups_are_the_same_in_every_format(kind: str, tmp_path: Path) -> None:
    frame = FRAME.head(3_000)[["y"]].assign(k=KEYS[kind](FRAME["g"].head(3_000)))
    step = missing({"clustered": "k"}, 0.5)
    masks = [blank(on_file(tmp_path / f"in.{format}", frame, step)) for format in ("csv", "parquet")]
    masks.append(gone(step, frame=frame))
    masks.append(gone(step, frame=frame.assign(k=frame["k"].astype("category"))))
    assert masks[0].any() or kind == "bool"
    for mask in masks[1:]:
        np.testing.assert_array_equal(mask, masks[0])


def test_groups_reach_across_the_files_of_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for i, part in enumerate(np.array_split(np.arange(6_000), 3)):
        FRAME.iloc[part].to_csv(folder / f"{i}.csv", index=False)
    out = noisecli.augment(folder, a_recipe(missing({"clustered": "g"}, 0.4)), tmp_path / "out").output
    done = pd.concat([pd.read_csv(out / f"{i}.csv") for i in range(3)])
    means = done["y"].isna().groupby(done["g"]).mean()
    assert set(means) == {0.0, 1.0}


# ------------------------------------------------------------------------------------------------ the promises


def write(path: Path, frame: pd.DataFrame, rows_a_group: int = 20_000) -> Path:
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    else:
        pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), path, row_group_size=rows_a_group)
    return path


def on_file(path: Path, frame: pd.DataFrame, *steps: Step, workers: int = 1, **head: Any) -> Path:
    """Write the frame, corrupt the file, and give the output."""
    out = path.with_stem("out" + path.stem)
    return noisecli.augment(write(path, frame), a_recipe(*steps, **head), out, workers=workers, force=True).output


def blank(path: Path, column: str = "y") -> Mask:
    frame = pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
    return frame[column].isna().to_numpy()


@pytest.mark.parametrize("format", ["csv", "parquet"])
def test_the_cut_of_the_work_does_not_matter(format: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mechanisms = [*OTHERS, {"burst": {"length": 40_000}}]
    names = [f"c{i}" for i in range(len(mechanisms))]
    frame = FRAME.head(4 * BLOCK + 99)[["x", "w", "g"]].round(4)
    frame = frame.assign(**dict.fromkeys(names, frame["w"]))
    steps = [missing(how, 0.4, name, id=name) for name, how in zip(names, mechanisms, strict=True)]
    expected = noisecli.corrupt(frame, a_recipe(*steps))[names].isna()
    assert expected.any().all()
    for slab, tasks, workers in ((400_000, 1, 2), (2 << 20, 8, 1), (77_777, 3, 1)):
        monkeypatch.setattr(csv_format, "SLAB_BYTES", slab)
        monkeypatch.setattr(execute, "TASK_SLABS", tasks)
        source = write(tmp_path / f"in{slab}.{format}", frame, rows_a_group=slab // 40)
        out = noisecli.augment(source, a_recipe(*steps), tmp_path / f"out{slab}.{format}", workers=workers).output
        for name in names:
            np.testing.assert_array_equal(blank(out, name), expected[name], name)


@pytest.mark.parametrize("mechanism", OTHERS, ids=str)
def test_strikes_nest_over_rates(mechanism: Any) -> None:
    masks = [gone(missing(mechanism, rate)) for rate in (0, 0.01, 0.1, 0.11, 0.5, 0.9, 1)]
    assert all((~low | high).all() for low, high in pairwise(masks))
    assert not masks[0].any()
    assert masks[-1].all()


@pytest.mark.parametrize("mechanism", OTHERS, ids=str)
def test_other_steps_and_columns_move_no_strike(mechanism: Any) -> None:
    frame = FRAME.head(20_000)
    step = missing(mechanism, 0.2)
    expected = gone(step, frame=frame)
    more = frame.assign(new=frame["w"])[["new", *frame.columns]]
    other = missing({"burst": {"length": 3}}, 0.2, "new", id="other")
    np.testing.assert_array_equal(gone(other, {**step, "columns": ["y", "new"]}, frame=more), expected)


@pytest.mark.parametrize("mechanism", OTHERS, ids=str)
def test_copies_columns_and_steps_differ(mechanism: Any) -> None:
    frame = FRAME.head(20_000)
    both = missing(mechanism, 0.3, ["y", "z"])
    masks = [gone(both, frame=frame), gone(both, frame=frame, column="z"), gone({**both, "id": "b"}, frame=frame)]
    second = noisecli.corrupt(frame, a_recipe(both, copies=2), copy=2)
    masks.append(second["y"].isna().to_numpy())
    assert all((a != b).any() for a, b in zip(masks, masks[1:] + masks[:1], strict=True))


@pytest.mark.parametrize("mechanism", OTHERS[:2] + OTHERS[3:], ids=str)
def test_rows_are_chosen_too(mechanism: Any) -> None:
    frame = FRAME.head(20_000)
    done = noisecli.corrupt(frame, a_recipe({"op": "duplicate", "mechanism": mechanism, "rate": 0.2}))
    twice = np.bincount(done.index, minlength=len(frame)) == 2
    if "clustered" in mechanism:
        assert set(pd.Series(twice).groupby(frame["g"]).mean()) == {0.0, 1.0}
    if "burst" in mechanism:
        assert abs(lengths(twice).mean() - 12) < 4 * np.sqrt(12**2 / len(lengths(twice)))
    if mechanism.get("mar", {}).get("columns") == "x":
        assert_slopes(twice, standard(frame["x"]), are=1)
    assert 0.1 < twice.mean() < 0.3


def forget(rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    return rows.map(lambda value: None)


@pytest.mark.parametrize("mechanism", OTHERS[:2] + OTHERS[3:], ids=str)
def test_a_function_of_the_users_own_gets_the_chosen_rows(mechanism: Any) -> None:
    step = {"op": "custom", "columns": ["y", "x"], "function": f"{__name__}:forget", "rate": 0.2}
    frame = FRAME.head(40_000)
    done = noisecli.corrupt(frame, a_recipe({**step, "mechanism": mechanism}), allow_code=True)
    mask = done["y"].isna().to_numpy()
    np.testing.assert_array_equal(done["x"].isna(), mask)
    assert 0.1 < mask.mean() < 0.3
    if "mar" in mechanism and mechanism["mar"]["columns"] == "x":
        assert_slopes(mask, standard(frame["x"]), are=1)
    if "clustered" in mechanism:
        assert set(pd.Series(mask).groupby(frame["g"]).mean()) == {0.0, 1.0}


def test_rows_that_do_not_fit_are_in_no_score_and_no_group(tmp_path: Path) -> None:
    lines = [f"{i % 50},{i},k{i % 30}" if i % 97 else "oops,1" for i in range(5_000)]
    (tmp_path / "in.csv").write_text("\n".join(["x,y,g", *lines, ""]))
    for mechanism in ({"mar": {"columns": "x"}}, {"clustered": "g"}, {"burst": {"length": 3}}, "mnar"):
        recipe = a_recipe(missing(mechanism, 0.3), on_error="skip")
        outcome = noisecli.augment(tmp_path / "in.csv", recipe, tmp_path / "out.csv", force=True)
        assert outcome.output.read_text().split("\n")[1::97] == ["oops,1"] * 52
        counts = outcome.manifest.steps[0].columns["y"]
        assert counts["eligible"] == 5_000 - 52
        assert 0.1 < counts["struck"] / 5_000 < 0.6


def test_a_number_is_one_group_however_it_is_written(tmp_path: Path) -> None:
    spellings = ["1.0", "1.00", "1", "10e-1", "+1.0"] * 20
    other = ["0.0", "-0.0", "0"] * 30
    rows = [f"{name},{i}" for i, name in enumerate([*spellings, *other])]
    (tmp_path / "in.csv").write_text("\n".join(["k,y", *rows, ""]))
    for seed in range(8):
        recipe = a_recipe(missing({"clustered": "k"}, 0.5)) | {"seed": seed}
        mask = blank(noisecli.augment(tmp_path / "in.csv", recipe, tmp_path / "out.csv", force=True).output)
        assert len(set(mask[:100])) == len(set(mask[100:])) == 1


def test_numbers_too_large_to_score_are_refused() -> None:
    frame = FRAME.head(100).assign(x=np.tile([1.7e308, -1.7e308], 50))
    with pytest.raises(NoiseError, match="column 'x': numbers too large for a standard deviation"):
        gone(missing({"mar": {"columns": "x"}}), frame=frame)


def test_label_ops_strike_about_the_rate_with_a_mechanism() -> None:
    frame = FRAME.assign(label=np.where(FRAME["w"] > 0, "a", "b"))
    done = noisecli.corrupt(
        frame, a_recipe({"op": "label_flip", "columns": "label", "mechanism": OTHERS[0], "rate": 0.2})
    )
    mask = (done["label"] != frame["label"]).to_numpy()
    assert_count(mask, N, 0.2, N * 0.16)
    assert_slopes(mask, standard(frame["x"]), are=1)


# ------------------------------------------------------------------------------------------------ replay and facts


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write(tmp_path / "in.csv", FRAME.head(5_000).round(4))


SWEEP = {"steps.one.rate": [0.1, 0.3]}


@pytest.mark.parametrize("mechanism", OTHERS, ids=str)
def test_replay_gives_the_same(mechanism: Any, source: Path, tmp_path: Path, command: Command) -> None:
    recipe = a_recipe(missing(mechanism, id="one"), sweep=SWEEP, copies=2)
    out = noisecli.augment(source, recipe, tmp_path / "out").output
    result = command("replay", out, "--input", source, "-o", tmp_path / "again")
    assert result.code == 0, result.err
    a, b = (sorted((tmp_path / name).rglob("*.csv")) for name in ("out", "again"))
    assert len(a) == 4
    assert [path.read_bytes() for path in a] == [path.read_bytes() for path in b]


def test_the_manifest_says_where_each_curve_lies(source: Path, tmp_path: Path) -> None:
    recipe = a_recipe(
        missing({"mar": {"columns": "x", "tail": "lower"}}, id="one"), missing("mnar", id="own"), sweep=SWEEP
    )
    found = noisecli.augment(source, recipe, tmp_path / "out").manifest.facts.shifts
    said = [(entry.sweep, entry.step, entry.column, entry.rate, entry.by, entry.tail) for entry in found]
    assert said == [
        ("one.rate=0.1", "one", "y", 0.1, ("x",), "lower"),
        ("one.rate=0.1", "own", "y", 0.1, ("y",), "upper"),
        ("one.rate=0.3", "one", "y", 0.3, ("x",), "lower"),
        ("one.rate=0.3", "own", "y", 0.1, ("y",), "upper"),
    ]
    x = standard(pd.read_csv(source)["x"])
    assert expit(found[0].shift - x).mean() == pytest.approx(0.1, abs=1e-4)
    assert expit(found[2].shift - x).mean() == pytest.approx(0.3, abs=1e-4)


@pytest.mark.parametrize("head", [{}, {"sweep": SWEEP}], ids=["one", "sweep"])
def test_pinned_facts_keep_old_strikes_in_data_that_grows(head: Any, source: Path, tmp_path: Path) -> None:
    steps = [missing(OTHERS[0], 0.1, id="one"), missing("mnar", 0.2, "z", id="own")]
    noisecli.augment(source, a_recipe(*steps, **head), tmp_path / "old")
    grown = pd.concat([FRAME.head(5_000), FRAME.head(5_000) * 3]).round(4)
    pinned = a_recipe(*steps, **head, facts=str(tmp_path / "old.noisecli.json"))
    noisecli.augment(write(tmp_path / "grown.csv", grown), pinned, tmp_path / "new")
    olds = sorted(tmp_path.rglob("old/**/*.csv")) or [tmp_path / "old"]
    news = sorted(tmp_path.rglob("new/**/*.csv")) or [tmp_path / "new"]
    for old, new in zip(olds, news, strict=True):
        before, after = pd.read_csv(old), pd.read_csv(new)
        for column in "yz":
            np.testing.assert_array_equal(after[column].isna().head(5_000), before[column].isna())


@pytest.mark.parametrize(
    ("step", "says"),
    [
        (missing({"mar": {"columns": "x"}}, 0.2), "is for rate 0.1, not 0.2"),
        (missing({"mar": {"columns": "x", "tail": "mid"}}), "is for columns x, tail upper"),
        (missing({"mar": {"columns": "z"}}), "no facts of some columns"),
        (missing({"mar": {"columns": ["x", "y2"]}}), "no column 'y2'"),
        (missing("mnar"), "no curve for the mechanism of step 'missing'"),
    ],
)
def test_a_recorded_curve_is_for_nothing_else(step: Step, says: str, source: Path, tmp_path: Path) -> None:
    noisecli.augment(source, a_recipe(missing({"mar": {"columns": "x"}})), tmp_path / "old.csv")
    with pytest.raises(NoiseError, match=says):
        noisecli.augment(source, a_recipe(step, facts=str(tmp_path / "old.csv")), tmp_path / "new.csv")
    assert not (tmp_path / "new.csv").exists()


def change(**what: Any) -> Callable[[Any], Any]:
    return lambda facts: facts["shifts"][0].update(what)


HOSTILE: dict[str, Callable[[Any], Any]] = {
    "none": lambda facts: facts.pop("shifts"),
    "not finite": change(shift=float("nan")),
    "too large": change(shift=1e300),
    "text": change(shift="high"),
    "of another rate": change(rate=0.5),
    "of another column": change(column="z"),
    "no mean": lambda facts: facts["columns"]["x"].pop("mean"),
    "sd of nothing": lambda facts: facts["columns"]["x"].update(sd=5e-324),
}


@pytest.mark.parametrize("tamper", HOSTILE.values(), ids=HOSTILE)
def test_hostile_manifests_are_refused_in_a_line(
    tamper: Callable[[Any], Any], source: Path, tmp_path: Path, command: Command
) -> None:
    out = noisecli.augment(source, a_recipe(missing(OTHERS[0])), tmp_path / "old.csv").output
    manifest = tmp_path / "old.csv.noisecli.json"
    content = json.loads(manifest.read_text())
    tamper(content["facts"])
    manifest.write_text(json.dumps(content))
    result = command("replay", out, "--input", source, "-o", tmp_path / "again.csv")
    assert result.code == 3 or "differ" in result.err, result.err
    assert "Traceback" not in result.err
    assert "Warning" not in result.err


# ------------------------------------------------------------------------------------------------ recipes

FAULTS = {
    "mechanism: mra": ("mra", "unknown key 'mra'; did you mean 'mar'?"),
    "mechanism: {brust: {length: 3}}": ("brust", "did you mean 'burst'?"),
    "mechanism: mar": ("mar", "missing key 'columns'"),
    "mechanism: {mar: }": (" }", "missing key 'columns'"),
    "mechanism: {mar: {columns: x, tial: mid}}": ("tial", "unknown key 'tial'; did you mean 'tail'?"),
    "mechanism: {mar: {columns: x, tail: top}}": ("top", "'upper', 'lower', 'mid' or 'both'"),
    "mechanism: {mar: x}": ("{mar", "takes a mapping, such as {mar: {columns: age}}"),
    "mechanism: {mar: {columns: x}, mnar: {}}": ("{mar", "takes one of mcar, mar, mnar, burst, clustered and window"),
    "mechanism: {mar: {columns: xx}}": ("{mar", "no column 'xx' in"),
    "mechanism: {mar: {columns: [x, t]}}": ("{mar", "column 't' is text, and values that decide must be numbers"),
    "mechanism: {mar: {columns: y}}": ("{mar", "column 'y' would decide about itself"),
    "mechanism: {clustered: h}": ("{clu", "no column 'h' in"),
    "mechanism: {burst: {lenght: 3}}": ("lenght", "did you mean 'length'?"),
    "mechanism: {burst: {length: 3, enter: 0.1, stay: 0.9}}": ("{length", "takes `length`, or `enter` and `stay`"),
    "mechanism: {burst: {enter: 0.1}}": ("{enter", "takes `length`, or `enter` and `stay`"),
    "mechanism: {burst: {enter: 0.9, stay: 0.1}}": ("{enter", "`stay` must not be less than `enter`"),
    "rate: 0.2, mechanism: {burst: {enter: 0.1, stay: 0.9}}": ("rate", "follows from `enter` and `stay`"),
    "mechanism: {burst: {length: 0.5}}": ("0.5", "greater than or equal to 1"),
    "mechanism: mnar, exact: true": ("exact", "an exact number of cells is chosen by mcar only"),
    "mechanism: 5": ("5", "takes a name, or one key"),
    "mechanism: [mar]": ("[mar", "takes a name, or one key"),
}


@pytest.mark.parametrize("text", FAULTS)
def test_faults_are_shown_at_their_place(text: str, command: Command, recipe: Any, tmp_path: Path) -> None:
    source = write(tmp_path / "in.csv", FRAME.head(50).assign(t="a"))
    path = recipe(f"op: missing, columns: y, {text}")
    result = command("augment", source, "-r", path, "-o", tmp_path / "out.csv")
    place, says = FAULTS[text]
    line = path.read_text().splitlines()[-1]
    column = line.index(place, line.index(text)) + 1
    assert result.code == 2
    assert len(result.errors) == 1
    assert says in result.errors[0]
    assert f":{len(path.read_text().splitlines())}:{column}:" in result.errors[0]


@pytest.mark.parametrize(
    ("step", "says"),
    [
        ("op: duplicate, mechanism: mnar", "strikes whole rows, which have no value of their own: use mar"),
        ("op: typo, columns: t, mechanism: mnar", "column 't' is text, and values that decide must be numbers"),
        ("op: missing, columns: t, mechanism: mnar", "column 't' is text"),
    ],
)
def test_what_cannot_be_chosen_so_is_refused(
    step: str, says: str, command: Command, recipe: Any, tmp_path: Path
) -> None:
    source = write(tmp_path / "in.csv", FRAME.head(50).assign(t="a"))
    result = command("augment", source, "-r", recipe(step), "-o", tmp_path / "out.csv")
    assert result.code == 2
    assert says in result.err


def test_the_schema_says_what_mechanisms_there_are(command: Command) -> None:
    schema = command("schema").json
    names, keys = schema["$defs"]["table_step"]["properties"]["mechanism"]["anyOf"]
    assert names["enum"] == ["mcar", "mnar"]
    choice = schema["$defs"][keys["$ref"].rpartition("/")[2]]
    assert set(choice["properties"]) == {"mcar", "mar", "mnar", "burst", "clustered", "window"}
    assert (choice["minProperties"], choice["maxProperties"], choice["additionalProperties"]) == (1, 1, False)
    assert {"type": "string"} in choice["properties"]["clustered"]["anyOf"]
    assert {"type": "string"} in schema["$defs"]["Mar"]["properties"]["columns"]["anyOf"]


def test_groups_too_few_for_a_rate_are_warned_of() -> None:
    frame = pd.DataFrame({"x": np.arange(4000.0), "group": ["large"] * 3990 + ["small"] * 10})
    step = {"op": "missing", "columns": "x", "rate": 0.5, "mechanism": {"clustered": "group"}}
    said = set()
    for seed in range(20):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            noisy = noisecli.corrupt(frame, {"noisecli": 1, "seed": seed, "steps": [step]})
        gone = int(noisy["x"].isna().sum())
        expected = {0: "strikes none", 10: "10 of 4000 struck, far from the rate 0.5"}.get(gone)
        assert [expected in str(warning.message) for warning in caught] == ([True] if expected else [])
        said.add(gone)
    assert {10, 3990} <= said
