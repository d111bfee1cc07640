"""Recipes: every fault at once and at its place, YAML 1.2, overrides, and a document that reads back the same."""

import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from noisecli.errors import RecipeProblem
from noisecli.recipe import load, parse_override, schema

Load = Callable[..., Any]

STEP = "steps:\n  - {op: missing, columns: x}\n"


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Load a recipe from YAML text in a file called r.yaml."""
    monkeypatch.chdir(tmp_path)

    def call(text: str, *settings: str, key: str = "", **options: Any) -> Any:
        Path("r.yaml").write_text(text, encoding="utf-8")
        return load(f"r.yaml{key}", overrides=[parse_override(setting) for setting in settings], **options)

    return call


@pytest.fixture
def faults(read: Load) -> Load:
    """Load a recipe that must be refused; give the lines that tell of faults, without the quoted source."""

    def call(text: str, *settings: str, **options: Any) -> list[str]:
        with pytest.raises(RecipeProblem) as caught:
            read(text, *settings, **options)
        return [line for line in str(caught.value).splitlines() if not line.startswith(" ")]

    return call


def test_every_fault_at_once_at_its_place(read: Load) -> None:
    text = """\
noisecli: 1
sead: 4
copies: 0
steps:
  - {op: gausian_noise, columns: x}
  - op: missing
    columns: x
    rate: 1.5
    severity: 2
  - op: typo
    columns: [y]
    wieghts: {}
  - {op: missing, columns: z}
