"""Errors of near duplicates, made in the cells of fresh clones."""

from collections.abc import Iterator
from typing import cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from noisecli.columns import Column
from noisecli.corruption import CellCorruption, TextCorruption
from noisecli.engine.counts import Counts
from noisecli.engine.edits import apply
from noisecli.splice import Offsets
from noisecli.streams import BlockDraws, CounterDraws, Floats, Mask, Words, uniform_choice
from noisecli.text import MOST_BYTES, Spans, Text, pieces

Error = CellCorruption | TextCorruption


def can_err(op: Error, column: Column, cells: pa.Array) -> Mask:
    """Which cells an op can make one error in."""
    able = column.eligible(cells, isinstance(op, CellCorruption) and op.as_number)
    if isinstance(op, TextCorruption):
        short = pc.less_equal(pc.binary_length(cells), MOST_BYTES)
        cells = pc.if_else(short, cells, pa.scalar("", cells.type))
        for piece, text in _texts(cells):
            sites = op.editable(text, column)
            able[piece] &= np.bincount(sites.rows, minlength=len(text.array)) > 0
    return able


def err(op: Error, column: Column, cells: pa.Array, keys: Words, counts: Counts) -> tuple[pa.Array, Mask]:
    """Make one error in each cell: the new cells, and which of them differ from the old."""
    if isinstance(op, CellCorruption):
        return apply(op, column, cells, cast(BlockDraws, CounterDraws(keys)), counts, None)
    made = [cells[:0]]
    for piece, text in _texts(cells):
        sites, draws = op.editable(text, column), CounterDraws(keys[piece])
        one = sites[_one_each(sites, len(text.array), draws.uniform())]
        made.append(text.replace(op.edit(text, one, column, draws)))
    counts.changed += len(cells)
    return pa.concat_arrays(made), np.ones(len(cells), bool)


def _texts(cells: pa.Array) -> Iterator[tuple[slice, Text]]:
    """Texts of so many cells as are worked on at once, empty where there is none, and which cells they are."""
    cells = pc.fill_null(cells, "")
    for piece in pieces(np.asarray(pc.binary_length(cells), np.int64)):
        yield piece, Text(cells[piece])


def _one_each(sites: Spans, rows: int, uniform: Floats) -> Offsets:
    """Choose one of the sites of each row, all alike; every row has one."""
    counts = np.bincount(sites.rows, minlength=rows)
    chosen: Offsets = np.cumsum(counts) - counts + uniform_choice(counts, uniform)
    return chosen
