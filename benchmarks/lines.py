"""The lines of the table: what is compared with what, and the ratio that noisecli aims at."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from benchmarks.inputs import Inputs
from benchmarks.measure import Side, run

MILLION = 1_000_000
GAUSSIAN = {"op": "gaussian_noise", "columns": ["f0", "f1", "f2", "f3", "f4"], "sigma": 0.1}
MISSING = {"op": "missing", "columns": ["f5", "f6", "f7"], "rate": 0.1}
MIXED = [
    {"op": "gaussian_noise", "columns": ["age", "height", "weight", "income", "score"], "sigma": 0.1},
    {"op": "missing", "columns": ["city", "name", "when"], "rate": 0.1},
    {"op": "category_swap", "columns": "segment", "rate": 0.1},
]
TYPO = {"op": "typo", "columns": "text", "rate": 0.1}
_IMAGENET_C = """
gaussian_noise shot_noise impulse_noise defocus_blur glass_blur motion_blur zoom_blur snow frost fog brightness
contrast elastic pixelate jpeg_compression speckle_noise gaussian_blur spatter saturate
"""
IMAGENET_C = _IMAGENET_C.split()
ALBUMENTATIONS = ["gaussian_noise", "shot_noise", "gaussian_blur", "glass_blur", "jpeg_compression"]


@dataclass(frozen=True)
class Place:
    """Where a run of the benchmark reads and writes."""

    inputs: Inputs
    scratch: Path
    workers: int = 2

    def noisecli(
        self, source: Path, *steps: dict[str, Any], workers: int | None = None, truth: bool = False, **recipe: Any
    ) -> Side:
        """Return `noisecli augment` of these steps, one file or folder in, one out."""
        written = self.scratch / f"recipe-{len(list(self.scratch.iterdir()))}.yaml"
        written.write_text(json.dumps({"noisecli": 1, "seed": 1, "steps": list(steps), **recipe}), encoding="utf-8")
        output = self.scratch / f"noisecli-{source.name}"
        options = ["--workers", str(workers or self.workers), "--quiet", *["--truth"] * truth]
        return Side(["-m", "noisecli", "augment", source, "-r", written, "-o", output, *options], output, verified)

    def copy(self, program: str, source: Path) -> Side:
        """Return a copy by one of the programs in `baselines`."""
        output = self.scratch / f"copy-{source.name}"
        rows = _rows(source)

        def check(path: Path) -> None:
            assert _rows(path) == rows, f"{program}: {_rows(path)} rows instead of {rows}"

        return Side(["-m", f"benchmarks.baselines.{program}", source, output], output, check)


@dataclass(frozen=True)
class Line:
    """A comparison; where a side takes its own time it may have several parts, of which each has a row."""

    name: str
    work: str
    """What noisecli does; `{part}` where there are several."""
    against: str
    aim: float | None
    sides: Callable[[Place], tuple[Side, Side]]
    needs: str = ""
    """Module without which the baseline is absent."""
    quantity: Literal["wall", "peak"] = "wall"
    most_mb: int | None = None
    """What noisecli may hold in memory, besides."""
    overall: float | None = None
    """Aim for the median of the parts."""
    why: str = ""
    """If the aim is not reached: why."""


def verified(output: Path) -> None:
    """Fail unless what noisecli wrote agrees with its manifest."""
    run(Side(["-m", "noisecli", "verify", output]))


def _rows(path: Path) -> int:
    if path.suffix == ".parquet":
        return int(pq.read_metadata(path).num_rows)
    with path.open("rb") as file:
        return sum(piece.count(b"\n") for piece in iter(lambda: file.read(1 << 24), b""))


def _jpeg(place: Place) -> tuple[Side, Side]:
    clean = place.inputs.images(500, 0)
    step = {"op": "gaussian_noise", "severity": 3}
    exact = place.noisecli(clean, step, target="images", encode="exact")
    run(exact)
    pixels, output = place.scratch / "pixels", place.scratch / "codec"
    pixels.mkdir()
    for path in exact.output.glob("*.png"):
        with Image.open(path) as image:
            np.save(pixels / f"{path.stem}.npy", np.asarray(image))

    def check(folder: Path) -> None:
        assert len(list(folder.iterdir())) == len(list(clean.iterdir()))

    codec = Side(["-m", "benchmarks.baselines.jpeg_codec", clean, pixels, output, str(place.workers)], output, check)
    return place.noisecli(clean, step, target="images"), codec


def _nlpaug(place: Place) -> tuple[Side, Side]:
    rows, few = place.inputs.count(MILLION), place.inputs.count(5000)
    source = place.inputs.sentences(MILLION)
    ours = place.noisecli(source, TYPO)
    theirs = Side(["-m", "benchmarks.baselines.nlpaug_sentences", source, str(few)], per=few, timed_inside=True)
    return Side(ours.command, ours.output, ours.check, per=rows), theirs


def _tab_err(place: Place) -> tuple[Side, Side]:
    rows = str(place.inputs.count(MILLION))
    ours = Side(["-m", "benchmarks.in_memory", "tables", rows], timed_inside=True)
    return ours, Side(["-m", "benchmarks.baselines.tab_err_columns", rows], timed_inside=True)


def _images(program: str, ops: list[str]) -> Callable[[Place], tuple[Side, Side]]:
    def sides(place: Place) -> tuple[Side, Side]:
        count = str(place.inputs.count(16))
        ours = Side(["-m", "benchmarks.in_memory", "images", count, *ops], timed_inside=True)
        return ours, Side(["-m", f"benchmarks.baselines.{program}", count], timed_inside=True)

    return sides


def _two_workers(source: Callable[[Inputs], Path], *steps: dict[str, Any]) -> Callable[[Place], tuple[Side, Side]]:
    def sides(place: Place) -> tuple[Side, Side]:
        path = source(place.inputs)
        return place.noisecli(path, *steps, workers=2), place.noisecli(path, *steps, workers=1)

    return sides


def _growth(few: int, per_row: bool) -> Callable[[Place], tuple[Side, Side]]:
    def sides(place: Place) -> tuple[Side, Side]:
        found = []
        for rows in (30 * MILLION, few):
            side = place.noisecli(place.inputs.floats(rows), GAUSSIAN, MISSING)
            found.append(Side(side.command, side.output, side.check, place.inputs.count(rows) if per_row else 1))
        return found[0], found[1]

    return sides


LINES = [
    Line(
        "parquet-floats",
        "Parquet, 3 M x 10 floats (250 MB): gaussian_noise on 5, 10 % missing in 3",
        "pyarrow's default copy",
        0.50,
        lambda at: (
            at.noisecli(at.inputs.floats(3 * MILLION), GAUSSIAN, MISSING),
            at.copy("pyarrow_parquet", at.inputs.floats(3 * MILLION)),
        ),
        why=(
            "start-up, about 0.55 CPU seconds, is more than half of what the aim leaves; finding the facts and "
            "striking both decode the struck columns, of which the cells are hashed, too; then input and output are "
            "hashed and the file is put together."
        ),
    ),
    Line(
        "parquet-mixed",
        "Parquet, 3 M x 12 mixed: gaussian_noise on 5, missing in 3, category_swap in 1",
        "pyarrow's default copy",
        0.65,
        lambda at: (
            at.noisecli(at.inputs.mixed(3 * MILLION), *MIXED),
            at.copy("pyarrow_parquet", at.inputs.mixed(3 * MILLION)),
        ),
        why=(
            "as for `parquet-floats`; a column chunk is written anew for a single cell that changed, so nine "
            "of twelve are."
        ),
    ),
    Line(
        "parquet-one-column",
        "Parquet, 3 M x 12 mixed: gaussian_noise on 1",
        "pyarrow's default copy",
        0.25,
        lambda at: (
            at.noisecli(at.inputs.mixed(3 * MILLION), MIXED[0] | {"columns": "score"}),
            at.copy("pyarrow_parquet", at.inputs.mixed(3 * MILLION)),
        ),
        why="start-up is half of it: the aim leaves hardly more time than the command needs to start.",
    ),
    Line(
        "truth",
        "the same Parquet, 3 M x 10 floats, with --truth",
        "without",
        None,
        lambda at: (
            at.noisecli(at.inputs.floats(3 * MILLION), GAUSSIAN, MISSING, truth=True),
            at.noisecli(at.inputs.floats(3 * MILLION), GAUSSIAN, MISSING),
        ),
    ),
    Line(
        "csv-floats",
        "CSV, 3 M x 10 floats (190 MB): gaussian_noise on 5",
        "pyarrow's typed copy",
        0.70,
        lambda at: (
            at.noisecli(at.inputs.floats_csv(3 * MILLION), GAUSSIAN),
            at.copy("pyarrow_csv", at.inputs.floats_csv(3 * MILLION)),
        ),
        why=(
            "cells are read as numbers twice, for the facts and to be struck, and written once; start-up takes "
            "about 0.55 CPU seconds."
        ),
    ),
    Line(
        "csv-missing",
        "CSV, 3 M x 10 floats: 10 % missing in 1",
        "pyarrow's typed copy",
        0.35,
        lambda at: (
            at.noisecli(at.inputs.floats_csv(3 * MILLION), MISSING | {"columns": "f5"}),
            at.copy("pyarrow_csv", at.inputs.floats_csv(3 * MILLION)),
        ),
        why="all bytes are looked at for the ends of rows in both passes; start-up takes about 0.55 CPU seconds.",
    ),
    Line(
        "csv-pandas",
        "CSV, 3 M x 10 floats: gaussian_noise on 5, 10 % missing in 3",
        "pandas, chunk by chunk, doing the same",
        0.20,
        lambda at: (
            at.noisecli(at.inputs.floats_csv(3 * MILLION), GAUSSIAN, MISSING),
            at.copy("pandas_csv", at.inputs.floats_csv(3 * MILLION)),
        ),
        why="as for `csv-floats`.",
    ),
    Line(
        "csv-mixed",
        "CSV, 3 M x 12 mixed: gaussian_noise on 5, missing in 3, category_swap in 1",
        "pyarrow's typed copy",
        None,
        lambda at: (
            at.noisecli(at.inputs.mixed_csv(3 * MILLION), *MIXED),
            at.copy("pyarrow_csv", at.inputs.mixed_csv(3 * MILLION)),
        ),
    ),
    Line(
        "typo-nlpaug",
        "CSV, 1 M sentences: typo in 10 % of words, per row",
        "nlpaug, one slip in 10 % of words of 5,000 of them, per row",
        0.02,
        _nlpaug,
        needs="nlpaug",
        why=(
            "nlpaug takes 40 us a sentence, noisecli 3: to find the words, strike them, tell the edit "
            "distance, and write."
        ),
    ),
    Line(
        "tab-err",
        "{part} in 10 % of one column of a DataFrame of 1 M rows x 12",
        "tab_err, the same",
        0.10,
        _tab_err,
        needs="tab_err",
        why=(
            "both are vectorised. noisecli copies the DataFrame (20 ms), takes a column of objects to Arrow and "
            "back, and counts what really changed, by category, too."
        ),
    ),
    Line(
        "jpeg",
        "500 JPEG of about 500 x 375: gaussian_noise",
        "decoding the clean and encoding the noisy pixels alone, as noisecli does",
        1.6,
        _jpeg,
        why="the noise itself, which the other does not make, and start-up, about 0.55 CPU seconds.",
    ),
    Line(
        "imagenet-c",
        "{part} of ImageNet-C at severity 3 on 500 x 375 in memory",
        "imagecorruptions-imaug, the same",
        1.0,
        _images("imagecorruptions_ops", IMAGENET_C),
        needs="imagecorruptions",
        overall=0.2,
        why=(
            "a call of `noisecli.corrupt` takes about 1 ms besides its pixels, which shows in ops that take "
            "no more; jpeg_compression is the codec on both sides."
        ),
    ),
    Line(
        "albumentations",
        "{part} at severity 3 on 500 x 375 in memory",
        "albumentations at the same strength",
        None,
        _images("albumentations_ops", ALBUMENTATIONS),
        needs="albumentations",
    ),
    Line(
        "workers-csv",
        "CSV of 500 MB, two workers: gaussian_noise on 5, 10 % missing in 3",
        "one worker",
        0.62,
        _two_workers(lambda inputs: inputs.floats_csv(8 * MILLION), GAUSSIAN, MISSING),
    ),
    Line(
        "workers-parquet",
        "Parquet of 500 MB, two workers: gaussian_noise on 5, 10 % missing in 3",
        "one worker",
        0.62,
        _two_workers(lambda inputs: inputs.floats(6 * MILLION), GAUSSIAN, MISSING),
        why="start-up, hashing and putting the file together do not halve between two workers.",
    ),
    Line(
        "workers-images",
        "500 JPEG and 100 PNG, two workers: gaussian_noise",
        "one worker",
        0.62,
        _two_workers(lambda inputs: inputs.images(500, 100), {"op": "gaussian_noise", "severity": 3}),
    ),
    Line(
        "memory",
        "Parquet of 30 M x 10 floats with two workers: the most memory held, all processes together",
        "the same with 3 M rows",
        1.10,
        _growth(3 * MILLION, per_row=False),
        quantity="peak",
        most_mb=450,
    ),
    Line(
        "linear",
        "Parquet of 30 M x 10 floats, per row, start-up included",
        "the same with 1 M rows, per row, start-up included",
        1.15,
        _growth(MILLION, per_row=True),
    ),
    Line(
        "linear-large",
        "Parquet of 30 M x 10 floats, per row",
        "the same with 6 M rows, per row: start-up no longer matters",
        1.15,
        _growth(6 * MILLION, per_row=True),
    ),
]
