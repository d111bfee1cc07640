"""What figures of a column say before and after, as people read them: of dates as dates and spans of time."""

from collections.abc import Callable

from noisecli.columns import MOMENT
from noisecli.compare.model import ColumnComparison
from noisecli.report.figures import missing_share
from noisecli.report.words import DASH, moment, number, share, span


def said(column: ColumnComparison, figure: str) -> tuple[str, str]:
    """Write a figure of both sides: "missing", or a field of `Figures`."""
    if figure == "missing":
        before, after = (share(missing_share(side.missing, side.rows)) for side in (column.clean, column.noisy))
        return before, after
    write = _writer(column, figure)
    before, after = (write(getattr(side, figure)) for side in (column.clean, column.noisy))
    return before, after


def _writer(column: ColumnComparison, figure: str) -> Callable[[float | None], str]:
    if column.kind not in MOMENT or figure == "distinct":
        return number
    if figure == "sd":
        return span
    apart = column.clean.sd or 0.0
    return lambda value: DASH if value is None else moment(value, apart)


def earth_moved(column: ColumnComparison) -> str:
    """Write the Wasserstein distance in the column's unit."""
    return (span if column.kind in MOMENT else number)(column.drift.wasserstein)


def moved(column: ColumnComparison) -> list[str]:
    """Say what moved most plainly."""
    names = {"missing": "missing", "mean": "mean", "sd": "SD", "distinct": "distinct values"}
    told = {name: said(column, name) for name in names}
    differing = [f"{names[name]} {old} → {new}" for name, (old, new) in told.items() if old != new]
    only = [text for text in differing if not text.startswith("distinct")]
    return only or differing or ["shares of values"]
