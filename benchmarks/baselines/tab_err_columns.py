"""A tenth of the cells of one column of a DataFrame of twelve, with tab_err: ROWS. Timed inside."""

import sys
import warnings
from functools import partial

from tab_err.api.low_level import create_errors
from tab_err.error_mechanism import ECAR
from tab_err.error_type import CategorySwap, MissingValue, Outlier, Typo

from benchmarks.inputs import mixed_table
from benchmarks.stopwatch import Stopwatch

OPS = {
    "missing": ("score", MissingValue),
    "category_swap": ("segment", CategorySwap),
    "outlier": ("income", Outlier),
    "typo": ("note", Typo),
}


def main(rows: int) -> None:
    """Print what each op took."""
    warnings.simplefilter("ignore")  # pandas's of types to come
    frame = mixed_table(rows).to_pandas()
    watch = Stopwatch()
    for op, (column, kind) in OPS.items():
        noisy, mask = watch.calls(op, partial(create_errors, frame, column, 0.1, ECAR(seed=1), kind()))
        assert len(noisy) == rows
        assert mask[column].sum() == rows // 10
    watch.print()


if __name__ == "__main__":
    main(int(sys.argv[1]))
