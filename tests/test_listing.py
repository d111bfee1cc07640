"""Lists of files that are too long for a manifest: they stand beside it, and everything works as if they were in it."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from noisecli import manifest as manifests
from noisecli.errors import DataProblem, UsageProblem
from noisecli.manifest import FILES, beside, describe, path_for, read
from noisecli.run import augment

Command = Callable[..., Any]
Recipe = Callable[..., Path]
Tree = Callable[[Path], dict[str, bytes]]

COLUMNS = ["role", "path", "input", "copy", "sha256", "bytes", "rows", "content", "carried", "drawn", "why"]
STEP = "op: missing, columns: y, rate: 0.5"
TABLES = {"noisecli": 1, "seed": 3, "on_error": "skip", "steps": [{"op": "missing", "columns": "y", "rate": 0.5}]}
IMAGES = {"noisecli": 1, "seed": 3, "steps": [{"op": "cutout", "rate": 0.5}, {"op": "brightness", "severity": 2}]}


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    """Three tables, of which one has rows that do not fit, and a file that is carried."""
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.csv", "b.csv", "é.csv"):
        (folder / name).write_bytes(b"x,y\n" + b"".join(b"%d,word%d\n" % (i, i) for i in range(40)))
    with (folder / "b.csv").open("ab") as file:
        file.write(b"1,2,3\n")
    (folder / "notes.txt").write_text("mine")
    return folder


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let few files be too many."""
    monkeypatch.setattr(manifests, "MOST_LISTED", 3)


@pytest.fixture
def out(tables: Path, tmp_path: Path, short: None) -> Path:
    return augment(tables, TABLES, tmp_path / "out" / "noisy").output


def list_of(output: Path) -> Path:
    return beside(output, FILES)


@pytest.mark.parametrize(("most", "elsewhere"), [(9, False), (8, True)])
def test_the_limit_counts_inputs_outputs_and_skipped(
    tables: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int, elsewhere: bool
) -> None:
    monkeypatch.setattr(manifests, "MOST_LISTED", most)
    done = augment(tables, TABLES, tmp_path / "out")
    assert list_of(done.output).exists() == elsewhere
    document = json.loads(done.manifest_path.read_bytes())
    assert [len(document[key]) for key in ("inputs", "outputs", "skipped")] == ([0, 0, 0] if elsewhere else [4, 4, 1])
    assert ("files" in document) == elsewhere


