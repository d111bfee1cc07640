"""Heat maps: where cells are missing, and how correlations moved."""

import numpy as np
from numpy.typing import NDArray

from noisecli.compare.model import Correlation, Missingness
from noisecli.report.svg import INK, LINE, MUTED, figure, inline
from noisecli.report.words import fixed, short

MOST_MISSING = 40
"""Columns in the picture of missing cells."""

MOST_CORRELATED = 16
"""Columns in the picture of correlations."""

BLUE, ORANGE = (0x2E, 0x7D, 0xC0), (0xD9, 0x7A, 0x1E)
"""In both themes, under black and white, and to colour-blind readers, these can be told apart."""

Pixels = NDArray[np.uint8]


def gaps(shown: Missingness) -> tuple[int, ...]:
    """Return which columns have gaps at all, those first that gained most; no more than the picture holds."""
    before, after = shown.clean.mean(axis=0), shown.noisy.mean(axis=0)
    some = np.flatnonzero((before > 0) | (after > 0))
    order = np.lexsort([some, -after[some], -(after - before)[some]])
    return tuple(sorted(some[order][:MOST_MISSING].tolist()))


def missing(shown: Missingness, name: str, title: str, width: int) -> str:
    """Draw where cells are missing, before and after: a line for each column, from the first to the last row.

    Args:
        shown: shares of missing cells.
        name: what ids begin with.
        title: what it shows, in words.
        width: in pixels; a narrow picture has before above after.
    """
    places = gaps(shown)
    stacked = width < 500
    names = [short(shown.columns[place], 16 if stacked else 24) for place in places]
    line, head, label = 18, 22, 12 + 6.4 * max(map(len, names))
    panel = head + line * len(places)
    height = panel * (2 if stacked else 1) + 4
    drawn = figure(width, height)
    room = (width - label - (4 if stacked else 20)) / (1 if stacked else 2)
    for i, (word, shares) in enumerate((("before", shown.clean), ("after", shown.noisy))):
        top = (i * panel if stacked else 0) + head
        left = label + (0 if stacked else i * (room + 20))
        axes = drawn.add_axes(
            (left / width, 1 - (top + line * len(places)) / height, room / width, line * len(places) / height)
        )
        axes.imshow(
            _alpha(ORANGE, _seen(shares[:, places].T)),
            aspect="auto",
            interpolation="none",
            extent=(0, 1, len(places), 0),
        )
        axes.set_title(word, loc="left", fontsize=11, color=MUTED, pad=5)
        axes.set_xticks([])
        labelled = i == 0 or stacked
        axes.set_yticks(np.arange(len(places)) + 0.5, names if labelled else [])
        axes.hlines(np.arange(1, len(places)), 0, 1, color=LINE, linewidth=0.8)
        for spine in axes.spines.values():
            spine.set(visible=True, color=LINE)
    return inline(drawn, name, title)


def _seen(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Let the smallest share be seen."""
    return np.where(shares > 0, 0.15 + 0.85 * shares, 0.0)


def _alpha(colour: tuple[int, int, int], opacity: NDArray[np.float64]) -> Pixels:
    """Paint in one colour; the theme's ground shows through."""
    pixels = np.empty((*opacity.shape, 4), np.uint8)
    pixels[..., :3] = colour
    pixels[..., 3] = np.rint(255 * np.clip(opacity, 0, 1))
    return pixels


def moved(shown: Correlation) -> tuple[int, ...]:
    """Return the columns whose correlations moved most, in their order; no more than the picture holds."""
    change = np.abs(np.nan_to_num(shown.noisy - shown.clean))
    order = np.argsort(-change.max(axis=0, initial=0.0), kind="stable")
    return tuple(sorted(order[:MOST_CORRELATED].tolist()))


def correlations(shown: Correlation, name: str, title: str, width: int) -> str:
    """Draw what each correlation gained or lost: orange and a plus, blue and a minus."""
    places = list(moved(shown))
    change = (shown.noisy - shown.clean)[np.ix_(places, places)]
    count = len(places)
    label = 96
    cell = min((width - label) / count, 46, 520 / count)
    size = cell * count
    height = size + 86
    drawn = figure(label + size, height)
    axes = drawn.add_axes((label / (label + size), 86 / height, size / (label + size), size / height))
    size_of_change = np.abs(np.nan_to_num(change))
    shades = _alpha(ORANGE, 0.6 * size_of_change / max(size_of_change.max(initial=0.0), 0.1))
    shades[change < 0, :3] = BLUE
    np.fill_diagonal(shades[..., 3], 0)
    axes.imshow(shades, interpolation="none", extent=(0, count, count, 0), aspect="auto")
    names = [short(shown.columns[place], 14) for place in places]
    middles = np.arange(count) + 0.5
    axes.set_yticks(middles, names)
    axes.set_xticks(middles, names, rotation=45, ha="right", rotation_mode="anchor")
    axes.tick_params(length=0)
    if cell >= 30:
        for i, j in np.ndindex(count, count):
            if i != j and abs(change[i, j]) >= 0.005:
                sign = "+" if change[i, j] > 0 else ""
                axes.text(
                    j + 0.5,
                    i + 0.5,
                    sign + fixed(float(change[i, j]), 2),
                    ha="center",
                    va="center",
                    fontsize=min(10.5, cell / 3.2),
                    color=INK,
                )
    for spine in axes.spines.values():
        spine.set(visible=True, color=LINE)
    axes.hlines(np.arange(1, count), 0, count, color=LINE, linewidth=0.6)
    axes.vlines(np.arange(1, count), 0, count, color=LINE, linewidth=0.6)
    return inline(drawn, name, title)
