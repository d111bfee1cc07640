"""What the measures of a report mean, how they are usually read, and where that comes from."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Measure:
    """One measure in plain words."""

    name: str
    short: str
    meaning: str
    reading: str
    source: str


TABLE_MEASURES = (
    Measure(
        "Population stability index",
        "PSI",
        "How much the shares of bins or categories moved: the sum of (after − before) × ln(after / before).",
        "Below 0.1 small, 0.1 to 0.25 moderate, above 0.25 large. Convention, not a test.",
        "Siddiqi 2006, Credit Risk Scorecards",
    ),
    Measure(
        "Kolmogorov-Smirnov statistic",
        "KS",
        "Largest gap between the two cumulative distributions, 0 to 1.",
        "0.1: at some value the shares below it differ by ten points. "
        "Of n rows on each side, chance alone gives up to about 1.36 × √(2 / n).",
        "Massey 1951, JASA 46",
    ),
    Measure(
        "Wasserstein distance",
        "EMD",
        "How far a value has to be moved on average to turn one distribution into the other, in the column's own unit.",
        "Compare it with the column's standard deviation: a tenth of it is little, the whole of it is much.",
        "Ramdas, García Trillos, Cuturi 2017, Entropy 19",
    ),
    Measure(
        "Jensen-Shannon distance",
        "JS",
        "Distance of two distributions over bins or categories, to base 2: 0 the same, 1 nothing in common.",
        "Below 0.1 small, above 0.3 large. Symmetric and bounded, so columns can be ranked by it.",
        "Endres, Schindelin 2003, IEEE Trans. Information Theory 49",
    ),
)

IMAGE_MEASURES = (
    Measure(
        "Peak signal-to-noise ratio",
        "PSNR",
        "Squared range of a pixel over the mean squared difference, in dB; equal images have none.",
        "Above 40 dB hardly seen, 30 to 40 dB seen when looked for, below 20 dB heavy damage.",
        "Wang, Bovik 2009, IEEE Signal Processing Magazine 26",
    ),
    Measure(
        "Structural similarity",
        "SSIM",
        "Likeness of local brightness, contrast and structure, averaged over the image; 1: the same.",
        "Above 0.95 hardly seen, below 0.5 the structure is largely lost. Closer to what people see than PSNR.",
        "Wang, Bovik, Sheikh, Simoncelli 2004, IEEE Trans. Image Processing 13",
    ),
)
