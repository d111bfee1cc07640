"""The recipes that come with noisecli: each runs as it stands, on what it is for and on whatever else there is."""

import csv
import importlib.resources
import json
import re
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import noisecli
from noisecli.errors import RecipeProblem
from noisecli.recipe import builtin

Command = Callable[..., Any]

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "sample_data" / "customers.csv"
NAMES = builtin.names()
ON_IMAGES = {"imagenet-c", "imagenet-c-bar"}
"""What these make is shown in tests/test_sets.py."""
ON_TABLES = sorted({*NAMES} - ON_IMAGES)
ROLES = {"id": "customer_id", "label": "churn", "split": "split"}
every_recipe = pytest.mark.parametrize("name", NAMES)


def sets(**roles: str) -> list[str]:
    """Options that say what columns are for."""
    return [part for role, column in roles.items() for part in ("--set", f"data.{role}={column}")]


def given(**roles: str) -> list[tuple[str, Any, str]]:
    """The same in Python."""
    return [(f"data.{role}", column, f"--set data.{role}") for role, column in roles.items()]


# -------------------------------------------------------------------------------------------------------- what there is


def test_the_recipes_that_are_promised_are_there() -> None:
    assert {
        "crm-duplicates",
        "excel-damage",
        "human-typing",
        "label-noise-20",
        "ocr-scan",
        "sensor-faults",
        "survey-missingness",
        "weak-to-strong",
    } <= set(NAMES)


def test_the_list_has_every_recipe_with_its_line(command: Command) -> None:
    done = command("recipes")
    assert done.code == 0
    targets = {name: "images" if name in ON_IMAGES else "table" for name in NAMES}
    assert all(re.search(rf"^{name} +{targets[name]} +\S", done.out, re.MULTILINE) for name in NAMES)
    entries = command("recipes", "--json").json
    assert [entry["name"] for entry in entries] == NAMES
    assert {entry["name"]: entry["target"] for entry in entries} == targets
    assert all(entry["summary"].endswith(".") for entry in entries)


@every_recipe
def test_one_is_printed_as_it_is_and_can_be_saved_and_edited(name: str, command: Command, tmp_path: Path) -> None:
    shipped = importlib.resources.files("noisecli") / "recipes" / f"{name}.yaml"
    printed = command("recipes", name).out
    assert printed == shipped.read_text(encoding="utf-8")
    assert command("recipes", f"builtin:{name}", "--json").json["yaml"] == printed
    saved = tmp_path / "mine.yaml"
    saved.write_text(printed.replace("seed: 1\n", "seed: 2\n"), encoding="utf-8")
    assert command("validate", saved, *sets(label="x")).code == 0


@every_recipe
def test_each_says_where_its_rates_come_from(name: str) -> None:
    comments = " ".join(line.strip(" #") for line in builtin.text(name).splitlines() if line.strip().startswith("#"))
    assert re.search(r'[A-Z][\w-]+,? .{0,80}?[12]\d{3}, "[A-Z]', comments), "no author, year and title"
    assert "judgement" in comments or name in {"label-noise-20", *ON_IMAGES}
    assert all(len(line) <= 120 for line in builtin.text(name).splitlines())


def test_the_documentation_has_them_all() -> None:
    section = (ROOT / "docs" / "recipe.md").read_text(encoding="utf-8").partition("## Built-in recipes")[2]
    assert sorted(re.findall(r"^\| `([\w-]+)` \|", section.partition("\n## ")[0], re.MULTILINE)) == NAMES


@every_recipe
def test_each_has_the_keys_that_the_schema_knows(name: str, command: Command) -> None:
    known = command("schema").json["$defs"]["Data"]["properties"]
    assert set(ROLES) <= set(known)
    assert command("validate", f"builtin:{name}", *sets(label="x")).code == 0


@pytest.mark.parametrize(
    ("said", "answer"),
    [("sensor-fault", "did you mean 'sensor-faults'?"), ("zzz", "known: crm-duplicates, "), ("", "known: ")],
)
def test_a_name_that_is_none_is_told_the_names(said: str, answer: str, command: Command, tmp_path: Path) -> None:
    done = command("augment", SAMPLE, "-r", f"builtin:{said}", "-o", tmp_path / "out.csv")
    assert done.code == 2
    assert f"no built-in recipe {said!r}" in done.err
    assert answer in done.err
    if said:
        assert command("recipes", said).errors == done.errors