"""
    with pytest.raises(RecipeProblem) as caught:
        read(text, target="table")
    lines = str(caught.value).splitlines()
    assert [line for line in lines if line.startswith("r.yaml")] == [
        "r.yaml:3:9: copies: should be greater than or equal to 1",
        "r.yaml:2:1: unknown key 'sead'; did you mean 'seed'?",
        "r.yaml:5:10: unknown op 'gausian_noise'; did you mean 'gaussian_noise'?",
        "r.yaml:8:11: rate: should be less than or equal to 1",
        "r.yaml:8:5: 'rate' is what the severity sets: give one of the two",
        "r.yaml:12:5: unknown key 'wieghts' for op 'typo'; did you mean 'weights'?",
        "r.yaml:13:5: a second step is called 'missing': give it an `id:` of its own",
    ]
    place = lines.index("r.yaml:12:5: unknown key 'wieghts' for op 'typo'; did you mean 'weights'?")
    assert lines[place + 1 : place + 3] == ["        wieghts: {}", "        ^"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "r.yaml: empty"),
        ("# nothing\n", "r.yaml: empty"),
        ("- a\n", "a recipe is a mapping"),
        ("just text", "a recipe is a mapping"),
        ("noisecli: 1\n", "missing key 'steps'"),
        ("noisecli: 1\nsteps: []\n", "r.yaml:2:8: must be a list with at least one step"),
        ("noisecli: 1\nsteps: {op: missing}\n", "r.yaml:2:8: must be a list with at least one step"),
        ("noisecli: 1\nsteps: [missing]\n", "r.yaml:2:9: a step is a mapping with an `op:`"),
        ("noisecli: 1\nsteps: [{columns: x}]\n", "a step is a mapping with an `op:`"),
        ("noisecli: 2\n" + STEP, "r.yaml:1:11: noisecli: should be 1"),
        (STEP, "missing key 'noisecli': the format of the recipe, `noisecli: 1`"),
        ("noisecli: 1\nseed: 1\nseed: 2\n" + STEP, "r.yaml:3:1: duplicate key 'seed' (first in line 2)"),
        ("noisecli: 1\nsteps: [{op: typo, op: typo, columns: x}]\n", "duplicate key 'op' (first in line 2)"),
        ("noisecli: 1\nsteps:\n  - {op: typo, columns: x\n", "not valid YAML"),
        ("noisecli: 1\n\tsteps: 3\n", "not valid YAML"),
        ("noisecli: 1\nseed: *nowhere\n", "not valid YAML"),
        ("noisecli: 1\n---\nnoisecli: 1\n", "not valid YAML"),
        ("noisecli: 1\nseed: !!python/object/apply:os.system [ls]\n" + STEP, "seed: "),
        ("noisecli: 1\nseed: 1.5\n" + STEP, "r.yaml:2:7: seed: "),
        (f"noisecli: 1\nseed: {2**64}\n" + STEP, "r.yaml:2:7: seed: "),
        ("noisecli: 1\nseed: true\n" + STEP, "r.yaml:2:7: seed: "),
        ("noisecli: 1\npurpose: test\n" + STEP, "r.yaml:2:10: purpose: should be 'train' or 'evaluate'"),
        ("noisecli: 1\nsteps: [{op: missing, columns: x, rate: .nan}]\n", "rate: "),
        ("noisecli: 1\nsteps: [{op: missing, columns: x, rate: -0.1}]\n", "rate: "),
        ("noisecli: 1\nsteps: [{op: missing, columns: []}]\n", "columns: "),
        ("noisecli: 1\nsteps: [{op: missing, columns: x, severity: 6}]\n", "severity: should be less than or equal"),
        ("noisecli: 1\nsteps: [{op: gaussian_noise, columns: x, sigma: -1}]\n", "sigma: "),
        ("noisecli: 1\nsteps: [{op: gaussian_noise, columns: x, sigma: .inf}]\n", "sigma: "),
        ("noisecli: 1\nsteps: [{op: gaussian_noise, columns: x, sigma: 1, severity: 2}]\n", "'sigma' is what"),
        ("noisecli: 1\nsteps: [{op: duplicate, columns: x}]\n", "strikes whole rows, it takes no 'columns'"),
        ("noisecli: 1\nsteps: [{op: duplicate}, {op: typo, columns: x}]\n", "steps on rows come last"),
        ("noisecli: 1\nsteps: [{op: typo, columns: x, exact: true}]\n", "of which no exact number is set"),
        ("noisecli: 1\nsteps: [{op: cutout, columns: x}]\n", "cutout"),
        ("noisecli: 1\ndata: {labl: x}\n" + STEP, "unknown key 'labl'; did you mean 'label'?"),
    ],
)  # fmt: skip
def test_faults(faults: Load, text: str, says: str) -> None:
    found = faults(text)
    assert len(found) == 1, found
    assert says in found[0]
    assert found[0].startswith("r.yaml")


def test_a_step_for_other_data(faults: Load) -> None:
    text = "noisecli: 1\nsteps: [{op: typo, columns: x}]\n"
    assert "op 'typo' is for tables, the input holds images" in faults(text, target="images")[0]
    assert "the recipe is for images, the input holds tables" in faults("target: images\n" + text, target="table")[0]


def test_severity_0_is_clean_and_severities_set_parameters(read: Load) -> None:
    text = "noisecli: 1\nsteps:\n  - {op: gaussian_noise, columns: x, severity: %d}\n"
    assert read(text % 0).steps[0].rate == 0
    sigmas = [read(text % level).steps[0].corruption.sigma for level in range(1, 6)]
    assert sigmas == sorted(sigmas)
    replaced = read(text % 2, severity=5).steps[0].corruption.sigma
    assert replaced == sigmas[4]


# --------------------------------------------------------------------------------------------------------- YAML 1.2


def test_yaml_1_2(read: Load) -> None:
    text = """\
noisecli: 1
seed: 0x1F
data: {label: no, split: 007}
steps:
  - {op: missing, columns: [yes, on, 1_000, 2020-01-01, 12:30:45, null, 1e3, 'a b'], rate: 1e-3}
