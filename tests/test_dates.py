"""Dates that are not ISO 8601: a CSV column with a format is one of dates wherever a recipe speaks of it."""

import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import noisecli
from noisecli.dates import parse_times
from noisecli.errors import DataProblem, RecipeProblem

Command = Callable[..., Any]
Recipe = Callable[..., Path]

FORMAT = "%d.%m.%Y %H:%M"
START = datetime(2024, 1, 1)
TIMES = [START + timedelta(minutes=i * 4_999 % 90_000) for i in range(300)]
ODD = {7: "unknown", 8: "31.02.2024 10:00", 9: "2024-02-01 10:00", 10: "01.02.2024", 11: ""}
"""Cells that do not fit, by row; the last one is missing."""


def types(dtype: str = "datetime", format: str = FORMAT) -> dict[str, Any]:
    return {"types": {"when": {"dtype": dtype, "format": format}}}


def where(condition: Any, format: str = FORMAT, **head: Any) -> dict[str, Any]:
    """A recipe that blanks `x` where a condition on `when` holds."""
    step = {"op": "missing", "columns": "x", "rate": 1, "where": {"when": condition}}
    return {"noisecli": 1, "seed": 7, "data": types(format=format), "steps": [step], **head}


def write(path: Path, cells: list[str]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([("when", "x"), *((cell, "1.5") for cell in cells)])
    return path


def blank(path: Path) -> set[int]:
    with path.open(newline="", encoding="utf-8") as file:
        return {i for i, row in enumerate(csv.DictReader(file)) if row["x"] == ""}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    cells = [ODD.get(i, f"{time:%d.%m.%Y %H:%M}") for i, time in enumerate(TIMES)]
    return write(tmp_path / "in.csv", cells)


def later_than(moment: datetime) -> set[int]:
    return {i for i, time in enumerate(TIMES) if i not in ODD and time > moment}


# ------------------------------------------------------------------------------------------------------- conditions


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ({"gt": "02.02.2024 00:00"}, lambda time: time > datetime(2024, 2, 2)),
        ({"gt": "2024-02-02"}, lambda time: time > datetime(2024, 2, 2)),
        ({"le": "2024-02-02T12:30:00Z"}, lambda time: time <= datetime(2024, 2, 2, 12, 30)),
        (
            {"between": ["10.01.2024 06:00", "2024-01-20T06:00"]},
            lambda time: datetime(2024, 1, 10, 6) <= time <= datetime(2024, 1, 20, 6),
        ),
        (f"{TIMES[40]:%d.%m.%Y %H:%M}", lambda time: time == TIMES[40]),
        ({"ne": f"{TIMES[40]:%Y-%m-%d %H:%M}"}, lambda time: time != TIMES[40]),
        ([f"{TIMES[40]:%d.%m.%Y %H:%M}", "2024-01-01"], lambda time: time in (TIMES[40], START)),
    ],
)
def test_conditions_compare_times_and_are_false_for_what_is_none(
    source: Path, tmp_path: Path, condition: Any, holds: Callable[[datetime], bool]
) -> None:
    noisecli.augment(source, where(condition), tmp_path / "out.csv")
    found = blank(tmp_path / "out.csv")
    assert found == {i for i, time in enumerate(TIMES) if i not in ODD and holds(time)}
    assert found


def test_a_missing_cell_is_null_and_one_that_does_not_fit_is_not(source: Path, tmp_path: Path) -> None:
    noisecli.augment(source, where({"null": True}), tmp_path / "out.csv")
    assert blank(tmp_path / "out.csv") == {11}


def test_a_value_in_the_columns_format_comes_before_iso(tmp_path: Path) -> None:
    source = write(tmp_path / "in.csv", ["2024-02-01", "2024-01-02"] * 5)
    noisecli.augment(source, where("2024-02-01", format="%Y-%d-%m"), tmp_path / "out.csv")
    assert blank(tmp_path / "out.csv") == {0, 2, 4, 6, 8}


def test_an_exact_step_meets_the_same_rows(source: Path, tmp_path: Path) -> None:
    recipe = where({"gt": "2024-02-02"})
    recipe["steps"][0]["exact"] = True
    noisecli.augment(source, recipe, tmp_path / "out.csv")
    assert blank(tmp_path / "out.csv") == later_than(datetime(2024, 2, 2))


