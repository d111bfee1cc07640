"""What each op on texts makes of them: letters, typography, encodings. What all must keep to is in test_text_ops."""

import html
import unicodedata

import pyarrow as pa
import pytest
import regex
from golden import strike
from hypothesis import given
from hypothesis import strategies as st

from noisecli import recipe as recipes
from noisecli.corruptions.table.confusable import Homoglyph, Leet, Ocr
from noisecli.corruptions.table.encoding import EncodingMix, HtmlEscapeRemains, Mojibake, UnicodeForm
from noisecli.corruptions.table.letters import Case, CharRepeat, Diacritics
from noisecli.corruptions.table.truncation import TruncateText
from noisecli.corruptions.table.typography import Punctuation, Whitespace, ZeroWidth
from noisecli.errors import RecipeProblem

letters = st.text(
    st.sampled_from("aeñßÅﬁ½ÿøκΩйёяガかｶ日क़ढ़कि́\u0308\u0327 한ᄒ👍🏽\u200d👩&<'\"\u00a0"), min_size=1, max_size=12
)


def become(op, cell, seed=1):
    """What becomes of a cell of which all that can be struck is."""
    return strike(op, pa.array([cell]), seed=seed).cells[0].as_py()


def outcomes(op, cell, tries=300):
    """All that becomes of a cell, over many draws."""
    return set(strike(op, pa.array([cell] * tries)).cells.to_pylist())


@pytest.mark.parametrize(
    ("op", "cell", "expected"),
    [
        (Ocr(), "ш", {"щ"}),
        (Ocr(), "dx", {"clx", "tlx", "dX"}),
        (Ocr(), "rn", {"m"}),
        (Ocr(unit="char"), "rnn", {"mh", "mu", "mri", "mrr"}),
        (Case(to="title"), "ab ba ab", {"Ab Ba Ab"}),
        (Ocr(), "rrx", {"nx", "rrX"}),
        (Ocr(), "w!", {"vv!", "W!", "w1"}),
        (Ocr(), "é", {"e", "è"}),
        (Ocr(), "E\u0301", {"F\u0301", "fi\u0301"}),
        (Ocr(), "シ", {"ツ"}),
        (Ocr(), "भी", {"मी"}),
        (Ocr(), "1\ufe0f\u20e3", {"1\ufe0f\u20e3"}),
        (Homoglyph(), "a", {"а", "α"}),
        (Homoglyph(), "х", {"x", "Χ".lower()} - {"χ"}),
        (Homoglyph(scripts=("cyrillic",)), "ax", {"аx", "aх"}),
        (Homoglyph(scripts=("fullwidth",)), "a!", {"ａ!", "a！"}),
        (Homoglyph(), "力", {"カ"}),
        (Leet(), "E", {"3"}),
        (Leet(), "as", {"4s", "@s", "a5", "a$"}),
        (CharRepeat(), "ab", {"aab", "abb"}),
        (CharRepeat(times=3), "क्षि", {"क्षि" * 4}),
        (CharRepeat(), "👩\u200d💻", {"👩\u200d💻" * 2}),
        (CharRepeat(), "🇩 \u1112 a", {"🇩 \u1112 aa"}),
        (Case(), "Straße 1", {"sTRASSE 1"}),
        (Case(to="upper"), "e\u0301ﬁ", {"E\u0301FI"}),
        (Case(to="lower"), "ÉCOLE ЁЖ", {"école ёж"}),
        (Case(to="title"), "mcDONALD's  'big' 3rd", {"Mcdonald's  'Big' 3Rd"}),
        (Case(to="title", unit="cell"), "new  YORK", {"New  York"}),
        (Diacritics(), "Élève naïf Łódź", {"Eleve naif Lodz"}),
        (Diacritics(), "ё й が क़ Vie\u0323\u0302t हिन्दी", {"е и か क Viet हिन्दी"}),
        (Diacritics(change="add"), "к", {"ќ"}),
        (Diacritics(change="add"), "は", {"ば", "ぱ"}),
        (Whitespace(), "abc", {"a bc", "ab c"}),
        (Whitespace(change="remove"), "a  b\tc", {"a bc"}),
        (Whitespace(change="remove", unit="char"), "a  b\tc", {"abc"}),
        (Whitespace(change="double"), "a b\u3000c", {"a  b\u3000\u3000c"}),
        (Whitespace(change="nbsp"), "a b\tc", {"a\u00a0b\tc"}),
        (Whitespace(change="trim"), " \ta b\n", {"a b"}),
        (Whitespace(change="pad"), "a", {" a", "a "}),
        (Punctuation(change="drop"), "don't!", {"dont!", "don't"}),
        (Punctuation(change="drop"), "-", {"-"}),
        (Punctuation(), "ab", {"ab" + mark for mark in ".,;:!?"}),
        (Punctuation(), "日本", {"日本" + mark for mark in "。、；：！？"}),
        (ZeroWidth(), "ab", {a + b for a in ("ab"[0],) for b in ("\u200bb", "\u2060b", "\ufeffb")}
         | {"ab\u200b", "ab\u2060", "ab\ufeff"}),
        (Mojibake(), "Größe €", {"GrÃ¶ÃŸe â‚¬"}),
        (Mojibake(), "Ý", {"Ã\u009d"}),
        (Mojibake(written="cp1251", read="cp1252"), "Привет", {"Ïðèâåò"}),
        (Mojibake(written="latin-1", read="utf-8"), "naïve €", {"na�ve ?"}),
        (Mojibake(written="utf-8", read="gb18030"), "né né", {"n茅 n茅"}),
        (Mojibake(unit="char"), "éa", {"Ã©a"}),
        (HtmlEscapeRemains(), "a<b & ü я", {"a&lt;b &amp; &uuml; &#1103;"}),
        (HtmlEscapeRemains(extent="markup"), "\"ü\" & 'x'", {"&quot;ü&quot; &amp; &#39;x&#39;"}),
        (TruncateText(chars=2), "e\u0301te\u0301", {"e\u0301t"}),
        (TruncateText(words=2), " one  two three", {" one  two"}),
        (TruncateText(bytes=5), "Größe", {"Grö"}),
        (TruncateText(bytes=4), "né👍", {"né"}),
        (TruncateText(bytes=2), "日本", {"日本"}),
        (TruncateText(chars=9), "short", {"short"}),
    ],
)  # fmt: skip
def test_what_becomes_of_a_cell(op, cell, expected):
    assert outcomes(op, cell) == expected


