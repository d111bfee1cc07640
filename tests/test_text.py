"""Text as code points and words, and typos, on every script: what is not struck stays, letters are never torn."""

import json
import unicodedata
from itertools import groupby

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import regex
from golden import strike
from hypothesis import example, given
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein

import noisecli
from noisecli.columns import Column, Kind
from noisecli.corruptions.table.keyboard import KEY_ROWS
from noisecli.corruptions.table.typo import Typo
from noisecli.distance import levenshtein
from noisecli.text import Edits, Text, points_of

ALPHABETS = {
    "ascii": "abcxyzABZ0189.,-'",
    "german": "aäöüßÄÖÜEez",
    "russian": "абвйёшЩЪя",
    "hindi": "कखगघक्षत्रज्ञिीुूेो्ं",
    "japanese": "日本語ひらがなカタカナがぱー。",
    "combining": "ae\u0301\u0308\u0327o\u20ddx",
    "emoji": "👩\u200d💻❤\ufe0f👍🏽🇩🇪a",
    "joiners": "ab\u200d\u200c\u00adc",
}
COLUMN = Column("x", Kind.TEXT, pa.string())
SPACES = " \t\n\u00a0\u3000"
words = st.sampled_from(sorted(ALPHABETS)).flatmap(lambda name: st.text(ALPHABETS[name] + SPACES, max_size=12))
anything = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
rows = st.lists(words | anything, max_size=8)


def characters(text: str) -> list[str]:
    return regex.findall(r"\X", text)


def blank(part: str) -> bool:
    return part[:1].isspace()


def pieces(text: str) -> list[str]:
    """Words and white space in turn."""
    return ["".join(part) for _, part in groupby(characters(text), blank)]


def words_of(text: str) -> list[str]:
    return [part for part in pieces(text) if not blank(part)]


def is_letter(character: str) -> bool:
    return unicodedata.category(character[0])[0] in "LN"


def slips(word: str, keys: str) -> set[str]:
    """All that one slip can make of a word."""
    found, parts = set(), characters(word)
    for i, part in enumerate(parts):
        before, after = "".join(parts[:i]), "".join(parts[i + 1 :])
        if is_letter(part):
            known = list(keys) if part in keys else [part]
            found |= {before + after} if len(parts) > 1 else set()
            found |= {before + key + after for key in known if part in keys}
            found |= {before + pair + after for key in known for pair in (key + part, part + key)}
            if i + 1 < len(parts) and is_letter(parts[i + 1]):
                found.add(before + parts[i + 1] + part + "".join(parts[i + 2 :]))
    return found - {word}


@given(rows)
def test_words_are_what_stands_between_white_space(texts):
    text = Text(pa.array(texts, pa.string()))
    spans = text.words
    found = [[] for _ in texts]
    for start, stop, row in zip(spans.starts, spans.stops, spans.rows, strict=True):
        found[row].append("".join(map(chr, text.points[start:stop])))
    assert found == [words_of(row) for row in texts]
    assert spans.ordinals.tolist() == [i for row in texts for i in range(len(words_of(row)))]


@given(rows, st.sampled_from([pa.string(), pa.large_string()]), st.integers(0, 3))
def test_a_slice_of_a_column_is_read_as_if_it_were_alone(texts, type_, start):
    whole = pa.array(texts, type_)
    sliced, alone = Text(whole[start:]), Text(pa.array(texts[start:], type_))
    assert sliced.points.tolist() == alone.points.tolist()
    assert sliced.bounds.tolist() == alone.bounds.tolist()


