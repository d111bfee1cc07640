"""noisecli.corrupt on what the peers get in memory: tables ROWS, or images IMAGES OP... Timed inside."""

import sys
from functools import partial

import numpy as np

import noisecli
from benchmarks.inputs import mixed_table, picture
from benchmarks.stopwatch import Stopwatch

TABLE_OPS = {
    "missing": {"columns": "score", "rate": 0.1},
    "category_swap": {"columns": "segment", "rate": 0.1},
    "outlier": {"columns": "income", "rate": 0.1},
    "typo": {
        "columns": "note",
        "rate": 0.02,
    },  # of words, of which a note has five: as many as tab_err's one in a tenth
}


def tables(rows: int) -> None:
    """Print what each op took on a DataFrame of twelve columns."""
    frame = mixed_table(rows).to_pandas()
    watch = Stopwatch()
    for op, step in TABLE_OPS.items():
        recipe = {"noisecli": 1, "seed": 1, "steps": [{"op": op, **step}]}
        noisy = watch.calls(op, partial(noisecli.corrupt, frame, recipe))
        changed = (noisy[step["columns"]].astype(object) != frame[step["columns"]].astype(object)).sum()
        assert 0.09 * rows < changed < 0.11 * rows, (op, changed)
    watch.print()


def images(count: int, ops: list[str]) -> None:
    """Print what each op took on a batch of photographs."""
    pictures = np.stack([picture(number) for number in range(count)])
    watch = Stopwatch()
    for op in ops:
        recipe = {"noisecli": 1, "seed": 1, "target": "images", "steps": [{"op": op, "severity": 3}]}
        noisecli.corrupt(pictures[:1], recipe)
        with watch.part(op):
            noisy = noisecli.corrupt(pictures, recipe)
        assert noisy.shape == pictures.shape
    watch.print()


if __name__ == "__main__":
    if sys.argv[1] == "tables":
        tables(int(sys.argv[2]))
    else:
        images(int(sys.argv[2]), sys.argv[3:])
