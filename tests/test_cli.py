"""The command line as people and scripts meet it: exit codes, one clear line for each error, nothing left behind."""

import contextlib
import gzip
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from noisecli.corruption import registered
from noisecli.run import work

Command = Callable[..., Any]
Recipe = Callable[..., Path]
Tree = Callable[[Path], dict[str, bytes]]

ROOT = Path(__file__).resolve().parent.parent

EXAMPLES = [
    ("customers", "customers.csv"),
    ("customers", "customers.parquet"),
    ("training", "customers.csv"),
    ("training", "customers.parquet"),
    ("photos", "images"),
]
"""Recipes in examples/, and samples that they run on."""
MISSING = 'op: missing, columns: "*", rate: 0.5'
CSV = b"x,y\n1,a\n2,b\n3,c\n4,d\n"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "in.csv"
    path.write_bytes(CSV)
    return path


def refused(command: Command, folder: Path, tree: Tree, code: int, *arguments: object, lines: int = 1) -> str:
    """Run a command that must fail with one clear line and leave every file as it was; give that line."""
    before = tree(folder)
    result = command(*arguments)
    assert result.code == code, result.err
    assert len(result.errors) == lines, result.err
    assert "Traceback" not in result.err
    assert "this is a bug" not in result.err
    assert result.out == ""
    assert tree(folder) == before
    return str(result.errors[0])


# -------------------------------------------------------------------------------------------------------- bad data


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("a.csv", b"", "a.csv: empty"),
        ("a.csv", b"x,y\n", "a.csv: has a header but no rows"),
        ("a.csv", b"x,y\n1,2\n3\n", "a.csv: row 2 has 1 cells"),
        ("a.csv", b'x,y\n1,2\n"3,4\n', "a.csv: a quote opened"),
        ("a.csv", b"x,y\n1,\xff\n", "a.csv: column 'y' is not UTF-8 text"),
        ("a.parquet", b"", "a.parquet: "),
        ("a.parquet", b"PAR1 but no more", "a.parquet: "),
        ("a.png", b"just text", "a.png: the file is neither a JPEG nor a PNG"),
        ("a.jpg", b"", "a.jpg: the file is empty"),
        ("a.xlsx", b"PK", "a.xlsx: is no file that noisecli reads"),
    ],
)
@pytest.mark.parametrize("folder", [False, True])
def test_broken_input(
    command: Command, recipe: Recipe, tmp_path: Path, tree: Tree, name: str, data: bytes, says: str, folder: bool
) -> None:
    place = tmp_path / "in"
    place.mkdir()
    (place / name).write_bytes(data)
    given = place if folder else place / name
    path = recipe("op: cutout, rate: 1" if name[2:] in ("png", "jpg") else MISSING)
    line = refused(command, tmp_path, tree, 3, "augment", given, "-r", path, "-o", tmp_path / "out", "-q")
    assert says in line or (folder and "no file that noisecli reads" in line)


@pytest.mark.parametrize(
    "name", ["customers.parquet", "images/train/discs/discs_00.jpg", "images/train/waves/waves_01.png"]
)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_truncated_input(
    command: Command, recipe: Recipe, sample: Path, tmp_path: Path, tree: Tree, name: str, share: float
) -> None:
    data = (sample / name).read_bytes()
    short = tmp_path / f"short{Path(name).suffix}"
    short.write_bytes(data[: int(share * len(data))])
    path = recipe("op: missing, columns: age, rate: 1" if "customers" in name else "op: cutout, rate: 1")
    line = refused(command, tmp_path, tree, 3, "augment", short, "-r", path, "-o", tmp_path / "out", "-q")
    assert line.startswith(f"error: {short.name}: ")


def test_one_bad_file_stops_a_folder(
    command: Command, recipe: Recipe, sample: Path, tmp_path: Path, tree: Tree
) -> None:
    folder = tmp_path / "in"
    shutil.copytree(sample / "images", folder)
    (folder / "train" / "discs" / "zzz.png").write_text("no picture")
    path = recipe("op: brightness, rate: 1")
    for workers in (1, 2):
        arguments = ("augment", folder, "-r", path, "-o", tmp_path / "out", "-q", "--workers", workers)
        assert "train/discs/zzz.png" in refused(command, tmp_path, tree, 3, *arguments)


# ---------------------------------------------------------------------------------------------------- bad requests


