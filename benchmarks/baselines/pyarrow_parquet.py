"""Copy a Parquet file with pyarrow's default settings, row group by row group: INPUT OUTPUT."""

import sys
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.baselines.proof import sha256, sha256_beside, sync


def main(source: Path, target: Path) -> None:
    """Copy, hash both, sync."""
    digest = sha256_beside(source)
    with pq.ParquetFile(source) as file, pq.ParquetWriter(target, file.schema_arrow) as writer:
        for number in range(file.num_row_groups):
            writer.write_table(file.read_row_group(number))
    print(digest.result(), sha256(target))
    sync([target])


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
