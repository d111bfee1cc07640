"""Edit distance of many short texts at once."""

import numpy as np
from numpy.typing import NDArray

from noisecli.splice import Offsets, stretches
from noisecli.streams import Mask

Points = NDArray[np.uint32]

SIZES = (4, 16, 64)
"""Texts are compared together with others of at most so many code points."""


def levenshtein(
    old: Points, old_bounds: Offsets, new: Points, new_bounds: Offsets, enough: Offsets | None = None
) -> Offsets:
    """Count the code points to replace, add or remove on the way from each old text to its new one.

    Where both differ over more than 64 code points it may be more than the least that is needed: only what they have in
    common at their ends is left out, and what is alike at the same place if they are equally long.

    Args:
        old: code points of all old texts.
        old_bounds: (n + 1,) offsets of the texts into them.
        new: those of the new texts.
        new_bounds: (n + 1,) likewise.
        enough: (n,) distances that are not below these may come out larger. None: all are wanted.

    Source: Levenshtein 1966, "Binary codes capable of correcting deletions, insertions, and reversals".
    """
    starts, news = old_bounds[:-1], new_bounds[:-1]
    width, new_width = np.diff(old_bounds), np.diff(new_bounds)
    shared = np.minimum(width, new_width)
    ahead = _alike(old, new, starts, news, shared, 1)
    behind = _alike(old, new, old_bounds[1:] - 1, new_bounds[1:] - 1, shared - ahead, -1)
    starts, news, width, new_width = starts + ahead, news + ahead, width - ahead - behind, new_width - ahead - behind
    longest = np.maximum(width, new_width)
    same = np.where(width == new_width, width, 0)
    differ = old[stretches(starts, starts + same)] != new[stretches(news, news + same)]
    found = np.where(same > 0, count_within(differ, same), longest)
    done = (np.minimum(width, new_width) == 0) | (longest <= 2)  # of so few, no letter can only have moved
    if enough is not None:  # less than 2 takes no table either
        done |= enough <= 2
    for size in SIZES:
        mine = np.flatnonzero(~done & (longest <= size))
        if len(mine):
            done[mine] = True
            found[mine] = _distances(
                _padded(old, starts[mine], width[mine]),
                width[mine],
                _padded(new, news[mine], new_width[mine]),
                new_width[mine],
            )
    return found


def count_within(flags: Mask, widths: Offsets) -> Offsets:
    """Count what is flagged in each of some stretches, of such widths, one after the other."""
    running: Offsets = np.concatenate([[0], np.cumsum(flags)])
    ends = np.cumsum(widths)
    return np.asarray(running[ends] - running[ends - widths])


def _alike(old: Points, new: Points, firsts: Offsets, news: Offsets, most: Offsets, step: int) -> Offsets:
    """How many code points are alike from some places on, at most so many."""
    begins = np.cumsum(most) - most
    place = (np.arange(int(most.sum())) - np.repeat(begins, most)) * step
    unlike = np.flatnonzero(old[np.repeat(firsts, most) + place] != new[np.repeat(news, most) + place])
    ends = np.append(unlike, len(place))[np.searchsorted(unlike, begins)]
    return np.asarray(np.minimum(ends - begins, most))


def _padded(points: Points, starts: Offsets, widths: Offsets) -> Points:
    """(n, widest) code points of some texts."""
    places = starts[:, np.newaxis] + np.arange(int(widths.max(initial=0)))
    padded: Points = points[np.minimum(places, len(points) - 1)]
    return padded


def _distances(old: Points, width: Offsets, new: Points, new_width: Offsets) -> Offsets:
    """Fill the table of Wagner and Fischer row by row, for all texts at once."""
    columns = np.arange(new.shape[1] + 1)
    row = np.tile(columns, (len(old), 1))
    found = np.zeros(len(old), np.int64)
    each = np.arange(len(old))
    for i in range(old.shape[1]):
        after = row + 1
        np.minimum(after[:, 1:], row[:, :-1] + (new != old[:, i : i + 1]), out=after[:, 1:])
        row = np.minimum.accumulate(after - columns, axis=1) + columns  # an insertion costs 1 a column
        ends = width == i + 1
        found[ends] = row[each[ends], new_width[ends]]
    return found
