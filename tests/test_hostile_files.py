"""Tables, names and manifests that mean harm: what fuzzing and thinking found, each refused in one line or harmless."""

import json
import os
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noisecli import listing, manifest
from noisecli.errors import DataProblem, NoiseError, SystemProblem, UsageProblem
from noisecli.formats import csv
from noisecli.formats.cells import QUOTE, cut
from noisecli.manifest import path_for, recipe_digest, verify
from noisecli.run import augment, replay

Command = Callable[..., Any]
Recipe = Callable[..., Path]
Tree = Callable[[Path], dict[str, bytes]]

RECIPE = {"noisecli": 1, "seed": 1, "steps": [{"op": "missing", "columns": "y", "rate": 0.5}]}
TABLE = pa.table({"x": range(20), "y": [f"text {i}" for i in range(20)]})
CSV = "x,y\n" + "1,a\n2,b\n" * 10


def refusal(path: Path, data: bytes) -> str:
    """What is said of a file with these bytes; nothing else may be there afterwards."""
    path.write_bytes(data)
    with pytest.raises(DataProblem) as caught:
        augment(path, RECIPE, path.parent / "out" / path.name)
    assert [other.name for other in path.parent.iterdir()] == [path.name]
    return str(caught.value)


# ---------------------------------------------------------------------------------------------------------------- Arrow


def arrow(path: Path, table: pa.Table, **how: Any) -> bytes:
    with pa.ipc.new_file(path, table.schema, options=pa.ipc.IpcWriteOptions(**how)) as writer:
        writer.write_table(table)
    return path.read_bytes()


def test_a_claim_of_more_bytes_than_there_is_memory(tmp_path: Path) -> None:
    data = arrow(tmp_path / "a.arrow", pa.table({"y": range(1_000)}), compression="zstd")
    claim = (8_000).to_bytes(8, "little")  # what a compressed buffer says of itself
    assert claim in data
    said = refusal(tmp_path / "a.arrow", data.replace(claim, (1 << 50).to_bytes(8, "little")))
    assert "a.arrow: record batch 0 cannot be read: it asks for 1,125,899,906,842,624 bytes of memory at once" in said


@pytest.mark.parametrize("name", ["outside_", "inside__"])
def test_names_of_columns_that_are_no_text(tmp_path: Path, name: str) -> None:
    table = pa.table({"y": [1], "outside_": [1], "s": [{"inside__": 1}]})
    data = arrow(tmp_path / "a.arrow", table).replace(name.encode(), b"\xd8" * 8)
    assert "a.arrow: the footer cannot be read: 'utf-8' codec can't decode" in refusal(tmp_path / "a.arrow", data)


def test_a_column_of_nothing_at_all(tmp_path: Path) -> None:
    table = pa.table({"y": ["a", "b"], "s": pa.array([{}, None], pa.struct([]))})
    arrow(tmp_path / "a.arrow", table)
    out = augment(tmp_path / "a.arrow", RECIPE, tmp_path / "out.arrow").output
    assert pa.ipc.open_file(out).read_all()["s"].to_pylist() == [{}, None]


def test_what_lies_under_a_null_leads_nowhere(tmp_path: Path) -> None:
    """Arrow's validation lets it be, and its cast of views follows it out of the file's memory."""
    good, loose = struct.pack("<i12s", 3, b"abc"), struct.pack("<iiii", 1 << 20, 0, 7, 1 << 30)
    buffers = [pa.py_buffer(b"\x05"), pa.py_buffer(good + loose + good), pa.py_buffer(b"x" * 40)]
    cells = pa.Array.from_buffers(pa.string_view(), 3, buffers)
    source = tmp_path / "a.arrow"
    arrow(source, pa.table({"v": cells, "y": ["a", "b", "c"]}))
    data = source.read_bytes()
    zeros = struct.pack("<iiii", 0, 0, 0, 0)
    assert data.count(loose) + data.count(good + zeros + good) == 1
    source.write_bytes(data.replace(good + zeros + good, good + loose + good))
    for columns in ("y", "v"):
        out = tmp_path / f"{columns}.arrow"
        augment(source, {**RECIPE, "steps": [{"op": "missing", "columns": columns, "rate": 1e-9}]}, out)
        assert pa.ipc.open_file(out).read_all()["v"].to_pylist() == ["abc", None, "abc"]


