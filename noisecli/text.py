"""Text cells as code points, characters and words, straight from Arrow buffers."""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from itertools import pairwise

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from noisecli.distance import count_within, levenshtein
from noisecli.graphemes import FIRST_TO_JOIN, PointTable, grapheme_starts
from noisecli.splice import Offsets, slices, splice, stretches, string_buffers
from noisecli.streams import Mask

Points = NDArray[np.uint32]

OTHER, LETTER, MARK, SPACE = range(4)
"""Classes of a code point: marks and joiners belong to the letter before them."""

NEAR = 8
"""Edits that are no more code points apart are compared as one: they may exchange characters."""

PIECE_BYTES = 1 << 16
"""How much text is worked on at once, unless a single cell is longer: each byte takes up to 350 in passing."""

MOST_BYTES = 2_000_000
"""A cell of more bytes is not worked on: its words or characters would take more than 0.8 GB."""


@dataclass(frozen=True)
class Spans:
    """Stretches of code points: the cells of a text, its words or its characters. All arrays have one entry a span."""

    starts: Offsets
    stops: Offsets
    rows: Offsets
    ordinals: Offsets
    """Position among the spans of the row, from 0."""

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, chosen: Mask | Offsets | slice) -> "Spans":
        return Spans(self.starts[chosen], self.stops[chosen], self.rows[chosen], self.ordinals[chosen])

    def moved(self, by: Offsets) -> "Spans":
        """Return each span so many code points further on."""
        return replace(self, starts=self.starts + by, stops=self.stops + by)

    @property
    def followed(self) -> Mask:
        """Which are not the last of their row."""
        return np.append(self.rows[1:] == self.rows[:-1], False)[: len(self)]


@dataclass(frozen=True)
class Edits:
    """Replacements in code points: `points[offsets[i]:offsets[i + 1]]` takes the place of [starts[i], stops[i]).

    They are sorted, do not overlap, and each lies in one row.
    """

    starts: Offsets
    stops: Offsets
    rows: Offsets
    points: Points
    offsets: Offsets

    @classmethod
    def of(cls, spans: Spans, pool: Points, *parts: tuple[Offsets, Offsets]) -> "Edits":
        """Replace each span by some stretches of `pool`, one after the other.

        Args:
            spans: what is replaced.
            pool: code points, say those of a text and some more behind them.
            parts: where the stretches start and stop, each with one entry a span.
        """
        points, offsets = _joined(pool, *parts)
        return cls(spans.starts, spans.stops, spans.rows, points, offsets)

    @property
    def strings(self) -> pa.Array:
        """What takes the place of each, as strings."""
        return _encode(self)

    @classmethod
    def by(cls, spans: Spans, texts: Sequence[str], which: NDArray[np.integer]) -> "Edits":
        """Replace each span by one of some texts."""
        pool, bounds = points_of(texts)
        return cls.of(spans, pool, (bounds[which], bounds[which + 1]))


