"""Steps along series: what comes before in the same entity matters, and nothing else does.

Seeds are fixed; statistical bounds are 4 standard errors.
"""

import json
from collections.abc import Callable
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from noisecli import augment, corrupt, replay
from noisecli.errors import DataProblem, RecipeProblem
from noisecli.formats import csv
from noisecli.normal import log, quantile

ROWS = 5000
NOISE = {"op": "coloured_noise", "sigma": 0.5, "unit": "absolute"}
STEPS = {
    "pink": NOISE,
    "brown": {**NOISE, "color": "brown"},
    "ar1": {**NOISE, "color": "ar1", "phi": -0.7},
    "smooth": {"op": "smooth", "window": 7},
}

every_step = pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)


def a_recipe(*steps: dict[str, Any], **data: str) -> dict[str, Any]:
    return {"noisecli": 1, "seed": 3, "data": data, "steps": [{"columns": "x", **step} for step in steps]}


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """Interleaved rows of five entities, one of them with a single row, and gaps in the numbers."""
    rng = np.random.default_rng(5)
    x = rng.normal(20, 3, ROWS).cumsum()
    x[rng.random(ROWS) < 0.1] = np.nan
    entity = rng.choice(["a", "b", "long", "rare"], ROWS, p=[0.3, 0.19, 0.5, 0.01])
    entity[ROWS // 2] = "once"
    return pd.DataFrame({"n": np.arange(ROWS), "e": entity, "x": x})


def noisy(frame: pd.DataFrame, *steps: dict[str, Any], **data: str) -> pd.DataFrame:
    result: pd.DataFrame = corrupt(frame, a_recipe(*steps, **data))
    return result


def same(one: pd.Series, other: pd.Series) -> bool:
    """Bit for bit; NaN is NaN."""
    return np.array_equal(one.to_numpy(), other.to_numpy(), equal_nan=True)


# What makes a series


@every_step
def test_interleaved_or_one_after_the_other_is_the_same(table: pd.DataFrame, step: dict[str, Any]) -> None:
    done = noisy(table, step, entity="e")
    sorted_first = noisy(table.sort_values("e", kind="stable"), step, entity="e")
    assert same(sorted_first.sort_values("n").x, done.x)
    assert not same(done.x, table.x)
    assert not same(noisy(table, step).x, done.x), "the entity does not matter"


@every_step
def test_a_series_does_not_know_of_others(table: pd.DataFrame, step: dict[str, Any]) -> None:
    done = noisy(table, step, entity="e")
    for name, own in table.groupby("e"):
        assert same(noisy(own, step, entity="e").x, done.x[own.index]), name
    without = table[table.e != "a"]
    assert same(noisy(without, step, entity="e").x, done.x[without.index])


def test_entities_are_noisy_each_for_itself(table: pd.DataFrame) -> None:
    rows = pd.DataFrame({"e": np.tile(["a", "b"], 4000), "x": 0.0})
    for copy_of_step in STEPS["pink"], STEPS["brown"], STEPS["ar1"]:
        noise = noisy(rows, copy_of_step, entity="e").x.to_numpy()
        fresh = np.diff(noise.reshape(-1, 2), axis=0)
        assert abs(np.corrcoef(fresh.T)[0, 1]) < 4 / len(fresh) ** 0.5


@every_step
def test_where_a_file_is_cut_does_not_show(
    table: pd.DataFrame, step: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = a_recipe({**step, "rate": 0.6}, entity="e")
    columns = []
    for group in (ROWS, 77, 1000):
        pq.write_table(pa.Table.from_pandas(table), tmp_path / "in.parquet", row_group_size=group)
        done = augment(tmp_path / "in.parquet", recipe, tmp_path / f"{group}.parquet", workers=2)
        columns.append(pq.read_table(done.output)["x"])
    assert columns[0].equals(columns[1])
    assert columns[0].equals(columns[2])
    table.to_csv(tmp_path / "in.csv", index=False)
    whole = augment(tmp_path / "in.csv", recipe, tmp_path / "whole.csv").output.read_bytes()
    monkeypatch.setattr(csv, "SLAB_BYTES", 2500)
    assert augment(tmp_path / "in.csv", recipe, tmp_path / "cut.csv").output.read_bytes() == whole


@pytest.mark.filterwarnings("ignore:.*came out unchanged")
@every_step
def test_every_format_and_memory_agree(table: pd.DataFrame, step: dict[str, Any], tmp_path: Path) -> None:
    some = table.head(400).assign(x=table.x.head(400).round(3))
    recipe = a_recipe({**step, "decimals": 3}, entity="e", time="n")
    expected = corrupt(some, recipe).x
    some.to_csv(tmp_path / "in.csv", index=False)
    pq.write_table(pa.Table.from_pandas(some), tmp_path / "in.parquet")
    some.to_json(tmp_path / "in.jsonl", orient="records", lines=True)
    readers = {".csv": pd.read_csv, ".parquet": pd.read_parquet, ".jsonl": lambda path: pd.read_json(path, lines=True)}
    for suffix, read in readers.items():
        done = augment(tmp_path / f"in{suffix}", recipe, tmp_path / f"out{suffix}")
        np.testing.assert_allclose(read(done.output).x, expected, atol=1e-9, err_msg=suffix)


def test_workers_do_not_matter_and_each_file_begins_anew(table: pd.DataFrame, tmp_path: Path, tree: Any) -> None:
    (tmp_path / "in").mkdir()
    for name, part in (("a", table[:2000]), ("b", table[2000:]), ("c", table)):
        part.to_csv(tmp_path / f"in/{name}.csv", index=False)
    recipe = a_recipe(STEPS["smooth"], {**NOISE, "rate": 0.5}, entity="e", time="n")
    outputs = [augment(tmp_path / "in", recipe, tmp_path / f"out{n}", truth=True, workers=n).output for n in (1, 2)]
    assert tree(outputs[0]) == tree(outputs[1])
    smooth = augment(tmp_path / "in", a_recipe(STEPS["smooth"], entity="e"), tmp_path / "smooth").output
    alone = noisy(table[2000:], STEPS["smooth"], entity="e")
    np.testing.assert_allclose(pd.read_csv(smooth / "b.csv").x, alone.x, rtol=1e-9)


@every_step
def test_a_replay_gives_the_same_bytes(table: pd.DataFrame, step: dict[str, Any], tmp_path: Path) -> None:
    table.to_csv(tmp_path / "in.csv", index=False)
    first = augment(tmp_path / "in.csv", a_recipe(step, entity="e", time="n"), tmp_path / "out.csv")
    replay(f"{first.output}.noisecli.json", tmp_path / "in.csv", tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_bytes() == first.output.read_bytes() != (tmp_path / "in.csv").read_bytes()


def test_a_row_without_an_entity_is_a_series_of_its_own(table: pd.DataFrame) -> None:
    lost = table.e.isin(["a", "once"])
    some = table.assign(e=table.e.where(~lost, None), x=0.0)
    noise = noisy(some, {**NOISE, "color": "brown"}, entity="e").x[lost].to_numpy()
    assert abs(noise.std() - 0.5) < 4 * 0.5 / (2 * len(noise)) ** 0.5
    assert abs(np.corrcoef(noise[1:], noise[:-1])[0, 1]) < 4 / len(noise) ** 0.5
    smooth = noisy(some.assign(x=table.x), STEPS["smooth"], entity="e")
    assert same(smooth.x[lost], table.x[lost])
    assert same(smooth.x[~lost], noisy(table, STEPS["smooth"], entity="e").x[~lost])


@pytest.mark.parametrize(
    ("entities", "names"),
    [
        (["1.0", "1.00", "2.5", "1"], [0, 0, 1, 0]),
        (["true", "True", "false", "TRUE"], [0, 0, 1, 0]),
        (["2026-03-01", "2026-03-02", "2026-03-01", "2026-03-01"], [0, 1, 0, 0]),
        (["a", "A", "a", "ä"], [0, 1, 0, 2]),
    ],
)
def test_an_entity_is_known_by_its_value(entities: list[str], names: list[int], tmp_path: Path) -> None:
    rows = pd.DataFrame({"e": entities * 3, "x": np.arange(12) ** 2 / 8})
    rows.to_csv(tmp_path / "in.csv", index=False)
    done = augment(tmp_path / "in.csv", a_recipe(STEPS["smooth"], entity="e"), tmp_path / "out.csv")
    expected = noisy(rows.assign(e=names * 3), STEPS["smooth"], entity="e").x
    np.testing.assert_allclose(pd.read_csv(done.output).x, expected, atol=0.0006)


def test_held_out_rows_are_not_struck_and_not_part_of_any_series(table: pd.DataFrame) -> None:
    train = np.arange(ROWS) % 3 > 0
    some = table.assign(s=np.where(train, "train", "test"))
    for step in STEPS.values():
        done = noisy(some, step, entity="e", split="s")
        assert same(done.x[~train], table.x[~train])
        assert same(done.x[train], noisy(table[train], step, entity="e").x)
        poisoned = some.assign(x=some.x.where(train, 1e6))
        assert same(noisy(poisoned, step, entity="e", split="s").x[train], done.x[train])


# Time


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def call(*rows: str, header: str = "e,t,x") -> Path:
        path = tmp_path / "in.csv"
        path.write_text("\n".join([header, *rows]) + "\n")
        return path

    return call


RISING = ["a,2026-03-01,1", "b,2026-01-01,2", "a,2026-03-01,3", "c,,4", "b,2026-01-02,5", "a,,6", "a,2026-03-04,7"]


def test_times_may_stand_still_and_be_missing_and_differ_between_entities(
    write: Callable[..., Path], tmp_path: Path
) -> None:
    done = augment(write(*RISING), a_recipe(STEPS["smooth"], entity="e", time="t"), tmp_path / "out.csv")
    assert done.output.exists()


@pytest.mark.parametrize("rows_at_once", [1, 1 << 20])
def test_times_that_decrease_are_an_error(
    write: Callable[..., Path],
    recipe: Callable[..., Path],
    command: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    rows_at_once: int,
) -> None:
    monkeypatch.setattr(csv, "SLAB_BYTES", 16 * rows_at_once)
    source = write(*RISING, "b,2026-01-01,8", "a,2026-03-03,9")
    said = recipe("op: smooth, columns: x", data="{entity: e, time: t}")
    done = command("augment", source, "-r", said, "-o", tmp_path / "out.csv")
    assert done.code == 3
    assert done.errors == [
        f"error: {source}: row 8: 't' is 2026-01-01, earlier than in a row of the same 'e' before it: sort the rows by "
        "'t', or leave `time` out of `data:`"
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.csv", "recipe.yaml"]


@pytest.mark.parametrize(
    "times",
    [
        pa.array([1, 2, 3, 2]),
        pa.array([1, None, 3, 2.5]),
        pa.array([1, 2, 3, 2], pa.timestamp("ns", "UTC")),
        pa.array([1, 2, 3, 2], pa.date32()),
    ],
)
def test_times_of_every_type_are_compared(times: pa.Array) -> None:
    rows = pa.table({"t": times, "x": [1.0, 2.0, 3.0, 4.0]})
    if times.type == pa.timestamp("ns", "UTC"):  # apart by more than a microsecond
        rows = rows.set_column(0, "t", pa.array([1000, 2000, 3000, 2000], times.type))
    with pytest.raises(DataProblem, match=r"^row 4: 't' is .*, earlier than in a row before it: sort the rows by 't'"):
        corrupt(rows, a_recipe(STEPS["smooth"], time="t"))


def test_held_out_rows_are_out_of_time() -> None:
    rows = pd.DataFrame({"t": [1, 9, 2, 0, 3], "x": 1.5, "s": ["train", "val", "train", "val", "train"]})
    assert len(noisy(rows, STEPS["ar1"], time="t", split="s")) == 5


def test_only_series_need_times_in_order() -> None:
    rows = pd.DataFrame({"t": [3, 2, 1], "x": [1.0, 2.0, 3.0]})
    assert not same(noisy(rows, {"op": "gaussian_noise"}, time="t").x, rows.x)


@pytest.mark.parametrize(
    ("role", "what"),
    [
        ("time", r"column 'n' is text, and a time is a number, date or datetime: give its type and format under"),
        ("entity", r"no column 'nobody' in the data"),
    ],
)
def test_roles_that_cannot_serve_are_faults(role: str, what: str) -> None:
    rows = pd.DataFrame({"n": ["1.3.", "2.3."], "x": [1.0, 2.0]})
    with pytest.raises(RecipeProblem, match=what):
        noisy(rows, STEPS["smooth"], **{role: "n" if role == "time" else "nobody"})


def test_an_entity_of_a_nested_type_is_a_fault() -> None:
    rows = pa.table({"e": [[1], [2]], "x": [1.0, 2.0]})
    with pytest.raises(RecipeProblem, match="column 'e' has values of a type that tells no entities apart"):
        corrupt(rows, a_recipe(STEPS["smooth"], entity="e"))


# Together with other steps


@every_step
def test_strength_and_rate_do_not_change_what_a_struck_row_gets(table: pd.DataFrame, step: dict[str, Any]) -> None:
    full = noisy(table, step, entity="e").x
    half = noisy(table, {**step, "rate": 0.4}, entity="e").x
    struck = (half != table.x) & table.x.notna()
    assert 0.3 * ROWS < struck.sum() < 0.5 * ROWS
    assert same(half[struck], full[struck])
    some = noisy(table, {**step, "where": {"n": {"ge": 100}}}, entity="e").x
    assert same(some[100:], full[100:])
    assert same(some[:100], table.x[:100])


def test_severities_scale_the_same_noise(table: pd.DataFrame) -> None:
    step = {"op": "coloured_noise", "unit": "absolute"}
    weak, strong = (noisy(table, {**step, "severity": n}, entity="e").x - table.x for n in (1, 5))
    np.testing.assert_allclose(strong, weak * 10, atol=1e-8)


def test_a_later_step_sees_what_an_earlier_one_made(table: pd.DataFrame) -> None:
    lost = {"op": "missing", "rate": 0.3}
    gone = noisy(table, lost, entity="e")
    with pytest.warns(match="could not be changed any more after an earlier step"):
        both = noisy(table, lost, STEPS["smooth"], entity="e")
    assert same(both.x, noisy(gone, STEPS["smooth"], entity="e").x)
    assert both.x.isna().sum() == gone.x.isna().sum() > table.x.isna().sum()


def test_counts_and_truth_tell_what_changed(table: pd.DataFrame, tmp_path: Path) -> None:
    table.round(2).to_csv(tmp_path / "in.csv", index=False)
    steps = {"op": "missing", "rate": 0.3}, {**STEPS["smooth"], "rate": 0.5}, NOISE
    done = augment(tmp_path / "in.csv", a_recipe(*steps, entity="e"), tmp_path / "out.csv", truth=True)
    told = pq.read_table(f"{done.output}.noisecli-truth.parquet").to_pandas()
    lost, smoothed, noised = (step.columns["x"] for step in done.manifest.steps)
    there = table.x.notna().sum()
    assert smoothed["eligible"] == noised["eligible"] == noised["struck"] == there
    assert noised["void"] == lost["changed"]
    assert 0 < smoothed["void"] < smoothed["struck"] < there
    for step, counts in (("missing", lost), ("smooth", smoothed), ("coloured_noise", noised)):
        assert (told.step == step).sum() == counts["changed"] > 0


@pytest.mark.parametrize("mechanism", [{"mar": {"columns": "n"}}, "mnar", {"burst": {"length": 9}}, {"clustered": "e"}])
def test_every_mechanism_and_exact_choose_the_rows(table: pd.DataFrame, mechanism: Any) -> None:
    full = noisy(table, NOISE, entity="e").x
    for choose in ({"mechanism": mechanism}, {"exact": True}):
        some = noisy(table, {**NOISE, "rate": 0.5, **choose}, entity="e").x
        struck = (some != table.x) & table.x.notna()
        assert 0 < struck.sum() < table.x.notna().sum()
        assert same(some[struck], full[struck])
    assert struck.sum() == np.floor(table.x.notna().sum() / 2 + 0.5)


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"op": "coloured_noise", "phi": 0.5}, "'phi' is of color ar1, not pink"),
        ({"op": "coloured_noise", "color": "ar1", "phi": 1}, "phi: should be less than 1"),
        ({"op": "coloured_noise", "color": "blue"}, "color: should be 'pink', 'brown' or 'ar1'"),
        ({"op": "smooth", "window": 0}, "window: should be greater than or equal to 1"),
        ({"op": "smooth", "joint": True}, "op 'smooth' takes no 'joint'"),
        ({"op": "smooth", "columns": "e"}, "op 'smooth' takes float or integer columns; 'e' is text"),
    ],
)
def test_faults_say_what_is_wrong(table: pd.DataFrame, settings: dict[str, Any], what: str) -> None:
    with pytest.raises(RecipeProblem, match=what):
        noisy(table, settings)


