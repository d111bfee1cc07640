"""Pictures of columns: the distribution of numbers and dates before and after, and stretches of series."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from noisecli.compare.model import ColumnComparison, Strip
from noisecli.report.svg import AFTER, BEFORE, FAULT, INK, LINE, figure, inline
from noisecli.report.words import moment, share, short, tick
from noisecli.streams import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BINS = 36
TAIL = 0.01
"""Share of the numbers on either side that may lie far out, beyond the picture."""
LARGEST = 1e300
"""Numbers beyond lie beyond the picture: the width of a range has to be a number, too."""


@dataclass(frozen=True)
class Histogram:
    """Shares of two samples in the same bins."""

    edges: Floats
    clean: Floats
    noisy: Floats
    beyond: float
    """Share of the noisy numbers that lie outside of the bins."""


def histogram(clean: Floats, noisy: Floats, whole: bool) -> Histogram:
    """Count two sorted samples in common bins; the range is theirs but for far tails.

    Args:
        clean: numbers before.
        noisy: numbers after.
        whole: whether they are integers; few of them get a bin each.
    """
    pooled = np.concatenate([clean, noisy])
    pooled = pooled[np.isfinite(pooled)]
    if len(pooled) == 0:
        pooled = np.zeros(1)
    low, high = _window(pooled)
    if whole and high - low < BINS:
        edges = np.arange(np.floor(low), np.ceil(high) + 2) - 0.5
    else:
        edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
    shares = [np.histogram(each, edges)[0] / max(len(each), 1) for each in (clean, noisy)]
    return Histogram(edges, shares[0], shares[1], float(1 - shares[1].sum()) if len(noisy) else 0.0)


def _window(pooled: Floats) -> tuple[float, float]:
    """Return the range that holds all but the tails, or everything where the tails are short."""
    pooled = np.clip(pooled, -LARGEST, LARGEST)
    inner = np.quantile(pooled, [TAIL, 1 - TAIL])
    room = 0.25 * (inner[1] - inner[0])
    least, most = float(pooled.min()), float(pooled.max())
    if inner[0] == inner[1]:
        return least, most
    return max(least, float(inner[0]) - room), min(most, float(inner[1]) + room)


def numbers(column: ColumnComparison, name: str, title: str, moments: bool, whole: bool) -> tuple[str, float]:
    """Draw a distribution: before dashed, after filled.

    Returns:
        the picture, and the share of noisy numbers that lie beyond it.
    """
    assert column.numbers is not None
    counted = histogram(*column.numbers, whole)
    drawn = figure(340, 150)
    axes = drawn.add_axes((0.12, 0.16, 0.86, 0.78))
    axes.stairs(counted.noisy, counted.edges, fill=True, facecolor=AFTER, alpha=0.45, edgecolor="none")
    axes.stairs(counted.clean, counted.edges, edgecolor=BEFORE, linestyle=(0, (4, 2)), linewidth=1.4, baseline=None)
    axes.set_xlim(counted.edges[0], counted.edges[-1])
    top = max(float(counted.clean.max()), float(counted.noisy.max()), 1e-9)
    axes.set_ylim(0, top * 1.06)
    _shares(axes, top)
    _places(axes, moments, 5)
    return inline(drawn, name, title), counted.beyond


def _shares(axes: "Axes", top: float) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.yaxis.set_major_locator(MaxNLocator(3))
    axes.yaxis.set_major_formatter(FuncFormatter(_labelled(lambda value: share(value, 0 if top > 0.05 else 1))))
    axes.grid(axis="y", linewidth=0.6)


def _labelled(write: Callable[[float], str]) -> Callable[[float, Any], str]:
    return lambda value, _: write(float(value))


def _places(axes: "Axes", moments: bool, most: int) -> None:
    """Label the horizontal axis with numbers, or with dates where they are seconds since 1970."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    if not moments:
        axes.xaxis.set_major_locator(MaxNLocator(most))
        axes.xaxis.set_major_formatter(FuncFormatter(_labelled(tick)))
        return
    low, high = axes.get_xlim()
    ticks = np.linspace(low, high, 4)[1:-1] if high - low < 86_400 * 3 else np.linspace(low, high, 5)[1:-1]
    axes.set_xticks(ticks, [moment(float(tick), high - low) for tick in ticks])


def strip(shown: Strip, name: str, title: str, width: int) -> str:
    """Draw a stretch of a series: before dashed, after as a line, faults that last as hatched bands.

    Args:
        shown: the stretch.
        name: what ids begin with.
        title: what it shows, in words.
        width: in pixels.
    """
    drawn = figure(width, 170)
    left = 44 / width
    axes = drawn.add_axes((left, 0.15, 1 - left - 8 / width, 0.80))
    span = (float(shown.places[-1] - shown.places[0]) if len(shown.places) else 0.0) or 1.0
    for i, (start, stop, step) in enumerate(shown.intervals):
        axes.axvspan(start, stop, facecolor=FAULT, alpha=0.16, linewidth=0)
        axes.axvspan(start, stop, facecolor="none", edgecolor=FAULT, alpha=0.5, hatch="////", linewidth=0)
        name_of = short(step, 20)
        if (stop - start) / span * width > 7 * len(name_of):
            height = 0.985 - 0.1 * (i % 2)  # two faults at once keep their names apart
            place = (max(start, float(shown.places[0])) + span * 4 / width, height)
            axes.text(
                *place, name_of, transform=axes.get_xaxis_transform(), va="top", fontsize=10, color=INK, clip_on=True
            )
    axes.plot(shown.places, shown.noisy, color=AFTER, linewidth=1.2)
    axes.plot(shown.places, shown.clean, color=BEFORE, linewidth=1.1, linestyle=(0, (4, 2)))
    if len(shown.places):
        axes.set_xlim(shown.places[0], shown.places[-1] if shown.places[-1] > shown.places[0] else shown.places[0] + 1)
    _values(axes)
    _places(axes, shown.timed, 4 if width < 500 else 8)
    return inline(drawn, name, title)


def _values(axes: "Axes") -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.yaxis.set_major_formatter(FuncFormatter(_labelled(tick)))
    axes.grid(axis="y", linewidth=0.6, color=LINE)


def qualities(psnr: Floats, name: str, title: str) -> str:
    """Draw how the peak signal-to-noise ratios of changed images are spread, and where 30 and 40 dB lie."""
    drawn = figure(340, 150)
    axes = drawn.add_axes((0.12, 0.24, 0.86, 0.70))
    low, high = min(float(psnr.min()), 20.0), max(float(psnr.max()), 45.0)
    counts, edges = np.histogram(psnr, np.linspace(low, high, 26))
    axes.stairs(counts, edges, fill=True, facecolor=AFTER, alpha=0.6)
    for limit in (30, 40):
        axes.axvline(limit, color=INK, linewidth=0.9, linestyle=(0, (2, 3)))
    axes.set_xlim(low, high)
    axes.set_xlabel("PSNR in dB")
    from matplotlib.ticker import MaxNLocator

    axes.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    axes.grid(axis="y", linewidth=0.6)
    return inline(drawn, name, title)
