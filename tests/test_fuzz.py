"""Random damage: whatever recipes, files and manifests hold, a run ends in a result with its manifest or in one error.

Nothing hangs, takes a lot of memory, kills the process, or is left behind. The short form takes some cases of each
kind, `make stress` takes them all. A case is named by its kind and number, and comes out the same each time: see
`python -m fuzz` in tests/fuzz.
"""

import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import golden
import pytest
from fuzz.__main__ import MOST_SECONDS, document
from fuzz.mutate import KNOWING, mutant
from hypothesis import given, settings
from hypothesis import strategies as st

from noisecli.errors import NoiseError
from noisecli.manifest import verify
from noisecli.run import augment

TESTS = Path(__file__).parent
MOST_MB = 1_000
GOOD_ENDS = ("done", "refused: ", "verified", "faults")

# -------------------------------------------------------------------------------------------------- files and manifests


def attempt(*ranges: str) -> list[str]:
    """Run cases of `python -m fuzz`; say which of them end as they must not."""
    paths = os.pathsep.join(map(str, (TESTS.parent, TESTS)))
    command = [sys.executable, "-W", "error", "-m", "fuzz", *ranges]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True)
    cases = [json.loads(line) for line in done.stdout.splitlines()]
    wrong = [f"{case['case']}: {case['said']}" for case in cases if not case["said"].startswith(GOOD_ENDS)]
    wrong += [f"{case['case']}: {case['most']} MB" for case in cases if case["most"] > MOST_MB][:1]
    if done.returncode:
        wrong.append(f"died after {cases[-1]['case'] if cases else 'no case'}: {done.stderr}")
    return wrong


def test_some_damaged_files_and_manifests() -> None:
    assert attempt(*(f"{suffix}:0:10" for suffix in KNOWING), "manifest:0:10") == []


@pytest.mark.stress
@pytest.mark.parametrize("suffix", KNOWING)
def test_many_damaged_files(suffix: str) -> None:
    assert attempt(f"{suffix}:0:2000") == []


@pytest.mark.stress
def test_many_damaged_manifests() -> None:
    assert attempt("manifest:0:500") == []


def through_the_command_line(suffix: str, which: int, folder: Path) -> None:
    source, recipe, out = folder / f"in{suffix}", folder / "r.json", folder / "out" / f"in{suffix}"
    source.write_bytes(mutant(suffix, which))
    recipe.write_text(json.dumps(document(suffix, which)))
    before = set(folder.iterdir())
    command = [sys.executable, "-m", "noisecli", "augment", source, "-r", recipe, "-o", out, "-q"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode in (0, 2, 3), done.stderr
    assert "Traceback" not in done.stderr
    assert "this is a bug" not in done.stderr
    if done.returncode:
        assert done.stderr.startswith("error: ")
        assert set(folder.iterdir()) == before
    else:
        assert verify(out, source)[1] == []


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_damaged_file_through_the_command_line(suffix: str, tmp_path: Path) -> None:
    through_the_command_line(suffix, 3, tmp_path)


@pytest.mark.stress
@pytest.mark.parametrize("suffix", KNOWING)
def test_damaged_files_through_the_command_line(suffix: str, tmp_path: Path) -> None:
    for which in range(0, 2000, 100):
        (tmp_path / str(which)).mkdir()
        through_the_command_line(suffix, which, tmp_path / str(which))


# -------------------------------------------------------------------------------------------------------------- recipes

NAMES = ["number", "last", "height", "income", "nope", "all", "numeric", "text", "*", "[", "", "#1"]
NUMBERS = st.one_of(
    st.sampled_from([0, 1, 2, -1, 0.5, 1e-12, 1e9, 1e308, -1e308, math.inf, math.nan, 2**31, 2**63, 2**64, 10**30]),
    st.integers(-5, 50),
    st.floats(0, 1),
)
TEXTS = st.sampled_from([*NAMES, "2024-01-01", "%Y-%m-%d", "(a+)+$", "((", "no", "..", "a/b"]) | st.text(max_size=5)
SCALARS = st.none() | st.booleans() | NUMBERS | TEXTS
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=6
)
RELATIONS = st.dictionaries(st.sampled_from(["gt", "eq", "in", "between", "matches", "null"]), ANYTHING, max_size=2)
MECHANISM_KEYS = ["columns", "tail", "length", "start", "enter", "stay", "rate", "strength"]
MECHANISMS = ["mcar", "mar", "mnar", "burst", "clustered", "window"]
OF_STEPS: dict[str, st.SearchStrategy[Any]] = {
    "id": TEXTS,
    "columns": st.lists(st.sampled_from(NAMES), max_size=3) | ANYTHING,
    "rate": NUMBERS,
    "mechanism": st.one_of(
        st.sampled_from(MECHANISMS),
        st.dictionaries(
            st.sampled_from(MECHANISMS),
            st.dictionaries(st.sampled_from(MECHANISM_KEYS), ANYTHING, max_size=3),
            max_size=1,
        ),
    ),
    "where": st.dictionaries(st.sampled_from(NAMES), RELATIONS | ANYTHING, max_size=2),
    "exact": st.booleans(),
    "nulls": SCALARS,
    "severity": st.integers(-1, 6),
    "decimals": SCALARS,
    "joint": ANYTHING,
    "files": TEXTS,
    "surplus": SCALARS,
}
OF_HEADS: dict[str, st.SearchStrategy[Any]] = {
    "seed": SCALARS,
    "copies": st.integers(0, 3),
    "keep_original": SCALARS,
    "purpose": st.sampled_from(["train", "evaluate", "x"]),
    "on_error": st.sampled_from(["fail", "skip", "x"]),
    "layout": st.sampled_from(["copies", "merged", "imagenet-c", "x"]),
    "encode": st.sampled_from(["struck", "every", "exact"]),
    "sweep": st.dictionaries(
        st.sampled_from(["seed", "severity", "steps", "steps.0.rate"]), st.lists(SCALARS), max_size=2
    ),
    "data": st.dictionaries(
        st.sampled_from(["id", "label", "split", "time", "entity", "types", "null_values", "delimiter", "encoding"]),
        TEXTS | ANYTHING,
        max_size=2,
    ),
    "steps": ANYTHING,
}
OPS = sorted(name for name, op in golden.OPS.items() if op.name != "custom")