def test_what_lies_under_a_nested_null_leads_nowhere(tmp_path: Path) -> None:
    """Where it is followed the process ends, so this runs in another one."""
    good, mark = (struct.pack("<i12s", len(text), text) for text in (b"abc", b"marked place"))
    loose = struct.pack("<iiii", -5, 0, -(1 << 28), -(1 << 30))
    views = pa.Array.from_buffers(pa.string_view(), 2, [pa.py_buffer(b"\x02"), pa.py_buffer(mark + good)])
    first, one, ends = pa.array([0, 1], pa.int32()), pa.array([1, 1], pa.int32()), pa.array([0, 1, 2], pa.int32())
    table = {
        "struct": pa.StructArray.from_arrays([views], ["v"]),
        "list": pa.ListArray.from_arrays(ends, pa.StructArray.from_arrays([views], ["v"])),
        "list_view": pa.ListViewArray.from_arrays(first, one, views),
        "dictionary": pa.ListArray.from_arrays(ends, pa.DictionaryArray.from_arrays(first, views)),
    }
    expected = pa.table(table).to_pydict()
    data = arrow(tmp_path / "a.arrow", pa.table(table))
    assert data.count(mark) == len(table)
    (tmp_path / "a.arrow").write_bytes(data.replace(mark, loose))
    (tmp_path / "r.json").write_text(json.dumps({**RECIPE, "steps": [{"op": "shuffle"}]}))
    command = [sys.executable, "-m", "noisecli", "augment", "a.arrow", "-r", "r.json", "-o", "out.arrow", "-q"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    made = pa.ipc.open_file(tmp_path / "out.arrow").read_all().to_pydict()
    assert all(sorted(map(str, made[name])) == sorted(map(str, cells)) for name, cells in expected.items())


# -------------------------------------------------------------------------------------------------------------- Parquet


def parquet(path: Path, old: bytes, new: bytes, **how: Any) -> bytes:
    """A table whose footer holds something else."""
    pq.write_table(TABLE, path, store_schema=False, **how)
    data = path.read_bytes()
    assert data.count(old) == 1
    return data.replace(old, new)


def test_a_codec_that_there_is_not(tmp_path: Path) -> None:
    """To ask pyarrow for its name ends the process, so this runs in another one."""
    path = b"\x19\x18\x01x\x15"  # in Thrift: that of the column, and then its codec
    data = parquet(tmp_path / "a.parquet", path + b"\x04", path + b"\x5c", compression="gzip")
    (tmp_path / "a.parquet").write_bytes(data)
    (tmp_path / "r.json").write_text(json.dumps(RECIPE))
    command = [sys.executable, "-m", "noisecli", "augment", "a.parquet", "-r", "r.json", "-o", "out.parquet", "-q"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, len(done.stderr.splitlines())) == (3, 1), done.stderr
    assert done.stderr.startswith("error: a.parquet: row group 0 cannot be read: ")
    assert not (tmp_path / "out.parquet").exists()


def test_a_struct_goes_missing_whose_fields_may_not(tmp_path: Path) -> None:
    type_ = pa.struct([pa.field("l", pa.list_(pa.int64()), nullable=False)])
    pq.write_table(pa.table({"y": pa.array([{"l": [i]} for i in range(20)], type_)}), tmp_path / "a.parquet")
    out = augment(tmp_path / "a.parquet", RECIPE, tmp_path / "out.parquet").output
    assert pq.read_table(out)["y"].null_count > 0


def test_sorted_by_a_column_that_there_is_not(tmp_path: Path) -> None:
    data = parquet(
        tmp_path / "a.parquet", b"\x15\x02\x12\x12\x00", b"\x15\x40\x12\x12\x00", sorting_columns=[pq.SortingColumn(1)]
    )
    assert "sorted by a column that it does not have" in refusal(tmp_path / "a.parquet", data)


# ------------------------------------------------------------------------------------------------------------------ CSV


def test_formulas_are_left_as_they_are(tmp_path: Path) -> None:
    cells = ["=cmd|' /C calc'!A0", "@SUM(A1)", "+1", "-1", "\t=1"]
    (tmp_path / "a.csv").write_text("x,y\n" + "".join(f"{cell},a\n" for cell in cells))
    out = augment(tmp_path / "a.csv", RECIPE, tmp_path / "out.csv").output
    assert [line.rpartition(",")[0] for line in out.read_text().splitlines()[1:]] == cells


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"x,y\n1,a\n2," + b"z" * (17 << 20) + b"\n", "a.csv: a row after row 1 is over 16 MB"),
        (b"x,y\n1,a\n2,\"" + b"z\n" * (9 << 20), "a.csv: a row after row 1 is over 16 MB"),
        (b"x,y\n1,\"a\n2,b\n", "a.csv: a quote opened in or after row 1 never ends"),
        (b",".join(b"c%d" % i for i in range(1_000_000)) + b"\n1\n", "a.csv: the first row is over 2 MB, or a quote"),
        (b"x,y\n1,\"" + b"\"\"" * 9_000 + b"\n2,b\n", "a.csv: a quote opened in or after row 1 never ends"),
        (b"x,y\n1,a\n\0\n", "a.csv: not a UTF-8 text file (it holds NUL bytes)"),
    ],
    ids=["long", "long-in-quotes", "unterminated", "a-million-columns", "quotes", "nul"],
)  # fmt: skip
def test_hostile_csv(tmp_path: Path, data: bytes, says: str) -> None:
    assert says in refusal(tmp_path / "a.csv", data)


