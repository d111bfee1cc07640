"""Where the members of JSON objects lie, one object a line: found in the bytes of many lines at once."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from noisecli.streams import Mask

BLANKS = b" \t\r\n"
"""What may stand between tokens."""

QUOTE, ESCAPE, NEWLINE, OPEN, CLOSE, COLON, COMMA = range(1, 8)

SIGNS = {b'"': QUOTE, b"\\": ESCAPE, b"\n": NEWLINE, b"{[": OPEN, b"}]": CLOSE, b":": COLON, b",": COMMA}
CLASSES = bytes(next((sign for signs, sign in SIGNS.items() if byte in signs), 0) for byte in range(256))
"""By byte, which sign it is; 0 for all others."""

DEEPER = np.array([0, 0, 0, 0, 1, -1, 0, 0], np.int8)
"""By sign, how it changes the depth of nesting."""

Places = NDArray[np.int64]


@dataclass(frozen=True)
class Members:
    """Keys and values of objects in order, as stretches of bytes: keys without quotes, values with blanks around."""

    rows: Places
    key_starts: Places
    key_stops: Places
    starts: Places
    stops: Places


class Tokens:
    """The signs of some lines that count: quotes of strings, what stands outside of strings, and ends of rows."""

    def __init__(self, data: bytes, written: Mask) -> None:
        signs = np.frombuffer(data.translate(CLASSES), np.uint8)
        self._places: Places = np.flatnonzero(signs).astype(np.int64, copy=False)
        self._signs = signs[self._places]
        self.escapes = bool((self._signs == ESCAPE).any())
        """Whether there is any backslash."""
        if self.escapes:
            self._keep(self._literal(len(data)))
        if not written.all():
            blank = np.zeros(len(self._signs), bool)
            blank[np.flatnonzero(self._signs == NEWLINE)[~written]] = True
            self._keep(~blank)
        self.ends: Places = self._places[self._signs == NEWLINE]
        """Place of the newline of each row, that is of each line that is `written`, not blank."""
        quotes = np.cumsum(self._signs == QUOTE, dtype=np.int32)
        self.broken: Mask = self._by_row(quotes) % 2 != 0
        """Rows that end within a string or a bracket."""
        if self.broken.any():
            self._drop(self.broken)
            quotes = np.cumsum(self._signs == QUOTE, dtype=np.int32)
        self._keep((quotes % 2 == 0) | (self._signs == QUOTE))
        self.broken = self.broken | (self._by_row(np.cumsum(DEEPER[self._signs], dtype=np.int32)) != 0)
        self._drop(self.broken)
        depth = np.cumsum(DEEPER[self._signs], dtype=np.int32)
        self._colons = (self._signs == COLON) & (depth == 1)
        self._stops = ((self._signs == COMMA) & (depth == 1)) | ((self._signs == CLOSE) & (depth == 0))
        # The brace that ends an empty object ends no value.
        self._stops[1:] &= ~((self._signs[1:] == CLOSE) & (self._signs[:-1] == OPEN) & (depth[1:] == 0))

    def count(self) -> Places:
        """Count the members of each row's object."""
        return self._by_row(np.cumsum(self._colons))

    def members(self, without: Mask) -> Members:
        """Find the members of all rows that are objects; the others are to be left out."""
        rows = np.repeat(np.arange(len(self.ends)), self.count())
        colons, stops = np.flatnonzero(self._colons), self._places[self._stops]
        if without.any():
            colons, stops = colons[~without[rows]], stops[~without[np.searchsorted(self.ends, stops)]]
            rows = rows[~without[rows]]
        places = self._places
        return Members(rows, places[colons - 2] + 1, places[colons - 1], places[colons] + 1, stops)

    def _literal(self, size: int) -> Mask:
        """Signs that no backslash takes their meaning from, and that are none themselves."""
        places = self._places[self._signs == ESCAPE]
        first = np.diff(places, prepend=-2) != 1
        start = np.maximum.accumulate(np.where(first, places, 0))
        escaped = np.zeros(size + 1, bool)
        escaped[places[(places - start) % 2 == 0] + 1] = True
        signs = self._signs
        return np.asarray((signs == NEWLINE) | ((signs != ESCAPE) & ~escaped[self._places]))

    def _by_row(self, running: NDArray[np.integer]) -> Places:
        """Turn a running sum over the signs into one sum a row."""
        return np.asarray(np.diff(running[self._signs == NEWLINE], prepend=0), np.int64)

    def _keep(self, which: Mask) -> None:
        self._places, self._signs = self._places[which], self._signs[which]

    def _drop(self, rows: Mask) -> None:
        """Forget the signs of some rows, but not their ends."""
        if rows.any():
            newline = self._signs == NEWLINE
            within = np.repeat(rows, np.diff(np.flatnonzero(newline), prepend=-1))
            self._keep(newline | ~within)
