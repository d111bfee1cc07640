"""The promises that do not bend, seen from outside: bytes in, bytes out, manifest."""

import csv
import io
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from numpy.random import Generator
from PIL import Image

from noisecli.errors import UsageProblem
from noisecli.formats import csv as csv_format
from noisecli.formats import jsonl as jsonl_format
from noisecli.formats import parquet as parquet_format
from noisecli.manifest import Manifest, path_for
from noisecli.run import augment, execute, work
from noisecli.run import dataset as datasets

Rows = Callable[[bytes], list[tuple[bytes, ...]]]
Tree = Callable[[Path], dict[str, bytes]]
Cells = dict[tuple[int, int], tuple[bytes, bytes]]

HEADER = ["id", "name", "height", "visits", "city", "note", "churn", "split"]
CITIES = ["Łódź", "Köln", "São Paulo", 'The "Hague"', "Washington, DC", ""]
NOTES = ["quick brown fox", "lazy dog", "two\nlines here", "plain", ""]

EVERY_STEP = [
    {"op": "gaussian_noise", "columns": ["height", "visits"], "sigma": 0.3},
    {"op": "laplace_noise", "columns": "height", "rate": 0.2},
    {"op": "typo", "columns": ["name", "note"], "rate": 0.3},
    {"op": "category_swap", "columns": "city", "rate": 0.2},
    {"op": "missing", "columns": ["visits", "note"], "rate": 0.1},
    {"op": "label_flip", "columns": "churn", "rate": 0.25},
    {"op": "duplicate", "rate": 0.05},
]

IMAGE_STEPS = [
    {"op": "label_flip", "rate": 0.3, "exact": False},
    {"op": "mixup", "rate": 0.5},
    {"op": "cutout", "rate": 0.5},
    {"op": "near_duplicate", "rate": 0.4},
]


def make_table(rows: int, rng: Generator | None = None) -> bytes:
    """A CSV of every kind of column, with quotes, gaps and accents."""
    rng = rng or np.random.Generator(np.random.PCG64(5))
    heights, visits = rng.normal(1.7, 0.1, rows), rng.integers(0, 50, rows)
    picks = rng.integers(0, 1 << 20, (rows, 4))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    for i, (height, count, pick) in enumerate(zip(heights.tolist(), visits.tolist(), picks.tolist(), strict=True)):
        city, note = CITIES[pick[0] % len(CITIES)], NOTES[pick[1] % len(NOTES)]
        split = ("train", "train", "val", "test")[pick[3] % 4]
        visit = str(count) if pick[2] % 11 else "NA"
        label = "yes" if pick[2] % 3 else "no"
        writer.writerow([f"C{i:06}", f"Zoë Müller {i}", f"{height:.6f}", visit, city, note, label, split])
    return text.getvalue().encode()


def a_recipe(*steps: dict[str, Any], **head: Any) -> dict[str, Any]:
    return {"noisecli": 1, "seed": 11, **head, "steps": list(steps)}


CUT = a_recipe(*EVERY_STEP, data={"split": "split", "label": "churn"})


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("small") / "people.csv"
    path.write_bytes(make_table(2_000))
    return path


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("big") / "people.csv"
    path.write_bytes(make_table(45_000))
    return path


@pytest.fixture
def noisy(tmp_path: Path) -> Callable[..., bytes]:
    """Run some steps on a file and give the bytes of the output."""

    def run(source: Path, *steps: dict[str, Any], **head: Any) -> bytes:
        out = tmp_path / f"out-{len(list(tmp_path.iterdir()))}.csv"
        return augment(source, a_recipe(*steps, **head), out, workers=1).output.read_bytes()

    return run


@pytest.fixture
def difference(rows_of: Rows) -> Callable[..., Cells]:
    """Raw cells that differ between two files of as many rows: (row, column) to both contents."""

    def compare(before: bytes, after: bytes) -> Cells:
        old, new = rows_of(before), rows_of(after)
        assert [len(row) for row in old] == [len(row) for row in new]
        return {
            (i, k): (cell, other)
            for i, (mine, theirs) in enumerate(zip(old, new, strict=True))
            for k, (cell, other) in enumerate(zip(mine, theirs, strict=True))
            if cell != other
        }

    return compare


def words_of(cell: bytes) -> list[bytes]:
    """Words of a raw cell; a slip may have given it quotes."""
    return cell.strip(b'"').split()


def written(output: Path) -> tuple[bytes, bytes]:
    return output.read_bytes(), path_for(output).read_bytes()


# ------------------------------------------------------------------------------------------- 1: same seed, same bytes


