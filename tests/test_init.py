"""`noisecli init`: a starter recipe runs as it stands, strikes what it says, and leaves the rest alone."""

import csv
import datetime
import json
import re

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

import noisecli
from noisecli import recipe as recipes
from noisecli import run, starter
from noisecli.cli.starting import Theme
from noisecli.starter import themes

THEMES = (None, "sensors", "survey", "ocr", "typing", "robustness")
ROWS = 1200


def enabled(text):
    """The recipe with all steps that wait as comments."""
    return re.sub(r"^  # (- |  )", r"  \1", text, flags=re.M)


def check(source, theme, tmp_path):
    """Make a recipe of a theme, see that it fits the data with all its steps, and load it."""
    text = starter.start(source, theme).text
    assert text.startswith(f"# yaml-language-server: $schema={starter.SCHEMA}\n")
    (tmp_path / "all.yaml").write_text(enabled(text), encoding="utf-8")
    run.inspect(source, tmp_path / "all.yaml")
    (tmp_path / "recipe.yaml").write_text(text, encoding="utf-8")
    return recipes.load(tmp_path / "recipe.yaml", target="both")


def struck(recipe):
    """The columns that each step names."""
    return {step.id: step.columns for step in recipe.steps}


@pytest.mark.parametrize("theme", THEMES)
def test_the_customers(theme, sample, tmp_path):
    recipe = check(sample / "customers.csv", theme, tmp_path)
    assert recipe.head.data.roles == {"label": "churn", "split": "split", "id": "customer_id"}
    assert recipe.head.purpose == ("evaluate" if theme == "robustness" else "train")
    named = {name for columns in struck(recipe).values() for name in columns}
    assert named
    assert not named & {"churn", "split", "customer_id"}


def test_a_recipe_does_what_it_says_and_no_warning_is_a_riddle(sample, tmp_path):
    (tmp_path / "recipe.yaml").write_text(starter.start(sample / "customers.csv").text, encoding="utf-8")
    done = noisecli.augment(sample / "customers.csv", tmp_path / "recipe.yaml", tmp_path / "noisy.csv")
    assert all("came out unchanged" in warning for warning in done.manifest.warnings)
    for step in done.manifest.steps:
        assert all(counts["changed"] >= 0.7 * counts["struck"] > 0 for counts in step.columns.values())


def test_images_have_recipes_of_their_own(sample, tmp_path):
    assert check(sample / "images", "robustness", tmp_path).head.sweep["steps"] == "alone"
    assert {step.corruption.name for step in check(sample / "images", None, tmp_path).steps} >= {"jpeg_compression"}
    text = (tmp_path / "recipe.yaml").read_text(encoding="utf-8")
    assert "42 images: 21 jpg, 21 png" in text
    assert "bricks 14, discs 14, waves 14" in text
    assert "128 x 96 pixels, grey, RGB, RGBA." in text