def test_misread_ascii_stays_ascii():
    """Letters of other scripts are read as figures, but figures are never read as those."""
    printable = [chr(point) for point in range(0x21, 0x7F)]
    assert all(cell.isascii() for cell in strike(Ocr(), pa.array(printable * 20)).cells.to_pylist())


@pytest.mark.parametrize("script", ["latin", "greek", "cyrillic", "fullwidth"])
def test_homoglyphs_come_from_the_scripts_that_are_asked_for(script):
    cells = [chr(point) for point in [*range(0x21, 0x7F), *range(0x391, 0x3CA), *range(0x400, 0x460)]]
    done = strike(Homoglyph(scripts=(script,)), pa.array(cells * 5)).cells.to_pylist()
    new = {after for before, after in zip(cells * 5, done, strict=True) if before != after}
    assert len(new) > 10
    assert all(script.upper() in unicodedata.name(letter) for letter in new - set("0123456789"))


@given(letters, st.sampled_from(["NFC", "NFD", "NFKC", "NFKD"]))
def test_a_normalised_cell_is_what_unicode_says(cell, form):
    assert become(UnicodeForm(form=form), cell) == unicodedata.normalize(form, cell)


@given(letters)
def test_an_escaped_cell_is_what_a_browser_reads_back(cell):
    escaped = become(HtmlEscapeRemains(), cell)
    assert html.unescape(escaped) == cell
    assert escaped.isascii()


@given(letters, st.sampled_from(["cp1252", "cp437", "koi8-r", "shift-jis", "gb18030"]))
def test_a_misread_cell_is_what_its_bytes_say(cell, read):
    data = cell.encode()
    whole = data.decode(read, "replace")
    new = become(Mojibake(read=read), cell)
    assert "\ufffd" in whole or new == whole
    assert new.isascii() == cell.isascii()


@given(letters)
def test_what_is_cut_off_is_the_end_and_nothing_is_torn(cell):
    for op, size in (
        (TruncateText(chars=3), lambda text: len(regex.findall(r"\X", text))),
        (TruncateText(bytes=7), lambda text: len(text.encode())),
    ):
        limit = op.chars or op.bytes
        new = become(op, cell)
        assert cell.startswith(new)
        rest = regex.findall(r"\X", cell)[len(regex.findall(r"\X", new)) :]
        assert new + "".join(rest) == cell
        assert new
        assert size(new) <= limit or new == cell
        assert not rest or size(new + rest[0]) > limit


def test_every_cell_of_a_mix_went_through_one_of_the_encodings():
    written = ("utf-8", "cp437", "mac-roman")
    expected = {"Größe".encode(name).decode("cp1252", "replace") for name in written}
    assert {cell.replace("\u008f", "�") for cell in outcomes(EncodingMix(), "Größe")} == {
        cell.replace("\u008f", "�") for cell in expected
    }
    assert outcomes(EncodingMix(written=("latin-1", "utf-8")), "é") == {"Ã©"}  # Latin-1 makes no difference


@pytest.mark.parametrize(
    ("step", "what"),
    [
        ("op: whitespace, columns: x, change: trim, unit: word", "trim is done to cells: unit: must be cell"),
        ("op: mojibake, columns: x, written: cp1252", "written and read must be two encodings"),
        ("op: encoding_mix, columns: x, written: [cp1252]", "read must not be among the encodings written"),
        ("op: truncate_text, columns: x", "takes one of chars, words and bytes"),
        ("op: truncate_text, columns: x, chars: 1, bytes: 1", "takes one of chars, words and bytes"),
        ("op: case, columns: x, to: title, unit: char", "title is a case of words"),
        ("op: char_repeat, columns: x, times: 0", "times: should be greater than or equal to 1"),
    ],
)
def test_parameters_that_contradict_each_other(step, what):
    with pytest.raises(RecipeProblem, match=what):
        recipes.load({"noisecli": 1, "seed": 1, "steps": [recipes.source.parse("{" + step + "}", "r").data]})


def test_cells_whose_ends_are_trimmed_are_told_as_cells():
    step = {"op": "whitespace", "columns": "x", "change": "trim"}
    assert recipes.load({"noisecli": 1, "seed": 1, "steps": [step]}).steps[0].corruption.unit == "cell"
