"""Two shapes of text op: one edit at a character of what is struck, or all of it rewritten."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from noisecli.columns import Column
from noisecli.corruption import TextCorruption
from noisecli.graphemes import PointTable
from noisecli.splice import Offsets, stretches
from noisecli.streams import CounterDraws, Mask, scramble, uniform_choice
from noisecli.text import SPACE, Edits, Points, Spans, Text

RATES = ({"rate": 0.02}, {"rate": 0.05}, {"rate": 0.1}, {"rate": 0.2}, {"rate": 0.4})


class OneCharacter(TextCorruption):
    """Makes one edit in each struck word or cell, at any character where it can; or at each struck character."""

    def able(self, text: Text) -> Mask:
        """Say of each character whether there can be an edit."""
        raise NotImplementedError

    def act(self, text: Text, at: Offsets, draws: CounterDraws) -> Edits:
        """Return one edit for each of some characters, given by number and in order."""
        raise NotImplementedError

    def can_edit(self, text: Text, sites: Spans, column: Column) -> Mask:
        return text.any_within(self.able(text), sites)

    def edit(self, text: Text, sites: Spans, column: Column, draws: CounterDraws) -> Edits:
        able = self.able(text)
        index = uniform_choice(text.count_within(able, sites), draws.uniform())
        return self.act(text, text.nth_within(able, sites, index), draws)


class Rewriting(TextCorruption):
    """Rewrites each character of what is struck that it can change."""

    unit: Literal["cell", "word", "char"] = "cell"
    """What the rate is a share of, and what is rewritten: whole cells, words, or characters."""

    def rewritten(self, part: str) -> str:
        """Return what becomes of a character."""
        raise NotImplementedError

    def able(self, text: Text) -> Mask:
        """Say of each character whether it changes."""
        flags: Mask = page_of_changes(self)(heads(text))
        several = np.flatnonzero(text.characters.stops - text.characters.starts > 1)
        if len(several):
            parts, which = distinct(text, text.characters[several])
            flags[several] = np.array([self.rewritten(part) != part for part in parts])[which]
        return flags

    def can_edit(self, text: Text, sites: Spans, column: Column) -> Mask:
        return text.any_within(self.able(text), sites)

    def edit(self, text: Text, sites: Spans, column: Column, draws: CounterDraws) -> Edits:
        at, _ = members(text, sites)
        return rewrite(text, text.characters[at[self.able(text)[at]]], self.rewritten)


def rewrite(text: Text, spans: Spans, function: Callable[[str], str]) -> Edits:
    """Replace each span by what a function makes of it."""
    parts, which = distinct(text, spans)
    return Edits.by(spans, [function(part) for part in parts], which)


def members(text: Text, spans: Spans) -> tuple[Offsets, Offsets]:
    """Numbers of all characters in some spans, and of the span that each is in."""
    first, end = text.numbers(spans)
    return stretches(first, end), np.repeat(np.arange(len(spans)), end - first)


@lru_cache(maxsize=64)
def page_of_changes(op: Rewriting) -> PointTable:
    """Return which code points an op rewrites, each as a character of its own."""
    return PointTable(lambda point: op.rewritten(point) != point, np.bool_)


def heads(text: Text) -> Points:
    """First code point of each character."""
    return text.points[text.characters.starts]


def blank(text: Text) -> Mask:
    """Characters that are white space."""
    return np.asarray(text.classes[text.characters.starts] == SPACE, dtype=bool)


def only_one(text: Text) -> Mask:
    """Characters that are all that their row holds."""
    return np.asarray(~text.characters.followed & (text.characters.ordinals == 0))


def behind(spans: Spans) -> Spans:
    """The empty stretch behind each of some spans."""
    return Spans(spans.stops, spans.stops, spans.rows, spans.ordinals)


def distinct(text: Text, spans: Spans) -> tuple[Sequence[str], NDArray[np.intp]]:
    """Return the different stretches of text among some, none of them empty, and which of them each one is."""
    widths = spans.stops - spans.starts
    firsts = np.cumsum(widths) - widths
    place = np.arange(int(widths.sum())) - np.repeat(firsts, widths)
    points = text.points[stretches(spans.starts, spans.stops)].astype(np.uint64)
    keys = np.add.reduceat(scramble(points, place), firsts) if len(spans) else np.zeros(0, np.uint64)
    _, first, which = np.unique(keys, return_index=True, return_inverse=True)
    some = spans[first]
    ends = zip(some.starts.tolist(), some.stops.tolist(), strict=True)
    return [text.points[start:stop].tobytes().decode("utf-32-le") for start, stop in ends], which
