"""Letters written twice, in the wrong case, or with the wrong marks."""

import unicodedata
from functools import cache
from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from noisecli.columns import Column
from noisecli.corruption import register
from noisecli.corruptions.table.characters import (
    RATES,
    OneCharacter,
    Rewriting,
    behind,
    blank,
    distinct,
    members,
    rewrite,
)
from noisecli.corruptions.table.lookalikes import Replacements, marked_table
from noisecli.graphemes import grapheme_starts
from noisecli.splice import Offsets, stretches
from noisecli.streams import CounterDraws, Mask
from noisecli.text import Edits, Spans, Text

WITHOUT_STROKE = {"Ø": "O", "ø": "o", "Đ": "D", "đ": "d", "Ł": "L", "ł": "l", "Ħ": "H", "ħ": "h", "Ŧ": "T", "ŧ": "t"}
"""Letters whose stroke is no mark of its own in Unicode."""

VIRAMA = 9
"""Combining class of the signs that join consonants: they are no diacritics, and neither is what has class 0."""


@register
class CharRepeat(OneCharacter):
    """Write one character of each struck word again: a key that sticks, or a loooong vowel.

    Source: Brody and Diakopoulos 2011, "Cooooooooooooooollllllllllllll!!!!!!!!!!!!!! Using Word Lengthening to Detect
    Sentiment in Microblogs".

    Example:
        {op: char_repeat, columns: [name], rate: 0.05}
    """

    severities = RATES

    times: int = Field(default=1, ge=1, le=100)
    """How many more times it is written."""

    def able(self, text: Text) -> Mask:
        return ~blank(text) & _stands_twice(text)

    def act(self, text: Text, at: Offsets, draws: CounterDraws) -> Edits:
        characters = text.characters[at]
        return Edits.of(behind(characters), text.points, *[(characters.starts, characters.stops)] * self.times)


@register
class Case(Rewriting):
    """Write struck words, characters or cells in the wrong case.

    What has no capital and small letters (Japanese, Hindi, figures) is not eligible, nor is what is already so.

    Source: Ribeiro et al. 2020, "Beyond Accuracy: Behavioral Testing of NLP Models with CheckList" (robustness to
    case).

    Example:
        {op: case, columns: [name], to: upper, rate: 0.05}
    """

    severities = RATES

    to: Literal["flip", "upper", "lower", "title"] = "flip"
    """flip: capitals become small, and small letters capital, as with a forgotten caps lock. title: words begin with a
    capital and go on small; not for `unit: char`."""

    @model_validator(mode="after")
    def _titles_have_more_than_one_letter(self) -> "Case":
        if self.to == "title" and self.unit == "char":
            raise ValueError("title is a case of words: unit: must be word or cell")
        return self

    def rewritten(self, part: str) -> str:
        return {"flip": str.swapcase, "upper": str.upper, "lower": str.lower, "title": _titled}[self.to](part)

    def able(self, text: Text) -> Mask:
        if self.to != "title":
            return super().able(text)
        able = np.zeros(len(text.characters), bool)
        parts, which = distinct(text, text.words)
        changes = np.array([self.rewritten(part) != part for part in parts], bool)[which]
        able[text.numbers(text.words)[0][changes]] = True
        return able

    def edit(self, text: Text, sites: Spans, column: Column, draws: CounterDraws) -> Edits:
        if self.to != "title":
            return super().edit(text, sites, column, draws)
        at, _ = members(text, sites)
        number = np.searchsorted(text.words.starts, text.characters.starts[at[self.able(text)[at]]])
        return rewrite(text, text.words[number], self.rewritten)


@register
class Diacritics(OneCharacter):
    """Lose the diacritics of struck words, or put one where there is none: é, й, が, क़ and e, и, か, क.

    Source: Náplava et al. 2018, "Diacritics Restoration Using Neural Networks".

    Example:
        {op: diacritics, columns: [name], change: strip, rate: 0.5}
    """

    severities = RATES

    change: Literal["strip", "add"] = "strip"
    """strip: all that is struck loses its marks. add: one letter of it gets a mark that is in use with it."""

    def able(self, text: Text) -> Mask:
        return _stripping().able(text) if self.change == "strip" else _marked().find(text) >= 0

    def edit(self, text: Text, sites: Spans, column: Column, draws: CounterDraws) -> Edits:
        if self.change == "strip":
            return _stripping().edit(text, sites, column, draws)
        return super().edit(text, sites, column, draws)

    def act(self, text: Text, at: Offsets, draws: CounterDraws) -> Edits:
        return _marked().replace(text, at, draws.uniform())


class _Stripping(Rewriting):
    def rewritten(self, part: str) -> str:
        return "".join(map(bare, part)) or part


@cache
def _stripping() -> _Stripping:
    return _Stripping()


@cache
def _marked() -> Replacements:
    return Replacements(marked_table())


@cache
def bare(point: str) -> str:
    """Return a code point without its diacritics; nothing, where it is one."""
    parts = unicodedata.normalize("NFD", WITHOUT_STROKE.get(point, point))
    kept = "".join(part for part in parts if unicodedata.combining(part) in (0, VIRAMA))
    return unicodedata.normalize("NFC", kept) if len(kept) < len(parts) else WITHOUT_STROKE.get(point, point)


def _titled(word: str) -> str:
    first = next((i for i, letter in enumerate(word) if letter.isalpha()), len(word))
    return word[:first] + word[first : first + 1].title() + word[first + 1 :].lower()


def _stands_twice(text: Text) -> Mask:
    """Characters that are two where they stand twice in a row: half a flag and half a syllable are not."""
    if text.ascii:
        return np.ones(len(text.characters), bool)
    characters = text.characters
    firsts, widths = np.repeat(characters.starts, 2), np.repeat(characters.stops - characters.starts, 2)
    points = text.points[stretches(firsts, firsts + widths)]
    starts = grapheme_starts(points, np.concatenate([[0], np.cumsum(widths)[1::2]]))
    twice: Mask = starts[(np.cumsum(widths) - widths)[1::2]]
    return twice
