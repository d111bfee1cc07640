"""Errors of near duplicates, made in the cells of fresh clones."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from noisecli.columns import Column
from noisecli.corruption import CellCorruption, TextCorruption
from noisecli.engine.counts import Counts
from noisecli.engine.edits import apply
from noisecli.streams import CounterDraws, Floats, Mask, Words
from noisecli.text import Spans, Text

Error = CellCorruption | TextCorruption


def can_err(op: Error, column: Column, cells: pa.Array) -> Mask:
    """Which cells an op can make one error in."""
    able = column.eligible(cells, isinstance(op, CellCorruption) and op.as_number)
    if isinstance(op, TextCorruption) and len(cells):
        _, words = _words(op, cells)
        able &= np.bincount(words.rows, minlength=len(cells)) > 0
    return able


def err(op: Error, column: Column, cells: pa.Array, keys: Words, counts: Counts) -> tuple[pa.Array, Mask]:
    """Make one error in each cell: the new cells, and which of them differ from the old."""
    draws: Any = CounterDraws(keys)
    if isinstance(op, CellCorruption):
        return apply(op, column, cells, draws, counts, None)
    text, words = _words(op, cells)
    one = words[_one_each(words, len(cells), draws.uniform())]
    new = text.replace(op.edit(text, one, draws), one.rows)
    counts.changed += len(cells)
    return new, np.ones(len(cells), bool)


def _words(op: TextCorruption, cells: pa.Array) -> tuple[Text, Spans]:
    text = Text(pc.fill_null(cells, ""))
    words = text.words()
    return text, words[op.can_edit(text, words)]


def _one_each(words: Spans, rows: int, uniform: Floats) -> "np.ndarray[Any, np.dtype[np.int64]]":
    """Choose one of the words of each row, all alike; every row has one."""
    counts = np.bincount(words.rows, minlength=rows)
    firsts = np.cumsum(counts) - counts
    chosen: np.ndarray[Any, np.dtype[np.int64]] = firsts + (uniform * counts).astype(np.int64)
    return chosen