# -------------------------------------------------------------------------------------------------------- the column


@pytest.mark.parametrize(
    ("selector", "dtype", "format", "struck"),
    [
        ("datetime", "datetime", FORMAT, True),
        ("datetime", "date", "%d.%m.%Y", True),
        ({"dtype": "datetime"}, "datetime", FORMAT, True),
        ({"dtype": "date"}, "datetime", FORMAT, False),
        ("text", "datetime", FORMAT, False),
    ],
)
def test_selectors_know_its_kind(
    source: Path, tmp_path: Path, selector: Any, dtype: str, format: str, struck: bool
) -> None:
    steps = [{"op": "missing", "columns": selector, "rate": 1}]
    recipe = {"noisecli": 1, "seed": 1, "data": types(dtype, format), "steps": steps}
    if not struck:
        with pytest.raises(RecipeProblem, match="selects no column"):
            noisecli.augment(source, recipe, tmp_path / "out.csv")
        return
    done = noisecli.augment(source, recipe, tmp_path / "out.csv")
    assert list(done.manifest.steps[0].columns) == ["when"]


def test_cells_that_do_not_fit_are_counted_in_a_warning(source: Path, tmp_path: Path) -> None:
    done = noisecli.augment(source, where({"gt": "2024-02-02"}), tmp_path / "out.csv")
    assert f"column 'when': 4 cells are not written like {FORMAT!r} and are carried" in done.manifest.warnings


def test_so_are_cells_that_are_no_dates_among_iso_dates(tmp_path: Path) -> None:
    source = write(tmp_path / "in.csv", ["2024-02-01"] * 200 + ["soon"])
    recipe = {"noisecli": 1, "seed": 1, "steps": [{"op": "missing", "columns": "datetime", "rate": 0.5}]}
    done = noisecli.augment(source, recipe, tmp_path / "out.csv")
    assert done.manifest.warnings == ["column 'when': 1 cells are no dates and are carried"]


def test_the_manifest_says_the_format_and_replay_honours_it(source: Path, tmp_path: Path, command: Command) -> None:
    done = noisecli.augment(source, where({"gt": "02.02.2024 00:00"}, copies=2), tmp_path / "out")
    facts = json.loads(done.manifest_path.read_text())["facts"]["columns"]["when"]
    assert (facts["kind"], facts["format"]) == ("datetime", FORMAT)
    again = command("replay", tmp_path / "out", "--input", source, "-o", tmp_path / "again")
    assert again.code == 0, again.err


def test_pinned_facts_know_the_format(source: Path, tmp_path: Path) -> None:
    noisecli.augment(source, where({"gt": "02.02.2024 00:00"}), tmp_path / "out.csv")
    pinned = where({"gt": "02.02.2024 00:00"}, facts=str(tmp_path / "out.csv"), data={})
    noisecli.augment(source, pinned, tmp_path / "pinned.csv")
    assert blank(tmp_path / "pinned.csv") == blank(tmp_path / "out.csv") != set()
    other = where({"gt": "2024-02-02"}, facts=str(tmp_path / "out.csv"), format="%m.%d.%Y %H:%M")
    with pytest.raises(RecipeProblem, match="leave `facts:` out"):
        noisecli.augment(source, other, tmp_path / "other.csv")


def test_a_format_in_a_manifest_is_checked(source: Path, tmp_path: Path) -> None:
    path = noisecli.augment(source, where({"gt": "2024-02-02"}), tmp_path / "out.csv").manifest_path
    path.write_text(path.read_text().replace("%H:%M", "%Q"))
    with pytest.raises(DataProblem, match="%Q is not known"):
        noisecli.verify(tmp_path / "out.csv")


