"""The battery: what every op must keep to. Each test takes every registered op; a new op is found by itself."""

import json
import os
import re
import shutil
import subprocess
import sys
import tracemalloc
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pytest
from golden import (
    DIGESTS,
    OPS,
    SIZES,
    cells_for,
    changed,
    digest,
    example,
    example_step,
    made,
    make_input,
    needed,
    picture,
    recipe,
    roles,
    snapshot,
    strike,
)
from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__
from PIL import Image

import noisecli.formats.csv
import noisecli.pixels
from noisecli import recipe as recipes
from noisecli.cli import main
from noisecli.columns import kind_of, to_text
from noisecli.compare.images import psnr
from noisecli.corruption import (
    AdditiveCorruption,
    CellCorruption,
    CloningCorruption,
    FileCorruption,
    ImageCorruption,
    ImageFileCorruption,
    JointCorruption,
    MixingCorruption,
    MomentTextCorruption,
    SeriesCorruption,
    SheetCorruption,
    TableCorruption,
    TextCorruption,
)
from noisecli.corruptions.image.copies import Duplicate
from noisecli.corruptions.table.custom import Custom
from noisecli.corruptions.table.masking import WordReplace
from noisecli.corruptions.table.sensor import Drift, Stuck
from noisecli.corruptions.table.timestamp import DuplicateTimestamp
from noisecli.corruptions.table.words import WordDrop, WordMerge, WordSwap
from noisecli.engine import ImageEngine
from noisecli.errors import DataProblem, RecipeProblem
from noisecli.manifest import environment, path_for, read
from noisecli.plan import Plan, StepPlan
from noisecli.recipe.models import STEPS
from noisecli.run import augment
from noisecli.streams import BLOCK, Stream

ROOT = Path(__file__).parents[1]
FORESEEN = {"group"}
"""Step keys of the design that are yet to come."""

TYPES = {
    "int8": pa.array([None, -128, 127, 0, 5] * 50, pa.int8()),
    "int32": pa.array([None, -(2**31), 2**31 - 1, 17, 5] * 50, pa.int32()),
    "uint64": pa.array([None, 0, 2**64 - 1, 17, 5] * 50, pa.uint64()),
    "float32": pa.array([None, 1.5, -2.25, 1e30, float("inf")] * 50, pa.float32()),
    "float64": pa.array([None, 1.5, -2.25, 1e100, float("nan")] * 50, pa.float64()),
    "bool": pa.array([None, True, False, True, True] * 50),
    "string": pa.array([None, "ada", "Zoë", "", "देव x"] * 50),
    "large_string": pa.array([None, "ada", "Zoë", "", "देव x"] * 50, pa.large_string()),
    "timestamp": pa.array([None, 0, 1_000_000, 5, 7] * 50, pa.timestamp("us", "UTC")),
    "date": pa.array([None, 0, 20_000, 5, 7] * 50, pa.date32()),
}

FILES = {name: op for name, op in OPS.items() if issubclass(op, FileCorruption)}
TABLES = {name: op for name, op in OPS.items() if issubclass(op, TableCorruption) and name not in FILES}
ON_COLUMNS = CellCorruption | JointCorruption | SeriesCorruption | TextCorruption
COLUMNS = {name: op for name, op in TABLES.items() if issubclass(op, ON_COLUMNS)}
ON_IMAGES = {name: op for name, op in OPS.items() if op.target == "images"}
IMAGES = {name: op for name, op in ON_IMAGES.items() if issubclass(op, ImageCorruption) and op is not Duplicate}
ADDITIVE = {name: op for name, op in IMAGES.items() if issubclass(op, AdditiveCorruption)}

OWN_NOISE = "every channel has noise of its own"
COLOURED = {
    "blue_noise": OWN_NOISE,
    "brownish_noise": OWN_NOISE,
    "cauchy_noise": OWN_NOISE,
    "gaussian_noise": OWN_NOISE,
    "impulse_noise": OWN_NOISE,
    "iso_noise": OWN_NOISE,
    "laplace_noise": OWN_NOISE,
    "low_light": OWN_NOISE,
    "plasma_noise": OWN_NOISE,
    "shot_noise": OWN_NOISE,
    "speckle_noise": OWN_NOISE,
    "student_t_noise": OWN_NOISE,
    "uniform_noise": OWN_NOISE,
    "channel_dropout": "one channel turns black",
    "chromatic_aberration": "channels are enlarged by different factors",
    "frost": "ice is bluish",
    "sun_flare": "light is refracted into colours",
    "spatter": "water is turquoise, mud brown",
}
"""Ops that do not leave a grey picture grey."""

