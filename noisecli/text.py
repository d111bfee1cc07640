"""Text cells as code points and words, straight from Arrow buffers."""

import unicodedata
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from noisecli.splice import Offsets, splice, string_buffers
from noisecli.streams import Mask

Points = NDArray[np.uint32]

OTHER, LETTER, MARK, SPACE = range(4)
"""Classes of a code point: marks and joiners belong to the letter before them."""

_pages: dict[int, NDArray[np.uint8]] = {}


@dataclass(frozen=True)
class Spans:
    """Stretches of code points: words of a text. All arrays have one entry a span."""

    starts: Offsets
    stops: Offsets
    rows: Offsets
    ordinals: Offsets
    """Position among the spans of the row, from 0."""

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, chosen: Mask | Offsets) -> "Spans":
        return Spans(self.starts[chosen], self.stops[chosen], self.rows[chosen], self.ordinals[chosen])


@dataclass(frozen=True)
class Edits:
    """Replacements in code points: `points[offsets[i]:offsets[i + 1]]` takes the place of [starts[i], stops[i])."""

    starts: Offsets
    stops: Offsets
    points: Points
    offsets: Offsets


class Text:
    """A string array without nulls, as code points.

    Attributes:
        points: all code points, (n,) uint32.
        bounds: (rows + 1,) offsets of the rows into `points`.
    """

    def __init__(self, cells: pa.Array) -> None:
        self._type = cells.type
        self._data, self._byte_bounds = string_buffers(cells)
        raw = np.frombuffer(self._data, np.uint8)
        self._ascii = not (len(raw) and raw.max() >= 0x80)
        if self._ascii:
            self.points: Points = raw.astype(np.uint32)
            self._byte_starts = None
            self.bounds = self._byte_bounds
        else:
            self.points = np.frombuffer(self._data.to_pybytes().decode("utf-8").encode("utf-32-le"), "<u4")
            leading = (raw & 0xC0) != 0x80
            self._byte_starts = np.append(np.flatnonzero(leading), len(raw))
            self.bounds = np.concatenate([[0], np.cumsum(leading)])[self._byte_bounds]

    @cached_property
    def classes(self) -> NDArray[np.uint8]:
        """Class of every code point: OTHER, LETTER (or digit), MARK, SPACE."""
        pages = np.flatnonzero(np.bincount(self.points >> 8)) if len(self.points) else np.zeros(0, int)
        table = np.zeros((int(pages.max(initial=0)) + 1, 256), np.uint8)
        for page in pages.tolist():
            table[page] = _page(page)
        classes: NDArray[np.uint8] = table.ravel()[self.points]
        return classes

    def words(self) -> Spans:
        """Stretches between white space; a row's end ends a word."""
        size = len(self.points)
        inside = np.zeros(size + 1, bool)
        inside[:size] = self.classes != SPACE
        breaks = np.zeros(size + 1, bool)
        breaks[self.bounds] = True
        before = np.concatenate([[False], inside[:-1]])
        starts = np.flatnonzero(inside & (~before | breaks))
        stops = np.flatnonzero(before & (~inside | breaks))
        rows = np.searchsorted(self.bounds, starts, side="right") - 1
        first_of_row = np.searchsorted(starts, self.bounds[:-1])
        return Spans(starts, stops, rows, np.arange(len(starts)) - first_of_row[rows])

    def count_within(self, flags: Mask, spans: Spans) -> Offsets:
        """How many flagged code points each span holds."""
        running = np.concatenate([[0], np.cumsum(flags)])
        counts: Offsets = running[spans.stops] - running[spans.starts]
        return counts

    def nth_within(self, flags: Mask, spans: Spans, index: Offsets) -> Offsets:
        """Position of the `index`-th (from 0) flagged code point of each span."""
        flagged = np.flatnonzero(flags)
        position: Offsets = flagged[np.searchsorted(flagged, spans.starts) + index]
        return position

    def replace(self, edits: Edits, rows: Offsets) -> pa.Array:
        """Return the text with the edits made, each in its row; bytes outside them are the same."""
        replacements = _encode(edits)
        starts, stops = self._to_bytes(edits.starts), self._to_bytes(edits.stops)
        _, replaced = string_buffers(replacements)
        data = splice(self._data, starts, stops, replacements)
        growth = np.zeros(len(self._byte_bounds), np.int64)
        np.add.at(growth, rows + 1, np.diff(replaced) - (stops - starts))
        bounds = self._byte_bounds + np.cumsum(growth)
        wide = pa.Array.from_buffers(pa.large_string(), len(bounds) - 1, [None, pa.py_buffer(bounds), data])
        return wide.cast(self._type)

    def _to_bytes(self, positions: Offsets) -> Offsets:
        return positions if self._byte_starts is None else self._byte_starts[positions]


def _encode(edits: Edits) -> pa.Array:
    points = np.ascontiguousarray(edits.points, dtype="<u4")
    data = points.tobytes().decode("utf-32-le").encode("utf-8")
    widths = 1 + (points >= 0x80).astype(np.int64) + (points >= 0x800) + (points >= 0x10000)
    offsets = np.concatenate([[0], np.cumsum(widths)])[edits.offsets].astype(np.int64)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.large_string(), len(offsets) - 1, buffers)


def _page(page: int) -> NDArray[np.uint8]:
    if page not in _pages:
        _pages[page] = np.array([_classify(chr(page << 8 | low)) for low in range(256)], np.uint8)
    return _pages[page]


def _classify(character: str) -> int:
    if character.isspace():
        return SPACE
    category = unicodedata.category(character)
    if category[0] == "M" or category == "Cf":
        return MARK
    return LETTER if category[0] in "LN" else OTHER
