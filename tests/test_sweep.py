"""Sweeps: folders, pairing, one manifest for all."""

import json
from itertools import pairwise

import pandas as pd
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from PIL import Image

NOISE = "op: gaussian_noise, id: g, columns: [age, income], rate: 0.5"
LABEL = "op: label_flip, id: lab"
RATES = [0.05, 0.1, 0.2, 0.4]


@pytest.fixture
def augment(command, recipe, sample, tmp_path):
    """Run a sweep over the sample customers and give the output."""

    def run(*steps, name="out", source="customers.csv", **head):
        output = tmp_path / name
        done = command("augment", sample / source, "-r", recipe(*steps, **head), "-o", output, "--quiet")
        assert done.code == 0, done.err
        return output

    return run


def manifest_of(output):
    return json.loads(output.with_name(output.name + ".noisecli.json").read_text())


def changed(noisy, clean, column):
    a, b = noisy[column], clean[column]
    return set(clean.index[(a != b) & ~(a.isna() & b.isna())])


@pytest.mark.parametrize(
    ("step", "column"), [(NOISE, "age"), (LABEL, "churn"), ("op: typo, id: t, columns: name", "name")]
)
def test_strikes_nest_over_the_rates_of_a_sweep(augment, sample, step, column):
    name = step.split("id: ")[1].split(",")[0]
    output = augment(step, sweep=f"{{steps.{name}.rate: {RATES}}}", data="{label: churn}")
    clean = pd.read_csv(sample / "customers.csv", dtype=str)
    noisy = [pd.read_csv(output / f"{name}.rate={rate}/copy=1/customers.csv", dtype=str) for rate in RATES]
    struck = [changed(table, clean, column) for table in noisy]
    assert all(few < many for few, many in pairwise(struck))
    for table, rows in zip(noisy, struck, strict=True):
        # A struck cell has one draw, whatever the rate; of a text only the words struck at the lowest rate are sure.
        if column != "name":
            assert table.loc[sorted(rows), column].tolist() == noisy[-1].loc[sorted(rows), column].tolist()


def test_a_variant_is_the_run_that_its_folder_says(augment, command, recipe, sample, tmp_path):
    output = augment(
        NOISE, LABEL, sweep="{steps.g.sigma: [0.1, 0.3], steps.lab.rate: [0.1, 0.2]}", copies=2, data="{label: churn}"
    )
    path = recipe(NOISE, LABEL, copies=2, data="{label: churn}")
    single = tmp_path / "single"
    overrides = ["--set", "steps.g.sigma=0.3", "--set", "steps.lab.rate=0.2"]
    assert command("augment", sample / "customers.csv", "-r", path, "-o", single, *overrides).code == 0
    for copy in (1, 2):
        variant = output / "g.sigma=0.3/lab.rate=0.2" / f"copy={copy}/customers.csv"
        assert variant.read_bytes() == (single / f"copy={copy}/customers.csv").read_bytes()
    assert len(manifest_of(output)["outputs"]) == 8


def test_verify_and_replay_know_every_variant(augment, command, sample, tmp_path):
    # The keys are not in the order of the alphabet, which a manifest sorts them by.
    output = augment(
        NOISE, LABEL, sweep="{steps.lab.rate: [0.1, 0.2], steps.g.sigma: [0.1, 0.3]}", data="{label: churn}"
    )
    assert command("verify", output).code == 0
    again = tmp_path / "again"
    assert command("replay", output, "--input", sample / "customers.csv", "-o", again).code == 0
    assert manifest_of(again) == manifest_of(output)


def test_each_step_alone(augment, sample):
    output = augment(NOISE, LABEL, sweep="{steps: alone, steps.g.sigma: [0.1, 0.3]}", data="{label: churn}")
    null = "__HIVE_DEFAULT_PARTITION__"
    found = sorted(path.relative_to(output).parent.as_posix() for path in output.rglob("*.csv"))
    assert found == [f"step=g/g.sigma={s}/copy=1" for s in (0.1, 0.3)] + [f"step=lab/g.sigma={null}/copy=1"]
    clean = pd.read_csv(sample / "customers.csv", dtype=str)
    flipped = pd.read_csv(output / found[-1] / "customers.csv", dtype=str)
    assert changed(flipped, clean, "churn")
    assert not changed(flipped, clean, "age")


