"""Every Arrow type on its way through a run: struck where the op takes its kind, else carried or refused by name."""

import datetime as dt
import json
import random
from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Context, Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import noisecli
from noisecli.columns import Column, Kind, kind_of
from noisecli.corruption import (
    CellCorruption,
    FileCorruption,
    MomentTextCorruption,
    TableCorruption,
    TextCorruption,
    registered,
)
from noisecli.errors import NoiseError
from noisecli.formats.content import plain
from noisecli.manifest import path_for

ROWS = 60
DAY = dt.datetime(2024, 2, 29, 12, 30)


def gappy(values: list[Any], type_: pa.DataType | None = None) -> pa.Array:
    """As many rows as it takes of some values in turn, with a gap now and then."""
    return pa.array([None if i % 7 == 3 else values[i % len(values)] for i in range(ROWS)], type_)


NUMBERS: dict[str, pa.Array] = {
    **{str(type_): gappy([1, 5, 120, 7], type_) for type_ in (pa.int8(), pa.int16(), pa.int32(), pa.int64())},
    **{str(type_): gappy([1, 5, 120, 7], type_) for type_ in (pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64())},
    "float": gappy([1.5, float("nan"), -2.25, 1e30], pa.float32()),
    "double": gappy([1.5, float("inf"), -2.25, 1e30], pa.float64()),
    "decimal": gappy([Decimal("1.20"), Decimal("-99999.99")], pa.decimal128(7, 2)),
    "wide decimal": gappy([Decimal("12345678901234567890.123456789012345678"), Decimal(1)], pa.decimal128(38, 18)),
    "widest decimal": gappy([Decimal("1" * 40), Decimal("0.5")], pa.decimal256(60, 10)),
    "coded number": gappy([3, 4, 900], pa.int64()).dictionary_encode(),
}
TEXTS: dict[str, pa.Array] = {
    "string": gappy(["quick brown fox", "ä", "lazy dog"]),
    "large_string": gappy(["quick brown fox", "lazy dog"], pa.large_string()),
    "string_view": gappy(["quick brown fox", "a text of more than twelve bytes"], pa.string_view()),
    "category": gappy(["small", "medium", "large"]).dictionary_encode().cast(pa.dictionary(pa.int8(), pa.string())),
}
OTHERS: dict[str, pa.Array] = {
    "bool": gappy([True, False, True]),
    "date32": gappy([dt.date(2024, 2, 29), dt.date(1900, 1, 2)], pa.date32()),
    "date64": gappy([dt.date(2024, 2, 29)], pa.date64()),
    **{f"timestamp {unit}": gappy([DAY], pa.timestamp(unit)) for unit in ("s", "ms", "us", "ns")},
    "UTC": gappy([DAY], pa.timestamp("us", "UTC")),
    "Delhi": gappy([DAY], pa.timestamp("ms", "Asia/Kolkata")),
    "offset": gappy([DAY], pa.timestamp("ns", "+05:30")),
    "time32": gappy([dt.time(1, 2, 3)], pa.time32("ms")),
    "time64": gappy([dt.time(1, 2, 3, 4)], pa.time64("us")),
    "duration": gappy([dt.timedelta(hours=1)], pa.duration("us")),
    "float16": gappy([np.float16(0.5), np.float16(2)], pa.float16()),
    "binary": gappy([b"\xff\x00", b""]),
    "large_binary": gappy([b"\xff"], pa.large_binary()),
    "binary_view": gappy([b"\xff" * 20], pa.binary_view()),
    "fixed": gappy([b"abc"], pa.binary(3)),
    "uuid": gappy([b"x" * 16], pa.uuid()),
    "nothing": pa.nulls(ROWS),
    "coded date": gappy([dt.date(2024, 2, 29)], pa.date32()).dictionary_encode(),
    "list": gappy([[1], [2, None], []]),
    "large_list": gappy([[1], []], pa.large_list(pa.int8())),
    "pair": gappy([[1, 2]], pa.list_(pa.int8(), 2)),
    "lists": gappy([[["a"], None], []]),
    "struct": gappy([{"a": 1, "b": None}], pa.struct({"a": pa.int64(), "b": pa.string()})),
    "structs": gappy([[{"a": {"b": [1]}}]]),
    "map": gappy([[("k", 1)], []], pa.map_(pa.string(), pa.int64())),
}
COLUMNS = {**NUMBERS, **TEXTS, **OTHERS}
SCHEMA = pa.schema(
    [pa.field(name, cells.type, metadata={"unit": name}) for name, cells in COLUMNS.items()],
    {"who": "me", "why": "ÿ".encode("latin-1")},
)
TABLE = pa.table(list(COLUMNS.values()), schema=SCHEMA)
KINDS = {name: kind_of(plain(cells.type)) for name, cells in COLUMNS.items()}
OPS = {
    name: op for (target, name), op in registered().items() if target == "table" and not issubclass(op, FileCorruption)
}
STRIKERS = sorted(
    name
    for name, op in OPS.items()
    if issubclass(op, CellCorruption | TextCorruption)
    and not issubclass(op, MomentTextCorruption)  # which turns columns to text
    and not any(field.is_required() for field in op.model_fields.values())
    and name != "wrong_unit"  # it has to be told one of two conversions
)
"""Ops that can strike any column of a kind they accept."""


