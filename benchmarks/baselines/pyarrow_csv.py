"""Copy a CSV with pyarrow's default settings, typed and block by block: INPUT OUTPUT."""

import sys
from pathlib import Path

import pyarrow.csv

from benchmarks.baselines.proof import sha256, sha256_beside, sync


def main(source: Path, target: Path) -> None:
    """Copy, hash both, sync."""
    digest = sha256_beside(source)
    with pyarrow.csv.open_csv(source) as batches, pyarrow.csv.CSVWriter(target, batches.schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    print(digest.result(), sha256(target))
    sync([target])


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