MOST_BYTES = 24
"""Of temporaries, for each pixel of a picture: 8 for each value of a colour picture."""
FAULTS = {name: op for name, op in OPS.items() if issubclass(op, ImageFileCorruption)}


def kind(op):
    """The engine strikes for all ops of a kind alike."""
    return op.__mro__[op.__mro__.index(TableCorruption) - 1], op.exact_by_default


FIRST_OF_KIND = set({kind(op): op for op in reversed(TABLES.values())}.values())

every_op = pytest.mark.parametrize("op", OPS.values(), ids=OPS)
file_op = pytest.mark.parametrize("op", FILES.values(), ids=FILES)
table_op = pytest.mark.parametrize("op", TABLES.values(), ids=TABLES)
column_op = pytest.mark.parametrize("op", COLUMNS.values(), ids=COLUMNS)
image_op = pytest.mark.parametrize("op", IMAGES.values(), ids=IMAGES)
additive_op = pytest.mark.parametrize("op", ADDITIVE.values(), ids=ADDITIVE)
on_images = pytest.mark.parametrize("op", ON_IMAGES.values(), ids=ON_IMAGES)


# What an op says of itself


@every_op
def test_docstring_has_summary_source_and_example(op):
    assert re.fullmatch(r"[A-Z].+\.|[A-Z].+: .+", op.summary() + "."), op.summary()
    for part in ("\n    Source: ", "\n    Example:\n        "):
        assert op.__doc__.count(part) == 1
    assert "Source:" not in example(op)


@every_op
def test_every_parameter_is_described(op):
    schema = op.model_json_schema()
    models = [schema, *schema.get("$defs", {}).values()]
    missing = [key for model in models for key, p in model.get("properties", {}).items() if not p.get("description")]
    assert not missing


@every_op
def test_parameters_never_bear_the_name_of_a_step_key(op):
    assert not set(op.model_fields) & (set(STEPS[op.target].model_fields) | FORESEEN)


@every_op
def test_severities_are_five_or_none_and_valid(op):
    assert len(op.severities) in (0, 5)
    for severity in range(1, len(op.severities) + 1):
        checked = recipes.load(recipe(op, severity=severity), target=op.target)
        assert (
            checked.steps[0].corruption.model_dump().items()
            >= {key: value for key, value in op.preset(severity).items() if key != "rate"}.items()
        )
    assert len({json.dumps(row, sort_keys=True) for row in op.severities}) == len(op.severities)


@every_op
def test_what_a_severity_sets_cannot_be_given_too(op):
    for key, value in op.preset(3).items() if op.severities else ():
        with pytest.raises(RecipeProblem, match=f"'{key}' is what the severity sets"):
            recipes.load(recipe(op, severity=3, **{key: value}), target=op.target)


@image_op
def test_severities_fit_images_of_every_size(op):
    """Between two published sizes every parameter lies between theirs; beyond them it is that of the nearest."""
    sizes = [1, *sorted(op.small_severities), 224, 4000]
    for severity in range(1, 6) if op.severities else ():
        for low, high in pairwise(sizes):
            ends = [op.preset_for(severity, side) for side in (low, high)]
            for side in np.linspace(low, high, 7):
                preset = op.preset_for(severity, float(side))
                assert op.model_validate({k: v for k, v in preset.items() if k != "rate"})
                for key, value in preset.items():
                    assert min(row[key] for row in ends) <= value <= max(row[key] for row in ends), (side, key)


@pytest.fixture(scope="module")
def schema():
    return recipes.schema()


@every_op
def test_schema_has_the_op_with_all_its_parameters(op, schema):
    step = next(
        step for step in schema["properties"]["steps"]["items"]["anyOf"] if step["title"] == f"{op.name} ({op.target})"
    )
    assert step["properties"]["op"]["const"] == op.name
    assert set(step["properties"]) == set(op.model_fields) | set(STEPS[op.target].model_fields)
    common = schema["$defs"][f"{op.target}_step"]["properties"]
    for key, field in step["properties"].items():
        shared = field.get("$ref") == f"#/$defs/{op.target}_step/properties/{key}"
        assert (common[key] if shared else field).get("description"), key


def cli(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["noisecli", *map(str, arguments)])
    monkeypatch.setattr("signal.signal", lambda *_: None)
    with pytest.raises(SystemExit) as left:
        main()
    return left.value.code


