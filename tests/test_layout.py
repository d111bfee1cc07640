"""What is written where: the clean data as copy 0, all copies in one tree, what is skipped, held out or left alone."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import csv

Command = Callable[..., Any]
Recipe = Callable[..., Path]
Tree = Callable[[Path], dict[str, bytes]]
Augment = Callable[..., Any]

TABLE = "op: gaussian_noise, columns: x, rate: 1"
IMAGES = "op: gaussian_noise, rate: 1"
ROWS = range(60)
CSV = b"id,at,device,x,y,split\n" + b"".join(
    b"%d,2024-01-%02d,dev%d,%d.25,%s,%s\n" % (i, i % 28 + 1, i % 3, i, b"ab"[i % 2 :][:1], b"train") for i in ROWS
)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "in.csv"
    path.write_bytes(CSV)
    return path


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    """Two tables to be struck, in folders, with held-out ones and a file that is no table."""
    folder = tmp_path / "tables"
    for name in ("a.csv", "sub/b.csv", "test/c.csv", "val.csv"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(CSV)
    (folder / "README.txt").write_text("about")
    return folder


@pytest.fixture
def images(sample: Path, tmp_path: Path) -> Path:
    """Three pictures to be struck, one that is held out, and labels."""
    folder = tmp_path / "images"
    for name in ("train/discs/discs_00.jpg", "train/discs/discs_01.png", "train/waves/waves_00.jpg"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(sample / "images" / name, folder / name)
    (folder / "test").mkdir()
    shutil.copyfile(sample / "images/train/discs/discs_03.png", folder / "test/d.png")
    (folder / "labels.json").write_text("{}")
    return folder


@pytest.fixture
def image(images: Path) -> Path:
    return images / "train/discs/discs_01.png"


@pytest.fixture
def augment(command: Command, recipe: Recipe, tmp_path: Path) -> Augment:
    """Run a step into `out`, which must pass verify and replay; give what --json says."""

    def call(source: Path, step: str, **head: object) -> Any:
        out, again = tmp_path / "out", tmp_path / "again"
        path = recipe(step, **head)
        result = command("augment", source, "-r", path, "-o", out, "--json")
        assert result.code == 0, result.err
        assert command("verify", out, "--input", source).code == 0
        replayed = command("replay", out, "--input", source, "-o", again, "-q")
        assert replayed.code == 0, replayed.err
        assert Path(f"{again}.noisecli.json").read_bytes() == Path(f"{out}.noisecli.json").read_bytes()
        return result.json

    return call


def files(tree: dict[str, bytes]) -> dict[str, bytes]:
    return {name: data for name, data in tree.items() if data}


def step_for(name: str) -> str:
    return IMAGES if name.startswith("image") else TABLE


# ------------------------------------------------------------------------------------------------------ keep_original


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("copies", [1, 2])
@pytest.mark.parametrize("name", ["table", "tables", "image", "images"])
def test_copy_0_is_the_input(
    request: pytest.FixtureRequest,
    command: Command,
    recipe: Recipe,
    tmp_path: Path,
    tree: Tree,
    name: str,
    copies: int,
    workers: int,
) -> None:
    source, out = request.getfixturevalue(name), tmp_path / "out"
    path = recipe(step_for(name), copies=copies, keep_original="true")
    result = command("augment", source, "-r", path, "-o", out, "--json", "--workers", workers)
    assert result.code == 0, result.err
    clean = tree(source) if source.is_dir() else {source.name: source.read_bytes()}
    trees = [tree(out / f"copy={copy}") for copy in range(copies + 1)]
    assert sorted(folder.name for folder in out.iterdir()) == [f"copy={copy}" for copy in range(copies + 1)]
    assert trees[0] == clean
    held_out = {name for name in clean if name.startswith(("test", "val", "README", "labels"))}
    for i, noisy in enumerate(trees[1:], 1):
        assert noisy.keys() == clean.keys()
        same = {name for other in trees[:i] for name in files(clean) if noisy[name] == other[name]}
        assert same == held_out & set(files(clean))
    entries = result.json["outputs"]
    assert all(entry["carried"] for entry in entries if entry["copy"] == 0)
    assert {entry["path"] for entry in entries} == set(files(tree(out)))


def test_the_original_does_not_change_the_noise(
    command: Command, recipe: Recipe, tables: Path, tmp_path: Path, tree: Tree
) -> None:
    for out, keep in (("with", "true"), ("without", "false")):
        path = recipe(TABLE, copies=2, keep_original=keep)
        assert command("augment", tables, "-r", path, "-o", tmp_path / out, "-q").code == 0
    for copy in ("copy=1", "copy=2"):
        assert tree(tmp_path / "with" / copy) == tree(tmp_path / "without" / copy)


@pytest.mark.parametrize("name", ["table", "tables", "image", "images"])
@pytest.mark.parametrize("layout", ["copies", "merged"])
def test_the_original_is_verified_and_replayed(
    request: pytest.FixtureRequest, augment: Augment, tmp_path: Path, tree: Tree, name: str, layout: str
) -> None:
    augment(request.getfixturevalue(name), step_for(name), keep_original="true", layout=layout)
    assert tree(tmp_path / "out") == tree(tmp_path / "again")


# ------------------------------------------------------------------------------------------------------------- merged


def marked(name: str, copy: int) -> str:
    """The name of a copy, spelt out here by hand."""
    stem, dot, extension = name.rpartition(".")
    return f"{stem}__c{copy}{dot}{extension}"


@pytest.mark.parametrize("keep", ["false", "true"])
@pytest.mark.parametrize("name", ["table", "tables", "image", "images"])
def test_merged_is_one_tree(
    request: pytest.FixtureRequest, augment: Augment, tmp_path: Path, tree: Tree, name: str, keep: str
) -> None:
    source = request.getfixturevalue(name)
    done = augment(source, step_for(name), copies=2, layout="merged", keep_original=keep)
    clean = files(tree(source)) if source.is_dir() else {source.name: source.read_bytes()}
    carried = {name for name in clean if name.startswith(("test/", "val.", "README", "labels"))}
    copies = [0, 1, 2] if keep == "true" else [1, 2]
    made = files(tree(tmp_path / "out"))
    assert made.keys() == carried | {marked(name, copy) for name in clean.keys() - carried for copy in copies}
    assert all(made[name] == clean[name] for name in carried)
    for struck in clean.keys() - carried:
        noisy = [made[marked(struck, copy)] for copy in (1, 2)]
        assert len({clean[struck], *noisy}) == 3
        assert keep == "false" or made[marked(struck, 0)] == clean[struck]
    assert sorted(entry["path"] for entry in done["outputs"]) == sorted(made)


def test_merged_and_copies_hold_the_same(
    command: Command, recipe: Recipe, images: Path, tmp_path: Path, tree: Tree
) -> None:
    for layout in ("merged", "copies"):
        path = recipe(IMAGES, copies=2, layout=layout)
        assert command("augment", images, "-r", path, "-o", tmp_path / layout, "-q").code == 0
    merged = tree(tmp_path / "merged")
    for copy in (1, 2):
        for name, data in files(tree(tmp_path / "copies" / f"copy={copy}" / "train")).items():
            assert merged[f"train/{marked(name, copy)}"] == data


@pytest.mark.parametrize(("name", "made"), [("a.b.csv", "a.b__c{}.csv"), ("a.CSV", "a__c{}.CSV")])
def test_the_mark_stands_before_the_extension(augment: Augment, tmp_path: Path, name: str, made: str) -> None:
    (tmp_path / name).write_bytes(CSV)
    augment(tmp_path / name, TABLE, copies=2, layout="merged")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [made.format(1), made.format(2)]


@pytest.mark.parametrize("keep", ["false", "true"])
def test_names_that_look_like_copies_do_not_clash(augment: Augment, tmp_path: Path, tree: Tree, keep: str) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    names = ["a.csv", "a__c0.csv", "a__c1.csv", "a__c1__c1.csv"]
    for name in names:
        (folder / name).write_bytes(CSV)
    (folder / "a__c1.txt").write_text("carried")
    augment(folder, TABLE, copies=2, layout="merged", keep_original=keep)
    copies = [0, 1, 2] if keep == "true" else [1, 2]
    expected = {marked(name, copy) for name in names for copy in copies} | {"a__c1.txt"}
    assert tree(tmp_path / "out").keys() == expected


# ----------------------------------------------------------------------------------------------------------- on_error


BROKEN = b"no picture"


def test_broken_images_are_skipped(
    augment: Augment, command: Command, recipe: Recipe, images: Path, tmp_path: Path, tree: Tree
) -> None:
    short = (images / "train/waves/waves_00.jpg").read_bytes()[:600]
    broken = {"train/discs/bad.png": BROKEN, "train/short.jpg": short}
    for name, data in broken.items():
        (images / name).write_bytes(data)
    done = augment(images, IMAGES, copies=2, on_error="skip")
    assert [entry["path"] for entry in done["skipped"]] == sorted(broken)
    assert all(entry["why"].startswith("the file is ") for entry in done["skipped"])
    document = json.loads((tmp_path / "out.noisecli.json").read_bytes())
    assert document["skipped"] == done["skipped"]
    for copy in ("copy=1", "copy=2"):
        made = tree(tmp_path / "out" / copy)
        assert made.keys() == tree(images).keys()
        assert {name: made[name] for name in broken} == broken
        assert made["train/waves/waves_00.jpg"] != (images / "train/waves/waves_00.jpg").read_bytes()
    counts = done["steps"][0]["columns"][""]
    assert (counts["eligible"], counts["void"]) == (10, 4)
    told = command("augment", images, "-r", recipe(IMAGES, on_error="skip"), "-o", tmp_path / "told")
    assert [line for line in told.out.splitlines() if line.startswith("skipped")] == [
        f"skipped   {entry['path']}: {entry['why']}" for entry in done["skipped"]
    ]
    assert [line for line in document["warnings"] if "4 of 10 struck cannot be read and are carried" in line]


@pytest.mark.parametrize("head", [{}, {"on_error": "fail"}])
@pytest.mark.parametrize("workers", [1, 2])
def test_broken_images_stop_the_run(
    command: Command, recipe: Recipe, images: Path, tmp_path: Path, head: dict[str, str], workers: int
) -> None:
    (images / "train/discs/bad.png").write_bytes(BROKEN)
    result = command(
        "augment", images, "-r", recipe(IMAGES, **head), "-o", tmp_path / "out", "-q", "--workers", workers
    )
    assert result.code == 3
    assert len(result.errors) == 1
    assert "train/discs/bad.png: " in result.errors[0]
    assert "`on_error: skip` carries such images" in result.errors[0]
    assert not (tmp_path / "out").exists()


def test_broken_images_that_are_held_out_are_no_matter(augment: Augment, images: Path) -> None:
    (images / "test/bad.png").write_bytes(BROKEN)
    assert augment(images, IMAGES)["skipped"] == []


# ------------------------------------------------------------------------------------------------------------ purpose


HELD_OUT = ["test/c.csv", "val.csv"]


@pytest.mark.parametrize(("purpose", "struck"), [("train", []), ("evaluate", HELD_OUT)])
def test_evaluate_strikes_test_data(
    command: Command,
    augment: Augment,
    recipe: Recipe,
    tables: Path,
    tmp_path: Path,
    tree: Tree,
    purpose: str,
    struck: list[str],
) -> None:
    done = augment(tables, TABLE, purpose=purpose)
    before, after = files(tree(tables)), files(tree(tmp_path / "out"))
    assert sorted(name for name in before if before[name] != after[name]) == ["a.csv", "sub/b.csv", *struck]
    assert done["purpose"] == purpose
    assert f'"purpose": "{purpose}"' in (tmp_path / "out.noisecli.json").read_text(encoding="utf-8")
    told = command("augment", tables, "-r", recipe(TABLE, purpose=purpose), "-o", tmp_path / "told")
    assert ("held-out data was struck too" in told.out) == (purpose == "evaluate")


def test_evaluate_strikes_test_images(augment: Augment, images: Path, tmp_path: Path) -> None:
    augment(images, IMAGES, purpose="evaluate")
    assert (tmp_path / "out/test/d.png").read_bytes() != (images / "test/d.png").read_bytes()


@pytest.mark.parametrize("where", ["column", "rows"])
def test_evaluate_strikes_test_rows(augment: Augment, table: Path, tmp_path: Path, where: str) -> None:
    table.write_bytes(CSV.replace(b",train\n", b",test\n", 20))
    step = "op: missing, columns: x, rate: 1" if where == "column" else "op: duplicate, rate: 1"
    for purpose, count in (("train", 40), ("evaluate", 60)):
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        for name in ("out", "out.noisecli.json", "again", "again.noisecli.json"):
            (tmp_path / name).unlink(missing_ok=True)
        done = augment(table, step, purpose=purpose, data="{split: split}")
        assert [column["struck"] for column in done["steps"][0]["columns"].values()] == [count]


SHARDS = {
    "train-00000-of-00002.parquet": True,
    "train-00001-of-00002.parquet": True,
    "test-00000-of-00002.parquet": False,
    "test-00001-of-00002.parquet": False,
    "validation-00000-of-00001.parquet": False,
    "dev_0.parquet": False,
    "Valid-1.parquet": False,
    "test.parquet": False,
    "testing-00000-of-00001.parquet": True,
    "contest-00000-of-00001.parquet": True,
}


def test_shards_of_held_out_splits_are_held_out(augment: Augment, tmp_path: Path, tree: Tree) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    for name in SHARDS:
        pq.write_table(pa.table({"x": [float(i) for i in ROWS]}), folder / name)
    augment(folder, TABLE)
    before, after = tree(folder), tree(tmp_path / "out")
    assert {name: before[name] != after[name] for name in SHARDS} == SHARDS


@pytest.mark.parametrize("name", [name for name, struck in SHARDS.items() if not struck])
def test_a_single_held_out_shard_is_refused(command: Command, recipe: Recipe, tmp_path: Path, name: str) -> None:
    pq.write_table(pa.table({"x": [float(i) for i in ROWS]}), tmp_path / name)
    result = command("augment", tmp_path / name, "-r", recipe(TABLE), "-o", tmp_path / "out", "-q")
    assert result.code == 2
    assert len(result.errors) == 1
    assert "looks like held-out data" in result.errors[0]
    path = recipe(TABLE, purpose="evaluate")
    assert command("augment", tmp_path / name, "-r", path, "-o", tmp_path / "out", "-q").code == 0


# -------------------------------------------------------------------------------------------------------------- roles


ROLES = {"id": "id", "time": "at", "entity": "device", "label": "y", "split": "split"}
EVERYTHING = ["id", "at", "device", "x", "y", "split"]


@pytest.mark.parametrize("format_", ["csv", "parquet"])
@pytest.mark.parametrize("roles", [[], *([role] for role in ROLES), list(ROLES)])
@pytest.mark.parametrize("columns", ["all", "'*'", "'?*'"])
def test_selectors_leave_out_roles(
    augment: Augment, table: Path, tmp_path: Path, format_: str, roles: list[str], columns: str
) -> None:
    source = in_format(table, format_)
    data = "{" + ", ".join(f"{role}: {ROLES[role]}" for role in roles) + "}"
    done = augment(source, f"op: missing, columns: {columns}, rate: 1", data=data)
    left = {ROLES[role] for role in roles}
    assert list(done["steps"][0]["columns"]) == [name for name in EVERYTHING if name not in left]


def in_format(table: Path, format_: str) -> Path:
    if format_ == "csv":
        return table
    pq.write_table(csv.read_csv(table), table.with_suffix(".parquet"))
    return table.with_suffix(".parquet")


@pytest.mark.parametrize(("selector", "struck"), [("numeric", ["x"]), ("datetime", []), ("{dtype: text}", ["split"])])
def test_types_leave_out_roles(
    command: Command, recipe: Recipe, table: Path, tmp_path: Path, selector: str, struck: list[str]
) -> None:
    path = recipe(f"op: missing, columns: {selector}, rate: 1", data="{id: id, time: at, entity: device, label: y}")
    result = command("augment", table, "-r", path, "-o", tmp_path / "out", "--json")
    assert result.code == (0 if struck else 2)
    assert not struck or list(result.json["steps"][0]["columns"]) == struck


@pytest.mark.parametrize("name", ROLES.values())
def test_naming_a_column_with_a_role_strikes_it(augment: Augment, table: Path, name: str) -> None:
    data = "{" + ", ".join(f"{role}: {column}" for role, column in ROLES.items()) + "}"
    done = augment(table, f"op: missing, columns: [{name}, all], rate: 1", data=data)
    columns = done["steps"][0]["columns"]
    assert set(columns) == {name, "x"}
    assert columns[name]["struck"] == len(ROWS)


@pytest.mark.parametrize("role", ROLES)
def test_a_role_of_no_column(command: Command, recipe: Recipe, table: Path, tmp_path: Path, role: str) -> None:
    path = recipe(TABLE, data=f"{{{role}: nope}}")
    result = command("augment", table, "-r", path, "-o", tmp_path / "out", "-q")
    assert result.code == 2
    assert len(result.errors) == 1
    assert "recipe.yaml:3:" in result.errors[0]
    assert "no column 'nope' in in.csv" in result.errors[0]


def test_what_earlier_runs_left_in_the_input_is_carried(tables: Path, augment: Augment, tmp_path: Path) -> None:
    pq.write_table(pa.table({"row": [1, 2]}), tables / "a.csv.noisecli-truth.parquet")
    shutil.copyfile(tables / "a.csv.noisecli-truth.parquet", tables / "b.noisecli-files.parquet")
    done = augment(tables, TABLE)
    carried = {entry["path"] for entry in done["outputs"] if entry["carried"]}
    assert {"a.csv.noisecli-truth.parquet", "b.noisecli-files.parquet"} <= carried
    assert not {"a.csv", "sub/b.csv"} & carried
