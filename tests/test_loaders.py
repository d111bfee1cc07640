"""What is written is read by the tools that people use: pandas, polars, duckdb, Arrow datasets, ImageFolder.

Each is pointed at OUTPUT itself, or at one copy in it, and has to find the data, all of it, and nothing else.
"""

import json
import shutil
from collections import Counter
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from PIL import Image
from pyarrow import csv, feather

import noisecli

Outputs = Callable[[str, str, bool], Path]
Levels = dict[str, str | None]

DELIMITERS = {"csv": ",", "tsv": "\t", "csv.gz": ","}
EMPTY_IS_NULL = csv.ConvertOptions(strings_can_be_null=True)
ROWS = 60
TABLE = pa.table(
    {
        "id": range(ROWS),
        "x": [None if i % 7 == 6 else i / 4 for i in range(ROWS)],
        "name": [None if i % 5 == 4 else f'Zoë "{i}", of Łódź' for i in range(ROWS)],
    }
)
STEPS = [{"op": "gaussian_noise", "id": "noise", "columns": "x"}, {"op": "typo", "columns": "name", "rate": 0.5}]

COPIES: list[Levels] = [{"copy": "1"}, {"copy": "2"}]
ALONE = {"steps": "alone", "steps.noise.sigma": [0.1, 0.3], "steps.typo.rate": [0.5]}
LAYOUTS: dict[str, tuple[dict[str, Any], list[Levels]]] = {
    "one": ({}, [{}]),
    "copies": ({"copies": 2}, COPIES),
    "original": ({"copies": 2, "keep_original": True}, [{"copy": "0"}, *COPIES]),
    "merged": ({"copies": 2, "layout": "merged"}, [{}, {}]),
    "sweep": ({"sweep": {"steps.typo.rate": [0.1, 0.2]}}, [{"typo.rate": r, "copy": "1"} for r in ("0.1", "0.2")]),
    "merged sweep": ({"layout": "merged", "sweep": {"steps.typo.rate": [1]}}, [{"typo.rate": "1"}]),
    "alone": (
        {"sweep": ALONE},
        [
            {"step": "noise", "noise.sigma": "0.1", "typo.rate": None, "copy": "1"},
            {"step": "noise", "noise.sigma": "0.3", "typo.rate": None, "copy": "1"},
            {"step": "typo", "noise.sigma": None, "typo.rate": "0.5", "copy": "1"},
        ],
    ),
}
"""What a recipe says of the layout, and the folder levels, spelt out by hand, under which complete copies must lie."""