# --------------------------------------------------------------------------------------------------- any environment


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Kathmandu"])
def test_the_same_bytes_in_any_time_zone_and_locale(tmp_path: Path, zone: str) -> None:
    days = [START + timedelta(hours=7 * i) for i in range(400)]
    write(tmp_path / "in.csv", [f"{day:%d %b %Y %I:%M %p}" for day in days])
    recipe = where({"between": ["31 Mar 2024 01:30 AM", "2024-03-31T23:00+01:00"]}, format="%d %b %Y %I:%M %p")
    (tmp_path / "recipe.json").write_text(json.dumps(recipe))
    arguments = [sys.executable, "-m", "noisecli", "augment", "in.csv", "-r", "recipe.json", "-o", "out.csv", "-q"]
    environment = {**os.environ, "TZ": zone, "LC_ALL": "de_DE.UTF-8"}
    subprocess.run(arguments, cwd=tmp_path, env=environment, check=True)
    low, high = datetime(2024, 3, 31, 1, 30), datetime(2024, 3, 31, 22)
    assert blank(tmp_path / "out.csv") == {i for i, day in enumerate(days) if low <= day <= high} != set()


FORMATS = ["%d.%m.%Y %H:%M:%S", "%m/%d/%y %I:%M %p", "%Y%m%d%H%M%S", "%A, %d %B %Y %H:%M:%S.%f", "%b %d %Y %H:%M %z"]