# coloured_noise


def process(color: str, rows: int = 1 << 17, **settings: float) -> np.ndarray[Any, np.dtype[np.float64]]:
    step = {"op": "coloured_noise", "sigma": 1, "unit": "absolute", "color": color, **settings}
    noise: np.ndarray[Any, np.dtype[np.float64]] = noisy(pd.DataFrame({"x": np.zeros(rows)}), step).x.to_numpy()
    return noise


@pytest.mark.parametrize("phi", [-0.8, 0.0, 0.5, 0.95])
def test_ar1_is_correlated_as_phi_to_the_lag(phi: float) -> None:
    noise = process("ar1", phi=phi)
    n = len(noise)
    spread = (1 + phi**2) / (1 - phi**2)  # of the sum of squared autocorrelations, Bartlett 1946
    assert abs(noise.mean()) < 4 * ((1 + phi) / (1 - phi) / n) ** 0.5
    assert abs(noise.var() - 1) < 4 * (2 * spread / n) ** 0.5
    for lag in range(1, 9):
        found = float(np.mean(noise[lag:] * noise[:-lag]))
        assert abs(found - phi**lag) < 4 * (2 * spread / n) ** 0.5


@pytest.mark.parametrize("color", ["pink", "brown", "ar1"])
def test_every_row_of_many_series_has_the_standard_deviation(color: str) -> None:
    series, length = 4000, 6
    rows = pd.DataFrame({"e": np.tile(np.arange(series), length), "x": 0.0})
    step = {"op": "coloured_noise", "sigma": 2, "unit": "absolute", "color": color}
    noise = noisy(rows, step, entity="e").x.to_numpy().reshape(length, series) / 2
    assert (abs(noise.mean(axis=1)) < 4 / series**0.5).all()
    assert (abs(noise.var(axis=1) - 1) < 4 * (2 / series) ** 0.5).all()


