"""What every op on parts of texts must keep to, in every script; a new op is found by itself."""

from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pyarrow as pa
import pytest
import regex
from golden import OPS, made, strike
from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.pre_tokenizers import WhitespaceSplit

from noisecli.columns import Column, Kind
from noisecli.corruption import TextCorruption
from noisecli.corruptions.table.confusable import Homoglyph
from noisecli.corruptions.table.encoding import EncodingMix, HtmlEscapeRemains, Mojibake, UnicodeForm
from noisecli.corruptions.table.letters import Case, CharRepeat, Diacritics
from noisecli.corruptions.table.truncation import TruncateText
from noisecli.corruptions.table.typography import Punctuation, Whitespace
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


VARIANTS = {
    "twice": CharRepeat(times=2),
    "upper": Case(to="upper"),
    "title": Case(to="title"),
    "add marks": Diacritics(change="add"),
    "run on": Whitespace(change="remove"),
    "double": Whitespace(change="double"),
    "nbsp": Whitespace(change="nbsp"),
    "pad": Whitespace(change="pad"),
    "drop": Punctuation(change="drop"),
    "wide": Homoglyph(scripts=("fullwidth",)),
    "lost": Mojibake(written="cp1251", read="utf-8"),
    "far": Mojibake(written="utf-8", read="shift-jis"),
    "mix": EncodingMix(written=("utf-8", "cp1252"), read="gb18030"),
    "NFC": UnicodeForm(form="NFC"),
    "NFKD": UnicodeForm(form="NFKD"),
    "markup": HtmlEscapeRemains(extent="markup"),
    "words": TruncateText(words=4),
    "bytes": TruncateText(bytes=20),
}
"""Other parameters of ops than those of their examples."""

EXAMPLES = [(name, unit) for name, op in TEXT_OPS.items() for unit in units(op)]
CASES = [*EXAMPLES, *((name, op.unit) for name, op in VARIANTS.items())]

every_case = pytest.mark.parametrize(("name", "unit"), CASES)
every_script = pytest.mark.parametrize("script", SENTENCES)


@cache
def tokenizer_file() -> str:
    """The file of a tokenizer that knows single characters."""
    characters = sorted(set("".join(SENTENCES.values())))
    names = ["[UNK]", *characters, *(f"##{character}" for character in characters)]
    model = WordPiece({name: number for number, name in enumerate(names)}, unk_token="[UNK]")
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = WhitespaceSplit()
    path = Path(mkdtemp()) / "tokenizer.json"
    tokenizer.save(str(path))
    return str(path)


def op_of(name: str, unit: str) -> TextCorruption:
    """The op of an example, that strikes such parts of texts; or another."""
    if name in VARIANTS:
        return VARIANTS[name]
    given = made(TEXT_OPS[name]).model_dump(exclude_unset=True)
    if unit == "token":
        given["tokenizer"] = tokenizer_file()
    if name == "table-word_replace":
        given["words"] = {word: ["other", "word"] for word in regex.findall(r"\w+", " ".join(SENTENCES.values()))}
    return TEXT_OPS[name].model_validate({**given, "unit": unit})


def many(script: str, unit: str) -> pa.Array:
    """Cells enough for a few thousand sites."""
    words = SENTENCES[script].split()
    rotated = [" ".join(words[i:] + words[:i]) for i in range(len(words))]
    cells = {"char": 80, "token": 80, "word": 300, "cell": 3000}[unit]
    return pa.array(rotated * (cells // len(rotated)))


CANNOT = {
    "ascii": "table-diacritics table-mojibake lost far table-encoding_mix mix table-unicode_form NFC NFKD",
    "german": "markup NFC",
    "french": "NFC",
    "russian": "markup NFC",
    "japanese": "table-case table-leet upper title markup NFC",
    "hindi": "table-case table-homoglyph table-leet table-unicode_form upper title markup NFC NFKD",
    "emoji": "table-unicode_form NFKD markup drop",
}
"""Ops and scripts in which there is nothing that they could change."""

texts = st.lists(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
    | st.sampled_from(sorted(SENTENCES)).flatmap(lambda script: st.text(SENTENCES[script], max_size=25)),
    max_size=6,
)


@every_script
@every_case
def test_asked_is_got_and_told_and_nested(name, unit, script):
    op, cells = op_of(name, unit), many(script, unit)
    low, done = (strike(op, cells, rate=rate) for rate in (0.01, 0.05))
    done.cells.validate(full=True)
    eligible, struck = done.counts.eligible, done.counts.struck
    assert (eligible == 0) == (name.replace(" ", "_") in CANNOT[script].split())
    assert abs(struck - 0.05 * eligible) <= 4 * (0.05 * 0.95 * eligible) ** 0.5
    assert done.counts.changed == struck or op.keeps_some()

    pairs = list(zip(cells.to_pylist(), done.cells.to_pylist(), strict=True))
    assert done.counts.characters == sum(len(old) for old, _ in pairs)
    distance = sum(Levenshtein.distance(*pair) for pair in pairs)
    assert 0.9 * done.counts.edited <= distance <= done.counts.edited

    assert low.counts.struck <= struck
    still = pa.array([old == new for old, new in pairs])
    assert low.cells.filter(still) == cells.filter(still)


@every_case
@given(texts, st.integers(0, 2**64 - 1))
@settings(max_examples=10)
def test_whatever_the_text_a_struck_site_changes_and_rows_are_alone(name, unit, texts, seed):
    _check(name, unit, texts, seed)


@pytest.mark.stress
@every_case
@given(texts, st.integers(0, 2**64 - 1))
@settings(max_examples=500, derandomize=False)
def test_whatever_500_texts_are(name, unit, texts, seed):
    _check(name, unit, texts, seed)


def _check(name, unit, texts, seed):
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


@every_script
@pytest.mark.parametrize(("name", "unit"), [case for case in CASES if case[1] != "token"])
def test_no_character_is_torn_or_joined_to_its_neighbour(name, unit, script):
    if unit == "token":
        pytest.skip("a tokenizer may tear characters")
    op, text = op_of(name, unit), Text(many(script, unit)[:20])
    sites = op.sites(text)
    sites = sites[op.can_edit(text, sites, COLUMN)]
    for chosen in (sites, sites[::3]):
        edits = op.edit(text, chosen, COLUMN, CounterDraws(scramble(1, np.arange(len(chosen)))))
        new = Text(text.replace(edits))
        growth = np.diff(edits.offsets) - (edits.stops - edits.starts)
        moved = edits.starts + np.cumsum(growth) - growth
        assert np.isin(edits.starts, np.append(text.characters.starts, text.bounds)).all()
        assert np.isin(moved, np.append(new.characters.starts, new.bounds)).all()
