"""Conditions: a step strikes the rows that pandas selects on the clean data, in CSV and Parquet alike."""

import csv
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

Command = Callable[..., Any]
Recipe = Callable[..., Path]
Run = Callable[..., list[dict[str, Any]]]

ROWS = 600
FORMATS = ["csv", "parquet"]
PLANS = ["50 %, off", "plus", "Übergröße", "basic"]


def make_frame(rows: int = ROWS) -> pd.DataFrame:
    """Every kind of column with gaps, and `x` and `words` without: what the tests strike."""
    i = pd.Series(range(rows))
    minutes = pd.to_timedelta(i * 4_999 % 90_000, unit="min")
    return pd.DataFrame(
        {
            "n": (i * 7 % 41 - 10).astype("Int64").mask(i % 11 == 3),
            "f": ((i * 13 % 97) / 4 - 3).astype("Float64").mask(i % 13 == 5),
            "t": pd.Series([PLANS[k // 3 % 4] for k in i], dtype="string[python]").mask(i % 7 == 2),
            "b": pd.Series(i % 3 == 0, dtype="boolean").mask(i % 5 == 1),
            "d": (pd.Timestamp("2024-01-01") + pd.to_timedelta(i * 17 % 90, unit="D")).mask(i % 9 == 4),
            "w": (pd.Timestamp("2024-01-01") + minutes).mask(i % 8 == 6),
            "z": (pd.Timestamp("2024-01-01", tz="UTC") + minutes).mask(i % 10 == 7),
            "x": i + 0.25,
            "words": [f"some words of row {k}" for k in i],
        }
    )


FRAME = make_frame()


def write_frame(frame: pd.DataFrame, path: Path) -> Path:
    """Write the same table as either format."""
    if path.suffix == ".csv":
        text = frame.assign(
            d=frame["d"].dt.strftime("%Y-%m-%d"),
            w=frame["w"].dt.strftime("%Y-%m-%dT%H:%M:%S"),
            z=frame["z"].dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
        )
        text.to_csv(path, index=False, lineterminator="\n")
        return path
    table = pa.Table.from_pandas(frame, preserve_index=False)
    at = table.column_names.index("d")
    pq.write_table(table.set_column(at, "d", table["d"].cast(pa.timestamp("s")).cast(pa.date32())), path)
    return path


def read_rows(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        return list(pq.read_table(path).to_pylist())
    with path.open(newline="", encoding="utf-8") as file:
        return [{name: cell or None for name, cell in row.items()} for row in csv.DictReader(file)]


@pytest.fixture(params=FORMATS)
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return write_frame(FRAME, tmp_path / f"in.{request.param}")


@pytest.fixture
def run(command: Command, recipe: Recipe, tmp_path: Path) -> Run:
    """Run a recipe of some steps on a file and give the rows of the output."""

    def call(source: Path, *steps: str, **head: object) -> list[dict[str, Any]]:
        out = tmp_path / f"out{source.suffix}"
        result = command("augment", source, "-r", recipe(*steps, **head), "-o", out, "-q", "--force")
        assert result.code == 0, result.err
        return read_rows(out)

    return call


def blank(rows: list[dict[str, Any]], column: str = "x") -> set[int]:
    return {i for i, row in enumerate(rows) if row[column] is None}


def changed(before: list[dict[str, Any]], after: list[dict[str, Any]], column: str) -> dict[int, Any]:
    """Rows whose cell differs, with the new cell."""
    pairs = enumerate(zip(before, after, strict=True))
    return {i: new[column] for i, (old, new) in pairs if old[column] != new[column]}


def chosen(mask: Any) -> set[int]:
    return set(mask.fillna(False).to_numpy().nonzero()[0].tolist())


# ----------------------------------------------------------------------------------------------- against pandas

VALUES: dict[str, tuple[str, Any, str, Any]] = {
    "n": ("-3", -3, "12", 12),
    "f": ("0.25", 0.25, "1e1", 10.0),
    "t": ("50 %, off", "50 %, off", "plus", "plus"),
    "b": ("true", True, "false", False),
    "d": ("2024-01-18", pd.Timestamp("2024-01-18"), "2024-03-01", pd.Timestamp("2024-03-01")),
    "w": ("2024-01-04T11:19", pd.Timestamp("2024-01-04T11:19"), "2024-02-20", pd.Timestamp("2024-02-20")),
    "z": (
        "2024-01-04T13:19+02:00",
        pd.Timestamp("2024-01-04T11:19Z"),
        "2024-02-20 12:00:00Z",
        pd.Timestamp("2024-02-20T12:00Z"),
    ),
}
"""By column: a value and a greater one, as the recipe writes them and as pandas takes them."""

RELATIONS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "'{a}'": lambda s, a, b: s == a,
    "['{a}', '{b}']": lambda s, a, b: s.isin([a, b]),
    "{{eq: '{a}'}}": lambda s, a, b: s == a,
    "{{ne: '{a}'}}": lambda s, a, b: (s != a) & s.notna(),
    "{{in: ['{b}', '{a}']}}": lambda s, a, b: s.isin([a, b]),
    "{{null: true}}": lambda s, a, b: s.isna(),
    "{{null: false}}": lambda s, a, b: s.notna(),
    "{{gt: '{a}'}}": lambda s, a, b: s > a,
    "{{ge: '{a}'}}": lambda s, a, b: s >= a,
    "{{lt: '{b}'}}": lambda s, a, b: s < b,
    "{{le: '{b}'}}": lambda s, a, b: s <= b,
    "{{between: ['{a}', '{b}']}}": lambda s, a, b: s.between(a, b),
    "{{gt: '{a}', lt: '{b}'}}": lambda s, a, b: (s > a) & (s < b),
}
ORDERED = [text for text in RELATIONS if any(sign in text for sign in ("gt", "ge", "lt", "le:", "between"))]


def check_conditions(run: Run, source: Path, conditions: list[tuple[str, Any]]) -> None:
    """In one run, strike a column of its own under each condition; nothing else changes."""
    own = [f"x{i}" for i in range(len(conditions))]
    write_frame(FRAME.assign(**dict.fromkeys(own, FRAME["x"])), source)
    steps = [
        f"id: {x}, op: missing, columns: {x}, rate: 1, where: {where}"
        for x, (where, _) in zip(own, conditions, strict=True)
    ]
    rows = run(source, *steps)
    for x, (where, mask) in zip(own, conditions, strict=True):
        assert blank(rows, x) == chosen(mask), where
    assert [{**row, **dict.fromkeys(own)} for row in rows] == [
        {**row, **dict.fromkeys(own)} for row in read_rows(source)
    ]


@pytest.mark.parametrize("name", VALUES)
def test_struck_rows_are_those_of_pandas(run: Run, source: Path, name: str) -> None:
    said_a, a, said_b, b = VALUES[name]
    relations = {text: said for text, said in RELATIONS.items() if not (name == "b" and text in ORDERED)}
    masks = {text: said(FRAME[name], a, b) for text, said in relations.items()}
    assert all(0 < len(chosen(mask)) < ROWS for mask in masks.values())
    check_conditions(
        run, source, [(f"{{{name}: {text.format(a=said_a, b=said_b)}}}", mask) for text, mask in masks.items()]
    )


def test_what_else_a_condition_can_say(run: Run, source: Path) -> None:
    conditions = [
        ("{n: 5}", FRAME["n"] == 5),
        ("{f: {gt: -1.5}}", FRAME["f"] > -1.5),
        ("{n: {gt: 4.5}}", FRAME["n"] > 4.5),
        ("{b: true}", FRAME["b"]),
        ("{b: {in: [True, false]}}", FRAME["b"].notna()),
        ("{d: {ge: 2024-02-01}}", FRAME["d"] >= "2024-02-01"),
        ("{d: {lt: '2024-01-18T00:01'}}", FRAME["d"] <= "2024-01-18"),
        ("{t: {matches: '^p|ö'}}", FRAME["t"].str.contains("^p|ö")),
        ("{t: {matches: '^plu$'}}", FRAME["t"].isna() & False),
        ("{n: {gt: 5}, f: {le: 10}}", (FRAME["n"] > 5) & (FRAME["f"] <= 10)),
        ("{n: {gt: 5, null: true}}", FRAME["n"].isna() & False),
        ("{x: {gt: 100}}", FRAME["x"] > 100),
        ("{any: [{n: {gt: 20}}, {t: plus}]}", (FRAME["n"] > 20).fillna(False) | (FRAME["t"] == "plus").fillna(False)),
        ("{any: [{n: {null: true}}, {f: {null: true}}]}", FRAME["n"].isna() | FRAME["f"].isna()),
        (
            "{b: true, any: [{n: {gt: 20}, t: plus}, {f: {lt: 0}}]}",
            FRAME["b"].fillna(False)
            & (((FRAME["n"] > 20) & (FRAME["t"] == "plus")).fillna(False) | (FRAME["f"] < 0).fillna(False)),
        ),
    ]
    check_conditions(run, source, conditions)


@pytest.mark.parametrize(
    "type_",
    [
        *(pa.timestamp(unit, zone) for unit in ("s", "ms", "us", "ns") for zone in (None, "UTC", "Asia/Tokyo")),
        pa.date64(),
    ],
)
def test_times_of_every_type(run: Run, tmp_path: Path, type_: pa.DataType) -> None:
    days = pd.Series(pd.date_range("1969-12-20", periods=30, freq="D"))
    table = pa.table({"w": pa.array(days).cast(pa.timestamp("ms")).cast(type_), "x": [1.5] * 30})
    pq.write_table(table, tmp_path / "in.parquet")
    rows = run(tmp_path / "in.parquet", "op: missing, columns: x, rate: 1, where: {w: {ge: '1970-01-02T00:00'}}")
    assert blank(rows) == set(range(13, 30))


def test_categories_and_narrow_integers(run: Run, tmp_path: Path) -> None:
    cells = ["a", None, "b", "a"]
    table = pa.table(
        {
            "c": pa.array(cells).dictionary_encode(),
            "l": pa.array(cells, pa.large_string()),
            "i": pa.array([2**63 + 1, None, 2**53 + 1, 2**53], pa.uint64()),
            "x": [1.5] * 4,
        }
    )
    pq.write_table(table, tmp_path / "in.parquet")
    for where, expected in (
        ("{c: a}", {0, 3}),
        ("{c: {ne: a}}", {2}),
        ("{c: {matches: '[b]'}}", {2}),
        ("{l: {gt: a}}", {2}),
        ("{i: 9007199254740993}", {2}),
        ("{i: {gt: 9007199254740992}}", {0, 2}),
    ):
        rows = run(tmp_path / "in.parquet", f"op: missing, columns: x, rate: 1, where: {where}")
        assert blank(rows) == expected, where


# -------------------------------------------------------------------------------------------- with every kind of step


@pytest.mark.parametrize("rows", [ROWS, 20_000])
@pytest.mark.parametrize("format_", FORMATS)
def test_exact_strikes_a_share_of_the_allowed_rows(run: Run, tmp_path: Path, rows: int, format_: str) -> None:
    frame = make_frame(rows)
    source = write_frame(frame, tmp_path / f"in.{format_}")
    before = read_rows(source)
    allowed = chosen(frame["n"] > 7) & chosen(frame["f"].notna())
    for rate in (0.1, 0.37, 1) if rows == ROWS else (0.37,):
        after = run(source, f"op: missing, columns: f, rate: {rate}, exact: true, where: {{n: {{gt: 7}}}}")
        struck = set(changed(before, after, "f"))
        assert struck <= allowed
        assert len(struck) == round(rate * len(allowed))


def test_labels_flip_exactly_where_it_is_said(run: Run, source: Path) -> None:
    after = run(source, "op: label_flip, rate: 0.3, where: {f: {gt: 4}}", data="{label: t}")
    allowed = chosen(FRAME["f"] > 4) & chosen(FRAME["t"].notna())
    struck = set(changed(read_rows(source), after, "t"))
    assert struck < allowed
    assert len(struck) == round(0.3 * len(allowed))


def test_rows_are_repeated_where_it_is_said(run: Run, source: Path) -> None:
    before, allowed = read_rows(source), chosen(FRAME["d"] < "2024-01-18")
    after = run(source, "op: duplicate, rate: 1, where: {d: {lt: 2024-01-18}}")
    assert after == [row for i, row in enumerate(before) for _ in range(2 if i in allowed else 1)]


def test_words_are_struck_where_it_is_said(run: Run, source: Path) -> None:
    after = run(source, "op: typo, columns: words, rate: 1, where: {b: false}")
    assert set(changed(read_rows(source), after, "words")) == chosen(~FRAME["b"])


def test_the_struck_column_itself_may_be_asked(run: Run, source: Path) -> None:
    after = run(source, "op: gaussian_noise, columns: f, rate: 1, sigma: 3, where: {f: {between: [0, 5]}}")
    struck = set(changed(read_rows(source), after, "f"))
    allowed = chosen(FRAME["f"].between(0, 5))
    assert struck <= allowed
    assert len(struck) > 0.9 * len(allowed)


@pytest.mark.parametrize(
    "first",
    [
        "op: missing, columns: n, rate: 1",
        "op: gaussian_noise, columns: n, rate: 1, sigma: 50",
        "op: missing, columns: n, rate: 1, where: {n: {gt: 7}}",
    ],
)
def test_conditions_read_clean_cells(run: Run, source: Path, first: str) -> None:
    after = run(source, first, "id: second, op: missing, columns: x, rate: 1, where: {n: {gt: 7}}")
    assert len(changed(read_rows(source), after, "n")) > 100
    assert blank(after) == chosen(FRAME["n"] > 7)


def test_clones_are_judged_by_their_source(run: Run, source: Path) -> None:
    steps = [
        "op: missing, columns: t, rate: 1, where: {n: {gt: 7}}",
        "op: duplicate, rate: 1, where: {t: plus}",
        "id: more, op: duplicate, rate: 1, where: {n: {gt: 7}}",
    ]
    first, second = chosen(FRAME["t"] == "plus"), chosen(FRAME["n"] > 7)
    expected = [i for i in range(ROWS) for _ in range((1 + (i in first)) * (1 + (i in second)))]
    assert [int(row["words"].split()[-1]) for row in run(source, *steps)] == expected


@pytest.mark.parametrize(
    ("step", "column"),
    [("op: gaussian_noise, columns: x, sigma: 2", "x"), ("op: typo, columns: words", "words")],
)
def test_a_condition_takes_strikes_away_and_changes_none(run: Run, source: Path, step: str, column: str) -> None:
    before = read_rows(source)
    free = changed(before, run(source, f"{step}, rate: 0.4"), column)
    bound = changed(before, run(source, f"{step}, rate: 0.4, where: {{n: {{gt: 7}}}}"), column)
    allowed = chosen(FRAME["n"] > 7)
    assert bound == {i: cell for i, cell in free.items() if i in allowed}
    assert 0 < len(bound) < len(free)


@pytest.mark.parametrize("exact", ["false", "true"])
def test_rates_nest(run: Run, source: Path, exact: str) -> None:
    step = f"op: gaussian_noise, columns: x, sigma: 2, exact: {exact}, where: {{n: {{gt: 7}}}}"
    strikes = [changed(read_rows(source), run(source, f"{step}, rate: {rate}"), "x") for rate in (0.1, 0.3, 0.7, 1)]
    for fewer, more in pairwise(strikes):
        assert 0 < len(fewer) < len(more)
        assert fewer.items() <= more.items()


def test_a_condition_does_not_open_held_out_rows(run: Run, source: Path) -> None:
    step = "op: missing, columns: x, rate: 1, where: {n: {gt: 7}}"
    table = FRAME.assign(split=["train" if i % 3 else "test" for i in range(ROWS)])
    write_frame(table, source)
    after = run(source, step, data="{split: split}")
    assert blank(after) == chosen((FRAME["n"] > 7) & (table["split"] == "train"))


def test_replay(command: Command, recipe: Recipe, source: Path, tmp_path: Path) -> None:
    path = recipe(
        "id: a, op: missing, columns: x, rate: 0.5, where: {n: {gt: 7, null: false}, t: [plus, basic]}",
        "id: b, op: missing, columns: f, rate: 0.5, exact: true, where: {any: [{b: true}, {d: {lt: 2024-02-01}}]}",
        "id: c, op: gaussian_noise, columns: n, decimals: 1, where: {w: {between: [2024-01-03, 2024-02-02]}}",
        "id: d, op: duplicate, where: {t: {matches: ö}, x: {in: [6.25, 12.25]}}",
        copies=2,
    )
    out, again = tmp_path / "out", tmp_path / "again"
    assert command("augment", source, "-r", path, "-o", out, "-q").code == 0
    result = command("replay", out, "--input", source, "-o", again, "-q")
    assert result.code == 0, result.err
    for copy in (1, 2):
        name = f"copy={copy}/{source.name}"
        assert (out / name).read_bytes() == (again / name).read_bytes() != source.read_bytes()
    assert Path(f"{out}.noisecli.json").read_bytes() == Path(f"{again}.noisecli.json").read_bytes()


# --------------------------------------------------------------------------------------------------------- wrong ones


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ("{n: {foo: 3}}", "unknown key 'foo'; known: eq, ne, gt, ge, lt, le, in, between, null, matches"),
        ("{any: [{n: {beetween: [1, 2]}}]}", "unknown key 'beetween'; did you mean 'between'?"),
        ("{words_: 3}", "did you mean 'words'?"),
        ("{any: [{n: 3}, {nope: 3}]}", "no column 'nope' in in."),
        ("{n: {gt: abc}}", "'abc' is no number"),
        ("{f: [1, abc]}", "'abc' is no number"),
        ("{any: [{n: {lt: abc}}]}", "'abc' is no number"),
        ("{b: {gt: false}}", "gt: true and false have no order"),
        ("{b: maybe}", "true and false only"),
        ("{n: {matches: '3'}}", "matches: column 'n' is integer, not text"),
        ("{d: {matches: '3'}}", "matches: column 'd' is date, not text"),
        ("{d: {gt: soon}}", "'soon' is no date or time"),
        ("{w: 12:30}", "'12:30' is no date or time"),
        ("{any: 3}", "`any:` takes a list of mappings"),
        ("{any: [3]}", "`any:` takes a list of mappings"),
        ("{any: [{}]}", "`any:` takes a list of mappings"),
        ("{any: []}", "any: "),
        ("{n: [{gt: 3}]}", "`any:` takes a list of mappings"),
        ("{n: {}}", "n: should be a value"),
        ("{n: null}", "n: should be a value"),
        ("{n: []}", "n: "),
        ("[n]", "where: "),
        ("n", "where: "),
    ],
)
def test_wrong_conditions(
    command: Command, recipe: Recipe, source: Path, tmp_path: Path, where: str, says: str
) -> None:
    path = recipe(f"op: missing, columns: x, where: {where}")
    result = command("augment", source, "-r", path, "-o", tmp_path / "out", "-q")
    assert result.code == 2, result.err
    assert len(result.errors) == 1, result.err
    assert result.errors[0].startswith("error: ")
    assert "recipe.yaml:4:" in result.errors[0]
    assert says in result.errors[0]
    assert "this is a bug" not in result.err
    assert not (tmp_path / "out").exists()


def test_conditions_are_for_tables(command: Command, recipe: Recipe, sample: Path, tmp_path: Path) -> None:
    path = recipe("op: cutout, where: {n: 3}")
    result = command("augment", sample / "images", "-r", path, "-o", tmp_path / "out", "-q")
    assert result.code == 2
    assert len(result.errors) == 1
    assert "recipe.yaml:4:" in result.errors[0]
    assert "'where'" in result.errors[0]


# ---------------------------------------------------------------------------------------------------------- decimals


def places(cell: object) -> int:
    return len(str(cell).partition(".")[2].rstrip("0"))


@pytest.mark.parametrize(("decimals", "most"), [("keep", 2), (0, 0), (1, 1), (2, 2), (4, 4)])
def test_decimals(run: Run, source: Path, decimals: object, most: int) -> None:
    after = run(source, f"op: gaussian_noise, columns: x, rate: 1, sigma: 2, decimals: {decimals}")
    new = changed(read_rows(source), after, "x")
    found = [places(cell) for cell in new.values()]
    assert len(new) > 0.9 * ROWS
    if decimals == "keep" and source.suffix == ".parquet":
        assert max(found) > 8
    else:
        assert max(found) == most


@pytest.mark.parametrize("decimals", ["-1", "16", "few", "1.5"])
def test_wrong_decimals(command: Command, recipe: Recipe, source: Path, tmp_path: Path, decimals: str) -> None:
    path = recipe(f"op: gaussian_noise, columns: x, decimals: {decimals}")
    result = command("augment", source, "-r", path, "-o", tmp_path / "out", "-q")
    assert result.code == 2, result.err
    assert "recipe.yaml:4:" in result.errors[0]
    assert "decimals" in result.err


# ------------------------------------------------------------------------------------------------------------- types

CODES = b"zip,code,x\n" + b"".join(
    b"%05d,%s,1.5\n" % (10_000 + 37 * i, b"%d" % i if i % 3 else b"A%d" % i) for i in range(90)
)
NOISE = "op: gaussian_noise, columns: {}, rate: 1, sigma: 5"


def test_said_types(command: Command, recipe: Recipe, run: Run, tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_bytes(CODES)
    before = read_rows(source)
    assert len(changed(before, run(source, NOISE.format("zip")), "zip")) > 80
    after = run(source, NOISE.format("code"), data="{types: {code: integer}}")
    struck = changed(before, after, "code")
    assert len(struck) > 40
    assert all(i % 3 and cell.lstrip("-").isdigit() for i, cell in struck.items())
    numbers = run(source, "op: missing, columns: x, rate: 1, where: {code: {ge: 50}}", data="{types: {code: integer}}")
    assert blank(numbers) == {i for i in range(50, 90) if i % 3}


@pytest.mark.parametrize(
    ("name", "column", "types", "says"),
    [
        ("in.csv", "zip", "{zip: text}", "'zip' is text"),
        ("in.csv", "code", "{}", "'code' is text"),
        ("in.csv", "x", "{nope: text}", "no column 'nope'"),
        ("in.csv", "x", "{x: number}", "types"),
        ("in.parquet", "x", "{x: text}", "'types' is about CSV files"),
    ],
)
def test_refused_types(
    command: Command, recipe: Recipe, tmp_path: Path, name: str, column: str, types: str, says: str
) -> None:
    if name == "in.csv":
        (tmp_path / name).write_bytes(CODES)
    else:
        write_frame(FRAME, tmp_path / name)
    path = recipe(NOISE.format(column), data=f"{{types: {types}}}")
    result = command("augment", tmp_path / name, "-r", path, "-o", tmp_path / "out", "-q")
    assert result.code == 2, result.err
    assert len(result.errors) == 1
    assert "recipe.yaml:" in result.errors[0]
    assert says in result.errors[0]


def test_large_integers_are_compared_exactly(command, recipe, tmp_path):
    source = tmp_path / "ids.csv"
    source.write_text("id,x\n" + "".join(f"{2**53 + i},1\n" for i in range(4)))
    path = recipe(f"op: missing, columns: x, rate: 1, where: {{id: {2**53 + 1}}}")
    assert command("augment", source, "-r", path, "-o", tmp_path / "out.csv").code == 0
    struck = [line.split(",")[0] for line in (tmp_path / "out.csv").read_text().splitlines() if line.endswith(",")]
    assert struck == [str(2**53 + 1)]


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ('{name: {matches: "("}}', "Invalid regular expression"),
        ("{b: {between: [false, true]}}", "have no order"),
        ("{}", "should name a column"),
        ("{name: {between: [a]}}", "at least 2 needed"),
    ],
)
def test_a_condition_that_makes_no_sense_is_one_line_with_its_place(command, recipe, tmp_path, where, message):
    source = tmp_path / "in.csv"
    source.write_text("name,b\nx,true\ny,false\n")
    done = command("validate", recipe(f"op: missing, columns: name, where: {where}"), source)
    assert done.code == 2
    assert [message in line and "recipe.yaml:4:" in line for line in done.errors] == [True]