@given(rows, st.lists(st.tuples(st.booleans(), anything), min_size=1, max_size=9), st.sampled_from(["utf8", "large"]))
def test_replace_leaves_everything_outside_the_edits_alone(texts, wishes, width):
    type_ = pa.string() if width == "utf8" else pa.large_string()
    text = Text(pa.array(texts, type_))
    spans = text.words
    wished = [wishes[i % len(wishes)] for i in range(len(spans))]
    chosen = np.array([wanted for wanted, _ in wished], dtype=bool)
    struck = spans[chosen]
    news = [new for wanted, new in wished if wanted]
    points = np.array([ord(c) for new in news for c in new], np.uint32)
    offsets = np.concatenate([[0], np.cumsum([len(new) for new in news])]).astype(np.int64)
    done = text.replace(Edits(struck.starts, struck.stops, struck.rows, points, offsets))
    done.validate(full=True)
    assert done.type == type_
    expected, wish = [], iter(wished)
    for row in texts:
        parts = [(part, False, "") if blank(part) else (part, *next(wish)) for part in pieces(row)]
        expected.append("".join(new if wanted else part for part, wanted, new in parts))
    assert done.to_pylist() == expected


@given(rows, st.sampled_from(sorted(KEY_ROWS)), st.integers(0, 2**64 - 1))
@example(["e\u0301e\u0301", "क्षि त्र", "👩\u200d💻 a", "a\u200db"], "qwerty", 1)
def test_a_typo_is_one_slip_in_each_word_and_nothing_else(texts, layout, seed):
    keys = "".join(KEY_ROWS[layout])
    keys += "".join(key.upper() for key in keys if len(key.upper()) == 1)
    done = strike(Typo(layout=layout), pa.array(texts, pa.string()), seed=seed).cells
    done.validate(full=True)
    for before, after in zip(texts, done.to_pylist(), strict=True):
        expected = [{part} if blank(part) else slips(part, keys) or {part} for part in pieces(before)]
        left = {""}  # what the pieces so far can have become
        for choices in expected:
            left = {one for begun in left for part in choices if after.startswith(one := begun + part)}
        assert after in left


@given(rows)
def test_a_word_can_be_struck_if_it_has_a_letter_or_digit(texts):
    text = Text(pa.array(texts, pa.string()))
    able = Typo().can_edit(text, text.words, COLUMN).tolist()
    assert able == [any(map(is_letter, characters(word))) for row in texts for word in words_of(row)]


@given(rows)
@example(["a\u200d", "b"])
def test_a_row_does_not_see_its_neighbours(texts):
    op = Typo()
    together = Text(pa.array(texts, pa.string()))
    able = op.can_edit(together, together.words, COLUMN).tolist()
    alone = [Text(pa.array([row])) for row in texts]
    assert able == [flag for text in alone for flag in op.can_edit(text, text.words, COLUMN).tolist()]


@pytest.mark.parametrize("layout", sorted(KEY_ROWS))
def test_a_wrong_key_is_one_that_touches_the_right_one(layout):
    cells = pa.array([key * 2 for row in KEY_ROWS[layout] for key in row if key.isalnum()] * 50)
    done = strike(Typo(layout=layout, weights={"delete": 0, "insert": 0, "transpose": 0}), cells).cells
    rows_of = {key: (y, x) for y, row in enumerate(KEY_ROWS[layout]) for x, key in enumerate(row)}
    for before, after in zip(cells.to_pylist(), done.to_pylist(), strict=True):
        (wrong,) = [new for old, new in zip(before, after, strict=True) if old != new]
        (y, x), (v, u) = rows_of[before[0]], rows_of[wrong]
        assert (abs(x - u) == 1) if y == v else (abs(y - v) == 1 and abs(x - u) <= 1)


@pytest.mark.parametrize("only", ["substitute", "delete", "insert", "transpose"])
def test_only_the_slips_with_a_weight_occur(only):
    weights = {name: float(name == only) for name in ("substitute", "delete", "insert", "transpose")}
    done = strike(Typo(weights=weights), pa.array(["planet", "a", "aa", "..."] * 200))
    kinds = set()
    for word in done.cells.to_pylist()[::4]:
        same = "transpose" if sorted(word) == sorted("planet") else "substitute"
        kinds.add({5: "delete", 7: "insert"}.get(len(word), same))
    assert kinds == {only}
    able = {"substitute": 3, "insert": 3, "delete": 2, "transpose": 1}[only]
    assert done.counts.eligible == 200 * able