@every_op
def test_the_catalogue_explains_it(op, monkeypatch, capsys):
    assert cli(monkeypatch, "ops", op.name) == 0
    shown = " ".join(capsys.readouterr().out.split())
    for text in (op.summary(), " ".join(example(op).split()), "Source: ", *op.model_fields):
        assert text in shown


def test_the_catalogue_lists_every_op(monkeypatch, capsys):
    assert cli(monkeypatch, "ops") == 0
    listed = set(re.findall(r"\w+", capsys.readouterr().out))
    assert {op.name for op in OPS.values()} <= listed


# The example, from file to file


@every_op
def test_the_example_runs_and_the_recipe_in_its_manifest_gives_the_same_bytes(op, tmp_path, monkeypatch, capsys):
    source, output = run_command(op, ".csv", tmp_path, monkeypatch, capsys)
    first = read(path_for(output)).recipe
    again = augment(source, first, tmp_path / "again", workers=1, allow_code=True)
    assert snapshot(again.output) == snapshot(output)
    assert again.manifest.recipe == first


@table_op
def test_the_example_runs_on_parquet(op, tmp_path, monkeypatch, capsys):
    run_command(op, ".parquet", tmp_path, monkeypatch, capsys)


def run_command(op, suffix, folder, monkeypatch, capsys):
    """Damage and verify a file or folder as a user would."""
    source = make_input(op, folder, suffix)
    said = f"noisecli: 1\nseed: 7\n{roles(op)}steps:\n  - {example(op)}\n"
    (folder / "recipe.yaml").write_text(said, encoding="utf-8")
    output = folder / f"out{source.suffix}"
    options = ["-q", "--workers", 1, *(["--allow-code"] if issubclass(op, Custom) else [])]
    assert cli(monkeypatch, "augment", source, "-r", folder / "recipe.yaml", "-o", output, *options) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert all(line.startswith("warning: ") for line in captured.err.splitlines())
    assert snapshot(output) != snapshot(source), "the example changes nothing"
    assert cli(monkeypatch, "verify", output, "--input", source) == 0
    return source, output


@every_op
def test_rate_0_and_severity_0_change_nothing_and_severity_5_does(op, tmp_path):
    source = make_input(op, tmp_path)
    clean = unlisted(source)
    strong = {"severity": 5}
    if op in ON_IMAGES.values() and not any("rate" in row for row in op.severities):
        strong["rate"] = 1  # a tenth of 9 is none
    settings = [{"rate": 0}, *(({"severity": 0}, strong) if op.severities else ())]
    for i, setting in enumerate(settings):
        done = augment(source, recipe(op, **setting), tmp_path / str(i), workers=1, allow_code=True)
        assert (unlisted(done.output) != clean) == (setting is strong), setting


def unlisted(output):
    """Every file but the soft labels that mixing ops add."""
    return {path: data for path, data in snapshot(output).items() if Path(path).name != "metadata.csv"}


# Tables: through the engine


@table_op
def test_same_seed_same_result_and_input_left_alone(op):
    cells = cells_for(op)
    before = pa.array(cells.to_pylist(), cells.type)
    first, second, other = (
        strike(made(op), cells, 0.5),
        strike(made(op), cells, 0.5),
        strike(made(op), cells, 0.5, seed=2),
    )
    assert cells.equals(before)
    assert (first.cells, first.order) == (second.cells, second.order)
    if getattr(op, "softens", "") != "uniform":  # which changes labels only
        assert (first.cells, first.order) != (other.cells, other.order)


@table_op
def test_where_slabs_are_cut_does_not_matter(op):
    """Between blocks; and in them: behind the first row, before the last, near a block's end and anywhere.

    Ops along a series and on rows have a state that a third block could tell of; the others show it once a kind.
    """
    stateless = issubclass(op, CellCorruption | JointCorruption | TextCorruption)
    rows = (1 if stateless and op not in FIRST_OF_KIND else 2) * BLOCK + 1234
    cells = cells_for(op, rows)
    whole = strike(made(op), cells, 0.3)
    anywhere = np.random.default_rng(3).integers(1, rows, 9).tolist()
    for cuts in ([BLOCK, 2 * BLOCK], [1, 5, 16_000, 16_500, *anywhere, rows - 1]):
        cut = strike(made(op), cells, 0.3, cuts=cuts)
        assert cut.cells.equals(whole.cells)
        assert cut.order == whole.order
        assert cut.counts == whole.counts


