"""Killed: a worker, a run at any moment, a run between two renames. All or nothing, and the old output stays."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from noisecli.errors import UsageProblem
from noisecli.executors import RETRIES
from noisecli.manifest import path_for, verify
from noisecli.run import augment
from noisecli.run.workspace import claimed, folder_for

Tree = Callable[[Path], dict[str, bytes]]

ON_TABLES = {"noisecli": 1, "seed": 3, "steps": [{"op": "gaussian_noise", "columns": "numeric"}]}
ON_IMAGES = {"noisecli": 1, "seed": 3, "steps": [{"op": "gaussian_noise", "rate": 0.5}]}
INPUTS = [("customers.csv", ON_TABLES), ("customers.parquet", ON_TABLES), ("images", ON_IMAGES)]


@contextlib.contextmanager
def started(*arguments: object, cwd: Path | None = None) -> Iterator[subprocess.Popen[str]]:
    """A command in a process of its own, which is gone afterwards."""
    with subprocess.Popen(
        [sys.executable, "-m", "noisecli", *map(str, arguments)],
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [*sys.path, str(cwd or "")]))},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # whoever runs the tests may ignore it
    ) as run:
        try:
            yield run
        finally:
            run.kill()


def as_yaml(steps: dict[str, Any], place: Path) -> Path:
    place.write_text(str(steps))
    return place


# ------------------------------------------------------------------------------------------------------------ a worker


def test_a_process_that_outlives_its_run_holds_no_lock(tmp_path: Path) -> None:
    """As a worker may for a moment that was forked off a run that is killed."""
    script = """if True:
        import os, signal, sys, time
        from pathlib import Path
        from noisecli.run.workspace import claimed
        with claimed(Path(sys.argv[1])):
            child = os.fork()
            if child:
                print(child, flush=True)
                os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(60)
    """
    out = tmp_path / "out.csv"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, "-c", script, out], stdout=subprocess.PIPE, text=True, env=env) as run:
        assert run.stdout is not None
        child = int(run.stdout.readline())
        run.wait()
        try:
            with claimed(out):
                os.kill(child, 0)  # it lives
        finally:
            os.kill(child, signal.SIGKILL)


def test_a_script_that_begins_runs_when_it_is_imported_is_told_what_it_lacks(sample: Path, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    call = f"augment({str(sample / 'images')!r}, {ON_IMAGES}, {str(tmp_path / 'out')!r}, workers=2)"
    script.write_text(f"from noisecli.run import augment, execute\nexecute.TASK_IMAGES = 1\n{call}\n")
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, env=env)
    assert done.stderr.count("Traceback") == 1
    assert "UsageProblem" in done.stderr
    assert '`if __name__ == "__main__":`' in done.stderr.splitlines()[-1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["script.py"]


OWN_CODE = """
    import os, select, signal, time
    from pathlib import Path

    HERE = Path(__file__).parent

    def dies(rows, rng):
        '''Kills its process, as often as there are files of a name.'''
        for life in sorted(HERE.glob("life-*"))[:1]:
            life.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        return -rows

    def hears_nothing(rows, rng):
        '''Works on, as numpy does, whatever signals arrive.'''
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
        (HERE / "deaf").touch()
        time.sleep(60)
        return rows
"""


@pytest.fixture
def own_code(tmp_path: Path) -> Path:
    """A folder with a table of several tasks and functions for `op: custom`."""
    place = tmp_path / "own"
    place.mkdir()
    (place / "own_code.py").write_text(textwrap.dedent(OWN_CODE))
    words = b"some words to fill the line with " * 7
    (place / "in.csv").write_bytes(b"x,y\n" + b"".join(b"%d,%s\n" % (i, words) for i in range(40_000)))
    return place


def calling(function: str, place: Path, output: str, workers: int) -> tuple[object, ...]:
    """Arguments for a run that calls a function of the user's own."""
    step = {"op": "custom", "columns": ["x"], "function": f"own_code:{function}", "rate": 0.5}
    recipe = as_yaml({"noisecli": 1, "seed": 3, "steps": [step]}, place / "r.yaml")
    return ("augment", "in.csv", "-r", recipe, "-o", output, "--allow-code", "--workers", workers, "-q")


def test_the_task_of_a_killed_worker_is_done_again_with_the_same_bytes(own_code: Path) -> None:
    with started(*calling("dies", own_code, "usual.csv", workers=1), cwd=own_code) as run:
        assert run.wait() == 0
    for i in range(2):
        (own_code / f"life-{i}").touch()
    with started(*calling("dies", own_code, "made.csv", workers=2), cwd=own_code) as run:
        assert run.wait() == 0
    assert not list(own_code.glob("life-*"))
    for end in ("", ".noisecli.json"):
        assert (own_code / f"made.csv{end}").read_bytes() == (own_code / f"usual.csv{end}").read_bytes()


