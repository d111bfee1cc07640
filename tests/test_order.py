"""Rows that come out elsewhere in their file: op shuffle, and duplicates at random places."""

import gzip
import json
import re
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

import noisecli
from noisecli.errors import SystemProblem
from noisecli.formats import arranged, jsonl
from noisecli.formats import csv as csv_format
from noisecli.formats.digest import Content
from noisecli.manifest import TRUTH
from noisecli.run import execute
from noisecli.streams import BLOCK

Command = Callable[..., Any]
Tree = Callable[[Path], dict[str, bytes]]

SHUFFLE = {"op": "shuffle"}
ELSEWHERE = {"op": "duplicate", "rate": 0.3, "place": "random"}


def a_recipe(*steps: dict[str, Any], **head: Any) -> dict[str, Any]:
    return {"noisecli": 1, "seed": 3, **head, "steps": list(steps or [SHUFFLE])}


def numbers_of(path: Path, column: str = "n") -> list[int]:
    if path.suffix == ".parquet":
        return pq.read_table(path)[column].to_pylist()
    if path.suffix == ".feather":
        return pa.feather.read_table(path)[column].to_pylist()
    return pd.read_csv(path)[column].tolist()


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Path]:
    """Run some steps on a file and give the output."""

    def call(source: Path, *steps: dict[str, Any], workers: int = 1, truth: bool = False, **head: Any) -> Path:
        folder = tmp_path / f"run-{len(list(tmp_path.glob('run-*')))}"
        recipe = a_recipe(*steps, **head)
        return noisecli.augment(source, recipe, folder / source.name, workers=workers, truth=truth).output

    return call


@pytest.fixture
def counted(tmp_path: Path) -> Callable[..., Path]:
    """Write a table of so many numbered rows."""

    def write(rows: int, suffix: str = ".csv", **more: Any) -> Path:
        path = tmp_path / f"in{suffix}"
        table = pa.table({"n": np.arange(rows), **more})
        if suffix == ".csv":
            path.write_text(table.to_pandas().to_csv(index=False), encoding="utf-8")
        elif suffix == ".parquet":
            pq.write_table(table, path, row_group_size=1000)
        else:
            pa.feather.write_feather(table, path, chunksize=1000)
        return path

    return write


# ---------------------------------------------------------------------------------------------------------------- where


def chi_square_bound(freedom: int) -> float:
    """What a chi-square statistic exceeds once in 3.5 million times, if it were normal: five standard deviations."""
    return freedom + 5 * np.sqrt(2 * freedom)


def test_every_order_is_as_likely_as_any_other() -> None:
    """Each row at each place alike, and each of the 24 orders of four rows alike."""
    rows, copies = 12, 480
    recipe = a_recipe(copies=copies)
    orders = np.array([noisecli.corrupt(np.arange(rows), recipe, copy=copy + 1) for copy in range(copies)])
    found = np.array([np.bincount(orders[:, place], minlength=rows) for place in range(rows)])
    # Rows and columns of the counts add up, hence the factor: the variance of a permutation matrix's sums.
    statistic = ((found - copies / rows) ** 2).sum() / (copies / rows) * (rows - 1) / rows
    assert statistic < chi_square_bound((rows - 1) ** 2)
    among_four = Counter(tuple(order[order < 4]) for order in orders.tolist() for order in [np.array(order)])
    assert len(among_four) == 24
    assert sum((count - copies / 24) ** 2 for count in among_four.values()) / (copies / 24) < chi_square_bound(23)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_rows_go_anywhere_in_a_file_of_many_blocks(counted: Any, run: Any, suffix: str) -> None:
    rows = 3 * BLOCK + 123
    order = np.array(numbers_of(run(counted(rows, suffix))))
    assert sorted(order) == list(range(rows))
    bins = np.histogram2d(order, np.arange(rows), bins=20)[0]
    assert ((bins - rows / 400) ** 2).sum() / (rows / 400) < chi_square_bound(19 * 19)
    assert abs(np.corrcoef(order, np.arange(rows))[0, 1]) < 5 / np.sqrt(rows)