@pytest.mark.parametrize(("color", "slope", "lowest"), [("pink", -1, 1e-3), ("brown", -2, 2e-3)])
def test_the_spectrum_falls_as_its_color_says(color: str, slope: float, lowest: float) -> None:
    noise = process(color, 1 << 18).reshape(-1, 1 << 13)
    window = np.hanning(noise.shape[1])
    power = (np.abs(np.fft.rfft(noise * window, axis=1)) ** 2).mean(axis=0)
    frequency = np.fft.rfftfreq(noise.shape[1])
    used = (frequency > lowest) & (frequency < 0.1)
    edges = np.geomspace(lowest, 0.1, 13)
    band = np.digitize(frequency[used], edges)
    power_of_band = [power[used][band == b].mean() for b in range(1, 13)]
    middle = [frequency[used][band == b].mean() for b in range(1, 13)]
    found = np.polyfit(np.log(middle), np.log(power_of_band), 1)[0]
    # The parts of pink noise leave ripples, and 32 stretches a chance error of 0.03 in the slope.
    assert abs(found - slope) < 0.12


def test_noise_goes_on_where_a_value_is_missing(table: pd.DataFrame) -> None:
    full = noisy(table.assign(x=0.0), NOISE, entity="e").x
    gaps = noisy(table.assign(x=table.x * 0), NOISE, entity="e").x
    there = table.x.notna()
    assert same(gaps[there], full[there])