class Text:
    """A string array without nulls, as code points.

    Attributes:
        array: the strings themselves.
        bounds: (rows + 1,) offsets of the rows into `points`.
    """

    def __init__(self, cells: pa.Array) -> None:
        self.array = cells
        self._data, self._byte_bounds = string_buffers(cells)
        raw = np.frombuffer(self._data, np.uint8)
        self.ascii = not (len(raw) and raw.max() >= 0x80)
        self._byte_starts: Offsets | None = None
        self.bounds = self._byte_bounds
        if not self.ascii:
            self._byte_starts = np.append(np.flatnonzero((raw & 0xC0) != 0x80), len(raw))
            self.bounds = np.searchsorted(self._byte_starts, self._byte_bounds)

    def __len__(self) -> int:
        """How many code points there are."""
        return int(self.bounds[-1])

    @cached_property
    def points(self) -> Points:
        """All code points, (n,) uint32."""
        if self.ascii:
            return np.frombuffer(self._data, np.uint8).astype(np.uint32)
        return np.frombuffer(self._data.to_pybytes().decode("utf-8").encode("utf-32-le"), "<u4")

    @cached_property
    def classes(self) -> NDArray[np.uint8]:
        """Class of every code point: OTHER, LETTER (or digit), MARK, SPACE."""
        if self.ascii:  # a third of the time
            return np.frombuffer(self._data.to_pybytes().translate(_ascii_classes()), np.uint8)
        classes: NDArray[np.uint8] = _CLASSES(self.points)
        return classes

    @cached_property
    def simple(self) -> bool:
        """Whether it is known without a closer look that each code point is a character of its own."""
        if self.ascii:
            return b"\r" not in self._data.to_pybytes()
        return bool(self.points.max(initial=0) < FIRST_TO_JOIN and not (self.points == ord("\r")).any())

    @cached_property
    def cells(self) -> Spans:
        """The whole text of each row, unless it is empty."""
        rows = np.flatnonzero(np.diff(self.bounds))
        return Spans(self.bounds[rows], self.bounds[rows + 1], rows, np.zeros(len(rows), np.int64))

    @cached_property
    def characters(self) -> Spans:
        """What people see as one character: a letter with its marks, an emoji of several parts, a line end.

        Source: Unicode Standard Annex 29, extended grapheme clusters.
        """
        if self.simple:
            starts, widths = np.arange(len(self)), np.diff(self.bounds)
            rows = np.repeat(np.arange(len(widths)), widths)
            return Spans(starts, starts + 1, rows, starts - self.bounds[rows])
        starts = np.flatnonzero(grapheme_starts(self.points, self.bounds))
        return self.spans_at(starts, np.append(starts[1:], len(self.points)) if len(starts) else starts)

    @cached_property
    def words(self) -> Spans:
        """Stretches of characters between white space; a row's end ends a word."""
        inside = np.append(self.classes != SPACE, False)
        if not self.ascii and not self.simple:  # a mark on a space is no word
            inside[:-1] = np.repeat(inside[self.characters.starts], self.characters.stops - self.characters.starts)
        before = np.concatenate([[False], inside[:-1]])
        turns = inside != before
        turns[self.bounds] = True
        return self.spans_at(np.flatnonzero(inside & turns), np.flatnonzero(before & turns))

    def spans_at(self, starts: Offsets, stops: Offsets) -> Spans:
        """Return the spans that start and stop at such code points, in order and each in one row."""
        firsts = np.searchsorted(starts, self.bounds)
        rows = np.repeat(np.arange(len(self.bounds) - 1), np.diff(firsts))
        return Spans(starts, stops, rows, np.arange(len(starts)) - firsts[rows])

    @cached_property
    def character_of(self) -> Offsets:
        """Number of the character that each code point belongs to."""
        if self.simple:
            return np.arange(len(self))
        return np.repeat(np.arange(len(self.characters)), self.characters.stops - self.characters.starts)

    def count_within(self, flags: Mask, spans: Spans) -> Offsets:
        """How many flagged characters each span of whole characters holds."""
        running = np.concatenate([[0], np.cumsum(flags)])
        first, end = self.numbers(spans)
        counts: Offsets = running[end] - running[first]
        return counts

    def any_within(self, flags: Mask, spans: Spans) -> Mask:
        """Say which spans of whole characters hold a flagged one."""
        first, end = self.numbers(spans)
        found: Mask = flags[first]  # mostly it is the first
        rest = np.flatnonzero(~found)
        if len(rest):
            first, end = first[rest], end[rest]
            found[rest] = count_within(flags[stretches(first, end)], end - first) > 0
        return found

    def nth_within(self, flags: Mask, spans: Spans, index: Offsets) -> Offsets:
        """Number of the `index`-th (from 0) flagged character of each span of whole characters."""
        flagged = np.flatnonzero(flags)
        first, _ = self.numbers(spans)
        number: Offsets = flagged[np.searchsorted(flagged, first) + index]
        return number

    def numbers(self, spans: Spans) -> tuple[Offsets, Offsets]:
        """Numbers of the first character of each span of whole characters, and of the one behind its last."""
        if self.simple:
            return spans.starts, spans.stops
        return self.character_of[spans.starts], self.character_of[spans.stops - 1] + 1

    def same(self, some: Spans, others: Spans) -> Mask:
        """Say whether each of some spans reads as another one does."""
        size = some.stops - some.starts
        alike = size == others.stops - others.starts
        size = np.where(alike, size, 0)
        one, other = (self.points[stretches(s.starts, s.starts + size)] for s in (some, others))
        return np.asarray(alike & (count_within(one != other, size) == 0), dtype=bool)

    def differs_from_next(self, spans: Spans, among: Mask) -> Mask:
        """Say which of some spans are followed in their row by one that reads otherwise; no others than those among."""
        found = among & spans.followed
        pairs = np.flatnonzero(found)
        found[pairs] = ~self.same(spans[pairs], spans[pairs + 1])
        return found

    @cached_property
    def letters(self) -> Mask:
        """Characters that are a letter or digit, with all that belongs to it."""
        classes = self.classes if self.simple else self.classes[self.characters.starts]
        return np.asarray(classes == LETTER, dtype=bool)

    @cached_property
    def transposable(self) -> Mask:
        """Letters whose right neighbour is another letter of the same word."""
        return self.differs_from_next(
            self.characters, self.letters & np.append(self.letters[1:], False)[: len(self.letters)]
        )

    def texts(self) -> list[str]:
        """Return the text of each row."""
        points = self.points.astype("<u4").tobytes().decode("utf-32-le")
        return [points[start:stop] for start, stop in pairwise(self.bounds.tolist())]

    def strings(self, spans: Spans) -> pa.Array:
        """Return some spans as strings of their own."""
        taken = slices(self._data, self._to_bytes(spans.starts), self._to_bytes(spans.stops))
        return taken.cast(pa.large_string())

    def replace(self, edits: Edits) -> pa.Array:
        """Return the text with the edits made; bytes outside them are the same."""
        replacements = edits.strings
        starts, stops = self._to_bytes(edits.starts), self._to_bytes(edits.stops)
        _, replaced = string_buffers(replacements)
        data = splice(self._data, starts, stops, replacements)
        growth = np.zeros(len(self._byte_bounds), np.int64)
        np.add.at(growth, edits.rows + 1, np.diff(replaced) - (stops - starts))
        bounds = self._byte_bounds + np.cumsum(growth)
        wide = pa.Array.from_buffers(pa.large_string(), len(bounds) - 1, [None, pa.py_buffer(bounds), data])
        return wide.cast(self.array.type)

    def distance(self, edits: Edits) -> int:
        """Count the code points that edits replace, add or remove: the edit distance, or a little more where edits far
        from each other could be explained by fewer."""
        if len(edits.starts) == 0:
            return 0
        apart = (edits.starts[1:] - edits.stops[:-1] > NEAR) | (edits.rows[1:] != edits.rows[:-1])
        heads = np.flatnonzero(np.append(True, apart))
        tails = np.append(heads[1:], len(edits.starts)) - 1
        numbers = np.arange(len(edits.starts))
        least = np.add.reduceat(self._distances(edits, numbers, numbers), heads)
        several = np.flatnonzero(tails > heads)
        if len(several):
            alone = least[several]
            least[several] = np.minimum(alone, self._distances(edits, heads[several], tails[several], alone))
        return int(least.sum())

    def count_same(self, edits: Edits) -> int:
        """Count the edits that leave everything as it is."""
        numbers = np.arange(len(edits.starts))
        return int(np.count_nonzero(self._distances(edits, numbers, numbers) == 0))

    def _distances(self, edits: Edits, heads: Offsets, tails: Offsets, enough: Offsets | None = None) -> Offsets:
        """Edit distances of some edits, each with those that follow it up to a last one; `enough` as `levenshtein`."""
        starts, stops = edits.starts[heads], edits.stops[tails]
        bounds = np.concatenate([[0], np.cumsum(stops - starts)])
        among = stretches(heads, tails + 1)
        firsts = np.cumsum(tails - heads + 1) - (tails - heads + 1)
        gaps = np.append(0, edits.stops)[among]
        gaps[firsts] = starts
        own = edits.offsets + len(self.points)
        pool = np.concatenate([self.points, edits.points])
        new, offsets = _joined(pool, (gaps, edits.starts[among]), (own[among], own[among + 1]))
        new_bounds = offsets[np.append(firsts, len(among))]
        return levenshtein(self.points[stretches(starts, stops)], bounds, new, new_bounds, enough)

    def _to_bytes(self, positions: Offsets) -> Offsets:
        return positions if self._byte_starts is None else self._byte_starts[positions]


