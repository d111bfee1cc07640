"""One slip in a tenth of the words of each sentence with nlpaug, row by row: INPUT ROWS.

Timed inside: neither the import nor reading counts.
"""

import sys
from pathlib import Path

import nlpaug.augmenter.char
import pyarrow.csv

from benchmarks.stopwatch import Stopwatch


def main(source: Path, rows: int) -> None:
    """Print what the rows took."""
    with pyarrow.csv.open_csv(source) as batches:
        texts = batches.read_next_batch()["text"].to_pylist()[:rows]
    assert len(texts) == rows
    augmenter = nlpaug.augmenter.char.KeyboardAug(
        aug_char_min=1, aug_char_max=1, aug_word_min=1, aug_word_p=0.1, aug_word_max=None
    )
    augmenter.augment(texts[0])
    watch = Stopwatch()
    with watch.part(""):
        noisy = [augmenter.augment(text)[0] for text in texts]
    assert sum(one != other for one, other in zip(texts, noisy, strict=True)) > 0.9 * rows
    watch.print()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
