"""Train a linear classifier on noisy rows and test it on clean ones: `python train.py CLEAN NOISY RIDGE`."""

import csv
import json
import sys
from pathlib import Path

import numpy as np

FEATURES = ("age", "height_m", "income", "balance", "visits")


def read(path, split):
    """Return the numeric columns, missing cells as the means of theirs, and who left."""
    with Path(path).open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == split]
    x = np.array([[float(row[name]) if row[name] else np.nan for name in FEATURES] for row in rows])
    return np.where(np.isnan(x), np.nanmean(x, axis=0), x), np.array([row["churn"] == "yes" for row in rows])


def main(clean, noisy, ridge):
    """Write metrics.json, and learning.csv: area under the ROC curve by number of noisy training rows."""
    x, y = read(noisy, "train")
    x_test, y_test = read(clean, "test")
    mean, sd = x.mean(axis=0), x.std(axis=0)
    x, x_test = (np.column_stack([(part - mean) / sd, np.ones(len(part))]) for part in (x, x_test))
    curve = []
    for count in np.linspace(len(y) // 10, len(y), 10).astype(int):
        some = x[:count]
        weights = np.linalg.solve(some.T @ some + ridge * np.eye(x.shape[1]), some.T @ (2.0 * y[:count] - 1))
        scores = x_test @ weights
        curve.append((int(count), round(float(np.mean(scores[y_test][:, None] > scores[~y_test])), 4)))
    with Path("learning.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("rows", "auc"), *curve])
    Path("metrics.json").write_text(json.dumps({"auc": curve[-1][1], "rows": len(y)}) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
