"""Slips of a hurried typist."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import NonNegativeFloat, model_validator

from noisecli.corruption import register
from noisecli.corruptions.table.characters import OneCharacter
from noisecli.corruptions.table.keyboard import Layout, keyboard
from noisecli.parameters import Parameters
from noisecli.splice import Offsets, exchanged
from noisecli.streams import CounterDraws, Floats, Mask
from noisecli.text import Edits, Points, Text

SUBSTITUTE, DELETE, INSERT, TRANSPOSE = range(4)


@dataclass(frozen=True)
class Keys:
    """Keys that are hit by mistake."""

    pool: Points
    """Code points of a text, and behind them those of keys."""
    ends: Offsets
    """(2, n) where each key starts and stops in the pool."""


class Weights(Parameters):
    """How often each slip occurs, relative to the others."""

    substitute: NonNegativeFloat = 1.0
    """A key that touches the right one is hit instead."""
    delete: NonNegativeFloat = 1.0
    """A letter is left out."""
    insert: NonNegativeFloat = 1.0
    """A key that touches the right one is hit as well."""
    transpose: NonNegativeFloat = 1.0
    """Two neighbouring letters change places."""

    @model_validator(mode="after")
    def _one_is_positive(self) -> "Weights":
        if not any(self.model_dump().values()):
            raise ValueError("at least one weight must be above 0")
        return self


@register
class Typo(OneCharacter):
    """Make one slip of the keyboard in each struck word: a letter replaced, left out, added or swapped.

    A letter and the marks on it are one, and a struck word or letter always changes. Words without a letter or digit
    are not eligible. Where no key is known for a letter, it is hit twice instead of a wrong one.

    Source: Damerau 1964, "A Technique for Computer Detection and Correction of Spelling Errors".

    Example:
        {op: typo, columns: [name], rate: 0.05}
    """

    severities = ({"rate": 0.02}, {"rate": 0.05}, {"rate": 0.1}, {"rate": 0.2}, {"rate": 0.4})
    alone = True

    weights: Weights = Weights()
    """Relative weights of `substitute`, `delete`, `insert` and `transpose`; renormalised at each letter over those
    that can act there."""

    layout: Layout = "qwerty"
    """Keyboard whose neighbouring keys are hit by mistake."""

    unit: Literal["word", "char"] = "word"
    """word: the rate is the share of words, each of which gets one slip; char: that of letters and digits, each of
    which is a slip of its own."""

    def able(self, text: Text) -> Mask:
        if self.weights.insert > 0:  # whatever else can act on a letter, one can be added
            return text.letters
        return np.asarray(np.any(self._possible(text), axis=0), dtype=bool)

    def act(self, text: Text, at: Offsets, draws: CounterDraws) -> Edits:
        slip = self._choose(self._possible(text)[:, at], draws.uniform())
        keys = self._keys(text, at, draws.uniform())
        return _slips(text, at, slip, keys, draws.uniform() < 0.5)

    def _possible(self, text: Text) -> NDArray[np.bool_]:
        """(4, characters): which slips can act on which character."""
        letters, right = text.letters, text.transposable
        possible = np.empty((4, len(letters)), bool)
        possible[SUBSTITUTE] = letters & self._has_key(text)
        possible[DELETE] = letters & ~_alone(text)
        possible[INSERT] = letters
        possible[TRANSPOSE] = right
        possible[TRANSPOSE, 1:] |= right[:-1]
        return possible & (self._relative() > 0)[:, None]

    def _has_key(self, text: Text) -> Mask:
        first = text.points[text.characters.starts]
        single = text.characters.stops - text.characters.starts == 1
        return np.asarray(keyboard(self.layout).knows(first) & single, dtype=bool)

    def _keys(self, text: Text, at: Offsets, uniform: Floats) -> Keys:
        """Hit a key beside each of some characters; beside one that has no key there is only itself."""
        characters = text.characters[at]
        near = keyboard(self.layout).neighbour(text.points[characters.starts], uniform)
        places = len(text.points) + np.arange(len(at))
        ends = np.stack([characters.starts, characters.stops])
        return Keys(np.concatenate([text.points, near]), np.where(self._has_key(text)[at], [places, places + 1], ends))

    def _choose(self, possible: NDArray[np.bool_], uniform: Floats) -> NDArray[np.intp]:
        running = np.cumsum(self._relative()[:, None] * possible, axis=0)
        return np.asarray(np.count_nonzero(uniform * running[-1] >= running, axis=0), dtype=np.intp)

    def _relative(self) -> Floats:
        return np.array([getattr(self.weights, name) for name in Weights.model_fields])


def _alone(text: Text) -> Mask:
    """Characters that are a whole word."""
    alone = np.zeros(len(text.characters), bool)
    first, end = text.numbers(text.words)
    alone[first[end - first == 1]] = True
    return alone


def _slips(text: Text, at: Offsets, slip: NDArray[np.intp], keys: Keys, before: Mask) -> Edits:
    """Make a slip at each of some characters; neighbours that change places may be struck themselves."""
    characters = text.characters
    swap = np.zeros(len(characters), bool)
    goes_right = text.transposable[at]
    swap[at[(slip == TRANSPOSE) & goes_right]] = True
    swap[at[(slip == TRANSPOSE) & ~goes_right] - 1] = True

    # Each character becomes two stretches of the pool, either of which may be empty.
    become = np.zeros((2, 2, len(characters)), np.int64)
    become[0] = characters.starts, characters.stops
    own = become[0][:, at]
    wrong, gone, added = slip == SUBSTITUTE, slip == DELETE, slip == INSERT
    become[0][:, at[wrong]] = keys.ends[:, wrong]
    become[0][:, at[gone]] = 0
    become[1][:, at[added]] = np.where(before, own, keys.ends)[:, added]
    become[0][:, at[added & before]] = keys.ends[:, added & before]

    concerned = swap | np.concatenate([[False], swap[:-1]])[: len(swap)]
    concerned[at] = True
    places = np.flatnonzero(concerned)
    first, second = become[:, :, exchanged(swap)[places]]
    return Edits.of(characters[places], keys.pool, (first[0], first[1]), (second[0], second[1]))
