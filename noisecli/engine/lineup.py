"""Line up the rows of a slab by the series that they belong to."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from noisecli.columns import NUMBER, Column
from noisecli.corruption import Series
from noisecli.engine.slab import Index, Slab
from noisecli.errors import RowProblem
from noisecli.mechanism import groups_of
from noisecli.plan import SeriesPlan
from noisecli.streams import Floats, Mask, Words, scramble, word_of

ALONE = -1
"""Number of a series that has no other row: its row has no entity."""


SECOND = 1e6
"""Microseconds in a unit of a time that is a number: such count seconds."""


@dataclass(frozen=True)
class Lineup:
    """The rows of a slab that belong to series, one series after the other."""

    rows: Index
    """Rows of the slab; those of a series ascend."""
    starts: Index
    """Where in `rows` each series begins."""
    lengths: Index
    """How many rows of each series there are."""
    numbers: Index
    """Number of each series in its file, or ALONE."""
    words: Words
    """Hash of each series' name."""
    ordinals: Index
    """Which of its series each row is, from 0."""
    times: Floats | None = None
    """When each row was, in microseconds, as in `Series`; None: no column says so."""
    passed: Floats | None = None
    """Microseconds since the row before it in its series; 0 where that is not known."""

    @property
    def ends(self) -> Index:
        """Where in `rows` the last row of each series is."""
        return self.starts + self.lengths - 1

    @property
    def series(self) -> Index:
        """Which of the series each row belongs to, from 0."""
        return np.repeat(np.arange(len(self.starts)), self.lengths)

    def for_op(self, values: Floats, struck: Mask, memory: "Kept") -> Series:
        """Return what an op is given: a number of each row of the slab, which are struck, and what it has kept."""
        kept = memory.of(self.numbers)
        return Series(values[self.rows], self.ordinals, self.starts, struck[self.rows], kept, self.times)


class Lines:
    """The series of a file, as far as it has been read: a few numbers each."""

    def __init__(self, plan: SeriesPlan, columns: Mapping[str, Column]) -> None:
        self._entity = None if plan.entity is None else columns[plan.entity]
        self._time = columns[plan.time] if plan.time and plan.along else None
        self._numbers: dict[int, int] = {}
        self._alone = 0
        self._rows = Kept(1, 0)
        self._latest = Kept(1, np.nan)

    def line_up(self, slab: Slab, training: Mask) -> Lineup:
        """Line up the training rows of the slab that follows.

        Raises:
            RowProblem: a row's time is before that of an earlier row of its series.
        """
        rows = np.flatnonzero(training)
        words, codes, alone = self._named(slab, rows)
        order = np.argsort(codes, kind="stable")
        starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
        found, lengths = codes[order][starts], np.diff(starts, append=len(rows))
        known = words[found[found < alone]].tolist()
        numbers = np.full(len(found), ALONE)
        numbers[: len(known)] = [self._numbers.setdefault(word, len(self._numbers)) for word in known]
        seen = self._rows.of(numbers)
        self._rows.keep(numbers, seen + lengths[:, np.newaxis])
        ordinals = np.arange(len(rows)) + np.repeat(seen[:, 0].astype(np.intp) - starts, lengths)
        lineup = Lineup(rows[order], starts, lengths, numbers, words[found], ordinals)
        return lineup if self._time is None else self._with_times(self._time, slab, lineup)

    def _named(self, slab: Slab, rows: Index) -> tuple[Words, Index, int]:
        """Hash the names of the series, and say which each row belongs to; from a certain one on they have one row."""
        if self._entity is None:
            return np.array([word_of("")], np.uint64), np.zeros(len(rows), np.intp), 1
        names, codes = groups_of(self._entity, slab.cells)
        # Several spellings of a number have one name.
        words, which = np.unique(np.array([word_of(name or "") for name in names], np.uint64), return_inverse=True)
        nameless = np.array([name is None for name in names])[codes[rows]]
        series = which[codes[rows]]
        count = int(np.count_nonzero(nameless))
        series[nameless] = len(words) + np.arange(count)
        single = scramble(0, self._alone + np.arange(count)) if count else np.zeros(0, np.uint64)
        self._alone += count
        return np.concatenate([words, single]), series, len(words)

    def _with_times(self, column: Column, slab: Slab, lineup: Lineup) -> Lineup:
        """Say when each row was, as far as it or an earlier row of its series says so."""
        own = _moments(column, slab.cells[column.name])[lineup.rows]
        said = np.maximum.accumulate(np.where(np.isnan(own), -1, np.arange(len(own))))
        latest = self._latest.of(lineup.numbers)[:, 0]
        times = np.where(said < lineup.starts[lineup.series], latest[lineup.series], own[said])
        before = np.append(np.nan, times[:-1])[: len(times)]
        before[lineup.starts] = latest
        self._check_order(column, slab, lineup.rows[times < before])
        self._latest.keep(lineup.numbers, times[lineup.ends][:, np.newaxis])
        with np.errstate(invalid="ignore"):
            passed = times - before
        times = np.where(np.isfinite(times), times, np.nan)
        return replace(lineup, times=times, passed=np.where(np.isfinite(passed), passed, 0.0))

    def _check_order(self, column: Column, slab: Slab, wrong: Index) -> None:
        """Refuse rows that are earlier than one of the same series before them."""
        if len(wrong) == 0:
            return
        row = int(wrong.min())
        said = slab.cells[column.name][row].as_py()
        same, several = "", ", name the devices with `data: {entity: COLUMN}` if there are several"
        if self._entity is not None:
            same, several = f" of the same {self._entity.name!r}", ""
        raise RowProblem(
            f"row {slab.first_row + row + 1}: {column.name!r} is {said}, earlier than in a row{same} "
            f"before it: sort the rows by {column.name!r}{several}, or leave `time` out of `data:`"
        )


def _moments(column: Column, cells: pa.Array) -> Floats:
    """Times in microseconds, NaN for what is none."""
    if column.kind in NUMBER:
        with np.errstate(over="ignore"):
            return column.to_numbers(cells) * SECOND
    micros, understood = column.to_times(cells)
    return np.where(understood, micros.astype(np.float64), np.nan)


class Kept:
    """Some numbers for each series of a file."""

    def __init__(self, width: int, unknown: float) -> None:
        self._unknown = unknown
        self._table: Floats = np.full((1, width), unknown)

    def of(self, numbers: Index) -> Floats:
        """Return (series, width) what is kept of some series; `unknown` of those that are new."""
        known = (numbers >= 0) & (numbers < len(self._table))
        found = self._table[np.where(known, numbers, 0)]
        found[~known] = self._unknown
        return found

    def keep(self, numbers: Index, new: Floats) -> None:
        """Keep numbers of some series until they are asked for again."""
        old, needed = self._table, int(numbers.max(initial=0)) + 1
        if needed > len(old):
            # Twice as many as there were: so it is copied seldom.
            self._table = np.full((max(needed, 2 * len(old)), old.shape[1]), self._unknown)
            self._table[: len(old)] = old
        lasting = numbers != ALONE
        self._table[numbers[lasting]] = new[lasting]
