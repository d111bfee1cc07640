"""What a comparison of clean with noisy data found: figures of all rows, and samples that pictures are drawn from."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noisecli.columns import Kind
from noisecli.streams import Floats


@dataclass(frozen=True)
class Figures:
    """One column of one side, over all of its rows."""

    rows: int
    missing: int
    distinct: int | None = None
    """Different values; None: too many to count."""
    mean: float | None = None
    """Like the following ones, None where the column has no numbers; of dates in seconds since 1970."""
    sd: float | None = None
    min: float | None = None
    max: float | None = None


@dataclass(frozen=True)
class Drift:
    """How far the distribution of a column moved; None where a measure has no meaning."""

    kolmogorov_smirnov: float | None = None
    """Largest distance of the two cumulative distributions, 0..1."""
    wasserstein: float | None = None
    """Earth mover's distance, in the column's unit."""
    psi: float | None = None
    """Population stability index."""
    jensen_shannon: float | None = None
    """Jensen-Shannon distance to base 2, 0..1."""
    of_sample: bool = False
    """Whether it was measured on sampled rows."""


@dataclass(frozen=True)
class CategoryCount:
    """How often a value occurs."""

    value: str
    clean: int
    noisy: int


@dataclass(frozen=True)
class ColumnComparison:
    """One column before and after."""

    name: str
    kind: Kind
    clean: Figures
    noisy: Figures
    drift: Drift
    changed: int | None
    """Cells that differ; None where rows cannot be told which belong together."""
    numbers: tuple[Floats, Floats] | None = None
    """Sampled numbers, clean and noisy, sorted; of dates the seconds since 1970. None where there are none."""
    categories: tuple[CategoryCount, ...] | None = None
    """The commonest values of a column of few, then the rest under the value "…"; None where there are too many."""


@dataclass(frozen=True)
class Strip:
    """A stretch of a series, for a picture."""

    column: str
    entity: str | None
    places: Floats
    """Seconds since 1970 where `timed`, else row numbers."""
    timed: bool
    clean: Floats
    noisy: Floats
    intervals: tuple[tuple[float, float, str], ...] = ()
    """From place, to place, step id: faults that last."""


@dataclass(frozen=True)
class TextExample:
    """A text that differs."""

    column: str
    row: int
    before: str | None
    after: str | None
    step: str | None = None
    """Which step changed it, where a truth file says so."""


@dataclass(frozen=True)
class Missingness:
    """Where cells are missing."""

    columns: tuple[str, ...]
    clean: NDArray[np.float64]
    """Share of missing cells, of shape (stretches of equally many rows, columns)."""
    noisy: NDArray[np.float64]


@dataclass(frozen=True)
class Correlation:
    """Pearson's correlations of numeric columns, on sampled rows."""

    columns: tuple[str, ...]
    clean: NDArray[np.float64]
    """Of shape (columns, columns); NaN where a column has no variance."""
    noisy: NDArray[np.float64]


@dataclass(frozen=True)
class TableComparison:
    """One table, or all files of a folder as one, before and after."""

    rows: tuple[int, int]
    """Clean and noisy."""
    sampled: int | None
    """How many rows samples are made of; None: all."""
    aligned: str
    """How rows were found to belong together: "position", "truth", "key NAME"; "" where they were not."""
    columns: tuple[ColumnComparison, ...]
    unaligned: str = ""
    """Why they were not, and what to do; "" where they were."""
    missingness: Missingness | None = None
    correlation: Correlation | None = None
    strips: tuple[Strip, ...] = ()
    texts: tuple[TextExample, ...] = ()
    unread: Mapping[str, str] | None = None
    """Columns that were not compared, and why."""


@dataclass(frozen=True)
class ImagePair:
    """One image before and after."""

    path: str
    psnr: float
    """Peak signal-to-noise ratio in dB; infinite where the pixels are equal, NaN where the sizes or channels differ, or
    it is unreadable."""
    ssim: float
    """Mean structural similarity, at most 1; NaN where the ratio is."""
    drawn: Mapping[str, Any] | None = None
    """What each step drew for the image, by step id, where the manifest says so."""
    unreadable: bool = False
    """Whether a step damaged the file, as the manifest says, so that it cannot be read."""


@dataclass(frozen=True)
class ImagesComparison:
    """A folder of images before and after."""

    pairs: tuple[ImagePair, ...]
    """Every image that was compared, those of equal pixels too."""
    missing: tuple[str, ...] = ()
    """Images of one side only."""
    sampled: int | None = None
    """How many of the images were compared; None: all."""


def finite(value: Any) -> Any:
    """Put None for infinities and what is no number, all the way down: JSON has no words for them."""
    if isinstance(value, Mapping):
        return {key: finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
