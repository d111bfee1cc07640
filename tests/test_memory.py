"""Memory is bounded by slabs and workers, not by the file."""

import re
import subprocess
import sys
import tarfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from PIL import Image

from noisecli.engine.memory import keep_freed_memory
from noisecli.formats import csv as csv_format
from noisecli.formats import jsonl as jsonl_format
from noisecli.run import augment, execute

pytestmark = pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="reads memory from /proc")

PSS = re.compile(r"^Pss: +(\d+) kB$", re.MULTILINE)
STEPS = (
    "op: gaussian_noise, columns: [height, weight]",
    "op: typo, columns: name, rate: 0.05",
    "op: missing, columns: city, rate: 0.1",
    "op: label_flip, columns: label",
    "op: duplicate, rate: 0.01",
)


def write_table(path: Path, megabytes: int) -> None:
    """A CSV of that size; its rows repeat, their numbers do not matter."""
    rng = np.random.Generator(np.random.PCG64(1))
    numbers = zip(rng.normal(1.7, 0.1, 20_000).tolist(), rng.normal(70, 9, 20_000).tolist(), strict=True)
    rows = [
        f'C{i:07},"Müller, Zoë {i}",{height:.2f},{weight:.3f},{("Köln", "Łódź", "")[i % 3]},{("yes", "no")[i % 2]},'
        f"plain words that nobody touches\n"
        for i, (height, weight) in enumerate(numbers)
    ]
    piece = "".join(rows).encode()
    with path.open("wb") as file:
        file.write(b"id,name,height,weight,city,label,note\n")
        while file.tell() < megabytes * 1_000_000:
            file.write(piece)


def as_parquet(source: Path, target: Path, rows: int = 100_000) -> None:
    """The same table in row groups of so many rows, not packed, so that the file is as large as its cells."""
    table = pyarrow.csv.read_csv(source)
    pq.write_table(table, target, row_group_size=rows, compression="none", use_dictionary=False)


def held(session: int) -> int:
    """Bytes that the processes of a session hold in memory; what several share counts once (proportional set size)."""
    total = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if int((folder / "stat").read_text().rpartition(")")[2].split()[3]) == session:
                total += int(PSS.findall((folder / "smaps_rollup").read_text())[0]) * 1024
        except (OSError, IndexError):
            continue  # gone in the meantime
    return total


def peak(source: Path, recipe: Path, output: Path, workers: int, *options: str) -> int:
    """Run `augment` and give the most memory that it and its workers held together, in MB."""
    arguments = ["augment", source, "-r", recipe, "-o", output, "--workers", workers, "--quiet", *options]
    with subprocess.Popen([sys.executable, "-m", "noisecli", *map(str, arguments)], start_new_session=True) as run:
        most = 0
        while run.poll() is None:
            most = max(most, held(run.pid))
            time.sleep(0.05)  # a look takes a while, too
    assert run.returncode == 0
    return most // 1_000_000


@pytest.mark.parametrize("workers", [1, 2])
def test_pandas_is_not_imported_where_nobody_needs_it(workers: int, sample: Path, tmp_path: Path) -> None:
    """35 MB in every process."""
    recipe = tmp_path / "r.yaml"
    recipe.write_text("noisecli: 1\nseed: 1\nsteps:\n  - {op: missing, columns: age}\n")
    command = ["augment", sample / "customers.parquet", "-r", recipe, "-o", tmp_path / "out", "-q"]
    done = subprocess.run(
        [sys.executable, "-v", "-m", "noisecli", *map(str, command), "--copies", "2", "--workers", str(workers)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0
    assert "import 'pyarrow.lib'" in done.stderr
    assert "import 'pandas" not in done.stderr


def test_60_mb(tmp_path: Path, recipe: Callable[..., Path]) -> None:
    path = recipe(*STEPS)
    write_table(tmp_path / "in.csv", 60)
    assert peak(tmp_path / "in.csv", path, tmp_path / "one.csv", 1) < 300
    assert peak(tmp_path / "in.csv", path, tmp_path / "two.csv", 2) < 500
    for suffix in ("", ".noisecli.json"):
        assert (tmp_path / f"one.csv{suffix}").read_bytes() == (tmp_path / f"two.csv{suffix}").read_bytes()


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_moving_the_rows_of_150_mb(tmp_path: Path, recipe: Callable[..., Path], suffix: str) -> None:
    """What grows with the file is the order of its rows: 16 bytes a row, mapped from files."""
    write_table(tmp_path / "in.csv", 150)
    if suffix == ".parquet":
        as_parquet(tmp_path / "in.csv", tmp_path / "in.parquet")
    steps = ("op: shuffle, rate: 0.9", "op: duplicate, rate: 0.01, place: random")
    source, output = tmp_path / f"in{suffix}", tmp_path / f"out{suffix}"
    assert peak(source, recipe(*steps), output, 1) < 300
    assert abs(output.stat().st_size / source.stat().st_size - 1.01) < 0.01


def traced(source: Path, output: Path, step: dict[str, Any]) -> int:
    """Run a step in this process and give the most memory that Python and numpy took for it."""
    keep_freed_memory()  # which asks for some once, that is never touched
    tracemalloc.start()
    try:
        augment(source, {"noisecli": 1, "seed": 1, "steps": [step]}, output)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_slabs_go_as_they_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    """However many make a task: together these would take 22 MB and more."""
    write_table(tmp_path / "in.csv", 8)
    source = tmp_path / f"in{suffix}"
    if suffix == ".jsonl":
        line = b'{"city": "Aarhus", "note": "plain words that nobody touches"}\n'
        source.write_bytes(line * (8_000_000 // len(line)))
    monkeypatch.setattr(csv_format if suffix == ".csv" else jsonl_format, "SLAB_BYTES", 1 << 17)
    monkeypatch.setattr(execute, "TASK_SLABS", 1_000)
    assert traced(source, tmp_path / f"out{suffix}", {"op": "missing", "columns": "city"}) < 13_000_000


def test_a_tar_of_60_mb(tmp_path: Path) -> None:
    """Of what lies beside the images in a tar, a piece at a time."""
    Image.new("RGB", (60, 60)).save(tmp_path / "1.png")
    (tmp_path / "film").write_bytes(bytes(60_000_000))
    with tarfile.open(tmp_path / "in.tar", "w") as tar:
        for name in ("film", "1.png"):
            tar.add(tmp_path / name, name)
    assert traced(tmp_path / "in.tar", tmp_path / "out.tar", {"op": "gaussian_noise"}) < 20_000_000


@pytest.mark.stress
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_moving_the_rows_of_1_gb(tmp_path: Path, recipe: Callable[..., Path], suffix: str) -> None:
    write_table(tmp_path / "in.csv", 1_000)
    if suffix == ".parquet":
        as_parquet(tmp_path / "in.csv", tmp_path / "in.parquet")
    path = recipe("op: shuffle")
    assert peak(tmp_path / f"in{suffix}", path, tmp_path / f"out{suffix}", 1) < 600


@pytest.mark.stress
@pytest.mark.parametrize("workers", [1, 2])
def test_1_gb(tmp_path: Path, recipe: Callable[..., Path], workers: int) -> None:
    write_table(tmp_path / "in.csv", 1_000)
    assert peak(tmp_path / "in.csv", recipe(*STEPS), tmp_path / "out.csv", workers) < 500
