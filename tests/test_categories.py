"""Ops on missing values, categories and labels: what they promise of each cell, and of 10^5 of them.

Seeds are fixed, so the tests are certain; the bounds are those of theory: tests of fit fail below a probability of
10^-4, and a count lies within 4 sd of what a binomial gives.
"""

import json
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import regex
from golden import changed, strike
from scipy import stats

import noisecli
from noisecli.columns import Column, Kind
from noisecli.corruptions.table.category import CategorySwap
from noisecli.corruptions.table.label import LabelFlip, Multilabel, TargetNoise
from noisecli.corruptions.table.level import MergeLevels, OrdinalShift, RareToOther, UnseenCategory
from noisecli.corruptions.table.missing import DisguisedMissing, ImputeConstant
from noisecli.corruptions.table.number import GaussianNoise
from noisecli.corruptions.table.spelling import Misspell, SimilarCategory, Variant
from noisecli.dates import DIRECTIVES
from noisecli.errors import RecipeProblem
from noisecli.streams import BLOCK

N = 7 * BLOCK
UNLIKELY = 1e-4
CLASSES = ["ant", "bee", "cat", "dog"]
SHARES = {"ant": 0.5, "bee": 0.25, "cat": 0.15, "dog": 0.1}


def column(shares, rows=N):
    """Cells of which each value has its share, well mixed."""
    cells = [value for value, share in shares.items() for _ in range(round(share * rows))]
    return pa.array([cells[i * 7919 % len(cells)] for i in range(len(cells))])


MIXED = column(SHARES)


def moves(before, after):
    """How often each value became each other one."""
    pairs = Counter(zip(before.to_pylist(), after.to_pylist(), strict=True))
    return {(old, new): count for (old, new), count in pairs.items() if old != new}


def assert_fits(counts, shares):
    """Counts by key are a draw from shares by key."""
    keys = sorted(shares, key=str)
    assert set(counts) <= set(keys)
    seen = np.array([counts.get(key, 0) for key in keys])
    wanted = np.array([shares[key] for key in keys])
    assert stats.chisquare(seen, seen.sum() * wanted / wanted.sum()).pvalue > UNLIKELY


def from_value(found, old):
    return {new: count for (was, new), count in found.items() if was == old}


# Transition matrices


def test_frequency_draws_other_categories_in_proportion_to_their_counts():
    done = strike(CategorySwap(distribution="frequency"), MIXED)
    assert done.counts.changed == N
    for old in CLASSES:
        assert_fits(from_value(moves(MIXED, done.cells), old), {c: SHARES[c] for c in CLASSES if c != old})


@pytest.mark.parametrize("type_", [pa.int64(), pa.uint8(), pa.bool_(), pa.large_string()])
@pytest.mark.parametrize("distribution", ["uniform", "frequency"])
def test_columns_of_every_type_have_categories(type_, distribution):
    cells = column({"0": 0.7, "1": 0.3}, 30_000).cast(type_)
    done = strike(CategorySwap(distribution=distribution), cells)
    assert done.cells.type == type_
    assert done.counts.changed == len(cells)


MATRIX = {"ant": {"bee": 3, "cat": 1}, "bee": {"ant": 0.2, "cat": 0.3, "dog": 0.5}, "cat": {"cat": 0.8, "dog": 0.2}}
FLIPS = [CategorySwap(distribution="matrix", matrix=MATRIX), LabelFlip(kind="matrix", matrix=MATRIX)]


@pytest.mark.parametrize("op", FLIPS, ids=["category_swap", "label_flip"])
def test_a_matrix_is_what_comes_out(op):
    found = moves(MIXED, strike(op, MIXED).cells)
    assert_fits(from_value(found, "ant"), {"bee": 0.75, "cat": 0.25})
    assert_fits(from_value(found, "bee"), {"ant": 0.2, "cat": 0.3, "dog": 0.5})
    assert from_value(found, "dog") == {}, "a class without a row stays"
    assert set(from_value(found, "cat")) == {"dog"}
    cats = SHARES["cat"] * N
    assert abs(found["cat", "dog"] - 0.2 * cats) <= 4 * np.sqrt(cats * 0.2 * 0.8), "the diagonal is what stays"


