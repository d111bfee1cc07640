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
IN_BERLIN = {"op": "wrong_timezone", "actual": "Europe/Berlin", "expected": "Europe/Berlin"}


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
        # In Morocco clocks are put back for Ramadan, which is neither its winter nor a summer time.
        ({"op": "dst_hour", "zone": "Africa/Casablanca"}, "2024-03-20 12:00", "2024-03-20 12:00"),
        # 02:30 comes twice in Berlin on 27 October 2024, at 00:30Z and at 01:30Z, and not at all on 31 March.
        (IN_BERLIN, "2024-10-27T00:30Z", "2024-10-27T00:30Z"),
        (IN_BERLIN, "2024-10-27T01:30Z", "2024-10-27T00:30Z"),
        (IN_BERLIN, "2024-10-27T02:30Z", "2024-10-27T02:30Z"),
        ({**IN_BERLIN, "actual": "UTC"}, "2024-03-31T00:30Z", "2024-03-30T23:30Z"),
        ({**IN_BERLIN, "actual": "UTC"}, "2024-03-31T02:30Z", "2024-03-31T01:30Z"),
        ({**IN_BERLIN, "actual": "UTC"}, "2024-03-31T03:30Z", "2024-03-31T01:30Z"),
        (DAY_LATER, "9999-12-30T23:59:59-12:00", "9999-12-31T23:59:59-12:00"),
        (DAY_LATER, "0001-01-01T01:00+05:30", "0001-01-02T01:00+05:30"),
        ({"op": "epoch_unit"}, "2019-03-23T09:00:00Z", "1970-01-18T23:28:52Z"),
        ({"op": "epoch_unit"}, "2019-03-23 10:00:00.000+01:00", "1970-01-19 00:28:51.600+01:00"),
        ({"op": "epoch_unit", "actual": "us", "expected": "ms"}, "1970-01-18 23:28:51.600", "2019-03-23 09:00:00.000"),
        ({"op": "epoch_unit", "actual": "ms", "expected": "s"}, "2019-03-23 09:00", "9999-12-31 23:59"),
        ({"op": "epoch_unit"}, "1553331600000", "1553331600"),
        ({"op": "epoch_unit"}, "1553331600501", "1553331601"),
        ({"op": "epoch_unit", "actual": "us", "expected": "s"}, "-1553331600", "-1553331600000000"),
        ({"op": "epoch_unit", "actual": "ms", "expected": "s"}, "1553331600.25", "1553331600250.00"),
        ({"op": "format_mix", "formats": ["%m/%d/%Y"]}, "2019-03-23", "03/23/2019"),
        ({"op": "format_mix", "formats": ["%A %d %B %y"]}, "0999-05-01", "Wednesday 01 May 99"),
        ({"op": "format_mix", "formats": ["%a %b %d %Y"]}, "2019-05-03T15:09:26.5Z", "Fri May 03 2019 15:09:26.5Z"),
        ({"op": "format_mix", "formats": ["%d.%m.%Y"]}, "2019-03-23T23:09-08:00", "23.03.2019 23:09-08:00"),
        ({"op": "format_mix", "formats": ["%Y-%m-%d"]}, "2019-03-23", "2019-03-23"),
        ({"op": "impossible_date"}, "2019-04-05", "2019-04-31"),
        ({"op": "impossible_date"}, "2019-03-05 10:00", "2019-03-32 10:00"),
        ({"op": "impossible_date", "part": "month"}, "2019-03-05T10:00Z", "2019-13-05T10:00Z"),
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


def test_times_before_1970_are_rounded_down_in_nanoseconds(tmp_path: Path) -> None:
    made = run(pa.array([-1, -86_400_000_000_001], pa.timestamp("ns")), {"op": "truncate_time"}, tmp_path)
    assert [str(time)[:10] for time in made] == ["1969-12-31", "1969-12-30"]