@pytest.mark.parametrize(
    ("extra", "code", "says"),
    [
        (["--set", "steps.missing.columns=z"], 2, "no column 'z' in in.csv; known: x, y"),
        (["--set", "steps.missing.rat=1"], 2, "unknown key 'rat' for op 'missing'; did you mean 'rate'?"),
        (["--set", "steps.typo.rate=1"], 2, "--set steps.typo.rate=1: no step 'typo'; known: missing"),
        (["--set", "steps.0.rate=2"], 2, "rate: "),
        (["--set", "steps.missing.rate"], 2, "must be path=value"),
        (["--set", "seed=-1"], 2, "seed: "),
        (["--set", "steps.0={op: nope}"], 2, "--set steps.0={op: nope}: unknown op 'nope'"),
        (["--set", "seed.x=1"], 2, "seed has no keys"),
        (["--severity", "2"], 2, "step 'missing' has none"),
    ],
)
def test_bad_overrides(
    command: Command, recipe: Recipe, source: Path, tmp_path: Path, tree: Tree, extra: list[str], code: int, says: str
) -> None:
    arguments = ["augment", source, "-r", recipe(MISSING), "-o", tmp_path / "out.csv", "-q", *extra]
    assert says in refused(command, tmp_path, tree, code, *arguments)


@pytest.mark.parametrize(
    "extra",
    [
        ["--seed", "-1"],
        ["--seed", "x"],
        ["--seed", str(2**64)],
        ["--copies", "0"],
        ["--severity", "6"],
        ["--workers", "0"],
        ["--colour"],
        ["surplus"],
    ],
)
def test_bad_options(
    command: Command, recipe: Recipe, source: Path, tmp_path: Path, tree: Tree, extra: list[str]
) -> None:
    arguments = ["augment", source, "-r", recipe(MISSING), "-o", tmp_path / "out.csv", *extra]
    assert extra[0] in refused(command, tmp_path, tree, 2, *arguments)


def test_what_is_not_there(command: Command, recipe: Recipe, source: Path, tmp_path: Path, tree: Tree) -> None:
    path, out, gone = recipe(MISSING), tmp_path / "out.csv", tmp_path / "gone.csv"
    assert "gone.csv" in refused(command, tmp_path, tree, 2, "augment", gone, "-r", path, "-o", out, "-q")
    assert "gone.csv" in refused(command, tmp_path, tree, 2, "augment", source, "-r", gone, "-o", out, "-q")
    assert "gone.csv" in refused(command, tmp_path, tree, 2, "verify", gone)
    assert "gone.csv" in refused(command, tmp_path, tree, 2, "replay", gone, "--input", source, "-o", out)
    assert "gone.csv" in refused(command, tmp_path, tree, 2, "validate", path, gone)
    assert "no_such" in refused(command, tmp_path, tree, 2, "ops", "no_such")


def test_a_place_that_cannot_be_written_or_read(
    command: Command, recipe: Recipe, source: Path, tmp_path: Path, tree: Tree
) -> None:
    path = recipe(MISSING)
    inside = source / "out.csv"
    assert "in.csv" in refused(command, tmp_path, tree, 1, "augment", source, "-r", path, "-o", inside, "-q")
    if os.geteuid() == 0:
        pytest.skip("root may do everything")
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    assert "locked" in refused(
        command, tmp_path, tree, 1, "augment", source, "-r", path, "-o", locked / "out.csv", "-q"
    )
    source.chmod(0)
    line = command("augment", source, "-r", path, "-o", tmp_path / "out.csv", "-q")
    assert line.code == 1
    assert "in.csv" in line.errors[0]


def test_outputs_in_the_way(command: Command, recipe: Recipe, source: Path, tmp_path: Path, tree: Tree) -> None:
    path, folder = recipe(MISSING), tmp_path / "folder"
    folder.mkdir()
    shutil.copyfile(source, folder / "a.csv")
    (tmp_path / "there.csv").write_text("mine")
    (tmp_path / "half.csv.noisecli.json").write_text("{}")
    for given, out, says in (
        (source, tmp_path / "there.csv", "there.csv: exists; --force replaces it"),
        (source, tmp_path / "half.csv", "half.csv.noisecli.json: exists"),
        (source, source, "the output is the input"),
        (folder, folder, "the output is the input"),
        (folder, folder / "out", "lies inside the input"),
        (folder, folder / ".." / "folder" / "out", "lies inside the input"),
        (folder / "a.csv", f"{folder}/", "the output is the input"),
    ):
        for force in ([], ["--force"]) if "exists" not in says else ([],):
            line = refused(command, tmp_path, tree, 2, "augment", given, "-r", path, "-o", out, "-q", *force)
            assert says in line
    arguments = ("augment", folder, "-r", path, "-o", tmp_path, "-q", "--force")
    assert "the input" in refused(command, tmp_path, tree, 2, *arguments)