def test_a_matrix_speaks_of_integers_and_flags_as_recipes_do():
    matrix = {"0": {"1": 1}}
    done = strike(CategorySwap(distribution="matrix", matrix=matrix), pa.array([0, 1, 0]))
    assert done.cells.to_pylist() == [1, 1, 1]
    flags = strike(LabelFlip(kind="matrix", matrix={"false": {"true": 1}}), pa.array([False, True, False]))
    assert flags.cells.to_pylist() == [True, True, True]


@pytest.mark.parametrize("rate", [0.1, 0.2, 0.37])
def test_a_matrix_keeps_the_exact_quota_of_each_class(rate):
    matrix = {old: {new: 1 + i for i, new in enumerate(CLASSES) if new != old} for old in CLASSES}
    found = moves(MIXED, strike(LabelFlip(kind="matrix", matrix=matrix), MIXED, rate).cells)
    assert sum(found.values()) == int(rate * N + 0.5)
    for old in CLASSES:
        assert abs(sum(from_value(found, old).values()) - rate * SHARES[old] * N) <= 1


def test_flips_that_include_the_class_itself_keep_one_in_c():
    found = moves(MIXED, strike(LabelFlip(include_self=True), MIXED).cells)
    kept = N - sum(found.values())
    assert abs(kept - N / 4) <= 4 * np.sqrt(N / 4 * 3 / 4)
    for old in CLASSES:
        assert_fits(from_value(found, old), {c: 1 for c in CLASSES if c != old})


@pytest.mark.parametrize(
    "op",
    [
        CategorySwap(distribution="frequency"),
        FLIPS[0],
        SimilarCategory(),
        Misspell(consistent=False),
        Variant(),
        OrdinalShift(),
    ],
    ids=lambda op: op.name,
)
def test_what_is_struck_at_a_low_rate_becomes_the_same_at_a_high_one(op):
    low, high = strike(op, MIXED, 0.1).cells, strike(op, MIXED, 0.4).cells
    struck = pa.array(changed(MIXED, low))
    assert pc.sum(struck).as_py() > 1000
    assert low.filter(struck).equals(high.filter(struck))


# Missing


def test_each_token_is_equally_likely_and_every_struck_cell_changes():
    done = strike(DisguisedMissing(tokens=["-", "?", "N/A"]), MIXED)
    assert_fits(Counter(done.cells.to_pylist()), dict.fromkeys(["-", "?", "N/A"], 1))
    again = strike(DisguisedMissing(tokens=["-", "?"]), pa.array(["-", "?"] * 500))
    assert again.cells.to_pylist() == ["?", "-"] * 500


@pytest.mark.parametrize(
    ("type_", "tokens"),
    [
        (pa.int8(), {-1, 99}),
        (pa.uint16(), {9999, 99}),
        (pa.float32(), {-999.0, 9999.0, -1.0, 99.0}),
        (pa.string(), {"-", "?", "unknown", "none"}),
    ],
)
def test_tokens_left_out_are_those_that_fit_the_type(type_, tokens):
    cells = pa.array([1, 2, 3] * 100).cast(type_)
    assert set(strike(DisguisedMissing(), cells).cells.to_pylist()) == tokens


def test_disguised_dates_are_written_as_the_column_writes_them(command, recipe, tmp_path):
    rows = [f"{day:02}.03.2024,2024-03-{day:02}T09:30:05+02:00,2024-03-{day:02} 10:11" for day in range(1, 31)]
    (tmp_path / "in.csv").write_text("\n".join(["a,b,c", *rows]) + "\n")
    types = '{types: {a: {dtype: date, format: "%d.%m.%Y"}}}'
    steps = recipe("op: disguised_missing, columns: [a, b, c], rate: 1", data=types)
    assert command("augment", tmp_path / "in.csv", "-r", steps, "-o", tmp_path / "out.csv").code == 0
    written = [line.split(",") for line in (tmp_path / "out.csv").read_text().splitlines()[1:]]
    assert {row[0] for row in written} == {"01.01.1900", "01.01.1970", "31.12.9999"}
    days = ("1900-01-01", "1970-01-01", "9999-12-31")
    assert {row[1] for row in written} == {f"{day}T00:00:00+00:00" for day in days}
    assert {row[2] for row in written} == {f"{day} 00:00" for day in days}


