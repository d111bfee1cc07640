"""Mechanisms settled for a column: which cells of a block are chosen."""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from noisecli.columns import Column, Kind
from noisecli.elementary import exp
from noisecli.mechanism.curve import Curve
from noisecli.streams import BLOCK, Floats, Mask, Stream, strike, to_uniform


def strike_cells(stream: Stream, column: str, block: int, rate: float | Floats) -> Mask:
    """Strike each slot of a block with the same probability (mcar), or each with its own."""
    if isinstance(rate, float | int) and rate >= 1:  # whatever is drawn
        return np.ones(BLOCK, bool)
    return strike(stream.generator("strike", column, block), rate)


class Chooser(ABC):
    """A mechanism settled for one column of one step."""

    @property
    def reads(self) -> tuple[str, ...]:
        """Columns whose clean cells it looks at."""
        return ()

    @abstractmethod
    def choose(
        self, stream: Stream, column: str, block: int, slots: slice, cells: Mapping[str, pa.Array], rate: float
    ) -> Mask:
        """Say which slots are struck, eligible or not.

        Args:
            stream: the random numbers of the step.
            column: what they are drawn for; "" for whole rows.
            block: number of the block.
            slots: some consecutive slots of it.
            cells: clean cells of these slots, by column.
            rate: share that is struck.
        """

    def chances(
        self, stream: Stream, column: str, block: int, slots: slice, cells: Mapping[str, pa.Array], rate: float
    ) -> Floats:
        """Say how likely each word in some slots is struck: by default all words of a chosen row are, and no others."""
        return self.choose(stream, column, block, slots, cells, rate).astype(np.float64)


@dataclass(frozen=True)
class ByCurve(Chooser):
    """mar, mnar, and a window in which chances change: each cell has the chance that a curve gives it."""

    curve: Curve
    solved: float
    """The number by which its mean is the rate."""

    @property
    def reads(self) -> tuple[str, ...]:
        return self.curve.reads

    def choose(
        self, stream: Stream, column: str, block: int, slots: slice, cells: Mapping[str, pa.Array], rate: float
    ) -> Mask:
        chances = np.zeros(BLOCK)
        chances[slots] = self.chances(stream, column, block, slots, cells, rate)
        return strike_cells(stream, column, block, chances)[slots]

    def chances(
        self, stream: Stream, column: str, block: int, slots: slice, cells: Mapping[str, pa.Array], rate: float
    ) -> Floats:
        rows = range(block * BLOCK + slots.start, block * BLOCK + slots.stop)
        return self.curve.chances(self.solved)[self.curve.bins(cells, rows)]


class Runs(Chooser):
    """burst: runs of struck rows, the two states of a Markov chain that each row's uniform drives.

    Source: Gilbert 1960, "Capacity of a Burst-Noise Channel".
    """

    in_time: ClassVar[bool]
    """Whether it matters how much time lies between rows, so that they must belong to a series."""

    @property
    @abstractmethod
    def share(self) -> float:
        """How much is struck in the long run."""

    @abstractmethod
    def odds(self, passed: Floats) -> tuple[Floats, Floats]:
        """Say how likely rows are struck after one that is not, and after one that is.

        The second is not less than the first, and neither falls with the rate, or strikes would not nest.

        Args:
            passed: microseconds since the row before.
        """

    def along(self, uniforms: Floats, starts: NDArray[np.intp], before: Floats, passed: Floats) -> Mask:
        """Say which rows of some series, one series after the other, are struck.

        Args:
            uniforms: a random number for each row.
            starts: where each series begins.
            before: whether the row before these is struck, 1 or 0; NaN where there is none.
            passed: microseconds since the row before.
        """
        first = starts[np.isnan(before)]
        enter, stay = self.odds(passed)
        struck, deciding = uniforms < enter, (uniforms < enter) | (uniforms >= stay)
        struck[first], deciding[first] = uniforms[first] < self.share, True
        lengths = np.diff(starts, append=len(uniforms))
        settled = np.maximum.accumulate(np.where(deciding, np.arange(len(uniforms)), -1))
        return np.where(settled < np.repeat(starts, lengths), np.repeat(before == 1, lengths), struck[settled])


@dataclass(frozen=True)
class InTime(Runs):
    """Runs that last so long on average, however far apart rows are: the chain in continuous time.

    A row is struck after some time dt with probability rate + (1 - rate) exp(-pace dt) where it was struck before it,
    and rate (1 - exp(-pace dt)) where it was not; the pace is that of leaving and entering together. So each row by
    itself is struck with the probability `rate`.
    """

    in_time = True
    rate: float
    length: float
    """Mean duration of a run in microseconds."""

    @property
    def share(self) -> float:
        return self.rate

    def odds(self, passed: Floats) -> tuple[Floats, Floats]:
        kept = exp(-passed / (self.length * (1 - self.rate)))
        return self.rate * (1 - kept), self.rate + (1 - self.rate) * kept

    def choose(
        self, stream: Stream, column: str, block: int, slots: slice, cells: Mapping[str, pa.Array], rate: float
    ) -> Mask:
        raise NotImplementedError("only along series")