def test_units(table: pd.DataFrame) -> None:
    base = noisy(table, {**NOISE, "sigma": 1}, entity="e").x - table.x
    sizes = {"sd": table.x.std(ddof=0), "range": table.x.max() - table.x.min(), "value": table.x.abs()}
    for unit, size in sizes.items():
        step = {"op": "coloured_noise", "sigma": 1, "unit": unit}
        np.testing.assert_allclose(noisy(table, step, entity="e").x - table.x, base * size, rtol=1e-6, atol=1e-5)


def test_quantiles_of_the_normal_distribution() -> None:
    shares = np.concatenate(
        [np.random.default_rng(1).random(2000), 2.0 ** -np.arange(2, 54), 1 - 2.0 ** -np.arange(2, 54)]
    )
    expected = [NormalDist().inv_cdf(share) for share in shares.tolist()]
    np.testing.assert_allclose(quantile(shares), expected, rtol=2e-15)
    np.testing.assert_allclose(log(shares), np.log(shares), rtol=1e-15)


# smooth


@pytest.mark.parametrize(("rows", "group"), [(120, 1), (ROWS, 370), (ROWS, ROWS)])
def test_smooth_is_the_rolling_mean(table: pd.DataFrame, rows: int, group: int, tmp_path: Path) -> None:
    windows = {f"x{window}": window for window in (1, 2, 7, 100, 6000)}
    table = table.head(rows)
    wide = table.assign(**dict.fromkeys(windows, table.x))
    pq.write_table(pa.Table.from_pandas(wide), tmp_path / "in.parquet", row_group_size=group)
    steps = [{"op": "smooth", "id": name, "columns": name, "window": window} for name, window in windows.items()]
    output = augment(tmp_path / "in.parquet", a_recipe(*steps, entity="e"), tmp_path / "out.parquet").output
    done = pd.read_parquet(output)
    for name, window in windows.items():
        expected = table.groupby("e").x.rolling(window, min_periods=1).mean().droplevel(0).sort_index()
        np.testing.assert_allclose(done[name], expected.where(table.x.notna()), rtol=1e-9)


