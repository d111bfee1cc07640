"""Categories that are written wrongly: misspelt, mistaken for a look-alike, or in another style."""

import unicodedata
from collections.abc import Callable
from functools import lru_cache
from typing import Annotated, Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import Field

from noisecli.columns import CATEGORY, TEXT, Column
from noisecli.corruption import CellCorruption, register
from noisecli.corruptions.table.keyboard import Layout
from noisecli.corruptions.table.relabel import RATES, Relabel, Weighted, by_label, label_of
from noisecli.corruptions.table.typo import Typo
from noisecli.streams import BlockDraws, CounterDraws, Words, uniform_choice, word_of
from noisecli.text import Text, pieces

MOST_COMPARED = 50_000
"""Characters of all categories together: each is compared with each, which takes half a minute for so many."""

MOST_KEPT = 10_000
"""For so many texts it is remembered what is most like them."""

Style = Literal["case", "whitespace", "abbreviation"]


@register
class SimilarCategory(Relabel):
    """Replace a category by the one that is spelt most like it: a look-alike picked from a list.

    Likeness is the edit distance of Levenshtein, in characters; of several that are nearest each is equally likely.

    Source: Lambert et al. 1999, "Similarity as a Risk Factor in Drug-Name Confusion Errors".

    Example:
        {op: similar_category, columns: [drug], rate: 0.1}
    """

    accepts = CATEGORY
    severities = RATES
    unchanged = "the column has one category only"

    def needs(self) -> frozenset[str]:
        return frozenset({"categories"})

    def objection(self, column: Column) -> str | None:
        labels = by_label(column)
        characters = sum(map(len, labels))
        if characters > MOST_COMPARED:
            return f"has {len(labels)} categories of {characters} characters, too many to compare each with each"
        return super().objection(column)

    def alternatives(self, column: Column) -> Callable[[Any], Weighted]:
        known = by_label(column)
        like = likeness(tuple(known))
        return lambda value: {known[label]: 1.0 for label in like.nearest(label_of(value))}


class Likeness:
    """Which of some labels are most like a text."""

    def __init__(self, labels: tuple[str, ...]) -> None:
        self._labels = np.array(labels, dtype=object)
        self._lengths = np.array([len(label) for label in labels])
        wide = int(self._lengths.max(initial=0))
        padded = "".join(label.ljust(wide) for label in labels).encode("utf-32-le")
        self._points = np.frombuffer(padded, "<u4").reshape(len(labels), wide)
        self._found: dict[str, list[str]] = {}

    def nearest(self, text: str) -> list[str]:
        """Return the labels at the least edit distance, the text itself left out."""
        found = self._found.get(text)
        if found is None:
            other = self._labels != text
            distances = self._distances(text)
            least = distances.min(initial=np.iinfo(np.int32).max, where=other)
            found = self._labels[other & (distances == least)].tolist()
            if len(self._found) < MOST_KEPT:
                self._found[text] = found
        return found

    def _distances(self, text: str) -> NDArray[np.int32]:
        """Count the characters to insert, delete or substitute on the way to each label (Levenshtein)."""
        columns = np.arange(self._points.shape[1] + 1, dtype=np.int32)
        row = np.tile(columns, (len(self._labels), 1))
        for i, character in enumerate(text, 1):
            new = row + np.int32(1)
            new[:, 0] = i
            np.minimum(new[:, 1:], row[:, :-1] + (self._points != ord(character)), out=new[:, 1:])
            row = np.minimum.accumulate(new - columns, axis=1) + columns  # an insertion costs 1 a column
        distances: NDArray[np.int32] = row[np.arange(len(row)), self._lengths]
        return distances


likeness = lru_cache(maxsize=16)(Likeness)
"""Blocks of one column share what was found."""


@register
class Misspell(CellCorruption):
    """Misspell categories: one slip of the keyboard in one word of each struck cell, often the same one again.

    Source: Kukich 1992, "Techniques for Automatically Correcting Words in Text".

    Example:
        {op: misspell, columns: [city], rate: 0.1}
    """

    accepts = TEXT
    default_rate = 0.1
    severities = RATES
    by_character = True
    unchanged = "it has no letter or digit to slip on"

    consistent: bool = True
    """true: each value of a column has one misspelling, the same in all rows, files, copies and seeds, as in a list
    that was typed once; false: each cell has its own."""

    layout: Layout = "qwerty"
    """Keyboard whose neighbouring keys are hit by mistake."""

    def corrupt(self, values: pa.Array, column: Column, draws: BlockDraws) -> pa.Array:
        bits = draws.bits()
        if not self.consistent:
            return self._misspelt(values, column, bits)
        encoded = values.dictionary_encode()
        keys = [word_of(f"{column.name}\0{value}") for value in encoded.dictionary.to_pylist()]
        return self._misspelt(encoded.dictionary, column, np.array(keys, np.uint64)).take(encoded.indices)

    def _misspelt(self, cells: pa.Array, column: Column, keys: Words) -> pa.Array:
        made = [cells[:0]]
        for piece in pieces(np.asarray(pc.binary_length(cells), np.int64)):
            typo, text = Typo(layout=self.layout), Text(cells[piece])
            words = typo.editable(text, column)
            rows, firsts, counts = np.unique(words.rows, return_index=True, return_counts=True)
            draws = CounterDraws(keys[piece][rows])
            struck = words[firsts + uniform_choice(counts, draws.uniform())]
            made.append(text.replace(typo.edit(text, struck, column, draws)))
        return pa.concat_arrays(made)


@register
class Variant(Relabel):
    """Write a category in another style: other letters in upper case, blanks, an abbreviation.

    Source: Rahm and Do 2000, "Data Cleaning: Problems and Current Approaches", on different representations of a value.

    Example:
        {op: variant, columns: [city], styles: [case, whitespace], rate: 0.1}
    """

    severities = RATES
    unchanged = "the value has no variant of the styles that were asked for"

    styles: Annotated[tuple[Style, ...], Field(min_length=1)] = ("case", "whitespace", "abbreviation")
    """case: all letters lower or upper, or the first one only upper; whitespace: a blank before or after, or one
    between words doubled; abbreviation: initials of several words (N.Y.), or the first three letters of a longer one
    (Sou.). Of those that a value has, each style is equally likely."""

    def alternatives(self, column: Column) -> Callable[[Any], Weighted]:
        def styled(value: str) -> Weighted:
            found: dict[str, float] = {}
            for style in dict.fromkeys(self.styles):
                others = dict.fromkeys(other for other in STYLES[style](value) if other != value)
                found |= {other: found.get(other, 0) + 1 / len(others) for other in others}
            return found

        return styled


def _cases(value: str) -> list[str]:
    return [value.lower(), value.upper(), value.capitalize()]


def _blanks(value: str) -> list[str]:
    return [f" {value}", f"{value} ", value.replace(" ", "  ")] if value else []


def _abbreviations(value: str) -> list[str]:
    words = value.split()
    if len(words) > 1:
        return ["".join(f"{_first(word, 1)}." for word in words)]
    return [f"{_first(word, 3)}." for word in words if _first(word, 4) != word]


def _first(word: str, count: int) -> str:
    """The first characters of a word, each with the marks that belong to it."""
    starts = [i for i, character in enumerate(word) if i == 0 or unicodedata.category(character)[0] != "M"]
    return word[: starts[count]] if count < len(starts) else word


STYLES: dict[Style, Callable[[str], list[str]]] = {
    "case": _cases,
    "whitespace": _blanks,
    "abbreviation": _abbreviations,
}