@pytest.mark.parametrize("kind", ["tables", "images"])
def test_it_holds_what_the_manifest_would_hold(
    tables: Path, sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    source, recipe = (tables, TABLES) if kind == "tables" else (sample / "images", IMAGES)
    usual = augment(source, recipe, tmp_path / "usual")
    monkeypatch.setattr(manifests, "MOST_LISTED", 3)
    done = augment(source, recipe, tmp_path / "listed")
    again = read(done.manifest_path)
    assert again.files == done.manifest.files == describe(list_of(done.output))
    for manifest in (again, done.manifest):
        assert manifest.model_copy(update={"files": None}).to_bytes() == usual.manifest_path.read_bytes()


def test_its_columns_are_those_of_the_documentation(sample: Path, tmp_path: Path, short: None) -> None:
    done = augment(sample / "images", IMAGES, tmp_path / "out")
    table = pq.read_table(list_of(done.output))
    assert table.column_names == COLUMNS
    rows = table.to_pylist()
    assert [row["role"] for row in rows] == ["input"] * len(done.manifest.inputs) + ["output"] * len(
        done.manifest.outputs
    )
    last = max(i for i, entry in enumerate(done.manifest.outputs) if entry.drawn)
    entry = asdict(done.manifest.outputs[last])
    row = rows[len(done.manifest.inputs) + last]
    assert json.loads(row.pop("drawn")) == json.loads(json.dumps(entry.pop("drawn")))
    assert row == {"role": "output", "why": None, "copy": entry.pop("copy_number"), **entry}


def test_skipped_rows_have_their_reason(out: Path) -> None:
    rows = [row for row in pq.read_table(list_of(out)).to_pylist() if row["role"] == "skipped"]
    assert [(row["path"], row["why"]) for row in rows] == [(e["path"], e["why"]) for e in read(path_for(out)).skipped]
    assert rows[0]["path"] == "b.csv"


def test_two_runs_write_the_same_bytes(sample: Path, tmp_path: Path, tree: Tree, short: None) -> None:
    for workers in (1, 2):
        augment(sample / "images", IMAGES, tmp_path / f"{workers}" / "out", workers=workers)
    assert tree(tmp_path / "1") == tree(tmp_path / "2")
    assert list_of(tmp_path / "1" / "out").exists()


def test_verify_and_replay_read_it(out: Path, tables: Path, tmp_path: Path, command: Command, tree: Tree) -> None:
    result = command("verify", out, "--input", tables)
    assert (result.code, result.out) == (0, "4 files are what the manifest says\n")
    assert command("replay", out, "--input", tables, "-o", tmp_path / "again" / "noisy", "-q").code == 0
    assert tree(out.parent) == tree(tmp_path / "again")
    (out / "a.csv").write_bytes(b"x,y\n")
    (out / "stranger.csv").write_bytes(b"x,y\n")
    (out / "notes.txt").unlink()
    result = command("verify", out)
    assert (result.code, len(result.errors)) == (4, 3)
    (tables / "a.csv").write_bytes(b"x,y\n")
    assert "a.csv: differs" in command("replay", out, "--input", tables, "-o", tmp_path / "third", "-q").err


def test_facts_read_it(out: Path, tables: Path, tmp_path: Path, command: Command, recipe: Recipe) -> None:
    path = recipe(STEP, facts=out, on_error="skip", seed=3)
    assert command("augment", tables, "-r", path, "-o", tmp_path / "pinned", "-q").code == 0
    assert (tmp_path / "pinned" / "a.csv").read_bytes() == (out / "a.csv").read_bytes()


def test_force_knows_whose_files_they_are(
    out: Path, tables: Path, tmp_path: Path, tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    augment(tables, TABLES, out, force=True)
    (out / "mine.txt").write_text("mine")
    before = tree(tmp_path)
    with pytest.raises(UsageProblem, match=r"mine\.txt: not made by noisecli"):
        augment(tables, TABLES, out, force=True)
    assert tree(tmp_path) == before
    (out / "mine.txt").unlink()
    monkeypatch.undo()
    augment(tables, TABLES, out, force=True)
    assert not list_of(out).exists()


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (lambda path: path.unlink(), "missing"),
        (lambda path: path.write_bytes(path.read_bytes() + b"!"), "differs from what the manifest says"),
        (lambda path: path.write_bytes(b""), "differs from what the manifest says"),
    ],
)
def test_a_missing_or_altered_list_is_one_clear_line(
    out: Path,
    tables: Path,
    tmp_path: Path,
    tree: Tree,
    command: Command,
    recipe: Recipe,
    harm: Callable[[Path], object],
    says: str,
) -> None:
    harm(list_of(out))
    plain, pinned = recipe(STEP), tmp_path / "pinned.yaml"
    pinned.write_text(plain.read_text() + f"facts: {out}\n")
    before = tree(tmp_path)
    for code, *arguments in (
        (4, "verify", out),
        (3, "replay", out, "--input", tables, "-o", tmp_path / "again", "-q"),
        (3, "augment", tables, "-r", pinned, "-o", tmp_path / "again", "-q"),
        (3, "augment", tables, "-r", plain, "-o", out, "-q", "--force"),
    ):
        result = command(*arguments)
        assert (result.code, len(result.err.splitlines())) == (code, 1), result.err
        assert result.err.startswith(f"error: {list_of(out)}: {says}")
        assert tree(tmp_path) == before


def forge(output: Path, change: Callable[[pa.Table], pa.Table | bytes]) -> None:
    """Change a list, and let the manifest say that it is the right one."""
    path = list_of(output)
    changed = change(pq.read_table(path))
    document = json.loads(path_for(output).read_bytes())
    if isinstance(changed, bytes):
        path.write_bytes(changed)
        sha, size = manifests.digest(path)
        document["files"] = {"sha256": sha, "bytes": size, "rows": 9}
    else:
        pq.write_table(changed, path, compression="none")
        document["files"] = describe(path).model_dump()
    path_for(output).write_text(json.dumps(document))


def with_cell(column: str, value: Any, row: int = 0) -> Callable[[pa.Table], pa.Table]:
    """Put a value into a column, in a row that is an output if there are 4 inputs before it."""

    def change(table: pa.Table) -> pa.Table:
        rows = table.to_pylist()
        rows[row][column] = value
        return pa.Table.from_pylist(rows, table.schema)

    return change