@pytest.mark.parametrize(
    ("format_", "old", "new"),
    [
        ("%d/%b/%y %I:%M %p", "07/Mar/24 09:30 PM", "01/Jan/00 12:00 AM"),
        ("%A %d %B %Y", "Thursday 07 March 2024", "Monday 01 January 1900"),
        ("%Y%m%dT%H%M%S%z", "20240307T213000+0100", "19000101T000000+0000"),
        ("%m-%d-%Y %H:%M:%S.%f", "03-07-2024 21:30:00.125", "01-01-1900 00:00:00.000000"),
    ],
)
def test_disguised_dates_of_every_format(format_, old, new, command, recipe, tmp_path):
    (tmp_path / "in.csv").write_text("a\n" + f"{old}\n" * 20)
    types = f'{{types: {{a: {{dtype: datetime, format: "{format_}"}}}}}}'
    steps = recipe("op: disguised_missing, columns: [a], rate: 1", data=types)
    assert command("augment", tmp_path / "in.csv", "-r", steps, "-o", tmp_path / "out.csv").code == 0
    assert new in (tmp_path / "out.csv").read_text().splitlines()


def test_every_directive_can_be_written():
    named = "%Y %m %d %" + " %".join(set(DIRECTIVES) - set("YmdyIpbB"))
    column = Column("x", Kind.DATETIME, pa.string(), format=named)
    assert DisguisedMissing().objection(column) is None


def test_a_token_stays_text_whatever_yaml_makes_of_it(command, recipe, tmp_path):
    (tmp_path / "in.csv").write_text("x\n" + "7\n" * 200)
    steps = recipe("op: disguised_missing, columns: [x], tokens: [no, 1.50, 007, null, true, 1900-01-01], rate: 1")
    assert command("augment", tmp_path / "in.csv", "-r", steps, "-o", tmp_path / "out.csv").code == 0
    # A spelling of a missing cell is quoted: it is a value that looks like one.
    expected = {"no", "1.50", "007", '"null"', "true", "1900-01-01"}
    assert set((tmp_path / "out.csv").read_text().splitlines()[1:]) == expected


def test_a_number_step_passes_over_words_that_an_earlier_step_wrote(command, recipe, tmp_path):
    (tmp_path / "in.csv").write_text("x\n" + "".join(f"{i}.5\n" for i in range(500)))
    steps = recipe(
        'op: disguised_missing, columns: [x], tokens: ["?"], rate: 0.5', "op: gaussian_noise, columns: [x], rate: 1"
    )
    assert command("augment", tmp_path / "in.csv", "-r", steps, "-o", tmp_path / "out.csv").code == 0
    words = (tmp_path / "out.csv").read_text().splitlines().count("?")
    first, second = json.loads((tmp_path / "out.csv.noisecli.json").read_text())["steps"]
    assert words == first["columns"]["x"]["changed"] == second["columns"]["x"]["void"] > 200


@pytest.mark.parametrize(
    ("value", "cells", "constant"),
    [
        (None, pa.array([1, 2, 10, 2, 30]), 2),
        ("mean", pa.array([1.5, 2.5, 5.0]), 3.0),
        ("median", pa.array([1.0, 2.0, 40.0]), 2.0),
        ("mode", pa.array([3, 1, 3, 1, 2]), 1),
        (None, pa.array(["b", "a", "b"]), "b"),
        (None, pa.array([True, False, True]), True),
        ("-1", pa.array([5, 6], pa.int16()), -1),
        ("none", pa.array(["x", "Zoë"]), "none"),
    ],
)
def test_a_constant_is_what_the_training_cells_give(value, cells, constant):
    done = strike(ImputeConstant(value=value), cells)
    assert done.cells.equals(pa.array([constant] * len(cells), cells.type))
    assert done.counts.changed == sum(cell != constant for cell in cells.to_pylist())