def test_a_new_parent_folder_goes_with_a_failed_run(
    command: Command, recipe: Recipe, source: Path, tmp_path: Path, tree: Tree
) -> None:
    source.write_bytes(b"x,y\n1\n")
    path, out = recipe(MISSING), tmp_path / "new" / "deep" / "out.csv"
    refused(command, tmp_path, tree, 3, "augment", source, "-r", path, "-o", out, "-q")


# -------------------------------------------------------------------------------------------------- what is written


def test_one_file_gives_a_file(command: Command, recipe: Recipe, source: Path, tmp_path: Path, tree: Tree) -> None:
    path = recipe(MISSING)
    (tmp_path / "there").mkdir()
    for i, out in enumerate(("noisy.csv", "there", "new/")):
        result = command("augment", source, "-r", path, "-o", f"{tmp_path}/{out}", "--json")
        assert result.code == 0
        assert result.json["output"].endswith(("noisy.csv", "there/in.csv", "new/in.csv")[i])
    assert sorted(tree(tmp_path / "there")) == ["in.csv", "in.csv.noisecli.json"]
    command("augment", source, "-r", path, "-o", tmp_path / "two", "--copies", 2)
    assert sorted(tree(tmp_path / "two")) == ["copy=1", "copy=1/in.csv", "copy=2", "copy=2/in.csv"]


def test_force_replaces(command: Command, recipe: Recipe, source: Path, tmp_path: Path, tree: Tree) -> None:
    path = recipe(MISSING)
    for first, second in (([], ["--copies", 2]), (["--copies", 2], ["--copies", 3])):
        second = [*second, "--workers", 1]
        command("augment", source, "-r", path, "-o", tmp_path / "out" / "x", *first)
        assert command("augment", source, "-r", path, "-o", tmp_path / "out" / "x", "--force", *second).code == 0
        fresh = tmp_path / "fresh" / str(len(first)) / "x"
        command("augment", source, "-r", path, "-o", fresh, *second)
        assert tree(tmp_path / "out") == tree(fresh.parent)
        shutil.rmtree(tmp_path / "out")