Noisy = Callable[..., pa.Table]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "in.parquet"
    pq.write_table(TABLE, path, row_group_size=25)
    return path


@pytest.fixture
def noisy(source: Path, tmp_path: Path, command: Any, recipe: Any) -> Noisy:
    """Run some steps on every type through the command line."""

    def run(*steps: str) -> pa.Table:
        out = tmp_path / "out.parquet"
        done = command("augment", source, "-r", recipe(*steps), "-o", out, "--workers", "1", "--quiet")
        assert (done.code, done.errors) == (0, []), done.err
        assert command("verify", out).code == 0
        assert pq.read_schema(out).equals(pq.read_schema(source), check_metadata=True)
        return pq.read_table(out)

    return run


def changed(table: pa.Table) -> set[str]:
    """Columns whose cells differ from those of the input; as text, since NaN is not itself."""
    assert table.column_names == TABLE.column_names
    return {name for name in COLUMNS if str(table[name].to_pylist()) != str(TABLE[name].to_pylist())}


NEEDED: dict[str, dict[str, Any]] = {
    "truncate_text": {"chars": 2},
    "word_replace": {"words": {"quick": "slow", "lazy": "busy", "a": "an", "small": "tiny", "medium": "mean"}},
}
"""Parameters that ops cannot do without."""


def step_of(op: str, columns: str) -> str:
    needed = "".join(f", {key}: {json.dumps(value)}" for key, value in NEEDED.get(op, {}).items())
    return f"op: {op}, columns: {columns}, rate: 0.5{needed}"


def kinds(op: str) -> frozenset[Kind]:
    found = OPS[op]
    assert issubclass(found, TableCorruption)
    return found.accepts


def accepted(op: str) -> set[str]:
    return {name for name in COLUMNS if KINDS[name] in kinds(op)}


FIRSTS = sorted({kinds(op): op for op in reversed(STRIKERS)}.values())
"""The first op of all that accept the same kinds of column."""


# ---------------------------------------------------------------------------------------------------------- every type


@pytest.mark.parametrize("op", FIRSTS)
def test_all_passes_over_what_an_op_cannot_strike(noisy: Noisy, op: str) -> None:
    """tests/test_truth.py shows it of every op."""
    found = changed(noisy(step_of(op, "all")))
    fixed = {"nothing"}
    assert found <= accepted(op) - fixed
    assert found, "nothing was struck"


@pytest.mark.parametrize("op", FIRSTS)
def test_numeric_means_every_number(noisy: Noisy, op: str) -> None:
    if accepted(op) & set(NUMBERS):
        assert changed(noisy(step_of(op, "numeric"))) <= accepted(op) & set(NUMBERS)


