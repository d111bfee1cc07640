"""The manifest: the same bytes every time, nothing of this machine in it, and trusted only as far as it is checked."""

import json
import os
import re
import shutil
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from noisecli.manifest import path_for
from noisecli.run import augment

Command = Callable[..., Any]
Tree = Callable[[Path], dict[str, bytes]]

TABLE = {
    "noisecli": 1,
    "seed": 3,
    "data": {"label": "churn", "split": "split"},
    "steps": [
        {"op": "gaussian_noise", "columns": "income"},
        {"op": "label_flip"},
        {"op": "duplicate", "rate": 0.1},
    ],
}
IMAGES = {"noisecli": 1, "seed": 3, "steps": [{"op": "cutout", "rate": 0.5}, {"op": "brightness", "severity": 2}]}


@pytest.fixture
def output(sample: Path, tmp_path: Path) -> Path:
    return augment(sample / "customers.csv", TABLE, tmp_path / "out.csv", workers=1).output


@pytest.mark.parametrize(
    ("name", "recipe"), [("customers.csv", TABLE), ("customers.parquet", TABLE), ("images", IMAGES)]
)
def test_two_runs_in_two_places_write_the_same_bytes(
    sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, recipe: dict[str, Any]
) -> None:
    first = augment(sample / name, recipe, tmp_path / "a" / "out", workers=1).manifest_path.read_bytes()
    (tmp_path / "elsewhere").mkdir()
    moved = tmp_path / "elsewhere" / f"other{Path(name).suffix}"
    (shutil.copytree if (sample / name).is_dir() else shutil.copyfile)(sample / name, moved)
    monkeypatch.chdir(moved.parent)
    second = augment(moved.name, recipe, "here", workers=2).manifest_path.read_bytes()
    assert first == second


@pytest.mark.parametrize(("name", "recipe"), [("customers.csv", TABLE), ("images", IMAGES)])
def test_it_tells_nothing_of_this_machine(sample: Path, tmp_path: Path, name: str, recipe: dict[str, Any]) -> None:
    text = augment(sample / name, recipe, tmp_path / "out").manifest_path.read_text(encoding="utf-8")
    assert str(tmp_path) not in text
    assert str(sample) not in text
    assert socket.gethostname() not in text
    assert not re.search(r'": "/', text)
    assert not re.search(r"20[2-9]\d-\d\d-\d\dT", text)
    assert f'": {os.getpid()},' not in text
    document = json.loads(text)
    assert text == json.dumps(document, sort_keys=True, indent=1, ensure_ascii=False) + "\n"


def test_it_tells_what_was_done(output: Path, sample: Path) -> None:
    document = json.loads(path_for(output).read_bytes())
    assert document["seed"] == 3
    assert document["purpose"] == "train"
    assert {"python", "numpy", "pyarrow", "pillow", "orjson", "regex"} <= set(document["environment"])
    assert document["rng"]["block"] == 16_384
    assert [entry["path"] for entry in document["inputs"]] == ["."]
    assert document["inputs"][0]["rows"] == 5_000
    assert document["inputs"][0]["bytes"] == (sample / "customers.csv").stat().st_size
    assert document["outputs"][0]["bytes"] == output.stat().st_size
    assert document["outputs"][0]["rows"] == 5_000 + document["steps"][2]["columns"][""]["changed"]
    assert document["facts"]["columns"]["income"]["sd"] > 0
    assert [step["id"] for step in document["steps"]] == ["gaussian_noise", "label_flip", "duplicate"]


def edit(path: Path, **changes: Any) -> None:
    document = json.loads(path.read_bytes())
    for dotted, value in changes.items():
        *parents, last = [int(key) if key.isdigit() else key for key in dotted.split("__")]
        holder = document
        for key in parents:
            holder = holder[key]
        holder[last] = value
    path.write_text(json.dumps(document))