def test_a_mean_in_csv_has_the_columns_decimals(command, recipe, tmp_path):
    (tmp_path / "in.csv").write_text("x,y\n1.25,1\n2.50,2\n2.70,4\n")
    steps = recipe("op: impute_constant, columns: [x, y], value: mean, rate: 1")
    assert command("augment", tmp_path / "in.csv", "-r", steps, "-o", tmp_path / "out.csv").code == 0
    assert (tmp_path / "out.csv").read_text() == "x,y\n" + "2.15,2\n" * 3


# Categories


def test_similar_categories_are_at_the_least_edit_distance():
    words = ["kitten", "mitten", "sitting", "Zoë", "Zoe", "река", "рука", "", "x"]
    nearest = {
        "kitten": {"mitten"},
        "mitten": {"kitten"},
        "sitting": {"kitten", "mitten"},
        "Zoë": {"Zoe"},
        "Zoe": {"Zoë"},
        "река": {"рука"},
        "рука": {"река"},
        "": {"x"},
        "x": {""},
    }
    cells = pa.array(words * 300)
    done = strike(SimilarCategory(), cells)
    assert done.counts.changed == len(cells)
    found = moves(cells, done.cells)
    assert {old: set(from_value(found, old)) for old in words} == nearest
    assert_fits(from_value(found, "sitting"), {"kitten": 1, "mitten": 1})


@pytest.mark.parametrize("order", [None, ["1", "2", "3", "4", "5"]])
def test_a_level_moves_k_up_or_down_and_never_off_the_scale(order):
    cells = pa.array([1, 2, 3, 4, 5] * 20_000)
    found = moves(cells, strike(OrdinalShift(order=order), cells).cells)
    assert set(found) == {(i, j) for i in range(1, 6) for j in range(1, 6) if abs(i - j) == 1}
    for level in (2, 3, 4):
        assert_fits(from_value(found, level), {level - 1: 1, level + 1: 1})
    by_two = moves(cells, strike(OrdinalShift(order=order, k=2), cells).cells)
    assert set(by_two) == {(1, 3), (2, 1), (2, 4), (3, 1), (3, 5), (4, 2), (4, 5), (5, 3)}


def test_an_order_may_have_levels_that_do_not_occur_and_lack_some_that_do():
    cells = pa.array(["low", "high", "n/a"] * 100)
    found = moves(cells, strike(OrdinalShift(order=["low", "middle", "high"]), cells).cells)
    assert set(found) == {("low", "middle"), ("high", "middle")}


def test_levels_merge_and_rare_ones_become_other():
    found = moves(MIXED, strike(MergeLevels(levels={"insect": ["ant", "bee"]}), MIXED).cells)
    assert set(found) == {("ant", "insect"), ("bee", "insect")}
    assert sum(found.values()) == 0.75 * N
    assert set(moves(MIXED, strike(RareToOther(below=0.12), MIXED).cells)) == {("dog", "Other")}
    assert strike(RareToOther(below=0.25), pa.array(CLASSES)).counts.changed == 0, "as large as that is not rare"
    assert set(moves(MIXED, strike(RareToOther(below=0.16, other="?"), MIXED).cells)) == {("cat", "?"), ("dog", "?")}


def test_categories_given_as_numbers_are_texts(tmp_path):
    pq.write_table(pa.table({"x": ["1", "2", "3"]}), tmp_path / "in.parquet")
    step = {"op": "merge_levels", "columns": ["x"], "levels": {9: [1, 2]}, "rate": 1}
    noisecli.augment(tmp_path / "in.parquet", {"noisecli": 1, "steps": [step]}, tmp_path / "out.parquet")
    assert pq.read_table(tmp_path / "out.parquet")["x"].to_pylist() == ["9", "9", "3"]


