"""Words that are left out, doubled, moved, torn apart, run together or shortened; and texts in a frame."""

from typing import Annotated, Literal

import numpy as np
from pydantic import AfterValidator, Field, PositiveInt

from noisecli.columns import Column
from noisecli.corruption import TextCorruption, register
from noisecli.corruptions.table.characters import RATES
from noisecli.splice import Offsets, exchanged
from noisecli.streams import CounterDraws, Mask, uniform_choice
from noisecli.text import Edits, Spans, Text, points_of

BLANK = np.array([ord(" ")], np.uint32)


class OnWords(TextCorruption):
    """Base of ops on words."""

    severities = RATES

    unit: Literal["word"] = "word"
    """The rate is the share of words."""


@register
class WordDrop(OnWords):
    """Leave words out, each with the white space behind it; the last word of a text with that before it.

    A text of one word is not eligible; one of several may lose them all, and is then empty.

    Source: Wei and Zou 2019, "EDA: Easy Data Augmentation Techniques for Boosting Performance on Text Classification
    Tasks" (random deletion).

    Example:
        {op: word_drop, columns: [comment], rate: 0.1}
    """

    def can_edit(self, text: Text, sites: Spans, column: Column) -> Mask:
        return text.words.followed | _has_left(text)

    def edit(self, text: Text, sites: Spans, column: Column, draws: CounterDraws) -> Edits:
        words, mine = text.words, _numbers(text, sites)
        dropped = np.zeros(len(words), bool)
        dropped[mine] = True
        # Each run of dropped words is one edit: up to the next word, or, at the end of a text, from the one before.
        goes_on = np.append(dropped[1:], False) & text.words.followed
        comes_on = np.append(False, dropped[:-1]) & _has_left(text)
        first, last = np.flatnonzero(dropped & ~comes_on), np.flatnonzero(dropped & ~goes_on)
        at_end = ~text.words.followed[last]
        after_kept = at_end & _has_left(text)[first]
        stops = np.where(at_end, words.stops[last], words.starts[np.minimum(last + 1, len(words) - 1)])
        starts = np.where(after_kept, words.stops[np.maximum(first - 1, 0)], words.starts[first])
        nothing = np.zeros(len(first), np.int64)
        gone = Spans(starts, stops, words.rows[first], words.ordinals[first])
        return Edits.of(gone, text.points, (nothing, nothing))


@register
class WordSwap(OnWords):
    """Let words change places with the next one, or the last of a text with that before it.

    Several struck words in a row move the first of them behind all the others. A word between equal ones is not
    eligible.

    Source: Wei and Zou 2019, "EDA: Easy Data Augmentation Techniques for Boosting Performance on Text Classification
    Tasks" (random swap).

    Example:
        {op: word_swap, columns: [comment], rate: 0.1}
    """

    def can_edit(self, text: Text, sites: Spans, column: Column) -> Mask:
        right = _swaps_right(text)
        return np.asarray(right | np.append(False, right[:-1])[: len(right)], dtype=bool)

    def edit(self, text: Text, sites: Spans, column: Column, draws: CounterDraws) -> Edits:
        words, right, mine = text.words, _swaps_right(text), _numbers(text, sites)
        swap = np.zeros(len(words), bool)
        swap[np.where(right[mine], mine, mine - 1)] = True
        places = np.flatnonzero(swap | np.append(False, swap[:-1]))
        come = words[exchanged(swap)[places]]
        return Edits.of(words[places], text.points, (come.starts, come.stops))


@register
class WordRepeat(OnWords):
    """Write words twice, with a blank between.

    Source: Shriberg 1994, "Preliminaries to a Theory of Speech Disfluencies" (repetitions).

    Example:
        {op: word_repeat, columns: [comment], rate: 0.05}
    """

    def can_edit(self, text: Text, sites: Spans, column: Column) -> Mask:
        return np.ones(len(sites), bool)

    def edit(self, text: Text, sites: Spans, column: Column, draws: CounterDraws) -> Edits:
        own = sites.starts, sites.stops
        return Edits.of(sites, np.append(text.points, BLANK), own, _behind(text, len(sites)), own)


@register
class WordSplit(OnWords):
    """Tear words apart by a blank, at any place in them alike; words of one character are not eligible.

    Source: Kukich 1992, "Techniques for Automatically Correcting Words in Text" (split words).

    Example:
        {op: word_split, columns: [comment], rate: 0.05}
    """

    def can_edit(self, text: Text, sites: Spans, column: Column) -> Mask:
        first, end = text.numbers(sites)
        return np.asarray(end - first > 1)

    def edit(self, text: Text, sites: Spans, column: Column, draws: CounterDraws) -> Edits:
        first, end = text.numbers(sites)
        at = text.characters.starts[first + 1 + uniform_choice(end - first - 1, draws.uniform())]
        places = Spans(at, at, sites.rows, sites.ordinals)
        return Edits.of(places, np.append(text.points, BLANK), _behind(text, len(sites)))