def _joined(pool: Points, *parts: tuple[Offsets, Offsets]) -> tuple[Points, Offsets]:
    """Return stretches of `pool`, each with those of the later parts behind it, and where each of the first begins."""
    starts, stops = (np.stack(ends, axis=1) for ends in zip(*parts, strict=True))
    offsets = np.concatenate([[0], np.cumsum((stops - starts).sum(axis=1))])
    return pool[stretches(starts.ravel(), stops.ravel())], offsets


def pieces(sizes: Offsets) -> Iterator[slice]:
    """Cut cells of so many bytes each where they become too much to be worked on at once."""
    ends = np.cumsum(sizes)
    first = 0
    while first < len(sizes):
        done = int(ends[first - 1]) if first else 0
        stop = max(first + 1, int(np.searchsorted(ends, done + PIECE_BYTES, side="right")))
        yield slice(first, stop)
        first = stop


def points_of(texts: Sequence[str]) -> tuple[Points, Offsets]:
    """Return the code points of some texts, and where each begins and ends, (texts + 1,)."""
    points = np.frombuffer("".join(texts).encode("utf-32-le"), "<u4").astype(np.uint32)
    return points, np.concatenate([[0], np.cumsum([len(text) for text in texts], dtype=np.int64)])


def _encode(edits: Edits) -> pa.Array:
    points = np.ascontiguousarray(edits.points, dtype="<u4")
    data = points.tobytes().decode("utf-32-le").encode("utf-8")
    widths = 1 + (points >= 0x80).astype(np.int64) + (points >= 0x800) + (points >= 0x10000)
    offsets = np.concatenate([[0], np.cumsum(widths)])[edits.offsets].astype(np.int64)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.large_string(), len(offsets) - 1, buffers)


def _classify(character: str) -> int:
    if character.isspace():
        return SPACE
    category = unicodedata.category(character)
    if category[0] == "M" or category == "Cf":
        return MARK
    return LETTER if category[0] in "LN" else OTHER


_CLASSES = PointTable(_classify)


@cache
def _ascii_classes() -> bytes:
    return bytes(map(_classify, map(chr, range(256))))