def test_times_beyond_the_calendar_are_brought_to_its_end(tmp_path: Path) -> None:
    feather.write_feather(pa.table({"when": pa.array([2**62, -(2**62)], pa.timestamp("s"))}), tmp_path / "in.feather")
    noisecli.augment(tmp_path / "in.feather", recipe(DAY_LATER), tmp_path / "out.feather")
    made = feather.read_table(tmp_path / "out.feather")["when"].cast(pa.string()).to_pylist()
    assert made == ["9999-12-31 23:59:59", "0001-01-01 00:00:00"]


# ----------------------------------------------------------------------------------------------------- new spellings


def test_formats_are_drawn_alike_and_every_struck_cell_changes(tmp_path: Path) -> None:
    """Bounds are 4 standard errors."""
    made = on_csv(["2019-03-23"] * 4_000, {"op": "format_mix"}, tmp_path)
    counts = {text: made.count(text) for text in set(made)}
    assert set(counts) == {"03/23/2019", "23/03/2019", "23.03.2019", "Mar 23 2019"}
    assert all(abs(count - 1_000) < 4 * np.sqrt(4_000 * 0.25 * 0.75) for count in counts.values())


def test_a_format_that_changes_nothing_gives_way_to_the_next(tmp_path: Path) -> None:
    cells = ["23.03.2019 10:00", "03.03.2019 10:00"] * 50
    step = {"op": "format_mix", "formats": ["%d.%m.%Y", "%m.%d.%Y"]}
    made = on_csv(cells, step, tmp_path, "%d.%m.%Y %H:%M")
    assert made == ["03.23.2019 10:00", "03.03.2019 10:00"] * 50


def test_days_that_a_month_lacks_are_drawn_alike(tmp_path: Path) -> None:
    made = on_csv(["3.2.2019"] * 3_000, {"op": "impossible_date"}, tmp_path, "%d.%m.%Y")
    counts = {text: made.count(text) for text in set(made)}
    assert set(counts) == {"29.2.2019", "30.2.2019", "31.2.2019"}
    assert all(abs(count - 1_000) < 4 * np.sqrt(3_000 * 2 / 9) for count in counts.values())


def test_a_leap_year_has_its_29th_of_february(tmp_path: Path) -> None:
    made = on_csv(["2024-02-03", "2000-02-03", "1900-02-03"] * 100, {"op": "impossible_date"}, tmp_path)
    found = {text for text in made if text.endswith("-29")}
    assert found == {"1900-02-29"}


@pytest.mark.parametrize(
    ("cells", "step", "made"),
    [
        (pa.array([date(2019, 4, 5), None]), {"op": "impossible_date"}, "2019-04-31"),
        (pa.array([WHEN, None], pa.timestamp("ms")), {"op": "impossible_date"}, "2024-03-32 15:09:26.000"),
        (pa.array([WHEN, None], pa.timestamp("ms", "Asia/Tokyo")), {"op": "format_mix"}, "2024 15:09:26.000Z"),
    ],
)
def test_a_column_with_a_type_becomes_text(cells: pa.Array, step: dict[str, Any], made: str, tmp_path: Path) -> None:
    if step["op"] == "format_mix":
        step = {**step, "formats": ["%b %d %Y"]}
        made = f"Mar 04 {made}"
    pq.write_table(pa.table({"when": cells}), tmp_path / "in.parquet")
    outcome = noisecli.augment(tmp_path / "in.parquet", recipe(step), tmp_path / "out.parquet")
    found = pq.read_table(tmp_path / "out.parquet")["when"]
    assert found.type == pa.string()
    assert found.to_pylist() == [made, None]
    assert any("column 'when' becomes text" in text for text in outcome.manifest.warnings)