def test_days_that_no_calendar_has_meet_no_condition(command, recipe, tmp_path):
    source = tmp_path / "in.csv"
    days = ["2026-02-27", "2026-02-28", "2026-02-30", "0000-12-31", "2026-03-31"] * 2
    source.write_text("day,x\n" + "".join(f"{day},1\n" for day in days))
    path = recipe("op: missing, columns: x, rate: 1, where: {day: {ge: 2026-02-28}}")
    assert command("augment", source, "-r", path, "-o", tmp_path / "out.csv").code == 0
    struck = {line.split(",")[0] for line in (tmp_path / "out.csv").read_text().splitlines() if line.endswith(",")}
    assert struck == {"2026-02-28", "2026-03-31"}
    wrong = command("validate", recipe("op: missing, columns: x, where: {day: 2026-02-30}"), source)
    assert wrong.code == 2
    assert "is no date or time" in wrong.err


def test_a_decimal_in_the_recipe_is_found_among_narrow_floats(command, recipe, tmp_path):
    source = tmp_path / "in.parquet"
    pq.write_table(pa.table({"f": pa.array([0.1, 0.2, 0.3] * 3, pa.float32()), "x": list(range(9))}), source)
    path = recipe("op: missing, columns: x, rate: 1, where: {f: 0.1}")
    assert command("augment", source, "-r", path, "-o", tmp_path / "out.parquet").code == 0
    assert pq.read_table(tmp_path / "out.parquet")["x"].null_count == 3