def test_clones_go_anywhere_and_originals_keep_their_order(counted: Any, run: Any) -> None:
    rows = 2 * BLOCK
    output = run(counted(rows), {**ELSEWHERE, "clones": 2}, truth=True)
    lines = [line for line in pq.read_table(f"{output}{TRUTH}").to_pylist() if line["column"] is None]
    order = numbers_of(output)
    assert all(order[line["output_row"]] == line["row"] for line in lines)
    originals = {line["output_row"]: line["row"] for line in lines if line["step"] is None}
    assert [originals[place] for place in sorted(originals)] == list(range(rows))
    clones = np.array([(line["output_row"], line["row"]) for line in lines if line["step"] == "duplicate"])
    assert len(clones) == len(order) - rows > rows / 2
    places = np.histogram(clones[:, 0], bins=50, range=(0, len(order)))[0]
    assert ((places - len(clones) / 50) ** 2).sum() / (len(clones) / 50) < chi_square_bound(49)
    assert abs(np.corrcoef(clones.T)[0, 1]) < 5 / np.sqrt(len(clones))


def test_a_lower_rate_moves_fewer_rows_to_about_the_same_places(counted: Any, run: Any) -> None:
    source = counted(4000)
    before: set[int] = set()
    shares: dict[int, float] = {}
    for rate in (0.1, 0.4):
        output = run(source, {**SHUFFLE, "rate": rate})
        order = numbers_of(output)
        kept = longest_rise(order)
        moved = set(range(4000)) - kept
        assert abs(len(moved) - rate * 4000) < 5 * np.sqrt(4000 * rate)
        assert len(before - moved) < 30  # a row may have moved between its neighbours
        for row in before & moved:
            assert abs(order.index(row) / 4000 - shares[row]) < 0.1
        before, shares = moved, {row: order.index(row) / 4000 for row in moved}


def longest_rise(order: list[int]) -> set[int]:
    """A longest subset of rows that come out in their own order (patience sorting)."""
    tops: list[int] = []
    below: dict[int, int | None] = {}
    for row in order:
        pile = int(np.searchsorted(tops, row))
        below[row] = tops[pile - 1] if pile else None
        tops[pile : pile + 1] = [row]
    found, row = set(), tops[-1] if tops else None
    while row is not None:
        found.add(row)
        row = below[row]
    return found


def test_held_out_rows_keep_their_order_and_all_their_cells(counted: Any, run: Any) -> None:
    split = ["train", "val", "test"] * 500
    source = counted(1500, split=split)
    output = run(source, data={"split": "split"})
    table = pd.read_csv(output)
    assert table.loc[table.split != "train", "n"].tolist() == [n for n in range(1500) if n % 3]
    assert table.loc[table.split == "train", "n"].tolist() != list(range(0, 1500, 3))
    assert Counter(output.read_bytes().splitlines()) == Counter(source.read_bytes().splitlines())


def test_where_chooses_the_rows_that_move(counted: Any, run: Any) -> None:
    order = numbers_of(run(counted(900), {**SHUFFLE, "where": {"n": {"ge": 600}}}))
    assert [n for n in order if n < 600] == list(range(600))
    assert min(order.index(n) for n in range(600, 900)) < 100


def test_files_of_a_folder_keep_their_rows_and_have_orders_of_their_own(tmp_path: Path) -> None:
    for name, first in (("a.csv", 0), ("deep/b.csv", 1000), ("test/c.csv", 2000)):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("n\n" + "".join(f"{first + i}\n" for i in range(300)), encoding="utf-8")
    output = noisecli.augment(tmp_path / "in", a_recipe(), tmp_path / "out", workers=1).output
    one, two = numbers_of(output / "a.csv"), numbers_of(output / "deep/b.csv")
    assert sorted(one) == list(range(300))
    assert sorted(two) == list(range(1000, 1300))
    assert one != [n - 1000 for n in two]
    assert numbers_of(output / "test/c.csv") == list(range(2000, 2300))