def test_a_small_number_beside_huge_ones_keeps_its_digits() -> None:
    x = np.array([1e15, 0.1, 0.2, 0.3, 1e15, 0.1, 0.2, 0.3])
    done = noisy(pd.DataFrame({"x": x}), {"op": "smooth", "window": 3}).x
    np.testing.assert_allclose(done[[3, 7]], 0.2, rtol=1e-15)


def test_equal_numbers_stay_as_they_are() -> None:
    rows = pd.DataFrame({"x": [0.1] * 50 + [np.nan] + [0.7] * 50})
    done = noisy(rows, {"op": "smooth", "window": 9})
    assert (done.x[:50] == 0.1).all()
    assert (done.x[59:] == 0.7).all()


def test_the_mean_of_the_largest_numbers_lies_between_them() -> None:
    x = np.array([1.7e308, -1.7e308, 1.6e308, 1.7e308, 1.7e308, -1.7e308, 5.0])
    done = noisy(pd.DataFrame({"x": x}), {"op": "smooth", "window": 3}).x
    expected = (pd.Series(x) / 2**20).rolling(3, min_periods=1).mean() * 2**20
    np.testing.assert_allclose(done[:6], expected[:6], rtol=1e-12)
    assert abs(done[6]) < 1e300


@pytest.mark.stress
def test_a_million_entities() -> None:
    n = 1_000_000
    rows = pa.table({"e": np.random.default_rng(1).permutation(n), "x": np.zeros(n)})
    twice = pa.concat_tables([rows, rows])
    done = corrupt(twice, a_recipe(STEPS["ar1"], entity="e"))["x"].to_numpy()
    assert abs(np.corrcoef(done[:n], done[n:])[0, 1] + 0.7) < 4 / n**0.5


def test_a_recipe_in_a_manifest_says_what_the_series_are(table: pd.DataFrame, tmp_path: Path) -> None:
    table.to_csv(tmp_path / "in.csv", index=False)
    done = augment(tmp_path / "in.csv", a_recipe(NOISE, entity="e", time="n"), tmp_path / "out.csv")
    manifest = json.loads(Path(f"{done.output}.noisecli.json").read_text())
    assert manifest["recipe"]["data"] == {"entity": "e", "time": "n"}
    assert {"e", "n", "x"} <= set(manifest["facts"]["columns"])
