"""Ops on dates and times, on columns of every type and on text, whose spelling they keep."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

import noisecli
from noisecli.errors import NoiseError

WHEN = datetime(2024, 3, 4, 15, 9, 26)


def run(cells: pa.Array, step: dict[str, Any], tmp_path: Path) -> list[Any]:
    """What a step makes of a column in Parquet, and of one in Feather, which keeps types that Parquet has not."""
    feather.write_feather(pa.table({"when": cells}), tmp_path / "in.feather")
    noisecli.augment(tmp_path / "in.feather", recipe(step), tmp_path / "out.feather")
    made = feather.read_table(tmp_path / "out.feather")["when"]
    pq.write_table(pa.table({"when": cells}), tmp_path / "in.parquet")
    noisecli.augment(tmp_path / "in.parquet", recipe(step), tmp_path / "out.parquet")
    stored = pq.read_table(tmp_path / "in.parquet")["when"].type
    assert pq.read_table(tmp_path / "out.parquet")["when"].equals(made.cast(stored))
    assert made.type == cells.type
    return list(made.to_pylist())


def recipe(step: dict[str, Any], **head: Any) -> dict[str, Any]:
    return {"noisecli": 1, "seed": 7, **head, "steps": [{"columns": "when", "rate": 1, **step}]}


def on_csv(cells: list[str], step: dict[str, Any], tmp_path: Path, format: str | None = None) -> list[str]:
    """The cells of a CSV column after a step; with a format the column is declared one of times."""
    source = tmp_path / "in.csv"
    source.write_text("\n".join(["when,n", *(f"{cell},1" for cell in cells)]) + "\n", encoding="utf-8")
    types = {"data": {"types": {"when": {"dtype": "datetime", "format": format}}}} if format else {}
    noisecli.augment(source, recipe(step, **types), tmp_path / "out.csv")
    lines = (tmp_path / "out.csv").read_text(encoding="utf-8").splitlines()
    return [line.rpartition(",")[0] for line in lines[1:]]


DAY_LATER = {"op": "date_shift", "offset": 1, "unit": "d"}


# ----------------------------------------------------------------------------------------------------------- typed


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Berlin"])
def test_times_keep_their_type(unit: str, zone: str | None, tmp_path: Path) -> None:
    cells = pa.array([WHEN, None, datetime(1931, 12, 31)], pa.timestamp(unit, zone))
    made = run(cells, {"op": "date_shift", "offset": 90, "unit": "min"}, tmp_path)
    assert made == [None if time is None else time + timedelta(minutes=90) for time in cells.to_pylist()]


@pytest.mark.parametrize("type_", [pa.date32(), pa.date64()])
def test_dates_stay_whole_days(type_: pa.DataType, tmp_path: Path) -> None:
    made = run(pa.array([date(2024, 2, 28), date(1899, 12, 31)], type_), DAY_LATER, tmp_path)
    assert made == [date(2024, 2, 29), date(1900, 1, 1)]


@pytest.mark.parametrize(
    ("cell", "type_", "last"),
    [
        (date(9999, 12, 1), pa.date32(), "9999-12-31"),
        (datetime(9999, 12, 1), pa.timestamp("ms"), "9999-12-31 23:59:59.999"),
        (datetime(2262, 1, 1), pa.timestamp("ns"), "2262-04-11 23:47:16.854774000"),
    ],
)
def test_what_leaves_the_range_is_clipped_and_counted(cell: Any, type_: Any, last: str, tmp_path: Path) -> None:
    pq.write_table(pa.table({"when": pa.array([cell, datetime(2000, 1, 1)], type_)}), tmp_path / "in.parquet")
    step = {"op": "date_shift", "offset": 30, "unit": "w"}
    outcome = noisecli.augment(tmp_path / "in.parquet", recipe(step), tmp_path / "out.parquet")
    assert pq.read_table(tmp_path / "out.parquet")["when"].cast(pa.string())[0].as_py() == last
    assert any("1 results were clipped" in warning for warning in outcome.manifest.warnings)


def test_a_data_frame_keeps_its_type() -> None:
    frame = pd.DataFrame({"when": pd.to_datetime(["2024-03-04 15:09", None, "2024-01-01 00:00"])})
    made = noisecli.corrupt(frame, recipe(DAY_LATER))
    assert made["when"].dtype == frame["when"].dtype
    assert made["when"].equals(frame["when"] + pd.Timedelta(days=1))


# ------------------------------------------------------------------------------------------------------------ text


def test_iso_text_keeps_its_spelling(tmp_path: Path) -> None:
    cells = [
        "2024-02-28 10:00",
        "2024-02-28T10:00:01",
        "2024-12-31T10:00:01.500Z",
        "2024-12-31 23:30:00.123456789+05:30",
    ]
    assert on_csv(cells, DAY_LATER, tmp_path) == [
        "2024-02-29 10:00",
        "2024-02-29T10:00:01",
        "2025-01-01T10:00:01.500Z",
        "2025-01-01 23:30:00.123456000+05:30",
    ]


@pytest.mark.parametrize(
    ("format", "cell", "made"),
    [
        ("%d.%m.%Y %H:%M", "31.12.2024 09:05", "01.01.2025 09:05"),
        ("%d.%m.%Y %H:%M", "9.1.2024  9:05", "10.1.2024  9:05"),
        ("%m/%d/%y", "12/31/99", "01/01/00"),
        ("%A %d %B %Y %I:%M %p", "Saturday 31 august 2024 12:30 p.m.", "Sunday 01 september 2024 12:30 p.m."),
        ("%a %d-%b-%Y %H:%M:%S.%f%z", "SAT 31-AUG-2024 00:30:00.25+0200", "SUN 01-SEP-2024 00:30:00.25+0200"),
    ],
)
def test_text_in_a_format_keeps_its_spelling(format: str, cell: str, made: str, tmp_path: Path) -> None:
    assert on_csv([cell, "no date", cell], DAY_LATER, tmp_path, format) == [made, "no date", made]


def test_json_lines(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"when": "2024-03-04T15:09:26Z", "n": 1.50}\n{"when": null}\n')
    noisecli.augment(tmp_path / "in.jsonl", recipe(DAY_LATER), tmp_path / "out.jsonl")
    assert (tmp_path / "out.jsonl").read_text() == '{"when": "2024-03-05T15:09:26Z", "n": 1.50}\n{"when": null}\n'


def test_parts_of_the_day_are_those_of_the_cells_own_clock(tmp_path: Path) -> None:
    cells = ["2024-03-04T01:09:26+05:30", "2024-03-04T23:09:26-08:00"]
    made = on_csv(cells, {"op": "truncate_time", "unit": "d"}, tmp_path)
    assert made == ["2024-03-04T00:00:00+05:30", "2024-03-04T00:00:00-08:00"]


# --------------------------------------------------------------------------------------------------------- each op


@pytest.mark.parametrize(
    ("step", "cell", "made"),
    [
        ({"op": "swap_day_month"}, "2024-03-04 15:09", "2024-04-03 15:09"),
        ({"op": "swap_day_month"}, "2024-12-11 15:09", "2024-11-12 15:09"),
        ({"op": "swap_day_month"}, "1924-01-12 15:09", "1924-12-01 15:09"),
        ({"op": "swap_day_month"}, "2024-03-13 15:09", "2024-03-13 15:09"),
        ({"op": "truncate_time", "unit": "min"}, "2024-03-04 15:09:26.5", "2024-03-04 15:09:00.0"),
        ({"op": "truncate_time", "unit": "h"}, "1924-03-04 15:09", "1924-03-04 15:00"),
        ({"op": "truncate_time", "unit": "d"}, "1924-03-04 15:09", "1924-03-04 00:00"),
        ({"op": "truncate_time", "unit": "month"}, "2024-03-04 15:09", "2024-03-01 00:00"),
        ({"op": "truncate_time", "unit": "year"}, "1924-03-04 15:09", "1924-01-01 00:00"),
        ({"op": "future_date", "years": 1}, "2024-02-29 15:09", "2025-02-28 15:09"),
        ({"op": "future_date", "years": 4}, "2024-02-29 15:09", "2028-02-29 15:09"),
        ({"op": "century_slip"}, "2024-02-29 15:09", "1924-02-29 15:09"),
        ({"op": "century_slip"}, "1931-03-31 15:09", "2031-03-31 15:09"),
        ({"op": "century_slip"}, "2000-02-29 15:09", "1900-02-28 15:09"),
        ({"op": "century_slip"}, "1812-03-31 15:09", "1812-03-31 15:09"),
        ({"op": "wrong_timezone", "actual": "Europe/Berlin"}, "2024-01-04 23:30", "2024-01-05 00:30"),
        ({"op": "wrong_timezone", "actual": "Europe/Berlin"}, "2024-07-04T23:30Z", "2024-07-05T01:30Z"),
        ({"op": "wrong_timezone", "actual": "Europe/Berlin"}, "2024-03-31T02:30:00+02:00", "2024-03-31T03:30:00+02:00"),
        (
            {"op": "wrong_timezone", "actual": "UTC", "expected": "America/New_York"},
            "2024-07-04T12:00Z",
            "2024-07-04T16:00Z",
        ),
        ({"op": "dst_hour", "zone": "Europe/Berlin"}, "2024-07-04 12:00", "2024-07-04 11:00"),
        ({"op": "dst_hour", "zone": "Europe/Berlin", "fault": "twice"}, "2024-07-04 12:00", "2024-07-04 13:00"),
        ({"op": "dst_hour", "zone": "Europe/Berlin"}, "2024-01-04 12:00", "2024-01-04 12:00"),
        ({"op": "dst_hour", "zone": "Australia/Lord_Howe"}, "2024-01-04 12:00", "2024-01-04 11:30"),
        ({"op": "dst_hour", "zone": "Europe/Dublin"}, "2024-07-04 12:00", "2024-07-04 11:00"),
    ],
)
def test_one_cell_exactly(step: dict[str, Any], cell: str, made: str, tmp_path: Path) -> None:
    assert on_csv([cell], step, tmp_path) == [made]


@pytest.mark.parametrize("step", [{"op": "date_jitter", "sigma": 3, "unit": "d"}])
def test_jitter_has_the_spread_and_no_bias_even_where_days_are_whole(step: dict[str, Any], tmp_path: Path) -> None:
    """Rounding adds 1/12 to the variance; bounds are 4 standard errors."""
    rows = 20_000
    made = run(pa.array([date(2024, 3, 4)] * rows), step, tmp_path)
    days = np.array([(day - date(2024, 3, 4)).days for day in made])
    variance = 9 + 1 / 12
    assert abs(days.mean()) < 4 * np.sqrt(variance / rows)
    assert abs(days.var() - variance) < 4 * variance * np.sqrt(2 / rows)


def test_time_zones_follow_summer_time_in_typed_columns(tmp_path: Path) -> None:
    cells = [datetime(2024, month, 9, 12, tzinfo=UTC) for month in range(1, 13)]
    step = {"op": "wrong_timezone", "actual": "America/New_York"}
    made = run(pa.array(cells, pa.timestamp("ms", "UTC")), step, tmp_path)
    winter = {1, 2, 3, 11, 12}  # on the 9th of March 2024 summer time had yet to begin
    assert made == [time - timedelta(hours=5 if time.month in winter else 4) for time in cells]


# -------------------------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ({"op": "date_shift", "unit": "h"}, "holds days, which have no time of day"),
        ({"op": "date_jitter", "unit": "min"}, "holds days, which have no time of day"),
        ({"op": "truncate_time"}, "holds days, which have no time of day"),
        ({"op": "wrong_timezone", "actual": "Europe/Berlin"}, "date"),
        ({"op": "wrong_timezone", "actual": "Berlin"}, "'Berlin' is no time zone"),
        ({"op": "dst_hour", "zone": "../etc"}, "'../etc' is no time zone"),
        ({"op": "sentinel_date"}, "disguised_missing"),
    ],
)
def test_what_cannot_be_done_is_said(step: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(NoiseError, match=said):
        run(pa.array([date(2024, 3, 4)]), step, tmp_path)


def test_a_century_needs_four_digits(tmp_path: Path) -> None:
    with pytest.raises(NoiseError, match="two digits"):
        on_csv(["04.03.24"], {"op": "century_slip"}, tmp_path, "%d.%m.%y")


def test_why_nothing_changed_is_said(tmp_path: Path) -> None:
    pq.write_table(pa.table({"when": pa.array([date(2024, 3, 14), date(2024, 3, 4)])}), tmp_path / "in.parquet")
    outcome = noisecli.augment(tmp_path / "in.parquet", recipe({"op": "swap_day_month"}), tmp_path / "out.parquet")
    assert any("1 of 2 struck came out unchanged: the day is above 12" in text for text in outcome.manifest.warnings)
    assert json.loads((tmp_path / "out.parquet.noisecli.json").read_text())["warnings"]


@pytest.mark.parametrize("format", [None, "%d.%m.%Y %H:%M"])
def test_exact_steps_strike_as_many_as_asked_of_what_are_times(format: str | None, tmp_path: Path) -> None:
    times = [WHEN + timedelta(hours=i) for i in range(400)]
    cells = [time.strftime(format) if format else time.isoformat() for time in times]
    cells[5], cells[7] = "", "soon"
    made = on_csv(cells, {**DAY_LATER, "rate": 0.25, "exact": True}, tmp_path, format)
    assert sum(old != new for old, new in zip(cells, made, strict=True)) == 100  # a quarter of 398 is 99.5
    assert (made[5], made[7]) == ("", "soon")
