"""Wide, long and many: the sizes that data come in, and the names that people give to columns and files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from PIL import Image
from pyarrow import csv

from tests.test_memory import peak

Command = Callable[..., Any]
Recipe = Callable[..., Path]
Run = Callable[..., None]
Tree = Callable[[Path], dict[str, bytes]]

MOST = 500
"""MB that a run may hold with its two workers, whatever the size of the data."""

NOISE = "op: gaussian_noise, columns: x"


def sizes(small: int, large: int) -> pytest.MarkDecorator:
    """A small form for the suite, a large one for `make stress`."""
    return pytest.mark.parametrize("size", [small, pytest.param(large, marks=pytest.mark.stress)])


@pytest.fixture
def run(command: Command, recipe: Recipe) -> Run:
    """Strike an input in a process of its own, with its memory measured, and verify what comes out."""

    def call(source: Path, output: Path, *steps: str, **head: object) -> None:
        held = peak(source, recipe(*steps, **head), output, workers=2)
        assert held < MOST
        verified = command("verify", output, "--input", source)
        assert verified.code == 0, verified.err

    return call


def numbers(*shape: int) -> Any:
    return np.random.Generator(np.random.PCG64(1)).normal(70, 9, shape)


@sizes(small=300, large=30_000)
def test_300_columns(run: Run, tmp_path: Path, size: int) -> None:
    source, output = tmp_path / "wide.csv", tmp_path / "out.csv"
    rows = "".join(",".join(f"{cell:.2f}" for cell in row) + "\n" for row in numbers(100, 300))
    with source.open("w", encoding="utf-8") as file:
        file.write(",".join(f"sensor_{i}" for i in range(300)) + "\n")
        for _ in range(size // 100):
            file.write(rows)
    run(source, output, "op: gaussian_noise, columns: sensor_*", "op: missing, columns: sensor_7, rate: 0.1")
    before, after = csv.read_csv(source), csv.read_csv(output)
    assert (after.column_names, after.num_rows) == (before.column_names, size)
    assert all(after[name] != before[name] for name in after.column_names)
    assert [name for name in after.column_names if after[name].null_count] == ["sensor_7"]


@sizes(small=22_000, large=1_000_000)
def test_many_sentences(run: Run, tmp_path: Path, size: int) -> None:
    words = ["the", "quick", "Straße", "élève", "привет", "क्षत्रिय", "天気", "over", "lazy", "👍🏽"]
    sentences = [" ".join(words[(i * k) % 10] for k in range(1, 11)) for i in range(1000)]
    source, output = tmp_path / "text.csv", tmp_path / "out.csv"
    with source.open("w", encoding="utf-8") as file:
        file.write("text\n")
        for _ in range(size // 1000):
            file.write("\n".join(sentences) + "\n")
    steps = ("op: typo, columns: text, unit: char, rate: 0.05", "op: word_mask, columns: text, strategy: bert")
    run(source, output, *steps)
    lines = output.read_text(encoding="utf-8").splitlines()  # fails on what is no UTF-8
    assert len(lines) == size + 1
    assert sum(new != old for new, old in zip(lines[1:], sentences * (size // 1000), strict=True)) > 0.9 * size


@sizes(small=30_000, large=5_000_000)
def test_a_long_parquet_file(run: Run, tmp_path: Path, size: int) -> None:
    source, output = tmp_path / "long.parquet", tmp_path / "out.parquet"
    part = 10_000
    table = pa.table(
        {
            "id": pa.array(range(part)),
            "x": numbers(part),
            "name": [f"Zoë of Łódź {i % 977}" for i in range(part)],
            "label": ["yes", "no"] * (part // 2),
        }
    )
    pq.write_table(pa.concat_tables([table] * (size // part)), source)
    run(source, output, NOISE, "op: typo, columns: name, rate: 0.05", "op: label_flip, columns: label")
    for before, after in zip(row_groups(source), row_groups(output), strict=True):
        assert (after.schema, after.num_rows) == (before.schema, before.num_rows)
        assert [name for name in after.column_names if after[name] == before[name]] == ["id"]


def row_groups(path: Path) -> list[pa.Table]:
    with pq.ParquetFile(path) as file:
        return [file.read_row_group(i) for i in range(file.num_row_groups)]


@sizes(small=60, large=10_100)
def test_many_images(run: Run, tmp_path: Path, tree: Tree, size: int) -> None:
    source, output = tmp_path / "images", tmp_path / "out"
    pixels = numbers(size, 24, 24).astype(np.uint8)
    for i in range(size):
        path = source / f"train/{i % 10}/{i:05}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels[i]).save(path)
    run(source, output, "op: gaussian_noise, rate: 0.5", "op: cutout, rate: 0.5")
    before, after = tree(source), tree(output)
    assert before.keys() == after.keys()
    changed = {name for name in before if before[name] != after[name]}
    assert 0.6 * size < len(changed) < 0.9 * size
    for name in changed:
        with Image.open(output / name) as picture:
            assert (picture.mode, np.asarray(picture).shape) == ("L", (24, 24))


COLUMN = 'height\n📏, "m"'


@pytest.mark.parametrize("name", ["in.csv", "in.parquet"])
def test_a_column_whose_name_is_odd(run: Run, tmp_path: Path, name: str) -> None:
    source, output = tmp_path / name, tmp_path / f"out_{name}"
    write(source, COLUMN)
    run(
        source, output, 'op: gaussian_noise, columns: "height\\n📏, \\"m\\""', 'op: missing, columns: "*📏*", rate: 0.5'
    )
    before, after = read(source), read(output)
    assert before.column_names == after.column_names == ["id", COLUMN]
    assert before["id"] == after["id"]
    assert 0 < after[COLUMN].null_count < ROWS
    assert pc.sum(pc.equal(after[COLUMN], before[COLUMN])).as_py() < 5


ROWS = 40
NAMES = [
    "a b",
    " lead",
    'it\'s "quoted"',
    "new\nline",
    "100%",
    "a=b",
    "back\\slash",
    "📏",
    "#3",
    "*",
    "-r",
    "~",
    "$HOME",
]


def write(path: Path, column: str = "x") -> None:
    table = pa.table({"id": range(ROWS), column: [i + 0.25 for i in range(ROWS)]})
    if path.suffix == ".csv":
        csv.write_csv(table, path)
    else:
        pq.write_table(table, path)


def read(path: Path) -> pa.Table:
    options = csv.ParseOptions(newlines_in_values=True)
    return csv.read_csv(path, parse_options=options) if path.suffix == ".csv" else pq.ParquetFile(path).read()


@pytest.mark.parametrize("extension", ["csv", "parquet"])
def test_a_folder_of_files_whose_names_are_odd(run: Run, tmp_path: Path, tree: Tree, extension: str) -> None:
    source, output = tmp_path / 'it\'s "my" data', tmp_path / 'the "out" put\'s'
    for name in NAMES:
        (source / name).mkdir(parents=True)
        for path in (source / f"{name}.{extension}", source / name / f"{name}.{extension}"):
            write(path)
    run(source, output, NOISE, copies=2)
    before = tree(source)
    for copy in ("copy=1", "copy=2"):
        after = tree(output / copy)
        assert after.keys() == before.keys()
        assert {name for name in before if before[name] == after[name]} == set(NAMES)
        for name in NAMES:
            assert read(output / copy / name / f"{name}.{extension}").num_rows == ROWS


@pytest.mark.parametrize("name", NAMES)
def test_a_file_whose_name_is_odd(command: Command, recipe: Recipe, tmp_path: Path, name: str) -> None:
    (tmp_path / "in").mkdir()
    source, output = tmp_path / "in" / f"{name}.csv", tmp_path / f"{name}.csv"
    write(source)
    assert command("augment", source, "-r", recipe(NOISE), "-o", output, "-q").code == 0
    assert command("verify", output, "--input", source).code == 0
    assert command("replay", output, "--input", source, "-o", tmp_path / "again.csv", "-q").code == 0
    assert (tmp_path / "again.csv").read_bytes() == output.read_bytes() != source.read_bytes()


def test_images_whose_names_are_odd(run: Run, tmp_path: Path, tree: Tree) -> None:
    source, output = tmp_path / "my 'pictures'", tmp_path / 'noisy "pictures"'
    for name in NAMES:
        (source / name).mkdir(parents=True)
        Image.fromarray(numbers(24, 24).astype(np.uint8)).save(source / name / f"{name}.png")
    run(source, output, "op: gaussian_noise, rate: 1")
    before, after = tree(source), tree(output)
    assert before.keys() == after.keys()
    assert {name for name in before if before[name] == after[name]} == set(NAMES)
