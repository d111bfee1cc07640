"""Which rows, or images, are shown: few, among which every step is seen that did anything."""

from bisect import bisect_left
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from noisecli.streams import Mask


def cover(seen_in: Sequence[Mask], most: int) -> list[int]:
    """Choose some of the candidates, in their order.

    Args:
        seen_in: tables of candidates by things to be seen, the most important one first: True where a candidate shows
            a thing. All have a row for each candidate.
        most: how many may be chosen.

    Returns:
        numbers of candidates: such that all things are seen where that many can show them, then the first ones.
    """
    chosen: list[int] = []
    for table in seen_in:
        unseen = np.ones(table.shape[1], bool)
        unseen[table[chosen].any(axis=0)] = False
        while len(chosen) < most and unseen.any():
            shown = table[:, unseen].sum(axis=1)
            best = int(np.argmax(shown))
            if shown[best] == 0:
                break
            chosen.append(best)
            unseen &= ~table[best]
    left = np.setdiff1d(np.arange(len(seen_in[0])), chosen)
    return sorted([*chosen, *left[: most - len(chosen)].tolist()])


def moved(places: NDArray[np.int64]) -> Mask:
    """Say which of the outgoing places, given in the order of the input, are out of order: as few as can be.

    The others are a longest increasing subsequence.
    """
    tails: list[int] = []
    last: list[int] = []
    before = np.full(len(places), -1)
    for i, place in enumerate(places.tolist()):
        k = bisect_left(tails, place)
        before[i] = last[k - 1] if k else -1
        if k == len(tails):
            tails.append(place)
            last.append(i)
        else:
            tails[k], last[k] = place, i
    out_of_order = np.ones(len(places), bool)
    at = last[-1] if last else -1
    while at >= 0:
        out_of_order[at] = False
        at = int(before[at])
    return out_of_order