@register
class WordMerge(OnWords):
    """Run words into the next one: the white space behind them is left out; the last word of a text is not eligible.

    Source: Kukich 1992, "Techniques for Automatically Correcting Words in Text" (run-on words).

    Example:
        {op: word_merge, columns: [comment], rate: 0.05}
    """

    def can_edit(self, text: Text, sites: Spans, column: Column) -> Mask:
        return text.words.followed

    def edit(self, text: Text, sites: Spans, column: Column, draws: CounterDraws) -> Edits:
        words, mine = text.words, _numbers(text, sites)
        gap = Spans(words.stops[mine], words.starts[mine + 1], sites.rows, sites.ordinals)
        nothing = np.zeros(len(mine), np.int64)
        return Edits.of(gap, text.points, (nothing, nothing))


@register
class Abbreviate(OnWords):
    """Shorten words to their first letters and a full stop: Street, Str.

    The letters and digits that a word begins with are cut; what follows them stays. Words that would be no shorter by
    it are not eligible.

    Source: Rahm and Do 2000, "Data Cleaning: Problems and Current Approaches", on cryptic values and abbreviations.

    Example:
        {op: abbreviate, columns: [street], length: 3, rate: 0.2}
    """

    length: PositiveInt = 1
    """How many letters stay."""

    def can_edit(self, text: Text, sites: Spans, column: Column) -> Mask:
        first, end = self._letters(text, sites)
        return np.asarray(end - first > self.length + 1)

    def edit(self, text: Text, sites: Spans, column: Column, draws: CounterDraws) -> Edits:
        first, end = self._letters(text, sites)
        starts, stops = text.characters.starts[first + self.length], text.characters.stops[end - 1]
        pool = np.append(text.points, np.array([ord(".")], np.uint32))
        return Edits.of(Spans(starts, stops, sites.rows, sites.ordinals), pool, _behind(text, len(sites)))

    def _letters(self, text: Text, sites: Spans) -> tuple[Offsets, Offsets]:
        """Numbers of the character that each word begins with, and of the first that is no letter or digit."""
        first, end = text.numbers(sites)
        others = np.flatnonzero(~text.letters)
        stop = np.append(others, len(text.characters))[np.searchsorted(others, first)]
        return first, np.minimum(stop, end)


def _framed(template: str) -> str:
    if template.count("{}") != 1 or template == "{}":
        raise ValueError(f"{template!r} should have {{}} once, where the text goes, and something else")
    return template


@register
class Extraneous(TextCorruption):
    """Put texts in a frame that does not belong to them: a prefix, a suffix, or both.

    Empty texts are not eligible.

    Source: Jung, Jäger, Biessmann 2024, "tab_err" (extraneous data); Rahm and Do 2000, "Data Cleaning: Problems and
    Current Approaches" (embedded values).

    Example:
        {op: extraneous, columns: [name], templates: ["Mr {}", "{} (old)"], rate: 0.1}
    """

    severities = RATES

    unit: Literal["cell"] = "cell"
    """The rate is the share of cells."""

    templates: Annotated[list[Annotated[str, AfterValidator(_framed)]], Field(min_length=1)]
    """Frames, with {} for the text; each is as likely as the others."""

    def can_edit(self, text: Text, sites: Spans, column: Column) -> Mask:
        return np.ones(len(sites), bool)

    def edit(self, text: Text, sites: Spans, column: Column, draws: CounterDraws) -> Edits:
        points, bounds = points_of([part for template in self.templates for part in template.split("{}")])
        pool, bounds = np.concatenate([text.points, points]), bounds + len(text.points)
        before = 2 * uniform_choice(len(self.templates), draws.uniform())
        head, tail = (bounds[before], bounds[before + 1]), (bounds[before + 1], bounds[before + 2])
        return Edits.of(sites, pool, head, (sites.starts, sites.stops), tail)


def _numbers(text: Text, sites: Spans) -> Offsets:
    """Numbers of some words of a text."""
    return np.searchsorted(text.words.starts, sites.starts)


def _has_left(text: Text) -> Mask:
    """Which words are not the first of their text."""
    return np.asarray(text.words.ordinals > 0)


def _swaps_right(text: Text) -> Mask:
    """Which words are followed by another one in the same text."""
    return text.differs_from_next(text.words, np.ones(len(text.words), bool))


def _behind(text: Text, count: int) -> tuple[Offsets, Offsets]:
    """So many times the code point that stands behind those of a text in a pool."""
    return np.full(count, len(text.points)), np.full(count, len(text.points) + 1)
