"""What stands beside an output and its manifest: complete with them, checked with them, and gone with them."""

import hashlib
import json
import shutil
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from noisecli.errors import UsageProblem
from noisecli.manifest import FILES, TRUTH, path_for, read
from noisecli.run import augment, execute

Command = Callable[..., Any]
Recipe = Callable[..., Path]
Tree = Callable[[Path], dict[str, bytes]]
Steps = dict[str, Any]

MISSING = {"op": "missing", "columns": "y", "rate": 0.5}


def recipe_of(*steps: Steps, **head: Any) -> dict[str, Any]:
    return {"noisecli": 1, "seed": 3, **head, "steps": list(steps)}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "in" / "people.csv"
    path.parent.mkdir()
    path.write_bytes(b"x,y\n" + b"".join(b"%d,word%d\n" % (i, i) for i in range(60)))
    return path


@pytest.fixture
def truthful(monkeypatch: pytest.MonkeyPatch) -> Callable[[list[int] | None], None]:
    """Let the runs that follow make a truth of these rows; None: let them make none."""
    write_tables = execute.write_tables

    def settle(rows: list[int] | None) -> None:
        def with_truth(prepared: Any, record: Any, pool: Any, log: Any, data: Path, space: Path, meter: Any) -> None:
            write_tables(prepared, record, pool, log, data, space, meter)
            if rows is not None:
                record.truth = SimpleNamespace(path=space / "made-up")
                pq.write_table(pa.table({"row": pa.array(rows, pa.int64())}), record.truth.path)

        monkeypatch.setattr(import_module("noisecli.run.augment"), "write_tables", with_truth)

    return settle


@pytest.fixture
def out(source: Path, tmp_path: Path, truthful: Callable[..., None]) -> Path:
    """An output with a truth."""
    truthful([1, 5, 8])
    return augment(source, recipe_of(MISSING), tmp_path / "out" / "noisy.csv").output


def truth_of(output: Path) -> Path:
    return output.with_name(output.name + TRUTH)


def test_the_manifest_describes_its_companion(out: Path, command: Command) -> None:
    assert sorted(path.name for path in out.parent.iterdir()) == [
        "noisy.csv",
        "noisy.csv.noisecli-truth.parquet",
        "noisy.csv.noisecli.json",
    ]
    data = truth_of(out).read_bytes()
    assert json.loads(path_for(out).read_bytes())["truth"] == {
        "sha256": hashlib.sha256(data).hexdigest(),
        "bytes": len(data),
        "rows": 3,
    }
    assert command("verify", out).code == 0


def test_a_run_says_where_its_companion_is(out: Path, source: Path, recipe: Recipe, command: Command) -> None:
    path = recipe("op: missing, columns: y, rate: 0.5")
    arguments = ("augment", source, "-r", path, "-o", out, "--force", "--workers", 1)
    assert f"truth     {truth_of(out)}" in command(*arguments).out.splitlines()
    assert command(*arguments, "--json").json["truth"] == str(truth_of(out))


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (lambda path: path.unlink(), "missing"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1] + b"0"), "differs from what the manifest says"),
        (lambda path: path.write_bytes(b""), "differs from what the manifest says"),
        (lambda path: shutil.copyfile(path, str(path).replace("-truth", "-files")), "is not in the manifest"),
    ],
)
def test_verify_checks_companions(out: Path, command: Command, harm: Callable[[Path], object], says: str) -> None:
    harm(truth_of(out))
    result = command("verify", out)
    assert result.code == 4
    assert len(result.errors) == 1
    assert result.errors[0].endswith(f".parquet: {says}")


def test_verify_names_a_companion_that_no_run_made(source: Path, tmp_path: Path, command: Command) -> None:
    out = augment(source, recipe_of(MISSING), tmp_path / "noisy.csv").output
    truth_of(out).write_bytes(b"mine")
    assert command("verify", out).err == f"error: {truth_of(out)}: is not in the manifest\n"


@pytest.mark.parametrize("suffix", [TRUTH, FILES])
def test_a_companion_in_the_way_is_refused(source: Path, tmp_path: Path, tree: Tree, suffix: str) -> None:
    (tmp_path / f"noisy.csv{suffix}").write_bytes(b"mine")
    before = tree(tmp_path)
    with pytest.raises(UsageProblem, match=f"noisy.csv{suffix}: exists; --force replaces it"):
        augment(source, recipe_of(MISSING), tmp_path / "noisy.csv")
    assert tree(tmp_path) == before
    augment(source, recipe_of(MISSING), tmp_path / "noisy.csv", force=True)
    assert not (tmp_path / f"noisy.csv{suffix}").exists()


def test_a_folder_in_the_place_of_a_companion_is_kept(source: Path, tmp_path: Path, tree: Tree) -> None:
    (tmp_path / f"noisy.csv{TRUTH}").mkdir()
    (tmp_path / f"noisy.csv{TRUTH}" / "mine").write_bytes(b"mine")
    before = tree(tmp_path)
    with pytest.raises(UsageProblem, match="a folder, so not noisecli's"):
        augment(source, recipe_of(MISSING), tmp_path / "noisy.csv", force=True)
    assert tree(tmp_path) == before


