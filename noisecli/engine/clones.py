"""Errors of near duplicates, made in the cells of fresh clones."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from noisecli.columns import Column
from noisecli.corruption import CellCorruption, TextCorruption
from noisecli.engine.counts import Counts
from noisecli.engine.edits import apply
from noisecli.splice import Offsets
from noisecli.streams import CounterDraws, Floats, Mask, Words, uniform_choice
from noisecli.text import Spans, Text

Error = CellCorruption | TextCorruption


def can_err(op: Error, column: Column, cells: pa.Array) -> Mask:
    """Which cells an op can make one error in."""
    able = column.eligible(cells, isinstance(op, CellCorruption) and op.as_number)
    if isinstance(op, TextCorruption) and len(cells):
        sites = op.editable(_text(cells), column)
        able &= np.bincount(sites.rows, minlength=len(cells)) > 0
    return able


def err(op: Error, column: Column, cells: pa.Array, keys: Words, counts: Counts) -> tuple[pa.Array, Mask]:
    """Make one error in each cell: the new cells, and which of them differ from the old."""
    draws: Any = CounterDraws(keys)
    if isinstance(op, CellCorruption):
        return apply(op, column, cells, draws, counts, None)
    text = _text(cells)
    sites = op.editable(text, column)
    one = sites[_one_each(sites, len(cells), draws.uniform())]
    new = text.replace(op.edit(text, one, column, draws))
    counts.changed += len(cells)
    return new, np.ones(len(cells), bool)


def _text(cells: pa.Array) -> Text:
    return Text(pc.fill_null(cells, ""))


def _one_each(sites: Spans, rows: int, uniform: Floats) -> Offsets:
    """Choose one of the sites of each row, all alike; every row has one."""
    counts = np.bincount(sites.rows, minlength=rows)
    chosen: Offsets = np.cumsum(counts) - counts + uniform_choice(counts, uniform)
    return chosen
