"""Slips in text: what a hurried typist does to a word."""

from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import NonNegativeFloat, model_validator

from noisecli.corruption import TextCorruption, register
from noisecli.parameters import Parameters
from noisecli.splice import Offsets
from noisecli.streams import CounterDraws, Floats, Mask
from noisecli.text import LETTER, MARK, SPACE, Edits, Points, Spans, Text

Layout = Literal["qwerty", "qwertz", "azerty", "йцукен", "dvorak", "colemak"]

KEY_ROWS: dict[str, tuple[str, str, str, str]] = {
    "qwerty": ("1234567890-=", "qwertyuiop[]", "asdfghjkl;'", "zxcvbnm,./"),
    "qwertz": ("1234567890ß´", "qwertzuiopü+", "asdfghjklöä#", "yxcvbnm,.-"),
    "azerty": ("&é\"'(-è_çà)=", "azertyuiop^$", "qsdfghjklmù*", "wxcvbn,;:!"),
    "йцукен": ("1234567890-=", "йцукенгшщзхъ", "фывапролджэ", "ячсмитьбю."),
    "dvorak": ("1234567890[]", "',.pyfgcrl/=", "aoeuidhtns-", ";qjkxbmwvz"),
    "colemak": ("1234567890-=", "qwfpgjluy;[]", "arstdhneio'", "zxcvbkm,./"),
}
"""The keys of the four rows, left to right, as printed on the key caps."""

STAGGER = (0.0, 0.5, 0.75, 1.25)
"""How far each row lies to the right of the first, in key widths (ISO/IEC 9995 boards)."""

ZERO_WIDTH_JOINER = 0x200D

SUBSTITUTE, DELETE, INSERT, TRANSPOSE = range(4)


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
class Typo(TextCorruption):
    """Make one slip of the keyboard in each struck word: a letter replaced, left out, added or swapped.

    Letters with combining marks are never torn, and a struck word always changes. Words without a letter or digit
    are not eligible.

    Source: Damerau 1964, "A Technique for Computer Detection and Correction of Spelling Errors".

    Example:
        {op: typo, columns: [name], rate: 0.05}
    """

    severities = ({"rate": 0.02}, {"rate": 0.05}, {"rate": 0.1}, {"rate": 0.2}, {"rate": 0.4})

    weights: Weights = Weights()
    """Relative weights of `substitute`, `delete`, `insert` and `transpose`; renormalised at each letter over those
    that can act there."""

    layout: Layout = "qwerty"
    """Keyboard whose neighbouring keys are hit by mistake."""

    def can_edit(self, text: Text, spans: Spans) -> Mask:
        return text.count_within(np.any(self._possible(text), axis=0), spans) > 0

    def edit(self, text: Text, spans: Spans, draws: CounterDraws) -> Edits:
        possible = self._possible(text)
        sites = np.any(possible, axis=0)
        count = text.count_within(sites, spans)
        at = text.nth_within(sites, spans, (draws.uniform() * count).astype(np.int64))
        slip = self._choose(possible[:, at], draws.uniform())
        neighbour = keyboard(self.layout).neighbour(text.points[at], draws.uniform())
        return _slips(text.points, at, slip, _swaps_right(text)[at], neighbour, draws.uniform() < 0.5)

    def _possible(self, text: Text) -> NDArray[np.bool_]:
        """(4, code points): which slips can act on which code point."""
        letters = _letters(text)
        right = _swaps_right(text)
        possible = np.empty((4, len(letters)), bool)
        possible[SUBSTITUTE] = letters & keyboard(self.layout).knows(text.points)
        possible[DELETE] = letters & ~_alone(text)
        possible[INSERT] = letters
        possible[TRANSPOSE] = right
        possible[TRANSPOSE, 1:] |= right[:-1]
        return possible & (self._relative() > 0)[:, None]

    def _choose(self, possible: NDArray[np.bool_], uniform: Floats) -> NDArray[np.intp]:
        running = np.cumsum(self._relative()[:, None] * possible, axis=0)
        return np.asarray(np.count_nonzero(uniform * running[-1] >= running, axis=0), dtype=np.intp)

    def _relative(self) -> Floats:
        return np.array([getattr(self.weights, name) for name in Weights.model_fields])


