"""The table of the benchmark; nothing is measured here."""

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results.json"
PROFILE = ROOT / "benchmarks" / "profile.txt"


@pytest.fixture
def report(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(ROOT)
    return importlib.import_module("benchmarks.report")


def test_the_page_holds_what_was_measured_of_every_line(report: Any) -> None:
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    assert (ROOT / "docs" / "BENCHMARKS.md").read_text(encoding="utf-8") == report.page(
        results, PROFILE.read_text(encoding="utf-8")
    )
    assert list(results["lines"]) == [line.name for line in report.LINES]
    assert results["scale"] == 1
    assert all(len(row.ratios) == results["pairs"] >= 5 for row in report.all_rows(results))


def test_a_row_tells_the_median_and_by_how_much_an_aim_is_missed(report: Any) -> None:
    page = report.page(
        {
            "pairs": 3,
            "environment": {"machine": "an abacus", "versions": {"noisecli": "1.0"}},
            "lines": {
                "csv-floats": {"parts": {"": part([0.9, 0.84, 0.7])}},
                "csv-missing": {"parts": {"": part([0.3, 0.2, 0.4])}},
                "typo-nlpaug": {"absent": "nlpaug is not installed"},
                "imagenet-c": {"parts": {"fog": part([0.1, 0.1, 2.0]), "snow": part([0.1, 0.5, 2.0])}},
                "memory": {"parts": {"": part([1.0, 1.0, 1.0])}},
            },
        },
        "all of it goes into tests",
    )
    rows = {
        line.split(" | ")[0]: line for line in page.partition("## Seconds")[0].splitlines() if line.startswith("| `")
    }
    assert rows["| `csv-floats`"].endswith("| 0.84 | 0.7 - 0.9 | 0.70 | no, +20% |")
    assert rows["| `csv-missing`"].endswith("| 0.3 | 0.2 - 0.4 | 0.35 | yes |")
    assert rows["| `typo-nlpaug`"].endswith("| absent | nlpaug is not installed |  |  |")
    assert rows["| `imagenet-c`"].endswith("| 0.3 | 0.1 - 2 | 0.20 | no, +50% |")
    assert rows["| `imagenet-c: fog`"].endswith("| 0.1 | 0.1 - 2 | 1.00 | yes |")
    assert rows["| `memory`"].endswith("| 1 | 1 - 1 | 1.10, 450 MB | no, 500 MB of 450 |")
    assert "| `csv-floats` | 2 | 3 | 4 | 5 | 500 | 100 |" in page
    assert "| `memory` | - | - | - | - | 500 | 100 |" in page
    assert "an abacus with noisecli 1.0." in page
    assert "all of it goes into tests" in page


def test_a_row_at_another_scale_has_no_verdict(report: Any) -> None:
    line = next(line for line in report.LINES if line.name == "csv-floats")
    (said,) = report.terminal(report.rows(line, {"": part([7.0])}, scale=0.1))
    assert " ".join(said.split()) == "csv-floats 7 (7 - 7) | s 2 : 3 CPU s 4 : 5 MB 500 : 100"


def test_what_is_asked_first_is_computed_from_what_was_measured(report: Any) -> None:
    found = {"lines": {name: {"parts": {"": part([0.6])}} for name in ("parquet-floats", "csv-floats", "memory")}}
    floats, csv, memory, aims = report.in_short(list(report.all_rows(found)))
    assert floats.endswith(": 2.0 s; pyarrow's default copy: 3.0 s.")
    assert csv.endswith(": 2.0 s; pyarrow's typed copy: 3.0 s.")
    assert memory.endswith(": 500 MB; the same with 3 M rows: 100 MB.")
    assert aims.startswith("1 of 3 lines")


@pytest.mark.parametrize(
    ("program", "arguments", "message"),
    [
        ("__main__", ["nope"], "no such line: nope"),
        ("__main__", ["--pairs", "0"], "argument --pairs: '0' is not a whole number above 0"),
        ("__main__", ["--scale", "-1"], "argument --scale: '-1' is not a number above 0"),
        ("profile", ["nope"], "no such line: nope"),
        ("profile", ["memory"], "cannot be profiled: memory (it is about memory, not time)"),
    ],
)
def test_wrong_use_is_said(
    program: str,
    arguments: list[str],
    message: str,
    report: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", [program, *arguments])
    with pytest.raises(SystemExit) as ended:
        importlib.import_module(f"benchmarks.{program}").main()
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def part(ratios: list[float]) -> dict[str, Any]:
    ours = {"wall": 2.0, "cpu": 4.0, "peak": 500_000_000}
    return {"ratios": ratios, "ours": ours, "theirs": {"wall": 3.0, "cpu": 5.0, "peak": 100_000_000}}
