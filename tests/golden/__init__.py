"""What the tests of ops share: small inputs that fit every op's example, one step on one column, and digests.

Inputs are made by integer arithmetic, so that they are the same on every machine and with every version of numpy.
"""

import hashlib
import inspect
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.csv
import pyarrow.parquet
from PIL import Image
from pydantic import ValidationError

from noisecli.columns import Column, Kind, to_text
from noisecli.corruption import (
    CloningCorruption,
    Corruption,
    FileCorruption,
    ImageCorruption,
    ImageFileCorruption,
    ImageLabelCorruption,
    JointCorruption,
    MixingCorruption,
    RowsCorruption,
    SamplingCorruption,
    SeriesCorruption,
    TableCorruption,
    TextCorruption,
    registered,
)
from noisecli.engine import Counts, Slab, TableEngine
from noisecli.formats import arranged
from noisecli.plan import Plan, SeriesPlan, StepPlan
from noisecli.recipe.source import parse
from noisecli.run import augment
from noisecli.run.joint import settle_covariances
from noisecli.run.pairing import with_partners
from noisecli.survey import QuotaRequest, Request, Survey
from noisecli.text import Text

DIGESTS = Path(__file__).with_name("digests.json")
ROWS = 400
WORDS = ("Ada", "Zoë", "Иван", "köln", "river", "Oak Street", "naïve", "देव", "e\u0301tude", "x1")
SIZES = ((8, 8), (31, 57), (40, 24))
MODES = {"L": 1, "RGB": 3, "RGBA": 4}
PHRASES = ("their house is new", "do you see", "you two")

LABEL = "kind"
"""Column of the classes."""

C = TypeVar("C", bound=Corruption)

OPS = {"-".join(key): op for key, op in registered().items()}
"""Every op by target-name."""

PIXEL_OPS = {
    name: op
    for name, op in OPS.items()
    if issubclass(op, ImageCorruption) and not issubclass(op, MixingCorruption | CloningCorruption)
}
"""Those that change the pixels of a picture on its own."""


def example(op: type[Corruption]) -> str:
    """The YAML of the example in an op's docstring."""
    return (inspect.getdoc(op) or "").partition("\nExample:")[2].strip()


def example_step(op: type[Corruption]) -> dict[str, Any]:
    """The example as data."""
    return deepcopy(_parsed(example(op)))


@cache
def _parsed(text: str) -> dict[str, Any]:
    return dict(parse(text, "example").data)


def needed(op: type[Corruption]) -> dict[str, Any]:
    """The parameters that the op cannot do without, as its example gives them: all, where it needs one of several."""
    own = {name: value for name, value in example_step(op).items() if name in op.model_fields}
    required = {name: own[name] for name, field in op.model_fields.items() if field.is_required()}
    try:
        op.model_validate(required)
    except ValidationError:
        return own
    return required


def made(op: type[C]) -> C:
    """The op with nothing but these parameters."""
    return op(**needed(op))


def recipe(op: type[Corruption], **settings: Any) -> dict[str, Any]:
    """A recipe of one step: the op on the columns of its example."""
    columns = {key: value for key, value in example_step(op).items() if key == "columns"}
    return {"noisecli": 1, "seed": 7, **head(op), "steps": [{"op": op.name, **columns, **needed(op), **settings}]}


def head(op: type[Corruption]) -> dict[str, Any]:
    """What a recipe has to say besides the op: which column holds the classes, where the op makes labels soft."""
    return {"data": {"label": LABEL}} if getattr(op, "softens", "") else {}


def roles(op: type[Corruption]) -> str:
    """The same as YAML."""
    return f"data: {{label: {LABEL}}}\n" if head(op) else ""


def cells_for(op: type[TableCorruption], rows: int = ROWS) -> pa.Array:
    """A column that the op accepts; numbers where it can, else one word a cell. Every 17th cell is null."""
    if Kind.TEXT not in op.accepts and Kind.DATETIME in op.accepts:
        start = datetime(1990, 1, 1)
        values: list[Any] = [start + timedelta(minutes=i * 7919 % 2003 * 9973) for i in range(rows)]
        return pa.array([None if i % 17 == 16 else value for i, value in enumerate(values)], pa.timestamp("s"))
    if Kind.FLOAT in op.accepts:
        values = [(i * 7919 % 2003) / 10 for i in range(rows)]
    else:
        words = fitting(op)
        values = [words[i * 7919 % 2003 % len(words)] for i in range(rows)]
    return pa.array([None if i % 17 == 16 else value for i, value in enumerate(values)])


