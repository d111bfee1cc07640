"""What the tests of the user's doors share: the command line in this process, recipes, raw CSV cells, folder trees."""

import gc
import json
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pandas  # noqa: F401 - where it is there, preview does not keep pyarrow from finding it
import pytest
import typer.main
from hypothesis import HealthCheck, settings

from noisecli import cli

ROOT = Path(__file__).resolve().parent.parent

relaxed = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
settings.register_profile("suite", relaxed, max_examples=20, derandomize=True)
settings.register_profile("stress", relaxed, max_examples=500)
settings.load_profile("suite")

# Processes of the tool find it compiled, and so does the next run of the tests.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# Typer builds all commands anew at each call, of which a process of the tool makes one.
typer.main.get_command = cache(typer.main.get_command)

CELL = re.compile(rb'("(?:[^"]|"")*"|[^",\r\n]*)(,|\r?\n|\Z)')


@dataclass(frozen=True)
class Result:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def errors(self) -> list[str]:
        return [line for line in self.err.splitlines() if line.startswith("error:")]


def pytest_collection_finish() -> None:
    """Keep the collector of garbage from going through a million objects of tests that stay anyway."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _no_waiting_for_the_disk() -> Iterator[None]:
    """No test pulls the plug, and a run waits ten times for the disk; one test sees what is asked of it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)
        yield


@pytest.fixture
def sample() -> Path:
    """The sample data that comes with the project."""
    return ROOT / "sample_data"


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Result]]:
    """Run `noisecli` with some arguments in this process."""

    def call(*arguments: object) -> Result:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["noisecli", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            cli.main()
        out, err = capsys.readouterr()
        return Result(left.value.code or 0, out, err)

    handler = signal.getsignal(signal.SIGTERM)
    yield call
    signal.signal(signal.SIGTERM, handler)


@pytest.fixture
def recipe(tmp_path: Path) -> Callable[..., Path]:
    """Write a recipe of some steps, each in YAML flow style, and give its path."""

    def write(*steps: str, **head: object) -> Path:
        lines = ["noisecli: 1", *(f"{key}: {value}" for key, value in {"seed": 7, **head}.items()), "steps:"]
        path = tmp_path / "recipe.yaml"
        path.write_text("\n".join([*lines, *(f"  - {{{step}}}" for step in steps)]) + "\n", encoding="utf-8")
        return path

    return write


@pytest.fixture
def rows_of() -> Callable[[bytes], list[tuple[bytes, ...]]]:
    """Split a CSV into the raw bytes of its cells, quotes included; the last entry of a row is its line end."""

    def split(data: bytes) -> list[tuple[bytes, ...]]:
        rows: list[tuple[bytes, ...]] = []
        row: list[bytes] = []
        at = 0
        while at < len(data) or row:
            cell = CELL.match(data, at)
            assert cell, f"no CSV cell at byte {at}: {data[at : at + 40]!r}"
            at = cell.end()
            row.append(cell[1])
            if cell[2] != b",":
                rows.append((*row, cell[2]))
                row = []
        return rows

    return split


@pytest.fixture
def tree() -> Callable[[Path], dict[str, bytes]]:
    """Everything below a folder, hidden files too: relative path to content; b"" for folders."""

    def read(folder: Path) -> dict[str, bytes]:
        paths = sorted(folder.rglob("*"))
        return {path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else b"" for path in paths}

    return read
