"""White space, punctuation, and characters that no one sees."""

import unicodedata
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from pydantic import model_validator

from noisecli.columns import Column
from noisecli.corruption import register
from noisecli.corruptions.table.characters import (
    RATES,
    OneCharacter,
    behind,
    blank,
    heads,
    only_one,
)
from noisecli.graphemes import PointTable
from noisecli.splice import Offsets
from noisecli.streams import CounterDraws, Mask, uniform_choice
from noisecli.text import LETTER, Edits, Spans, Text

NO_BREAK_SPACE = "\u00a0"

INVISIBLE = ("\u200b", "\u2060", "\ufeff")
"""Zero width space, word joiner, zero width no-break space: none of them joins what it stands between."""

MARKS = (".", ",", ";", ":", "!", "?")
WIDE_MARKS = ("。", "、", "；", "：", "！", "？")

FIRST_WIDE = 0x2E80
"""Code points from here to the end of Hangul take wide marks."""

AT_EDGES = ("trim", "pad")


@register
class Whitespace(OneCharacter):
    """Put white space where none belongs, lose it, or write another; all other white space stays as it is.

    Source: Kukich 1992, "Techniques for Automatically Correcting Words in Text" (run-on and split words).

    Example:
        {op: whitespace, columns: [name], change: remove, rate: 0.05}
    """

    severities = RATES

    change: Literal["add", "remove", "double", "nbsp", "trim", "pad"] = "add"
    """add: a space inside a word. remove, double: the one behind a word. nbsp: a no-break space instead of the space
    behind a word. trim: none at the ends of a cell. pad: one more before or behind a cell. The last two take `unit:
    cell`, which then is the default."""

    @model_validator(mode="before")
    @classmethod
    def _edges_are_those_of_cells(cls, given: Any) -> Any:
        if isinstance(given, Mapping) and given.get("change") in AT_EDGES:
            return {"unit": "cell", **given}
        return given

    @model_validator(mode="after")
    def _unit_fits(self) -> "Whitespace":
        if self.change in AT_EDGES and self.unit != "cell":
            raise ValueError(f"{self.change} is done to cells: unit: must be cell, or left out")
        return self

    def sites(self, text: Text) -> Spans:
        sites = super().sites(text)
        return _with_space_behind(text, sites) if self.unit == "word" and self.change != "add" else sites

    def able(self, text: Text) -> Mask:
        space = blank(text)
        if self.change == "add":
            inside = ~space & text.characters.followed
            inside[:-1] &= ~space[1:]
            return inside
        if self.change == "nbsp":
            return np.asarray((heads(text) == ord(" ")) & (text.characters.stops - text.characters.starts == 1))
        return space & ~only_one(text) if self.change == "remove" else space

    def act(self, text: Text, at: Offsets, draws: CounterDraws) -> Edits:
        characters, same = text.characters[at], np.zeros(len(at), np.int64)
        if self.change == "add":
            return Edits.by(behind(characters), [" "], same)
        if self.change == "double":
            return Edits.of(behind(characters), text.points, (characters.starts, characters.stops))
        return Edits.by(characters, [NO_BREAK_SPACE if self.change == "nbsp" else ""], same)

    def can_edit(self, text: Text, sites: Spans, column: Column) -> Mask:
        if self.change == "pad":
            return np.ones(len(sites), bool)
        if self.change == "trim":
            starts, stops = _inside(text, sites)
            return (starts < stops) & ((starts > sites.starts) | (stops < sites.stops))
        return super().can_edit(text, sites, column)

    def edit(self, text: Text, sites: Spans, column: Column, draws: CounterDraws) -> Edits:
        if self.change == "pad":
            at = np.where(draws.uniform() < 0.5, sites.starts, sites.stops)
            return Edits.by(Spans(at, at, sites.rows, sites.ordinals), [" "], np.zeros(len(sites), np.int64))
        if self.change == "trim":
            return Edits.of(sites, text.points, _inside(text, sites))
        return super().edit(text, sites, column, draws)


@register
class Punctuation(OneCharacter):
    """Lose a punctuation mark of each struck word, or put one behind it.

    A mark that is all of a cell stays.

    Source: Karimi, Rossi and Prati 2021, "AEDA: An Easier Data Augmentation Technique for Text Classification".

    Example:
        {op: punctuation, columns: [name], change: insert, rate: 0.05}
    """

    severities = RATES

    change: Literal["drop", "insert"] = "insert"
    """drop: one mark is left out. insert: one of . , ; : ! ? comes where a word ends, or with `unit: char` behind the
    letter or digit."""

    def able(self, text: Text) -> Mask:
        if self.change == "drop":
            marks: Mask = _PUNCTUATION(heads(text))
            return marks & ~only_one(text)
        letters = np.asarray(text.classes[text.characters.starts] == LETTER, dtype=bool)
        if self.unit != "char":
            letters[:-1] &= ~(letters[1:] & text.characters.followed[:-1])
        return letters

    def act(self, text: Text, at: Offsets, draws: CounterDraws) -> Edits:
        characters = text.characters[at]
        if self.change == "drop":
            return Edits.by(characters, [""], np.zeros(len(at), np.int64))
        points = heads(text)[at]
        wide = (points >= FIRST_WIDE) & (points < 0xD7B0)
        which = uniform_choice(len(MARKS), draws.uniform()) + len(MARKS) * wide
        return Edits.by(behind(characters), MARKS + WIDE_MARKS, which)


@register
class ZeroWidth(OneCharacter):
    """Put a character that has no width behind one character of each struck word.

    Source: Boucher et al. 2022, "Bad Characters: Imperceptible NLP Attacks".

    Example:
        {op: zero_width, columns: [name], rate: 0.05}
    """

    severities = RATES

    def able(self, text: Text) -> Mask:
        return ~blank(text)

    def act(self, text: Text, at: Offsets, draws: CounterDraws) -> Edits:
        return Edits.by(behind(text.characters[at]), INVISIBLE, uniform_choice(len(INVISIBLE), draws.uniform()))


_PUNCTUATION = PointTable(lambda point: unicodedata.category(point)[0] == "P", np.bool_)


def _with_space_behind(text: Text, words: Spans) -> Spans:
    """Words, each with the white space character behind it."""
    _, end = text.numbers(words)
    following = np.minimum(end, max(len(text.characters) - 1, 0))
    spaced = (end < len(text.characters)) & (text.characters.rows[following] == words.rows) & blank(text)[following]
    stops = np.where(spaced, text.characters.stops[following], words.stops)
    return Spans(words.starts, stops, words.rows, words.ordinals)


def _inside(text: Text, cells: Spans) -> tuple[Offsets, Offsets]:
    """Where the first word of each cell starts and its last one stops; nowhere, in a cell without words."""
    first, end = (np.searchsorted(text.words.rows, cells.rows, side=side) for side in ("left", "right"))
    none = first == end
    starts = np.append(text.words.starts, 0)[first]
    stops = np.append(text.words.stops, 0)[end - 1]
    return np.where(none, 0, starts), np.where(none, 0, stops)
