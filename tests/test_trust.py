"""Crowded, out of disk, lied to: one clear line, the input as it was, and all of the output or nothing."""

import contextlib
import gc
import gzip
import json
import os
import resource
import shutil
import socket
import tempfile
import threading
import time
from collections import namedtuple
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from noisecli.errors import DataProblem, SystemProblem, UsageProblem
from noisecli.manifest import verify
from noisecli.run import augment
from noisecli.run.workspace import folder_for, workspace

Command = Callable[..., Any]
Recipe = Callable[..., Path]
Tree = Callable[[Path], dict[str, bytes]]

ON_TABLES = {"noisecli": 1, "seed": 3, "steps": [{"op": "gaussian_noise", "columns": "numeric"}]}
ON_IMAGES = {"noisecli": 1, "seed": 3, "steps": [{"op": "gaussian_noise", "rate": 0.5}]}
INPUTS = [("customers.csv", ON_TABLES), ("customers.parquet", ON_TABLES), ("images", ON_IMAGES)]

every_input = pytest.mark.parametrize(("name", "steps"), INPUTS, ids=[name for name, _ in INPUTS])


@pytest.fixture
def source(sample: Path, tmp_path: Path) -> Callable[[str], Path]:
    """A copy of some sample data that a test may spoil."""

    def copy(name: str) -> Path:
        place = tmp_path / "in" / name
        place.parent.mkdir(exist_ok=True)
        (shutil.copytree if (sample / name).is_dir() else shutil.copyfile)(sample / name, place)
        return place

    return copy


def refused(command: Command, tree: Tree, place: Path, code: int, *arguments: object) -> str:
    """Run a command that must fail in one line and leave everything as it is; give the line."""
    before = tree(place)
    result = command(*arguments)
    assert (result.code, result.out, len(result.err.splitlines())) == (code, "", 1), result.err
    assert tree(place) == before
    return str(result.err)


# --------------------------------------------------------------------------------------------- two runs to one output


def test_a_second_run_is_refused_and_told_of_the_first(
    command: Command, recipe: Recipe, sample: Path, tmp_path: Path, tree: Tree
) -> None:
    out, path = tmp_path / "out.csv", recipe("op: missing, columns: note, rate: 0.1")
    with workspace(out) as work:
        os.utime(work / "lock", (0, 0))
        for more in ([], ["--force"], ["--dry-run"]):
            line = refused(
                command, tree, tmp_path, 1, "augment", sample / "customers.csv", "-r", path, "-o", out, "-q", *more
            )
            assert line.startswith(f"error: {out}: another run is making it (process {os.getpid()} on ")
            assert f"on {socket.gethostname()}, begun " in line
            assert " days ago): wait for it" in line
    assert command("augment", sample / "customers.csv", "-r", path, "-o", out, "-q").code == 0
    assert not folder_for(out).exists()