"""
    recipe = read(text)
    assert recipe.seed == 31
    assert recipe.head.data.label == "no"
    assert recipe.head.data.split == "007"
    assert recipe.steps[0].rate == 0.001
    assert recipe.steps[0].columns == ["yes", "on", "1_000", "2020-01-01", "12:30:45", "null", "1e3", "a b"]


def test_anchors_and_merged_text(read: Load) -> None:
    text = "noisecli: 1\nsteps:\n  - {op: typo, columns: &c [x, y]}\n  - {op: missing, columns: *c}\n"
    assert read(text).steps[1].columns == ["x", "y"]


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x,x,x,x,x,x,x,x,x]\n"
        + "".join(f"{k}: &{k} [{','.join(['*' + p] * 9)}]\n" for p, k in pairwise("abcdefghi")),
        "a: &a [*a]\n",
        "[" * 100 + "]" * 100,
        "[" * 1_000 + "]" * 1_000,
        "{a: " * 5_000 + "1" + "}" * 5_000,
        "noisecli: 1\nseed: " + "9" * 500_000,
        "# " + "x" * 2_000_000,
        'id: "\\U00FFFFFF"\n',
        'id: "\\UFFFFFFFF"\n',
        f"noisecli: 1\nsteps: [{{op: {'x' * 200_000}, columns: x}}]\n",
        f"noisecli: 1\nsteps: [{{op: '{'x' * 200_000}\n",
        "noisecli: 1\ntarget: [table]\n" + STEP,
        f"noisecli: 1\nseed: [{'&a x, *a, ' * 3_000}]\n",
        f"noisecli: 1\n{STEP}sweep: {{severity: {[*range(500)]}, steps.0.rate: {[*range(500)]}}}\n",
    ],
    ids=[
        *("alias-bomb", "endless", "deep", "very-deep", "deep-keys", "long-number", "large", "no-character"),
        *("no-integer", "long-op", "long-line", "list-for-text", "many-aliases", "many-combinations"),
    ],
)  # fmt: skip
def test_hostile_yaml_is_refused_quickly(faults: Load, text: str) -> None:
    start = time.process_time()  # whatever else the machine does
    found = faults(text)
    assert found
    assert len(found[0]) < 1_200
    assert time.process_time() - start < 3


def test_lines_are_shown_around_the_place(read: Load) -> None:
    with pytest.raises(RecipeProblem) as caught:
        read(f"noisecli: 1\nsteps: [{{op: missing, columns: [{'x, ' * 300}x], rat: 1}}]\n")
    head, line, mark = str(caught.value).splitlines()
    assert head.startswith("r.yaml:2:")
    assert len(line) < 200
    assert line[mark.index("^") :].startswith("rat: 1")


def test_so_many_faults_are_enough(faults: Load) -> None:
    found = faults("noisecli: 1\nsteps:\n" + "  - {op: missng, columns: x}\n" * 300)
    assert len(found) == 101
    assert found[-1] == "r.yaml: there may be more faults than these 100"


def test_a_large_file_is_no_recipe_and_not_read(faults: Load, tmp_path: Path) -> None:
    with (tmp_path / "vast.yaml").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(RecipeProblem, match=r"vast\.yaml: more than 262,144 bytes are too many for a recipe"):
        load(tmp_path / "vast.yaml")


@pytest.mark.parametrize("data", [b"\xff\xfe\x00", b"noisecli: 1\nid: \x80\n", b"noisecli: 1\nid: \x00\n"])
def test_bytes_that_are_no_text(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "r.yaml"
    path.write_bytes(data)
    with pytest.raises(RecipeProblem, match=r"r\.yaml"):
        load(path)


def test_a_byte_order_mark_is_no_fault(read: Load) -> None:
    assert read("\ufeffnoisecli: 1\n" + STEP).steps[0].id == "missing"


# ------------------------------------------------------------------------------------------------ sections, overrides


def test_a_key_of_a_file(read: Load, faults: Load) -> None:
    text = "model: {lr: 0.1}\nnoise:\n  strong:\n    noisecli: 1\n    steps:\n      - {op: typo, columns: x}\n"
    assert read(text, key="#noise.strong").steps[0].id == "typo"
    assert faults(text, key="#nois") == ["r.yaml: no key 'nois'; did you mean 'noise'?"]
    assert faults(text, key="#model.lr.x") == ["r.yaml: no key 'model.lr.x'"]
    found = faults(text.replace("typo", "tipo"), key="#noise.strong")
    assert found == ["r.yaml:6:14: unknown op 'tipo'; did you mean 'typo'?"]


def test_overrides(read: Load) -> None:
    text = "noisecli: 1\nsteps:\n  - {op: typo, id: names, columns: x}\n  - {op: missing, columns: x}\n"
    recipe = read(
        text,
        "seed=5",
        "steps.names.rate=0.25",
        "steps.missing.columns=[y, 'no']",
        "steps.0.weights.delete=0",
        "data.label=z",
        "steps.1.id=gaps",
    )
    assert recipe.seed == 5
    assert recipe.head.data.label == "z"
    assert [step.id for step in recipe.steps] == ["names", "gaps"]
    assert recipe.steps[0].rate == 0.25
    assert recipe.steps[0].corruption.weights.delete == 0
    assert recipe.steps[1].columns == ["y", "no"]


def test_an_override_finds_the_step_of_that_name_before_others_of_that_op(read: Load) -> None:
    text = "noisecli: 1\nseed: 1\nsteps:\n  - {op: missing, id: gaps, columns: y}\n  - {op: missing, columns: x}\n"
    assert [step.rate for step in read(text, "steps.missing.rate=0.25", "steps.gaps.rate=0.5").steps] == [0.5, 0.25]


def test_an_override_of_one_of_several_steps_says_so(faults: Load) -> None:
    text = "noisecli: 1\nsteps:\n  - {op: missing, id: a, columns: y}\n  - {op: missing, id: b, columns: x}\n"
    found = faults(text, "steps.missing.rate=1")
    assert found == [
        "--set steps.missing.rate=1: several steps are 'missing': say which by its id, or its number from 0"
    ]


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("steps.nams.rate=1", "--set steps.nams.rate=1: no step 'nams'; did you mean 'names'?"),
        ("steps.2.rate=1", "--set steps.2.rate=1: no step '2'"),
        ("steps.names.rate=2", "--set steps.names.rate=2: rate: should be less than or equal to 1"),
        ("steps.names.rate=lots", "--set steps.names.rate=lots: rate: "),
        ("steps.names.op=tipo", "--set steps.names.op=tipo: unknown op 'tipo'; did you mean 'typo'?"),
        ("seed.a=1", "--set seed.a=1: seed has no keys"),
        ("steps=1", "--set steps=1: must be a list"),
        ("sed=1", "--set sed=1: unknown key 'sed'; did you mean 'seed'?"),
        ("seed=[1", "--set seed=[1:1:3: not valid YAML"),
        ("=1", "must be path=value"),
    ],
)
def test_a_wrong_override_is_named(faults: Load, setting: str, says: str) -> None:
    found = faults("noisecli: 1\nseed: 1\nsteps:\n  - {op: typo, id: names, columns: x}\n", setting)
    assert len(found) == 1
    assert says in found[0]


# ---------------------------------------------------------------------------------------------------------- document


@pytest.mark.parametrize("name", ["customers", "photos"])
def test_the_document_reads_back_the_same(name: str) -> None:
    first = load(Path(__file__).parent.parent / "examples" / f"{name}.yaml")
    again = load(first.document)
    assert again.document == first.document
    assert again.target == first.target
    assert [(s.id, s.rate, s.exact, s.corruption) for s in again.steps] == [
        (s.id, s.rate, s.exact, s.corruption) for s in first.steps
    ]


def test_a_mapping_is_a_recipe(faults: Load) -> None:
    recipe = load({"noisecli": 1, "steps": [{"op": "typo", "columns": "x"}]})
    assert recipe.seed != load({"noisecli": 1, "steps": [{"op": "typo", "columns": "x"}]}).seed
    with pytest.raises(RecipeProblem, match=r"recipe\.steps\.0\.rat: unknown key 'rat'"):
        load({"noisecli": 1, "steps": [{"op": "typo", "columns": "x", "rat": 1}]})


def test_the_schema_has_its_definitions() -> None:
    found = schema()

    def references(node: Any) -> list[str]:
        if isinstance(node, dict):
            own = [node["$ref"]] if "$ref" in node else []
            return own + [name for value in node.values() for name in references(value)]
        return [name for item in node for name in references(item)] if isinstance(node, list) else []

    for name in references(found):
        place = found
        for key in name.removeprefix("#/").split("/"):
            place = place[key]
        assert place


@pytest.mark.parametrize(
    "step",
    [
        'op: footer_lines, lines: [a, "\\ud800"]',
        'op: disguised_missing, columns: x, tokens: ["\\udfff"]',
        'op: missing, columns: x, where: {x: {eq: "\\ud800"}}',
        'op: word_replace, columns: x, words: {"\\ud800": [b]}',
    ],
)
def test_half_of_a_surrogate_pair_is_no_text(step, command, recipe):
    done = command("validate", recipe(step))
    assert done.code == 2
    assert ":4:" in done.err
    assert "holds half of a surrogate pair, which is no text" in done.err
