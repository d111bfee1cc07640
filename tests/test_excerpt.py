"""Excerpts: small files of the same format, from all over a large one."""

import gzip
import json

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from noisecli.formats import Reading
from noisecli.run.dataset import InputFile, discover
from noisecli.run.excerpt import excerpt

ROWS = 60_000
SIZE = 64 << 10


def texts(rows=ROWS):
    """Rows whose text holds line ends, delimiters and quotes, so that not every line end is that of a row."""
    return [f'{i},"a ""b"", {i}\r\nx, y{i % 7}",{i / 8}' for i in range(rows)]


def write_csv(path, end="\n"):
    path.write_bytes(end.join(["number,text,part", *texts()]).encode())


def write_gz(path):
    path.write_bytes(gzip.compress("\n".join(["number,text,part", *texts()]).encode()))


def write_utf16(path):
    path.write_bytes("\n".join(["number,text,part", *texts()]).encode("utf-16"))


def write_jsonl(path):
    lines = (json.dumps({"number": i, "text": "ä\n" * (i % 3), "part": i / 8}) for i in range(ROWS))
    path.write_text("\n".join(lines), encoding="utf-8")


def table():
    text = pa.array([f"t{i % 7}" for i in range(ROWS)]).dictionary_encode()
    return pa.table({"number": np.arange(ROWS), "text": text, "part": np.arange(ROWS) / 8})


def write_parquet(path):
    pq.write_table(table(), path, row_group_size=9_000)


def write_one_group(path):
    pq.write_table(table(), path)


def write_feather(path):
    feather.write_feather(table(), str(path), chunksize=9_000)


KINDS = {
    "a.csv": write_csv,
    "b.csv.gz": write_gz,
    "c.csv": write_utf16,
    "d.jsonl": write_jsonl,
    "e.parquet": write_parquet,
    "f.parquet": write_one_group,
    "g.feather": write_feather,
}
ONLY_START = {"b.csv.gz", "c.csv"}


def numbers(path):
    """The rows of a file, by the number that each bears."""
    read = InputFile(path, ".", False, Reading()).table()
    found = [slab.cells["number"] for _, slab in read.scan(["number", "text", "part"])]
    return np.array([int(v) for cells in found for v in cells.to_pylist()])


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("places", [1, 8])
def test_an_excerpt_is_whole_rows_from_all_over(name, places, tmp_path):
    KINDS[name](tmp_path / name)
    dataset = discover(tmp_path / name, "table", "evaluate", Reading())
    (tmp_path / "small").mkdir()
    made = excerpt(dataset, tmp_path / "small", SIZE, places)
    assert not made.whole
    assert sorted(path.name for path in (tmp_path / "small").iterdir()) == [name]
    found = numbers(made.root)
    size = (tmp_path / name).stat().st_size / ROWS if name not in ONLY_START else 30
    assert SIZE / size / 4 < len(found) < 4 * SIZE / size + 8
    assert (np.diff(found) > 0).all()
    assert found[0] == 0
    if name in ONLY_START or places == 1:
        assert found[-1] == len(found) - 1
    else:
        assert found[-1] > ROWS * 0.8
        assert np.count_nonzero(np.diff(found) > 1) >= 5  # stretches, not one run


def test_what_is_small_is_taken_as_it_is(tmp_path):
    (tmp_path / "t.csv").write_text("a\n1\n")
    (tmp_path / "small").mkdir()
    made = excerpt(discover(tmp_path / "t.csv", "table", "train", Reading()), tmp_path / "small", SIZE, 8)
    assert made.whole
    assert made.root.read_bytes() == b"a\n1\n"


def test_a_row_longer_than_the_excerpt_comes_whole(tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n" + "".join(f'{i},"{"x" * 5_000}\n"\n' for i in range(100)))
    (tmp_path / "small").mkdir()
    made = excerpt(discover(tmp_path / "t.csv", "table", "train", Reading()), tmp_path / "small", 1_000, 1)
    assert made.root.read_text() == f'a,b\n0,"{"x" * 5_000}\n"\n'


def test_of_many_files_some_are_taken(tmp_path):
    (tmp_path / "in").mkdir()
    for i in range(40):
        (tmp_path / "in" / f"part-{i:02}.csv").write_text("number,text,part\n" + "\n".join(texts(2_000)) + "\n")
    (tmp_path / "small").mkdir()
    made = excerpt(discover(tmp_path / "in", "table", "train", Reading()), tmp_path / "small", SIZE, 32)
    names = sorted(path.name for path in made.root.iterdir())
    assert len(names) == 16
    assert names[0] == "part-00.csv"
    assert names[-1] == "part-39.csv"
    assert sum(path.stat().st_size for path in made.root.iterdir()) < 2 * SIZE
