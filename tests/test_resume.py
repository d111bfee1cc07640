"""--resume: a run that was killed goes on, and what comes of it is what an uninterrupted one makes, byte for byte."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from noisecli.errors import UsageProblem
from noisecli.run import augment, execute
from noisecli.run.resume import BOOT, Log
from noisecli.run.workspace import folder_for

Tree = Callable[[Path], dict[str, bytes]]
Command = Callable[..., Any]

NOISE = {"noisecli": 1, "seed": 3, "copies": 3, "steps": [{"op": "gaussian_noise", "rate": 0.5}]}
ON_TABLES = {**NOISE, "steps": [{"op": "missing", "columns": ["x"], "rate": 0.1}]}

KILLED = """
    import os, signal, sys
    from noisecli.run import augment, execute
    from noisecli.run.resume import Log

    execute.TASK_SLABS = 1

    def note(self, *arguments, plain=Log._note, left=[int(sys.argv[5])]):
        plain(self, *arguments)
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)

    Log._note = note
    if __name__ == "__main__":
        source, recipe, out, workers = sys.argv[1:5]
        augment(source, eval(recipe), out, workers=int(workers), resume=True, truth="truth" in sys.argv)
"""

pytestmark = pytest.mark.skipif(not BOOT.exists(), reason="the system does not tell whether it lost power")


def kill(source: Path, recipe: dict[str, Any], out: Path, after: int, workers: int = 1, *more: str) -> None:
    """Run until so many things are done, and not a moment longer."""
    script = out.parent.parent / "killed.py"  # a file, since workers import it
    script.write_text(textwrap.dedent(KILLED))
    arguments = [sys.executable, script, source, recipe, out, workers, after, *more]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run(list(map(str, arguments)), check=False, env=env).returncode == -signal.SIGKILL
    assert [path.name for path in out.parent.iterdir()] == [folder_for(out).name]


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A table that two tasks write."""
    monkeypatch.setattr(execute, "TASK_SLABS", 1)
    place, words = tmp_path / "in.csv", b"some words to fill the line with " * 16
    place.write_bytes(b"x,y\n" + b"".join(b"%d,%s\n" % (i, words) for i in range(5_000)))
    return place


def images(sample: Path, tmp_path: Path) -> Path:
    """A folder of images and a tar of some."""
    with tarfile.open(tmp_path / "in.tar", "w") as tar:
        for path in sorted((sample / "images").rglob("*.png"))[:3]:
            tar.add(path, path.name)
    return tmp_path / "in.tar"


@pytest.mark.parametrize(
    ("name", "after", "workers"),
    [
        ("in.csv", 1, 1),
        ("in.csv", 4, 2),
        ("in.csv", 9, 1),
        ("customers.parquet", 3, 1),
        ("images", 3, 2),
        ("in.tar", 2, 1),
    ],
)
def test_a_killed_run_goes_on_and_gives_the_same_bytes(
    source: Path, sample: Path, tmp_path: Path, tree: Tree, monkeypatch: Any, name: str, after: int, workers: int
) -> None:
    images(sample, tmp_path)
    given = (tmp_path if name.startswith("in.") else sample) / name
    recipe = ON_TABLES if name == "in.csv" else NOISE
    recipe = {**NOISE, "steps": [{"op": "missing", "columns": ["note"]}]} if name == "customers.parquet" else recipe
    notes, plain = [], Log._note
    monkeypatch.setattr(Log, "_note", lambda *arguments: notes.append(1) or plain(*arguments))
    augment(given, recipe, tmp_path / "usual" / "out")
    whole = len(notes)
    assert whole >= after
    out = tmp_path / "new" / "out"
    kill(given, recipe, out, after, workers)
    with pytest.raises(UsageProblem, match=r"a run was killed and left .* --resume goes on with it, --force clears it"):
        augment(given, recipe, out)
    notes.clear()
    done = augment(given, recipe, out, resume=True, workers=3 - workers)
    assert (done.resumed, len(notes), done.anew) == (after, whole - after, False)
    assert tree(out.parent) == tree(tmp_path / "usual")


def test_a_part_that_was_edited_is_done_again(source: Path, tmp_path: Path, tree: Tree) -> None:
    """Its size says nothing, and the manifest would vouch for it."""
    out = tmp_path / "new" / "out"
    kill(source, ON_TABLES, out, after=3)
    edited = sorted((folder_for(out) / "data").rglob("*.csv"))
    assert edited
    for path in edited:
        path.write_bytes(path.read_bytes().replace(b"some", b"same"))
    augment(source, ON_TABLES, out, resume=True)
    augment(source, ON_TABLES, tmp_path / "usual" / "out")
    assert tree(out.parent) == tree(tmp_path / "usual")


