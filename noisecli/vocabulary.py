"""The words of a column, so many of them that a manifest can hold them."""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from noisecli.streams import word_of
from noisecli.text import MOST_BYTES, Text, pieces

MOST_WORDS = 4096
"""Of a larger vocabulary so many words are kept: those with the smallest hashes, whatever the order of the rows."""

LONGEST = 256
"""Words of more code points are left out: a blob without white space is none that a writer would choose."""


class Vocabulary:
    """Distinct words of some texts."""

    def __init__(self) -> None:
        self._hashes: dict[str, int] = {}
        self._limit = 1 << 64

    def add(self, texts: pa.Array) -> None:
        """Take the words of some texts; they hold no null."""
        texts = texts.filter(pc.less_equal(pc.binary_length(texts), MOST_BYTES))  # no step works on longer ones
        for piece in pieces(np.asarray(pc.binary_length(texts), np.int64)):
            text = Text(texts[piece])
            words = text.words[text.words.stops - text.words.starts <= LONGEST]
            self._add(pc.unique(text.strings(words)).to_pylist())

    def merge(self, later: "Vocabulary") -> None:
        """Take the words of other texts."""
        self._add(later._hashes)

    def words(self) -> tuple[str, ...]:
        """Return the words, sorted by their bytes."""
        self._trim()
        return tuple(sorted(self._hashes, key=str.encode))

    def _add(self, words: Iterable[str]) -> None:
        for word in words:
            if word not in self._hashes and (found := word_of(word)) < self._limit:
                self._hashes[word] = found
        if len(self._hashes) > 2 * MOST_WORDS:
            self._trim()

    def _trim(self) -> None:
        if len(self._hashes) > MOST_WORDS:
            kept = sorted(self._hashes.items(), key=lambda item: item[1])[:MOST_WORDS]
            self._hashes, self._limit = dict(kept), kept[-1][1]