@pytest.mark.parametrize("name", [".", "sub/..", "/"])
def test_an_output_without_a_name_is_refused(
    source: Path,
    tmp_path: Path,
    recipe: Recipe,
    tree: Tree,
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    path = recipe("op: missing, columns: y, rate: 0.5", copies=2)
    (tmp_path / "here" / "sub").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    before = tree(tmp_path)
    for arguments in (("augment", source, "-r", path, "-o", name, "-q"), ("verify", name)):
        result = command(*arguments)
        assert (result.code, len(result.err.splitlines())) == (2, 1), result.err
        assert "bug" not in result.err
    assert tree(tmp_path) == before


@pytest.mark.parametrize("force", [False, True])
def test_no_companion_replaces_the_input(source: Path, tmp_path: Path, tree: Tree, force: bool) -> None:
    table = tmp_path / f"noisy{TRUTH}"
    pq.write_table(pa.table({"x": [1.0, 2.0], "y": ["a", "b"]}), table)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / f"linked.csv{TRUTH}").symlink_to(source)
    before = tree(tmp_path)
    for given, output in ((table, tmp_path / "noisy"), (source.parent, tmp_path / "elsewhere" / "linked.csv")):
        with pytest.raises(UsageProblem, match="would lie inside the input"):
            augment(given, recipe_of(MISSING), output, force=force)
    assert tree(tmp_path) == before


def test_a_companion_that_the_new_run_does_not_make_goes(
    out: Path, source: Path, tmp_path: Path, tree: Tree, truthful: Callable[..., None]
) -> None:
    truthful(None)
    augment(source, recipe_of(MISSING), out, force=True)
    augment(source, recipe_of(MISSING), tmp_path / "fresh" / "noisy.csv")
    assert tree(out.parent) == tree(tmp_path / "fresh")


class Interrupts:
    """Interrupts the nth rename, before or after it is done; or several from there on."""

    def __init__(self, nth: int, after: bool, times: int = 1) -> None:
        self.nth, self.after, self.times = nth, after, times
        self.rename, self.count = Path.rename, 0

    def __call__(self, path: Path, target: Path) -> Path:
        self.count += 1
        now = self.nth <= self.count < self.nth + self.times
        if now and not self.after:
            raise KeyboardInterrupt
        done = self.rename(path, target)
        if now:
            raise KeyboardInterrupt
        return done


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("rows", [[4, 5], None])
@pytest.mark.parametrize("copies", [1, 2])
def test_an_interrupt_leaves_the_old_or_the_new(
    out: Path,
    source: Path,
    tmp_path: Path,
    tree: Tree,
    truthful: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    times: int,
    after: bool,
    rows: list[int] | None,
    copies: int,
) -> None:
    truthful(rows)
    recipe = recipe_of({**MISSING, "rate": 0.9}, copies=copies)
    old = tree(out.parent)
    fresh = augment(source, recipe, tmp_path / "fresh" / "noisy.csv").output
    new, interrupted = tree(fresh.parent), 0
    for nth in range(1, 20):
        with monkeypatch.context() as patch:
            interrupts = Interrupts(nth, after, times)
            patch.setattr(Path, "rename", lambda path, target, act=interrupts: act(path, target))
            try:
                augment(source, recipe, out, force=True)
            except KeyboardInterrupt:
                interrupted += 1
        if tree(out.parent) != old:
            break
    assert tree(out.parent) == new
    assert interrupted >= 4


def test_an_interrupt_of_a_first_run_leaves_nothing(
    source: Path, tmp_path: Path, tree: Tree, truthful: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    truthful([1])
    before = tree(tmp_path)
    for nth in range(1, 4):
        interrupts = Interrupts(nth, after=False)
        monkeypatch.setattr(Path, "rename", lambda path, target, act=interrupts: act(path, target))
        with pytest.raises(KeyboardInterrupt):
            augment(source, recipe_of(MISSING), tmp_path / "new" / "noisy.csv")
        assert tree(tmp_path) == before


@pytest.mark.parametrize("again", [[1, 5, 8], [1, 5, 9], None])
def test_replay_compares_truths(
    out: Path, source: Path, command: Command, truthful: Callable[..., None], again: list[int] | None
) -> None:
    truthful(again)
    other = out.with_name("again.csv")
    result = command("replay", out, "--input", source, "-o", other, "--json", "-q", "--workers", 1)
    same = again == [1, 5, 8]
    assert result.code == (0 if same else 4)
    assert result.json["different"] == ([] if same else [truth_of(other).name])
    assert result.json["identical"] == 1
    assert (result.err == "") == same
    assert read(path_for(other)).outputs == read(path_for(out)).outputs


@pytest.mark.parametrize("value", [{"sha256": "x", "bytes": 1, "rows": 1}, {"bytes": 1}, 3, {"path": "../x"}])
@pytest.mark.parametrize("key", ["truth", "files"])
def test_a_hostile_companion_is_refused(out: Path, command: Command, key: str, value: Any) -> None:
    path_for(out).write_text(json.dumps({**json.loads(path_for(out).read_bytes()), key: value}))
    result = command("verify", out)
    assert result.code == 3
    assert len(result.errors) == 1
    assert "noisy.csv.noisecli.json: not a manifest" in result.err