def test_noise_reaches_every_number(noisy: Noisy) -> None:
    step = "op: gaussian_noise, columns: numeric, rate: 1, unit: value, sigma: 0.5"
    assert changed(noisy(step)) == set(NUMBERS)


FIRST_COLUMNS = {KINDS[name]: name for name in reversed(COLUMNS)}.values()
"""The first column of each kind."""


def refused(op: str, name: str, line: str) -> bool:
    return f"{name!r} is {KINDS[name].value}" in line and op in line and "\n" not in line


@pytest.mark.parametrize("op", FIRSTS)
def test_a_named_column_of_another_kind_is_refused_in_one_line(
    source: Path, tmp_path: Path, command: Any, recipe: Any, op: str
) -> None:
    for name in [name for name in FIRST_COLUMNS if name not in accepted(op)]:
        steps = recipe(step_of(op, f"['{name}']"))
        done = command("augment", source, "-r", steps, "-o", tmp_path / "out.parquet", "--workers", "1")
        assert done.code in (2, 3)
        (line,) = done.errors
        assert refused(op, name, line)


@pytest.mark.parametrize("op", STRIKERS)
def test_a_named_column_of_another_kind_is_refused_in_memory(op: str) -> None:
    """Every column for one of the ops that accept the same kinds, and for the others the first column of each kind."""
    for name in [name for name in (COLUMNS if op in FIRSTS else FIRST_COLUMNS) if name not in accepted(op)]:
        step = {"op": op, "columns": [name], "rate": 0.5, **NEEDED.get(op, {})}
        with pytest.raises(NoiseError) as found:
            noisecli.corrupt(TABLE, {"noisecli": 1, "seed": 7, "steps": [step]})
        assert refused(op, name, str(found.value))


@pytest.mark.parametrize("first", [0, 1], ids=["even columns", "odd columns"])
def test_missing_strikes_any_kind_and_no_column_but_those_named(noisy: Noisy, first: int) -> None:
    names = list(COLUMNS)[first::2]
    table = noisy(step_of("missing", json.dumps(names)))
    assert changed(table) == set(names) - {"nothing"}
    for name in names:
        pairs = list(zip(table[name].to_pylist(), TABLE[name].to_pylist(), strict=True))
        assert all(new is None or str(new) == str(old) for new, old in pairs), name


def test_rows_of_every_type_are_duplicated(noisy: Noisy) -> None:
    table = noisy("op: duplicate, rate: 0.3")
    assert table.num_rows > ROWS
    rows = {str(row) for row in TABLE.to_pylist()}
    assert {str(row) for row in table.to_pylist()} == rows


# ------------------------------------------------------------------------------------------------------------ decimals


@pytest.fixture
def run(tmp_path: Path, command: Any, recipe: Any) -> Callable[..., tuple[pa.Array, dict[str, Any]]]:
    """Run one step on a column x; give its new cells, and the counts."""

    def call(cells: pa.Array, step: str) -> tuple[pa.Array, dict[str, Any]]:
        source, out = tmp_path / "in.parquet", tmp_path / "out.parquet"
        pq.write_table(pa.table({"x": cells}), source)
        done = command("augment", source, "-r", recipe(f"{step}, columns: [x]"), "-o", out, "--workers", "1", "--quiet")
        assert done.code == 0, done.err
        assert pq.read_schema(out) == pq.read_schema(source)
        manifest = json.loads(path_for(out).read_text())
        return pq.read_table(out)["x"].combine_chunks(), manifest

    return call


DECIMALS = [
    make(precision, scale)
    for name, most in (("decimal32", 9), ("decimal64", 18), ("decimal128", 38), ("decimal256", 76))
    if (make := getattr(pa, name, None))
    for precision in (1, 5, 9, 15, 16, 17, 18, 38, 76)
    if precision <= most
    for scale in {0, 2, 14, precision - 1, precision}
    if scale <= precision
]


