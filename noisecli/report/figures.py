"""The figures of a report as data: one JSON document, or a flat CSV for plots."""

import csv
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from noisecli.compare.model import ColumnComparison, ImagesComparison, TableComparison, finite
from noisecli.report.rates import Rate
from noisecli.report.subject import Subject

MEASURES = ("kolmogorov_smirnov", "wasserstein", "psi", "jensen_shannon")
IMAGE_COLUMNS = ("path", "psnr", "ssim")


def as_document(subject: Subject) -> dict[str, Any]:
    """Return all figures: objects by the names of steps and columns, as `dvc metrics` reads them; null for NaN."""
    manifest = subject.manifest
    about: dict[str, Any] = {
        "clean": subject.clean,
        "noisy": subject.noisy,
        "copy": subject.copy,
        "sweep": subject.sweep,
        "verified": subject.verified,
        "faults": list(subject.faults),
        "seed": manifest and manifest.seed,
        "purpose": manifest and manifest.purpose,
        "steps": _steps(subject.rates),
        "warnings": list(subject.warnings),
    }
    found = subject.comparison
    return finite(about | (_images(found) if isinstance(found, ImagesComparison) else _table(found)))  # type: ignore[no-any-return]


def _steps(rates: Sequence[Rate]) -> dict[str, Any]:
    steps: dict[str, Any] = {}
    for rate in rates:
        step = steps.setdefault(rate.step, {"op": rate.op, "columns": {}})
        step["columns"][rate.column] = {
            "asked": rate.asked,
            "realised": rate.realised,
            "chance": rate.chance,
            "within_chance": rate.within,
            **rate.counts,
        }
    return steps


def _table(found: TableComparison) -> dict[str, Any]:
    table: dict[str, Any] = {
        "rows": {"clean": found.rows[0], "noisy": found.rows[1], "sampled": found.sampled},
        "aligned": found.aligned,
        "changed": changed_cells(found),
        "columns": {column.name: _column(column) for column in found.columns},
        "unread": dict(found.unread or {}),
    }
    if found.correlation is not None:
        moved = found.correlation
        table["correlation"] = {
            "columns": list(moved.columns),
            "clean": moved.clean.tolist(),
            "noisy": moved.noisy.tolist(),
        }
    return table


def changed_cells(found: TableComparison) -> int | None:
    """Return how many cells differ; None where rows cannot be told which belong together."""
    counts = [column.changed for column in found.columns]
    return None if None in counts else sum(count or 0 for count in counts)


def _column(column: ColumnComparison) -> dict[str, Any]:
    return {
        "kind": str(column.kind),
        "changed": column.changed,
        "clean": asdict(column.clean),
        "noisy": asdict(column.noisy),
        "drift": asdict(column.drift),
    }


def _images(found: ImagesComparison) -> dict[str, Any]:
    return {
        "images": {
            "compared": len(found.pairs),
            "sampled": found.sampled,
            "equal": sum(math.isinf(pair.psnr) for pair in found.pairs),
            "unreadable": [pair.path for pair in found.pairs if pair.unreadable],
            "missing": list(found.missing),
            "psnr": _spread([pair.psnr for pair in found.pairs]),
            "ssim": _spread([pair.ssim for pair in found.pairs if math.isfinite(pair.psnr)]),
            "pairs": {pair.path: {"psnr": pair.psnr, "ssim": pair.ssim} for pair in found.pairs},
        }
    }


def _spread(values: Sequence[float]) -> dict[str, float] | None:
    """Sum up those of the images that differ."""
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return None
    return {"min": min(finite), "median": float(np.median(finite)), "max": max(finite)}


def as_csv(subject: Subject) -> str:
    """Return a line for each column with its measures, or for each image, as plots of DVC read them."""
    found = subject.comparison
    sink = io.StringIO()
    writer = csv.writer(sink, lineterminator="\n")
    if isinstance(found, ImagesComparison):
        writer.writerow(IMAGE_COLUMNS)
        writer.writerows((pair.path, *map(_cell, (pair.psnr, pair.ssim))) for pair in found.pairs)
    else:
        lines = [dict(_measures(column)) for column in found.columns]
        writer.writerow(TABLE_COLUMNS)
        writer.writerows([_cell(line[key]) for key in TABLE_COLUMNS] for line in lines)
    return sink.getvalue()


TABLE_COLUMNS = (
    "column",
    "kind",
    "rows",
    "changed",
    "changed_share",
    "missing_clean",
    "missing_noisy",
    "mean_clean",
    "mean_noisy",
    "sd_clean",
    "sd_noisy",
    *MEASURES,
)


def _measures(column: ColumnComparison) -> Iterator[tuple[str, Any]]:
    yield "column", column.name
    yield "kind", str(column.kind)
    yield "rows", column.noisy.rows
    yield "changed", column.changed
    yield "changed_share", changed_share(column)
    for side, figures in (("clean", column.clean), ("noisy", column.noisy)):
        yield f"missing_{side}", missing_share(figures.missing, figures.rows)
        yield f"mean_{side}", figures.mean
        yield f"sd_{side}", figures.sd
    for measure in MEASURES:
        yield measure, getattr(column.drift, measure)


def changed_share(column: ColumnComparison) -> float | None:
    """Return which share of the noisy cells of a column differ from clean ones; None where that is not known."""
    return None if column.changed is None or column.noisy.rows == 0 else column.changed / column.noisy.rows


def missing_share(missing: int, rows: int) -> float | None:
    """Return which share of a column is missing; None of no rows."""
    return missing / rows if rows else None


def _cell(value: Any) -> Any:
    """Write nothing for what is not known, else a number so that it reads back the same."""
    return "" if value is None or (isinstance(value, float) and not math.isfinite(value)) else value
