"""Strike parts of texts: words, characters or whole cells of one column."""

import json
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from noisecli.columns import Column
from noisecli.corruption import TextCorruption
from noisecli.engine.counts import Counts
from noisecli.engine.edits import Edits, differs
from noisecli.engine.slab import Block, Index
from noisecli.errors import RowProblem
from noisecli.streams import CounterDraws, Floats, Mask, Purpose, Words, scramble, to_uniform
from noisecli.text import MOST_BYTES, Spans, Text, pieces
from noisecli.text import Edits as Replacements


@dataclass(frozen=True)
class TextStrike:
    """A step on the texts of a column, about to strike the blocks of a slab."""

    op: TextCorruption
    column: Column
    counts: Counts
    keep_changes: bool

    def strike(
        self,
        block: Block,
        rows: Index,
        clean: pa.Array,
        current: pa.Array,
        chances: Floats,
        words: Callable[[Purpose], Words],
        edits: Edits,
    ) -> None:
        """Strike the texts of a block.

        Args:
            block: which it is.
            rows: eligible rows of the block, from its first one in the slab.
            clean: the clean cells of the slab, which decide what is struck.
            current: its cells as earlier steps have left them.
            chances: how likely a site in each row of the block is struck.
            words: random words for the rows of the block.
            edits: where new cells go.
        """
        keys, values = words("strike"), words("value")
        sizes = np.asarray(pc.binary_length(clean[block.rows]).fill_null(0), np.int64)[rows]
        for piece in pieces(sizes):
            mine = rows[piece]
            text = Text(_taken(clean, block, mine))
            sites = self.op.editable(text, self.column)
            struck = sites[to_uniform(scramble(keys[mine][sites.rows], sites.ordinals)) < chances[mine][sites.rows]]
            self.counts.eligible += len(sites)
            self.counts.struck += len(struck)
            self.counts.characters += len(text.points)
            if len(struck) == 0:
                continue
            if current is not clean:
                wanted = len(struck)
                text, struck = self._find_again(_taken(current, block, mine), struck)
                self.counts.void += wanted - len(struck)
            touched, new, drawn = self._edit(text, struck, values[mine])
            edits.add(mine[touched] + block.rows.start, new, drawn)

    def _edit(self, text: Text, struck: Spans, keys: Words) -> tuple[Index, pa.Array, pa.Array | None]:
        """Return which rows are edited, what becomes of them, and what the truth shall say besides."""
        draws = CounterDraws(scramble(keys[struck.rows], struck.ordinals))
        made = self.op.edit(text, struck, self.column, draws)
        self.counts.edited += text.distance(made)
        touched, new = np.unique(made.rows), text.replace(made)
        if self.op.keeps_some():
            self.counts.changed += len(struck) - text.count_same(made)
            drawn = _sites(text, made) if self.keep_changes else None
            return touched, new.take(pa.array(touched)), drawn
        # One slip may undo another: a letter is doubled, and its neighbour left out.
        touched = touched[differs(new.take(pa.array(touched)), text.array.take(pa.array(touched)))]
        self.counts.changed += int(np.count_nonzero(np.isin(struck.rows, touched)))
        return touched, new.take(pa.array(touched)), None

    def _find_again(self, cells: pa.Array, struck: Spans) -> tuple[Text, Spans]:
        """Find struck sites in text that an earlier step has changed, by their place in the row."""
        text = Text(pc.fill_null(cells, ""))
        able = self.op.editable(text, self.column)
        wide = int(max(able.ordinals.max(initial=0), struck.ordinals.max(initial=0))) + 1
        return text, able[np.isin(able.rows * wide + able.ordinals, struck.rows * wide + struck.ordinals)]


def refuse_long(name: str, cells: pa.Array, chosen: Mask, rows: Index) -> None:
    """Refuse texts that are too long to be worked on.

    Args:
        name: their column.
        cells: the texts.
        chosen: which of them are to be worked on.
        rows: of the file, from 0.

    Raises:
        RowProblem: one is.
    """
    sizes = np.asarray(pc.binary_length(cells).fill_null(0), np.int64)
    long = np.flatnonzero(chosen & (sizes > MOST_BYTES))
    if len(long):
        row, size = rows[long[0]] + 1, sizes[long[0]]
        raise RowProblem(
            f"row {row}: {name!r} holds a text of {size:,} bytes, too long for a step on words or characters (at most "
            f"{MOST_BYTES:,}): shorten it, keep its row out with `where`, or leave the column out of the step"
        )


def _sites(text: Text, made: Replacements) -> pa.Array:
    """Say of each edited row which code points of the text before were struck, and what stands there now, as JSON."""
    firsts = text.bounds[made.rows]
    sites = zip((made.starts - firsts).tolist(), (made.stops - firsts).tolist(), made.strings.to_pylist(), strict=True)
    by_row: dict[int, list[tuple[int, int, str]]] = {}
    for row, site in zip(made.rows.tolist(), sites, strict=True):
        by_row.setdefault(row, []).append(site)
    return pa.array([json.dumps({"sites": found}, ensure_ascii=False) for found in by_row.values()], pa.string())


def _taken(cells: pa.Array, block: Block, rows: Index) -> pa.Array:
    return cells[block.rows].take(pa.array(rows))