@table_op
def test_a_higher_rate_strikes_all_that_a_lower_one_strikes_in_the_same_way(op):
    cells = cells_for(op, 3000)
    if issubclass(op, TextCorruption):
        single = pc.replace_substring_regex(cells, r"\s.*", "")  # one word a cell: then cells nest as words do
        cells = single if strike(made(op), single).counts.eligible else cells
    rates = [0, 0.01, 0.1, 0.11, 0.5, 1]
    for low, high in pairwise([strike(made(op), cells, rate) for rate in rates]):
        few, many = changed(cells, low.cells), changed(cells, high.cells)
        # More strikes make longer runs, in which a row has another place; a held number may equal the row's own.
        other = issubclass(
            op, Custom | Drift | DuplicateTimestamp | Stuck | WordDrop | WordMerge | WordReplace | WordSwap
        )
        assert other or not (few & ~many).any()
        assert other or low.cells.filter(pa.array(few)).equals(high.cells.filter(pa.array(few)))
        often = np.bincount(low.order, minlength=len(cells)) - 1
        assert (np.abs(often) <= np.abs(np.bincount(high.order, minlength=len(cells)) - 1)).all()
        assert low.counts.struck < high.counts.struck


@table_op
def test_its_rate_means_what_it_says(op):
    """A count lies within 4 standard deviations of a binomial one; exact steps have just so many.

    The first op of each kind shows it on 10^5 cells.
    """
    size = 100_000 if op in FIRST_OF_KIND else 20_000
    cells = cells_for(op, size)
    for rate in (0.01, 0.1, 0.5):
        counts = strike(made(op), cells, rate).counts
        assert counts.eligible >= 0.8 * size
        off = 0.5 if op.exact_by_default else 4 * np.sqrt(counts.eligible * rate * (1 - rate))
        assert abs(counts.struck - rate * counts.eligible) <= off


@table_op
def test_held_out_rows_come_out_as_they_went_in(op):
    cells = cells_for(op, 2000)
    split = pa.array(["train", "val", None, "test", "Train "] * 400)
    held_out = np.array([False, True, True, True, False] * 400)
    done = strike(made(op), cells, split=split)
    assert not changed(cells, done.cells)[held_out].any()
    assert (np.bincount(done.order, minlength=2000)[held_out] == 1).all()
    assert 0 < done.counts.struck == done.counts.eligible <= (1600 if issubclass(op, TextCorruption) else 800)


@column_op
def test_results_have_the_columns_type_and_nulls_stay(op):
    for type_, cells in TYPES.items():
        if kind_of(cells.type) in op.accepts:
            check_type_and_nulls(op, type_, cells)


def check_type_and_nulls(op, type_, cells):
    done = strike(made(op), cells)
    done.cells.validate(full=True)
    if done.widened:
        cells = to_text(cells)
    assert done.cells.type == cells.type
    assert len(done.cells) == len(cells)
    assert all(value is None for value in done.cells.filter(pc.is_null(cells)).to_pylist())
    counts = done.counts
    assert counts.struck == counts.eligible
    if not issubclass(op, TextCorruption):
        assert counts.eligible <= len(cells) - cells.null_count
        differ = pc.fill_null(pc.not_equal(done.cells, cells), pc.xor(pc.is_null(cells), pc.is_null(done.cells)))
        ordinary = pc.invert(pc.fill_null(pc.is_nan(cells), False)) if "float" in type_ else pa.array([True] * 250)
        assert counts.changed == pc.sum(pc.and_(differ, ordinary)).as_py()
    if "float" in type_:
        special = pc.invert(pc.is_finite(cells))
        if op.as_number:
            kept, were = done.cells.filter(special), cells.filter(special)
            assert repr(kept.to_pylist()) == repr(were.to_pylist())


POLICY = (ROOT / "docs" / "recipe.md").read_text(encoding="utf-8")
MAKERS, FILLERS = (
    set(re.findall(r"`(\w+)`", POLICY.partition(f"| {what} |")[2].partition("\n")[0]))
    for what in ("makes cells missing", "fills missing cells")
)
"""Ops that make cells missing, and that fill them, as the documentation says."""


