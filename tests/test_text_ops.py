"""What every op on parts of texts must keep to, in every script; a new op is found by itself."""

import numpy as np
import pyarrow as pa
import pytest
from golden import OPS, made, strike
from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein

from noisecli.columns import Column, Kind
from noisecli.corruption import TextCorruption
from noisecli.streams import CounterDraws, scramble
from noisecli.text import Text

TEXT_OPS = {name: op for name, op in OPS.items() if issubclass(op, TextCorruption)}

COLUMN = Column("x", Kind.TEXT, pa.string())

SENTENCES = {
    "ascii": 'We got 18 bills, all of them for cold corn: 5 were paid twice; "nobody" knew who\'d sold it.',
    "german": "Größere Straßen übertönen die Mühlen, 12 Äpfel kosten 3,50 € und heißen Öl; schöne Grüße!",
    "french": "Où l'élève naïf a-t-il mangé 8 crêpes, à Noël ? « Ça va être très drôle », dit sa sœur aînée.",
    "russian": "Съешь ещё этих мягких французских булок, да выпей же 2 чашки чаю: объём вырос на 15 процентов.",
    "japanese": "東京 の 天気 は 晴れ です。 がぎぐげご、 パピプペポ を 3 回 読む 人 が いた と 書いて ある",
    "hindi": "क्षत्रिय ज्ञानी ने हिन्दी में 7 किताबें लिखीं और विद्यार्थियों को पढ़ाया; सब प्रसन्न हुए।",
    "emoji": "so 👩\u200d💻 good 👍🏽 day 🇩🇪 in ❤\ufe0f town 👨\u200d👩\u200d👧 at 10 and e\u0301te\u0301 too",
}


def units(op: type[TextCorruption]) -> list[str]:
    schema = op.model_json_schema()["properties"]["unit"]
    return schema.get("enum", [schema["const"]] if "const" in schema else [])


CASES = [(name, unit) for name, op in TEXT_OPS.items() for unit in units(op)]

every_case = pytest.mark.parametrize(("name", "unit"), CASES)
every_script = pytest.mark.parametrize("script", SENTENCES)


def op_of(name: str, unit: str) -> TextCorruption:
    """The op of an example, that strikes such parts of texts."""
    return type(op := made(TEXT_OPS[name])).model_validate({**op.model_dump(), "unit": unit})


def many(script: str, unit: str) -> pa.Array:
    """Cells enough for a few thousand sites."""
    words = SENTENCES[script].split()
    rotated = [" ".join(words[i:] + words[:i]) for i in range(len(words))]
    return pa.array(rotated * ({"char": 2500, "word": 12_000, "cell": 40_000}[unit] // len(rotated) // 4))


CANNOT: set[tuple[str, str]] = set()
"""Ops and scripts in which there is nothing that they could change."""

texts = st.lists(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
    | st.sampled_from(sorted(SENTENCES)).flatmap(lambda script: st.text(SENTENCES[script], max_size=25)),
    max_size=6,
)


@every_script
@every_case
def test_asked_is_got(name, unit, script):
    op = op_of(name, unit)
    done = strike(op, many(script, unit), rate=0.05)
    eligible, struck = done.counts.eligible, done.counts.struck
    assert (eligible == 0) == ((name, script) in CANNOT)
    assert abs(struck - 0.05 * eligible) <= 4 * (0.05 * 0.95 * eligible) ** 0.5
    assert done.counts.changed == struck or op.keeps_some()
    done.cells.validate(full=True)


@every_script
@every_case
def test_the_character_error_rate_is_that_of_the_edit_distance(name, unit, script):
    cells = many(script, unit)[:2000]
    done = strike(op_of(name, unit), cells, rate=0.02)
    pairs = zip(cells.to_pylist(), done.cells.to_pylist(), strict=True)
    distance = sum(Levenshtein.distance(old, new) for old, new in pairs)
    assert done.counts.characters == sum(map(len, cells.to_pylist()))
    assert 0.9 * done.counts.edited <= distance <= done.counts.edited


@every_script
@every_case
def test_texts_struck_at_a_rate_are_struck_at_a_higher_one(name, unit, script):
    cells = many(script, unit)[:500]
    low, high = (strike(op_of(name, unit), cells, rate=rate) for rate in (0.01, 0.05))
    assert low.counts.struck <= high.counts.struck
    still = [after == before for before, after in zip(cells.to_pylist(), high.cells.to_pylist(), strict=True)]
    assert low.cells.filter(pa.array(still)) == cells.filter(pa.array(still))


@every_case
@given(texts, st.integers(0, 2**64 - 1))
@settings(deadline=None)
def test_whatever_the_text_a_struck_site_changes_and_rows_are_alone(name, unit, texts, seed):
    op = op_of(name, unit)
    alone = [_all_struck(op, [text], [key]) for text, key in zip(texts, scramble(seed, range(len(texts))), strict=True)]
    together = _all_struck(op, texts, scramble(seed, range(len(texts))))
    assert together == [new for row in alone for new in row]
    text = Text(pa.array(texts, pa.string()))
    sites = op.sites(text)
    for i in np.flatnonzero(op.can_edit(text, sites, COLUMN)):
        one = sites[[i]]
        new = text.replace(op.edit(text, one, COLUMN, CounterDraws(scramble(seed, [i]))))
        new.validate(full=True)
        changed = [row for row, (a, b) in enumerate(zip(texts, new.to_pylist(), strict=True)) if a != b]
        assert changed == one.rows.tolist() or op.keeps_some()


def _all_struck(op, texts, keys):
    text = Text(pa.array(texts, pa.string()))
    sites = op.sites(text)
    sites = sites[op.can_edit(text, sites, COLUMN)]
    draws = CounterDraws(scramble(np.array(keys, np.uint64)[sites.rows], sites.ordinals))
    new = text.replace(op.edit(text, sites, COLUMN, draws))
    new.validate(full=True)
    return new.to_pylist()