def save(path: Path, kind: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "parquet":
        pq.write_table(TABLE, path)
    elif kind == "feather":
        feather.write_feather(TABLE, path)
    else:
        with pa.output_stream(path) as sink:
            csv.write_csv(TABLE, sink, csv.WriteOptions(delimiter=DELIMITERS[kind]))


def read_file(path: Path, kind: str) -> pa.Table:
    """Read one file with the plainest reader of its format that pyarrow has."""
    if kind == "parquet":
        return pq.ParquetFile(path).read()
    if kind == "feather":
        return feather.read_table(path)
    return csv.read_csv(path, parse_options=csv.ParseOptions(delimiter=DELIMITERS[kind]), convert_options=EMPTY_IS_NULL)


def rows_of(table: pa.Table) -> list[str]:
    """Rows as text in an order of their own, whatever the order and the exact types of the columns."""
    columns = {name: table[name].to_pylist() for name in sorted(table.column_names)}
    names = [name for name in columns if name not in TABLE.column_names]
    for name in names:  # of `copy=1` and `rate=1`, readers make integers, floats or text
        columns[name] = [None if value is None else str(value) for value in columns[name]]
    return sorted(json.dumps(dict(zip(columns, row, strict=True))) for row in zip(*columns.values(), strict=True))


def expected(output: Path, kind: str) -> pa.Table:
    """All files below OUTPUT, read one by one, with the levels of their folders as columns."""
    tables = []
    for path in sorted(path for path in output.rglob("*") if path.is_file()):
        table = read_file(path, kind)
        for part in path.relative_to(output).parts[:-1]:
            key, value = part.split("=")
            level = None if value == "__HIVE_DEFAULT_PARTITION__" else value
            table = table.append_column(key, pa.array([level] * table.num_rows, pa.string()))
        tables.append(table)
    return pa.concat_tables(tables)


# ------------------------------------------------------------------------------------------------------------ readers


def read_pandas(path: Path, kind: str) -> pa.Table:
    if kind == "parquet":
        # Without `partitioning`, pandas makes categories of the levels, which Arrow cannot do where a level is null.
        frame = pd.read_parquet(path, partitioning=ds.HivePartitioning.discover())
    elif kind == "feather":
        frame = pd.read_feather(path)
    else:
        frame = pd.read_csv(path, sep=DELIMITERS[kind])
    return pa.Table.from_pandas(frame, preserve_index=False)


def read_polars(path: Path, kind: str) -> pa.Table:
    if kind == "parquet":
        return pl.read_parquet(path).to_arrow()
    if kind == "feather":
        return pl.scan_ipc(path).collect().to_arrow()
    return pl.scan_csv(path, separator=DELIMITERS[kind]).collect().to_arrow()


def read_duckdb(path: Path, kind: str) -> pa.Table:
    read = duckdb.read_parquet if kind == "parquet" else duckdb.read_csv
    return read(str(path) if path.is_file() else f"{path}/**", hive_partitioning=True).to_arrow_table()


def read_arrow(path: Path, kind: str) -> pa.Table:
    formats = {"parquet": ds.ParquetFileFormat(), "feather": ds.IpcFileFormat()}
    text = ds.CsvFileFormat(csv.ParseOptions(delimiter=DELIMITERS.get(kind, ",")), convert_options=EMPTY_IS_NULL)
    return ds.dataset(path, format=formats.get(kind, text), partitioning="hive").to_table()


READERS = {"pandas": read_pandas, "polars": read_polars, "duckdb": read_duckdb, "arrow": read_arrow}
FILES = [(name, kind) for name in READERS for kind in (*DELIMITERS, "parquet", "feather")]
FILES.remove(("duckdb", "feather"))  # it reads no Feather by itself
FOLDERS = [(name, kind) for name, kind in FILES if kind not in ("tsv", "csv.gz")]
for pair in (("pandas", "csv"), ("pandas", "feather")):
    FOLDERS.remove(pair)  # pandas opens no folder but of Parquet
FOLDERS.remove(("polars", "csv"))  # polars makes no columns of the folders that CSV files lie in


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str, bool], Path]:
    """Noisy copies of a file, or of a folder that has hive levels of its own; each is made once."""
    folder = tmp_path_factory.mktemp("loaders")
    made: dict[Path, Path] = {}

    def make(kind: str, layout: str, many: bool) -> Path:
        source = folder / f"{'many' if many else 'one'}.{kind}"
        if not source.exists():
            for name in ("region=north/a", "region=south/a", "region=south/b") if many else ():
                save(source / f"{name}.{kind}", kind)
            if not many:
                save(source, kind)
        output = folder / layout / source.name
        if output not in made:
            output.parent.mkdir(exist_ok=True)
            recipe = {"noisecli": 1, "seed": 3, "steps": STEPS, **LAYOUTS[layout][0]}
            made[output] = noisecli.augment(source, recipe, output).output
        return made[output]

    return make


@pytest.mark.parametrize(("reader", "kind"), FILES)
def test_a_file_is_read(outputs: Outputs, reader: str, kind: str) -> None:
    output = outputs(kind, "one", False)
    assert output.is_file()
    table = READERS[reader](output, kind)
    assert table.column_names == TABLE.column_names
    assert table.num_rows == ROWS
    assert rows_of(table) == rows_of(read_file(output, kind)) != rows_of(TABLE)