def test_one_run_at_a_time_has_the_hidden_folder(tmp_path: Path) -> None:
    inside, met, others = [0], set(), []

    def enter_and_leave() -> None:
        for _ in range(60):
            try:
                with workspace(tmp_path / "out") as work:
                    inside[0] += 1
                    met.add((inside[0], *(path.name for path in work.iterdir())))
                    (work / "mine").touch()
                    time.sleep(0.0005)
                    inside[0] -= 1
            except Exception as error:
                others.append(repr(error))

    threads = [threading.Thread(target=enter_and_leave) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert met == {(1, "lock")}
    assert [error for error in others if "another run is making it" not in error] == []
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_run_left_is_told_and_cleared_with_force(
    command: Command, recipe: Recipe, sample: Path, tmp_path: Path, tree: Tree
) -> None:
    out, left = tmp_path / "out.csv", folder_for(tmp_path / "out.csv")
    left.mkdir()
    (left / "lock").write_text("4711 elsewhere\n")
    (left / "part-0").write_text("half")
    arguments = ("augment", sample / "customers.csv", "-r", recipe("op: missing, columns: note, rate: 0.1"), "-o", out)
    for more in ([], ["--dry-run"]):
        line = refused(command, tree, tmp_path, 2, *arguments, "-q", *more)
        assert f"a run was killed and left {left} (process 4711 on elsewhere, begun less than a minute ago)" in line
    assert command(*arguments, "-q", "--force").code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.csv", "out.csv.noisecli.json", "recipe.yaml"]


def test_without_locks_the_owners_word_does(sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr("fcntl.flock", no_locks)
    out = tmp_path / "out.csv"
    with workspace(out) as work, pytest.raises(SystemProblem, match="another run is making it"):
        augment(sample / "customers.csv", ON_TABLES, out)
    assert not work.exists()
    work.mkdir()
    (work / "lock").write_text(f"4194305 {os.uname().nodename}\n")  # more than any process has
    assert augment(sample / "customers.csv", ON_TABLES, out).output == out


def test_a_folder_that_is_not_noiseclis_is_left_alone(sample: Path, tmp_path: Path, tree: Tree) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.tex").write_text("all of it")
    for plant in (lambda place: place.symlink_to(mine), lambda place: mine.rename(place)):
        out = tmp_path / "out.csv"
        plant(folder_for(out))
        before = tree(tmp_path)
        with pytest.raises(SystemProblem, match="stands in the way and is not noisecli's"):
            augment(sample / "customers.csv", ON_TABLES, out, force=True)
        assert tree(tmp_path) == before
        if folder_for(out).is_symlink():
            folder_for(out).unlink()


def test_an_output_that_comes_while_a_run_goes_on_is_kept(sample: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    with pytest.raises(UsageProblem, match="came to exist while the run went on"):
        augment(sample / "customers.csv", ON_TABLES, out, progress=lambda *_: out.write_text("mine") and None)
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]
    assert out.read_text() == "mine"


@pytest.mark.parametrize(
    "output", ["in/tables/../tables/out", "to-input/out", "to-input", "in/TABLES/../tables", "to-file", "loop", "in"]
)
def test_an_output_in_the_input_or_around_it_is_refused_by_any_name(
    command: Command, source: Callable[..., Path], recipe: Recipe, tmp_path: Path, tree: Tree, output: str
) -> None:
    folder = source("customers.csv").parent / "tables"
    folder.mkdir()
    (folder.parent / "TABLES").mkdir()
    table = folder / "customers.csv"
    folder.with_name("customers.csv").rename(table)
    (tmp_path / "to-input").symlink_to(folder)
    (tmp_path / "to-file").symlink_to(table)
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    given = table if output == "to-file" else folder
    path = recipe("op: missing, columns: note, rate: 0.1")
    line = refused(command, tree, tmp_path, 2, "augment", given, "-r", path, "-o", tmp_path / output, "-q", "--force")
    assert "choose another place" in line or "remove it" in line


def test_a_workspace_in_the_input_is_no_data(command: Command, source: Callable[..., Path], tmp_path: Path) -> None:
    folder = source("customers.csv").parent
    with workspace(folder / "noisy.csv"), pytest.raises(DataProblem, match=r"\.noisecli-noisy\.csv: where a run works"):
        augment(folder, ON_TABLES, tmp_path / "out")


# ------------------------------------------------------------------------------------------ the disk, and permissions


@contextlib.contextmanager
def small_files(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond some bytes."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@every_input
@pytest.mark.parametrize("force", [False, True])
def test_a_full_disk_ends_in_one_line(
    sample: Path, tmp_path: Path, tree: Tree, name: str, steps: dict[str, Any], force: bool
) -> None:
    out = tmp_path / "new" / "out"
    if force:
        augment(sample / name, {**steps, "seed": 4}, out)
    before = tree(tmp_path)
    with small_files(2_000), pytest.raises(SystemProblem) as told:
        augment(sample / name, steps, out, force=force)
    assert str(told.value).startswith(f"{out}: a file would be larger than this process may write; nothing was written")
    assert tree(tmp_path) == before


@every_input
def test_a_run_that_has_no_room_is_refused_before_it_writes(
    command: Command,
    sample: Path,
    tmp_path: Path,
    tree: Tree,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    steps: dict[str, Any],
) -> None:
    files = [path for path in [sample / name, *(sample / name).rglob("*")] if path.is_file()]
    needed = 3 * sum(path.stat().st_size for path in files)
    usage = namedtuple("usage", "free")
    (tmp_path / "r.json").write_text(json.dumps({**steps, "copies": 3}))
    arguments = ["augment", sample / name, "-r", tmp_path / "r.json", "-o", tmp_path / "new" / "out"]
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(needed - 1))
    lines = [refused(command, tree, tmp_path, 1, *arguments, *more) for more in (["-q"], ["--dry-run"])]
    assert lines[0] == lines[1]
    assert "out: needs about " in lines[0]
    assert "are free there: make room, or name another place" in lines[0]
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(needed))
    assert [command(*arguments, *more).code for more in (["--dry-run"], ["-q"])] == [0, 0]


@pytest.fixture
def nobody() -> Iterator[Path]:
    """Make this process one without special rights; give a folder that it may enter."""
    place = Path(tempfile.mkdtemp(prefix="trust-"))
    place.chmod(0o777)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield place
    finally:
        if root:
            os.seteuid(0)
        shutil.rmtree(place)


def test_a_folder_without_permission_is_named(command: Command, nobody: Path, tree: Tree) -> None:
    (nobody / "in.csv").write_text("x,y\n1,a\n2,b\n")
    (nobody / "r.yaml").write_text("{noisecli: 1, seed: 1, steps: [{op: missing, columns: y}]}")
    shut = nobody / "shut"
    shut.mkdir(mode=0o555)
    for output in (shut / "out.csv", shut / "new" / "out.csv", nobody / "in.csv" / "out.csv"):
        line = refused(
            command, tree, nobody, 1, "augment", nobody / "in.csv", "-r", nobody / "r.yaml", "-o", output, "-q"
        )
        assert str(output.parent) in line
        assert "ermission denied" in line or "Not a directory" in line or "File exists" in line


@every_input
def test_an_input_that_may_only_be_read_is_never_changed(
    sample: Path, nobody: Path, tree: Tree, name: str, steps: dict[str, Any]
) -> None:
    given = nobody / "in"
    given.mkdir()
    (shutil.copytree if (sample / name).is_dir() else shutil.copyfile)(sample / name, given / name)
    every = [given, *given.rglob("*")]
    for path in every:
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = tree(given), [(path.stat().st_mtime_ns, path.stat().st_ctime_ns) for path in every]
    augment(given / name, steps, nobody / "out", truth=True)
    assert (tree(given), [(path.stat().st_mtime_ns, path.stat().st_ctime_ns) for path in every]) == before
    assert verify(nobody / "out", given / name)[1] == []
    for path in every:
        path.chmod(0o755)


# --------------------------------------------------------------------------------------------- the input that changes


def longer(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\n")


def other_bytes(path: Path) -> None:
    """Same size, same times: what tells is the change time alone, and the digest."""
    found, data = path.stat(), path.read_bytes()
    with path.open("r+b") as file:
        file.write(data[:-9] + bytes([data[-9] ^ 1]) + data[-8:])
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


def another_file(path: Path) -> None:
    """Same bytes, same times, another inode."""
    shutil.copy2(path, path.with_name("copy"))
    path.with_name("copy").replace(path)


CHANGES: dict[str, Callable[[Path], object]] = {
    "longer": longer,
    "other-bytes": other_bytes,
    "touch": Path.touch,
    "unlink": Path.unlink,
    "truncate": lambda path: os.truncate(path, 40),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@every_input
def test_an_input_that_changes_is_refused(
    source: Callable[..., Path],
    tmp_path: Path,
    tree: Tree,
    name: str,
    steps: dict[str, Any],
    change: Callable[[Path], object],
) -> None:
    given, done = source(name), []
    victim = given / "train" / "discs" / "discs_00.jpg" if given.is_dir() else given

    def spoil(stage: str, written: int, total: int) -> None:
        if stage == "write" and 2 * written >= total and not done:  # the first copy is there
            done.append(change(victim))

    with pytest.raises(DataProblem, match="changed while it was read, so nothing was written"):
        augment(given, {**steps, "copies": 2}, tmp_path / "out", progress=spoil)
    assert done
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


@pytest.mark.parametrize("change", [another_file, lambda path: path.chmod(0o640)], ids=["inode", "mode"])
def test_what_leaves_the_bytes_is_no_change(
    source: Callable[..., Path], tmp_path: Path, change: Callable[[Path], object]
) -> None:
    given = source("customers.csv")
    augment(given, ON_TABLES, tmp_path / "out.csv", progress=lambda *_: change(given))
    assert verify(tmp_path / "out.csv", given)[1] == []


# ------------------------------------------------------------------------------------------------------- what is left


def many_runs(sample: Path, place: Path, count: int) -> list[int]:
    """Do small runs in this process; say how many descriptors, objects and pages more it has than after a third."""
    held = []
    for i in range(count):
        name, steps = INPUTS[i % 3]
        given = place / "small.csv.gz" if i % 2 else sample / name
        augment(given, ON_TABLES if i % 2 else {**steps, "seed": i}, place / "out", truth=bool(i % 2))
        for path in place.glob("out*"):
            (shutil.rmtree if path.is_dir() else Path.unlink)(path)
        if i in (count // 3, count - 1):
            gc.collect()
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            held.append((len(list(Path("/proc/self/fd").iterdir())), len(gc.get_objects()), pages))
    return [after - before for before, after in zip(*held, strict=True)]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts descriptors in /proc")
@pytest.mark.parametrize("count", [24, pytest.param(500, marks=pytest.mark.stress)])
def test_many_runs_in_one_process_leave_nothing(
    sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    lines = (sample / "customers.csv").read_bytes().splitlines(keepends=True)[:50]
    (tmp_path / "small.csv.gz").write_bytes(gzip.compress(b"".join(lines)))
    descriptors, objects, pages = many_runs(sample, tmp_path, count)
    assert descriptors == 0
    assert objects < 2_000, "objects that nothing frees"
    assert pages * resource.getpagesize() < 50_000_000
    assert sorted(path.name for path in tmp_path.iterdir()) == ["small.csv.gz", "tmp"]
    assert not any(temporary.iterdir())


def test_force_never_replaces_the_recipe(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x\n1\n2\n")
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("{noisecli: 1, seed: 1, steps: [{op: missing, columns: x, rate: 0.5}]}")
    before = recipe.read_bytes()
    with pytest.raises(UsageProblem, match="reads this file"):
        augment(tmp_path / "a.csv", recipe, recipe, force=True)
    assert recipe.read_bytes() == before


def test_a_manifest_without_inputs_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x\n1\n2\n")
    steps = {"noisecli": 1, "seed": 1, "steps": [{"op": "missing", "columns": "x", "rate": 0.5}]}
    augment(tmp_path / "a.csv", steps, tmp_path / "b.csv")
    manifest = tmp_path / "b.csv.noisecli.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"inputs": []}))
    with pytest.raises(DataProblem, match="has no inputs"):
        verify(tmp_path / "b.csv", tmp_path / "a.csv")
