"""Categories that are written wrongly: misspelt, mistaken for a look-alike, or in another style."""

import unicodedata
from collections.abc import Callable
from functools import lru_cache
from typing import Annotated, Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field

from noisecli.columns import CATEGORY, TEXT, Column
from noisecli.corruption import CellCorruption, register
from noisecli.corruptions.table.relabel import RATES, Relabel, Weighted, by_label, choose, label_of
from noisecli.corruptions.table.text import Layout, Typo
from noisecli.streams import BlockDraws, CounterDraws, Words, word_of
from noisecli.text import Text

MOST_COMPARED = 2_000
"""Each category is compared with each other one."""

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
        if len(column.categories or ()) > MOST_COMPARED:
            return f"has {len(column.categories or ())} categories, too many to compare each with each"
        return super().objection(column)

    def alternatives(self, column: Column) -> Callable[[Any], Weighted]:
        known = by_label(column)
        labels = tuple(known)
        return lambda value: {known[label]: 1.0 for label in nearest(label_of(value), labels)}


@lru_cache(maxsize=2 * MOST_COMPARED)
def nearest(label: str, labels: tuple[str, ...]) -> tuple[str, ...]:
    """Return the other labels at the least edit distance."""
    others = [other for other in labels if other != label]
    if not others:
        return ()
    distances = edit_distances(label, others)
    return tuple(other for other, distance in zip(others, distances, strict=True) if distance == distances.min())


def edit_distances(text: str, others: list[str]) -> NDArray[np.int64]:
    """Count the characters to insert, delete or substitute between a text and each of some others (Levenshtein)."""
    lengths = np.array([len(other) for other in others])
    points = np.array([list(map(ord, other.ljust(lengths.max()))) for other in others]).reshape(len(others), -1)
    columns = np.arange(points.shape[1] + 1)
    row = np.broadcast_to(columns, (len(others), len(columns)))
    for i, character in enumerate(text, 1):
        new = np.empty_like(row)
        new[:, 0] = i
        new[:, 1:] = np.minimum(row[:, 1:] + 1, row[:, :-1] + (points != ord(character)))
        row = np.minimum.accumulate(new - columns, axis=1) + columns  # an insertion costs 1 a column
    distances: NDArray[np.int64] = row[np.arange(len(others)), lengths]
    return distances


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
    unchanged = "it has no letter or digit to slip on"

    consistent: bool = True
    """true: each value of a column has one misspelling, the same in all rows, files, copies and seeds, as in a list
    that was typed once; false: each cell has its own."""

    layout: Layout = "qwerty"
    """Keyboard whose neighbouring keys are hit by mistake."""

    def corrupt(self, values: pa.Array, column: Column, draws: BlockDraws) -> pa.Array:
        bits = draws.bits()
        if not self.consistent:
            return self._misspelt(values, bits)
        encoded = values.dictionary_encode()
        keys = [word_of(f"{column.name}\0{value}") for value in encoded.dictionary.to_pylist()]
        return self._misspelt(encoded.dictionary, np.array(keys, np.uint64)).take(encoded.indices)

    def _misspelt(self, cells: pa.Array, keys: Words) -> pa.Array:
        typo, text = Typo(layout=self.layout), Text(cells)
        words = text.words()
        words = words[typo.can_edit(text, words)]
        rows, firsts, counts = np.unique(words.rows, return_index=True, return_counts=True)
        draws = CounterDraws(keys[rows])
        struck = words[firsts + choose(counts, draws.uniform())]
        return text.replace(typo.edit(text, struck, draws), struck.rows)


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
