"""Faults that were found once and must not come back."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noisecli.corruption import TextCorruption, registered
from noisecli.errors import DataProblem, UsageProblem
from noisecli.run import augment, inspect
from noisecli.splice import splice
from noisecli.streams import CounterDraws, scramble
from noisecli.text import Text

MISSING = {"op": "missing", "columns": "x", "rate": 0.5}
TEXT_OPS = [op for op in registered().values() if issubclass(op, TextCorruption)]


def recipe(*steps: dict[str, Any], **head: Any) -> dict[str, Any]:
    return {"noisecli": 1, "seed": 3, "steps": list(steps), **head}


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "in.csv"
    path.write_text("x,y\n" + "".join(f"{i}.5,word {i}\n" for i in range(200)))
    return path


def test_a_column_called_like_a_position_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text("a,#3,\n1,2,3\n")
    with pytest.raises(DataProblem, match="stands for a position"):
        augment(path, recipe({"op": "missing", "columns": "#3"}), tmp_path / "out.csv")


def test_overlapping_spans_are_refused() -> None:
    with pytest.raises(ValueError, match="overlap"):
        splice(pa.py_buffer(b"abcdef"), np.array([0, 2]), np.array([3, 4]), pa.array(["x", "y"]))


@pytest.mark.parametrize("rate", [{}, {"rate": 0.5}])
def test_severity_0_is_clean_whatever_the_rate(table: Path, tmp_path: Path, rate: dict[str, float]) -> None:
    step = {"op": "gaussian_noise", "columns": "x", "severity": 0, **rate}
    augment(table, recipe(step), tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_bytes() == table.read_bytes()


def test_a_severity_given_as_text_is_not_ignored(table: Path, tmp_path: Path) -> None:
    for name, severity in (("a.csv", 5), ("b.csv", "5")):
        augment(table, recipe({"op": "gaussian_noise", "columns": "x", "severity": severity}), tmp_path / name)
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def test_a_broken_image_among_many_is_named_and_leaves_nothing(tmp_path: Path, sample: Path) -> None:
    images = tmp_path / "images"
    for i in range(8):
        shutil.copytree(sample / "images" / "train", images / f"{i}")
    (images / "3" / "discs" / "discs_00.jpg").write_bytes(b"no picture")
    with pytest.raises(DataProblem, match=r"3/discs/discs_00\.jpg"):
        augment(images, recipe({"op": "gaussian_noise", "rate": 1}), tmp_path / "new" / "out", workers=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images"]


def test_an_interrupt_at_the_last_moment_keeps_the_old_output(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.csv"
    augment(table, recipe(MISSING), out)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    rename = Path.rename

    def interrupted(self: Path, target: Path) -> Path:
        if self.name == "data":
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        augment(table, recipe({**MISSING, "rate": 0.9}), out, force=True)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_force_does_not_delete_what_it_did_not_make(table: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    augment(table, recipe(MISSING, copies=2), out)
    (out / "notes.txt").write_text("mine")
    with pytest.raises(UsageProblem, match=r"notes\.txt"):
        augment(table, recipe(MISSING, copies=2), out, force=True)
    assert (out / "notes.txt").read_text() == "mine"


def test_a_parquet_file_without_row_groups_is_carried(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    schema = pa.schema([("x", pa.float64())])
    pq.ParquetWriter(folder / "empty.parquet", schema).close()
    pq.write_table(pa.table({"x": [1.0, 2.0, 3.0]}), folder / "full.parquet")
    done = augment(folder, recipe(MISSING), tmp_path / "out")
    assert [entry.path for entry in done.manifest.outputs] == ["empty.parquet", "full.parquet"]
    augment(folder / "empty.parquet", recipe(MISSING), tmp_path / "one.parquet")
    assert (tmp_path / "one.parquet").read_bytes() == (folder / "empty.parquet").read_bytes()


def test_clones_of_steps_with_like_names_differ(table: Path, tmp_path: Path) -> None:
    counts = []
    for ids in ("abc", ("duplicate-a", "duplicate-b", "duplicate-c")):
        steps = [{"op": "duplicate", "id": name, "rate": 0.5} for name in ids]
        augment(table, recipe(*steps), tmp_path / f"{ids[0]}.csv")
        rows = (tmp_path / f"{ids[0]}.csv").read_text().splitlines()[1:]
        counts.append({rows.count(row) for row in rows})
    # Independent strikes give every count from 1 to 8; equal ones leave gaps.
    assert all(len(found) >= 5 for found in counts)


@given(st.lists(st.text("ab \u200d\u0301é", max_size=6), min_size=1, max_size=5))
@pytest.mark.parametrize("op", TEXT_OPS, ids=lambda op: op.name)
def test_text_ops_see_one_row_at_a_time(op: type[TextCorruption], rows: list[str]) -> None:
    def edited(cells: list[str], keys: Any) -> list[str]:
        text = Text(pa.array(cells, pa.string()))
        words = text.words()
        words = words[op().can_edit(text, words)]
        draws = CounterDraws(scramble(keys[words.rows], words.ordinals))
        return list(text.replace(op().edit(text, words, draws), words.rows).to_pylist())

    keys = scramble(7, range(len(rows)))
    assert edited(rows, keys) == [edited([row], keys[i : i + 1])[0] for i, row in enumerate(rows)]


@pytest.mark.parametrize("type_", [pa.float16(), pa.duration("s"), pa.list_(pa.int64())])
def test_rare_types_can_be_made_missing(tmp_path: Path, type_: pa.DataType) -> None:
    values = [[1]] * 40 if pa.types.is_list(type_) else [1] * 40
    pq.write_table(pa.table({"x": pa.array(values, type_)}), tmp_path / "in.parquet")
    done = augment(tmp_path / "in.parquet", recipe(MISSING), tmp_path / "out.parquet")
    nulls = pq.read_table(tmp_path / "out.parquet")["x"].null_count
    assert nulls == done.manifest.steps[0].columns["x"]["changed"] > 0


def test_the_callers_recipe_is_left_alone(table: Path, tmp_path: Path) -> None:
    mine = recipe({"op": "gaussian_noise", "columns": "x", "severity": 1})
    before = json.dumps(mine)
    augment(table, mine, tmp_path / "out.csv", severity=3, overrides=[("copies", 1, "test")])
    assert json.dumps(mine) == before


@pytest.mark.parametrize("place", ["test/in.csv", "val"])
def test_an_input_inside_a_held_out_folder_is_refused(table: Path, tmp_path: Path, place: str) -> None:
    target = tmp_path / place
    target = target if target.suffix else target / "in.csv"
    target.parent.mkdir(parents=True)
    shutil.copy(table, target)
    with pytest.raises(UsageProblem, match="purpose: evaluate"):
        augment(tmp_path / place, recipe(MISSING), tmp_path / "out.csv")


def test_another_delimiter_is_found_out(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text("x;y\n1;2\n")
    augment(path, recipe({"op": "missing", "columns": "y", "rate": 1}), tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text() == "x;y\n1;\n"


@pytest.mark.parametrize("output", ["out.parquet", "-"])
def test_an_output_that_cannot_be_is_refused(table: Path, tmp_path: Path, output: str) -> None:
    with pytest.raises(UsageProblem):
        augment(table, recipe(MISSING), tmp_path / output)


def test_a_dry_run_sees_that_the_output_exists(table: Path, tmp_path: Path) -> None:
    (tmp_path / "out.csv").write_text("")
    with pytest.raises(UsageProblem, match="exists"):
        inspect(table, recipe(MISSING), output=tmp_path / "out.csv")


def test_an_edited_manifest_is_not_believed(table: Path, tmp_path: Path, command: Callable[..., Any]) -> None:
    manifest = augment(table, recipe(MISSING), tmp_path / "out.csv").manifest_path
    data = json.loads(manifest.read_text())
    for change in ({"seed": 4}, {"recipe": {**data["recipe"], "seed": 4}}):
        manifest.write_text(json.dumps({**data, **change}))
        assert command("verify", tmp_path / "out.csv").code == 3


def test_pinned_facts_keep_the_noise_when_rows_are_added(table: Path, tmp_path: Path) -> None:
    steps = ({"op": "gaussian_noise", "columns": "x"}, {"op": "label_flip", "columns": "y", "rate": 0.2})
    augment(table, recipe(*steps), tmp_path / "old.csv")
    old = (tmp_path / "old.csv").read_text().splitlines()
    table.write_text(table.read_text() + "".join(f"{i}.5,word {i % 9}\n" for i in range(5_000, 5_300)))
    free = augment(table, recipe(*steps), tmp_path / "free.csv")
    assert (tmp_path / "free.csv").read_text().splitlines()[: len(old)] != old
    pinned = augment(table, recipe(*steps, facts=str(tmp_path / "old.csv")), tmp_path / "new.csv")
    assert (tmp_path / "new.csv").read_text().splitlines()[: len(old)] == old
    assert str(tmp_path) not in pinned.manifest_path.read_text()
    assert free.manifest.facts != pinned.manifest.facts
