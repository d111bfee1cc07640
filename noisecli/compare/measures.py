"""How far two distributions lie apart, in the measures that people watch their data with."""

import numpy as np
from numpy.typing import NDArray

from noisecli.streams import Floats

EMPTY = 1e-4
"""The share that an empty bin counts as in the population stability index, which has no value for none at all."""

BINS = 10
"""Of the clean numbers, as many in each as ties allow."""

Counts = NDArray[np.int64]


def kolmogorov_smirnov(clean: Floats, noisy: Floats) -> float | None:
    """Return the largest distance of two cumulative distributions, 0 to 1; None where a side is empty.

    Source: Smirnov 1948, "Table for Estimating the Goodness of Fit of Empirical Distributions".

    Args:
        clean, noisy: finite numbers, sorted.
    """
    if not len(clean) or not len(noisy):
        return None
    return float(max(np.abs(_shares(clean, side) - _shares(noisy, side)).max() for side in (clean, noisy)))


def wasserstein(clean: Floats, noisy: Floats) -> float | None:
    """Return the earth mover's distance (Wasserstein-1), in the unit of the numbers; None where a side is empty.

    It is the area between the two cumulative distributions. Source: Vallender 1974, "Calculation of the Wasserstein
    Distance Between Probability Distributions on the Line".

    Args:
        clean, noisy: finite numbers, sorted.
    """
    if not len(clean) or not len(noisy):
        return None
    places = np.sort(np.concatenate([clean, noisy]))
    heights = np.abs(_shares(clean, places[:-1]) - _shares(noisy, places[:-1]))
    apart = heights > 0
    with np.errstate(over="ignore"):  # the widest ranges have no finite width
        return float(np.sum(heights[apart] * np.diff(places)[apart]))


def decile_counts(clean: Floats, noisy: Floats) -> tuple[Counts, Counts]:
    """Count the numbers of both sides in bins that hold a tenth of the clean ones each.

    A bin ends with its upper bound; where several deciles are equal there are fewer bins.

    Args:
        clean: finite numbers, sorted, one at least.
        noisy: finite numbers.
    """
    edges = np.unique(np.quantile(clean, np.arange(1, BINS) / BINS, method="inverted_cdf"))
    found = (np.searchsorted(edges, side, side="left") for side in (clean, noisy))
    first, second = (np.bincount(bins, minlength=len(edges) + 1) for bins in found)
    return first, second


def psi(clean: Counts, noisy: Counts) -> float | None:
    """Return the population stability index of two histograms; None where one is empty.

    It is the sum over the bins of (q - p) ln(q / p), for shares p of the clean and q of the noisy side; the share of an
    empty bin is taken for 0.0001. Below 0.1 is called stable, above 0.25 shifted. Source: Siddiqi 2006, "Credit Risk
    Scorecards".
    """
    if not clean.sum() or not noisy.sum():
        return None
    p, q = (np.where(counts == 0, EMPTY, counts / counts.sum()) for counts in (clean, noisy))
    return float(np.sum((q - p) * np.log(q / p)))


def jensen_shannon(clean: Counts, noisy: Counts) -> float | None:
    """Return the Jensen-Shannon distance of two histograms to base 2, 0 to 1; None where one is empty.

    It is the square root of the divergence. Source: Endres and Schindelin 2003, "A New Metric for Probability
    Distributions".
    """
    if not clean.sum() or not noisy.sum():
        return None
    p, q = clean / clean.sum(), noisy / noisy.sum()
    middle = (p + q) / 2
    divergence = (_relative_entropy(p, middle) + _relative_entropy(q, middle)) / 2
    return float(np.sqrt(max(0.0, divergence)))


def _shares(ordered: Floats, places: Floats) -> Floats:
    """Share of the numbers up to each of some places."""
    return np.asarray(np.searchsorted(ordered, places, side="right") / len(ordered))


def _relative_entropy(p: Floats, q: Floats) -> float:
    """Kullback-Leibler divergence in bits; what has no share adds nothing."""
    some = p > 0
    return float(np.sum(p[some] * np.log2(p[some] / q[some])))
