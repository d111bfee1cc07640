"""Print what share of each column's cells a noisy copy has changed: `python changed.py CLEAN NOISY`."""

import csv
import sys
from pathlib import Path


def main(clean: str, noisy: str) -> None:
    """Compare two tables that have the same rows, cell by cell."""
    with Path(clean).open(newline="") as before, Path(noisy).open(newline="") as after:
        rows = list(zip(csv.reader(before), csv.reader(after), strict=True))
    writer = csv.writer(sys.stdout)
    writer.writerow(["copy", "column", "changed"])
    for column, name in enumerate(rows[0][0]):
        changed = sum(old[column] != new[column] for old, new in rows[1:])
        writer.writerow([Path(noisy).stem, name, f"{changed / (len(rows) - 1):.4f}"])


if __name__ == "__main__":
    main(*sys.argv[1:])
