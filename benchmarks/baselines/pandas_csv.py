"""Noise on five columns of a CSV, missing cells in three, with pandas chunk by chunk: INPUT OUTPUT.

As in noisecli's recipe the noise is in standard deviations of the whole column, so a first pass measures these, and
numbers keep their decimals.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.baselines.proof import sha256, sha256_beside, sync

NOISY = ["f0", "f1", "f2", "f3", "f4"]
MISSING = ["f5", "f6", "f7"]
DECIMALS = {"f0": 3, "f1": 2, "f2": 3, "f3": 3, "f4": 3}
ROWS = 200_000


def main(source: Path, target: Path) -> None:
    """Copy with noise, hash both, sync."""
    digest = sha256_beside(source)
    sd = spread(source)
    rng = np.random.default_rng(1)
    with target.open("w", newline="") as file:
        for number, chunk in enumerate(pd.read_csv(source, chunksize=ROWS)):
            noise = rng.standard_normal((len(chunk), len(NOISY)))
            chunk[NOISY] = (chunk[NOISY] + 0.1 * sd.to_numpy() * noise).round(DECIMALS)
            chunk[MISSING] = chunk[MISSING].mask(rng.random((len(chunk), len(MISSING))) < 0.1)
            chunk.to_csv(file, index=False, header=number == 0)
    print(digest.result(), sha256(target))
    sync([target])


def spread(source: Path) -> pd.Series:
    """Return the standard deviations of the columns that get noise."""
    rows, total, squares = 0, 0.0, 0.0
    for chunk in pd.read_csv(source, usecols=NOISY, chunksize=ROWS):
        rows, total, squares = rows + chunk.count(), total + chunk.sum(), squares + (chunk**2).sum()
    return np.sqrt(squares / rows - (total / rows) ** 2)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