def test_what_is_done_is_not_done_again(source: Path, tmp_path: Path, tree: Tree, monkeypatch: Any) -> None:
    """Of two tasks for each of three copies, the second run does all but three."""
    out, asked, write = tmp_path / "new" / "out", [], execute.work.write_table
    kill(source, ON_TABLES, out, after=2)
    kill(source, ON_TABLES, out, after=2)
    monkeypatch.setattr(execute.work, "write_table", lambda task: asked.append(task.sink.name) or write(task))
    augment(source, ON_TABLES, out, resume=True)
    assert asked == ["part-3", "part-4", "part-5"]
    augment(source, ON_TABLES, tmp_path / "usual" / "out")
    assert tree(out.parent) == tree(tmp_path / "usual")


HARM: list[tuple[Callable[[Path], object], int]] = [
    (lambda left: (left / "log").write_bytes((left / "log").read_bytes()[:-9]), 4),
    (lambda left: (left / "log").write_bytes((left / "log").read_bytes() + b"{}\n{\n"), 5),
    (lambda left: (left / "part-2").unlink(), 3),  # killed while parts were put together
    (lambda left: (left / "part-3").write_text("half"), 4),
    (lambda left: next((left / "data").rglob("*.csv")).unlink(), 0),
    (lambda left: (left / "data" / "stray").write_text("a draft"), 5),
    (lambda left: (left / "log").unlink(), 0),
    (lambda left: (left / "log").write_text("[1]\n"), 0),
]
"""What may be wrong with the five things that were done, and how many of them stand."""


def test_what_does_not_stand_is_done_again(source: Path, tmp_path: Path, tree: Tree) -> None:
    killed = tmp_path / "killed" / "out"
    kill(source, ON_TABLES, killed, after=5)
    augment(source, ON_TABLES, tmp_path / "usual" / "out")
    for number, (harm, resumed) in enumerate(HARM):
        out = tmp_path / str(number) / "out"
        shutil.copytree(killed.parent, out.parent)
        harm(folder_for(out))
        done = augment(source, ON_TABLES, out, resume=True)
        assert (number, done.resumed, done.anew) == (number, resumed, resumed == 0)
        assert tree(out.parent) == tree(tmp_path / "usual")


def test_another_recipe_or_input_is_refused(
    source: Path, tmp_path: Path, tree: Tree, command: Command, recipe: Any
) -> None:
    out = tmp_path / "new" / "out"
    kill(source, ON_TABLES, out, after=4)
    left = tree(out.parent)
    for change, what in [({"seed": 4}, "the recipe"), ({"copies": 2}, "the recipe")]:
        with pytest.raises(UsageProblem, match=f"--resume: {what} is not as it was .*; --force starts anew"):
            augment(source, {**ON_TABLES, **change}, out, resume=True)
    os.utime(source)
    with pytest.raises(UsageProblem, match="the input is not as it was"):
        augment(source, ON_TABLES, out, resume=True)
    assert tree(out.parent) == left
    assert augment(source, ON_TABLES, out, resume=True, force=True).anew
    augment(source, ON_TABLES, tmp_path / "usual" / "out")
    assert tree(out.parent) == tree(tmp_path / "usual")


def test_a_recipe_without_seed_goes_on_with_that_of_the_killed_run(source: Path, tmp_path: Path, tree: Tree) -> None:
    out, bare = tmp_path / "new" / "out", {key: value for key, value in ON_TABLES.items() if key != "seed"}
    kill(source, bare, out, after=4)
    seed = json.loads((folder_for(out) / "log").read_text().partition("\n")[0])["seed"]
    done = augment(source, bare, out, resume=True)
    assert (done.resumed, done.manifest.seed) == (4, seed)
    augment(source, {**bare, "seed": seed}, tmp_path / "usual" / "out")
    assert tree(out.parent) == tree(tmp_path / "usual")


@pytest.mark.parametrize("left_with_truth", [True, False])
def test_with_truth_or_after_a_loss_of_power_it_starts_anew_and_says_so(
    source: Path, tmp_path: Path, tree: Tree, command: Command, left_with_truth: bool
) -> None:
    out, recipe = tmp_path / "new" / "out", tmp_path / "r.yaml"
    recipe.write_text(str(ON_TABLES))
    kill(source, ON_TABLES, out, 4, 1, *["truth"] * left_with_truth)
    if not left_with_truth:
        log = folder_for(out) / "log"
        log.write_text(log.read_text().replace(BOOT.read_text().strip(), "before"))
    more = ["--truth"] * left_with_truth
    done = command("augment", source, "-r", recipe, "-o", out, "--resume", "-q", *more)
    assert done.code == 0
    assert f"warning: {out}: nothing of the killed run could be used, so this one started anew\n" in done.err
    command("augment", source, "-r", recipe, "-o", tmp_path / "usual" / "out", "-q", "--resume", *more)
    assert tree(out.parent) == tree(tmp_path / "usual")
