"""The command line as people meet it in a shell: help, completion, misspelled words, terminals without colours."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import noisecli

BIN = Path(sys.executable).parent


def test_every_help_fits_a_screen_and_shows_an_example(command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    root = command("--help").out
    listed = dict(re.findall(r"^  ([a-z]+)  +(.+)$", root.partition("Commands:")[2], flags=re.M))
    assert {"augment", "validate", "ops", "recipes", "schema", "verify", "replay"} <= set(listed)
    for name, sentence in listed.items():
        assert sentence.endswith("."), f"{name}: its sentence is cut off or broken: {sentence}"
        assert not sentence.endswith("..."), name
        shown = command(name, "-h").out
        assert f"\n  {sentence}\n" in shown
        assert f"\n  Example: noisecli {name} " in f"{shown} "
        broken = [line for line in shown.splitlines() if re.match(r" {8,}\S", line)]
        assert not broken, f"{name}: the help of an option is longer than a line: {broken}"
        too_long = [line for line in shown.splitlines() if len(line) > 79]
        assert not too_long
        assert len(shown.splitlines()) <= 24, name


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        ("augmnt data.csv", "augment"),
        ("augment data.csv --recipes r.yaml", "--recipe"),
        ("augment data.csv -r r.yaml -o out.csv --worker 2", "--workers"),
        ("ops gausian_noise", "gaussian_noise"),
        ("recipes human-typin", "human-typing"),
        ("validate human-typing", "builtin:human-typing"),
        ("validate builtin:humantyping", "human-typing"),
        ("validate builtin:human-typing {data} --set steps.lost_digi.rate=0.1", "lost_digit"),
        ("validate builtin:human-typing {data} --set steps.0.columns=nme", "name"),
    ],
)
def test_a_misspelled_word_is_answered_with_the_nearest(arguments, meant, command, sample):
    done = command(*arguments.format(data=sample / "customers.csv").split())
    assert done.code == 2
    assert f"did you mean '{meant}'?" in done.err
    assert len(done.errors) == 1


COMPLETED = [
    ("noisecli ver", {"verify"}),
    ("noisecli --vers", {"--version", "--versions"}),
    ("noisecli augment --if", {"--if-changed"}),
    ("noisecli ops gaussian_n", {"gaussian_noise"}),
    ("noisecli recipes hum", {"human-typing"}),
    ("noisecli augment data.csv -r builtin:hum", {"builtin:human-typing"}),
    ("noisecli augment data.csv -r bui", {f"builtin:{name}" for name in ("human-typing", "ocr-scan")}),
    ("noisecli augment data.csv -r rec", set()),
    ("noisecli augment da", set()),
]
"""The last two are left to the shell, which offers files."""


@pytest.mark.parametrize(("line", "offered"), COMPLETED)
def test_shells_complete_commands_options_ops_and_recipes(line, offered, command, monkeypatch):
    for shell in ("bash", "zsh", "fish"):
        monkeypatch.setenv("_NOISECLI_COMPLETE", f"complete_{shell}")
        monkeypatch.setenv("COMP_WORDS", line)
        monkeypatch.setenv("COMP_CWORD", str(line.count(" ")))
        monkeypatch.setenv("_TYPER_COMPLETE_ARGS", line)
        monkeypatch.setenv("_TYPER_COMPLETE_FISH_ACTION", "get-args")
        out = command().out
        found = {
            "bash": lambda out: out.split(),
            "zsh": lambda out: [name.replace("\\\\:", ":") for name in re.findall(r'^(?:.*\(\()?"([^"]+)"', out, re.M)],
            "fish": lambda out: [name.partition("\t")[0] for name in out.splitlines() if name],
        }[shell](out)
        assert offered <= set(found), f"{shell}: {out}"
        assert len(found) == len(set(found))
        assert bool(offered) == bool(found), f"{shell}: {out}"


def test_bash_completes_what_it_breaks_at_colons():
    """By the script that `--install-completion` installs, in bash itself."""
    ask = "COMP_WORDS=({}); COMP_CWORD={}; _noisecli_completion noisecli; echo ${{COMPREPLY[@]}}"
    lines = [
        'eval "$(_NOISECLI_COMPLETE=source_bash noisecli)"',
        ask.format("noisecli augment data.csv -r builtin : hum", 6),
        ask.format("noisecli validate builtin : ocr", 4),
    ]
    environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "--norc", "-c", "\n".join(lines)], env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.split() == ["human-typing", "ocr-scan"], done.stderr


def test_completing_a_command_imports_nothing_heavy():
    script = """if True:
        import sys
        from noisecli.cli import main
        try:
            main()
        except SystemExit:
            heavy = {"numpy", "pyarrow", "pandas", "scipy", "PIL"} & set(sys.modules)
            assert not heavy, heavy
    """
    environment = {**os.environ, "_NOISECLI_COMPLETE": "complete_bash", "COMP_WORDS": "noisecli ve", "COMP_CWORD": "1"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=60)
    assert (done.stdout.split(), done.stderr) == (["verify"], "")


@pytest.mark.parametrize(
    ("terminal", "environment", "escapes"),
    [
        (True, {"TERM": "xterm-256color"}, True),
        (True, {"TERM": "xterm-256color", "NO_COLOR": "1"}, False),
        (True, {"TERM": "dumb"}, False),
        (False, {"TERM": "xterm-256color"}, False),
    ],
)
def test_escape_codes_go_to_terminals_that_want_them(
    terminal, environment, escapes, tmp_path, command, sample, recipe, monkeypatch
):
    for key in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(key, raising=False)
    for key, value in environment.items():
        monkeypatch.setenv(key, value)
    for stream in (sys.stdout, sys.stderr):
        monkeypatch.setattr(stream, "isatty", lambda: terminal)
    image = next((sample / "images").rglob("*.jpg"))
    done = command("augment", image, "-r", recipe("op: gaussian_noise"), "-o", tmp_path / image.name)
    assert done.code == 0, done.err
    assert ("\x1b" in done.out) is escapes
    assert ("\x1b" in done.err) is escapes


@pytest.mark.parametrize("columns", ["30", "200"])
def test_a_narrow_terminal_breaks_no_number_and_no_name(columns, tmp_path, command, sample, recipe, monkeypatch):
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    step = recipe("op: missing, id: gaps_in_dates, columns: signup_date, rate: 1")
    done = command("augment", sample / "customers.csv", "-r", step, "-o", tmp_path / "out.csv")
    row = next(line.split() for line in done.out.splitlines() if "gaps_in_dates" in line)
    assert row[0] == "gaps_in_dates"
    assert row[-6:] == ["signup_date", "5,000", "5,000", "5,000", "1", "1.0000"]


def test_versions_are_what_a_manifest_records(command, tmp_path, sample, recipe):
    assert command("--version").out == f"noisecli {noisecli.__version__}\n"
    said = dict(line.split() for line in command("--versions").out.splitlines())
    image = next((sample / "images").rglob("*.jpg"))
    command("augment", image, "-r", recipe("op: gaussian_noise"), "-o", tmp_path / "out.jpg")
    manifest = json.loads((tmp_path / "out.jpg.noisecli.json").read_text())
    assert said == {"noisecli": noisecli.__version__, **manifest["environment"]}
