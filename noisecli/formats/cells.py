"""Where the cells of delimited text end, and which delimiter it is that ends them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from noisecli.streams import Mask

NEWLINE, RETURN, QUOTE = b'\n\r"'
DELIMITERS = ",;\t|"
"""What may separate cells, the first that fits wins."""

SAMPLE_ROWS = 100
"""How many rows are looked at to find the delimiter out."""

Bytes = NDArray[np.uint8]
Places = NDArray[np.intp]


@dataclass(frozen=True)
class Cuts:
    """Where cells end in a run of bytes that begins with a row."""

    ends: Places
    """Places of the delimiters and newlines that end cells."""
    newline: Mask
    """Which of them are newlines."""
    closing: Places | None = None
    """Quotes that close a quoted cell; None: where a cell begins and ends with a quote, the two are a pair."""
    quotes: bool = True
    """Whether there may be any quote."""

    @property
    def stop(self) -> int:
        """End of the last whole row; 0 where there is none."""
        back = int(np.argmax(self.newline[::-1])) if len(self.newline) else 0
        last = len(self.ends) - 1 - back
        return int(self.ends[last]) + 1 if last >= 0 and self.newline[last] else 0

    def widths(self) -> Places:
        """Count the cells of each whole row."""
        return np.diff(np.flatnonzero(self.newline), prepend=-1)


def cut(data: bytes, delimiter: str) -> Cuts:
    """Find the cell ends of text that begins with a row."""
    view: Bytes = np.frombuffer(data, np.uint8)
    comma = ord(delimiter)
    is_end = (view == comma) | (view == NEWLINE)
    closing, is_quoted = None, b'"' in data
    if is_quoted:
        quotes = np.flatnonzero(view == QUOTE)
        opening, closes = quotes[0::2], quotes[1::2]
        before = view[np.maximum(opening - 1, 0)]
        # A quote that follows a closing one is the second half of a doubled quote.
        at_start = (opening == 0) | (before == comma) | (before == NEWLINE) | (before == QUOTE)
        if not at_start.all():
            opening, closes = _pairs(view, quotes, comma)
            closing = closes
        inside = np.zeros(len(view) + 1, np.int8)
        inside[opening] = 1
        inside[closes] = -1
        is_end &= np.cumsum(inside[:-1], dtype=np.int8) == 0
    ends = np.flatnonzero(is_end)
    return Cuts(ends, view[ends] == NEWLINE, closing, is_quoted)


def row_ends(data: bytes, delimiter: str) -> NDArray[np.int64]:
    """Find the newlines that end rows of text that begins with a row."""
    if b'"' not in data:
        return np.flatnonzero(np.frombuffer(data, np.uint8) == NEWLINE)
    found = cut(data, delimiter)
    return found.ends[found.newline]


def _pairs(view: Bytes, quotes: Places, comma: int) -> tuple[Places, Places]:
    """Quotes that open cells and those that close them, where other quotes are literal text.

    Quotes come in runs. One of an odd number ends a cell that is open; where none is, it opens one if it stands at the
    start of a cell. An even number changes nothing: all are doubled, or the first opens a cell and the last closes it.
    """
    first = np.flatnonzero(np.diff(quotes, prepend=-2) != 1)
    starts, ends = quotes[first], quotes[np.append(first[1:], len(quotes)) - 1]
    before = view[np.maximum(starts - 1, 0)]
    may_open = (starts == 0) | (before == comma) | (before == NEWLINE)
    odd = (ends - starts) % 2 == 0
    turns = np.cumsum(odd & may_open)  # while every cell that may open does, each of these opens one or ends one
    since = np.maximum.accumulate(np.where(odd & ~may_open, turns, 0))
    is_open = np.append(False, (turns - since)[:-1] % 2 != 0)
    opens = ~is_open & may_open
    return starts[opens], ends[(is_open & odd) | (opens & ~odd)]


def blanks(delimiter: str) -> str:
    """Say what may pad a cell that is not quoted."""
    return " " if delimiter == "\t" else " \t"


def find_delimiter(head: bytes) -> str | None:
    """Choose the delimiter that gives most of the first rows as many cells as the header, more than one."""
    best, most = None, 0.0
    for delimiter in DELIMITERS:
        widths = cut(head, delimiter).widths()[:SAMPLE_ROWS]
        agreeing = int(np.count_nonzero(widths == widths[0])) if len(widths) and widths[0] > 1 else 0
        share = agreeing / max(len(widths), 1)
        if share > most:
            best, most = delimiter, share
    return best
