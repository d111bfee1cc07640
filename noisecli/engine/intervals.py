"""Faults that last: runs of struck rows of a series, put together from slab to slab."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from noisecli.celltext import as_written
from noisecli.corruption import RowsCorruption, TextCorruption
from noisecli.engine.edits import differs
from noisecli.engine.flow import Flow
from noisecli.engine.lineup import ALONE, Lineup
from noisecli.engine.slab import Index, Slab
from noisecli.mechanism import Runs
from noisecli.plan import Plan, SeriesPlan, StepPlan
from noisecli.streams import Mask

INTERVAL = pa.schema(
    {
        "step": pa.int64(),  # its number
        "column": pa.string(),  # "" for whole rows
        "entity": pa.string(),
        "first_row": pa.int64(),
        "last_row": pa.int64(),
        "from": pa.string(),
        "to": pa.string(),
        "rows": pa.int64(),
        "changed": pa.int64(),
        "over": pa.int64(),  # the row by which it is known to be over
        "series": pa.int64(),  # its number in the file, or ALONE
    }
)


@dataclass(frozen=True)
class _Found:
    """The runs of one slab."""

    table: pa.Table
    heads: Mask
    """Which begin with the first row that their series has in the slab."""
    tails: Mask
    """Which end with the last one, and may go on."""


class Intervals:
    """The runs of struck rows in one file that are not over yet; those that are go with the slab by which they are."""

    def __init__(self, plan: Plan) -> None:
        assert plan.series is not None
        self._plan = plan
        self._series: SeriesPlan = plan.series
        self._open: dict[tuple[int, str], pa.Table] = {}

    def watch(
        self, number: int, choose: Callable[[StepPlan, str, Flow], Mask]
    ) -> Callable[[Iterator[Flow]], Iterator[Flow]]:
        """Return what notes the runs in slabs that have passed through a step.

        Args:
            number: that of the step.
            choose: says which rows of a slab it strikes in a column, whether they can be changed or not.
        """
        step = self._plan.steps[number]

        def note(flow: Flow) -> Flow:
            for column in ("",) if isinstance(step.corruption, RowsCorruption) else step.columns:
                changed = _changed(flow, number, column)
                # By chance alone words are struck, and not rows.
                by_words = isinstance(step.corruption, TextCorruption)
                by_rows = not by_words or isinstance(self._plan.chooser(step, column), Runs)
                run = choose(step, column, flow) if by_rows else changed
                flow.over.append(self._note((number, column), flow, run, changed))
            return flow

        return lambda flows: map(note, flows)

    def rest(self) -> pa.Table:
        """Return those that last to the end of the file."""
        tables = list(self._open.values())
        return in_order([_with(table, "over", table["last_row"]) for table in tables])

    def _note(self, key: tuple[int, str], flow: Flow, run: Mask, changed: Mask) -> pa.Table:
        """Note the runs of a slab; return those that are over."""
        assert flow.lineup is not None
        lineup, before = flow.lineup, self._open.get(key, INTERVAL.empty_table())
        found = self._find(key, flow.slab, lineup, run, changed)
        known, numbers = np.asarray(before["series"]), np.asarray(found.table["series"])
        joins = found.heads & np.isin(numbers, known)
        earlier = _places(known, numbers[joins])
        new = _joined(before.take(pa.array(earlier)), found.table, joins)
        here = np.isin(known, lineup.numbers)
        ended = here.copy()
        ended[earlier] = False
        over = before.filter(pa.array(ended))
        firsts = lineup.rows[lineup.starts[_places(lineup.numbers, np.asarray(over["series"]))]]
        over = _with(over, "over", pa.array(firsts + flow.slab.first_row))
        kept = [before.filter(pa.array(~here)), new.filter(pa.array(found.tails))]
        self._open[key] = pa.concat_tables(kept).combine_chunks()
        return pa.concat_tables([over, new.filter(pa.array(~found.tails))])

    def _find(self, key: tuple[int, str], slab: Slab, lineup: Lineup, run: Mask, changed: Mask) -> _Found:
        rows, struck = lineup.rows, run[lineup.rows]
        first, last = np.zeros(len(rows), bool), np.zeros(len(rows), bool)
        first[lineup.starts], last[lineup.ends] = True, True
        begins = np.flatnonzero(struck & (first | ~np.roll(struck, 1)))
        ends = np.flatnonzero(struck & (last | ~np.roll(struck, -1)))
        done = np.concatenate([[0], np.cumsum(changed[rows])])
        numbers = lineup.numbers[lineup.series[begins]]
        columns: dict[str, Any] = {
            "step": np.full(len(begins), key[0]),
            "column": pa.repeat(pa.scalar(key[1]), len(begins)),
            "entity": _cells(slab, self._series.entity, rows[begins]),
            "first_row": rows[begins] + slab.first_row,
            "last_row": rows[ends] + slab.first_row,
            "from": _cells(slab, self._series.time, rows[begins]),
            "to": _cells(slab, self._series.time, rows[ends]),
            "rows": ends - begins + 1,
            "changed": done[ends + 1] - done[begins],
            "over": np.where(last[ends], rows[ends], np.roll(rows, -1)[ends]) + slab.first_row,
            "series": numbers,
        }
        return _Found(pa.table(columns, schema=INTERVAL), first[begins], last[ends] & (numbers != ALONE))


def in_order(tables: Sequence[pa.Table]) -> pa.Table:
    """Put intervals that are over in the order in which they came to be so, without those that changed nothing."""
    found = pa.concat_tables([INTERVAL.empty_table(), *tables])
    found = found.filter(pa.array(np.asarray(found["changed"]) > 0)).combine_chunks()
    return found.take(pa.array(np.lexsort([np.asarray(found["step"]), np.asarray(found["over"])])))


def _changed(flow: Flow, number: int, column: str) -> Mask:
    """Which rows of a slab a step has just changed in a column; as a whole those that it could strike at all."""
    mask = np.zeros(flow.slab.rows, bool)
    if column == "":
        mask[:] = flow.order is None
        for rows in [] if flow.order is None else [flow.order, *(gone for step, gone in flow.gone if step == number)]:
            mask[rows] = True
    for change in flow.changes:
        if (change.step, change.column) == (number, column) and change.places is None:
            # A word may be struck and meant to stay.
            mask[change.rows] = differs(change.after, change.before) if change.drawn is not None else True
    return mask


def _cells(slab: Slab, name: str | None, rows: Index) -> pa.Array:
    """Cells of some rows as they are written; nulls of no column."""
    return pa.nulls(len(rows), pa.string()) if name is None else as_written(slab.cells[name].take(pa.array(rows)))


def _places(numbers: Index, asked: Index) -> Index:
    """Where among some numbers, which are there once each, others are."""
    order = np.argsort(numbers, kind="stable")
    return order[np.searchsorted(numbers, asked, sorter=order)]


def _joined(earlier: pa.Table, new: pa.Table, joins: Mask) -> pa.Table:
    """Let some runs begin where earlier ones did."""
    begun = np.where(joins, np.cumsum(joins) - 1, np.arange(len(new)) + len(earlier))
    for name in ("entity", "first_row", "from"):
        both = pa.concat_arrays([*earlier[name].chunks, *new[name].chunks])
        new = _with(new, name, both.take(pa.array(begun)))
    for name in ("rows", "changed"):
        sums = np.asarray(new[name]).copy()
        sums[joins] += np.asarray(earlier[name])
        new = _with(new, name, pa.array(sums))
    return new


def _with(table: pa.Table, name: str, values: Any) -> pa.Table:
    place = INTERVAL.get_field_index(name)
    return table.set_column(place, INTERVAL.field(place), values)