def test_unseen_categories_are_equally_likely():
    done = strike(UnseenCategory(values=["yak", "Жук"]), MIXED)
    assert_fits(Counter(done.cells.to_pylist()), {"yak": 1, "Жук": 1})


def test_a_consistent_misspelling_is_the_same_in_all_blocks_copies_and_seeds():
    done = [strike(Misspell(), MIXED, 0.5, seed=seed, copy=copy).cells for seed, copy in ((1, 1), (2, 1), (1, 2))]
    found = [moves(MIXED, cells) for cells in done]
    assert {len(each) for each in found} == {len(CLASSES)}
    assert set(found[0]) == set(found[1]) == set(found[2])
    assert not done[0].equals(done[1])
    single = moves(MIXED, strike(Misspell(consistent=False), MIXED, 0.5).cells)
    assert len(single) > 20 * len(CLASSES)


def test_the_misspellings_of_values_and_columns_are_independent():
    words = pa.array([f"abcdefgh{i:04}ijklmnop" for i in range(2000)])
    done = strike(Misspell(), words).cells
    pairs = zip(words.to_pylist(), done.to_pylist(), strict=True)
    first = Counter(next((i for i, letter in enumerate(old) if new[i : i + 1] != letter), 20) for old, new in pairs)
    assert set(first) == set(range(21)), "each place slips, the end too"
    assert max(first.values()) < 0.1 * len(words)
    assert np.mean(changed(done, strike(Misspell(), words, name="y").cells)) > 0.9


@pytest.mark.parametrize("consistent", [True, False])
def test_misspelt_cells_differ_by_one_slip_in_one_word(consistent):
    cells = pa.array(["Upper West Side", "Zoë  Ж.", "e\u0301te\u0301", "—"] * 500)
    done = strike(Misspell(consistent=consistent), cells)
    assert done.counts.changed == 1500
    for old, new in moves(cells, done.cells):
        pairs = list(zip(old.split(" "), new.split(" "), strict=True))
        assert sum(a != b for a, b in pairs) == 1
        assert abs(len(regex.findall(r"\X", old)) - len(regex.findall(r"\X", new))) <= 1


def test_variants_are_other_spellings_of_the_same_value():
    cells = pa.array(["New York", "Southampton", "e\u0301te\u0301rnel", "12", ""] * 4000)
    found = moves(cells, strike(Variant(), cells).cells)
    assert {new for old, new in found if old == "New York"} == {
        *("new york", "NEW YORK", "New york", " New York", "New York ", "New  York", "N.Y.")
    }
    assert {new for old, new in found if old == "e\u0301te\u0301rnel" and "." in new} == {"e\u0301te\u0301."}
    assert {new for old, new in found if old == "12"} == {" 12", "12 "}
    towns = from_value(found, "Southampton")
    styles = Counter(style(new) for new, count in towns.items() for _ in range(count))
    assert_fits(styles, {"case": 1, "whitespace": 1, "abbreviation": 1})


def style(new):
    return "whitespace" if new != new.strip() else "abbreviation" if new.endswith(".") else "case"


# Labels


def test_noise_on_a_target_is_gaussian_noise_on_the_label_column(command, recipe, tmp_path):
    cells = pa.array(np.arange(1000) / 8)
    assert strike(TargetNoise(sigma=0.3), cells).cells.equals(strike(GaussianNoise(sigma=0.3), cells).cells)
    (tmp_path / "in.csv").write_text("x,y\n" + "1.5,2.5\n3.5,4.5\n" * 20)
    steps = recipe("op: target_noise", data="{label: y}")
    assert command("augment", tmp_path / "in.csv", "-r", steps, "-o", tmp_path / "out.csv").code == 0
    manifest = json.loads((tmp_path / "out.csv.noisecli.json").read_text())
    assert list(manifest["steps"][0]["columns"]) == ["y"]


SETS = pa.array(["a|b", "a", "c|a|d", "a|b|c|d", "b|ж"] * 8000)
VOCABULARY = {"a", "b", "c", "d", "ж"}