def test_what_an_earlier_step_left_nothing_of_is_not_struck(tmp_path):
    steps = [{"op": "word_mask", "token": "--"}, {"op": "typo"}]
    steps = [{**step, "columns": "t", "rate": rate} for step, rate in zip(steps, (0.5, 1), strict=True)]
    (tmp_path / "in.csv").write_text("t\n" + "red  hen\n" * 500)
    noisecli.augment(tmp_path / "in.csv", {"noisecli": 1, "seed": 1, "steps": steps}, tmp_path / "out.csv")
    words = (tmp_path / "out.csv").read_text().split()[1:]
    assert {word in ("--", "red", "hen") for word in words} == {True, False}
    assert not {"red", "hen"} & set(words)
    manifest = json.loads((tmp_path / "out.csv.noisecli.json").read_bytes())
    masked, typos = (step["columns"]["t"] for step in manifest["steps"])
    assert words.count("--") == masked["changed"] == typos["void"]
    assert typos["changed"] == 1000 - typos["void"]


def test_what_becomes_of_a_row_is_the_same_whatever_others_hold():
    texts = ["red  hen"] * 2000
    gaps = [None if i % 3 else text for i, text in enumerate(texts)]
    full, some = (strike(Typo(), pa.array(cells), rate=0.4).cells.to_pylist() for cells in (texts, gaps))
    assert [text for text in some if text is not None] == full[::3]


def test_slips_that_undo_each_other_are_no_change(tmp_path):
    # A letter of no key is written twice, and its neighbour left out.
    weights = {"substitute": 0, "transpose": 0}
    step = {"op": "typo", "columns": "t", "unit": "char", "weights": weights, "rate": 0.5}
    pq.write_table(pa.table({"t": ["нн"] * 3000}), tmp_path / "in.parquet")
    noisecli.augment(tmp_path / "in.parquet", {"noisecli": 1, "seed": 1, "steps": [step]}, tmp_path / "out", truth=True)
    differ = [new != "нн" for new in pq.read_table(tmp_path / "out")["t"].to_pylist()]
    lines = pq.read_table(tmp_path / "out.noisecli-truth.parquet").to_pylist()
    assert [line["row"] for line in lines] == np.flatnonzero(differ).tolist()
    assert all(line["before"] != line["after"] for line in lines)
    manifest = json.loads((tmp_path / "out.noisecli.json").read_bytes())
    counts = manifest["steps"][0]["columns"]["t"]
    undone = counts["struck"] - counts["changed"]
    assert undone > 0
    assert manifest["warnings"] == [
        f"step 'typo', column 't': {undone} of {counts['struck']} struck came out unchanged: one edit undid another in "
        "the same text"
    ]


def edits_of(pairs):
    """One text of all old ones, and the edits that put the new ones in their places."""
    text = Text(pa.array(["".join(old for old, _ in pairs)]))
    bounds, (points, offsets) = points_of([old for old, _ in pairs])[1], points_of([new for _, new in pairs])
    return text, Edits(bounds[:-1], bounds[1:], np.zeros(len(pairs), np.int64), points, offsets)


@given(st.lists(st.tuples(anything, anything) | st.text("ab", max_size=40).map(lambda t: (t, t[::-1])), max_size=6))
def test_the_distance_of_edits_is_that_of_levenshtein(pairs):
    gaps = [pair for old, new in pairs for pair in ((old, new), ("-" * 3, "-" * 3))]
    old, new = ("".join(part) for part in zip(*gaps, strict=True)) if gaps else ("", "")
    text, edits = edits_of(gaps)
    assert text.replace(edits).to_pylist() == [new]
    assert Levenshtein.distance(old, new) <= text.distance(edits) <= sum(Levenshtein.distance(*pair) for pair in pairs)
    kept = [levenshtein_of(one, other) for one, other in pairs]
    assert kept == [Levenshtein.distance(one, other) for one, other in pairs]


def levenshtein_of(old, new):
    return int(levenshtein(*points_of([old]), *points_of([new]))[0])


def test_the_distance_of_long_texts_is_never_too_small():
    old, new = "ab" * 100 + "x", "ba" * 99 + "y"
    assert Levenshtein.distance(old, new) <= levenshtein_of(old, new) <= len(old)