def test_a_name_without_its_prefix_is_told_of_it(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = command("augment", SAMPLE, "-r", "human-typing", "-o", tmp_path / "out.csv")
    assert done.code == 2
    assert "no such recipe file; did you mean 'builtin:human-typing'?" in done.err
    (tmp_path / "human-typing").write_text("noisecli: 1\nseed: 1\nsteps: [{op: missing, columns: age}]\n")
    assert command("validate", "human-typing").code == 0


# ------------------------------------------------------------------------------------------------------- they run


@pytest.mark.parametrize("name", ON_TABLES)
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_each_runs_on_the_sample_data(name: str, suffix: str, command: Command, tmp_path: Path) -> None:
    source, out = SAMPLE.with_suffix(suffix), tmp_path / f"out{suffix}"
    done = command("augment", source, "-r", f"builtin:{name}", "-o", out, *sets(**ROLES))
    assert done.code == 0, done.err
    steps = json.loads(Path(f"{out}.noisecli.json").read_text())["steps"]
    left_out = {"decimal_comma"} if suffix == ".parquet" else set()
    assert {
        step["op"] for step in steps if not any(counts["changed"] for counts in step["columns"].values())
    } <= left_out
    assert not {column for step in steps for column in step["columns"]} & (set(ROLES.values()) - {"churn"})
    assert command("verify", out, "--input", source).code == 0
    again = command("replay", out, "--input", source, "-o", tmp_path / f"again{suffix}")
    assert (again.code, again.errors) == (0, []), again.err


@pytest.mark.filterwarnings("ignore::noisecli.NoiseWarning")
@pytest.mark.parametrize("name", sorted({*ON_TABLES} - {"label-noise-20", "weak-to-strong"}))
def test_each_can_be_used_in_memory(name: str) -> None:
    frame = pd.read_csv(SAMPLE)
    noisy = noisecli.corrupt(frame, f"builtin:{name}")
    assert not noisy.equals(frame)
    assert noisy.equals(noisecli.corrupt(frame, f"builtin:{name}"))


def test_what_a_recipe_needs_to_be_told_is_said(command: Command, tmp_path: Path) -> None:
    said = "needs `columns:`, or `data: {label: COLUMN}` (--set data.label=COLUMN)"
    done = command("augment", SAMPLE, "-r", "builtin:label-noise-20", "-o", tmp_path / "out.csv")
    assert (done.code, said in done.err) == (2, True)
    with pytest.raises(RecipeProblem, match="needs `columns:`"):
        noisecli.corrupt(pd.read_csv(SAMPLE), "builtin:label-noise-20")


def test_what_is_set_and_swept_acts_on_them_too(command: Command, tmp_path: Path) -> None:
    done = command(
        "augment", SAMPLE, "-r", "builtin:weak-to-strong", "-o", tmp_path / "out", *sets(**ROLES), "--seed", "9",
        "--set", "sweep={severity: [1, 5]}", "--set", "steps.missing.columns=age",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert sorted(path.name for path in (tmp_path / "out").glob("severity=*")) == ["severity=1", "severity=5"]
    manifest = json.loads((tmp_path / "out.noisecli.json").read_text())
    assert manifest["seed"] == 9
    assert manifest["steps"][-1]["columns"].keys() == {"age"}
    strong = command(
        "augment", SAMPLE, "-r", "builtin:weak-to-strong", "-o", tmp_path / "x", *sets(**ROLES), "--severity", "2"
    )
    assert strong.code == 2
    assert "the recipe sweeps that" in strong.err


# ------------------------------------------------------------------------------------------------ what their counts say


def changes(source: Path, name: str, folder: Path, **roles: str) -> tuple[Any, list[dict[str, str]]]:
    done = noisecli.augment(source, f"builtin:{name}", folder / "out.csv", overrides=given(**roles))
    with done.output.open(newline="", encoding="utf-8") as file:
        return done.manifest, list(csv.DictReader(file))


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """Four thousand people: names, a class, an income, a flag and a date of 2024."""
    rows = 4_000
    path = tmp_path / "people.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["id", "name", "plan", "income", "since", "churn"])
        for i in range(rows):
            name = f"Person{i * 7919 % 2003} Example{i * 104_729 % 3001}"
            day = f"2024-{i % 12 + 1:02}-{i * 7 % 28 + 1:02}"
            writer.writerow([i, name, ("free", "plus", "pro")[i % 3], 1000 + i * 37 % 5003, day, ("no", "yes")[i % 2]])
    return path


def test_label_noise_is_a_fifth_of_each_class_and_nothing_else(people: Path, tmp_path: Path) -> None:
    manifest, rows = changes(people, "label-noise-20", tmp_path, label="churn")
    assert manifest.steps[0].columns["churn"]["changed"] == 800
    with people.open(newline="") as file:
        old = list(csv.DictReader(file))
    assert Counter(a["churn"] for a, b in zip(old, rows, strict=True) if a != b) == {"yes": 400, "no": 400}
    assert all({**a, "churn": ""} == {**b, "churn": ""} for a, b in zip(old, rows, strict=True))


def test_typing_gets_one_character_in_85_wrong_and_one_number_in_100(people: Path, tmp_path: Path) -> None:
    """Bounds are 4 standard errors."""
    manifest, _ = changes(people, "human-typing", tmp_path, id="id", label="churn")
    typo = manifest.steps[0].columns["name"]
    assert set(manifest.steps[0].columns) == {"name", "plan"}
    assert abs(typo["struck"] - 0.0117 * typo["eligible"]) < 4 * (0.0117 * typo["eligible"]) ** 0.5
    wrong = sum(step.columns["income"]["struck"] for step in manifest.steps[1:])
    assert abs(wrong - 40) < 4 * 40**0.5


def test_a_scan_gets_two_characters_in_100_wrong(tmp_path: Path) -> None:
    manifest, _ = changes(SAMPLE, "ocr-scan", tmp_path, **ROLES)
    errors = [step.cer for step in manifest.steps if step.cer]
    assert len(errors) == 4
    for column in ("name", "note"):
        assert 0.017 < sum(each[column] for each in errors) < 0.023


def test_refusals_are_those_with_high_incomes(people: Path, tmp_path: Path) -> None:
    manifest, rows = changes(people, "survey-missingness", tmp_path, id="id", label="churn")
    with people.open(newline="") as file:
        incomes = {row["id"]: int(row["income"]) for row in csv.DictReader(file)}
    lost = [incomes[row["id"]] for row in rows if row["income"] == "" and row["since"] != ""]
    kept = [incomes[row["id"]] for row in rows if row["income"]]
    assert sum(lost) / len(lost) > sum(kept) / len(kept) + 500
    assert {step.id for step in manifest.steps} == {"refused", "skipped", "left_empty", "do_not_know", "broke_off"}
    assert 20 < sum(row["plan"] == "don't know" for row in rows) < 140


def test_a_tenth_of_the_records_is_there_twice_and_most_clones_are_wrong_in_two_fields(
    people: Path, tmp_path: Path
) -> None:
    _, rows = changes(people, "crm-duplicates", tmp_path, id="id", label="churn")
    times = Counter(row["id"] for row in rows)
    assert abs(len(rows) - 4_400) < 4 * 400**0.5
    pairs: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        pairs.setdefault(row["id"], []).append(row)
    wrong = Counter(
        sum(a[key] != b[key] for key in a) for a, b in (pairs[id] for id, count in times.items() if count == 2)
    )
    assert set(wrong) == {0, 2}
    assert wrong[2] > 2.5 * wrong[0] > 0


def test_a_spreadsheet_leaves_dates_of_other_formats_and_error_values(people: Path, tmp_path: Path) -> None:
    _, rows = changes(people, "excel-damage", tmp_path, id="id", label="churn")
    other = sum(not re.fullmatch(r"\d{4}-\d\d-\d\d", row["since"]) for row in rows)
    errors = Counter(row["income"] for row in rows if row["income"].startswith("#"))
    assert abs(other - 200) < 4 * 200**0.5
    assert set(errors) == {"#N/A", "#REF!", "#VALUE!", "#DIV/0!"}


def test_sensors_fail_in_runs_of_each_device(tmp_path: Path) -> None:
    rows = 20_000
    table = pa.table({"device": [f"d{i % 2}" for i in range(rows)], "x": [i * 7919 % 2003 / 10 for i in range(rows)]})
    pq.write_table(table, tmp_path / "in.parquet")
    done = noisecli.augment(
        tmp_path / "in.parquet", "builtin:sensor-faults", tmp_path / "out.parquet", overrides=given(entity="device")
    )
    struck = {step.id: step.columns["x"]["struck"] / rows for step in done.manifest.steps}
    assert set(struck) == {"spike", "stuck", "noisy_spells", "drift", "gaps"}
    assert 0.003 < struck["spike"] < 0.007
    assert all(0.005 < share < 0.05 for id, share in struck.items() if id != "spike")
    noisy = pq.read_table(done.output)
    assert noisy["device"].equals(table["device"])
    gaps = [value is None for value in noisy["x"].to_pylist()]
    runs = [(gaps[i], gaps[i + 2]) for i in range(rows - 2) if gaps[i]]
    assert sum(later for _, later in runs) / len(runs) > 0.7  # a gap of a device mostly goes on


def test_severities_of_the_curve_nest(people: Path, tmp_path: Path) -> None:
    done = noisecli.augment(people, "builtin:weak-to-strong", tmp_path / "out", overrides=given(id="id", label="churn"))
    lost = []
    for severity in range(1, 6):
        (path,) = (done.output / f"severity={severity}").rglob("*.csv")
        with path.open(newline="", encoding="utf-8") as file:
            lost.append({(row["id"], key) for row in csv.DictReader(file) for key in row if row[key] == ""})
    assert all(few < many for few, many in pairwise(lost))


# ------------------------------------------------------------------------------------------------ steps that do not fit


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_a_step_without_columns_is_left_out_with_a_warning(tmp_path: Path, command: Command) -> None:
    source = write(tmp_path / "in.csv", "x\n" + "1.25\n" * 400)
    done = command("augment", source, "-r", "builtin:excel-damage", "-o", tmp_path / "out.csv")
    assert done.code == 0
    line = "step 'format_mix' is left out: 'datetime' selects no column that 'format_mix' can strike"
    assert f"warning: {line}" in done.err
    assert line in json.loads((tmp_path / "out.csv.noisecli.json").read_text())["warnings"]
    assert f"warning: {line}" in command("validate", "builtin:excel-damage", source).err
    assert "#" in (tmp_path / "out.csv").read_text()


def test_a_step_on_a_csv_file_is_left_out_where_there_is_none(tmp_path: Path, command: Command) -> None:
    source = SAMPLE.with_suffix(".parquet")
    done = command("augment", source, "-r", "builtin:excel-damage", "-o", tmp_path / "out.parquet", *sets(**ROLES))
    line = "step 'decimal_comma' is left out: 'decimal_comma' damages the text of a CSV file, and the input is none"
    assert (done.code, f"warning: {line}" in done.err) == (0, True), done.err
    with pytest.warns(noisecli.NoiseWarning) as told:
        noisecli.corrupt(pq.read_table(source), "builtin:excel-damage")
    assert line in [str(warning.message) for warning in told]


def test_where_no_step_fits_nothing_is_written(tmp_path: Path, command: Command) -> None:
    source = write(tmp_path / "in.csv", "word\n" + "tree\n" * 50)
    done = command("augment", source, "-r", "builtin:sensor-faults", "-o", tmp_path / "out.csv")
    assert done.code == 2
    assert "no step fits the data; step 'spike' is left out: 'numeric' selects no column" in done.err
    assert not (tmp_path / "out.csv").exists()
    with pytest.raises(RecipeProblem, match="no step fits the data"):
        noisecli.corrupt(pd.read_csv(source), "builtin:sensor-faults")


OPTIONAL = {"op": "missing", "columns": ["temp_*", {"dtype": "date"}], "rate": 1, "optional": True}


def test_any_recipe_can_have_optional_steps(tmp_path: Path) -> None:
    source = write(tmp_path / "in.csv", "x,y\n" + "1,2\n" * 20)
    steps = [OPTIONAL, {"op": "constant", "columns": "x", "value": 2, "rate": 1}]
    done = noisecli.augment(source, {"noisecli": 1, "seed": 1, "steps": steps}, tmp_path / "out.csv")
    assert done.output.read_text() == "x,y\n" + "2,2\n" * 20
    assert done.manifest.warnings == [
        "step 'missing' is left out: 'temp_*' or {dtype: date} selects no column that 'missing' can strike"
    ]
    assert noisecli.replay(done.output, source, tmp_path / "again.csv")[1:] == ([], [])


def test_an_optional_step_still_needs_the_columns_that_it_names(tmp_path: Path) -> None:
    source = write(tmp_path / "in.csv", "x,y\n" + "1,2\n" * 20)
    step = {**OPTIONAL, "columns": ["temp_*", "z"]}
    with pytest.raises(RecipeProblem, match="no column 'z'"):
        noisecli.augment(source, {"noisecli": 1, "seed": 1, "steps": [step]}, tmp_path / "out.csv")
    with pytest.raises(RecipeProblem, match="no column 'temp_\\*'"):
        noisecli.augment(
            source, {"noisecli": 1, "seed": 1, "steps": [{**step, "optional": False}]}, tmp_path / "out.csv"
        )


def test_every_keyword_of_a_step_selects(tmp_path: Path) -> None:
    lines = [f"{i},{'ab'[i % 2]},word {i},2024-01-0{i % 9 + 1}" for i in range(200)]
    source = write(tmp_path / "in.csv", "n,class,text,day\n" + "\n".join(lines) + "\n")
    step = {"op": "missing", "columns": ["text", "category", {"dtype": "date"}], "rate": 1}
    done = noisecli.augment(source, {"noisecli": 1, "seed": 1, "steps": [step]}, tmp_path / "out.csv")
    assert set(done.manifest.steps[0].columns) == {"class", "text", "day"}