def test_a_task_that_kills_every_worker_fails_the_run_and_is_named(own_code: Path) -> None:
    for i in range(3 * (1 + RETRIES)):
        (own_code / f"life-{i}").touch()
    with started(*calling("dies", own_code, "made.csv", workers=2), cwd=own_code) as run:
        assert run.wait() == 1
        assert run.stderr is not None
        said = run.stderr.read()
    assert said.startswith("error: in.csv: 3 processes died of it, one after the other (signal 9, perhaps for lack of ")
    assert len(said.splitlines()) == 1
    assert not [path for path in own_code.iterdir() if "made" in path.name]


OWN_OP = """
    import os, signal
    from pathlib import Path

    from noisecli.corruption import ImageCorruption, register

    HERE = Path(__file__).parent

    @register
    class Dies(ImageCorruption):
        '''Kills its process at a white picture, as often as there are files of a name.

        Source: none.

        Example:
            {op: dies}
        '''

        def apply(self, pixels, drawn, rng):
            for life in sorted(HERE.glob("life-*"))[: int(pixels.all())]:
                life.unlink()
                os.kill(os.getpid(), signal.SIGKILL)
            return ~pixels
"""


@pytest.fixture
def own_op(tmp_path: Path) -> Path:
    """A folder with images for several tasks, the 22nd of them white, and an op that is installed there."""
    place = tmp_path / "own"
    (place / "own-1.dist-info").mkdir(parents=True)
    (place / "own-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: own\nVersion: 1\n")
    (place / "own-1.dist-info" / "entry_points.txt").write_text("[noisecli.corruptions]\nown = own_op\n")
    (place / "own_op.py").write_text(textwrap.dedent(OWN_OP))
    as_yaml({"noisecli": 1, "seed": 3, "steps": [{"op": "dies", "rate": 1}]}, place / "r.yaml")
    (place / "in").mkdir()
    for i in range(33):
        Image.new("L", (8, 8), 255 * (i == 21)).save(place / "in" / f"{i:02}.png")
    return place


def test_the_images_of_a_killed_worker_are_done_again_with_the_same_bytes(own_op: Path, tree: Tree) -> None:
    made = []
    for workers, lives in ((1, 0), (2, RETRIES)):
        for i in range(lives):
            (own_op / f"life-{i}").touch()
        out = own_op / f"{workers}" / "out"
        with started("augment", "in", "-r", "r.yaml", "-o", out, "--workers", workers, "-q", cwd=own_op) as run:
            assert run.wait() == 0
        made.append(tree(out.parent))
    assert not list(own_op.glob("life-*"))
    assert made[0] == made[1]
    assert verify(out)[1] == []


def test_an_image_that_kills_every_worker_fails_the_run_and_is_named(own_op: Path) -> None:
    for i in range(1 + RETRIES):
        (own_op / f"life-{i}").touch()
    with started("augment", "in", "-r", "r.yaml", "-o", "out", "--workers", 2, "-q", cwd=own_op) as run:
        assert run.wait() == 1
        assert run.stderr is not None
        said = run.stderr.read()
    assert said.startswith("error: 21.png: 3 processes died of it, one after the other (signal 9, ")
    assert len(said.splitlines()) == 1
    assert not [path for path in own_op.iterdir() if "out" in path.name]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
@pytest.mark.parametrize("workers", [1, 2])
def test_a_signal_ends_a_run_in_the_midst_of_a_long_calculation(
    own_code: Path, number: int, code: int, workers: int
) -> None:
    with started(*calling("hears_nothing", own_code, "new/noisy.csv", workers), cwd=own_code) as run:
        while not (own_code / "deaf").exists():
            assert run.poll() is None
            time.sleep(0.02)
        run.send_signal(number)
        assert run.wait(20) == code  # of the 60 s that the calculation takes
        assert run.stderr is not None
        assert run.stderr.read().endswith("ed; nothing was written\n")
    assert not (own_code / "new").exists()


# --------------------------------------------------------------------------------------------- a run, at any moment


def killed(
    here: Path, number: int, source: Path, steps: dict[str, Any], workers: int, when: Callable[[], bool]
) -> Path:
    """Kill a run at some moment; what there is of its output must be all of it."""
    out, recipe = here / str(number) / "out", as_yaml(steps, here / "r.yaml")
    with started("augment", source, "-r", recipe, "--workers", workers, "-q", "-o", out) as run:
        while not when() and run.poll() is None:
            time.sleep(0.002)
        run.kill()
    if out.exists():
        assert verify(out)[1] == []
    elif out.parent.exists():
        assert not {path.name for path in out.parent.iterdir()} - {folder_for(out).name, path_for(out).name}
    return out


