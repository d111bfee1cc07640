"""Steps that strike in a window: where it lies, how chances change in it, and what a recipe may not say of it.

Seeds are fixed, so the tests are certain; the bounds are 4 standard deviations of a count of independent strikes.
"""

import json
import warnings
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

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
RATES = [0.01, 0.1, 0.5]
HOUR = pd.Timedelta("1h")


def make_frame(rows: int) -> pd.DataFrame:
    """`t` goes on by ten minutes a row, `k` is a number in no order, half a million wide; `y` is to be struck."""
    rng = np.random.Generator(np.random.PCG64(5))
    times = pd.Timestamp("2023-01-01") + pd.to_timedelta(10 * np.arange(rows), unit="min")
    number = rng.permutation(rows) * 5.0 - 1000
    return pd.DataFrame({"t": times, "k": number, "y": rng.normal(size=rows).round(4), "z": 1.5, "s": "ab cd ef"})


FRAME = make_frame(N)
START, END = "2023-03-01", "2024-03-01T12:00"
SHAPES: dict[str, dict[str, Any]] = {
    "flat": {"by": "t", "from": START, "to": END},
    "up": {"by": "t", "from": START, "to": END, "ramp": "up"},
    "down": {"by": "k", "from": 0, "to": 300_000.5, "ramp": "down"},
    "season": {"by": "t", "from": START, "period": "7d"},
    "rows": {"from": 1_000, "to": 90_000, "period": 5_000},
    "late": {"by": "k", "from": 1e5},
}


def place(shape: str, frame: pd.DataFrame = FRAME) -> Floats:
    """How likely each row is, in proportion, by the words of the documentation; 0 outside."""
    rows = np.arange(len(frame))
    days = ((frame["t"] - pd.Timestamp(START)) / (24 * HOUR)).to_numpy()
    last = (pd.Timestamp(END) - pd.Timestamp(START)) / (24 * HOUR)
    key = frame["k"].to_numpy()
    inside = {"down": (key >= 0) & (key < 300_000.5), "rows": (rows >= 1_000) & (rows < 90_000), "late": key >= 1e5}
    within = inside.get(shape, (days >= 0) & ((days < last) | (shape == "season")))
    heights = {
        "up": days / last,
        "down": 1 - key / 300_000.5,
        "season": (1 + np.cos(2 * np.pi * days / 7)) / 2,
        "rows": (1 + np.cos(2 * np.pi * (rows - 1_000) / 5_000)) / 2,
    }
    return np.where(within, heights.get(shape, np.ones(len(frame))), 0.0)


def missing(window: dict[str, Any], rate: float = 0.1, columns: Any = "y", **more: Any) -> Step:
    return {"op": "missing", "columns": columns, "rate": rate, "mechanism": {"window": window}, **more}


def a_recipe(*steps: Step, **head: Any) -> dict[str, Any]:
    return {"noisecli": 1, "seed": 9, **head, "steps": list(steps)}


