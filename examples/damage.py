"""Damage of your own, for steps with `op: custom`."""

import numpy as np
import pandas as pd


def misplace(rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Let the struck rows exchange their values, as when answers are entered in somebody else's record."""
    return rows.iloc[rng.permutation(len(rows))]