@st.composite
def recipes(draw: Callable[..., Any]) -> tuple[str, dict[str, Any]]:
    """An op, and a recipe of its example with a few changes, most of which make no sense."""
    name = draw(st.sampled_from(OPS))
    op = golden.OPS[name]
    document = deepcopy(golden.recipe(op))
    step = document["steps"][0]
    for kind in draw(st.lists(st.sampled_from(["own", "own", "step", "step", "head", "another"]), max_size=3)):
        if kind == "own" and op.model_fields:
            step[draw(st.sampled_from(sorted(op.model_fields)))] = draw(ANYTHING | NUMBERS)
        elif kind == "another":
            more = golden.OPS[draw(st.sampled_from([other for other in OPS if other[:5] == name[:5]]))]
            document["steps"] = [step, {**golden.recipe(more)["steps"][0], "id": draw(TEXTS)}]
        else:
            holder, keys = (step, OF_STEPS) if kind == "step" else (document, OF_HEADS)
            key = draw(st.sampled_from(sorted(keys)))
            holder[key] = draw(keys[key])
    return name, document


@contextmanager
def in_time() -> Iterator[None]:
    """Fail in the middle of whatever takes too long."""

    def stop(number: int, frame: Any) -> None:
        raise TimeoutError

    handler = signal.signal(signal.SIGALRM, stop)
    signal.alarm(MOST_SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, handler)


def run(name: str, document: Any, folder: Path) -> str:
    """Run a recipe for the input of an op: what it makes must be whole, and else nothing may be left."""
    home, out = folder / name, folder / "out"
    if not home.exists():
        home.mkdir()
        golden.make_input(golden.OPS[name], home)
    (source,) = home.iterdir()
    said, wrong = "", []
    with in_time():
        try:
            wrong = verify(augment(source, document, out, force=True).output, source)[1]
        except NoiseError as error:
            said = str(error)
    assert wrong == []
    assert len(said) < 20_000
    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == []
    return said


def check_recipes(tmp_path_factory: pytest.TempPathFactory, examples: int) -> None:
    folder = tmp_path_factory.mktemp("recipes")

    @settings(max_examples=examples)
    @given(recipes())
    def check(case: tuple[str, dict[str, Any]]) -> None:
        run(*case, folder)

    check()


def test_some_recipes(tmp_path_factory: pytest.TempPathFactory) -> None:
    check_recipes(tmp_path_factory, 60)


@pytest.mark.stress
def test_many_recipes(tmp_path_factory: pytest.TempPathFactory) -> None:
    check_recipes(tmp_path_factory, 10_000)