@table_op
def test_missing_cells_stay_and_are_made_by_those_ops_alone_that_say_so(op):
    if issubclass(op, Custom):
        return
    cells = cells_for(op, 2000)
    done = strike(made(op), cells)
    before = cells if len(done.cells) == len(cells) else cells.take(pa.array(done.order))
    was, lost = np.asarray(pc.is_null(before)), np.asarray(pc.is_null(done.cells, nan_is_null=True))
    assert not (was & ~lost).any()
    assert (lost & ~was).any() == (op.name in MAKERS)


@column_op
def test_missing_cells_are_filled_by_those_ops_alone_that_say_so(op, tmp_path):
    assert (op.name in FILLERS) == getattr(op, "fills_nulls", False)
    if op.name in FILLERS:
        source = make_input(op, tmp_path, ".parquet")
        done = augment(source, recipe(op, nulls="strike", rate=1), tmp_path / "out.parquet")
        (column,) = example_step(op)["columns"]
        assert pa.parquet.read_table(source)[column].null_count > 0
        assert pa.parquet.read_table(done.output)[column].null_count == 0


@column_op
@pytest.mark.parametrize("cells", [pa.array([], pa.string()), pa.array([None] * 9, pa.string()), pa.array(["one"] * 9)])
def test_empty_columns_and_columns_of_one_value(op, cells):
    if kind_of(cells.type) not in op.accepts:
        type_ = cells_for(op).type
        cells = pa.array([None if value is None else 1 for value in cells.to_pylist()]).cast(pa.int64()).cast(type_)
    elif issubclass(op, TextCorruption):
        cells = pc.if_else(pc.is_valid(cells), cells_for(op)[0], None)
    done = strike(made(op), cells)
    assert len(done.cells) == len(cells)
    assert done.cells.type == (pa.string() if issubclass(op, MomentTextCorruption) else cells.type)
    known, sites = len(cells) - cells.null_count, done.counts.struck
    assert sites == known or (issubclass(op, TextCorruption) and sites == done.counts.eligible > known > 0)


@column_op
def test_numbers_near_the_largest_float(op):
    if "float" in {kind.value for kind in op.accepts}:
        done = strike(made(op), pa.array([1e160] * 9))
        assert not any(value is not None and value != value for value in done.cells.to_pylist())
        huge = pa.array([1e300, -1e300, 1.7e308, -1.7e308, 0.0, 5e-324] * 9)
        if made(op).needs() & {"sd", "covariances"}:
            with pytest.raises(DataProblem, match=r"too large for a (standard deviation|covariance)"):
                strike(made(op), huge)
        else:
            done = strike(made(op), huge)
            assert not any(value is not None and value != value for value in done.cells.to_pylist())


# Finished files


def finished(op, folder, rate, *, split=False, **head):
    """What a step at some rate makes of a file that fits its example, and what the truth tells of it."""
    folder.mkdir()
    source = make_input(op, folder)
    if split:
        table = pa.csv.read_csv(source)
        held = pa.array([["train", "test"][i % 2] for i in range(len(table))])
        pa.csv.write_csv(table.append_column("split", held), source)
        head = {**head, "data": {"split": "split"}}
    said = {**recipe(op, rate=rate), **head}
    done = augment(source, said, folder / "output.csv", truth=True)
    return done, pa.parquet.read_table(f"{done.output}.noisecli-truth.parquet").to_pylist()


@file_op
def test_where_a_finished_file_is_cut_does_not_matter(op, tmp_path, monkeypatch):
    whole, told = finished(op, tmp_path / "whole", 0.5 if op.default_rate < 1 else 1)
    monkeypatch.setattr(noisecli.formats.csv, "SLAB_BYTES", 999)
    monkeypatch.setattr(noisecli.formats.spliced, "BLOCK_BYTES", 777)
    cut, again = finished(op, tmp_path / "cut", 0.5 if op.default_rate < 1 else 1)
    assert cut.output.read_bytes() == whole.output.read_bytes()
    assert cut.manifest.steps == whole.manifest.steps
    assert again == told
    assert 0 < len(told) == sum(counts["changed"] for counts in whole.manifest.steps[0].columns.values())


@file_op
def test_a_higher_rate_damages_all_that_a_lower_one_does_in_the_same_way(op, tmp_path):
    told = [finished(op, tmp_path / f"{rate}", rate)[1] for rate in (0, 0.2, 0.5, 1)]
    for low, high in pairwise(told):
        assert all(line in high for line in low)
    assert told[0] == []
    assert told[-1]


