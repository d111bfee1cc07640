"""Doors beside files on the command line: pipes, and Python."""

import gzip
import json
import os
import subprocess
import sys

import pytest

import noisecli
from noisecli.errors import CheckFailed

STEP = "op: missing, columns: [city, age], rate: 0.3"
DATA = b"city,age\n" + b"".join(b"town %d,%d\n" % (i, i % 90) for i in range(500))


def run(arguments, data):
    environment = {**os.environ, "PYTHONWARNINGS": "error"}
    command = [sys.executable, "-m", "noisecli", *map(str, arguments)]
    return subprocess.run(command, input=data, capture_output=True, env=environment, check=False)


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "data.csv"
    path.write_bytes(DATA)
    return path


@pytest.fixture
def expected(command, recipe, source, tmp_path):
    """What a run from file to file gives."""
    assert command("augment", source, "-r", recipe(STEP), "-o", tmp_path / "expected.csv").code == 0
    written = (tmp_path / "expected.csv").read_bytes()
    assert written != DATA
    return written


@pytest.mark.parametrize("from_pipe", [True, False])
@pytest.mark.parametrize("to_pipe", [True, False])
def test_a_pipe_carries_the_bytes_of_a_file(from_pipe, to_pipe, recipe, source, expected, tmp_path):
    output = tmp_path / "out.csv"
    arguments = ["augment", "-" if from_pipe else source, "-r", recipe(STEP), "-o", "-" if to_pipe else output]
    done = run(arguments, DATA if from_pipe else b"")
    assert done.returncode == 0, done.stderr
    assert (done.stdout if to_pipe else output.read_bytes()) == expected
    assert (b"no manifest" in done.stderr) == to_pipe


def test_what_own_code_prints_stays_out_of_the_data(recipe, source, tmp_path, monkeypatch):
    (tmp_path / "talk.py").write_text("print('loaded')\ndef talk(rows, rng):\n    print('called')\n    return rows\n")
    monkeypatch.chdir(tmp_path)
    step = "op: custom, columns: age, function: 'talk:talk'"
    done = run(["augment", source, "-r", recipe(step), "-o", "-", "--allow-code"], b"")
    assert (done.returncode, done.stdout) == (0, DATA)
    assert {b"loaded", b"called"} <= set(done.stderr.split())


def test_several_copies_into_a_pipe_are_refused_and_nothing_comes_out(recipe, source):
    done = run(["augment", source, "-r", recipe(STEP), "-o", "-", "--copies", 2], b"")
    assert done.returncode == 2
    assert done.stdout == b""
    assert b"one pipe carries one" in done.stderr


def test_json_and_data_cannot_share_a_pipe(recipe, source):
    done = run(["augment", source, "-r", recipe(STEP), "-o", "-", "--json"], b"")
    assert done.returncode == 2
    assert json.loads(done.stdout) == {"error": "--json: the data goes to stdout; name an output file", "exit": 2}


def test_tabs_go_through_a_pipe(recipe, source):
    tabs = source.with_suffix(".tsv")
    tabs.write_bytes(DATA.replace(b",", b"\t"))
    done = run(["augment", tabs, "-r", recipe("op: missing, columns: age, rate: 1"), "-o", "-"], b"")
    assert done.stdout == b"city\tage\n" + b"".join(b"town %d\t\n" % i for i in range(500))


def test_a_fault_on_the_way_leaves_the_pipe_empty(recipe):
    done = run(["augment", "-", "-r", recipe(STEP), "-o", "-"], b"city,age\n1,2\n3\n")
    assert done.returncode == 3
    assert done.stdout == b""
    assert b"stdin.csv: row 2" in done.stderr


def test_python_writes_what_the_command_writes(source, expected, tmp_path):
    steps = [{"op": "missing", "columns": ["city", "age"], "rate": 0.3}]
    done = noisecli.augment(source, {"noisecli": 1, "seed": 7, "steps": steps}, tmp_path / "out.csv")
    assert done.output.read_bytes() == expected
    assert noisecli.verify(done.output)[1] == []
    assert noisecli.verify(str(done.output), str(source))[1] == []
    again, same_content, different = noisecli.replay(done.output, source, tmp_path / "again.csv")
    assert again.output.read_bytes() == expected
    assert (same_content, different) == ([], [])


def test_python_raises_what_the_command_prints(tmp_path, source):
    with pytest.raises(noisecli.NoiseError, match="did you mean 'city'") as caught:
        noisecli.augment(
            source, {"noisecli": 1, "steps": [{"op": "missing", "columns": ["cty"]}]}, tmp_path / "out.csv"
        )
    assert not isinstance(caught.value, CheckFailed)
    assert caught.value.exit_code == 2


def test_importing_the_package_stays_light():
    heavy = "sorted({'numpy', 'pyarrow', 'pandas', 'pydantic', 'PIL'} & set(sys.modules))"
    code = f"import json, sys, noisecli; print(json.dumps({heavy}))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert json.loads(found.stdout) == []


def test_a_replay_takes_no_pipe(recipe, source, tmp_path):
    run(["augment", source, "-r", recipe(STEP), "-o", tmp_path / "out.csv"], b"")
    done = run(["replay", tmp_path / "out.csv", "--input", "-", "-o", tmp_path / "again.csv"], DATA)
    assert (done.returncode, done.stderr) == (2, b"error: -: the input of a replay cannot be a pipe: name the file\n")


def test_a_pipe_is_plain_csv(recipe, source):
    done = run(["augment", "-", "-r", recipe(STEP), "-o", "-"], gzip.compress(DATA))
    assert done.returncode == 2
    assert b"this is gzip" in done.stderr
