"""What a page shows of tables: drift, columns, missing cells, correlations, series, texts."""

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from noisecli.columns import MOMENT, Kind
from noisecli.compare.gather import OTHERS
from noisecli.compare.model import (
    ColumnComparison,
    Correlation,
    Missingness,
    Strip,
    TableComparison,
    TextExample,
)
from noisecli.report import maps, plots
from noisecli.report.edits import marked
from noisecli.report.figures import changed_share, missing_share
from noisecli.report.measures import TABLE_MEASURES
from noisecli.report.section import Section
from noisecli.report.words import moment, number, plural, share

MOST_CARDS = 40
"""Columns that get a picture."""

MOST_BARS = 10
MOST_TEXTS = 40
MOST_STRIPS = 12
WIDE, NARROW = 1000, 360
"""Widths in pixels of pictures that are drawn twice, for large and small screens."""


def by_drift(columns: Sequence[ColumnComparison]) -> list[ColumnComparison]:
    """Return columns, those first that moved furthest."""
    return sorted(columns, key=_distance, reverse=True)


def _distance(column: ColumnComparison) -> tuple[float, float, float]:
    before, after = (missing_share(side.missing, side.rows) or 0.0 for side in (column.clean, column.noisy))
    return column.drift.jensen_shannon or 0.0, abs(after - before), changed_share(column) or 0.0


def differs(column: ColumnComparison) -> bool:
    """Whether a column is not as it was."""
    return bool(column.changed) or column.clean != column.noisy or bool(column.drift.jensen_shannon)


def sections(found: TableComparison) -> Iterator[Section]:
    """Return the sections of a table, those without anything to show too."""
    ordered = by_drift(found.columns)
    yield _drift(found, ordered)
    yield _columns(ordered)
    yield Section("missing", "Missing cells", _missing(found.missingness, found.columns) if found.missingness else None)
    yield Section("correlation", "Correlation", _correlation(found.correlation) if found.correlation else None)
    # The rows of most tables are no series: their order says nothing.
    strips = [strip for strip in found.strips if strip.timed or strip.entity is not None or strip.intervals]
    yield Section("series", "Series", _series(strips[:MOST_STRIPS]) if strips else None)
    yield Section("texts", "Texts", _texts(found.texts[:MOST_TEXTS]) if found.texts else None)


def _drift(found: TableComparison, ordered: Sequence[ColumnComparison]) -> Section:
    sampled = any(column.drift.of_sample for column in ordered)
    note = f"Measured on a sample of {number(found.sampled)} rows." if sampled and found.sampled else ""
    data = {"first": ordered[:MOST_CARDS], "rest": ordered[MOST_CARDS:], "note": note, "measures": TABLE_MEASURES}
    return Section("drift", "Drift", data if ordered else None)


def _columns(ordered: Sequence[ColumnComparison]) -> Section:
    moved = [column for column in ordered if differs(column)]
    drawn = [column for column in moved if column.numbers is not None or column.categories]
    cards = [_card(column, f"c{i}") for i, column in enumerate(drawn[:MOST_CARDS])]
    data = {"cards": cards, "note": _left_out(len(moved) - len(cards), len(ordered) - len(moved))}
    return Section("columns", "Before and after", data if cards else None)


def _left_out(others: int, same: int) -> str:
    """Say which columns have no picture."""
    said = [f"{plural(others, 'more column')} with other values in the table above."] if others else []
    said += [f"{plural(same, 'column')} as before."] if same else []
    return " ".join(said)


def _card(column: ColumnComparison, name: str) -> dict[str, Any]:
    changed, facts = changed_share(column), []
    facts.append("no cell changed" if changed == 0 else f"{share(changed)} changed" if changed is not None else "")
    before, after = (missing_share(side.missing, side.rows) for side in (column.clean, column.noisy))
    if before or after:
        facts.append(f"missing {share(before)} → {share(after)}")
    picture, bars = None, []
    if column.categories and (column.numbers is None or len(column.categories) <= MOST_BARS):
        bars = _bars(column)
    elif column.numbers is not None:
        picture, beyond = _distribution(column, name)
        if beyond >= 0.00005:
            facts.append(f"{share(beyond, 2)} lie beyond the picture ({_reach(column)})")
    return {"column": column, "note": ", ".join(filter(None, facts)), "picture": picture, "bars": bars}


def _reach(column: ColumnComparison) -> str:
    low, high = column.noisy.min, column.noisy.max
    if column.kind in MOMENT and column.numbers is not None and len(column.numbers[1]):
        ends = (float(column.numbers[1][0]), float(column.numbers[1][-1]))
        return " to ".join(moment(end, ends[1] - ends[0]) for end in ends)
    return f"{number(low)} to {number(high)}"


