"""Extended grapheme clusters, against the segmentation of the `regex` package and against what readers see."""

from itertools import pairwise

import numpy as np
import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from noisecli.graphemes import grapheme_starts

SCRIPTS = [
    "ab1 -\r\n\t\u00ad\u00a9",
    "eäöß\u0301\u0308\u0323\u0361",
    "яйё\u0483",
    "日本ガ\u3099。",
    "कषत्कषि्\u093c\u200c\u200d\u0903ािक",
    "கொநி்\u0bbe",
    "กำที่เ",
    "한국\uac01\u1100\u1161\u11a8\uac00",
    "\u0600ع\u064b\u110bd",
    "\u1cf5\u1a60\u1000\u1039\U00011a3a\U00011a47",
    "👨👩👧👍\u200d\ufe0f\ufe0e\U0001f3fd\u2764#\u20e3",
    "🇩🇪🇫🇷",
    "🏴\U000e0067\U000e007f",
]
"""Code points that make, join and end clusters."""

CELLS = st.one_of(
    st.text(st.sampled_from("".join(SCRIPTS)), max_size=12),
    *(st.text(st.sampled_from(letters), max_size=8) for letters in SCRIPTS),
    st.text(max_size=6),
)


def starts(cells):
    """Where clusters begin, as positions in each cell."""
    bounds = np.cumsum([0, *map(len, cells)])
    points = np.frombuffer("".join(cells).encode("utf-32-le"), "<u4")
    flags = grapheme_starts(points, bounds)
    return [np.flatnonzero(flags[a:b]).tolist() for a, b in pairwise(bounds)]


@settings(max_examples=500)
@given(st.lists(CELLS, max_size=5))
def test_clusters_are_those_of_regex(cells):
    assert starts(cells) == [[match.start() for match in regex.finditer(r"\X", cell)] for cell in cells]


@pytest.mark.parametrize(
    ("cell", "clusters"),
    [
        ("", []),
        ("abc", ["a", "b", "c"]),
        ("a\r\nb\n\r", ["a", "\r\n", "b", "\n", "\r"]),
        ("Größe", ["G", "r", "ö", "ß", "e"]),
        ("Gro\u0308ße", ["G", "r", "o\u0308", "ß", "e"]),
        ("\u0301a", ["\u0301", "a"]),
        ("Vie\u0323\u0302t", ["V", "i", "e\u0323\u0302", "t"]),
        ("क्षि", ["क्षि"]),
        ("नमस्ते", ["न", "म", "स्ते"]),
        ("क्\u200dष", ["क्\u200dष"]),
        ("क\u200cष", ["क\u200c", "ष"]),
        ("நிக்", ["நி", "க்"]),
        ("ที่น้ำ", ["ที่", "น้ำ"]),
        ("한국", ["한", "국"]),
        ("\u1112\u1161\u11ab\u1100\u116e", ["\u1112\u1161\u11ab", "\u1100\u116e"]),
        ("か\u3099き", ["か\u3099", "き"]),
        ("👨‍👩‍👧x", ["👨‍👩‍👧", "x"]),
        ("👍🏽👍", ["👍🏽", "👍"]),
        ("❤️‍🔥1️⃣", ["❤️‍🔥", "1️⃣"]),
        ("👍\u200da\u200d👍", ["👍\u200d", "a\u200d", "👍"]),
        ("🇩🇪🇫🇷🇬", ["🇩🇪", "🇫🇷", "🇬"]),
        ("🇩a🇩🇪🇩", ["🇩", "a", "🇩🇪", "🇩"]),
        ("🏴󠁧󠁢󠁥󠁮󠁧󠁿!", ["🏴󠁧󠁢󠁥󠁮󠁧󠁿", "!"]),
        ("\u06001", ["\u06001"]),
        ("a\u00adb", ["a", "\u00ad", "b"]),
    ],
)
def test_clusters_are_what_a_reader_sees(cell, clusters):
    assert starts([cell])[0] == np.cumsum([0, *map(len, clusters)])[:-1].tolist()
    assert starts(["", "x", cell, ""])[2] == starts([cell])[0]


@pytest.mark.parametrize("cell", ["👨‍👩‍👧", "🇩🇪🇫🇷", "क्षि", "\r\n", "e\u0301", "\u1112\u1161\u11ab", "\u06001"])
def test_a_row_begins_a_character_wherever_a_sequence_is_cut(cell):
    for cut in range(1, len(cell)):
        pieces = [cell[:cut], cell[cut:]]
        assert starts(pieces) == [starts([piece])[0] for piece in pieces]
        assert starts(pieces)[1][0] == 0


def test_no_rows_have_no_characters():
    assert starts([]) == []
    assert starts(["", ""]) == [[], []]
