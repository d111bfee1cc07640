"""What Make needs: the example, run by make; files that keep their times; stamps; rules that make reads."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[1] / "examples" / "make"

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def make(folder, *arguments):
    done = subprocess.run(["make", *arguments], cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def is_stale(folder):
    """Whether make would run something; an error of make is none of its answers."""
    done = subprocess.run(["make", "--question"], cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode in (0, 1), done.stderr
    return done.returncode == 1


def test_the_example_makes_again_only_what_has_changed(tmp_path, sample):
    folder = shutil.copytree(EXAMPLE, tmp_path / "example")
    python = f"PYTHON={sys.executable}"
    known = [python, f"NOISECLI={sys.executable} -m noisecli", f"DATA={sample / 'customers.csv'}"]
    make(folder, "-j2", "LEVELS=1 5", *known)
    summary = (folder / "build" / "summary.csv").read_text()
    share = {(copy, column): float(value) for copy, column, value in (line.split(",") for line in summary.split()[1:])}
    assert 0 < share["noisy-1", "name"] < share["noisy-5", "name"]
    assert share["noisy-5", "note"] == 0
    assert "Nothing to be done" in make(folder, "LEVELS=1 5", *known)

    recipe = folder / "recipe.yaml"
    recipe.write_text(recipe.read_text() + "# a comment\n")
    same_bytes = make(folder, "-j2", "LEVELS=1 5", *known)
    assert same_bytes.count(" augment ") == 2
    assert "changed.py" not in same_bytes
    assert "Nothing to be done" in make(folder, "LEVELS=1 5", *known)

    recipe.write_text(recipe.read_text().replace("seed: 42", "seed: 43"))
    assert "changed.py" in make(folder, "LEVELS=1 5", *known)
    assert (folder / "build" / "summary.csv").read_text() != summary


TABLE = "age,name\n1,Ann\n2,Bob\n"


def test_make_reads_the_rule_whatever_the_names(tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    data = Path("my data", "split=train")
    data.mkdir(parents=True)
    for name in ("=a b.csv", "c#$:%[1].csv", "*?.csv"):
        (data / name).write_text(TABLE, encoding="utf-8")
    words, recipe = Path("words 1.txt"), Path("re cipe.yaml")
    words.write_text("Ann\tZoe\n", encoding="utf-8")
    steps = f"[{{op: word_replace, columns: name, table: {words}, rate: 1}}]"
    recipe.write_text(f"noise: {{noisecli: 1, seed: 1, steps: {steps}}}", encoding="utf-8")
    # Make wants `%` escaped in targets only.
    goal = "all: a\\ =%.done\n\na\\ =\\%.done:\n\tfalse\n"
    Path("Makefile").write_text(f"{goal.replace('=', '$(if ,,=)')}\n-include deps.d\n")
    run = ("augment", "my data", "-r", f"{recipe}#noise", "-o", "out", "--if-changed", "--depfile", "deps.d")
    done = command(*run, "--stamp", "a =%.done")
    assert done.code == 0, done.err
    assert "Zoe" in Path("out", "split=train", "*?.csv").read_text()
    assert not is_stale(".")

    for path in (recipe, words, *data.iterdir()):
        os.utime(path, (4e9, 4e9))
        assert is_stale("."), f"{path} is newer, and make does not see it"
        os.utime(path, (1e9, 1e9))
    assert not is_stale(".")
    (data / "new.csv").write_text(TABLE, encoding="utf-8")
    assert is_stale("."), "a file was added"
    command(*run, "--stamp", "a =%.done")
    assert not is_stale(".")
    (data / "=a b.csv").unlink()
    os.utime(data, (1e9, 1e9))
    assert is_stale("."), "a file is gone, and make does not see it"


def test_the_rule_names_facts_and_code_of_the_recipe(tmp_path, monkeypatch, command, recipe):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    Path("data.csv").write_text(TABLE)
    Path("turned_by_me.py").write_text("def turn(rows, rng):\n    return rows\n")
    step = "op: custom, columns: age, function: 'turned_by_me:turn', rate: 1"
    for output, head in (("first.csv", {}), ("out.csv", {"facts": "first.csv"})):
        run = ("augment", "data.csv", "-r", recipe(step, **head), "-o", output, "--allow-code", "--depfile", "deps.d")
        done = command(*run)
        assert done.code == 0, done.err
    rule = Path("deps.d").read_text().split()
    assert {"data.csv", "first.csv.noisecli.json", "turned_by_me.py"} <= set(rule)


def test_files_that_come_out_the_same_keep_their_times(tmp_path, command, recipe):
    folder, out, stamp = tmp_path / "in", tmp_path / "out", tmp_path / "out.stamp"
    folder.mkdir()
    (folder / "a.csv").write_text("x,y\n1.5,a\n2.5,b\n")
    (folder / "b.csv").write_text("x,y\n3.5,c\n4.5,d\n")

    def run(*more):
        done = command("augment", folder, "-r", noise, "-o", out, "--truth", "--stamp", stamp, *more)
        assert done.code == 0, done.err
        beside = [*tmp_path.glob("out.noisecli*"), *out.rglob("*.csv")]
        return done, {path.name: (path.stat().st_mtime_ns, path.stat().st_ino, path.read_bytes()) for path in beside}

    noise = recipe("op: sign_flip, columns: x, rate: 1")
    _, first = run()
    digest = stamp.read_text()
    for path in (*out.rglob("*.csv"), stamp):
        os.utime(path, (1e9, 1e9))
    _, aged = run("--if-changed")
    assert "\nunchanged " in (done := run("--if-changed"))[0].out
    assert done[1] == aged, "not even the files are others"
    assert set(first) == set(aged) == {"a.csv", "b.csv", "out.noisecli.json", "out.noisecli-truth.parquet"}
    assert aged["a.csv"][0] == int(1e18)
    assert stamp.stat().st_mtime > 1e9, "make would run for ever"
    assert stamp.read_text() == digest, "dvc would see a change"

    (folder / "b.csv").write_text("x,y\n3.5,c\n5.5,d\n")
    changed, after = run("--if-changed")
    assert "\nunchanged " not in changed.out
    assert after["a.csv"][0] == aged["a.csv"][0]
    assert after["b.csv"][0] > aged["b.csv"][0]
    assert after["out.noisecli.json"][0] > aged["out.noisecli.json"][0]
    assert stamp.read_text() != digest
    assert command("verify", out, "--input", folder).code == 0

    again = command("replay", out, "--input", folder, "-o", out, "--if-changed", "--json")
    assert again.code == 0, again.err
    assert run("--if-changed")[1] == after
    digest = stamp.read_text()
    without = command("augment", folder, "-r", noise, "-o", out, "--if-changed", "--stamp", stamp, "--json")
    assert without.json["unchanged"] is False, "the truth that stood there is gone"
    assert stamp.read_text() != digest, "the truth is of what was made"
    stale = Path(f"{out}.noisecli-truth.parquet")
    assert not stale.exists()
    stale.write_bytes(b"of another run")
    assert command("augment", folder, "-r", noise, "-o", out, "--if-changed").code == 0
    assert not stale.exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--stamp", "data.csv"], "belongs to the input or the output"),
        (["--stamp", "recipe.yaml"], "belongs to the input or the output"),
        (["--depfile", "out.csv.noisecli.json"], "belongs to the input or the output"),
        (["--stamp", "notes.txt"], "not made by noisecli"),
        (["--stamp", "same", "--depfile", "same"], "a name each"),
        (["--stamp", "a;b", "--depfile", "d"], "no rule of Make"),
        (["--stamp", "data (1)", "--depfile", "d"], "no rule of Make"),
        (["--stamp", "."], "is a folder"),
        (["--stamp", "pipe"], "no file"),
        (["--stamp", "out.stamp", "-o", "pipe", "--if-changed"], "neither a file nor a folder"),
        (["-o", "nowhere", "--force"], "neither a file nor a folder"),
    ],
)
def test_nothing_of_others_is_replaced_by_a_stamp(options, said, tmp_path, monkeypatch, command, recipe, tree):
    monkeypatch.chdir(tmp_path)
    Path("data.csv").write_text(TABLE)
    Path("notes.txt").write_text("mine\n")
    os.mkfifo("pipe")
    Path("nowhere").symlink_to("gone")
    recipe("op: sign_flip, columns: age, rate: 1")
    before = tree(tmp_path)
    done = command("augment", "data.csv", "-r", "recipe.yaml", "-o", "out.csv", *options)
    assert done.code == 2
    assert said in done.err
    assert tree(tmp_path) == before