def _distribution(column: ColumnComparison, name: str) -> tuple[Any, float]:
    from markupsafe import Markup

    means = f"mean {number(column.clean.mean)} before, {number(column.noisy.mean)} after"
    moments = column.kind in MOMENT
    title = f"Distribution of {column.name}, before and after" + ("" if moments else f": {means}")
    drawn, beyond = plots.numbers(column, name, title, moments, column.kind is Kind.INTEGER)
    return Markup(drawn), beyond


def _bars(column: ColumnComparison) -> list[dict[str, Any]]:
    counted = column.categories or ()
    totals = [max(1, sum(getattr(each, side) for each in counted)) for side in ("clean", "noisy")]
    shares = [(each.value, each.clean / totals[0], each.noisy / totals[1]) for each in counted]
    if len(shares) > MOST_BARS + 1:
        rest = shares[MOST_BARS:]
        shares = [*shares[:MOST_BARS], (OTHERS, sum(each[1] for each in rest), sum(each[2] for each in rest))]
    # All others together have no bar: it would dwarf the others.
    most = max((max(clean, noisy) for value, clean, noisy in shares if value != OTHERS), default=0.0) or 1.0
    return [
        {
            "value": value,
            "clean": clean,
            "noisy": noisy,
            "before": f"{100 * clean / most:.1f}",
            "after": f"{100 * noisy / most:.1f}",
            "drawn": value != OTHERS,
        }
        for value, clean, noisy in shares
    ]


def _twice(draw: Any, shown: Any, name: str, title: str) -> tuple[Any, Any]:
    """Draw for large and for small screens."""
    from markupsafe import Markup

    return Markup(draw(shown, f"{name}w", title, WIDE)), Markup(draw(shown, f"{name}n", title, NARROW))


def _missing(shown: Missingness, columns: Sequence[ColumnComparison]) -> dict[str, Any] | None:
    places = maps.gaps(shown)
    if not places:
        return None
    lines: list[dict[str, Any]] = [
        {
            "name": column.name,
            "before": missing_share(column.clean.missing, column.clean.rows),
            "after": missing_share(column.noisy.missing, column.noisy.rows),
        }
        for column in (columns[place] for place in places)
    ]
    with_gaps = sum(bool(column.clean.missing or column.noisy.missing) for column in columns)
    note = f"The {len(places)} of {with_gaps} columns that gained most." if with_gaps > len(places) else ""
    title = "Missing cells before and after: " + "; ".join(
        f"{line['name']} {share(line['before'])} to {share(line['after'])}" for line in lines[:8]
    )
    return {"picture": _twice(maps.missing, shown, "m", title), "lines": lines, "note": note}


def _correlation(shown: Correlation) -> dict[str, Any] | None:
    change = shown.noisy - shown.clean
    pairs: list[dict[str, Any]] = [
        {
            "first": shown.columns[i],
            "second": shown.columns[j],
            "before": float(shown.clean[i, j]),
            "after": float(shown.noisy[i, j]),
            "change": float(change[i, j]),
        }
        for i, j in combinations(range(len(shown.columns)), 2)
        if abs(np.nan_to_num(change[i, j])) >= 0.0005
    ]
    if not pairs:
        return None
    pairs.sort(key=lambda pair: -abs(pair["change"]))
    drawn = len(maps.moved(shown))
    note = f"The {drawn} of {len(shown.columns)} columns that moved most." if drawn < len(shown.columns) else ""
    said = "; ".join(f"{p['first']} and {p['second']} {p['change']:+.2f}" for p in pairs[:5])
    title = f"Change of correlations: {said}"
    return {"picture": _twice(maps.correlations, shown, "r", title), "pairs": pairs[:10], "note": note}


def _series(strips: Sequence[Strip]) -> dict[str, Any]:
    shown = []
    for i, strip in enumerate(strips):
        count = len(strip.intervals)
        title = f"{strip.column} before and after, {plural(len(strip.places), 'reading')}" + (
            f", {plural(count, 'fault')} that last" if count else ""
        )
        picture = _twice(plots.strip, strip, f"s{i}", title)
        shown.append({"shown": strip, "picture": picture, "faults": _faults(strip)})
    return {"strips": shown, "faulty": any(strip.intervals for strip in strips)}


def _faults(strip: Strip) -> list[str]:
    """Say from where to where faults last, the first of them."""
    span = float(strip.places[-1] - strip.places[0]) if len(strip.places) else 0.0

    def place(value: float) -> str:
        return moment(value, span) if strip.timed else f"row {number(value)}"

    def span_of(start: float, stop: float) -> str:
        ends = place(start), place(stop)
        return ends[0] if ends[0] == ends[1] else " to ".join(ends)

    said = [f"{step} {span_of(start, stop)}" for start, stop, step in strip.intervals[:6]]
    more = len(strip.intervals) - len(said)
    return [*said, f"and {more} more"] if more else said


def _texts(examples: Sequence[TextExample]) -> dict[str, Any]:
    texts = [marked(example) for example in examples]
    return {"texts": texts, "steps": any(example.step for example in examples)}
