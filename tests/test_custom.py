"""Steps that run a function of the user's own."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from noisecli import augment, replay
from noisecli.columns import Kind, kind_of
from noisecli.errors import DataProblem, NoiseError, RecipeProblem, UsageProblem
from noisecli.formats import csv
from noisecli.formats.content import plain
from noisecli.run import execute
from noisecli.streams import BLOCK
from tests.test_types import TABLE as EVERY_TYPE

ROWS = 2 * BLOCK + 1234
SEEN: list[pd.DataFrame] = []
"""What `watch` was given."""


def watch(rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    SEEN.append(rows.copy())
    return rows


def shift(rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Depends on all struck rows of a block and on every draw: any other cut gives another result."""
    rows["x"] = rows["x"] + rows["x"].mean() + rng.normal(size=len(rows)).cumsum()
    rows["word"] = rows["word"][::-1].to_numpy()
    return rows


def forget(rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    return rows.map(lambda value: None)


def zero_to_missing(rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    return rows.where(rows != 0)


def raises(rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    raise ValueError("two\nlines")


def short(rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    return rows.head(2)


def renamed(rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    return rows.rename(columns={"x": "y"})


def nothing(rows: pd.DataFrame, rng: np.random.Generator) -> None:
    rows["x"] = 1


def words(rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    return rows.assign(x="many")


def endless(rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    return rows.assign(x=np.inf)


def numbers(rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    return rows.assign(word=1.5)


def leaves(rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    sys.exit(0)


def huge(rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    return rows.assign(x=[10**400] * len(rows))


def imaginary(rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    return rows.assign(x=1 + 2j)


def moments(rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    return rows.assign(x=pd.Timestamp("2026-03-01"))


def fill(rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    return rows.fillna(7)


NOT_CALLABLE = 3


def recipe(name: str, columns: Any = ("x", "word"), **settings: Any) -> dict[str, Any]:
    step = {"op": "custom", "columns": list(columns), "function": f"{__name__}:{name}", "rate": 0.4, **settings}
    return {"noisecli": 1, "seed": 5, "steps": [step]}


@pytest.fixture
def table() -> pa.Table:
    x = pa.array([None if i % 11 == 5 else i * 7919 % 2003 / 10 for i in range(ROWS)])
    return pa.table({"i": range(ROWS), "x": x, "word": [f"w{i * 31 % 97}" for i in range(ROWS)]})


@pytest.fixture
def source(table: pa.Table, tmp_path: Path) -> Path:
    path = tmp_path / "in.csv"
    pa.csv.write_csv(table, path)
    return path


def test_whoever_cuts_the_file_the_function_sees_whole_blocks(
    table: pa.Table, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = augment(source, recipe("shift"), tmp_path / "a.csv", allow_code=True).output.read_bytes()
    assert first != source.read_bytes()
    for size, slabs in ((40_000, 8), (999_999, 1), (1 << 26, 1)):
        monkeypatch.setattr(csv, "SLAB_BYTES", size)
        monkeypatch.setattr(execute, "TASK_SLABS", slabs)
        again = augment(source, recipe("shift"), tmp_path / f"{size}.csv", allow_code=True)
        assert again.output.read_bytes() == first
    columns = []
    for group in (ROWS, 1000, 16_383, 20_000):
        pq.write_table(table, tmp_path / "in.parquet", row_group_size=group)
        done = augment(tmp_path / "in.parquet", recipe("shift"), tmp_path / f"{group}.parquet", allow_code=True)
        columns.append(pq.read_table(done.output))
    assert all(other.equals(columns[0]) for other in columns)
    assert not columns[0].equals(table)


def test_workers_do_not_matter(source: Path, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("def up(rows, rng):\n    return rows.assign(word=rows['word'].str.upper())\n")
    body = {**recipe("up"), "copies": 3}
    body["steps"][0]["function"] = "own:up"
    (tmp_path / "recipe.yaml").write_text(json.dumps(body))
    trees = []
    for workers in (1, 2):
        call = ["augment", source, "-r", "recipe.yaml", "-o", f"out{workers}", "--allow-code", "--workers", workers]
        done = subprocess.run(
            [sys.executable, "-m", "noisecli", *map(str, call)], cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        trees.append([path.read_bytes() for path in sorted((tmp_path / f"out{workers}").rglob("*.csv"))])
    assert trees[0] == trees[1]
    assert len(set(trees[0])) == 3
    assert b"W1" in trees[0][0]


def test_what_the_function_is_given(table: pa.Table, source: Path, tmp_path: Path) -> None:
    SEEN.clear()
    done = augment(source, recipe("watch", where={"i": {"ge": 100}}), tmp_path / "o.csv", allow_code=True)
    assert done.output.read_bytes() == source.read_bytes()
    assert [list(frame.columns) for frame in SEEN] == [["x", "word"]] * 3
    counts = done.manifest.steps[0].columns
    assert sum(map(len, SEEN)) == counts["x"]["struck"] == counts["word"]["struck"]
    assert abs(counts["x"]["struck"] - 0.4 * (ROWS - 100)) < 4 * (0.24 * ROWS) ** 0.5
    assert counts["x"]["eligible"] == ROWS - 100
    assert counts["x"]["changed"] == 0
    assert SEEN[0].index[0] == 0
    assert SEEN[0]["x"].dtype == np.float64
    clean = table.to_pandas()
    pairs = set(zip(clean["x"].fillna(-1), clean["word"], strict=True))
    assert {pair for frame in SEEN for pair in zip(frame["x"].fillna(-1), frame["word"], strict=True)} <= pairs


@pytest.mark.parametrize("name", [name for name in EVERY_TYPE.column_names if name != "id"])
def test_every_type_comes_back_as_it_was_and_can_be_emptied(name: str, tmp_path: Path) -> None:
    source = tmp_path / "in.parquet"
    pq.write_table(EVERY_TYPE.select([name]), source)
    clean = pq.read_table(source)
    if kind_of(plain(clean.schema.field(name).type)) is Kind.OTHER:
        with pytest.raises(RecipeProblem, match="takes bool, date, datetime, float, integer or text columns"):
            augment(source, recipe("watch", [name], rate=1), tmp_path / "same.parquet", allow_code=True)
        return
    same = augment(source, recipe("watch", [name], rate=1), tmp_path / "same.parquet", allow_code=True)
    assert same.output.read_bytes() == source.read_bytes()
    empty = augment(source, recipe("forget", [name], rate=1), tmp_path / "empty.parquet", allow_code=True)
    noisy = pq.read_table(empty.output)
    assert noisy.schema == clean.schema
    assert pc.is_null(noisy[name], nan_is_null=True).to_pylist() == [True] * len(noisy)  # NaN is missing to pandas


def test_a_number_that_is_kept_keeps_its_text_and_zero_can_become_missing(tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text("x,word\n1.50,a\n0,b\n+2,c\n1e3,d\n,e\n")
    done = augment(source, recipe("zero_to_missing", ["x"], rate=1), tmp_path / "o.csv", allow_code=True)
    assert done.output.read_text() == "x,word\n1.50,a\n,b\n+2,c\n1e3,d\n,e\n"


def test_only_training_rows_that_fit_and_meet_the_condition_are_given(tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text("x,split\n1,train\n2,test\n,train\n4,train,9\n5,train\n-6,train\n7,val\n")
    step = {**recipe("fill", ["x"], rate=1)["steps"][0], "where": {"any": [{"x": {"gt": 1}}, {"x": {"null": True}}]}}
    head = {"noisecli": 1, "seed": 1, "data": {"split": "split"}, "on_error": "skip"}
    SEEN.clear()
    given = {**head, "steps": [{**step, "function": f"{__name__}:watch"}]}
    augment(source, given, tmp_path / "w.csv", allow_code=True)
    (seen,) = SEEN
    assert seen["x"].fillna(0).tolist() == [0, 5]
    done = augment(source, {**head, "steps": [step]}, tmp_path / "o.csv", allow_code=True)
    assert done.output.read_text() == source.read_text().replace("\n,train", "\n7,train")
    assert done.manifest.steps[0].columns["x"] == {**done.manifest.steps[0].columns["x"], "eligible": 2, "struck": 2}


def test_nothing_is_changed_nor_counted_where_a_row_has_no_such_key(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text('{"x":1,"k":1}\n{"k":2}\n{"x":null,"k":3}\n{"x":4,"k":4}\n')
    done = augment(source, recipe("fill", ["x"], rate=1), tmp_path / "o.jsonl", truth=True, allow_code=True)
    assert done.output.read_text() == '{"x":1,"k":1}\n{"k":2}\n{"x":7,"k":3}\n{"x":4,"k":4}\n'
    assert done.manifest.steps[0].columns["x"]["changed"] == 1
    truth = pq.read_table(f"{done.output}.noisecli-truth.parquet")
    assert truth.select(["row", "before", "after"]).to_pylist() == [{"row": 2, "before": None, "after": "7"}]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("raises", "failed with ValueError: two lines (line "),
        ("short", "returned 2 rows of x, word"),
        ("renamed", "rows of y, word: they must agree"),
        ("nothing", "returned NoneType, not a DataFrame"),
        ("words", "returned what column 'x' cannot hold"),
        ("endless", "returned inf, too large for column 'x'"),
        ("numbers", "returned what column 'word' cannot hold"),
        ("leaves", "failed with SystemExit: 0"),
        ("huge", "returned what column 'x' cannot hold"),
        ("imaginary", "returned what column 'x' cannot hold"),
        ("moments", "returned what column 'x' cannot hold"),
        ("unknown", "has no function 'unknown'"),
        ("NOT_CALLABLE", "has no function 'NOT_CALLABLE'"),
    ],
)
def test_what_goes_wrong_in_the_function_is_one_line(name: str, message: str, source: Path, tmp_path: Path) -> None:
    with pytest.raises(NoiseError) as caught:
        augment(source, recipe(name), tmp_path / "o.csv", allow_code=True)
    assert f"{__name__}:{name}" in str(caught.value)
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.csv"]


@pytest.mark.parametrize(
    "function", ["nowhere:at_all", "broken:f", "leaving:f", "json:dumps.x", "numpy:add", "math:sqrt"]
)
def test_functions_that_cannot_be_used(
    function: str, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "broken.py").write_text("1 / 0")
    (tmp_path / "lib" / "leaving.py").write_text("raise SystemExit(0)")
    monkeypatch.syspath_prepend(tmp_path / "lib")
    with pytest.raises(NoiseError):
        augment(source, recipe("", function=function), tmp_path / "o.csv", allow_code=True)
    assert not (tmp_path / "o.csv").exists()


def test_no_code_runs_unless_that_is_allowed(source: Path, tmp_path: Path, command: Callable[..., Any]) -> None:
    mark = tmp_path / "ran"
    (tmp_path / "spy.py").write_text(f"open({str(mark)!r}, 'w')\ndef f(rows, rng):\n    return rows\n")
    body = json.dumps(recipe("", function="spy:f"))
    (tmp_path / "recipe.yaml").write_text(body)
    refused = command("augment", source, "-r", tmp_path / "recipe.yaml", "-o", tmp_path / "o.csv")
    assert refused.code == 2
    assert "--allow-code" in refused.err
    assert command("validate", tmp_path / "recipe.yaml", source).code == 0
    assert not mark.exists()
    with pytest.raises(UsageProblem):
        augment(source, tmp_path / "recipe.yaml", tmp_path / "o.csv")
    swept = {**recipe("watch"), "sweep": {"steps.custom.function": [f"{__name__}:watch", "spy:f"]}}
    with pytest.raises(UsageProblem):
        augment(source, swept, tmp_path / "o")


def test_the_manifest_records_the_source_and_replay_wants_it(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "lib" / "damage_of_mine.py"
    own.parent.mkdir()
    own.write_text("def f(rows, rng):\n    return rows.assign(x=rng.normal(size=len(rows)))\n")
    monkeypatch.syspath_prepend(own.parent)
    done = augment(source, recipe("", function="damage_of_mine:f"), tmp_path / "o.csv", allow_code=True, truth=True)
    assert list(done.manifest.code) == ["damage_of_mine:f"]
    assert any("a replay depends on it" in line for line in done.manifest.warnings)
    with pytest.raises(UsageProblem, match="allow-code"):
        replay(done.output, source, tmp_path / "again.csv")
    again, *differences = replay(done.output, source, tmp_path / "again.csv", allow_code=True)
    assert differences == [[], []]
    assert again.output.read_bytes() == done.output.read_bytes()
    own.write_text(own.read_text() + "# a change\n")
    with pytest.raises(DataProblem, match="its source is not the one"):
        replay(done.output, source, tmp_path / "third.csv", allow_code=True)


@pytest.mark.parametrize("key", ["exact", "decimals"])
def test_keys_without_a_meaning_are_refused(key: str, source: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeProblem, match=f"takes no '{key}'"):
        augment(source, recipe("watch", **{key: 1}), tmp_path / "o.csv", allow_code=True)
