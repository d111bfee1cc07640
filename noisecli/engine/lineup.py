"""Line up the rows of a slab by the series that they belong to."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from noisecli.columns import NUMBER, Column
from noisecli.engine.slab import Index, Slab
from noisecli.errors import DataProblem
from noisecli.mechanism import groups_of
from noisecli.plan import SeriesPlan
from noisecli.streams import Floats, Mask, Words, scramble, word_of

ALONE = -1
"""Number of a series that has no other row: its row has no entity."""


class OutOfOrder(DataProblem):
    """Times decrease within an entity; the message does not say in which file."""


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

    @property
    def series(self) -> Index:
        """Which of the series each row belongs to, from 0."""
        return np.repeat(np.arange(len(self.starts)), self.lengths)


class Lines:
    """The series of a file, as far as it has been read: a few numbers each."""

    def __init__(self, plan: SeriesPlan, columns: Mapping[str, Column]) -> None:
        self._entity = None if plan.entity is None else columns[plan.entity]
        self._time = None if plan.time is None else columns[plan.time]
        self._numbers: dict[int, int] = {}
        self._alone = 0
        self._rows = Kept(1, 0)
        self._latest = Kept(1, -np.inf)

    def line_up(self, slab: Slab, training: Mask) -> Lineup:
        """Line up the training rows of the slab that follows.

        Raises:
            OutOfOrder: a row's time is before that of an earlier row of its series.
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
        if self._time is not None:
            self._check_times(self._time, slab, lineup)
        return lineup

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

    def _check_times(self, column: Column, slab: Slab, lineup: Lineup) -> None:
        cells = slab.cells[column.name]
        if column.kind in NUMBER:
            times = column.to_numbers(cells)
        else:
            micros, known = column.to_times(cells)
            times = np.where(known, micros.astype(np.float64), np.nan)
        times = times[lineup.rows]
        known = ~np.isnan(times)
        ours, series = times[known], lineup.series[known]
        heads = np.flatnonzero(np.diff(series, prepend=-1))
        before = np.concatenate([np.zeros(min(len(ours), 1)), ours[:-1]])
        before[heads] = self._latest.of(lineup.numbers[series[heads]])[:, 0]
        wrong = lineup.rows[known][ours < before]
        if len(wrong):
            row = int(wrong.min())
            same = "" if self._entity is None else f" of the same {self._entity.name!r}"
            raise OutOfOrder(
                f"row {slab.first_row + row + 1}: {column.name!r} is {cells[row].as_py()}, earlier than in a row{same} "
                f"before it: sort the rows by {column.name!r}, or leave `time` out of `data:`"
            )
        last = np.append(heads[1:], len(ours)) - 1 if len(heads) else heads
        self._latest.keep(lineup.numbers[series[last]], ours[last][:, np.newaxis])


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