def test_a_long_row_is_not_looked_at_again_and_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    monkeypatch.setattr(csv, "SLAB_BYTES", 1_000)
    monkeypatch.setattr(csv, "cut", lambda data, delimiter: seen.append(len(data)) or cut(data, delimiter))
    (tmp_path / "a.csv").write_text("x,y\n1," + "z" * 1_000_000 + "\n")
    augment(tmp_path / "a.csv", {**RECIPE, "steps": [{"op": "missing", "columns": "x"}]}, tmp_path / "out.csv")
    assert sum(seen) < 10_000_000


@given(st.lists(st.sampled_from([b'"', b'"', b",", b"\n", b"a"]), max_size=30).map(b"".join))
def test_quotes_anywhere_are_read_as_one_by_one(text: bytes) -> None:
    ends, inside, start, i = [], False, True, 0
    while i < len(text):
        if text[i] == QUOTE and inside and text[i + 1 : i + 2] == b'"':
            i += 1  # a doubled quote
        elif text[i] == QUOTE and (inside or start):
            inside = not inside
        elif text[i] in b",\n" and not inside:
            ends.append(i)
        start = text[i] in b",\n"
        i += 1
    assert cut(text, ",").ends.tolist() == ends


# ----------------------------------------------------------------------------------------------------------- long cells


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet", ".arrow"])
@pytest.mark.parametrize("op", ["typo", "misspell"])
def test_a_cell_too_long_for_steps_on_its_characters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, op: str
) -> None:
    """In passing each of its bytes may take 350."""
    monkeypatch.setattr("noisecli.engine.text.MOST_BYTES", 1_000)
    table = pa.table({"x": range(20), "y": ["some words"] * 17 + ["words" * 201] + ["more words"] * 2})
    source, steps = tmp_path / f"a{suffix}", [{"op": op, "columns": "y", "rate": 0.5}]
    match suffix:
        case ".csv":
            source.write_text("x,y\n" + "".join(f"{x},{y}\n" for x, y in zip(*table.to_pydict().values(), strict=True)))
        case ".jsonl":
            source.write_text("".join(f"{json.dumps(row)}\n" for row in table.to_pylist()))
        case ".parquet":
            pq.write_table(table, source)
        case ".arrow":
            arrow(source, table)
    with pytest.raises(DataProblem, match=f"a{suffix}: row 18: 'y' holds a text of 1,005 bytes, too long"):
        augment(source, {**RECIPE, "steps": steps}, tmp_path / "out" / source.name)
    assert not (tmp_path / "out").exists()
    augment(source, {**RECIPE, "steps": [{**steps[0], "where": {"x": {"ne": 17}}}]}, tmp_path / "out" / source.name)