@dataclass(frozen=True)
class InRuns(Runs):
    """Runs of so many rows on average."""

    in_time = False
    enter: float
    """Probability that a row is struck after one that is not."""
    stay: float
    """Probability that a row is struck after one that is; not less than `enter`, or strikes would not nest."""

    def choose(
        self, stream: Stream, column: str, block: int, slots: slice, cells: Mapping[str, pa.Array], rate: float
    ) -> Mask:
        runs = self._runs(stream, column, block)
        states = runs.states[slots]
        if slots.start < runs.settled and self._goes_on(stream, column, block):
            states = states.copy()
            states[: runs.settled - slots.start] = True
        return states

    def odds(self, passed: Floats) -> tuple[Floats, Floats]:
        return np.full(len(passed), self.enter), np.full(len(passed), self.stay)

    @property
    def share(self) -> float:
        return self.enter / (1 + self.enter - self.stay)

    def _runs(self, stream: Stream, column: str, block: int) -> "_Runs":
        return _runs(stream, column, block, self.enter, self.stay)

    def _goes_on(self, stream: Stream, column: str, block: int) -> bool:
        """Whether the last row before a block is struck; before the first one the chain is as it is in the long run."""
        for number in range(block - 1, -1, -1):
            end = _end(stream, column, number, self.enter, self.stay)
            if end is not None:
                return end
        return self._runs(stream, column, 0).start < self.share


@dataclass(frozen=True)
class _Runs:
    """The runs of a block if the row before it is not struck."""

    states: Mask
    settled: int
    """First slot whose state does not depend on the row before it; those ahead of it keep that row's."""
    start: float
    """What decides about the row before a file's first block."""


@lru_cache(maxsize=64)
def _runs(stream: Stream, column: str, block: int, enter: float, stay: float) -> _Runs:
    uniform = stream.generator("strike", column, block).random(BLOCK + 1)
    struck, start = uniform[:BLOCK], float(uniform[BLOCK])
    # A uniform below `enter` strikes, one from `stay` on does not, and one between keeps the state.
    deciding = np.flatnonzero((struck < enter) | (struck >= stay))
    settled = int(deciding[0]) if len(deciding) else BLOCK
    states = np.zeros(BLOCK, bool)
    states[settled:] = np.repeat(struck[deciding] < enter, np.diff(deciding, append=BLOCK))
    states.flags.writeable = False
    return _Runs(states, settled, start)


@lru_cache(maxsize=1 << 16)
def _end(stream: Stream, column: str, block: int, enter: float, stay: float) -> bool | None:
    """State of a block's last row; None: that of the row before the block."""
    runs = _runs(stream, column, block, enter, stay)
    return bool(runs.states[-1]) if runs.settled < BLOCK else None


@dataclass(frozen=True)
class ByGroup(Chooser):
    """clustered: all rows with the same value of some columns are struck, or none.

    Rows without a value in one of them are struck each for itself.
    """

    by: tuple[Column, ...]

    @property
    def reads(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.by)

    def choose(
        self, stream: Stream, column: str, block: int, slots: slice, cells: Mapping[str, pa.Array], rate: float
    ) -> Mask:
        groups = [groups_of(column, cells) for column in self.by]
        names, codes = groups[0] if len(groups) == 1 else _combinations(groups)
        alone = np.array([name is None for name in names])[codes]
        struck = to_uniform(stream.words("cluster", column, [name or "" for name in names])) < rate
        return np.where(alone, strike_cells(stream, column, block, rate)[slots], struck[codes])


Names = list[str | None]
Codes = NDArray[np.int64]


def groups_of(by: Column, cells: Mapping[str, pa.Array]) -> tuple[Names, Codes]:
    """The names of the groups that the values of a column make, None for no value, and each row's group."""
    groups = cells[by.name].dictionary_encode()
    names = [*_names(by, groups.dictionary), None]
    return names, groups.indices.cast(pa.int64()).fill_null(len(names) - 1).to_numpy(zero_copy_only=False)


def _combinations(groups: Sequence[tuple[Names, Codes]]) -> tuple[Names, Codes]:
    """The groups that several columns make together; without a value in one of them a row has none."""
    (first, codes), *others = groups
    said: list[Names] = [[name] for name in first]
    for names, more in others:
        found, codes = np.unique(codes * len(names) + more, return_inverse=True)
        said = [[*said[pair // len(names)], names[pair % len(names)]] for pair in found.tolist()]
    return [None if None in parts else json.dumps(parts, ensure_ascii=False) for parts in said], codes


def _names(by: Column, values: pa.Array) -> list[str | None]:
    """Name values, alike in every format and however a number or a time is written."""
    if by.kind is Kind.FLOAT:
        # A negative zero is zero.
        return [None if number != number else repr(number + 0.0) for number in by.to_numbers(values).tolist()]
    if by.kind in (Kind.DATE, Kind.DATETIME):
        times, valid = by.to_times(values)
        return [str(time) if known else None for time, known in zip(times.tolist(), valid, strict=True)]
    texts: list[str | None] = values.cast(pa.string()).to_pylist()
    if by.kind is Kind.INTEGER:
        return [text and _plain(text) for text in texts]
    return [text and text.lower() for text in texts] if by.kind is Kind.BOOL else texts


def _plain(integer: str) -> str:
    """Write an integer of a CSV file as any other format would: no plus, no negative zero."""
    return "0" if integer == "-0" else integer.removeprefix("+")