@pytest.fixture(scope="module")
def usual(big: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    """What comes of the usual slabs."""
    return written(augment(big, CUT, tmp_path_factory.mktemp("usual") / "out.csv", workers=1).output)


@pytest.mark.parametrize(("slab", "task_slabs"), [(1 << 16, 1), (300_007, 3), (1 << 30, 8)])
def test_cuts_do_not_show(
    big: Path,
    usual: tuple[bytes, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    slab: int,
    task_slabs: int,
) -> None:
    monkeypatch.setattr(csv_format, "SLAB_BYTES", slab)
    monkeypatch.setattr(execute, "TASK_SLABS", task_slabs)
    assert written(augment(big, CUT, tmp_path / "out.csv", workers=1).output) == usual


@pytest.mark.parametrize("moving", [False, True])
def test_stretches_of_a_row_group_do_not_show(
    big: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moving: bool
) -> None:
    """Neither in the cells, nor in the truth, whether rows move, and where a step strikes only some stretches."""
    table = pa.csv.read_csv(big).append_column("number", pa.array(range(45_000)))
    categories = pa.array(table["city"].to_pylist()).dictionary_encode()
    source = tmp_path / "in.parquet"
    pq.write_table(table.set_column(4, "city", categories), source, row_group_size=40_000)
    late = {"op": "constant", "columns": "visits", "value": 7, "where": {"number": {"ge": 35_000}}}
    stuck = {"op": "stuck", "columns": "height", "rate": 0.2, "mechanism": {"burst": {"length": 900}}}
    steps = [stuck, *EVERY_STEP[1:6], late, *([EVERY_STEP[6], {"op": "drop", "rate": 0.1}] if moving else [])]
    found = []
    for cells in (1, 1 << 40):
        monkeypatch.setattr(parquet_format, "SLAB_CELLS", cells)
        output = augment(source, a_recipe(*steps), tmp_path / "out.parquet", workers=1, truth=True, force=True).output
        truth = output.with_name("out.parquet.noisecli-truth.parquet").read_bytes()
        found.append((pq.read_table(output), path_for(output).read_text(), truth))
    (one, told, truth), (other, told_again, truth_again) = found
    assert one.equals(other)
    assert truth == truth_again
    pages = re.compile(r'"(bytes|sha256)": \S+')
    assert pages.sub("", told) == pages.sub("", told_again)


BY_COLUMN = [
    *EVERY_STEP[:5],
    {"op": "gaussian_noise", "id": "again", "columns": "visits", "where": {"height": {"ge": 1.7}}},
    {"op": "missing", "id": "more", "columns": ["note", "height", "name"], "rate": 0.2, "joint": True},
    {"op": "outlier", "columns": "height", "rate": 0.1, "mechanism": {"mar": {"columns": "visits"}}},
    {"op": "label_flip", "columns": "churn", "rate": 0.25},
]


@pytest.mark.parametrize(
    ("more", "data", "tasks"),
    [
        ([], {}, 2 * 6),  # for each of two row groups
        ([{"op": "duplicate", "rate": 0.05}], {}, 2),
        ([{"op": "permute", "columns": ["name", "note"], "rate": 0.5}], {}, 2),
        ([{"op": "stuck", "columns": "height", "rate": 0.2}], {}, 1),
        ([], {"source_row": True}, 2),
    ],
    ids=["cells", "rows", "partners", "series", "source_row"],
)
def test_columns_that_workers_share_do_not_show(
    big: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    more: list[dict[str, Any]],
    data: dict[str, Any],
    tasks: int,
) -> None:
    """The columns of row groups are dealt out only where they do not depend on each other."""
    source = tmp_path / "in.parquet"
    pq.write_table(pa.csv.read_csv(big), source, row_group_size=30_000)
    done: list[work.TableTask] = []
    once = work.write_table
    monkeypatch.setattr(work, "write_table", lambda task: done.append(task) or once(task))
    recipe, found, output = a_recipe(*BY_COLUMN, *more, data=data), [], tmp_path / "out.parquet"

    def progress(stage: str, done: int, total: int) -> None:
        assert done <= total

    for cells in (1, 1 << 40):
        monkeypatch.setattr(execute, "SHARE_CELLS", cells)
        augment(source, recipe, output, workers=1, force=True, progress=progress)
        found.append((output.read_bytes(), path_for(output).read_text(), len(done)))
        augment(source, recipe, output, workers=1, force=True, truth=True)
        truth = output.with_name("out.parquet.noisecli-truth.parquet").read_bytes()
        found.append((output.read_bytes(), path_for(output).read_text(), truth))
        done.clear()
    (*shared, count), told, (*whole, once_each), told_whole = found
    assert shared == whole
    assert told == told_whole
    assert told[0] == shared[0]
    assert (count, once_each) == (tasks, min(tasks, 2))


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_parts_that_workers_survey_do_not_show(
    big: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    """Facts of one file come out the same to the last bit, whoever has found those of a part, wherever it begins."""
    source = tmp_path / f"in{suffix}"
    if suffix == ".csv":
        source.write_bytes(big.read_bytes())
    elif suffix == ".parquet":
        pq.write_table(pa.csv.read_csv(big), source, row_group_size=7001)
    else:
        lines = pd.read_csv(big).to_json(orient="records", lines=True)
        source.write_text(lines.rstrip("\n"), encoding="utf-8")  # the last row has no line end
    recipe = a_recipe(
        {"op": "correlated_noise", "columns": ["height", "visits"]},
        {"op": "gaussian_noise", "columns": "height", "mechanism": {"mar": {"columns": "visits"}}, "rate": 0.3},
        {"op": "outlier", "columns": "height"},
        {"op": "label_flip", "columns": "churn", "rate": 0.25},
        copies=2,
    )
    usual = augment(source, recipe, tmp_path / "usual", workers=1).output
    sizes = {".csv": source.stat().st_size * 2 // 5, ".jsonl": 1 << 20, ".parquet": 1}
    monkeypatch.setattr(work, "SURVEY_BYTES", sizes[suffix])
    for module in (csv_format, jsonl_format):
        monkeypatch.setattr(module, "SLAB_BYTES", 1 << 17)
    shared = augment(source, recipe, tmp_path / "shared", workers=2).output
    assert path_for(shared).read_bytes() == path_for(usual).read_bytes()


@pytest.mark.parametrize("name", ["customers.csv", "customers.parquet", "images"])
def test_workers_do_not_show(sample: Path, tmp_path: Path, tree: Tree, name: str) -> None:
    steps = IMAGE_STEPS if name == "images" else [{"op": "gaussian_noise", "rate": 0.5, "columns": "numeric"}]
    for workers in (1, 2):
        augment(sample / name, a_recipe(*steps, copies=3), tmp_path / str(workers) / "out", workers=workers)
    assert tree(tmp_path / "1") == tree(tmp_path / "2")


def test_order_on_disk_does_not_show(sample: Path, tmp_path: Path, tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither in facts, which are merged file by file, nor in who is whose partner."""
    inputs = {"images": [(name, data) for name, data in tree(sample / "images").items() if data]}
    names = ("b.csv", "a/x.csv", "a.csv", "A.csv", "é.csv", "read me.txt")
    inputs["tables"] = [(name, make_table(200 + 37 * i)) for i, name in enumerate(names)]
    steps = {
        "images": [{"op": "brightness", "rate": 0.5, "exact": True}, *IMAGE_STEPS],
        "tables": [{"op": "permute", "columns": "name", "rate": 0.5}, *EVERY_STEP],
    }
    for kind, files in inputs.items():
        for turn in ("there", "back"):
            for relative, data in files if turn == "there" else files[::-1]:
                target = tmp_path / turn / kind / relative
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(data)
            if turn == "back":
                walk = datasets.walk
                monkeypatch.setattr(datasets, "walk", lambda root, walk=walk: list(walk(root))[::-1])
            augment(tmp_path / turn / kind, a_recipe(*steps[kind]), tmp_path / f"{turn}-out" / kind, workers=1)
            monkeypatch.undo()
    assert tree(tmp_path / "there-out") == tree(tmp_path / "back-out")


def test_the_environment_does_not_show(small: Path, tmp_path: Path, recipe: Callable[..., Path]) -> None:
    steps = [
        "op: typo, columns: [name, note], rate: 0.3",
        "op: category_swap, columns: city, rate: 0.2",
        "op: gaussian_noise, columns: [height, visits]",
        "op: label_flip, columns: churn",
    ]
    path = recipe(*steps, data="{split: split}")
    results = []
    for i, changed in enumerate(
        (
            {"PYTHONHASHSEED": "0", "LC_ALL": "C", "TZ": "UTC"},
            {"PYTHONHASHSEED": "1", "LC_ALL": "C.UTF-8", "TZ": "Asia/Kathmandu", "PYTHONUTF8": "0"},
        )
    ):
        out = tmp_path / f"{i}.csv"
        arguments = ["-m", "noisecli", "augment", small, "-r", path, "-o", out, "--quiet"]
        subprocess.run([sys.executable, *map(str, arguments)], env={**os.environ, **changed}, check=True)
        results.append(written(out))
    assert results[0] == results[1]


def test_the_name_of_a_single_file_does_not_show(small: Path, tmp_path: Path) -> None:
    renamed = tmp_path / "other name.CSV"
    shutil.copyfile(small, renamed)
    results = [
        written(augment(source, a_recipe(*EVERY_STEP), tmp_path / f"{i}.csv").output)
        for i, source in enumerate((small, renamed))
    ]
    assert results[0] == results[1]


def test_the_seed_shows(small: Path, noisy: Callable[..., bytes]) -> None:
    assert noisy(small, *EVERY_STEP) != noisy(small, *EVERY_STEP, seed=12)


# ------------------------------------------------------------------------------------------------ 2: edits stay local

NOISE = {"op": "gaussian_noise", "columns": "height", "sigma": 0.3, "unit": "absolute", "rate": 0.5}
TYPO = {"op": "typo", "columns": "name", "rate": 0.3}
GAPS = {"op": "missing", "columns": "city", "rate": 0.2}
LOCAL = [NOISE, TYPO, GAPS]


@pytest.mark.parametrize(
    "edited",
    [
        pytest.param([*LOCAL, {"op": "laplace_noise", "columns": "visits"}], id="step-added"),
        pytest.param([{"op": "category_swap", "columns": "note"}, *LOCAL], id="step-before"),
        pytest.param([GAPS, NOISE, TYPO], id="step-moved"),
        pytest.param([{**NOISE, "columns": ["visits", "height"]}, {**GAPS, "columns": ["note", "city"]}], id="column"),
        pytest.param([NOISE, {**TYPO, "rate": 0.9, "columns": "note"}, GAPS, {**TYPO, "id": "x"}], id="other-step"),
    ],
)
def test_editing_the_recipe_changes_nothing_else(
    small: Path, noisy: Callable[..., bytes], difference: Callable[..., Cells], edited: list[dict[str, Any]]
) -> None:
    clean, mine = small.read_bytes(), {HEADER.index("height"), HEADER.index("city")}
    base, other = difference(clean, noisy(small, *LOCAL)), difference(clean, noisy(small, *edited))
    assert base
    assert {at: cell for at, cell in base.items() if at[1] in mine} == {
        at: cell for at, cell in other.items() if at[1] in mine
    }


def test_a_removed_step_leaves_the_later_strikes_on_its_column(
    small: Path, noisy: Callable[..., bytes], difference: Callable[..., Cells]
) -> None:
    gaps = {"op": "missing", "columns": "height", "rate": 0.3}
    both, alone = (difference(small.read_bytes(), noisy(small, *steps)) for steps in ([NOISE, gaps], [gaps]))
    assert {at for at, (_, new) in both.items() if not new} == set(alone)


def test_an_added_step_leaves_clones_and_their_errors(small: Path, noisy: Callable[..., bytes], rows_of: Rows) -> None:
    clones = {"op": "duplicate", "columns": "name", "errors": 1, "rate": 0.3}
    alone, both = ([row[1] for row in rows_of(noisy(small, *steps))] for steps in ([clones], [GAPS, clones]))
    assert alone == both
    assert len(set(alone)) > 2_500


def test_adding_a_column_to_the_data_changes_nothing_else(
    small: Path, noisy: Callable[..., bytes], tmp_path: Path, rows_of: Rows
) -> None:
    wider = tmp_path / "wider.csv"
    wide = [b",".join([row[0], b"x", *row[1:-1]]) + row[-1] for row in rows_of(small.read_bytes())]
    wide[0] = wide[0].replace(b"id,x,", b"id,new,")
    wider.write_bytes(b"".join(wide))
    narrow = [(row[0], *row[2:]) for row in rows_of(noisy(wider, *EVERY_STEP))]
    assert narrow == rows_of(noisy(small, *EVERY_STEP))


def test_adding_rows_changes_no_earlier_row(small: Path, noisy: Callable[..., bytes], tmp_path: Path) -> None:
    longer = tmp_path / "longer.csv"
    longer.write_bytes(small.read_bytes() + make_table(5).partition(b"\n")[2])
    assert noisy(longer, *LOCAL).startswith(noisy(small, *LOCAL))


def test_adding_a_file_changes_no_other(small: Path, tmp_path: Path, tree: Tree) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("b.csv", "d.csv"):
        shutil.copyfile(small, folder / name)
    recipe = a_recipe(*LOCAL)
    before = tree(augment(folder, recipe, tmp_path / "before").output)
    for name in ("a.csv", "c.csv", "val.csv", "notes.txt"):
        shutil.copyfile(small, folder / name)
    after = tree(augment(folder, recipe, tmp_path / "after").output)
    assert before["b.csv"] != before["d.csv"]
    assert before.items() <= after.items()


def test_adding_an_image_changes_no_other(sample: Path, tmp_path: Path, tree: Tree) -> None:
    folder = tmp_path / "in"
    shutil.copytree(sample / "images", folder)
    recipe = a_recipe({"op": "gaussian_noise", "rate": 0.6}, *(step for step in IMAGE_STEPS if step["op"] != "mixup"))
    before = tree(augment(folder, recipe, tmp_path / "before").output)
    for i in range(4):
        shutil.copyfile(folder / "train/discs/discs_00.jpg", folder / f"train/bricks/added_{i}.jpg")
    after = tree(augment(folder, recipe, tmp_path / "after").output)
    assert before.items() <= after.items()


@pytest.mark.parametrize(
    ("edited", "head"),
    [
        pytest.param([{"op": "label_flip", "id": "x", "rate": 0}, {"op": "fog"}, *IMAGE_STEPS], {}, id="steps-before"),
        pytest.param([*IMAGE_STEPS[2::-1], IMAGE_STEPS[3], {"op": "duplicate"}], {}, id="moved-and-cloned-again"),
        pytest.param(IMAGE_STEPS, {"copies": 3, "layout": "merged"}, id="copies"),
    ],
)
def test_editing_the_recipe_of_images_changes_nothing_else(
    sample: Path, tmp_path: Path, edited: list[dict[str, Any]], head: dict[str, Any]
) -> None:
    """Which are struck, flipped, cloned and mixed with which, and every number drawn for it."""
    found = []
    for name, recipe in (("base", a_recipe(*IMAGE_STEPS)), ("edited", a_recipe(*edited, **head))):
        outputs = augment(sample / "images", recipe, tmp_path / name).manifest.outputs
        drawn = ((entry.path.replace("__c1", ""), entry.drawn or {}) for entry in outputs)
        found.append({(path, step): got for path, steps in drawn for step, got in steps.items()})
    assert {step for _, step in found[0]} == {step["op"] for step in IMAGE_STEPS}
    assert found[0].items() <= found[1].items()


def test_adding_a_copy_changes_no_other(small: Path, tmp_path: Path, tree: Tree) -> None:
    one, two, three = (
        augment(small, a_recipe(*EVERY_STEP, copies=n), tmp_path / f"{n}", workers=1).output for n in (1, 2, 3)
    )
    assert one.read_bytes() == (two / "copy=1" / small.name).read_bytes()
    assert tree(two).items() <= tree(three).items()
    assert len(set(tree(three).values()) - {b""}) == 3


# ------------------------------------------------------------------------------------------------ 3: severities nest


@pytest.mark.parametrize(
    "step",
    [
        {"op": "missing", "columns": "city"},
        NOISE,
        {"op": "category_swap", "columns": ["city", "churn"]},
        {"op": "label_flip", "columns": "churn"},
        {"op": "label_flip", "columns": "city", "kind": "pair"},
        {"op": "gaussian_noise", "columns": "visits", "exact": True, "sigma": 3},
    ],
    ids=lambda step: step["op"],
)
def test_a_lower_rate_strikes_a_subset_in_the_same_way(
    small: Path, noisy: Callable[..., bytes], difference: Callable[..., Cells], step: dict[str, Any]
) -> None:
    clean = small.read_bytes()
    struck = [difference(clean, noisy(small, {**step, "rate": rate})) for rate in (0.03, 0.1, 0.2, 0.75, 1.0)]
    assert all(few.items() < many.items() for few, many in pairwise(struck))


def test_typos_nest(small: Path, noisy: Callable[..., bytes], difference: Callable[..., Cells]) -> None:
    clean = small.read_bytes()
    few, many = (difference(clean, noisy(small, {**TYPO, "rate": rate})) for rate in (0.1, 0.2))
    assert few.keys() < many.keys()
    words = (zip(*map(words_of, (*few[at], many[at][1])), strict=True) for at in few)
    assert all(weak in (clean, strong) for cell in words for clean, weak, strong in cell)


def test_duplicates_nest(small: Path, noisy: Callable[..., bytes], rows_of: Rows) -> None:
    few, many = (rows_of(noisy(small, {"op": "duplicate", "rate": rate})) for rate in (0.1, 0.2))
    doubled = [{row for row, after in pairwise(rows) if row == after} for rows in (few, many)]
    assert doubled[0] < doubled[1]


def test_images_nest(sample: Path, tmp_path: Path, tree: Tree) -> None:
    clean = tree(sample / "images" / "train")
    struck = []
    for rate in (0.2, 0.4):
        out = augment(
            sample / "images" / "train", a_recipe({"op": "cutout", "rate": rate}), tmp_path / f"{rate}"
        ).output
        struck.append(tree(out).items() - clean.items())
    assert struck[0] < struck[1]


@pytest.mark.parametrize("op", ["gaussian_noise", "laplace_noise"])
def test_a_draw_scales_with_its_strength(
    small: Path, noisy: Callable[..., bytes], difference: Callable[..., Cells], op: str
) -> None:
    step = {"op": op, "columns": "height", "unit": "absolute"}
    moves = []
    for sigma in (0.5, 1.0, 2.0):
        cells = difference(small.read_bytes(), noisy(small, {**step, "sigma": sigma}))
        moves.append({at: (float(new) - float(old)) / sigma for at, (old, new) in cells.items()})
    shared = moves[0].keys() & moves[1].keys() & moves[2].keys()
    assert len(shared) > 1_990
    assert all(abs(moves[2][at] - move[at]) < 3e-6 for move in moves[:2] for at in shared)


# ------------------------------------------------------------------------------------- 4: a rate means what it says


def counts(manifest: Manifest, step: int = 0) -> dict[str, dict[str, int]]:
    return manifest.steps[step].columns


@pytest.mark.parametrize(
    "step",
    [
        {"op": "gaussian_noise", "columns": ["height", "visits"], "sigma": 0.01},
        {"op": "laplace_noise", "columns": ["height", "visits"], "rate": 0.3},
        {"op": "missing", "columns": ["city", "visits", "note"]},
        {"op": "category_swap", "columns": ["city", "note"], "rate": 0.4},
        {"op": "label_flip", "columns": ["churn"], "rate": 0.3},
        {"op": "missing", "columns": ["visits"], "rate": 0.31, "exact": True},
    ],
    ids=lambda step: step["op"],
)
@pytest.mark.parametrize("split", [None, "split"])
def test_counts_are_what_the_files_show(
    small: Path,
    tmp_path: Path,
    difference: Callable[..., Cells],
    rows_of: Rows,
    step: dict[str, Any],
    split: str | None,
) -> None:
    done = augment(small, a_recipe(step, data={"split": split}), tmp_path / "out.csv")
    found = difference(small.read_bytes(), done.output.read_bytes())
    rows = [row for row in rows_of(small.read_bytes())[1:] if split is None or row[-2] == b"train"]
    assert list(counts(done.manifest)) == [name for name in HEADER if name in step["columns"]]
    for name, count in counts(done.manifest).items():
        number = HEADER.index(name)
        assert count["changed"] == sum(at[1] == number for at in found)
        assert count["eligible"] == sum(row[number] not in (b"", b"NA") for row in rows)
        assert count["changed"] <= count["struck"] <= count["eligible"]
        assert count["void"] == 0
    assert {at[1] for at in found} <= {HEADER.index(name) for name in step["columns"]}


def test_typo_counts_words(small: Path, tmp_path: Path, difference: Callable[..., Cells], rows_of: Rows) -> None:
    done = augment(small, a_recipe({"op": "typo", "columns": ["name", "note"], "rate": 0.4}), tmp_path / "out.csv")
    found = difference(small.read_bytes(), done.output.read_bytes())
    for name, count in counts(done.manifest).items():
        number = HEADER.index(name)
        pairs = [cells for at, cells in found.items() if at[1] == number]
        changed = sum(a != b for old, new in pairs for a, b in zip(words_of(old), words_of(new), strict=True))
        assert count["changed"] == count["struck"] == changed
        assert count["eligible"] == sum(len(row[number].split()) for row in rows_of(small.read_bytes())[1:])


def test_duplicate_counts_rows(small: Path, tmp_path: Path, rows_of: Rows) -> None:
    done = augment(small, a_recipe({"op": "duplicate", "rate": 0.1, "clones": 2}), tmp_path / "out.csv")
    before, after = rows_of(small.read_bytes()), rows_of(done.output.read_bytes())
    count = counts(done.manifest)[""]
    assert count["eligible"] == len(before) - 1
    assert count["changed"] == len(after) - len(before) == 2 * count["struck"]
    assert done.manifest.outputs[0].rows == len(after) - 1
    assert list(dict.fromkeys(after)) == before


def test_image_counts(sample: Path, tmp_path: Path, tree: Tree) -> None:
    done = augment(sample / "images", a_recipe({"op": "cutout", "rate": 0.4}), tmp_path / "out")
    changed = tree(done.output).items() - tree(sample / "images").items()
    count = counts(done.manifest)[""]
    assert count["eligible"] == 30
    assert 0 < count["struck"] == count["changed"] == len(changed)


def test_counts_add_up_over_copies_and_files(small: Path, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.csv", "b.csv", "test.csv"):
        shutil.copyfile(small, folder / name)
    done = augment(folder, a_recipe({"op": "missing", "columns": "height"}, copies=3), tmp_path / "out")
    assert counts(done.manifest)["height"]["eligible"] == 3 * 2 * 2_000


def test_what_an_earlier_step_removed_is_void(small: Path, tmp_path: Path) -> None:
    steps = [{"op": "missing", "columns": "height", "rate": 0.3}, {"op": "gaussian_noise", "columns": "height"}]
    done = augment(small, a_recipe(*steps), tmp_path / "out.csv")
    gone, noise = counts(done.manifest)["height"]["changed"], counts(done.manifest, 1)["height"]
    assert noise["void"] == gone > 0
    assert noise["struck"] == noise["eligible"] == 2_000
    assert any(f"{gone} of 2000 struck could not be changed any more" in line for line in done.manifest.warnings)


@pytest.mark.parametrize(
    ("cells", "step", "reason"),
    [
        (["5"] * 50, {"op": "category_swap", "rate": 1}, "one category only"),
        (["1", "9"] * 50, {"op": "gaussian_noise", "sigma": 0.001}, "smaller than the column's resolution"),
        (["1", "9"] * 5, {"op": "missing", "rate": 1e-6}, "strikes none"),
        ([""] * 9, {"op": "missing"}, "nothing is eligible"),
        (["1", "9"] * 200 + ["oops"], {"op": "gaussian_noise", "sigma": 1e6}, "1 cells are no numbers"),
        (["7"] * 50, {"op": "gaussian_noise"}, "struck came out unchanged"),
    ],
)
def test_what_cannot_be_reached_is_said(
    tmp_path: Path,
    command: Callable[..., Any],
    recipe: Callable[..., Path],
    cells: list[str],
    step: dict[str, Any],
    reason: str,
) -> None:
    source = tmp_path / "in.csv"
    source.write_text("".join(f"{i},{cell}\n" for i, cell in enumerate(["x", *cells])))
    path = recipe(", ".join(f"{key}: {value}" for key, value in {**step, "columns": "x"}.items()))
    result = command("augment", source, "-r", path, "-o", tmp_path / "out.csv", "--quiet")
    assert result.code == 0
    assert result.err.count("\n") == 1
    assert result.err.startswith("warning:")
    assert reason in result.err
    assert "'x'" in result.err


def test_many_columns_with_one_reason_are_one_line(tmp_path: Path, recipe: Any, command: Callable[..., Any]) -> None:
    source = tmp_path / "in.csv"
    names = [f"x{i}" for i in range(40)]
    source.write_text("\n".join([",".join(names), *[",".join(["7"] * 40)] * 50]))
    path = recipe("op: gaussian_noise, columns: numeric")
    result = command("augment", source, "-r", path, "-o", tmp_path / "out.csv", "--quiet")
    assert result.err == (
        "warning: step 'gaussian_noise', 40 columns ('x0', 'x1', 'x2' and more): "
        "2000 of 2000 struck came out unchanged: there is no change, or it is smaller than the column's resolution\n"
    )


# ---------------------------------------------------------------------------------- 5: untouched means untouched


def test_one_struck_column_leaves_every_other_cell(
    sample: Path, tmp_path: Path, difference: Callable[..., Cells]
) -> None:
    source = sample / "customers.csv"
    header = source.read_text(encoding="utf-8").splitlines()[0].split(",")
    for name, op in (("city", "typo"), ("height_m", "gaussian_noise"), ("note", "missing"), ("email", "typo")):
        done = augment(source, a_recipe({"op": op, "columns": name, "rate": 0.5}), tmp_path / f"{name}.csv")
        found = difference(source.read_bytes(), done.output.read_bytes())
        assert {at[1] for at in found} == {header.index(name)}


@pytest.mark.parametrize("name", ["customers.csv", "customers.parquet", "images"])
@pytest.mark.parametrize("key", ["rate", "severity"])
def test_rate_0_gives_the_input(sample: Path, tmp_path: Path, tree: Tree, name: str, key: str) -> None:
    step = {"op": "gaussian_noise", key: 0, **({} if name == "images" else {"columns": "numeric"})}
    out = augment(sample / name, a_recipe(step), tmp_path / "out").output
    if out.is_dir():
        assert tree(out) == tree(sample / name)
    else:
        assert out.read_bytes() == (sample / name).read_bytes()


def test_every_op_at_rate_0_gives_the_input(small: Path, noisy: Callable[..., bytes]) -> None:
    assert noisy(small, *({**step, "rate": 0} for step in EVERY_STEP)) == small.read_bytes()


def test_an_image_that_is_struck_in_vain_keeps_its_bytes(tmp_path: Path, tree: Tree) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("black.png", "black.jpg"):
        Image.new("RGB", (30, 20)).save(folder / name, quality=90, progressive=True, compress_level=9)
    done = augment(folder, a_recipe({"op": "cutout", "rate": 1}), tmp_path / "out")
    assert tree(done.output) == tree(folder)
    assert counts(done.manifest)[""]["struck"] == 2


# ---------------------------------------------------------------------------------------------- 6: all or nothing


def test_everything_has_reached_the_disk_before_it_is_put_in_place(
    sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, synced, sync = tmp_path / "out", set(), os.fsync

    def watched(handle: int) -> None:
        assert not out.exists()
        synced.add(os.fstat(handle).st_ino)
        sync(handle)

    monkeypatch.setattr(os, "fsync", watched)
    augment(sample / "images", a_recipe({"op": "cutout", "rate": 0.5}), out)
    assert {path.stat().st_ino for path in (out, path_for(out), *out.rglob("*"))} <= synced


# -------------------------------------------------------------------------------------------------- 7: training only


def test_held_out_rows_stay(small: Path, tmp_path: Path, rows_of: Rows) -> None:
    recipe = a_recipe(*({**step, "rate": 1} for step in EVERY_STEP), data={"split": "split"})
    before, after = (
        [row for row in rows_of(data) if row[-2] in (b"val", b"test")]
        for data in (small.read_bytes(), augment(small, recipe, tmp_path / "out.csv").output.read_bytes())
    )
    assert before == after
    assert before


def test_evaluate_strikes_held_out_rows_and_says_so(
    small: Path,
    tmp_path: Path,
    command: Callable[..., Any],
    recipe: Callable[..., Path],
    difference: Callable[..., Cells],
) -> None:
    path = recipe("op: missing, columns: height, rate: 1", purpose="evaluate", data="{split: split}")
    result = command("augment", small, "-r", path, "-o", tmp_path / "out.csv")
    assert "purpose   evaluate: held-out data was struck too" in result.out
    assert len(difference(small.read_bytes(), (tmp_path / "out.csv").read_bytes())) == 2_000
    assert Manifest.model_validate_json(path_for(tmp_path / "out.csv").read_bytes()).purpose == "evaluate"


def test_held_out_rows_are_not_in_the_facts(small: Path, tmp_path: Path) -> None:
    lines = small.read_text(encoding="utf-8").splitlines()
    wild = tmp_path / "wild.csv"
    wild.write_text(
        "\n".join(line.replace(",1.", ",99.") if line.endswith("val") else line for line in lines), encoding="utf-8"
    )
    recipe = a_recipe({"op": "gaussian_noise", "columns": "height"}, data={"split": "split"})
    found = [
        augment(source, recipe, tmp_path / f"{i}.csv").manifest.facts.columns["height"].sd
        for i, source in enumerate((small, wild))
    ]
    assert found[0] == found[1]


@pytest.mark.parametrize("op", ["missing", "label_flip"])
def test_held_out_rows_are_not_in_the_quotas(small: Path, tmp_path: Path, op: str) -> None:
    """So an exact number is struck, not about as many."""
    step = {"op": op, "columns": "churn", "rate": 0.31, "exact": True}
    done = augment(small, a_recipe(step, data={"split": "split"}), tmp_path / "out.csv")
    count = counts(done.manifest)["churn"]
    assert count["eligible"] < 1_200
    assert count["struck"] == int(0.31 * count["eligible"] + 0.5)


def test_held_out_folders_stay(sample: Path, small: Path, tmp_path: Path, tree: Tree) -> None:
    folder = tmp_path / "tables"
    held_out = ("val/a.csv", "Test/a.csv", "split=validation/a.csv", "val2017/a.csv", "test.csv")
    for name in ("train/a.csv", *held_out, "latest.csv"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(small, folder / name)
    out = augment(folder, a_recipe(*EVERY_STEP), tmp_path / "out-tables").output
    changed = {path for path, data in tree(out).items() if data != tree(folder)[path]}
    assert changed == {"train/a.csv", "latest.csv"}
    for purpose, expected in (("train", {"train"}), ("evaluate", {"train", "val"})):
        steps = [{"op": "brightness", "amount": 0.4}, {"op": "label_flip"}, {"op": "near_duplicate"}]
        recipe = a_recipe(*({**step, "rate": 1} for step in steps), purpose=purpose)
        out = augment(sample / "images", recipe, tmp_path / f"out-{purpose}").output
        changed = tree(out).items() ^ tree(sample / "images").items()
        assert {path.split("/")[0] for path, _ in changed} == expected


def test_a_single_file_of_held_out_data_is_refused(small: Path, tmp_path: Path) -> None:
    source = tmp_path / "test.csv"
    shutil.copyfile(small, source)
    with pytest.raises(UsageProblem, match=r"test\.csv.*held-out.*purpose: evaluate"):
        augment(source, a_recipe(*LOCAL), tmp_path / "out.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["test.csv"]
    augment(source, a_recipe(*LOCAL, purpose="evaluate"), tmp_path / "out.csv")