@file_op
def test_held_out_rows_of_a_finished_file_are_not_damaged(op, tmp_path):
    if issubclass(op, SheetCorruption):
        with pytest.raises(RecipeProblem, match="damages the whole file, held-out rows"):
            finished(op, tmp_path / "train", 1, split=True)
        return
    _, told = finished(op, tmp_path / "train", 1, split=True)
    assert told
    assert all(line["row"] % 2 == 0 for line in told)
    _, every = finished(op, tmp_path / "evaluate", 1, split=True, purpose="evaluate")
    assert {line["row"] % 2 for line in every} == {0, 1}


@pytest.mark.parametrize("op", [*FILES.values(), *FAULTS.values()], ids=[*FILES, *FAULTS])
def test_it_says_what_it_breaks(op):
    assert re.fullmatch(r"[A-Z].{30,}\.", op.breaks)


# Images: through the engine and through files


def struck_image(op, pixels, path="a.png", step="step"):
    """What becomes of a picture; or of its clone, or of it and of itself upside down."""
    generator = Stream(1, 1, step, path).generator("value", "", 0)
    if isinstance(op, MixingCorruption):
        return op.strike_with(pixels, pixels[::-1, ::-1], generator)[0]
    if isinstance(op, CloningCorruption):
        return op.strike(pixels, generator)[0]
    engine = ImageEngine(Plan(1, (StepPlan(step, op, 1.0),)), 1)
    return engine(path, pixels, engine.strikes(path)).result


@cache
def photograph():
    """Of 224 x 224 px, in colour, read-only."""
    return np.asarray(Image.open(ROOT / "docs" / "photographs" / "chelsea.png"))