class Keyboard:
    """Which keys touch which: of the same row one apart, or of the next row overlapping."""

    def __init__(self, rows: tuple[str, str, str, str]) -> None:
        keys = [(key, x + STAGGER[y], y) for y, row in enumerate(rows) for x, key in enumerate(row)]
        touching = {key: "".join(other for other, u, v in keys if _touch(u - x, v - y)) for key, x, y in keys}
        for key, others in list(touching.items()):
            if key.isalpha() and len(key.upper()) == 1:
                touching.setdefault(key.upper(), "".join(k.upper() if len(k.upper()) == 1 else k for k in others))
        self._keys = np.array(sorted(map(ord, touching)), np.uint32)
        lists = [touching[chr(key)] for key in self._keys.tolist()]
        self._counts = np.array([len(others) for others in lists])
        self._firsts = np.cumsum(self._counts) - self._counts
        self._flat = np.array([ord(other) for others in lists for other in others], np.uint32)

    def knows(self, points: Points) -> Mask:
        """Say which code points have a key of their own."""
        return np.asarray(self._keys[self._place(points)] == points, dtype=bool)

    def neighbour(self, points: Points, uniform: Floats) -> Points:
        """Choose a key that touches; what has no key stays itself."""
        place = self._place(points)
        chosen = self._flat[self._firsts[place] + (uniform * self._counts[place]).astype(np.int64)]
        return np.where(self._keys[place] == points, chosen, points)

    def _place(self, points: Points) -> NDArray[np.intp]:
        return np.minimum(np.searchsorted(self._keys, points), len(self._keys) - 1)


def _touch(right: float, down: int) -> bool:
    return abs(right) == 1 if down == 0 else abs(down) == 1 and abs(right) < 1


@cache
def keyboard(layout: Layout) -> Keyboard:
    """Return the keyboard of a layout."""
    return Keyboard(KEY_ROWS[layout])


def _letters(text: Text) -> Mask:
    """Letters and digits that stand alone: no mark or joiner belongs to them."""
    letters: Mask = text.classes == LETTER
    mark = text.classes == MARK
    letters[:-1] &= ~(mark[1:] & ~_row_ends(text)[:-1])
    letters[1:] &= (text.points[:-1] != ZERO_WIDTH_JOINER) | _row_ends(text)[:-1]
    return letters


def _swaps_right(text: Text) -> Mask:
    """Letters whose right neighbour is another letter of the same word."""
    letters = _letters(text)
    right: Mask = letters & ~_row_ends(text)
    right[:-1] &= letters[1:] & (text.points[1:] != text.points[:-1])
    right[-1:] = False
    return right


def _alone(text: Text) -> Mask:
    """Code points that are a whole word."""
    ends = _row_ends(text)
    blank = text.classes == SPACE
    before, after = np.ones_like(blank), ends | np.append(blank[1:], True)
    before[1:] = blank[:-1] | ends[:-1]
    return np.asarray(before & after, dtype=bool)


def _row_ends(text: Text) -> Mask:
    ends = np.zeros(len(text.points), bool)
    last = text.bounds[1:][np.diff(text.bounds) > 0] - 1
    ends[last] = True
    return ends


def _slips(
    points: Points, at: Offsets, slip: NDArray[np.intp], goes_right: Mask, neighbour: Points, before: Mask
) -> Edits:
    """One edit a site: which code points go, and which one or two come."""
    starts, stops = at.copy(), at + 1
    come = np.stack([neighbour, points[at]], axis=1)
    width = np.select([slip == DELETE, slip == TRANSPOSE], [0, 2], 1)

    added = slip == INSERT
    starts[added] += ~before[added]
    stops[added] = starts[added]

    right, left = (slip == TRANSPOSE) & goes_right, (slip == TRANSPOSE) & ~goes_right
    stops[right] += 1
    come[right, 0] = points[at[right] + 1]
    starts[left] -= 1
    come[left] = np.stack([points[at[left]], points[at[left] - 1]], axis=1)

    return Edits(starts, stops, come[np.arange(2) < width[:, None]], np.concatenate([[0], np.cumsum(width)]))