def fitting(op: type[TableCorruption]) -> Sequence[str]:
    """The words that the op can edit; phrases where it edits no single word; all words, if it is not on texts."""
    if not issubclass(op, TextCorruption):
        return WORDS
    text, default = Text(pa.array(WORDS)), made(op)
    sites = default.sites(text)
    able = sites[default.can_edit(text, sites, Column("x", Kind.TEXT, pa.string()))]
    return [WORDS[row] for row in np.unique(able.rows).tolist()] or PHRASES


def backwards(cells: pa.Array) -> pa.Array:
    """The same cells from last to first."""
    return cells.take(pa.array(np.arange(len(cells))[::-1]))


def make_input(op: type[Corruption], folder: Path, suffix: str = ".csv") -> Path:
    """Write a dataset on which the op's example can run: a table, or a folder of images."""
    if issubclass(op, ImageCorruption | ImageLabelCorruption):
        return make_images(folder / "images", classes=needs_classes(op))
    if issubclass(op, ImageFileCorruption):  # its bytes count, and those of a compressor may differ between machines
        return make_images(folder / "images", compress_level=0)
    assert issubclass(op, TableCorruption)
    names = [str(name) for name in example_step(op).get("columns", [])]
    cells = {name: cells_for(op) for name in names}
    if issubclass(op, JointCorruption):
        own = {key: value for key, value in example_step(op).items() if key in op.model_fields}
        names += op.model_validate(own).reads()
        cells = {name: backwards(cells_for(op)) if k % 2 else cells_for(op) for k, name in enumerate(names)}
    if issubclass(op, FileCorruption):
        cells = {name: pa.compute.multiply(column, 1000.25) for name, column in cells.items()}
        cells["word"] = pa.array([WORDS[i * 7 % len(WORDS)] for i in range(ROWS)])
    if head(op):
        cells[LABEL] = pa.array([WORDS[i * 7 % 3] for i in range(ROWS)])
    number = pa.array(range(ROWS), pa.int32())
    table = pa.table({"number": number, **cells, "last": number})
    path = folder / f"input{suffix}"
    if suffix == ".csv":
        pa.csv.write_csv(table, path)
    else:
        pa.parquet.write_table(table, path, row_group_size=150)
    return path


def needs_classes(op: type[Corruption]) -> bool:
    """Whether the op strikes images that have a class, and no others."""
    return issubclass(op, MixingCorruption | ImageLabelCorruption)


def make_images(folder: Path, sizes: Sequence[tuple[int, int]] = SIZES, *, classes: bool = False, **how: Any) -> Path:
    """Write a PNG of every mode and size, height first, under train/ and one under val/; modes may be classes."""
    for name, mode in [("train", mode) for mode in MODES] + [("val", "RGB")]:
        for size in sizes if name == "train" else sizes[:1]:
            path = folder / name / (mode if classes else "") / f"{mode}_{size[0]}x{size[1]}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(
                picture(*size, MODES[mode]).squeeze(2) if mode == "L" else picture(*size, MODES[mode])
            ).save(path, **how)
    return folder


def make_wide_images(folder: Path) -> None:
    """Write pictures whose rows are long enough for the loops that a CPU has instructions of its own for."""
    Image.fromarray(picture(150, 200, 3)).save(folder / "wide.png")
    Image.fromarray(picture(120, 160, 1).squeeze(2) * np.uint16(257)).save(folder / "wide_16_bit.png")