def photograph_of(height, width):
    """The same, as often as it fits."""
    tiles = np.tile(photograph(), (-(-height // 224), -(-width // 224), 1))
    return np.ascontiguousarray(tiles[:height, :width])


@image_op
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 3), (8, 8, 3), (31, 57, 1), (31, 57, 3), (1, 40, 3), (300, 2, 1)])
def test_pixels_keep_shape_and_type_and_the_input_is_left_alone(op, shape, dtype):
    pixels = picture(*shape) * dtype(np.iinfo(dtype).max // 255)
    pixels.setflags(write=False)
    done = struck_image(made(op), pixels)  # a write to the input would raise: it is read-only
    assert done.shape == shape
    assert done.dtype == dtype
    assert done is not pixels
    assert np.array_equal(done, struck_image(made(op), pixels))


def at_limits(op):
    """Yield each parameter alone at each end of what it may be, as near as floats come where the end is left out."""
    for name, said in op.model_json_schema()["properties"].items():
        for kind_ in said.get("anyOf", [said]):
            yield from ({name: kind_[end]} for end in ("minimum", "maximum") if end in kind_)
            if "exclusiveMinimum" in kind_:
                least = kind_["exclusiveMinimum"]
                yield {name: least + 1 if kind_["type"] == "integer" else np.nextafter(least, 1)}
            if "exclusiveMaximum" in kind_:
                yield {name: np.nextafter(kind_["exclusiveMaximum"], 0)}
            yield from ({name: choice} for choice in kind_.get("enum", []))


@image_op
def test_parameters_may_be_at_their_limits(op):
    pictures = [picture(1, 1, 3), picture(3, 200, 1) * np.uint16(257), np.zeros((9, 8, 3), np.uint8)]
    for parameters in at_limits(op):
        for pixels in pictures:
            done = struck_image(op(**{**needed(op), **parameters}), pixels)  # a warning of numpy would be an error
            assert (done.shape, done.dtype) == (pixels.shape, pixels.dtype), parameters


@image_op
def test_what_is_drawn_is_plain_data_and_the_same_at_every_strength(op):
    pixels = picture(31, 57, 3)
    presets = [{k: v for k, v in row.items() if k != "rate"} for row in op.severities]
    own = {key: value for key, value in example_step(op).items() if key in op.model_fields}
    drawn, following = [], set()
    for parameters in [*presets, {}, own]:
        generator = Stream(1, 1, "step", "a.png").generator("value", "", 0)
        drawn.append(json.dumps(op.model_validate(parameters).draw(pixels, generator)))
        following.add(generator.random())
    assert len(set(drawn[: len(presets)])) <= 1
    assert len(following) == 1, "the number of draws depends on the parameters"


@image_op
@pytest.mark.parametrize("scale", ["resolution", "none"])
def test_files_keep_mode_size_and_alpha(op, scale, tmp_path):
    folder = tmp_path / "images" / "train" / "class"
    folder.mkdir(parents=True)
    for height, width in ((1, 1), *SIZES):
        for mode, channels in (("L", 1), ("RGB", 3), ("RGBA", 4)):
            pixels = picture(height, width, channels)
            Image.fromarray(pixels[..., 0] if channels == 1 else pixels).save(folder / f"{mode}{height}.png")
        Image.fromarray(picture(height, width, 1)[..., 0] * np.uint16(257)).save(folder / f"grey16-{height}.png")
    settings = {"rate": 1, "scale": scale, **({"severity": 3} if op.severities else {})}
    done = augment(tmp_path / "images", recipe(op, **settings), tmp_path / "out", workers=1)
    for path in folder.iterdir():
        with Image.open(path) as before, Image.open(done.output / "train" / "class" / path.name) as after:
            assert (after.mode, after.size) == (before.mode, before.size)
            if before.mode == "RGBA":
                assert after.getchannel("A").tobytes() == before.getchannel("A").tobytes()


@image_op
def test_a_palette_is_struck_as_its_colours_are(op, tmp_path):
    indexed = Image.fromarray(picture(40, 56, 3)).quantize(64)
    made = []
    for picture_ in (indexed, indexed.convert("RGB")):
        source = tmp_path / picture_.mode
        (source / "class").mkdir(parents=True)
        picture_.save(source / "class" / "a.png")
        for name in "bcd":  # a is the partner of another one
            Image.fromarray(picture(40, 56, 3)[::-1]).save(source / "class" / f"{name}.png")
        output = augment(source, recipe(op, rate=1), tmp_path / f"{picture_.mode} out", workers=1).output
        made.append(dict(snapshot(output).items() - snapshot(source).items()))
    assert made[0] == made[1]
    assert any(Path(path).name.startswith("a") for path in made[0])


@image_op
def test_where_bands_are_cut_does_not_matter(op, monkeypatch):
    pictures = (photograph_of(331, 397), photograph_of(397, 301)[..., :1] * np.uint16(257))
    whole = [struck_image(made(op), pixels) for pixels in pictures]
    monkeypatch.setattr(noisecli.pixels, "BAND", 20_011)
    for pixels, expected in zip(pictures, whole, strict=True):
        assert np.array_equal(struck_image(made(op), pixels), expected)


def memory_beside(op, pixels):
    """Most bytes taken at once beside a picture and what becomes of it, per pixel."""
    struck_image(op, pixels[:256, :256])  # some tables are made once
    tracemalloc.start()
    try:
        struck_image(op, pixels)
        return (tracemalloc.get_traced_memory()[1] - pixels.nbytes) / (pixels.shape[0] * pixels.shape[1])
    finally:
        tracemalloc.stop()


@image_op
def test_memory_is_bounded_to_a_few_times_the_picture(op):
    colour = photograph_of(1000, 1000)
    for pixels in (colour, colour[..., :1] * np.uint16(257)):
        assert memory_beside(made(op), pixels) < MOST_BYTES


@pytest.mark.stress
@image_op
def test_twelve_megapixels(op):
    assert memory_beside(made(op), photograph_of(3000, 4000)) < MOST_BYTES


@image_op
def test_grey_in_three_channels_is_struck_as_grey_in_one(op):
    grey = photograph()[..., 1:2]
    one, three = struck_image(made(op), grey), struck_image(made(op), np.repeat(grey, 3, axis=2))
    assert np.array_equal(three, np.repeat(one, 3, axis=2)) == (op.name not in COLOURED)


@image_op
def test_16_bits_get_the_same_picture_as_8(op):
    grey = photograph()[..., 1:2]
    narrow, wide = struck_image(made(op), grey), struck_image(made(op), grey * np.uint16(257))
    off = np.abs(wide.astype(np.int64) - narrow * np.int64(257))
    assert off.max() <= 257


@additive_op
def test_stronger_noise_moves_every_value_at_least_as_far_the_same_way(op):
    own = made(op)
    strengths = [row[op.strength] for row in op.severities] or [getattr(own, op.strength) / k for k in (4, 2, 1)]
    moved = [
        struck_image(own.model_copy(update={op.strength: strength}), photograph()).astype(np.int64) - photograph()
        for strength in sorted(strengths)
    ]
    for weak, strong in pairwise(moved):
        assert ((weak * strong >= 0) & (abs(weak) <= abs(strong))).all()
        assert (weak != strong).any()


@additive_op
@pytest.mark.parametrize("wanted", [20, 35])
def test_psnr_db_is_what_every_image_gets(op, wanted):
    own = op(**{key: value for key, value in needed(op).items() if key != op.strength}, psnr_db=wanted)
    for pixels in (photograph(), photograph()[:60, :100, :1] * np.uint16(257)):
        assert abs(psnr(pixels, struck_image(own, pixels)) - wanted) < 0.1


@on_images
def test_held_out_images_come_out_as_they_went_in(op, tmp_path):
    source = make_input(op, tmp_path)
    done = augment(source, recipe(op), tmp_path / "out", workers=1)
    held_out = snapshot(source / "val")
    assert held_out
    assert held_out.items() <= snapshot(done.output / "val").items()


@on_images
def test_a_higher_rate_strikes_all_images_that_a_lower_one_strikes_in_the_same_way(op, tmp_path):
    source = make_input(op, tmp_path)
    outputs = [snapshot(source)]
    for rate in (0.2, 0.5, 0.8, 1):
        outputs.append(unlisted(augment(source, recipe(op, rate=rate), tmp_path / f"{rate}", workers=1).output))
    clean = outputs[0]
    struck = [{path for path in out.keys() | clean.keys() if out.get(path) != clean.get(path)} for out in outputs]
    for low, high, paths in zip(outputs, outputs[1:], struck, strict=False):
        assert all(high.get(path) == low.get(path) for path in paths)
    assert len(set(map(frozenset, struck))) > 2


# Everything at once, in other processes


def child(cwd, *arguments, **environ):
    """Run Python elsewhere: the working folder comes first on its path."""
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(command, cwd=cwd, env={**os.environ, **environ}, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_results_do_not_depend_on_the_features_of_the_cpu(tmp_path):
    features = [name for name in __cpu_dispatch__ if __cpu_features__.get(name)]
    if not features:
        pytest.skip("numpy has nothing to switch off on this CPU")
    script = (
        "import json, sys, pathlib, golden; from numpy._core._multiarray_umath import __cpu_features__ as found;"
        f"assert not any(found[name] for name in {features});"
        "print(json.dumps(golden.digests(pathlib.Path(sys.argv[1]))))"
    )
    path = f"{Path(__file__).parent}{os.pathsep}{ROOT}"
    printed = child(tmp_path, "-c", script, tmp_path, NPY_DISABLE_CPU_FEATURES=" ".join(features), PYTHONPATH=path)
    without = json.loads(printed)
    assert set(without) == set(OPS)
    # tests/test_golden.py holds what this process makes against the record; what differs from it is made here too.
    recorded = json.loads(DIGESTS.read_text(encoding="utf-8"))["digests"]
    for name in OPS:
        if without[name] != recorded.get(name):
            assert without[name] == digest(OPS[name], tmp_path / f"own {name}"), (name, environment())


TOY = '''"""A toy."""

from pydantic import NonNegativeFloat

from noisecli.columns import Column
from noisecli.corruption import NumberCorruption, register
from noisecli.streams import BlockDraws, Floats


@register
class Wobble(NumberCorruption):
    """Shift numbers up by a random part of a step.

    Source: made up.

    Example:
        {op: wobble, columns: [height], span: 3}
    """

    severities = ({"span": 1}, {"span": 2}, {"span": 3}, {"span": 4}, {"span": 5})

    span: NonNegativeFloat = 3
    """Largest shift, in the column's unit."""

    def corrupt(self, values: Floats, column: Column, draws: BlockDraws) -> Floats:
        return values + self.span * (0.5 + draws.uniform() / 2)
'''


def test_a_new_op_takes_one_class_in_one_file(tmp_path):
    """A toy on tables, and the example on images of the page that explains it."""
    shutil.copytree(ROOT / "noisecli", tmp_path / "noisecli", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "noisecli/corruptions/table/wobble.py").write_text(TOY)
    page = (ROOT / "docs/add-an-op.md").read_text(encoding="utf-8")
    scratch = page.partition("<!-- file: scratch.py -->\n```python\n")[2].partition("```\n")[0]
    (tmp_path / "noisecli/corruptions/image/scratch.py").write_text(scratch)
    where = {"PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    chosen = "table-wobble or images-scratch or lists_every_op"
    battery = ["-p", "no:cacheprovider", "-c", ROOT / "pyproject.toml", __file__, "-k", chosen]
    report = child(tmp_path, "-m", "pytest", *battery, **where)
    passed = int(re.search(r"(\d+) passed", report).group(1))
    assert passed >= 50, report
