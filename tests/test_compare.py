"""Clean and noisy data side by side: figures, samples, strips and texts, whatever became of the rows."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import stats

import noisecli
from noisecli.compare import rows, sampling
from noisecli.compare.diff import diff
from noisecli.compare.gather import compare
from noisecli.compare.model import ColumnComparison, TableComparison
from noisecli.errors import DataProblem
from tests.test_memory import write_table

Recipe = Callable[..., Path]
ROWS = 500


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Two devices in turn; device b writes an hour later."""
    rng = np.random.Generator(np.random.PCG64(1))
    flow = rng.normal(5, 1, ROWS)
    frame = pd.DataFrame(
        {
            "id": range(1000, 1000 + ROWS),
            "when": pd.date_range("2024-01-01", periods=ROWS, freq="min").strftime("%Y-%m-%dT%H:%M:%S"),
            "device": np.where(np.arange(ROWS) % 2, "b", "a"),
            "flow": flow.round(3),
            "load": (2 * flow + rng.normal(0, 1, ROWS)).round(2),
            "city": rng.choice(["Bonn", "Rom", "Ulm"], ROWS, p=[0.6, 0.3, 0.1]),
            "note": [f"reading {i} is fine" for i in range(ROWS)],
        }
    )
    frame.to_csv(tmp_path / "in.csv", index=False)
    return tmp_path / "in.csv"


def noisy_of(source: Path, recipe: Path, **options: Any) -> Path:
    return noisecli.augment(source, recipe, source.with_name("out.csv"), force=True, **options).output


def column(found: object, name: str) -> ColumnComparison:
    assert isinstance(found, TableComparison)
    return next(column for column in found.columns if column.name == name)