def some_decimals(type_: pa.DataType) -> pa.Array:
    rng = random.Random(5)
    most = 10**type_.precision - 1
    whole = [most, -most, 0, 1, *(rng.randint(-most, most) // 10 ** rng.randrange(type_.precision) for _ in range(30))]
    return pa.array([Decimal(n).scaleb(-type_.scale, Context(prec=99)) for n in whole], type_)


@pytest.mark.parametrize("type_", DECIMALS, ids=str)
def test_decimals_are_the_nearest_floats_and_the_same_cells_again(type_: pa.DataType) -> None:
    cells, column = some_decimals(type_), Column("x", Kind.FLOAT, type_)
    numbers = column.to_numbers(cells)
    assert numbers.tolist() == [float(cell) for cell in cells.to_pylist()]
    again, settled, clipped = column.to_cells(numbers)
    assert again.type == type_
    assert (settled[~clipped] == numbers[~clipped]).all()
    if type_.precision <= 15:
        assert not clipped.any()
        assert again.equals(cells)


@pytest.mark.parametrize("type_", DECIMALS, ids=str)
def test_numbers_become_decimals_rounded_and_clipped(type_: pa.DataType) -> None:
    column, rng = Column("x", Kind.FLOAT, type_), random.Random(6)
    largest = Decimal(10**type_.precision - 1).scaleb(-type_.scale, Context(prec=99))
    powers = range(-type_.scale - 2, type_.precision - type_.scale + 2)
    numbers = [rng.uniform(-1, 1) * 10.0**power for power in powers]
    numbers += [float("inf"), -1e300, 5e-324, -0.0]
    cells, settled, clipped = column.to_cells(np.array(numbers))
    assert settled.tolist() == [float(cell) for cell in cells.to_pylist()]
    unit = Decimal(1).scaleb(-type_.scale)
    for number, cell, hit in zip(numbers, cells.to_pylist(), clipped.tolist(), strict=True):
        assert cell.copy_abs() <= largest
        if hit:
            assert abs(Decimal(number)) > largest * Decimal("0.9999999999999")
            assert cell.copy_abs() >= largest * Decimal("0.9999999999999")
        else:
            assert cell == Decimal(repr(number)).quantize(unit, ROUND_HALF_EVEN, Context(prec=999))


@pytest.mark.parametrize(("number", "cell"), [(0.125, "0.12"), (0.375, "0.38"), (1.1, "1.10"), (-2.5, "-2.50")])
def test_decimals_are_rounded_half_to_even(number: float, cell: str) -> None:
    cells, _, _ = Column("x", Kind.FLOAT, pa.decimal128(9, 2)).to_cells(np.array([number]))
    assert str(cells[0]) == cell


@pytest.mark.parametrize("type_", [pa.decimal128(38, 18), pa.decimal256(76, 30), pa.decimal128(38, 0)], ids=str)
def test_what_floats_cannot_hold_stays_where_it_is_not_changed(run: Any, type_: pa.DataType) -> None:
    cells = some_decimals(type_)
    new, manifest = run(cells, "op: gaussian_noise, unit: value, sigma: 1.e-30, rate: 1")
    assert new.equals(cells)
    (outputs,) = manifest["outputs"]
    assert outputs["carried"]


def test_decimals_that_had_to_be_clipped_are_counted(run: Any) -> None:
    cells = pa.array([Decimal("99.99"), Decimal("-99.99"), None] * 100, pa.decimal128(4, 2))
    new, manifest = run(cells, "op: gaussian_noise, unit: absolute, sigma: 5, rate: 1")
    clipped = [new[i].as_py() == cells[i].as_py() for i in range(300) if cells[i].is_valid]
    assert "clipped" in json.dumps(manifest)
    assert f'"clipped": {sum(clipped)}' in json.dumps(manifest)
    assert new.is_null().equals(cells.is_null())