def test_a_set_loses_a_label_or_gets_one_that_it_lacks():
    done = strike(Multilabel(), SETS)
    assert done.counts.changed == len(SETS)
    added = dropped = 0
    for (old, new), count in moves(SETS, done.cells).items():
        before, after = old.split("|"), new.split("|")
        assert len(set(after)) == len(after)
        if len(after) > len(before):
            assert after[:-1] == before
            assert after[-1] in VOCABULARY - set(before)
            added += count * (len(before) > 1)
        else:
            assert after == [label for label in before if label in after]
            assert len(after) == len(before) - 1 > 0
            dropped += count
    both = added + dropped
    assert abs(added - both / 2) <= 4 * np.sqrt(both / 4)
    assert_fits(from_value(moves(SETS, done.cells), "a"), {f"a|{label}": 1 for label in "bcdж"})


@pytest.mark.parametrize(("add", "drop"), [(3, 1), (1, 0), (0, 1)])
def test_weights_of_adding_and_dropping(add, drop):
    cells = pa.array(["a, b", "b, c"] * 10_000)
    found = moves(cells, strike(Multilabel(separator=", ", add=add, drop=drop), cells).cells)
    added = sum(count for (old, new), count in found.items() if len(new) > len(old))
    share = add / (add + drop)
    assert abs(added - share * len(cells)) <= 4 * np.sqrt(len(cells) * share * (1 - share))
    assert sum(found.values()) == len(cells)


# Through the doors


def test_dictionary_columns_keep_their_type(tmp_path):
    cells = pa.array(["ant", "bee", None, "Жук"] * 100).dictionary_encode()
    pq.write_table(pa.table({"x": cells}), tmp_path / "in.parquet")
    steps = [
        {"op": "category_swap", "columns": ["x"], "distribution": "frequency"},
        {"op": "unseen_category", "columns": ["x"], "values": ["new"]},
        {"op": "disguised_missing", "columns": ["x"]},
    ]
    noisecli.augment(tmp_path / "in.parquet", {"noisecli": 1, "seed": 1, "steps": steps}, tmp_path / "out.parquet")
    out = pq.read_table(tmp_path / "out.parquet")["x"].combine_chunks()
    assert pa.types.is_dictionary(out.type)
    assert {"new", "?"} < set(out.to_pylist())
    assert out.null_count == 100


CSV = "n,x,c,b,d\n" + "1,1.5,ant,true,2024-01-01\n2,2.5,bee,false,2024-01-02\n" * 20

REFUSED = {
    "op: impute_constant, columns: [c], value: mean": "column 'c' is text, which has no mean",
    "op: impute_constant, columns: [x], value: mode": "column 'x' is float, which has no mode",
    "op: category_swap, columns: [c], distribution: matrix": "`distribution: matrix` needs a `matrix:`",
    "op: category_swap, columns: [c], matrix: {ant: {bee: 1}}": "a matrix is for `distribution: matrix`",
    "op: label_flip, columns: [c], kind: matrix, matrix: {ant: {fly: 1}}": "has no category 'fly'; it has ant, bee",
    "op: label_flip, columns: [c], kind: matrix, matrix: {ant: {bee: 0}}": "the row of 'ant' needs a share above 0",
    "op: label_flip, columns: [c], kind: pair, include_self: true": "include_self is for `kind: symmetric`",
    "op: ordinal_shift, columns: [c], order: [low, high]": "none of the levels in `order`; it has ant, bee",
    "op: ordinal_shift, columns: [c], order: [ant, ant]": "names a level twice",
    "op: merge_levels, columns: [c], levels: {x: [ant, fly]}": "has no category 'fly'",
    "op: merge_levels, columns: [c], levels: {x: [ant], y: [ant]}": "'ant' cannot become two categories",
    "op: unseen_category, columns: [n], values: [2, 3]": "already has the category '2'",
    "op: unseen_category, columns: [n], values: []": "needs at least one",
    "op: disguised_missing, columns: [n], tokens: []": "needs at least one",
    "op: disguised_missing, columns: [n], tokens: -999": "tokens: should be a list",
    "op: multilabel, columns: [c], add: 0, drop: 0": "add or drop must be above 0",
    "op: multilabel, columns: [c], separator: ''": "separator: should not be empty",
    "op: variant, columns: [c], styles: [upper]": "styles: should be 'case', 'whitespace' or 'abbreviation'",
    "op: variant, columns: [c], styles: []": "styles: too few entries: at least 1 needed",
    "op: digit_error, columns: [x], rate: a lot": "rate: should be a number",
}