def test_what_was_rewritten_is_no_date_to_later_steps(tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text("when\n" + "2019-03-23\n" * 200)
    steps = [{"op": "impossible_date", "columns": "when", "rate": 0.5}, {"columns": "when", "rate": 1, **DAY_LATER}]
    outcome = noisecli.augment(source, {"noisecli": 1, "seed": 7, "steps": steps}, tmp_path / "out.csv")
    first, second = (step.columns["when"] for step in outcome.manifest.steps)
    assert second["void"] == first["changed"] > 0
    lines = set((tmp_path / "out.csv").read_text().splitlines()[1:])
    assert lines == {"2019-03-32", "2019-03-24"}


@pytest.mark.parametrize("cell", ["2019-03-23T09:00:00Z", "1553331600000"])
def test_exact_steps_of_units_count_numbers_and_times(cell: str, tmp_path: Path) -> None:
    cells = [cell] * 397 + ["soon", "", "-"]
    made = on_csv(cells, {"op": "epoch_unit", "rate": 0.25, "exact": True}, tmp_path)
    assert sum(old != new for old, new in zip(cells, made, strict=True)) == 99  # a quarter of 397 is 99.25
    assert made[397:] == ["soon", "", "-"]


@pytest.mark.parametrize(("type_", "made"), [(pa.int64(), 1_553_331_600_000), (pa.int32(), 2**31 - 1)])
def test_numbers_that_their_type_cannot_hold_are_clipped_and_counted(type_: Any, made: int, tmp_path: Path) -> None:
    pq.write_table(pa.table({"when": pa.array([1_553_331_600], type_)}), tmp_path / "in.parquet")
    step = {"op": "epoch_unit", "actual": "ms", "expected": "s"}
    outcome = noisecli.augment(tmp_path / "in.parquet", recipe(step), tmp_path / "out.parquet")
    assert pq.read_table(tmp_path / "out.parquet")["when"].to_pylist() == [made]
    assert bool(outcome.manifest.warnings) == (type_ == pa.int32())


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_units_in_columns_of_times(unit: str, tmp_path: Path) -> None:
    cells = pa.array([datetime(2019, 3, 23, 9), None], pa.timestamp(unit))
    made = run(cells, {"op": "epoch_unit"}, tmp_path)
    assert made == [datetime(1970, 1, 18, 23, 28, 51, 600_000), None]


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
        ({"op": "wrong_timezone", "actual": "localtime"}, "'localtime' is no time zone"),
        ({"op": "epoch_unit"}, "date"),
        ({"op": "epoch_unit", "expected": "s"}, "nothing is misread"),
        ({"op": "format_mix", "formats": ["%d.%m."]}, "says no year"),
        ({"op": "format_mix", "formats": ["%d.%m.%Y %H:%M"]}, "%H is a time of day"),
        ({"op": "format_mix", "formats": []}, "needs at least one"),
        ({"op": "sentinel_date"}, "disguised_missing"),
        ({"op": "shift"}, "date_shift"),
    ],
)
def test_what_cannot_be_done_is_said(step: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(NoiseError, match=said):
        run(pa.array([date(2024, 3, 4)]), step, tmp_path)


def test_a_century_needs_four_digits(tmp_path: Path) -> None:
    with pytest.raises(NoiseError, match="two digits"):
        on_csv(["04.03.24"], {"op": "century_slip"}, tmp_path, "%d.%m.%y")


@pytest.mark.parametrize(
    ("format", "cell", "step", "said"),
    [
        ("%a %b %d %H:%M:%S %Y", "Sat Mar 23 10:00:00 2019", {"op": "format_mix"}, "time between the parts"),
        ("%d %b %Y", "23 Mar 2019", {"op": "impossible_date", "part": "month"}, "there is no thirteenth"),
        ("%d %b %Y %%m", "23 Mar 2019 %m", {"op": "impossible_date", "part": "month"}, "there is no thirteenth"),
    ],
)
def test_formats_that_cannot_be_rewritten_are_refused(
    format: str, cell: str, step: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(NoiseError, match=said):
        on_csv([cell], step, tmp_path, format)


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