@pytest.mark.parametrize("step", [{"op": "misspell", "columns": "y"}, {"op": "duplicate", "errors": 1}])
def test_how_much_text_is_worked_on_at_once_does_not_show(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: dict[str, Any]
) -> None:
    (tmp_path / "a.csv").write_text("y,z\n" + "".join(f"some words {i},née {i}\n" for i in range(99)))
    recipe, made = {**RECIPE, "steps": [{**step, "rate": 0.5}]}, []
    for size in (1 << 16, 20):
        monkeypatch.setattr("noisecli.text.PIECE_BYTES", size)
        made.append(augment(tmp_path / "a.csv", recipe, tmp_path / "out.csv", force=True).output.read_bytes())
    assert made[0] == made[1]


def test_values_that_are_too_long_are_no_categories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("noisecli.survey.column.MAX_CATEGORY_SIZE", 1_000)
    (tmp_path / "a.csv").write_text("x,y\n" + "".join(f"{i},{'ab'[i % 2] * 501}\n" for i in range(20)))
    with pytest.raises(NoiseError, match="column 'y' has values too many or too long to be categories"):
        augment(tmp_path / "a.csv", {**RECIPE, "steps": [{"op": "label_flip", "columns": "y"}]}, tmp_path / "out.csv")


# ---------------------------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize(("length", "layout"), [(255, "merged"), (250, "copies")])
def test_names_that_get_too_long(tmp_path: Path, tree: Tree, length: int, layout: str) -> None:
    source = tmp_path / ("in" if layout == "merged" else "a" * (length - 4) + ".csv")
    if layout == "merged":
        source.mkdir()
        (source / ("a" * (length - 4) + ".csv")).write_text(CSV)
    else:
        source.write_text(CSV)
    before = tree(tmp_path)
    with pytest.raises(UsageProblem, match="too long"):
        augment(
            source,
            {**RECIPE, "layout": layout, "copies": 2 if layout == "merged" else 1},
            tmp_path / "out" / source.name,
        )
    assert tree(tmp_path) == before


# ------------------------------------------------------------------------------------------------------------ manifests


@pytest.fixture
def run(tmp_path: Path) -> tuple[Path, Path]:
    """The input and the output of a run: folders with one table in each of two folders."""
    for name in ("one", "two"):
        (tmp_path / "in" / name).mkdir(parents=True)
        (tmp_path / "in" / name / "t.csv").write_text(CSV)
    return tmp_path / "in", augment(tmp_path / "in", RECIPE, tmp_path / "out").output


