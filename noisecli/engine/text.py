"""Strike parts of texts: words, characters or whole cells of one column."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from noisecli.columns import Column
from noisecli.corruption import TextCorruption
from noisecli.engine.counts import Counts
from noisecli.engine.edits import Edits
from noisecli.engine.slab import Block, Index
from noisecli.streams import CounterDraws, Floats, Purpose, Words, scramble, to_uniform
from noisecli.text import Spans, Text

PIECE_BYTES = 1 << 20
"""How much text is worked on at once, unless a single cell is longer: each byte takes about 100 in passing."""


@dataclass(frozen=True)
class TextStrike:
    """A step on the texts of a column, about to strike the blocks of a slab."""

    op: TextCorruption
    column: Column
    counts: Counts

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
        for mine in _pieces(rows, clean[block.rows]):
            text = Text(_taken(clean, block, mine))
            sites = self.op.sites(text)
            sites = sites[self.op.can_edit(text, sites, self.column)]
            struck = sites[to_uniform(scramble(keys[mine][sites.rows], sites.ordinals)) < chances[mine][sites.rows]]
            self.counts.eligible += len(sites)
            self.counts.struck += len(struck)
            self.counts.characters += len(text.points)
            if len(struck) == 0:
                continue
            if current is not clean:
                text, struck = self._find_again(_taken(current, block, mine), struck)
            touched, new = self._edit(text, struck, values[mine])
            edits.add(mine[touched] + block.rows.start, new)
        self.counts.void = self.counts.struck - self.counts.changed

    def _edit(self, text: Text, struck: Spans, keys: Words) -> tuple[Index, pa.Array]:
        """Return which rows are edited, and what becomes of them."""
        draws = CounterDraws(scramble(keys[struck.rows], struck.ordinals))
        made = self.op.edit(text, struck, self.column, draws)
        self.counts.changed += len(struck)
        self.counts.edited += text.distance(made)
        touched = np.unique(made.rows)
        return touched, text.replace(made).take(pa.array(touched))

    def _find_again(self, cells: pa.Array, struck: Spans) -> tuple[Text, Spans]:
        """Find struck sites in text that an earlier step has changed, by their place in the row."""
        text = Text(pc.fill_null(cells, ""))
        sites = self.op.sites(text)
        able = sites[self.op.can_edit(text, sites, self.column)]
        wide = int(max(able.ordinals.max(initial=0), struck.ordinals.max(initial=0))) + 1
        return text, able[np.isin(able.rows * wide + able.ordinals, struck.rows * wide + struck.ordinals)]


def _taken(cells: pa.Array, block: Block, rows: Index) -> pa.Array:
    return cells[block.rows].take(pa.array(rows))


def _pieces(rows: Index, cells: pa.Array) -> Iterator[Index]:
    """Cut rows where their texts become too much to be worked on at once."""
    sizes = np.asarray(pc.fill_null(pc.binary_length(cells), 0), np.int64)[rows]
    ends = np.cumsum(sizes)
    first = 0
    while first < len(rows):
        done = int(ends[first - 1]) if first else 0
        stop = max(first + 1, int(np.searchsorted(ends, done + PIECE_BYTES, side="right")))
        yield rows[first:stop]
        first = stop