def test_what_comes_next_can_be_run(command, sample, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = sample / "images" / "val" / "waves"
    next_ = command("init", source, "--for", "robustness", "-o", "r.yaml").out.splitlines()[-4:]
    for line in next_:
        assert command(*line.split()[1:]).code == 0, line


def test_an_image_that_a_run_would_refuse_is_refused(command, tmp_path):
    Image.new("CMYK", (8, 8)).save(tmp_path / "print.jpg")
    done = command("init", tmp_path / "print.jpg")
    assert (done.code, done.out) == (3, "")
    assert "a CMYK JPEG, which is not supported" in done.errors[0]


def write_log(path):
    """Readings of two devices that take turns, a minute apart."""
    start, noise = datetime.datetime(2024, 1, 1), np.random.default_rng(0)
    lines = ["box,when,temp"]
    for i in range(ROWS):
        lines.append(f"{'ab'[i % 2]},{start + datetime.timedelta(minutes=i // 2)},{noise.normal(20):.3f}")
    path.write_text("\n".join(lines), encoding="utf-8")


def test_devices_and_their_times_are_found(tmp_path):
    write_log(tmp_path / "log.csv")
    for theme in (None, "sensors"):
        recipe = check(tmp_path / "log.csv", theme, tmp_path)
        assert recipe.head.data.roles == {"time": "when", "entity": "box"}
        assert struck(recipe)["gaps"] == ["temp"]


def write_forms(path):
    """Dates in formats of their own, one of them unclear, and values that stand for missing ones."""
    first = datetime.date(2020, 1, 1)
    lines = ["born;seen;either;amount;score;zip;const"]
    for i in range(ROWS):
        day = first + datetime.timedelta(days=i)
        amount, score = "?" if i % 40 == 0 else i + 0.5, -999 if i % 50 == 0 else i % 90
        either = f"{i % 12 + 1:02}/{i % 12 + 1:02}/2021"
        lines.append(f"{day:%d.%m.%Y};{day:%b %d, %Y} 10:30;{either};{amount};{score};0{i % 70 + 1000};x")
    path.write_text("\n".join(lines), encoding="utf-8")


def test_dates_as_text_and_disguised_missing_values(tmp_path):
    write_forms(tmp_path / "forms.csv")
    recipe = check(tmp_path / "forms.csv", None, tmp_path)
    text = (tmp_path / "recipe.yaml").read_text(encoding="utf-8")
    formats = {name: how.format for name, how in recipe.head.data.column_types.items()}
    assert formats == {"born": "%d.%m.%Y", "seen": "%b %d, %Y %H:%M"}
    assert '    # either: {dtype: date, format: "%m/%d/%Y"}' in text.splitlines()
    assert "# amount: does ? stand for a missing value?" in text
    assert "# score: does -999 stand for a missing value?" in text
    assert not {"either", "amount", "const"} & {name for columns in struck(recipe).values() for name in columns}
    mended = re.sub(r"^  # null_values", "  null_values", text, flags=re.M)
    mended = re.sub(r"^    # either(.*%m/%d)", r"    either\1", mended, flags=re.M)
    (tmp_path / "mended.yaml").write_text(mended, encoding="utf-8")
    run.inspect(tmp_path / "forms.csv", tmp_path / "mended.yaml")


def table():
    noise = np.random.default_rng(0)
    return {
        "reading": noise.normal(size=ROWS),
        "flag": noise.random(ROWS) < 0.3,
        "word": [f"word number {i}" for i in range(ROWS)],
        "kind": [f"kind {i % 3}" for i in range(ROWS)],
        "gone": [None] * ROWS,
    }


def write_parquet(path):
    typed = {"nest": [[1]] * ROWS, "day": [datetime.date(2020, 1, i % 28 + 1) for i in range(ROWS)], "1e3": [1] * ROWS}
    pq.write_table(pa.table(table() | typed), path)


def write_feather(path):
    feather.write_feather(pa.table(table()), str(path))


def write_jsonl(path):
    rows = (dict(zip(table(), row, strict=True)) for row in zip(*table().values(), strict=True))
    path.write_text("\n".join(json.dumps(row | {"tags": ["a"]}, default=bool) for row in rows), encoding="utf-8")


WRITERS = {"a.parquet": write_parquet, "a.feather": write_feather, "a.jsonl": write_jsonl}


@pytest.mark.parametrize("theme", [None, "survey", "robustness"])
@pytest.mark.parametrize(
    ("name", "write"), [("a.parquet", write_parquet), ("a.feather", write_feather), ("a.jsonl", write_jsonl)]
)
def test_other_formats(name, write, theme, tmp_path):
    write(tmp_path / name)
    chosen = struck(check(tmp_path / name, theme, tmp_path))
    assert {"reading", "kind", "flag", "word"} <= {column for columns in chosen.values() for column in columns}
    assert not {"gone", "nest", "tags"} & {column for columns in chosen.values() for column in columns}


def test_many_columns_are_selected_by_what_they_share(tmp_path):
    numbers = {f"x_{i}": np.random.default_rng(i).normal(size=60) for i in range(300)}
    others = {"id": np.arange(60), "y": np.arange(60) % 2, "numeric": np.arange(60) % 7 * 1.5}
    pq.write_table(pa.table(numbers | others), tmp_path / "wide.parquet")
    assert struck(check(tmp_path / "wide.parquet", None, tmp_path))["gaussian_noise"] == ["x_*"]
    assert len((tmp_path / "recipe.yaml").read_text(encoding="utf-8")) < 8000


NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12)
HOSTILE = (
    "a: b",
    "- c",
    "#d",
    "*",
    "x[1]?",
    "no",
    "1e3",
    "'\"",
    "{k: v}",
    "line\nend",
    "\u2028",
    "🙂",
    "all",
    "numeric",
    " e ",
)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(st.sampled_from(HOSTILE), NAMES), min_size=2, max_size=5, unique=True))
def test_any_name_of_a_column_survives(tmp_path, names):
    cells = [np.random.default_rng(i).normal(size=40) for i in range(len(names))]
    pq.write_table(pa.table(cells, names), tmp_path / "t.parquet")
    (tmp_path / "r.yaml").write_text(starter.start(tmp_path / "t.parquet", "robustness").text, encoding="utf-8")
    chosen = struck(recipes.load(tmp_path / "r.yaml", target="table"))
    assert chosen == {"gaussian_noise": names} or chosen == {"gaussian_noise": names, "missing": names}
    with (tmp_path / "t.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([names, *zip(*cells, strict=True)])
    starter.start(tmp_path / "t.csv")


def test_no_text_of_the_data_ends_a_comment(tmp_path):
    """Nor does a type that is named by its fields, and a step for several columns is not left with one."""
    evil = "a\n- {op: b"
    rows = {"sensor " + evil: ["p", "q"] * 40, "time": [i // 2 for i in range(80)], "set": ["test\n", "train\n"] * 40}
    rows |= {
        "nested": [{evil: 1}] * 80,
        "most": [None] * 77 + [1.5, 2.5, 3.25],
        "x": np.random.default_rng(0).normal(size=80),
    }
    pq.write_table(pa.table(rows), tmp_path / "t.parquet")
    for theme in (None, "sensors"):
        recipe = check(tmp_path / "t.parquet", theme, tmp_path)
        assert recipe.head.data.roles == {"split": "set", "time": "time", "entity": "sensor " + evil}


def test_a_large_file_is_looked_at_in_places(tmp_path):
    line = "".join(f"{i % 97 / 4},some words {i % 89}\n" for i in range(10_000))
    (tmp_path / "big.csv").write_text("a,b\n" + line * 40, encoding="utf-8")
    check(tmp_path / "big.csv", None, tmp_path)
    text = (tmp_path / "recipe.yaml").read_text(encoding="utf-8")
    assert re.search(r"rows from all over [0-9.]+ MB; what is said below is so in these", text)


def test_what_gives_the_label_away_and_keys_are_left_alone_and_coarse_numbers_get_noise_that_shows(tmp_path):
    rows = [f"{i % 2},{('né', 'oui')[i % 2]},{10_000 + i * i % 997},{20 + i % 10 / 10}" for i in range(ROWS)]
    (tmp_path / "t.csv").write_text("\n".join(["churn,left,zip,heat", *rows]), encoding="cp1252")
    recipe = check(tmp_path / "t.csv", None, tmp_path)
    assert recipe.head.data.encoding == "cp1252"
    assert recipe.head.data.roles == {"label": "churn"}
    assert {name for columns in struck(recipe).values() for name in columns} == {"heat"}
    assert recipe.steps[0].corruption.sigma == 0.2  # the last digit is 0.1
    text = (tmp_path / "recipe.yaml").read_text(encoding="utf-8")
    assert "# Left alone: left (says the same as churn, one to one" in text
    assert "# Left alone: zip (its name says a key, not a quantity)." in text


def test_columns_that_not_all_files_have_are_left_alone(tmp_path):
    for name, other in (("a", "y"), ("b", "z")):
        lines = f"x,{other}\n" + "1.5,red\n2.5,blue\n" * 99
        (tmp_path / f"{name}.csv").write_text(lines, encoding="utf-8")
    text = starter.start(tmp_path, "robustness").text
    (tmp_path / "r.yaml").write_text(text, encoding="utf-8")
    assert set(map(tuple, struck(recipes.load(tmp_path / "r.yaml", target="table")).values())) == {("x",)}
    assert "# Not in all files, or of several types, and so left alone: y, z." in text


def test_of_few_rows_a_recipe_says_that_rates_are_low(tmp_path):
    (tmp_path / "t.csv").write_text("x\n" + "\n".join(map(str, (1.5, 2.25, 3.75, 4.0))), encoding="utf-8")
    assert check(tmp_path / "t.csv", "typing", tmp_path).steps
    assert "raise the rates" in (tmp_path / "recipe.yaml").read_text(encoding="utf-8")


def test_held_out_data_is_evaluated(tmp_path):
    (tmp_path / "test.csv").write_text("a\n" + "\n".join(str(i / 4) for i in range(50)), encoding="utf-8")
    assert check(tmp_path / "test.csv", None, tmp_path).head.purpose == "evaluate"


def test_a_theme_that_does_not_fit_names_those_that_do(command, sample, tmp_path):
    (tmp_path / "n.csv").write_text("a\n" + "\n".join(str(i / 4) for i in range(50)), encoding="utf-8")
    for source, fit in ((tmp_path / "n.csv", "sensors, survey, typing, robustness"), (sample / "images", "robustness")):
        done = command("init", source, "--for", "ocr", "-o", tmp_path / "r.yaml")
        assert done.code == 3
        assert [line.endswith(f"themes that fit: {fit}") for line in done.errors] == [True]
    (tmp_path / "same.csv").write_text("a,b\n" + "1,x\n" * 9, encoding="utf-8")
    assert command("init", tmp_path / "same.csv").code == 3
    assert not (tmp_path / "r.yaml").exists()


def test_the_command_offers_every_theme():
    assert set(Theme) == set(themes.THEMES) == set(THEMES) - {None}


def test_the_command(command, sample, tmp_path, tree):
    source, recipe = sample / "customers.csv", tmp_path / "my recipe.yaml"
    printed = command("init", source)
    written = command("init", source, "-o", recipe)
    assert recipe.read_text(encoding="utf-8") == printed.out
    assert f"noisecli augment {source} -r '{recipe}' -o noisy.csv" in written.out
    assert "steps" in json.loads((tmp_path / starter.SCHEMA).read_text())["properties"]
    recipe.write_text("mine")
    (tmp_path / starter.SCHEMA).write_text("mine")
    assert command("init", source, "-o", tmp_path / "another.yaml").code == 0
    assert (tmp_path / starter.SCHEMA).read_text() == "mine"
    before = tree(tmp_path)
    for output, options in (
        (recipe, ()),
        (tmp_path / "r.csv", ()),
        (tmp_path, ("--force",)),
        (tmp_path / "no" / "r.yaml", ()),
    ):
        refused = command("init", source, "-o", output, *options)
        assert (refused.code, len(refused.errors)) == (2, 1)
    assert tree(tmp_path) == before
    assert command("init", source, "-o", recipe, "--force").code == 0
    assert recipe.read_text(encoding="utf-8") == printed.out
    assert command("init", tmp_path / "none.csv").code == 2
    assert command("init", "none.csv").errors == ["error: none.csv: no such file or folder"]
    assert "error: Invalid value for '--for': 'x' is not one of" in command("init", source, "--for", "x").err