def gone(step: Step, frame: pd.DataFrame = FRAME, column: str = "y", **head: Any) -> Mask:
    """Which cells of a column a step makes missing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoiseWarning)  # a rate may be too much for a curve
        done = noisecli.corrupt(frame, a_recipe(step, **head))
    return np.asarray(done[column].isna() & ~frame[column].isna())


def assert_count(mask: Mask, chances: Floats) -> None:
    assert abs(np.count_nonzero(mask) - chances.sum()) <= 4 * np.sqrt(np.sum(chances * (1 - chances))) + 1e-9


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_window_has_the_rate_and_the_shape(shape: str, rate: float) -> None:
    """Over the whole window, and in each tenth of the rows by their chance and by their number."""
    mask, form = gone(missing(SHAPES[shape], rate)), place(shape)
    inside = form > 0
    chances = form * min(1, rate * inside.sum() / form.sum())
    assert not mask[~inside].any()
    assert_count(mask, chances)
    if chances.max() < 1:
        assert_count(mask, np.where(inside, rate, 0))
    for order in (np.argsort(form, kind="stable"), np.arange(N)):
        for part in np.array_split(order[inside[order]], 10):
            assert_count(mask[part], chances[part])


def test_a_ramp_grows_linearly_and_a_season_peaks_where_it_should() -> None:
    mask = gone(missing(SHAPES["up"], 0.3))
    inside = place("up") > 0
    at = place("up")[inside]
    slope, start = np.polyfit(at, mask[inside], 1)
    assert abs(slope - 0.6) < 4 * np.sqrt(0.21 / inside.sum() / at.var())
    assert abs(start) < 0.02
    season = gone(missing({"by": "t", "from": "2023-01-04T06:00", "period": "24h"}, 0.2))
    hours = FRAME["t"].dt.hour[season & (FRAME["t"] >= "2023-01-04T06:00")] + 0.5
    angle = np.angle(np.exp(2j * np.pi * (hours.to_numpy() - 6) / 24).mean())
    assert abs(angle) < 4 * np.sqrt(2 / len(hours))


@pytest.mark.parametrize("shape", SHAPES)
def test_strikes_nest_over_rates(shape: str) -> None:
    masks = [gone(missing(SHAPES[shape], rate)) for rate in (0, 0.01, 0.1, 0.11, 0.5, 0.9, 1)]
    assert all((~low | high).all() for low, high in pairwise(masks))
    assert not masks[0].any()
    if shape in ("flat", "late"):
        np.testing.assert_array_equal(masks[-1], place(shape) > 0)


def test_the_role_time_is_what_windows_go_by() -> None:
    bare = {key: value for key, value in SHAPES["up"].items() if key != "by"}
    np.testing.assert_array_equal(gone(missing(bare), data={"time": "t"}), gone(missing(SHAPES["up"])))


def test_rows_without_a_moment_are_not_eligible() -> None:
    frame = FRAME.head(9_000).assign(t=FRAME["t"].where(FRAME.index % 3 > 0), k=FRAME["k"].where(FRAME.index % 3 > 0))
    frame.loc[frame.index % 3 == 1, "k"] = np.inf
    for window in ({"by": "t", "period": "2d"}, {"by": "t", "to": END}, {"by": "k", "from": -1e9}):
        mask = gone(missing(window, 1.0 if "to" in window else 0.4), frame)
        assert not mask[::3].any()
        assert mask[2::3].any()
    assert not gone(missing({"by": "k", "from": -1e9}, 1.0), frame)[1::3].any()


def test_a_rate_beyond_the_curve_is_warned_of() -> None:
    with pytest.warns(NoiseWarning, match=r"\d+ of \d+ struck, not the rate 0.8: the chance is 1 where it is highest"):
        done = noisecli.corrupt(FRAME, a_recipe(missing(SHAPES["season"], 0.8)))
    form = place("season")
    assert_count(done["y"].isna().to_numpy(), form)


def test_an_empty_window_is_warned_of() -> None:
    step = missing({"by": "t", "from": "1999-01-01", "to": "1999-02-01", "ramp": "up"})
    with pytest.warns(NoiseWarning, match="nothing is eligible; see its `window`"):
        assert noisecli.corrupt(FRAME, a_recipe(step))["y"].notna().all()


def test_where_a_window_and_the_split_hold_together() -> None:
    split = np.where(np.arange(N) % 4 == 0, "test", "train")
    frame = FRAME.assign(split=split)
    step = missing(SHAPES["up"], 0.3, where={"k": {"lt": 200_000}})
    mask = gone(step, frame, data={"split": "split"})
    able = (split == "train") & (frame["k"] < 200_000).to_numpy() & (place("up") > 0)
    assert not mask[~able].any()
    form = np.where(able, place("up"), 0)
    assert_count(mask, form * 0.3 * able.sum() / form.sum())


def test_rows_are_dropped_in_a_window() -> None:
    for shape in ("flat", "season"):
        step = {"op": "drop", "rate": 0.3, "mechanism": {"window": SHAPES[shape]}}
        left = noisecli.corrupt(FRAME, a_recipe(step))
        mask = ~np.isin(np.arange(N), left.index)
        form = place(shape)
        assert not mask[form == 0].any()
        assert_count(mask, form * 0.3 * (form > 0).sum() / form.sum())


def test_words_have_the_chance_of_their_row() -> None:
    step = {"op": "typo", "columns": "s", "rate": 0.3, "mechanism": {"window": SHAPES["up"]}}
    done = noisecli.corrupt(FRAME, a_recipe(step))["s"]
    words = np.array([[a != b for a, b in zip(["ab", "cd", "ef"], row.split(), strict=False)] for row in done])
    form = place("up")
    chances = form * 0.3 * (form > 0).sum() / form.sum()
    for column in range(3):
        assert_count(words[:, column], chances)


@pytest.mark.parametrize("shape", ["up", "rows"])
def test_other_steps_and_columns_move_no_strike(shape: str) -> None:
    frame = FRAME.head(40_000)
    more = frame.assign(new=1.0)[["new", *frame.columns]]
    expected = gone(missing(SHAPES[shape], 0.2), frame)
    np.testing.assert_array_equal(gone(missing(SHAPES[shape], 0.2, ["y", "new"]), more), expected)
    assert (gone(missing(SHAPES[shape], 0.2, ["y", "z"]), frame, "z") != expected).any()


@pytest.mark.parametrize("suffix", ["csv", "parquet", "jsonl"])
def test_the_cut_of_the_work_and_the_format_do_not_matter(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = FRAME.head(2 * BLOCK + 99)[["t", "k", "y", "z"]]
    frame["t"] = frame["t"].astype("datetime64[us]")
    steps = [missing(SHAPES["up"], 0.1, "y", id="a"), missing(SHAPES["rows"], 0.1, "z", id="b")]
    expected = noisecli.corrupt(frame, a_recipe(*steps))[["y", "z"]].isna()
    source = tmp_path / f"in.{suffix}"
    if suffix == "csv":
        frame.to_csv(source, index=False)
    elif suffix == "jsonl":
        frame.to_json(source, orient="records", lines=True, date_format="iso", date_unit="s")
    else:
        frame.to_parquet(source, row_group_size=7_000)
    for slab, tasks, workers in ((300_000, 1, 2), (77_777, 3, 1)):
        monkeypatch.setattr(csv_format, "SLAB_BYTES", slab)
        monkeypatch.setattr(execute, "TASK_SLABS", tasks)
        out = tmp_path / f"out{slab}.{suffix}"
        noisecli.augment(source, a_recipe(*steps), out, workers=workers)
        read = {"csv": pd.read_csv, "parquet": pd.read_parquet, "jsonl": lambda path: pd.read_json(path, lines=True)}
        pd.testing.assert_frame_equal(read[suffix](out)[["y", "z"]].isna(), expected)


def test_dates_in_a_format_of_their_own(tmp_path: Path) -> None:
    frame = FRAME.head(20_000).assign(t=FRAME["t"].dt.strftime("%d.%m.%Y"))[["t", "y"]]
    frame.to_csv(tmp_path / "in.csv", index=False)
    data = {"time": "t", "types": {"t": {"dtype": "date", "format": "%d.%m.%Y"}}}
    for start in ("15.02.2023", "2023-02-15"):
        step = missing({"from": start, "to": "20.02.2023"}, 1)
        out = noisecli.augment(tmp_path / "in.csv", a_recipe(step, data=data), tmp_path / "out.csv", force=True).output
        mask = pd.read_csv(out)["y"].isna()
        assert set(frame["t"][mask]) == {f"{day}.02.2023" for day in range(15, 20)}
        assert mask.sum() == 5 * 144


@given(st.integers(-50, 3_050), st.integers(1, 2_000), st.sampled_from([0.05, 0.3, 1]))
def test_any_window_of_rows(start: int, length: int, rate: float) -> None:
    frame = FRAME.head(3_000)
    mask = gone(missing({"from": start, "to": start + length}, rate), frame)
    inside = (np.arange(3_000) >= start) & (np.arange(3_000) < start + length)
    assert not mask[~inside].any()
    assert mask[inside].all() or rate < 1


# ------------------------------------------------------------------------------------------------ replay and facts


@pytest.fixture
def source(tmp_path: Path) -> Path:
    FRAME.head(30_000).to_csv(tmp_path / "in.csv", index=False)
    return tmp_path / "in.csv"


@pytest.mark.parametrize("shape", SHAPES)
def test_replay_gives_the_same(shape: str, source: Path, tmp_path: Path, command: Command) -> None:
    sweep = {"steps.one.rate": [0.05, 0.3]}
    out = noisecli.augment(source, a_recipe(missing(SHAPES[shape], id="one"), sweep=sweep), tmp_path / "out").output
    result = command("replay", out, "--input", source, "-o", tmp_path / "again")
    assert result.code == 0, result.err
    a, b = (sorted((tmp_path / name).rglob("*.csv")) for name in ("out", "again"))
    assert len(a) == 2
    assert [path.read_bytes() for path in a] == [path.read_bytes() for path in b]


def test_the_manifest_says_how_high_the_chance_is(source: Path, tmp_path: Path) -> None:
    window = {"by": "t", "from": "2023-02-01", "to": "2023-03-01", "ramp": "up"}
    steps = [missing(window, 0.2, ["y", "z"], id="a"), missing({"from": 5}, id="b")]
    (y, z) = noisecli.augment(source, a_recipe(*steps), tmp_path / "out.csv").manifest.facts.peaks
    assert (y.step, y.column, z.column, y.rate, y.by) == ("a", "y", "z", 0.2, ("t",))
    assert y.shape == "from 2023-02-01, to 2023-03-01, ramp up"
    assert y.peak == pytest.approx(0.4, rel=1e-3)


def test_pinned_facts_keep_old_strikes_in_data_that_grows(source: Path, tmp_path: Path) -> None:
    step = missing({"by": "k", "from": 0, "to": 60_000, "ramp": "down"})
    noisecli.augment(source, a_recipe(step), tmp_path / "old.csv")
    grown = pd.concat([pd.read_csv(source), pd.read_csv(source).assign(k=100)])
    grown.to_csv(tmp_path / "grown.csv", index=False)
    pinned = a_recipe(step, facts=str(tmp_path / "old.csv"))
    noisecli.augment(tmp_path / "grown.csv", pinned, tmp_path / "new.csv")
    old, new = pd.read_csv(tmp_path / "old.csv"), pd.read_csv(tmp_path / "new.csv")
    np.testing.assert_array_equal(new["y"].isna().head(30_000), old["y"].isna())


@pytest.mark.parametrize(
    ("window", "rate", "says"),
    [
        ({"from": 0, "to": 100, "ramp": "up"}, 0.2, "is for rate 0.1, not 0.2"),
        ({"from": 0, "to": 101, "ramp": "up"}, 0.1, "is for row numbers, from 0, to 100, ramp up"),
        ({"by": "k", "from": 0, "to": 100, "ramp": "up"}, 0.1, "no facts of some columns|is for row numbers"),
    ],
)
def test_a_recorded_curve_is_for_nothing_else(
    window: dict[str, Any], rate: float, says: str, source: Path, tmp_path: Path
) -> None:
    noisecli.augment(source, a_recipe(missing({"from": 0, "to": 100, "ramp": "up"})), tmp_path / "old.csv")
    recipe = a_recipe(missing(window, rate), facts=str(tmp_path / "old.csv"))
    with pytest.raises(NoiseError, match=says):
        noisecli.augment(source, recipe, tmp_path / "new.csv")


@pytest.mark.parametrize("change", [{"peak": 1.5}, {"peak": -1}, {"peak": "high"}, {"shape": ""}, {"column": "k"}])
def test_hostile_manifests_are_refused_in_a_line(
    change: dict[str, Any], source: Path, tmp_path: Path, command: Command
) -> None:
    out = noisecli.augment(source, a_recipe(missing(SHAPES["up"])), tmp_path / "old.csv").output
    manifest = tmp_path / "old.csv.noisecli.json"
    content = json.loads(manifest.read_text())
    content["facts"]["peaks"][0].update(change)
    manifest.write_text(json.dumps(content))
    result = command("replay", out, "--input", source, "-o", tmp_path / "again.csv")
    assert result.code == 3
    assert "Traceback" not in result.err


# ------------------------------------------------------------------------------------------------ faults

FAULTS = {
    "{}": "needs `from`, `to` or `period`",
    "{from: 1, to: 9, ramp: up, period: 3}": "takes `ramp` or `period`, not both",
    "{from: 1, ramp: up}": "a ramp needs both `from` and `to`",
    "{from: 1, ramp: upp}": "'up' or 'down'",
    "{form: 1}": "did you mean 'from'?",
    "{from: 9, to: 9}": "the row's number has no window from 9 to 9: `to` must be greater",
    "{from: 2023-01-01}": "`from: 2023-01-01` is no number; for a column say `by:`",
    "{from: 0, period: 7d}": "`period: 7d` is no number",
    "{from: 0, period: 0}": "`period` must be greater than 0",
    "{by: q, from: 0}": "no column 'q' in",
    "{by: s, from: 0}": "column 's' is text: a window goes by numbers, dates or times",
    "{by: k, from: 2023-01-01}": "column 'k' is float, and `from: 2023-01-01` is no number",
    "{by: k, to: .inf}": "`to: .inf` is no number",
    "{by: t, to: 5}": "column 't' is datetime, and `to: 5` is no date or time as in 2026-03-01T12:30",
    "{by: t, to: 2023-02-30}": "is no date or time",
    "{by: t, period: 7}": "`period: 7` is no duration as in 7d, 24h or 30min",
    "{by: k, from: -1e308, to: 1e308}": "has no window from -1e308 to 1e308: that is too wide",
    "{by: t, period: 0d}": "`period: 0d` is no duration as in 7d, 24h or 30min",
    "{by: t, from: 2023-05-01, to: 2023-04-01}": "has no window from 2023-05-01 to 2023-04-01",
}


@pytest.mark.parametrize("text", FAULTS)
def test_faults_are_one_clear_line(text: str, command: Command, recipe: Any, tmp_path: Path) -> None:
    FRAME.head(50).to_csv(tmp_path / "in.csv", index=False)
    path = recipe(f"op: missing, columns: y, mechanism: {{window: {text}}}")
    result = command("augment", tmp_path / "in.csv", "-r", path, "-o", tmp_path / "out.csv")
    assert result.code == 2
    assert len(result.errors) == 1, result.err
    assert FAULTS[text] in result.errors[0]
    assert f":{len(path.read_text().splitlines())}:" in result.errors[0]
