"""Characters as a reader sees them: extended grapheme clusters."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noisecli.streams import Mask

Classes = NDArray[np.uint8]
Places = NDArray[np.intp]

(
    OTHER, CR, LF, CONTROL, LINKER, NON_JOINER, EXTEND, JOINER, BASE_LINKER, SPACING, PREPEND, CONSONANT, PICTURE,
    REGIONAL, L, V, T, LV, LVT,
) = range(19)  # fmt: skip
"""Classes of a code point; a linker makes a conjunct of the consonants around it, and one may be a letter itself."""

PROPERTIES = (
    r"\p{GCB=CR}", r"\p{GCB=LF}", r"\p{GCB=Control}", r"\p{InCB=Linker}(?<=\p{GCB=Extend})",
    r"\p{GCB=Extend}(?<=\p{InCB=None})", r"\p{GCB=Extend}", r"\p{GCB=ZWJ}", r"\p{InCB=Linker}", r"\p{GCB=SpacingMark}",
    r"\p{GCB=Prepend}", r"\p{InCB=Consonant}", r"\p{Extended_Pictographic}", r"\p{GCB=Regional_Indicator}",
    r"\p{GCB=L}", r"\p{GCB=V}", r"\p{GCB=T}", r"\p{GCB=LV}", r"\p{GCB=LVT}",
)  # fmt: skip
"""What Unicode says of each class from CR on; the first that fits a code point is its class."""

LINKERS = (LINKER, BASE_LINKER)

FIRST_TO_JOIN = 0x300
"""Below this code point, only LF joins what is before it."""


class PointTable:
    """What is known of each code point, in pages of 256 that are filled when they are first met."""

    def __init__(self, of: Callable[[str], int], type_: type[np.generic] = np.uint8) -> None:
        self._of = of
        self._type = type_
        self._pages: dict[int, Any] = {}

    def __call__(self, points: NDArray[np.uint32]) -> Any:
        """Look up some code points."""
        pages = np.flatnonzero(np.bincount(points >> 8)).tolist() if len(points) else []
        table = np.zeros((max(pages, default=0) + 1, 256), self._type)
        for page in pages:
            if page not in self._pages:
                self._pages[page] = [self._of(chr(page << 8 | low)) for low in range(256)]
            table[page] = self._pages[page]
        return table.take(points)


def grapheme_starts(points: NDArray[np.uint32], bounds: NDArray[np.int64]) -> Mask:
    """Say of each code point whether a character as a reader sees it begins there.

    Args:
        points: the code points of all rows.
        bounds: (rows + 1,) offsets of the rows into `points`; what begins a row begins a character.

    Source: Unicode Standard Annex #29 of Unicode 18, "Unicode Text Segmentation", extended grapheme clusters.
    """
    opens = np.zeros(len(points) + 1, bool)
    opens[bounds] = True
    opens = opens[:-1]
    starts = np.ones(len(points), bool)
    if points.max(initial=0) < FIRST_TO_JOIN:
        starts[1:] = (points[1:] != ord("\n")) | (points[:-1] != ord("\r"))
    else:
        classes = _CLASSES(points)
        starts[1:] = _apart().take(classes[:-1] * np.uint16(len(_apart())) + classes[1:])
        starts[_joined_pictures(classes, opens)] = False
        starts[_joined_consonants(classes, opens)] = False
        starts[_second_of_flags(classes, opens)] = False
    return starts | opens


def _joined_pictures(classes: Classes, opens: Mask) -> Places:
    """Pictures after a picture, what extends it, and a joiner (GB11)."""
    at = 1 + np.flatnonzero((classes[1:] == PICTURE) & (classes[:-1] == JOINER) & ~opens[:-1])
    joined: Places = at[_before(at - 1, (LINKER, NON_JOINER, EXTEND), classes, opens) == PICTURE]
    return joined


def _joined_consonants(classes: Classes, opens: Mask) -> Places:
    """Consonants after a linker and what extends it (GB9c)."""
    at = 1 + np.flatnonzero((classes[1:] == CONSONANT) & _any_of(classes[:-1], (*LINKERS, EXTEND, JOINER)))
    return at[_any_of(_before(at, (EXTEND, JOINER), classes, opens), LINKERS)]


def _second_of_flags(classes: Classes, opens: Mask) -> Places:
    """Regional indicators that end a pair, counted from where a run of them begins (GB12, GB13)."""
    at = np.flatnonzero(classes == REGIONAL)
    number = np.arange(len(at))
    begins = opens[at] | (np.diff(at, prepend=-2) > 1)
    seconds: Places = at[(number - np.maximum.accumulate(number * begins)) % 2 == 1]
    return seconds


def _before(at: Places, over: tuple[int, ...], classes: Classes, opens: Mask) -> Classes:
    """Class of the last code point before each place that is of no class to look over, or that opens a row."""
    if not len(at):
        return classes[at]
    stops = np.flatnonzero(~_any_of(classes, over) | opens)
    return classes[stops[np.searchsorted(stops, at) - 1]]


def _any_of(classes: Classes, wanted: tuple[int, ...]) -> Mask:
    found: Mask = classes == wanted[0]
    for other in wanted[1:]:
        found |= classes == other
    return found


@cache
def _apart() -> NDArray[np.bool_]:
    """Whether two neighbouring classes are two characters, by what needs no look further back (GB3 to GB9b)."""
    breaks, tails = (CR, LF, CONTROL), (LINKER, NON_JOINER, EXTEND, JOINER, SPACING)
    apart = np.ones((len(PROPERTIES) + 1,) * 2, bool)
    apart[:, tails] = False
    apart[PREPEND] = False
    apart[breaks, :] = True
    apart[:, breaks] = True
    for before, after in ((CR, (LF,)), (L, (L, V, LV, LVT)), (LV, (V, T)), (V, (V, T)), (LVT, (T,)), (T, (T,))):
        apart[before, after] = False
    return apart


def _class_of(point: str) -> int:
    found = _pattern().match(point)
    return found.lastindex if found else OTHER


_CLASSES = PointTable(_class_of)


@cache
def _pattern() -> Any:
    import regex  # only text beyond ASCII pays for it

    return regex.compile("|".join(f"({each})" for each in PROPERTIES))
