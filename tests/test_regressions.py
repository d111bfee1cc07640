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

from noisecli.errors import DataProblem, RecipeProblem, UsageProblem
from noisecli.formats import csv as csv_format
from noisecli.run import augment, inspect
from noisecli.splice import splice

MISSING = {"op": "missing", "columns": "x", "rate": 0.5}


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


@pytest.mark.parametrize("data", [b"x,y\r1,a\r2,b\r", b"x,y\r1,a\n2,b\n", b"x\r1\r", b"x,y\r" + b"1,a\r" * 700_000])
def test_lines_that_end_in_cr_alone_are_named(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "in.csv").write_bytes(data)
    with pytest.raises(DataProblem, match=r"in\.csv: its lines end in CR alone.*LF"):
        augment(tmp_path / "in.csv", recipe(MISSING), tmp_path / "out.csv")


def test_a_header_that_opens_a_quote_says_so_whatever_the_line_ends(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_bytes(b'x,"y\r\n1,a\r\n2,b\r\n')
    with pytest.raises(DataProblem, match="opens a quote that never ends"):
        augment(tmp_path / "in.csv", recipe(MISSING), tmp_path / "out.csv")


def test_a_cr_in_a_quoted_name_is_no_line_end(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_bytes(b'"a\rb",x\r\n1,2\r\n')
    augment(tmp_path / "in.csv", recipe({**MISSING, "rate": 1}), tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_bytes() == b'"a\rb",x\r\n1,\r\n'


def test_names_in_faults_are_cut_and_stay_on_one_line(tmp_path: Path) -> None:
    names = ["n" * 5_000, '"two\nlines"', "x" * 200]
    (tmp_path / "in.csv").write_text(",".join(names) + "\n1,2,3\n")
    for wrong in ("nope", "x" * 199):
        with pytest.raises(RecipeProblem) as caught:
            augment(tmp_path / "in.csv", recipe({**MISSING, "columns": wrong}), tmp_path / "out.csv")
        assert len(str(caught.value).splitlines()) == 1
        assert len(str(caught.value)) < 400


@pytest.mark.parametrize("head", [{"copies": 1, "keep_original": True}, {"copies": 2}])
def test_a_folder_named_like_a_copy_is_refused_before_the_run(tmp_path: Path, table: Path, head: Any) -> None:
    folder = tmp_path / "in"
    (folder / "a__c1.csv").mkdir(parents=True)
    shutil.copy(table, folder / "a.csv")
    shutil.copy(table, folder / "a__c1.csv" / "b.csv")
    with pytest.raises(UsageProblem, match=r"^a__c1\.csv: is there already, and copy 1 of a\.csv would"):
        inspect(folder, recipe(MISSING, layout="merged", **head))
    augment(folder, recipe(MISSING, **head), tmp_path / "out")


def test_files_named_like_copies_keep_a_name_each(tmp_path: Path, table: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.csv", "a__c1.csv"):
        shutil.copy(table, folder / name)
    done = augment(folder, recipe(MISSING, layout="merged", copies=2), tmp_path / "out")
    made = {entry.path: entry.input for entry in done.manifest.outputs}
    assert made == {
        "a__c1.csv": "a.csv",
        "a__c2.csv": "a.csv",
        "a__c1__c1.csv": "a__c1.csv",
        "a__c1__c2.csv": "a__c1.csv",
    }


@pytest.mark.parametrize("null", [" NA", "-\t", " "])
def test_a_null_spelling_that_no_cell_can_have_is_a_fault(table: Path, tmp_path: Path, null: str) -> None:
    with pytest.raises(RecipeProblem, match=r"data\.null_values\.1: .*blanks around a cell"):
        augment(table, recipe(MISSING, data={"null_values": ["-", null]}), tmp_path / "out.csv")


@pytest.mark.parametrize(
    "head", [{"copies": 2}, {"keep_original": True}, {"sweep": {"steps.missing.rate": [0.1, 0.2]}}]
)
def test_several_copies_into_a_pipe_are_refused_before_anything_is_read(
    tmp_path: Path, command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, head: Any
) -> None:
    (tmp_path / "recipe.json").write_text(json.dumps(recipe(MISSING, **head)))
    monkeypatch.setattr("sys.stdin", None)
    done = command("augment", "-", "-r", tmp_path / "recipe.json", "-o", "-")
    assert (done.code, done.out) == (2, "")
    assert done.errors == ["error: -: the recipe makes several copies, and one pipe carries one: name a folder"]


@pytest.mark.parametrize("name", ["in.parquet", "in.csv.gz", "folder"])
def test_a_pipe_carries_nothing_but_csv(tmp_path: Path, command: Callable[..., Any], name: str) -> None:
    (tmp_path / "recipe.json").write_text(json.dumps(recipe(MISSING)))
    source = tmp_path / name
    if name == "folder":
        source.mkdir()
    else:
        source.write_bytes(b"")
    done = command("augment", source, "-r", tmp_path / "recipe.json", "-o", "-")
    assert done.code == 2
    assert done.errors == [f"error: -: a pipe carries one plain CSV file, and {source} is none: name an output"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["augment", "nope.csv", "-o", "out.csv"], 2),
        (["augment", "in.csv"], 2),
        (["augment", "cr.csv", "-o", "o.csv"], 3),
    ],
)
def test_a_failure_is_json_too(
    table: Path, tmp_path: Path, command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, arguments: Any, code: int
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("cr.csv").write_bytes(b"x\r1\r")
    Path("recipe.json").write_text(json.dumps(recipe(MISSING)))
    done = command(*arguments, "-r", "recipe.json", "--json")
    assert done.code == code
    assert done.json["exit"] == code
    assert done.errors == [f"error: {done.json['error']}"]
    assert command(*arguments, "-r", "recipe.json").out == ""


def test_a_failed_verify_prints_one_object(table: Path, tmp_path: Path, command: Callable[..., Any]) -> None:
    augment(table, recipe(MISSING), tmp_path / "out.csv")
    (tmp_path / "out.csv").write_text("edited")
    done = command("verify", tmp_path / "out.csv", "--json")
    assert done.code == 4
    assert done.json["ok"] is False


@pytest.fixture
def mixed(tmp_path: Path, table: Path, sample: Path) -> Path:
    """A folder of a table and an image."""
    folder = tmp_path / "mixed"
    folder.mkdir()
    shutil.copy(table, folder / "a.csv")
    shutil.copy(next((sample / "images" / "train").rglob("*.jpg")), folder / "b.jpg")
    return folder


@pytest.mark.parametrize(
    "steps",
    [
        [{"op": "gaussian_noise"}],
        [{"op": "typo", "columns": "y"}, {"op": "cutout"}],
    ],
)
def test_a_folder_of_both_asks_for_a_target(mixed: Path, tmp_path: Path, steps: Any) -> None:
    with pytest.raises(RecipeProblem) as caught:
        augment(mixed, recipe(*steps), tmp_path / "out")
    assert str(caught.value) == ("recipe: the input holds tables and images: add `target: table` or `target: images`")


@pytest.mark.parametrize(
    ("step", "struck"),
    [
        ({"op": "missing", "columns": "x"}, "a.csv"),
        ({"op": "gaussian_noise", "columns": "x", "unit": "absolute", "sigma": 9}, "a.csv"),
        ({"op": "cutout", "rate": 1}, "b.jpg"),
        ({"op": "gaussian_noise", "scale": "none"}, "b.jpg"),
    ],
)
def test_a_folder_of_both_needs_no_target_where_the_steps_tell(
    mixed: Path, tmp_path: Path, step: Any, struck: str
) -> None:
    done = augment(mixed, recipe(step), tmp_path / "out")
    assert [entry.path for entry in done.manifest.outputs if not entry.carried] == [struck]


def test_an_unknown_op_is_named_in_a_folder_of_both_too(mixed: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeProblem, match="unknown op 'typpo'"):
        augment(mixed, recipe({"op": "typpo"}), tmp_path / "out")


def test_a_fault_about_columns_names_the_file(tmp_path: Path, table: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    shutil.copy(table, folder / "a.csv")
    (folder / "b.csv").write_text("y,z\n1,2\n")
    with pytest.raises(RecipeProblem, match=r"no column 'nope' in a\.csv"):
        augment(folder, recipe({**MISSING, "columns": "nope"}), tmp_path / "out")
    with pytest.raises(DataProblem, match=r"^b\.csv: .*'x'.*a\.csv"):
        augment(folder, recipe(MISSING), tmp_path / "out")


def test_what_arrow_takes_for_a_number_does_not_hang_on_its_neighbours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = {2_000: "inf", 8_000: "007", 14_000: "word"}
    path = tmp_path / "in.csv"
    path.write_text("x,y,z\n" + "".join(f"{odd.get(i, i % 7 + 0.5)},{i},{i}\n" for i in range(15_000)))
    steps = (
        {"op": "missing", "columns": "y", "rate": 1, "where": {"x": {"gt": 5}}},
        {"op": "missing", "id": "mar", "columns": "z", "mechanism": {"mar": {"columns": "x"}}, "rate": 0.5},
        {"op": "sign_flip", "columns": "z", "mechanism": {"clustered": "x"}, "rate": 0.5},
    )
    outputs = []
    for size in (1 << 20, 1 << 14):
        monkeypatch.setattr(csv_format, "SLAB_BYTES", size)
        outputs.append(augment(path, recipe(*steps), tmp_path / f"{size}.csv", workers=1).output.read_text())
    assert outputs[0] == outputs[1]
    rows = outputs[0].splitlines()[1:]
    assert [rows[i].split(",")[1] for i in odd] == [str(i) for i in odd]


def test_what_is_no_number_is_no_category_of_a_column_of_integers(tmp_path: Path) -> None:
    cells = [str(i % 3) for i in range(1_000)]
    cells[5], cells[500] = "word", "inf"
    (tmp_path / "in.csv").write_text("x,y\n" + "".join(f"{cell},1\n" for cell in cells))
    step = {"op": "label_flip", "columns": "x", "kind": "pair", "rate": 1}
    after = augment(tmp_path / "in.csv", recipe(step), tmp_path / "out.csv").output.read_text().splitlines()[1:]
    pairs = {(old, row.split(",")[0]) for old, row in zip(cells, after, strict=True)}
    assert pairs == {("0", "1"), ("1", "2"), ("2", "0"), ("word", "word"), ("inf", "inf")}


@pytest.mark.parametrize("format", ["csv", "parquet"])
def test_the_commonest_of_numbers_that_are_no_categories_is_a_fact_of_the_manifest(tmp_path: Path, format: str) -> None:
    source, out = tmp_path / f"in.{format}", tmp_path / f"out.{format}"
    if format == "csv":
        source.write_text("x,y\n" + "".join(f"{cell},1\n" for cell in ("2.50", "1", "1.00", "1e0", "2.5", "7", "8.0")))
    else:
        pq.write_table(pa.table({"x": [2.5, 1.0, 1.0, float("nan"), float("nan"), float("nan"), 1.0]}), source)
    step = {"op": "constant", "columns": "x", "value": "mode", "rate": 1}
    augment(source, recipe(step), out)
    assert json.loads(Path(f"{out}.noisecli.json").read_text())["facts"]["columns"]["x"]["mode"] == 1
    again = augment(source, recipe(step, facts=f"{out}.noisecli.json"), tmp_path / f"again.{format}").output
    assert again.read_bytes() == out.read_bytes()


@pytest.mark.parametrize("unit", ["iqr", "range"])
def test_numbers_whose_difference_is_no_float_have_a_range_and_quartiles(tmp_path: Path, unit: str) -> None:
    cells = [-1.7e308, -1.7e308, 1.7e308, 1.7e308, 1.7e308]
    pq.write_table(pa.table({"x": cells}), tmp_path / "in.parquet")
    steps = [
        {"op": "gaussian_noise", "columns": "x", "unit": unit, "sigma": 0},
        {"op": "outlier", "columns": "x", "rate": 1, "kind": "iqr" if unit == "iqr" else "extreme"},
    ]
    augment(tmp_path / "in.parquet", recipe(steps[0]), tmp_path / "clean.parquet")
    assert pq.read_table(tmp_path / "clean.parquet")["x"].to_pylist() == cells
    augment(tmp_path / "in.parquet", recipe(steps[1]), tmp_path / "out.parquet")
    largest = float(np.finfo(np.float64).max)
    assert set(pq.read_table(tmp_path / "out.parquet")["x"].to_pylist()) == {-largest, largest}


def test_integers_are_one_group_however_they_are_written(tmp_path: Path) -> None:
    spelt = [("7", "+7"), ("0", "-0"), ("12", "+12"), ("-5", "-5")]
    (tmp_path / "in.csv").write_text("g,x\n" + "".join(f"{one},1\n{other},1\n" for one, other in spelt))
    for seed in range(8):
        step = {**MISSING, "mechanism": {"clustered": "g"}}
        out = augment(tmp_path / "in.csv", recipe(step) | {"seed": seed}, tmp_path / f"{seed}.csv").output
        cells = [row.split(",")[1] for row in out.read_text().splitlines()[1:]]
        assert cells[::2] == cells[1::2]


def test_a_set_of_labels_with_a_separator_too_many_does_not_lose_its_only_label(tmp_path: Path) -> None:
    cells = ["a|", "|b", "a||", "b|a"] * 50
    pq.write_table(pa.table({"x": cells}), tmp_path / "in.parquet")
    step = {"op": "multilabel", "columns": "x", "separator": "|", "add": 0, "drop": 1, "rate": 1}
    out = augment(tmp_path / "in.parquet", recipe(step), tmp_path / "out.parquet").output
    assert set(pq.read_table(out)["x"].to_pylist()) == {"a|", "|b", "a||", "a", "b"}


@pytest.mark.parametrize(("asked", "hit"), [({"gt": 2**53}, 14_999), (2**53 + 1, 14_998)])
def test_integers_are_compared_exactly_beside_one_that_64_bits_cannot_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: Any, hit: int
) -> None:
    odd = {2_000: "9007199254740992", 14_000: "9" * 20}
    path = tmp_path / "in.csv"
    path.write_text("x,y\n" + "".join(f"{odd.get(i, 2**53 + 1)},1\n" for i in range(15_000)))
    step = {"op": "missing", "columns": "y", "rate": 1, "where": {"x": asked}}
    for size in (1 << 20, 1 << 14):
        monkeypatch.setattr(csv_format, "SLAB_BYTES", size)
        out = augment(path, recipe(step), tmp_path / f"{size}.csv", workers=1).output
        assert sum(row.endswith(",") for row in out.read_text().splitlines()) == hit