@pytest.mark.parametrize(
    "changes",
    [
        {"outputs__0__path": "../secret.csv"},
        {"outputs__0__path": "a/../../secret.csv"},
        {"outputs__0__path": "/etc/passwd"},
        {"outputs__0__path": ""},
        {"outputs__0__path": "a\0b"},
        {"outputs__0__path": 7},
        {"inputs__0__path": "../secret.csv"},
        {"outputs__0__sha256": "not hex"},
        {"outputs__0__sha256": 5},
        {"outputs__0__bytes": "many"},
        {"outputs": {}},
        {"outputs": None},
        {"format": 2},
        {"format": "1"},
        {"surplus": 1},
        {"seed": "three"},
        {"steps": 3},
    ],
)
@pytest.mark.parametrize("verb", ["verify", "replay"])
def test_a_hostile_manifest_is_refused(
    command: Command, output: Path, sample: Path, tmp_path: Path, tree: Tree, changes: dict[str, Any], verb: str
) -> None:
    edit(path_for(output), **changes)
    before = tree(tmp_path)
    extra = [] if verb == "verify" else ["--input", sample / "customers.csv", "-o", tmp_path / "again.csv", "-q"]
    result = command(verb, output, *extra)
    assert result.code == 3, result.err
    assert len(result.errors) == 1
    assert "out.csv.noisecli.json: not a manifest" in result.err
    assert tree(tmp_path) == before


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"null", b"{", b"\xff", b"[" * 100_000, b'{"seed": 1e999}'])
def test_what_is_no_manifest_is_refused(command: Command, output: Path, data: bytes) -> None:
    path_for(output).write_bytes(data)
    result = command("verify", output)
    assert result.code == 3
    assert len(result.errors) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"facts": {}},
        {"facts": {"columns": {}, "quotas": []}},
        {"facts": {"columns": 3, "quotas": []}},
        {"facts__columns__income": {"kind": "nonsense"}},
        {"facts__columns__income": {}},
        {"facts__columns__income__sd": "wide"},
        {"facts__columns__income__surplus": 1},
        {"facts__columns__income__decimals": [2, "x"]},
        {"facts__columns__churn__categories": None},
        {"facts__quotas": []},
        {"facts__quotas__0__limits": []},
        {"facts__quotas__0__limits": [-1, 2**70]},
        {"recipe": {}},
        {"recipe__steps__0__op": "no_such"},
        {"recipe__steps__0__columns": ["no_such"]},
        {"purpose": "other"},
    ],
)  # fmt: skip
def test_replay_of_nonsense_is_no_bug(
    command: Command, output: Path, sample: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    edit(path_for(output), **changes)
    arguments = ["--input", sample / "customers.csv", "-o", tmp_path / "again.csv", "-q"]
    result = command("replay", output, *arguments)
    assert result.code in ((0, 3) if "purpose" in changes else (2, 3)), result.err
    assert "this is a bug" not in result.err


def test_a_manifest_without_its_data_is_incomplete(command: Command, output: Path) -> None:
    output.unlink()
    result = command("verify", f"{output}.noisecli.json")
    assert result.code == 4
    assert "the run was not completed" in result.errors[0]


def test_data_without_a_manifest_proves_nothing(command: Command, output: Path) -> None:
    path_for(output).unlink()
    result = command("verify", output)
    assert result.code == 2
    assert "no such manifest" in result.errors[0]
    assert "its manifest was left behind" in result.errors[0]


def test_verify_says_what_is_not_there(command: Command, sample: Path, tmp_path: Path) -> None:
    out = augment(sample / "images" / "val", IMAGES | {"purpose": "evaluate"}, tmp_path / "out").output
    assert command("verify", tmp_path / "none").errors == [f"error: {tmp_path / 'none'}: no such output"]
    assert command("verify", out / "discs").errors[0].endswith(f"; {path_for(out)} speaks of all that is in its folder")


def test_a_link_out_of_the_output_is_not_followed(command: Command, sample: Path, tmp_path: Path) -> None:
    out = augment(sample / "images" / "val", IMAGES | {"purpose": "evaluate"}, tmp_path / "out").output
    inside, outside = out / "discs" / "discs_10.jpg", tmp_path / "moved.jpg"
    inside.rename(outside)
    inside.symlink_to(outside)
    assert command("verify", out).code == 4


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_odd_names_are_kept(command: Command, recipe: Callable[..., Path], tmp_path: Path, tree: Tree) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("é.csv".encode(), "e\u0301.csv".encode(), b"new\nline.csv", b" .csv"):
        (folder / os.fsdecode(name)).write_text("x,y\n1,a\n2,b\n")
    path = recipe("op: missing, columns: y, rate: 0.5")
    assert command("augment", folder, "-r", path, "-o", tmp_path / "out", "-q").code == 0
    assert command("verify", tmp_path / "out", "--input", folder).err == ""
    assert command("replay", tmp_path / "out", "--input", folder, "-o", tmp_path / "again", "-q").err == ""
    assert tree(tmp_path / "out") == tree(tmp_path / "again")


def test_names_that_are_no_text_are_refused(command: Command, recipe: Callable[..., Path], tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / os.fsdecode(b"\xff.csv")).write_text("x,y\n1,a\n2,b\n")
    done = command("augment", folder, "-r", recipe("op: missing, columns: y, rate: 0.5"), "-o", tmp_path / "out", "-q")
    assert done.code == 3
    assert "not UTF-8" in done.err
    assert not (tmp_path / "out").exists()