# ----------------------------------------------------------------------------------------------------------- same bytes


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A table of more than a block, in several formats."""
    folder = tmp_path_factory.mktemp("big")
    rows = [{"n": i, "name": f"row, \u00e9 {i % 97}\n" * (i % 3), "x": i / 8} for i in range(17_000)]
    frame = pd.DataFrame(rows)
    frame.to_csv(folder / "in.csv", index=False)
    (folder / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    table = pa.Table.from_pandas(frame)
    table = table.append_column("code", table["name"].dictionary_encode())
    pq.write_table(table, folder / "in.parquet", row_group_size=1500)
    pa.feather.write_feather(table, folder / "in.feather", chunksize=1500)
    return {path.suffix: path for path in folder.iterdir()}


STEPS = [
    {"op": "gaussian_noise", "columns": "x", "sigma": 1},
    {"op": "duplicate", "rate": 0.2, "place": "random", "errors": 2, "columns": ["x", "name"]},
    {"op": "shuffle", "rate": 0.5},
]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet", ".feather"])
def test_neither_workers_nor_cuts_show(
    big: dict[str, Path], tmp_path: Path, tree: Tree, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    def written(name: str, workers: int = 1) -> dict[str, bytes]:
        recipe = a_recipe(*STEPS, copies=2)
        noisecli.augment(big[suffix], recipe, tmp_path / name / "out", truth=True, workers=workers)
        return tree(tmp_path / name)

    usual = written("usual")
    assert written("two", workers=2) == usual
    cuts = [(60_000, 1, 700, 40_000), (300_007, 3, 5_000, 1_000_003), (1 << 30, 8, 10**6, 1 << 30)]
    for slab, task_slabs, piece, piece_bytes in cuts if suffix in (".csv", ".parquet") else cuts[:1]:
        monkeypatch.setattr(csv_format, "SLAB_BYTES", slab)
        monkeypatch.setattr(jsonl, "SLAB_BYTES", slab)
        monkeypatch.setattr(execute, "TASK_SLABS", task_slabs)
        monkeypatch.setattr(arranged, "PIECE", piece)
        monkeypatch.setattr(arranged, "PIECE_BYTES", piece_bytes)
        assert written(f"cut-{slab}") == usual


def test_verify_and_replay(big: dict[str, Path], tmp_path: Path, command: Command, tree: Tree) -> None:
    for suffix in (".csv", ".parquet"):
        first = noisecli.augment(big[suffix], a_recipe(*STEPS), tmp_path / f"out{suffix}", truth=True).output
        assert command("verify", first, "--input", big[suffix]).code == 0
        again = tmp_path / f"again{suffix}"
        assert command("replay", first, "--input", big[suffix], "-o", again, "-q").code == 0
        for beside in ("", ".noisecli.json", TRUTH):
            assert Path(f"{again}{beside}").read_bytes() == Path(f"{first}{beside}").read_bytes()


def test_other_steps_and_their_strikes_stay(counted: Any, run: Any) -> None:
    source = counted(3000, x=np.arange(3000) / 10)
    noise = {"op": "gaussian_noise", "columns": "x"}
    alone = pd.read_csv(run(source, noise))
    together = pd.read_csv(run(source, noise, SHUFFLE))
    assert not together.equals(alone)
    assert together.sort_values("n", ignore_index=True).equals(alone)
    assert numbers_of(run(source)) == together["n"].tolist()


@pytest.mark.parametrize("kind", ["arrow", "pandas", "numpy"])
def test_in_memory_as_in_files(counted: Any, run: Any, kind: str) -> None:
    source = counted(2 * BLOCK, ".parquet", x=np.arange(2.0 * BLOCK))
    steps = [{"op": "gaussian_noise", "columns": "all"}, {**ELSEWHERE, "rate": 0.1}, {**SHUFFLE, "rate": 0.4}]
    expected = pq.read_table(run(source, *steps, seed=8, data={"id": "n"}))
    recipe = {**a_recipe(*steps, data={"id": "n"}), "seed": 8}
    table = pq.read_table(source)
    if kind == "arrow":
        assert noisecli.corrupt(table, recipe).equals(expected)
    elif kind == "pandas":
        noisy = noisecli.corrupt(table.to_pandas(), recipe)
        assert noisy.index.tolist() == noisy["n"].tolist() == expected["n"].to_pylist()
        assert noisy["x"].tolist() == expected["x"].to_pylist()
    else:
        array = np.column_stack([table["n"].to_numpy(), table["x"].to_numpy()]).astype(float)
        noisy = noisecli.corrupt(array, {**recipe, "data": {"id": "#1"}})
        assert noisy[:, 0].tolist() == expected["n"].to_pylist()


def test_a_frame_whose_labels_must_be_unique_can_be_shuffled() -> None:
    frame = pd.DataFrame({"n": range(50)}, index=[f"row {n}" for n in range(50)])
    frame.flags.allows_duplicate_labels = False
    noisy = noisecli.corrupt(frame, a_recipe())
    assert noisy.index.tolist() == [f"row {n}" for n in noisy["n"]]
    assert noisy["n"].tolist() != list(range(50))
    with pytest.raises(noisecli.NoiseError, match="duplicate labels"):
        noisecli.corrupt(frame, a_recipe({"op": "duplicate", "rate": 1}))


# ----------------------------------------------------------------------------------------------------------------- text


ROW = rb'(?:"(?:[^"]|"")*"|[^"\n])*\n'
TEXTS: dict[str, tuple[str, bytes, bytes, bytes, dict[str, Any]]] = {
    "plain": (".csv", b"a,b\n", b"".join(b"%d,x\n" % i for i in range(50)), b"", {}),
    "crlf": (".csv", b"a,b\r\n", b"".join(b"%d,x\r\n" % i for i in range(50)), b"", {}),
    "mixed ends": (".csv", b"a,b\r\n", b"".join(b"%d,x%s\n" % (i, b"\r" * (i % 2)) for i in range(50)), b"", {}),
    "no last end": (".csv", b"a,b\r\n", b"".join(b"%d,x\r\n" % i for i in range(50))[:-2], b"", {}),
    "quotes": (".csv", b'"a\n1",b\n', b"".join(b'%d,"x\n""%d"",\r\n"\n' % (i, i) for i in range(50)), b"", {}),
    "stray quotes": (".csv", b"a,b\n", b"".join(b'%d,5" wide\n' % i for i in range(50)), b"", {}),
    "bom": (".csv", b"\xef\xbb\xbfa;b\n", b"".join(b"%d;x\n" % i for i in range(50)), b"", {}),
    "blank lines": (".csv", b"a,b\n", b"".join(b"%d,x\n" % i for i in range(50)), b"\n\n", {}),
    "no header": (".csv", b"", b"".join(b"%d,x\n" % i for i in range(50)), b"", {"header": False}),
    "one column": (".csv", b"a\n", b"".join(b"%s\n" % (b"%d" % i) * (i % 4) for i in range(50)) + b"\n\n", b"", {}),
    "ragged": (".csv", b"a,b\n", b"1\n2,3,4\n\n" + b"".join(b"%d,x\n" % i for i in range(50)), b"", {}),
    "latin-1": (".csv", b"\xe9,b\n", b"".join(b"%d,\xfc\n" % i for i in range(50)), b"", {"encoding": "latin-1"}),
    "json": (".jsonl", b"", b"".join(b'{"a": %d}\n' % i for i in range(50)), b"", {}),
    "json, loose": (".jsonl", b"\xef\xbb\xbf", b"".join(b'{"a": %d}\r\n' % i for i in range(50)), b"\r\n \n", {}),
    "json, no last end": (".ndjson", b"", b"".join(b'{"a": "%d"}\n' % i for i in range(50))[:-1], b"", {}),
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", TEXTS)
def test_every_byte_of_a_text_file_is_there(run: Any, tmp_path: Path, name: str, packed: bool) -> None:
    suffix, header, rows, tail, data = TEXTS[name]
    source = tmp_path / f"in{suffix}{'.gz' * packed}"
    whole = header + rows + tail
    source.write_bytes(gzip.compress(whole) if packed else whole)
    output = run(source, data=data, on_error="skip").read_bytes()
    noisy = gzip.decompress(output) if packed else output
    assert noisy.startswith(header)
    assert noisy.endswith(tail)
    ended = rows.endswith(b"\n")
    line_end = b"" if ended else b"\r\n" if b"\r" in header else b"\n"
    body = noisy[len(header) : len(noisy) - len(tail)]
    assert body.endswith(b"\n") == ended
    row = rb".*\n" if name == "stray quotes" else ROW
    before, after = (re.findall(row, text + line_end) for text in (rows, body))
    assert Counter(after) == Counter(before)
    assert after != before
    assert b"".join(after) == body + line_end


def test_a_last_row_without_line_end_leaves_no_trace_where_it_is_dropped(run: Any, tmp_path: Path) -> None:
    """The row that is last then may end in LF, where the header ends in CRLF."""
    source = tmp_path / "in.csv"
    source.write_bytes(b"a,b\r\n1,x\n2,y\n3,z")
    gone = {"op": "drop", "rate": 1, "where": {"a": 3}}
    assert run(source, gone).read_bytes() == b"a,b\r\n1,x\n2,y"
    assert sorted(run(source, gone, SHUFFLE).read_bytes().splitlines()) == [b"1,x", b"2,y", b"a,b"]


def test_blank_lines_go_with_the_object_that_follows(run: Any, tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_bytes(b"".join(b'\n \n{"a": %d}\n' % i for i in range(9)))
    assert re.fullmatch(rb'(\n \n{"a": \d}\n)+', run(source).read_bytes())


def test_changed_cells_go_with_their_rows(run: Any, counted: Any) -> None:
    source = counted(500, x=np.arange(500) * 2)
    table = pd.read_csv(run(source, {"op": "sign_flip", "columns": "x", "rate": 1}, SHUFFLE))
    assert (table["x"] == -2 * table["n"]).all()


# ---------------------------------------------------------------------------------------------------------------- Arrow


def every_kind(rows: int) -> pa.Table:
    """Columns of all sorts that tell their row."""
    numbers = list(range(rows))
    struct = pa.array([{"a": i, "b": [str(i)] * (i % 3)} for i in numbers])
    return pa.table(
        {
            "n": numbers,
            "text": pa.array([None if i % 7 == 0 else f"é{i}" * (i % 5) for i in numbers]),
            "view": pa.array([str(i) for i in numbers], pa.string_view()),
            "code": pa.array([f"c{i % 40}" for i in numbers]).dictionary_encode(),
            "wide": pa.array([f"w{i}" for i in numbers]).dictionary_encode(),
            "bytes": pa.array([i.to_bytes(4) for i in numbers], pa.binary(4)),
            "decimal": pa.array([Decimal(i) / 100 for i in numbers], pa.decimal128(12, 2)),
            "when": pa.array(numbers, pa.timestamp("us", "Asia/Kolkata")),
            "flag": pa.array([i % 2 == 0 for i in numbers]),
            "struct": struct,
            "list": pa.array([[i] * (i % 4) if i % 5 else None for i in numbers]),
            "map": pa.array([[(str(i), i)] for i in numbers], pa.map_(pa.string(), pa.int64())),
            "nothing": pa.nulls(rows),
        },
        metadata={"about": "rows"},
    )


def in_order(table: pa.Table, order: list[int]) -> list[Any]:
    """The rows of a table; pyarrow itself cannot take some types."""
    rows = table.to_pylist()
    return [rows[i] for i in order]


@pytest.mark.parametrize("piece_bytes", [1 << 25, 3000])
def test_parquet_keeps_its_manner(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece_bytes: int) -> None:
    monkeypatch.setattr(arranged, "PIECE_BYTES", piece_bytes)
    source, clean = tmp_path / "in.parquet", every_kind(1000)
    with pq.ParquetWriter(
        source, clean.schema, compression={"n": "zstd"}, sorting_columns=[pq.SortingColumn(0)]
    ) as writer:
        for start, stop in ((0, 300), (300, 310), (310, 700), (700, 1000)):
            writer.write_table(clean.slice(start, stop - start))
    output = run(source)
    noisy = pq.read_table(output)
    assert noisy.schema.equals(pq.read_schema(source), check_metadata=True)
    order = noisy["n"].to_pylist()
    assert order != sorted(order)
    assert noisy.to_pylist() == in_order(clean, order)
    old, new = pq.read_metadata(source), pq.read_metadata(output)
    groups = range(4)
    assert (
        [new.row_group(i).num_rows for i in groups]
        == [old.row_group(i).num_rows for i in groups]
        == [300, 10, 390, 300]
    )
    assert new.row_group(0).column(0).compression == "ZSTD"
    assert new.row_group(0).sorting_columns == ()
    assert old.row_group(0).sorting_columns != ()
    # A row group of the output has no more values in its dictionaries than rows need, where they differed.
    wide = pq.ParquetFile(output).read_row_group(1)["wide"].chunk(0)
    assert len(wide.dictionary) <= 1000
    manifest = json.loads(output.with_name(f"{output.name}.noisecli.json").read_text())
    content = Content(noisy.schema)
    content.feed(noisy)
    assert manifest["outputs"][0]["content"] == content.hexdigest()


def test_dictionaries_that_differ_by_row_group_do_not_pile_up(run: Any, tmp_path: Path) -> None:
    words = pa.array([f"word {i}" for i in range(4000)])
    schema = pa.schema({"n": pa.int64(), "word": pa.dictionary(pa.int16(), pa.string())})
    with pq.ParquetWriter(tmp_path / "in.parquet", schema) as writer:
        for start in range(0, 4000, 100):
            piece = words.slice(start, 100).dictionary_encode().cast(schema.field("word").type)
            writer.write_table(pa.table([pa.array(range(start, start + 100)), piece], schema=schema))
    output = run(tmp_path / "in.parquet")
    file = pq.ParquetFile(output)
    assert file.schema_arrow == schema
    for i in range(file.num_row_groups):
        group = file.read_row_group(i)
        assert group["word"].to_pylist() == [f"word {n}" for n in group["n"].to_pylist()]
        assert len(group["word"].chunk(0).dictionary) == 100
    assert output.stat().st_size < 3 * (tmp_path / "in.parquet").stat().st_size


def test_categories_keep_their_order_and_those_without_rows(run: Any, tmp_path: Path) -> None:
    codes = pd.Categorical(["b", "c"] * 50, categories=["d", "c", "b", "a"], ordered=True)
    frame = pd.DataFrame({"n": range(100), "code": codes})
    frame.to_parquet(tmp_path / "in.parquet", row_group_size=30)
    frame.to_feather(tmp_path / "in.feather")
    for suffix, read in ((".parquet", pd.read_parquet), (".feather", pd.read_feather)):
        noisy = read(run(tmp_path / f"in{suffix}"))
        assert noisy["code"].cat.categories.tolist() == read(tmp_path / f"in{suffix}")["code"].cat.categories.tolist()
        assert noisy["code"].cat.ordered
        assert noisy["code"].tolist() == ["bc"[n % 2] for n in noisy["n"]]


def test_narrow_dictionaries_that_a_row_group_outgrows(run: Any, tmp_path: Path) -> None:
    """Each row group has a hundred values of its own; a shuffled one of all would need more indices than int8 has."""
    schema = pa.schema({"n": pa.int64(), "word": pa.dictionary(pa.int8(), pa.string())})
    with pq.ParquetWriter(tmp_path / "in.parquet", schema) as writer:
        for start in range(0, 800, 400):
            words = pa.array([f"{start} {i % 100}" for i in range(400)]).dictionary_encode()
            piece = words.cast(schema.field("word").type)
            writer.write_table(pa.table([pa.array(range(start, start + 400)), piece], schema=schema))
    table = pq.read_table(run(tmp_path / "in.parquet"))
    assert table["word"].to_pylist() == [f"{n // 400 * 400} {n % 100}" for n in table["n"].to_pylist()]


@pytest.mark.parametrize("compression", ["uncompressed", "zstd"])
def test_feather_of_several_batches(run: Any, tmp_path: Path, compression: str) -> None:
    source, clean = tmp_path / "in.feather", every_kind(1000)
    pa.feather.write_feather(clean, source, chunksize=300, compression=compression)
    output = run(source, {"op": "missing", "columns": "code", "rate": 0.3}, SHUFFLE)
    with pa.ipc.open_file(source) as before, pa.ipc.open_file(output) as after:
        assert after.schema.equals(before.schema, check_metadata=True)
        sizes = [after.get_batch(i).num_rows for i in range(after.num_record_batches)]
        assert sizes == [before.get_batch(i).num_rows for i in range(before.num_record_batches)] == [300, 300, 300, 100]
    noisy = pa.feather.read_table(output)
    order = noisy["n"].to_pylist()
    assert order != sorted(order)
    others = [name for name in clean.column_names if name != "code"]
    assert noisy.select(others).to_pylist() == in_order(clean.select(others), order)
    assert 200 < noisy["code"].null_count < 400
    assert pc.all(pc.or_kleene(pc.is_null(noisy["code"]), pc.equal(noisy["code"], clean["code"].take(order)))).as_py()


# ---------------------------------------------------------------------------------------------------------------- edges


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".feather"])
def test_one_row_is_carried(counted: Any, run: Any, suffix: str) -> None:
    source = counted(1, suffix)
    assert run(source, truth=True).read_bytes() == source.read_bytes()


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".feather"])
def test_no_row_is_left(counted: Any, run: Any, suffix: str) -> None:
    output = run(counted(50, suffix), {"op": "drop", "rate": 1}, SHUFFLE, ELSEWHERE, truth=True)
    assert numbers_of(output) == []


def test_a_table_without_rows(counted: Any, run: Any, command: Command, recipe: Any, tmp_path: Path) -> None:
    source = counted(0, ".parquet")
    assert numbers_of(run(source)) == []
    (tmp_path / "header.csv").write_text("a,b\n")
    done = command("augment", tmp_path / "header.csv", "-r", recipe("op: shuffle"), "-o", tmp_path / "out.csv")
    assert done.code == 3
    assert len(done.errors) == 1
    assert "no rows" in done.errors[0]


def test_several_steps_each_send_rows_elsewhere(counted: Any, run: Any) -> None:
    steps = [{"op": "duplicate", "id": f"d{i}", "place": place, "clones": 2, "rate": 0.2}
             for i, place in enumerate(["random", "adjacent", "random"])]  # fmt: skip
    order = numbers_of(run(counted(700), *steps, {**SHUFFLE, "rate": 0.1}, {"op": "drop", "rate": 0.1}))
    assert 700 < len(order) < 3000
    adjacent = numbers_of(run(counted(700), SHUFFLE, {"op": "duplicate", "rate": 1, "clones": 2}))
    assert adjacent[0::3] == adjacent[1::3] == adjacent[2::3]
    assert adjacent[0::3] == numbers_of(run(counted(700)))


def test_sweeps_copies_and_the_merged_layout(counted: Any, tmp_path: Path) -> None:
    recipe = a_recipe(copies=2, layout="merged", keep_original=True, sweep={"steps.shuffle.rate": [0, 0.5, 1]})
    output = noisecli.augment(counted(400), recipe, tmp_path / "out", workers=1, truth=True).output
    orders = {}
    for rate, copy in product(("0", "0.5", "1"), range(3)):
        orders[rate, copy] = numbers_of(output / f"shuffle.rate={rate}" / f"in__c{copy}.csv")
        assert sorted(orders[rate, copy]) == list(range(400))
        assert (orders[rate, copy] == list(range(400))) == (rate == "0" or copy == 0)
    assert orders["1", 1] != orders["1", 2]


def test_nothing_is_left_in_the_way_of_a_full_disk(
    counted: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)
    source = counted(100)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(SystemProblem, match="the disk is full"):
        noisecli.augment(source, a_recipe(), tmp_path / "out" / "out.csv")
    assert sorted(tmp_path.iterdir()) == before


def test_it_does_not_warn_and_counts_what_moved(counted: Any, run: Any) -> None:
    output = run(counted(400), {**SHUFFLE, "rate": 0.25})
    manifest = json.loads(output.with_name(f"{output.name}.noisecli.json").read_text())
    assert manifest["warnings"] == []
    (counts,) = manifest["steps"][0]["columns"].values()
    assert counts["struck"] == counts["changed"] > 50


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".parquet", ".feather"])
def test_a_dry_run_says_what_is_put_aside(
    counted: Any, command: Command, recipe: Any, tmp_path: Path, suffix: str
) -> None:
    source = counted(5000, suffix.removesuffix(".gz"), x=np.arange(5000.0))
    size = source.stat().st_size
    if suffix == ".csv.gz":
        packed = source.with_name("in.csv.gz")
        packed.write_bytes(gzip.compress(source.read_bytes()))
        source = packed
    output = tmp_path / f"out{suffix}"
    for step, expected in (("op: shuffle", size + 24 * 5000), ("op: drop", 0), ("op: shuffle, rate: 0", 0)):
        done = command("augment", source, "-r", recipe(step), "-o", output, "--dry-run", "--json")
        assert abs(done.json["spill"] - expected) <= 0.3 * expected
    shown = command("augment", source, "-r", recipe("op: shuffle"), "-o", output, "--dry-run").out
    assert re.search(r"^spill     about (17|20)[0-9] kB at a time", shown, re.MULTILINE)
    assert not output.exists()