def test_figures_are_those_of_pandas(source: Path, recipe: Recipe) -> None:
    steps = ("op: gaussian_noise, columns: [flow]", "op: missing, columns: [load, city], rate: 0.2")
    output = noisy_of(source, recipe(*steps, "op: typo, columns: note, rate: 0.1"))
    found = compare(source, output)
    before, after = pd.read_csv(source), pd.read_csv(output)
    assert (found.rows, found.aligned, found.sampled, found.unread) == ((ROWS, ROWS), "position", None, None)
    for name in before.columns:
        mine = column(found, name)
        differs = before[name].ne(after[name]) & ~(before[name].isna() & after[name].isna())
        assert mine.changed == differs.sum()
        for side, frame in ((mine.clean, before), (mine.noisy, after)):
            assert (side.missing, side.distinct) == (frame[name].isna().sum(), frame[name].nunique())
            if name in ("flow", "load"):
                numbers = frame[name]
                wanted = [numbers.mean(), numbers.std(ddof=0), numbers.min(), numbers.max()]
                assert [side.mean, side.sd, side.min, side.max] == pytest.approx(wanted)
    flow, city = column(found, "flow"), column(found, "city")
    assert flow.numbers is not None
    assert flow.drift.kolmogorov_smirnov == pytest.approx(stats.ks_2samp(*flow.numbers).statistic, abs=1e-9)
    assert np.array_equal(flow.numbers[1], np.sort(after["flow"]))
    assert city.categories is not None
    counts = {entry.value: (entry.clean, entry.noisy) for entry in city.categories}
    wanted = pd.DataFrame({"clean": before.city.value_counts(), "noisy": after.city.value_counts()})
    assert counts == {str(row.Index): (row.clean, row.noisy) for row in wanted.itertuples()}
    assert (column(found, "note").categories, column(found, "note").drift.psi) == (None, None)
    assert found.correlation.columns == ("id", "flow", "load")
    assert found.correlation.noisy == pytest.approx(after[["id", "flow", "load"]].corr().to_numpy())
    lost = pd.Series(after["load"].isna().to_numpy()).groupby(np.arange(ROWS) * 60 // ROWS).mean()
    assert found.missingness.noisy[:, found.missingness.columns.index("load")] == pytest.approx(lost.to_numpy())


def test_samples_are_of_the_same_rows_however_the_data_is_cut(
    source: Path, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = noisy_of(source, recipe("op: gaussian_noise, columns: flow, sigma: 0.01"))
    monkeypatch.setattr(sampling, "CELLS", 1000)
    found = compare(source, output)
    assert (found.sampled, column(found, "flow").drift.of_sample, column(found, "flow").clean.rows) == (100, True, ROWS)
    clean, noisy = column(found, "flow").numbers
    assert len(clean) == len(noisy) == 100
    assert np.abs(clean - noisy).max() < 0.1 < np.ptp(clean)
    fewer = noisy_of(source, recipe("op: drop, rate: 0.5"), truth=True)
    kept = [set(side.tolist()) for side in column(compare(source, fewer), "id").numbers]
    assert len(kept[0]) == 100 > len(kept[1]) > 20
    assert kept[1] < kept[0]  # those of the same rows, as far as they are left
    monkeypatch.setattr(rows, "PIECE", 7)
    noisy_of(source, recipe("op: gaussian_noise, columns: flow, sigma: 0.01"))
    again = compare(source, output)
    assert np.array_equal(column(again, "flow").numbers[1], noisy)
    assert column(again, "flow").changed == column(found, "flow").changed


def test_rows_that_moved(source: Path, recipe: Recipe) -> None:
    steps = ("op: gaussian_noise, columns: flow", "op: duplicate, rate: 0.1", "op: drop, rate: 0.2", "op: shuffle")
    output = noisy_of(source, recipe(*steps), truth=True)
    by_truth, by_key = compare(source, output), compare(source, output, key="id")
    assert (by_truth.aligned, by_key.aligned) == ("truth", "key id")
    counts = [column(by_truth, name).changed for name in ("id", "flow", "note")]
    assert counts == [column(by_key, name).changed for name in ("id", "flow", "note")]
    both = pd.read_csv(output).merge(pd.read_csv(source), on="id")
    assert counts == [0, (both["flow_x"] != both["flow_y"]).sum(), 0]
    output.with_name("out.csv.noisecli-truth.parquet").unlink()
    blind = compare(source, output)
    assert (blind.aligned, column(blind, "flow").changed, blind.texts) == ("", None, ())
    assert "--truth" in blind.unaligned
    assert "--key" in blind.unaligned
    assert column(blind, "flow").noisy == column(by_key, "flow").noisy


def test_strips_show_faults_of_one_entity(source: Path, recipe: Recipe) -> None:
    step = "op: stuck, columns: flow, rate: 0.1"
    output = noisy_of(source, recipe(step, data="{time: when, entity: device, id: id}"), truth=True)
    (strip,) = compare(source, output).strips
    mine = pd.read_csv(source).query(f"device == {strip.entity!r}")
    assert (strip.column, strip.timed) == ("flow", True)
    assert np.array_equal(strip.clean, mine["flow"])
    assert strip.places[0] == pd.Timestamp(mine["when"].iloc[0]).timestamp()
    assert strip.intervals
    for start, stop, name in strip.intervals:
        inside = (strip.places >= start) & (strip.places <= stop)
        assert name == "stuck"
        assert len(set(strip.noisy[inside])) == 1
    outside = np.all([(strip.places < a) | (strip.places > b) for a, b, _ in strip.intervals], axis=0)
    assert np.array_equal(strip.clean[outside], strip.noisy[outside])


def test_a_strip_of_a_long_series_has_the_changes_in_its_middle(tmp_path: Path) -> None:
    frame = pd.DataFrame({"flow": np.arange(3000.0)})
    frame.to_csv(tmp_path / "clean.csv", index=False)
    frame.loc[2000:2009] += 5
    frame.to_csv(tmp_path / "noisy.csv", index=False)
    (strip,) = compare(tmp_path / "clean.csv", tmp_path / "noisy.csv").strips
    assert len(strip.places) == 600
    assert np.flatnonzero(strip.clean != strip.noisy).tolist() == list(range(296, 306))
    assert np.array_equal(strip.clean, strip.places)


def test_texts_are_examples_of_what_steps_did(source: Path, recipe: Recipe) -> None:
    output = noisy_of(source, recipe("op: typo, columns: note, rate: 0.5"), truth=True)
    found = compare(source, output).texts
    before, after = pd.read_csv(source)["note"], pd.read_csv(output)["note"]
    assert len(found) == 12
    for example in found:
        assert (example.before, example.after) == (before[example.row], after[example.row])
        assert (example.column, example.step) == ("note", "typo")


def test_a_folder_and_any_other_noisy_file(source: Path, recipe: Recipe, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in ("a.csv", "b.csv", "val.csv"):
        (folder / name).write_bytes(source.read_bytes())
    output = noisecli.augment(folder, recipe("op: gaussian_noise, columns: flow"), tmp_path / "noisy").output
    found = compare(folder, output)
    assert found.rows == (2 * ROWS, 2 * ROWS)  # val.csv was not struck
    parts = [pd.read_csv(output / name) for name in ("a.csv", "b.csv")]
    parts[1].loc[:, "load"] = np.nan
    parts[1].to_csv(output / "b.csv", index=False)
    lost = compare(folder, output).missingness
    assert lost.noisy[:, lost.columns.index("load")].tolist() == [0] * 30 + [1] * 30
    frame = pd.read_csv(source).rename(columns={"load": "weight"})
    frame.to_csv(tmp_path / "other.csv", index=False, sep=";")
    found = compare(source, tmp_path / "other.csv")
    assert {column.changed for column in found.columns} == {0}
    assert found.unread == {"load": "only on the clean side", "weight": "only on the noisy side"}
    frame[:-1].to_csv(tmp_path / "short.csv", index=False)
    assert "500 clean rows and 499 noisy ones" in compare(source, tmp_path / "short.csv").unaligned
    for side in ("left", "right"):
        (tmp_path / side).mkdir()
        for name, value in (("a", 1), ("b", "one")):
            pq.write_table(pa.table({"x": [value], "y": [1]}), tmp_path / side / f"{name}.parquet")
    assert compare(tmp_path / "left", tmp_path / "right").unread == {"x": "of another type in some files"}
    pd.DataFrame({"x": [1]}).to_csv(tmp_path / "none.csv", index=False)
    with pytest.raises(DataProblem, match="no column is on both sides"):
        compare(source, tmp_path / "none.csv")


def test_lines_that_fit_no_header_are_passed_over(source: Path, recipe: Recipe) -> None:
    steps = ("op: gaussian_noise, columns: flow", "op: blank_lines, rate: 0.05", "op: footer_lines")
    output = noisy_of(source, recipe(*steps), truth=True)
    found, differences = compare(source, output), diff(source, output)
    assert (found.rows[0], found.aligned, column(found, "note").changed) == (ROWS, "position", 0)
    assert differences.rows.added == differences.rows.misfits == found.rows[1] - ROWS > 2
    assert differences.truth.count == 0


def test_images(sample: Path, recipe: Recipe, tmp_path: Path) -> None:
    output = noisecli.augment(sample / "images", recipe("op: gaussian_noise, rate: 0.5"), tmp_path / "out").output
    found = compare(sample / "images", output)
    struck = [pair for pair in found.pairs if pair.drawn]
    assert len(found.pairs) == len(list(output.rglob("*.*g")))
    assert 0 < len(struck) < len(found.pairs)
    assert all(np.isfinite(pair.psnr) == bool(pair.drawn) == (pair.ssim < 1) for pair in found.pairs)


@pytest.mark.stress
@pytest.mark.parametrize("steps", [("op: gaussian_noise, columns: [height, weight]",), ("op: shuffle, rate: 0.1",)])
def test_memory_is_bounded(tmp_path: Path, recipe: Recipe, steps: tuple[str, ...]) -> None:
    write_table(tmp_path / "in.csv", 200)
    noisecli.augment(tmp_path / "in.csv", recipe(*steps), tmp_path / "out.csv", truth=True)
    script = (
        "import re, sys; from noisecli.compare.gather import compare; compare(*sys.argv[1:]);"
        "print(re.search('VmHWM:\\s*([0-9]+)', open('/proc/self/status').read())[1])"  # unlike rusage not the parent's
    )
    command = [sys.executable, "-c", script, str(tmp_path / "in.csv"), str(tmp_path / "out.csv")]
    held = int(subprocess.run(command, capture_output=True, check=True, text=True).stdout) // 1000
    assert held < 600 + (600 if "shuffle" in steps[0] else 0)  # the clean cells, mapped from disk