@pytest.mark.parametrize(("reader", "kind"), FOLDERS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_folder_is_read_with_its_levels_as_columns(outputs: Outputs, layout: str, reader: str, kind: str) -> None:
    output = outputs(kind, layout, True)
    table = READERS[reader](output, kind)
    levels = Counter(
        json.dumps({**level, "region": region}, sort_keys=True)
        for level in LAYOUTS[layout][1]
        for region in ("north", "south", "south")
        for _ in range(ROWS)
    )
    assert Counter(rows_of(table.drop(TABLE.column_names))) == levels
    assert rows_of(table) == rows_of(expected(output, kind))


@pytest.mark.parametrize(("reader", "kind"), FOLDERS)
@pytest.mark.parametrize("layout", [layout for layout in LAYOUTS if layout != "one"])
def test_copies_of_one_file_are_read(outputs: Outputs, layout: str, reader: str, kind: str) -> None:
    output = outputs(kind, layout, False)
    table = READERS[reader](output, kind)
    assert table.num_rows == ROWS * len(LAYOUTS[layout][1])
    assert set(table.column_names) == {*TABLE.column_names, *LAYOUTS[layout][1][0]}
    assert rows_of(table) == rows_of(expected(output, kind))


@pytest.mark.parametrize(("reader", "kind"), FOLDERS)
def test_one_copy_among_several_is_read(outputs: Outputs, reader: str, kind: str) -> None:
    output = outputs(kind, "original", True)
    every = expected(output, kind)
    names = [*TABLE.column_names, "region"]  # duckdb finds `copy` in the path that it is given, too
    for copy in ("0", "1", "2"):
        table = READERS[reader](output / f"copy={copy}", kind).select(names)
        assert rows_of(table) == rows_of(every.filter(pc.equal(every["copy"], copy)).select(names))
    clean = READERS[reader](output / "copy=0", kind).select(TABLE.column_names)
    assert rows_of(clean) == rows_of(pa.concat_tables([TABLE] * 3))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_polars_reads_folders_of_csv_without_their_levels(outputs: Outputs, layout: str) -> None:
    output = outputs("csv", layout, True)
    assert rows_of(read_polars(output, "csv")) == rows_of(expected(output, "csv").select(TABLE.column_names))


# ------------------------------------------------------------------------------------------------------------- images

CLASSES = ["discs", "waves"]
SPLITS = ["test", "train"]


@pytest.fixture
def pictures(sample: Path, tmp_path: Path) -> Path:
    """Two classes in a training and a test split."""
    folder = tmp_path / "pictures"
    for split, name in product(SPLITS, CLASSES):
        (folder / split / name).mkdir(parents=True)
        for path in sorted((sample / "images/train" / name).iterdir())[: 3 if split == "train" else 2]:
            shutil.copyfile(path, folder / split / name / path.name)
    return folder


@pytest.fixture
def strike(pictures: Path, tmp_path: Path) -> Callable[..., Path]:
    """Make noisy copies of the pictures."""

    def make(**head: Any) -> Path:
        steps = [{"op": "gaussian_noise", "rate": 1}]
        return noisecli.augment(pictures, {"noisecli": 1, "seed": 3, "steps": steps, **head}, tmp_path / "out").output

    return make


TREES = {"one": ({}, ["."]), "copies": ({"copies": 2, "keep_original": True}, ["copy=0", "copy=1", "copy=2"])}
TREES["merged"] = ({"copies": 2, "layout": "merged"}, ["."])

by_tree = pytest.mark.parametrize(("head", "roots"), TREES.values(), ids=TREES)


def labelled(folder: Path) -> list[tuple[str, bytes]]:
    """Class and pixels of every picture below, read one by one."""
    return sorted((path.parent.name, pixels(Image.open(path))) for path in folder.glob("*/*"))


def pixels(picture: Image.Image) -> bytes:
    with picture:
        return np.asarray(picture.convert("RGB")).tobytes()


@by_tree
def test_huggingface_reads_splits_and_labels(
    strike: Callable[..., Path],
    head: dict[str, Any],
    roots: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    output = strike(**head)
    for root in roots:
        read = datasets.load_dataset("imagefolder", data_dir=str(output / root), cache_dir=str(tmp_path / "cache"))
        assert sorted(read) == SPLITS
        for split in SPLITS:
            label = read[split].features["label"]
            found = sorted((label.int2str(row["label"]), pixels(row["image"])) for row in read[split])
            assert label.names == CLASSES
            assert found == labelled(output / root / split)
            assert len(found) == (4 if split == "test" else 12 if "layout" in head else 6)


@by_tree
def test_torchvision_reads_labels(strike: Callable[..., Path], head: dict[str, Any], roots: list[str]) -> None:
    folders = pytest.importorskip("torchvision.datasets")
    output = strike(**head)
    for root, split in product(roots, SPLITS):
        read = folders.ImageFolder(output / root / split)
        assert read.classes == CLASSES
        assert sorted((CLASSES[label], pixels(picture)) for picture, label in read) == labelled(output / root / split)
        assert len(read) == (4 if split == "test" else 12 if "layout" in head else 6)