@pytest.mark.parametrize(("name", "steps"), INPUTS, ids=[name for name, _ in INPUTS])
def test_a_killed_run_leaves_nothing_that_looks_like_a_result(
    sample: Path, tmp_path: Path, tree: Tree, name: str, steps: dict[str, Any]
) -> None:
    begun = folder_for(tmp_path / "1" / "out") / "data" / "copy=2"
    many = {**steps, "copies": 200}  # not done before the kill, however late that comes
    out = killed(tmp_path, 1, sample / name, many, 1 + (name == "images"), begun.exists)
    assert not out.exists()
    augment(sample / name, {**steps, "copies": 2}, out, force=True)
    assert sorted(path.name for path in out.parent.iterdir()) == ["out", "out.noisecli.json"]
    assert verify(out)[1] == []


@pytest.mark.stress
@pytest.mark.parametrize(("name", "steps"), INPUTS, ids=[name for name, _ in INPUTS])
@pytest.mark.parametrize("workers", [1, 2])
def test_runs_killed_at_random_moments_leave_nothing_or_all(
    sample: Path, tmp_path: Path, tree: Tree, name: str, steps: dict[str, Any], workers: int
) -> None:
    """Ten moments for each, so sixty in all."""
    steps, moments, stood = {**steps, "copies": 6}, random.Random(f"{name} {workers}"), 0
    began = time.monotonic()
    usual = killed(tmp_path, 0, sample / name, steps, workers, lambda: False)
    whole = time.monotonic() - began
    for number in range(1, 11):
        end = time.monotonic() + whole * moments.uniform(0.3, 1.1)
        out = killed(tmp_path, number, sample / name, steps, workers, lambda end=end: time.monotonic() > end)
        stood += out.exists()
        augment(sample / name, steps, out, force=out.exists(), resume=True)
        assert tree(out.parent) == tree(usual.parent)
    assert stood < 10


# --------------------------------------------------------------------------------------------- between two renames

KILLED = """
    import os, signal, sys
    from pathlib import Path
    from noisecli.run import augment

    def rename(path, target, plain=Path.rename, left=[int(sys.argv[4])]):
        left[0] -= 1
        if left[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return plain(path, target)

    Path.rename = rename
    augment(sys.argv[1], {"noisecli": 1, "seed": 8, "steps": [{"op": "missing", "columns": "note"}]},
            sys.argv[2], force=bool(sys.argv[3]), truth=True)
"""


def killed_at(source: Path, out: Path, force: bool, rename: int) -> int:
    """Make another output, and kill the process at one of the renames of its commit."""
    script = [sys.executable, "-c", textwrap.dedent(KILLED), source, out, "yes" if force else "", rename]
    return subprocess.run(
        list(map(str, script)), check=False, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ).returncode


@pytest.mark.parametrize("rename", [1, 4, pytest.param(-1, marks=pytest.mark.stress)])
def test_the_old_output_is_there_again_after_a_kill_between_the_renames(
    sample: Path, tmp_path: Path, tree: Tree, rename: int
) -> None:
    """Three of the six renames move the old output aside, three the new one in."""
    source, out = sample / "customers.csv", tmp_path / "out" / "noisy.csv"
    augment(source, ON_TABLES, out, truth=True)
    old, left = tree(out.parent), folder_for(out)
    for number in range(6) if rename < 0 else [rename]:
        assert killed_at(source, out, force=True, rename=number) == -signal.SIGKILL
        with pytest.raises(UsageProblem, match="a run was killed and left"):
            augment(source, ON_TABLES, out)
        assert {name: data for name, data in tree(out.parent).items() if not name.startswith(left.name)} == old
    augment(source, ON_TABLES, out, truth=True, force=True)
    assert tree(out.parent) == old


def test_a_first_output_is_all_or_nothing_after_a_kill_between_the_renames(
    sample: Path, tmp_path: Path, tree: Tree
) -> None:
    source, out = sample / "customers.csv", tmp_path / "out" / "noisy.csv"
    assert killed_at(source, out, force=False, rename=2) == -signal.SIGKILL
    assert path_for(out).exists()
    assert not out.exists()
    with pytest.raises(UsageProblem, match="a run was killed and left"):
        augment(source, ON_TABLES, out)
    assert [path.name for path in out.parent.iterdir()] == [folder_for(out).name]
    (folder_for(out) / "commit").write_text('{"')  # killed in the midst of writing down what it is about to do
    augment(source, ON_TABLES, out, force=True)
    assert verify(out)[1] == []