def edit(output: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change a manifest, with a digest that fits its recipe."""
    data = json.loads(path_for(output).read_bytes())
    change(data)
    data["recipe_sha256"] = recipe_digest(data["recipe"])
    path_for(output).write_text(json.dumps(data))


def test_a_folder_that_leads_out_of_the_output_is_none_of_it(run: tuple[Path, Path], tmp_path: Path) -> None:
    source, out = run
    for root, of in ((out, None), (source, source)):
        (root / "one").rename(tmp_path / "moved")
        (root / "one").symlink_to(tmp_path / "moved")
        assert any(f"{root / 'one' / 't.csv'}: missing" in fault for fault in verify(out, of)[1])
        (root / "one").unlink()
        (tmp_path / "moved").rename(root / "one")
    (out / "one").rename(out / "moved")
    (out / "one").symlink_to("moved")
    assert verify(out)[1] == [
        f"{out / 'moved' / 't.csv'}: is not in the manifest",
        f"{out / 'one'}: is not in the manifest",
    ]


def test_links_that_no_run_made_are_told(run: tuple[Path, Path], tmp_path: Path) -> None:
    _, out = run
    for name, target in {"round": "round", "up": "..", "gone": "nothing"}.items():
        (out / name).symlink_to(target)
    os.mkfifo(out / "pipe")
    (out / "two" / "t.csv").unlink()
    (out / "two" / "t.csv").symlink_to("t.csv")
    told = [f"{out / name}: is not in the manifest" for name in ("gone", "pipe", "round", "up")]
    assert verify(out)[1] == [f"{out / 'two' / 't.csv'}: missing", *told]
    with pytest.raises(UsageProblem, match="not made by noisecli, --force would delete it"):
        augment(run[0], RECIPE, out, force=True)


def test_a_package_without_a_name(run: tuple[Path, Path], tmp_path: Path) -> None:
    edit(run[1], lambda data: data["environment"].update({"": "1"}))
    with pytest.raises(SystemProblem, match="not installed here"):
        replay(run[1], run[0], tmp_path / "again")


def test_names_that_no_file_has(run: tuple[Path, Path]) -> None:
    edit(run[1], lambda data: data["outputs"][0].update(path="a" * 256))
    with pytest.raises(DataProblem, match="no name of more than 255 bytes"):
        verify(run[1])


def test_a_vast_manifest_is_not_read(run: tuple[Path, Path]) -> None:
    with path_for(run[1]).open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(DataProblem, match="bytes are too many"):
        verify(run[1])


def test_a_list_with_more_files_than_it_can_hold(run: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    source, out = run
    monkeypatch.setattr(manifest, "MOST_LISTED", 1)
    augment(source, RECIPE, out, force=True)
    companion = manifest.beside(out, manifest.FILES)
    lists = listing.read(companion)
    listing.write(companion, {**lists, "outputs": lists["outputs"] * 100_000})
    described = manifest.describe(companion)
    edit(out, lambda data: data.update(files=described.model_dump()))
    with pytest.raises(DataProblem, match="more files than so small a list can hold"):
        verify(out)


@pytest.fixture
def words(tmp_path: Path) -> tuple[Path, Path, Path]:
    """A run that reads a file of words, in a folder of its own: input, output and that file."""
    for name in ("data", "secret"):
        (tmp_path / name).mkdir()
    (tmp_path / "data" / "in.csv").write_text(CSV)
    (tmp_path / "secret" / "words.tsv").write_text("a\tb\nb\ta\n")
    step = {"op": "word_replace", "columns": "y", "table": str(tmp_path / "secret" / "words.tsv"), "rate": 1}
    out = augment(tmp_path / "data" / "in.csv", {**RECIPE, "steps": [step]}, tmp_path / "data" / "out.csv").output
    return tmp_path / "data" / "in.csv", out, tmp_path / "secret" / "words.tsv"


def test_a_manifest_cannot_have_files_read_from_anywhere(
    words: tuple[Path, Path, Path], command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, out, file = words
    arguments = ["replay", out, "--input", source, "-o", tmp_path / "again.csv", "-q"]
    refused = command(*arguments)
    assert (refused.code, len(refused.errors)) == (2, 1)
    assert f"{file}: the manifest names a file that is neither in its folder nor in this one" in refused.err
    assert not (tmp_path / "again.csv").exists()
    (out.parent / "link.tsv").symlink_to(file)
    edit(out, lambda data: data["recipe"]["steps"][0].update(table=str(out.parent / "link.tsv")))
    assert command(*arguments).code == 2
    edit(out, lambda data: data["recipe"]["steps"][0].update(table=str(file)))
    assert command(*arguments, "--allow-code").code == 0
    monkeypatch.chdir(file.parent)
    assert command(*arguments, "--force").code == 0


@pytest.mark.parametrize("kind", ["pipe", "other"])
def test_a_manifest_cannot_name_what_is_no_file_or_another(
    words: tuple[Path, Path, Path], tmp_path: Path, kind: str
) -> None:
    source, out, file = words
    file.unlink()
    os.mkfifo(file) if kind == "pipe" else file.write_text("a\tc\n")
    with pytest.raises(
        NoiseError, match="is no file" if kind == "pipe" else "is not the file that the manifest records"
    ):
        replay(out, source, tmp_path / "again.csv", allow_code=True)


def test_facts_that_a_recipe_in_a_manifest_names_are_not_read(run: tuple[Path, Path], tmp_path: Path) -> None:
    edit(run[1], lambda data: data["recipe"].update(facts=str(tmp_path / "nothing.noisecli.json")))
    assert replay(run[1], run[0], tmp_path / "again")[1:] == ([], [])


def test_code_that_a_manifest_names_is_not_looked_for(run: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "in" / "evil").mkdir()
    step = {"op": "custom", "function": "evil.module:run", "columns": ["y"], "id": "missing"}
    edit(run[1], lambda data: data["recipe"].update(steps=[step]))
    with pytest.raises(UsageProblem, match="--allow-code allows it"):
        replay(run[1], run[0], tmp_path / "again")
