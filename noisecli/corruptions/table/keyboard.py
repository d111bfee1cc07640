"""Keyboards: which keys touch which."""

from functools import cache
from typing import Literal

import numpy as np

from noisecli.graphemes import PointTable
from noisecli.streams import Floats, Mask, uniform_choice
from noisecli.text import Points

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

NO_KEY = -1


class Keyboard:
    """Which keys touch which: of the same row one apart, or of the next row overlapping."""

    def __init__(self, rows: tuple[str, str, str, str]) -> None:
        keys = [(key, x + STAGGER[y], y) for y, row in enumerate(rows) for x, key in enumerate(row)]
        touching = {key: "".join(other for other, u, v in keys if _touch(u - x, v - y)) for key, x, y in keys}
        for key, others in list(touching.items()):
            if key.isalpha() and len(key.upper()) == 1:
                touching.setdefault(key.upper(), "".join(k.upper() if len(k.upper()) == 1 else k for k in others))
        lists = list(touching.values())
        numbers = {key: number for number, key in enumerate(touching)}
        self._number = PointTable(lambda point: numbers.get(point, NO_KEY), np.int16)
        self._counts = np.array([len(others) for others in lists])
        self._firsts = np.cumsum(self._counts) - self._counts
        self._flat = np.array([ord(other) for others in lists for other in others], np.uint32)

    def knows(self, points: Points) -> Mask:
        """Say which code points have a key of their own."""
        return np.asarray(self._number(points) != NO_KEY, dtype=bool)

    def neighbour(self, points: Points, uniform: Floats) -> Points:
        """Choose a key that touches; what has no key stays itself."""
        number = self._number(points)
        chosen = self._flat[self._firsts[number] + uniform_choice(self._counts[number], uniform)]
        return np.where(number != NO_KEY, chosen, points)


def _touch(right: float, down: int) -> bool:
    return abs(right) == 1 if down == 0 else abs(down) == 1 and abs(right) < 1


@cache
def keyboard(layout: Layout) -> Keyboard:
    """Return the keyboard of a layout."""
    return Keyboard(KEY_ROWS[layout])