def test_a_severity_for_all_steps_and_clean_data_beside(augment, sample):
    steps = ("op: gaussian_noise, columns: age, severity: 1", "op: typo, columns: name, severity: 1")
    output = augment(*steps, sweep="{severity: [0, 3]}", keep_original="true")
    clean = (sample / "customers.csv").read_bytes()
    assert (output / "severity=0/copy=1/customers.csv").read_bytes() == clean
    assert (output / "severity=3/copy=0/customers.csv").read_bytes() == clean
    assert (output / "severity=3/copy=1/customers.csv").read_bytes() != clean


def test_readers_of_hive_trees_get_the_keys_as_columns(augment, sample):
    output = augment(NOISE, source="customers.parquet", sweep="{steps.g.sigma: [0.1, 0.3]}", copies=2)
    table = ds.dataset(output, partitioning="hive").to_table()
    rows = pq.read_metadata(sample / "customers.parquet").num_rows
    assert table.group_by(["g.sigma", "copy"]).aggregate([([], "count_all")]).to_pydict()["count_all"] == [rows] * 4


@pytest.mark.parametrize(
    ("sweep", "message"),
    [
        ("{}", "should name what is swept"),
        ("{copies: [1, 2]}", "'copies' cannot be swept"),
        ("{steps.g.rate: 0.1}", "should be a list"),
        ("{steps.g.rate: [0.1, 0.1]}", "a value is there twice"),
        ("{steps.g.rate: [0.1, 1.5]}", "should be less than or equal to 1"),
        ("{steps.nobody.rate: [0.1]}", "no step 'nobody'"),
        ("{steps.g.sgma: [0.1]}", "did you mean 'sigma'"),
        ("{severity: [1]}", "needs steps with a severity"),
        ("{steps: [g]}", "`steps: alone` is one"),
        ("{steps.g.id: [a, b]}", "cannot be swept"),
        ("{steps.0.rate: [0.1]}", "cannot be swept"),
        ("{steps.g.severity: [1], severity: [2]}", "set the same"),
        ("{steps.g.rate: [1, 1.0]}", "twice"),
        ('{steps.g.exact: [true, "true"]}', "two of the combinations are the same"),
    ],
)
def test_a_wrong_sweep_is_one_clear_fault(command, recipe, sweep, message):
    done = command("validate", recipe(NOISE, sweep=sweep))
    assert done.code == 2
    assert any(message in line for line in done.errors), done.err


@pytest.mark.parametrize("name", ["/tmp/evil", "../up", "a/b", "k=v", "50%"])
def test_the_id_of_a_step_cannot_leave_the_output(command, recipe, sample, tmp_path, name):
    steps = f'op: missing, id: "{name}", columns: age'
    output = tmp_path / "deep" / "out"
    path = recipe(steps, sweep=f'{{"steps.{name}.rate": [0.1, 0.2]}}')
    done = command("augment", sample / "customers.csv", "-r", path, "-o", output, "--quiet")
    assert done.code in (0, 2)
    if done.code == 0:
        assert {len(file.relative_to(output).parts) for file in output.rglob("*.csv")} == {3}
        assert command("verify", output).code == 0
    written = set(tmp_path.rglob("*.csv"))
    assert all(file.is_relative_to(output) for file in written)


@pytest.mark.parametrize(
    ("sweep", "option"),
    [("{steps.g.rate: [0.1]}", ["--set", "steps.g.rate=0.5"]), ("{severity: [1]}", ["--severity", "3"])],
)
def test_the_command_line_cannot_replace_what_is_swept(command, recipe, sample, tmp_path, sweep, option):
    path = recipe("op: gaussian_noise, id: g, columns: age, severity: 1", sweep=sweep)
    done = command("augment", sample / "customers.csv", "-r", path, "-o", tmp_path / "out", *option)
    assert done.code == 2
    assert any(line.startswith(f"error: {' '.join(option)}: the recipe sweeps that") for line in done.errors)


def test_what_happens_in_many_combinations_is_said_once(command, recipe, tmp_path):
    Image.new("L", (8, 8), 90).save(tmp_path / "grey.png")
    made = recipe("op: hue, severity: 1", sweep="{severity: [1, 2, 3]}")
    done = command("augment", tmp_path / "grey.png", "-r", made, "-o", tmp_path / "out", "--json").json
    told = "step 'hue': 1 of 1 struck came out unchanged: no effect (ops on colour have none on grey images)"
    assert done["warnings"] == [f"severity=1 and 2 more: {told}"]
