"""The documentation: what is made from the code is up to date, and what readers may copy runs."""

import ast
import functools
import importlib
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from PIL import Image

from noisecli import recipe as recipes
from noisecli.cli.app import app
from noisecli.errors import NoiseError
from noisecli.recipe.models import STEPS
from noisecli.recipe.source import parse

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted(DOCS.glob("*.md")),
    *sorted(ROOT.glob("examples/*/*.md")),
]
every_page = pytest.mark.parametrize("page", PAGES, ids=[page.relative_to(ROOT).as_posix() for page in PAGES])

MOST_NOT_RUN = 3
"""Blocks of a page that need something that no test has, such as a network."""

BLOCK = re.compile(
    r"(?:^<!-- (?P<note>[^\n]*) -->\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page, and what the comment on the line before it says."""

    language: str
    text: str
    line: int
    file: str | None
    """The file that it stands for."""
    not_run: str | None
    """Why no test can run it."""


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in BLOCK.finditer(text):
        key, _, said = (match["note"] or "").partition(": ")
        line = text.count("\n", 0, match.start("language")) + 1
        notes = {"file": None, "not run": None, key: said}
        found.append(Block(match["language"], match["text"], line, notes["file"], notes["not run"]))
    return found


# What readers may copy


@every_page
def test_what_readers_may_copy_runs(page: Path, workshop: "Workshop") -> None:
    """Every block in the order of the page, in a folder that holds the samples and the examples."""
    for block in blocks(page):
        if block.not_run is None:
            workshop.run(block, f"{page.name}:{block.line}")


@every_page
def test_few_blocks_are_not_run_each_for_a_reason(page: Path) -> None:
    reasons = [block.not_run for block in blocks(page) if block.not_run is not None]
    assert len(reasons) <= MOST_NOT_RUN
    assert all(len(reason) > 10 for reason in reasons)


@every_page
def test_no_command_stands_outside_of_a_block_that_runs(page: Path) -> None:
    outside = BLOCK.sub("", page.read_text(encoding="utf-8"))
    assert "```" not in re.sub(r"^```text\n.*?^```$", "", outside, flags=re.MULTILINE | re.DOTALL)
    assert not re.findall(r"^ {4}\$? ?(?:noisecli|make|pip) .*", outside, re.MULTILINE)


@pytest.mark.parametrize(
    ("block", "says"),
    [
        ("```sh\nnoisecli verify nothing.csv\n```", "nothing.csv"),
        ("```sh\necho one | grep two\n```", "exit 1"),
        ("```yaml\nsteps:\n  - {op: no_such_op}\n```", "no_such_op"),
        ("```python\nassert False, 'wrong'\n```", "wrong"),
    ],
)
def test_what_does_not_run_is_found(block: str, says: str, workshop: "Workshop", tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"Text.\n\n{block}\n", encoding="utf-8")
    with pytest.raises(BaseException, match=re.escape(says)):  # pytest's own failures are no Exceptions
        workshop.run(blocks(page)[0], "page.md:3")


class Workshop:
    """A folder with the samples, in which the blocks of one page run one after the other."""

    def __init__(self, folder: Path, command: Callable[..., Any]) -> None:
        self.folder = folder
        self.command = command
        self.names: dict[str, Any] = {}

    def run(self, block: Block, where: str) -> None:
        """Do with a block what a reader would do with it."""
        if block.file is not None:
            Path(block.file).write_text(block.text, encoding="utf-8")
            if block.language == "python":
                return  # what names the file runs it, in a process of its own, where it may register ops
        kinds = {"sh": self._shell, "python": self._python, "yaml": self._recipe, "sql": self._query}
        if block.language in kinds:
            kinds[block.language](block, where)

    def _shell(self, block: Block, where: str) -> None:
        """Commands of noisecli alone run in this process, which is faster; all others in a shell."""
        text = block.text.replace("\\\n", " ")
        commands = [words for line in text.splitlines() if (words := shlex.split(line, comments=True))]
        if not all(words[0] == "noisecli" and not set("|><&;$*") & set("".join(words)) for words in commands):
            self._in_shell(text, where)
            return
        for words in commands:
            result = self.command(*words[1:])
            assert result.code == 0, f"{where}: {shlex.join(words)}: {result.err}"

    def _in_shell(self, script: str, where: str) -> None:
        """Where the script ends, the next block begins."""
        path = [self.folder / ".bin", Path(sys.executable).parent, os.environ["PATH"]]
        environment = {**os.environ, "PATH": os.pathsep.join(map(str, path)), "PYTHONPATH": str(ROOT)}
        end = self.folder / ".bin/end"
        shell = ["bash", "-euo", "pipefail", "-c", f"{script}\npwd > {shlex.quote(str(end))}"]
        done = subprocess.run(shell, env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, f"{where}: exit {done.returncode}: {done.stdout}{done.stderr}"
        os.chdir(end.read_text(encoding="utf-8").removesuffix("\n"))

    def _python(self, block: Block, where: str) -> None:
        exec(compile(block.text, where, "exec"), self.names)

    def _query(self, block: Block, where: str) -> None:
        duckdb.sql(block.text)

    def _recipe(self, block: Block, where: str) -> None:
        """A whole recipe, or steps of one."""
        data = parse(block.text, where).data
        if isinstance(data, Mapping) and "steps" not in data and "op" not in data:
            return  # such as a file of parameters
        head = "" if "noisecli" in data else "noisecli: 1\n"
        steps = "" if isinstance(data, Mapping) else "data: {label: class, time: when}\nsteps:\n"
        path = self.folder / ".bin/block.yaml"
        path.write_text(f"{head}{steps}{block.text}", encoding="utf-8")
        try:
            recipes.load(path)
        except NoiseError as fault:
            try:
                recipes.load(path, target="images")
            except NoiseError:
                raise fault from None


@pytest.fixture
def workshop(tmp_path: Path, command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[Workshop]:
    folder = tmp_path / "workshop"
    for name in ("sample_data", "examples"):
        shutil.copytree(ROOT / name, folder / name)
    (folder / ".bin").mkdir()
    program = folder / ".bin/noisecli"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m noisecli "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setattr(
        os, "sched_getaffinity", lambda process: {0}, raising=False
    )  # no workers, whose start takes long
    before = set(sys.modules)
    yield Workshop(folder, command)
    for name in set(sys.modules) - before:  # modules of the folder, whose name another page may use
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(folder)):
            del sys.modules[name]


# What is made from the code


@pytest.fixture(scope="module")
def maker() -> Iterator[Any]:
    """The script that makes the catalogue."""
    sys.path.insert(0, str(DOCS))
    here = Path.cwd()
    os.chdir(ROOT)
    yield importlib.import_module("make_catalogue")
    os.chdir(here)
    sys.path.remove(str(DOCS))


@pytest.fixture(scope="module")
def made(maker: Any) -> str:
    """The catalogue as it should be."""
    return str(maker.page())


def test_the_catalogue_is_what_the_ops_say_and_do(maker: Any, made: str) -> None:
    written = maker.PAGE.read_text(encoding="utf-8")
    assert maker.differences(written, made) == [], "run `make docs`"
    assert written == made, "run `make docs`"


def test_an_op_that_is_gone_from_the_catalogue_is_found(maker: Any, made: str) -> None:
    written = maker.PAGE.read_text(encoding="utf-8")
    without = re.sub(r"^### typo\n.*?(?=^### )", "", written, flags=re.MULTILINE | re.DOTALL)
    assert len(without) < len(written)
    assert maker.differences(without, made) == ["typo"]


def test_the_pictures_are_what_the_ops_do(maker: Any) -> None:
    expected = maker.pictures()
    assert {path.name for path in maker.PICTURES.glob("op-*.jpg")} == set(expected)
    for name, data in expected.items():
        stored = (maker.PICTURES / name).read_bytes()
        old, new = (np.asarray(Image.open(io.BytesIO(side)), dtype=float) for side in (stored, data))
        assert old.shape == new.shape
        assert np.abs(old - new).mean() < 2, f"{name}: run `make docs`"  # codecs differ a little
        assert len(stored) < 125_000


def test_the_picture_of_the_readme_is_what_noisecli_does(maker: Any) -> None:
    overview = importlib.import_module("make_overview")
    written = overview.PICTURE.read_text(encoding="utf-8")
    pixels = re.compile(r"base64,[^\"]*")
    assert pixels.sub("", written) == pixels.sub("", overview.overview()), "run `make docs`"
    assert str(overview.PICTURE.relative_to(ROOT)) in (ROOT / "README.md").read_text(encoding="utf-8")


# What is written by hand


def test_the_recipe_reference_describes_every_key() -> None:
    schema = recipes.schema()
    keys = set(schema["properties"])
    for step in STEPS.values():
        keys |= set(step.model_json_schema()["properties"])
    for name, part in schema["$defs"].items():
        if name != "Weights":  # parameters of one op, which the catalogue has
            keys |= set(part.get("properties", {}))
    reference = (DOCS / "recipe.md").read_text(encoding="utf-8")
    code = re.findall(r"^```yaml\n.*?^```$|`[^`\n]+`", reference, re.MULTILINE | re.DOTALL)
    assert keys - set(re.findall(r"\w+", " ".join(code))) == set()


@functools.cache
def functions(path: str) -> set[str]:
    """Names of the functions in a file."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_every_guarantee_names_tests_that_exist() -> None:
    text = (DOCS / "guarantees.md").read_text(encoding="utf-8")
    named = re.findall(r"`(tests/test_\w+\.py)::(\w+)`", text)
    assert [(path, function) for path, function in named if function not in functions(path)] == []
    sections = text.split("\n## ")[1:]
    assert len(sections) == 8
    assert all("`tests/test_" in section for section in sections)
    assert all("Limits: " in section for section in sections)


@functools.cache
def anchors(page: Path) -> set[str]:
    """What links to the headings of a page may say."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in headings}


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        goal = (page.parent / path).resolve() if path else page
        assert goal.exists(), target
        assert not anchor or anchor in anchors(goal), target


def test_the_readme_names_every_command(command: Callable[..., Any]) -> None:
    command("--version")  # registers the commands
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    names = [info.name or info.callback.__name__ for info in app.registered_commands if info.callback]
    assert [name for name in names if f"| `noisecli {name}" not in readme] == []


def test_contributing_says_where_everything_is() -> None:
    tree = BLOCK.findall((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))[1][2]
    rooms = {f"{path.name}{'' if path.is_file() else '/'}" for path in (ROOT / "noisecli").glob("[!_]*")}
    assert [room for room in sorted(rooms) if room not in tree and room != "py.typed"] == []


def test_every_page_can_be_reached_from_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [page.name for page in DOCS.glob("*.md") if f"docs/{page.name}" not in readme] == []