def with_torn_pages(table: pa.Table) -> bytes:
    """Leave the footer as it is, and tear up what it speaks of."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    raw: bytes = sink.getvalue().to_pybytes()
    return raw[:4] + b"\xff" * 40 + raw[44:]


def without(role: str) -> Callable[[pa.Table], pa.Table]:
    return lambda table: table.filter(pa.array([name != role for name in table["role"].to_pylist()]))


@pytest.mark.parametrize(
    "change",
    [
        with_cell("path", "../secret.csv"),
        with_cell("path", "a/../../secret.csv", 4),
        with_cell("path", "/etc/passwd", 4),
        with_cell("path", "", 4),
        with_cell("path", "a\0b", 4),
        with_cell("sha256", "not hex", 4),
        with_cell("sha256", None),
        with_cell("bytes", None, 4),
        with_cell("copy", 1),
        with_cell("copy", None, 4),
        with_cell("why", "because"),
        with_cell("drawn", "{", 4),
        with_cell("drawn", "3", 4),
        with_cell("drawn", "[" * 100_000, 4),
        with_cell("role", "other"),
        with_cell("role", "output"),
        without("output"),
        lambda table: table.slice(0, 0),
        lambda table: table.drop_columns(["why"]),
        lambda table: table.append_column("more", table["path"]),
        lambda table: table.set_column(5, "bytes", table["bytes"].cast(pa.float64())),
        lambda table: table.set_column(1, pa.field("path", pa.binary(), nullable=False), table["path"].cast("binary")),
        lambda table: b"",
        lambda table: b"PAR1 is all that is right with it PAR1",
        with_torn_pages,
    ],
)
@pytest.mark.parametrize("verb", ["verify", "replay"])
def test_a_hostile_list_is_refused(
    out: Path, tables: Path, tmp_path: Path, tree: Tree, command: Command, change: Callable[..., Any], verb: str
) -> None:
    forge(out, change)
    before = tree(tmp_path)
    extra = [] if verb == "verify" else ["--input", tables, "-o", tmp_path / "again", "-q"]
    result = command(verb, out, *extra)
    assert result.code == 3, result.err
    assert len(result.err.splitlines()) == 1
    assert result.err.startswith(f"error: {list_of(out)}: not a list of files: ")
    assert tree(tmp_path) == before


def test_text_that_is_none_is_refused(out: Path) -> None:
    forge(out, lambda table: table)
    raw = list_of(out).read_bytes()
    forge(out, lambda table: raw.replace("é".encode(), b"\xff\xff"))
    with pytest.raises(DataProblem, match="not a list of files"):
        read(path_for(out))


@pytest.mark.parametrize(
    ("most", "changes"),
    [
        (3, {"files": None}),
        (3, {"skipped": [{"path": "a", "why": "b"}]}),
        (99, {"outputs": []}),
        (99, {"files": {"sha256": "0" * 64, "bytes": 1, "rows": 1}}),
    ],
)
def test_a_manifest_has_its_lists_in_one_place(
    tables: Path,
    tmp_path: Path,
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
    most: int,
    changes: dict[str, Any],
) -> None:
    monkeypatch.setattr(manifests, "MOST_LISTED", most)
    out = augment(tables, TABLES, tmp_path / "out").output
    path_for(out).write_text(json.dumps({**json.loads(path_for(out).read_bytes()), **changes}))
    result = command("verify", out)
    assert (result.code, len(result.err.splitlines())) == (3, 1)
    assert "out.noisecli.json: not a manifest" in result.err


def test_more_than_10_000_files(tmp_path: Path, command: Command, recipe: Recipe) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.csv").write_bytes(b"x,y\n" + b"1,a\n" * 40)
    for i in range(5_000):
        (folder / f"{i}.txt").write_bytes(b"%d" % i)
    done = command("augment", folder, "-r", recipe(STEP), "-o", tmp_path / "out", "-q", "--workers", 1)
    assert (done.code, done.err) == (0, "")
    assert path_for(tmp_path / "out").stat().st_size < 10_000
    assert pq.read_metadata(list_of(tmp_path / "out")).num_rows == 10_002
    assert command("verify", tmp_path / "out", "--input", folder).out == "5001 files are what the manifest says\n"