def test_a_failure_with_force_leaves_the_old_output(
    command: Command, recipe: Recipe, source: Path, tmp_path: Path, tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, out = recipe(MISSING), tmp_path / "out.csv"
    command("augment", source, "-r", path, "-o", out)

    def full(task: object) -> None:
        raise OSError(28, "No space left on device", "part-0")

    with monkeypatch.context() as patch:
        patch.setattr(work, "write_table", full)
        line = refused(command, tmp_path, tree, 1, "augment", source, "-r", path, "-o", out, "-q", "--force")
        assert "the disk is full" in line
    source.write_bytes(b"x,y\n1\n")
    refused(command, tmp_path, tree, 3, "augment", source, "-r", path, "-o", out, "-q", "--force")
    assert command("verify", out).code == 0


def test_a_dry_run_writes_nothing(command: Command, recipe: Recipe, source: Path, tmp_path: Path, tree: Tree) -> None:
    path = recipe(MISSING, copies=3)
    before = tree(tmp_path)
    result = command("augment", source, "-r", path, "-o", tmp_path / "out", "--dry-run")
    assert result.code == 0
    assert "3 copies" in result.out
    found = command("augment", source, "-r", path, "-o", tmp_path / "out", "--dry-run", "--json").json
    assert found["rows"] == 4
    assert found["steps"] == [{"id": "missing", "op": "missing", "rate": 0.5, "exact": False, "columns": ["x", "y"]}]
    assert tree(tmp_path) == before


def test_progress_on_a_compressed_file_ends_at_100(
    command: Command, recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("noisecli.cli.progress.WORTH_TELLING", 0)
    (tmp_path / "in.csv.gz").write_bytes(gzip.compress(b"x,y\n" + b"1,2\n" * 9999))
    shown = command("augment", tmp_path / "in.csv.gz", "-r", recipe(MISSING), "-o", tmp_path / "o.csv.gz")
    assert {line.split(" %")[0] for line in shown.err.splitlines() if line.startswith("writing")} <= {
        f"writing: {10 * tenth}" for tenth in range(11)
    }
    assert "writing: 100 %" in shown.err


def test_stdout_and_stderr(command: Command, recipe: Recipe, source: Path, tmp_path: Path) -> None:
    path = recipe(MISSING)
    shown = command("augment", source, "-r", path, "-o", tmp_path / "1.csv")
    assert shown.err == ""  # too small for progress to be told
    assert "\x1b" not in shown.err + shown.out
    assert "output" in shown.out
    assert "manifest" in shown.out
    assert re.search(r"^missing +x +4 +1 +1 +0.5 +0.2500$", shown.out, re.MULTILINE)
    found = command("augment", source, "-r", path, "-o", tmp_path / "2.csv", "--json").json
    assert found["seed"] == 7
    assert found["outputs"][0]["sha256"]
    quiet = command("augment", source, "-r", path, "-o", tmp_path / "3.csv", "--quiet")
    assert (quiet.code, quiet.out, quiet.err) == (0, "", "")


def test_a_fresh_seed_is_told_and_recorded(command: Command, recipe: Recipe, source: Path, tmp_path: Path) -> None:
    path = recipe(MISSING, seed="null")
    seeds = [command("augment", source, "-r", path, "-o", tmp_path / f"{i}.csv", "--json").json["seed"] for i in (1, 2)]
    assert seeds[0] != seeds[1]
    command("augment", source, "-r", path, "-o", tmp_path / "again.csv", "--seed", seeds[0])
    for suffix in ("", ".noisecli.json"):
        assert (tmp_path / f"1.csv{suffix}").read_bytes() == (tmp_path / f"again.csv{suffix}").read_bytes()


# ----------------------------------------------------------------------------------------------------- other commands


def test_help_and_version(command: Command) -> None:
    assert "augment" in command("--help").out
    assert command("--version").out.startswith("noisecli ")
    for name in ("augment", "validate", "ops", "schema", "verify", "replay"):
        result = command(name, "--help")
        assert result.code == 0
        assert f"Usage: noisecli {name} " in result.out


def test_ops(command: Command) -> None:
    listed = command("ops").out
    entries = command("ops", "--json").json
    assert {(entry["target"], entry["name"]) for entry in entries} == set(registered())
    for entry in entries:
        assert entry["name"] in listed
        shown = command("ops", entry["name"])
        assert shown.code == 0
        assert "Source:" in shown.out
        assert "Example" in shown.out
        words = " ".join(shown.out.split())
        details = command("ops", entry["name"], "--json").json
        assert any(op["target"] == entry["target"] for op in details)
        for parameter in (parameter for op in details for parameter in op["parameters"].values()):
            assert all(choice in words or repr(choice) in words for choice in parameter["choices"])
    assert "did you mean 'typo'?" in command("ops", "tyop").errors[0]
    assert "did you mean 'typo'?" in command("ops", "TYPO").errors[0]
    assert "(`noisecli ops` lists them)" in command("ops", "no_such").errors[0]


def test_ops_says_what_may_be_given(command: Command) -> None:
    assert "Known: qwerty, qwertz, azerty" in " ".join(command("ops", "typo").out.split())
    assert r"Known: ',', ';', '\t', '|'." in " ".join(command("ops", "mixed_delimiter").out.split())


def test_wrong_arguments_point_to_the_help_of_their_command(command: Command, source: Path) -> None:
    assert "(see noisecli augment --help)" in command("augment", source).errors[0]
    assert "(see noisecli --help)" in command("agument").errors[0]


def test_without_arguments_the_help_is_shown(command: Command) -> None:
    done = command()
    assert done.code == 2
    assert "noisecli augment sales.csv" in done.err


def test_a_choice_that_there_is_not(command: Command, source: Path) -> None:
    done = command("init", source, "--for", "sensor")
    assert done.errors[0].startswith("error: Invalid value for '--for': 'sensor' is not one of 'sensors',")


def test_ops_says_what_must_be_given(command: Command) -> None:
    given = {
        line.split()[0]: line.split()[1] for line in command("ops", "clip").out.splitlines() if len(line.split()) > 1
    }
    assert (given["upper"], given["lower"]) == ("required", "min")
    assert command("ops", "clip", "--json").json[0]["parameters"]["upper"]["required"]
    assert not command("ops", "quantize", "--json").json[0]["parameters"]["step"]["required"]


def test_schema_knows_every_step(command: Command) -> None:
    schema = command("schema").json
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert schema["required"] == ["noisecli", "steps"]
    steps = schema["properties"]["steps"]["items"]["anyOf"]
    shared = {
        f"#/$defs/{kind}_step/properties/{key}": field
        for kind in ("table", "images")
        for key, field in schema["$defs"][f"{kind}_step"]["properties"].items()
    }
    assert len(steps) == len(registered())
    for step in steps:
        assert {"op", "id", "rate"} <= set(step["properties"])
        assert step["additionalProperties"] is False
        assert all(shared.get(field.get("$ref"), field)["description"] for field in step["properties"].values())


def test_the_examples_are_recipes(command: Command, sample: Path) -> None:
    for name, given in EXAMPLES:
        path = ROOT / "examples" / f"{name}.yaml"
        assert "no faults" in command("validate", path).out
        assert command("validate", path, sample / given).code == 0
        assert command("validate", path, "--json").json["seed"] == 42


def test_validate_finds_what_does_not_fit(
    command: Command, recipe: Recipe, source: Path, tmp_path: Path, tree: Tree
) -> None:
    path = recipe("op: gaussian_noise, columns: y")
    assert command("validate", path).code == 0
    result = command("validate", path, source)
    assert result.code == 2
    assert "'y' is text" in result.errors[0]
    assert "recipe.yaml:4" in result.errors[0]


# ------------------------------------------------------------------------------------------------- verify and replay


def test_verify_names_what_differs(command: Command, recipe: Recipe, sample: Path, tmp_path: Path, tree: Tree) -> None:
    out = tmp_path / "out"
    given = sample / "images" / "val"
    command("augment", given, "-r", recipe("op: cutout, rate: 0.5"), "-o", out, "--set", "purpose=evaluate")
    assert command("verify", out, "--input", given).code == 0
    assert command("verify", f"{out}.noisecli.json").code == 0
    changed, gone, extra = out / "bricks" / "bricks_11.png", out / "discs" / "discs_10.jpg", out / "waves" / "more.txt"
    data = bytearray(changed.read_bytes())
    data[len(data) // 2] ^= 1
    changed.write_bytes(data)
    gone.unlink()
    extra.write_text("")
    result = command("verify", out)
    assert result.code == 4
    assert {str(path) for path in (changed, gone, extra)} == {line.split(": ")[1] for line in result.errors}
    result = command("verify", out, "--json")
    assert result.code == 4
    assert result.json["ok"] is False
    shutil.rmtree(out)
    assert "missing" in refused(command, tmp_path, tree, 4, "verify", out)


def test_verify_names_a_changed_input(command: Command, recipe: Recipe, source: Path, tmp_path: Path) -> None:
    command("augment", source, "-r", recipe(MISSING), "-o", tmp_path / "out.csv")
    source.write_bytes(CSV.replace(b"1,a", b"1,A"))
    result = command("verify", tmp_path / "out.csv", "--input", source)
    assert result.code == 4
    assert "in.csv: differs" in result.errors[0]
    assert command("verify", tmp_path / "out.csv").code == 0


@pytest.mark.parametrize(
    ("given", "example"),
    [(given, example) for example, given in EXAMPLES],
)
@pytest.mark.parametrize("copies", [1, 2])
def test_replay_gives_the_same_bytes(
    command: Command, sample: Path, tmp_path: Path, tree: Tree, given: str, example: str, copies: int
) -> None:
    first, again = tmp_path / "first" / "x", tmp_path / "again" / "x"
    path = ROOT / "examples" / f"{example}.yaml"
    command("augment", sample / given, "-r", path, "-o", first, "--copies", copies, "--workers", 2)
    result = command("replay", f"{first}.noisecli.json", "--input", sample / given, "-o", again, "--workers", 1)
    assert result.code == 0, result.err
    assert "identical" in result.out
    assert tree(tmp_path / "first") == tree(tmp_path / "again")
    assert command("verify", again, "--input", sample / given).code == 0


def test_replay_refuses_another_input(
    command: Command, recipe: Recipe, source: Path, tmp_path: Path, tree: Tree
) -> None:
    command("augment", source, "-r", recipe(MISSING), "-o", tmp_path / "out.csv")
    source.write_bytes(CSV + b"5,e\n")
    arguments = ("replay", tmp_path / "out.csv", "--input", source, "-o", tmp_path / "again.csv", "-q")
    before = tree(tmp_path)
    result = command(*arguments)
    assert result.code == 3
    assert "in.csv: differs" in result.err
    assert tree(tmp_path) == before


def test_replay_tells_when_it_cannot_keep_its_word(
    command: Command, recipe: Recipe, source: Path, tmp_path: Path
) -> None:
    command("augment", source, "-r", recipe(MISSING), "-o", tmp_path / "out.csv")
    manifest = tmp_path / "out.csv.noisecli.json"
    document = json.loads(manifest.read_text())
    document["outputs"][0]["sha256"] = "0" * 64
    manifest.write_text(json.dumps(document))
    result = command("replay", manifest, "--input", source, "-o", tmp_path / "again.csv")
    assert result.code == 4
    assert "differs from what the manifest records" in result.err


# -------------------------------------------------------------------------------------------------------- interrupts


def members(session: int) -> list[int]:
    """Processes of a session that are alive."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, _, own = stat.read_text().rpartition(")")[2].split()[:4]
            if int(own) == session and state != "Z":
                found.append(int(stat.parent.name))
    return found


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for left-over processes in /proc")
@pytest.mark.parametrize(
    ("number", "to_group", "code", "says"),
    [
        pytest.param(signal.SIGINT, True, 130, "interrupted", id="ctrl-c"),
        pytest.param(signal.SIGINT, False, 130, "interrupted", id="sigint"),
        pytest.param(signal.SIGTERM, False, 143, "terminated", id="sigterm"),
        pytest.param(signal.SIGKILL, False, -9, "", id="sigkill"),
    ],
)
def test_an_interrupted_run_leaves_nothing(
    recipe: Recipe, tmp_path: Path, tree: Tree, number: int, to_group: bool, code: int, says: str
) -> None:
    big = tmp_path / "big.csv"
    big.write_bytes(b"x,y\n" + b"".join(b"%d.25,word number %d\n" % (i, i) for i in range(100_000)))
    path = recipe("op: gaussian_noise, columns: x", "op: typo, columns: y, rate: 0.5", copies=50)
    before = sorted(tree(tmp_path))
    arguments = ["augment", big, "-r", path, "-o", tmp_path / "out", "--workers", 2]
    with subprocess.Popen(
        [sys.executable, "-m", "noisecli", *map(str, arguments)],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # whoever runs the tests may ignore it
    ) as run:
        assert run.stderr
        assert any(line.startswith("writing: 10 %") for line in run.stderr)
        assert len(members(run.pid)) > 2
        (os.killpg if to_group else os.kill)(run.pid, number)
        assert run.wait(20) == code
        deadline = time.monotonic() + 30
        while members(run.pid) and time.monotonic() < deadline:
            time.sleep(0.05)
        survivors = members(run.pid)
        for process in survivors:
            os.kill(process, signal.SIGKILL)
        rest = [line for line in run.stderr if not line.startswith("writing")]
    assert survivors == []
    if number == signal.SIGKILL:
        assert [
            name for name in sorted(tree(tmp_path)) if name not in before and not name.startswith(".noisecli-")
        ] == []
    else:
        assert rest == [f"error: {says}; nothing was written\n"]
        assert sorted(tree(tmp_path)) == before


@pytest.mark.parametrize("command", ["schema", "--version"])
def test_a_reader_that_leaves_early_is_no_error(command: str) -> None:
    arguments = [sys.executable, "-m", "noisecli", command]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as listing:
        assert listing.stdout
        assert listing.stderr
        listing.stdout.close()
        assert listing.stderr.read() == b""
        assert listing.wait(20) == 0


def test_help_is_quick() -> None:
    code = "import sys, noisecli.cli as c; sys.argv[1:] = ['--help']\ntry: c.main()\nfinally: print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"numpy", "pyarrow", "pandas", "pydantic", "PIL"}.isdisjoint(done.stdout.splitlines()[-1].split())


def test_severities_of_an_image_op_are_told_for_all_published_sizes(command):
    told = command("ops", "gaussian_blur").out
    assert [line for line in told.splitlines() if line.endswith(("size)", " px"))] == [
        "Severities from 224 px on (with `scale: none` at every size)",
        "At 64 px",
        "At 32 px",
    ]
    assert "scale: none" not in command("ops", "cutout").out