@pytest.mark.parametrize("step", REFUSED)
def test_what_cannot_be_is_refused_in_one_line(step, command, recipe, tmp_path):
    (tmp_path / "in.csv").write_text(CSV)
    done = command("augment", tmp_path / "in.csv", "-r", recipe(step), "-o", tmp_path / "out.csv")
    assert done.code == 2
    assert len(done.errors) == 1
    assert REFUSED[step] in done.errors[0]
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize(
    ("cells", "tokens", "says"),
    [
        (pa.array([1], pa.uint8()), ["9999"], "is stored as uint8, which cannot hold '9999'"),
        (pa.array([1, 2]), ["0.5"], "is stored as int64, which cannot hold '0.5'"),
        (pa.array([True]), None, "nothing can stand for a missing value"),
    ],
)
def test_a_token_must_fit_a_typed_column(cells, tokens, says, tmp_path):
    pq.write_table(pa.table({"x": cells}), tmp_path / "in.parquet")
    step = {"op": "disguised_missing", "columns": ["x"], **({"tokens": tokens} if tokens else {})}
    with pytest.raises(RecipeProblem, match=says):
        noisecli.augment(tmp_path / "in.parquet", {"noisecli": 1, "steps": [step]}, tmp_path / "out.parquet")


def test_columns_that_hold_no_token_are_passed_over_unless_they_are_named(tmp_path):
    pq.write_table(pa.table({"b": [True, False], "s": ["x", "y"]}), tmp_path / "in.parquet")
    step = {"op": "disguised_missing", "columns": "all", "rate": 1}
    done = noisecli.augment(tmp_path / "in.parquet", {"noisecli": 1, "steps": [step]}, tmp_path / "out.parquet")
    assert list(done.manifest.steps[0].columns) == ["s"]


def test_too_many_categories_to_compare_are_refused(tmp_path):
    pq.write_table(pa.table({"x": [f"c{i:09}" for i in range(5001)]}), tmp_path / "in.parquet")
    step = {"op": "similar_category", "columns": ["x"]}
    with pytest.raises(RecipeProblem, match="5001 categories of 50010 characters, too many to compare"):
        noisecli.augment(tmp_path / "in.parquet", {"noisecli": 1, "steps": [step]}, tmp_path / "out.parquet")


def test_replay_gives_the_same_from_recorded_facts(command, recipe, tmp_path):
    (tmp_path / "in.csv").write_text(CSV)
    steps = recipe(
        "op: impute_constant, columns: [n, x, c], rate: 0.5",
        "op: category_swap, columns: [c], distribution: frequency",
        "op: label_flip, columns: [b], kind: matrix, matrix: {true: {false: 1}}",
        "op: rare_to_other, columns: [c], below: 0.6, rate: 0.3",
        "op: merge_levels, columns: [c], levels: {1: [ant, bee]}, rate: 0.3",
        "op: disguised_missing, columns: [d, n], rate: 0.3",
    )
    assert command("augment", tmp_path / "in.csv", "-r", steps, "-o", tmp_path / "out.csv").code == 0
    manifest = tmp_path / "out.csv.noisecli.json"
    again = command("replay", manifest, "--input", tmp_path / "in.csv", "-o", tmp_path / "again.csv")
    assert again.code == 0, again.err
    assert (tmp_path / "again.csv").read_bytes() == (tmp_path / "out.csv").read_bytes()
    assert (tmp_path / "out.csv").read_text() != CSV
