"""Keyboards: which keys touch which."""

from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

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
        chosen = self._flat[self._firsts[place] + uniform_choice(self._counts[place], uniform)]
        return np.where(self._keys[place] == points, chosen, points)

    def _place(self, points: Points) -> NDArray[np.intp]:
        return np.minimum(np.searchsorted(self._keys, points), len(self._keys) - 1)


def _touch(right: float, down: int) -> bool:
    return abs(right) == 1 if down == 0 else abs(down) == 1 and abs(right) < 1


@cache
def keyboard(layout: Layout) -> Keyboard:
    """Return the keyboard of a layout."""
    return Keyboard(KEY_ROWS[layout])