def picture(height: int, width: int, channels: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A gradient with texture, (height, width, channels), read-only."""
    row, column, channel = np.ogrid[:height, :width, :channels]
    slope = (row * 90) // height + (column * 60) // width
    pixels = (slope + (row * 31 + column * 17 + channel * 11) % 23 + channel * 8).astype(np.uint8)
    pixels.setflags(write=False)
    return pixels


def digest(op: type[Corruption], folder: Path) -> str:
    """SHA-256 of what an op's example makes: the bytes of a CSV file, or the pixels of all images."""
    folder.mkdir(exist_ok=True)
    source, step = make_input(op, folder), example_step(op)
    if issubclass(op, ImageCorruption):
        make_wide_images(source / "train" / ("RGB" if needs_classes(op) else ""))
        step["rate"] = 1
    said = {"noisecli": 1, "seed": 7, **head(op), "steps": [step]}
    entries = augment(source, said, folder / f"output{source.suffix}", allow_code=True).manifest.outputs
    text = "\n".join(f"{entry.path} {entry.content or entry.sha256}" for entry in entries)
    return hashlib.sha256(text.encode()).hexdigest()


def digests(folder: Path) -> dict[str, str]:
    """The digests of all ops."""
    return {name: digest(op, folder / name) for name, op in OPS.items()}


def snapshot(path: Path) -> dict[str, bytes]:
    """Every file of an output, by its relative path."""
    if path.is_file():
        return {".": path.read_bytes()}
    return {str(file.relative_to(path)): file.read_bytes() for file in sorted(path.rglob("*")) if file.is_file()}


@dataclass(frozen=True)
class Result:
    """What one step made of a column."""

    cells: pa.Array
    """In the order of the incoming rows."""
    order: list[int]
    """Incoming row of each outgoing one."""
    counts: Counts
    widened: bool
    """Whether the column became text."""


def strike(
    op: TableCorruption,
    cells: pa.Array,
    rate: float = 1.0,
    *,
    name: str = "x",
    step: str = "step",
    seed: int = 1,
    copy: int = 1,
    split: pa.Array | None = None,
    cuts: Sequence[int] = (),
) -> Result:
    """Survey a column, plan one step on it and run the engine, over slabs cut at the given rows.

    An op on several columns strikes a second one with it, which holds the same cells from last to first.
    """
    exact = op.exact_by_default
    table = {name: cells} if split is None else {name: cells, "split": split}
    blind = isinstance(op, RowsCorruption) and op.looks_at() is None
    struck_columns = () if blind else (name,)
    if isinstance(op, JointCorruption):
        struck_columns = (name, "second")
        table["second"] = backwards(cells)
    quotas = [QuotaRequest(step, name, rate, op.stratified, False)] if exact else []
    wanted = {column: op.needs() if column in struck_columns else frozenset() for column in table}
    request = Request(wanted, quotas, None if split is None else "split", seed, copy)

    def look(request: Request) -> Survey:
        survey = Survey.of(request, {column: array.type for column, array in table.items()}, as_text=False)
        survey.add_file("", _slabs(table, ()))
        return survey

    survey = look(request)
    columns = {column: found.column() for column, found in survey.columns.items()}
    widened = {column: pa.string() for column in struck_columns if op.widens(columns[column]) is not None}
    planned = StepPlan(step, op, rate, exact, struck_columns, outgoing=widened)
    series = SeriesPlan(None, None) if isinstance(op, SeriesCorruption | SamplingCorruption) else None
    plan = Plan(seed, (planned,), columns, survey.quotas(columns, quotas), request.split, series=series)
    plan = settle_covariances([plan], request, look)[0]
    pieces, order, keys = [], [], []
    with TemporaryDirectory() as folder:
        types = {column: array.type for column, array in table.items()}
        plan = with_partners({"": plan}, [("", _slabs(table, cuts))], types, Path(folder) / "partners")[""]
        engine = TableEngine(plan, copy, "")
        for slab, struck in zip(_slabs(table, cuts), engine(_slabs(table, cuts)), strict=True):
            pieces.append(struck.cells.get(name, slab.cells[name]))
            local = np.arange(slab.rows) if struck.order is None else struck.order
            order += (local + slab.first_row).tolist()
            keys.append(arranged.keys(struck, slab, len(cells)))
    by_key = np.argsort(np.concatenate(keys), kind="stable").tolist()
    counts = next(iter(engine.tally.values()), Counts())
    return Result(pa.concat_arrays(pieces), [order[i] for i in by_key], counts, name in widened)


def _slabs(table: dict[str, pa.Array], cuts: Sequence[int]) -> Iterator[Slab]:
    rows = len(next(iter(table.values())))
    bounds = [0, *sorted({cut for cut in cuts if 0 < cut < rows}), rows]
    for start, stop in pairwise(bounds):
        yield Slab(start, stop - start, {name: cells[start:stop] for name, cells in table.items()})


def changed(before: pa.Array, after: pa.Array) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which cells differ; null equals null. A column that became text is compared as such."""
    if before.type != after.type:
        before = to_text(before)
    return np.array([a != b for a, b in zip(before.to_pylist(), after.to_pylist(), strict=True)], dtype=bool)