@given(
    times=st.lists(st.datetimes(datetime(1969, 1, 1), datetime(2068, 12, 31), timezones=st.just(UTC)), max_size=8),
    format=st.sampled_from(FORMATS),
)
def test_times_are_what_python_makes_of_them(times: list[datetime], format: str) -> None:
    cells = [time.strftime(format) for time in times]
    found, fits = parse_times(pa.array(cells, pa.string()), format)
    assert fits.all()
    wanted = [datetime.strptime(cell, format).replace(tzinfo=UTC) for cell in cells]
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    assert found.tolist() == [(time - epoch) // timedelta(microseconds=1) for time in wanted]


@pytest.mark.parametrize(
    ("format", "cell", "iso"),
    [
        ("%d.%m.%Y", "1.2.2024", "2024-02-01T00:00:00"),
        ("%d.%m.%Y", "29.02.2023", None),
        ("%d.%m.%Y", "01.02.2024 ", None),
        ("%d.%m.%Y", "٠١.02.2024", None),
        ("%d.%m.%Y", "01.01.0000", None),
        ("%Y%m%d", "2024111", None),
        ("%d/%m/%y", "01/02/69", "1969-02-01T00:00:00"),
        ("%d/%m/%y", "01/02/68", "2068-02-01T00:00:00"),
        ("%d %B %Y", "1 MÄRZ 2024", None),
        ("%d %B %Y", "1 mAr 2024", "2024-03-01T00:00:00"),
        ("%d %m %Y %I %p", "1 2 2024 12 a.m.", "2024-02-01T00:00:00"),
        ("%d %m %Y %H:%M %z", "1 2 2024 23:30 -01:30", "2024-02-02T01:00:00"),
        ("%d %m %Y %H:%M %z", "1 2 2024 23:30 +24:00", None),
        ("%d %m %Y %H:%M %z", "1 2 2024 23:30 -0160", None),
        ("%d %m %Y %H:%M:%S.%f", "1 2 2024 23:30:01.5", "2024-02-01T23:30:01.500000"),
        ("%Y年%m月%d日", "2024年3月1日", "2024-03-01T00:00:00"),
        ("(%Y-%m-%d) 5%%", "(2024-03-01) 5%", "2024-03-01T00:00:00"),
        ("%Y  %m %d", "2024 03   01", "2024-03-01T00:00:00"),
    ],
)
def test_what_fits_a_format(format: str, cell: str, iso: str | None) -> None:
    times, fits = parse_times(pa.array([cell, None]), format)
    assert fits.tolist() == [iso is not None, False]
    if iso is not None:
        assert times[0].astype("datetime64[us]") == np.datetime64(iso)


@pytest.mark.parametrize("zone", ["+24:00", "-99:99", "+0160"])
def test_a_time_in_a_zone_that_cannot_be_is_carried(tmp_path: Path, zone: str) -> None:
    source = write(tmp_path / "in.csv", [f"2024-02-01T12:00{zone}", *["2024-02-01T12:00+01:00"] * 200])
    step = {"op": "missing", "columns": "x", "rate": 1, "where": {"when": {"lt": "2024-02-01T11:30"}}}
    done = noisecli.augment(source, {"noisecli": 1, "seed": 1, "steps": [step]}, tmp_path / "out.csv")
    assert blank(done.output) == set(range(1, 201))
    assert done.manifest.warnings == ["column 'when': 1 cells are no dates and are carried"]


# --------------------------------------------------------------------------------------------------- faults


@pytest.mark.parametrize(
    ("said", "at", "says"),
    [
        ('{dtype: integer, format: "%d.%m.%Y"}', '"', "only date and datetime columns have one, not integer"),
        ('{dtype: date, format: "%d.%m.%Y %H"}', '"', "%H is a time of day"),
        ('{dtype: datetime, format: "%d.%m %H"}', '"', "says no year"),
        ('{dtype: datetime, format: "%d.%m.%Y %y"}', '"', "says the year twice"),
        ('{dtype: datetime, format: "%d.%m.%Y %I"}', '"', "%I and %p belong together"),
        ('{dtype: datetime, format: "%c"}', '"', "%c is not known"),
        ('{dtype: datetime, format: "%d.%m.%Y %"}', '"', "% is not known"),
        ('{dtype: datetime, format: "\\0%d.%m.%Y"}', '"', "cannot be printed"),
        ('{dtype: datetime, fromat: "%d"}', "fromat", "unknown key 'fromat'"),
        ('{format: "%d.%m.%Y"}', "{format", "missing key 'dtype'"),
        ("[date]", "[date]", "should be 'integer'"),
    ],
)
def test_a_format_that_cannot_be_is_a_fault_at_its_place(
    command: Command, recipe: Recipe, said: str, at: str, says: str
) -> None:
    path = recipe("op: missing, columns: x", data=f"{{types: {{when: {said}}}}}")
    done = command("validate", path)
    assert done.code == 2
    assert len(done.errors) == 1
    column = path.read_text().splitlines()[2].index(at) + 1
    assert f"recipe.yaml:3:{column}: " in done.errors[0]
    assert says in done.errors[0]


def test_a_value_that_is_no_time_is_a_fault_at_its_place(source: Path, command: Command, recipe: Recipe) -> None:
    path = recipe(
        "op: missing, columns: x, where: {when: {gt: 02/02/2024}}",
        data=f'{{types: {{when: {{dtype: datetime, format: "{FORMAT}"}}}}}}',
    )
    done = command("validate", path, source)
    assert done.code == 2
    assert "'02/02/2024' is no date or time" in done.errors[0]
    assert FORMAT in done.errors[0]
    assert "recipe.yaml:5:" in done.errors[0]


def test_dates_that_are_text_are_told_how_to_be_dates(command: Command, recipe: Recipe, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("when\n01.02.2024\n13.02.2024\n")
    done = command("validate", recipe("op: swap_day_month, columns: when"), tmp_path / "in.csv")
    assert "'when' is text: for dates in CSV and JSON Lines say their type and format under `data.types`" in done.err
    done = command("validate", recipe("op: swap_day_month, columns: datetime"), tmp_path / "in.csv")
    assert "no column that 'swap_day_month' can strike: it takes date or datetime columns" in done.err
    done = command("validate", recipe("op: gaussian_noise, columns: when"), tmp_path / "in.csv")
    assert done.errors[0].endswith("op 'gaussian_noise' takes float or integer columns; 'when' is text")


def test_the_schema_knows_both_forms(command: Command) -> None:
    definitions = command("schema").json["$defs"]
    plain, written = definitions["Data"]["properties"]["types"]["additionalProperties"]["oneOf"]
    assert "datetime" in plain["enum"]
    assert set(definitions[written["$ref"].rpartition("/")[2]]["properties"]) == {"dtype", "format"}


@pytest.mark.parametrize("said", ["integer", "date", '{dtype: date, format: "%d.%m.%Y"}'])
def test_a_type_that_no_cell_has_is_refused(said: str, tmp_path: Path, command: Any) -> None:
    (tmp_path / "in.csv").write_text("x,name\n1,ada\n2,eve\n")
    (tmp_path / "r.yaml").write_text(
        f"noisecli: 1\nseed: 1\ndata: {{types: {{name: {said}}}}}\nsteps: [{{op: missing, columns: [name]}}]\n"
    )
    result = command("augment", tmp_path / "in.csv", "-r", tmp_path / "r.yaml", "-o", tmp_path / "o.csv")
    assert result.code == 3
    assert "column 'name': all 2 cells are" in result.err
    assert not (tmp_path / "o.csv").exists()
