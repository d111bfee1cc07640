"""Strike whole blocks."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from noisecli.columns import Column
from noisecli.corruption import BlockCorruption
from noisecli.engine.counts import Counts
from noisecli.engine.edits import Edits, differs
from noisecli.engine.flow import Flow
from noisecli.engine.slab import Block, Index, Slab, blocks
from noisecli.streams import BLOCK, Mask, Stream


@dataclass(frozen=True)
class BlockStrike:
    """A step on blocks, about to strike a file."""

    number: int
    op: BlockCorruption
    columns: Mapping[str, Column]
    stream: Stream
    allow: Callable[[Flow], Mask]
    """Which rows of a slab may be struck."""
    choose: Callable[[str, Block, Slab], Mask]
    """Which rows of a block are struck, eligible or not."""
    count: Callable[[str], Counts]
    keep_changes: bool

    def __call__(self, flows: Iterator[Flow]) -> Iterator[Flow]:
        """Hold slabs back until every block that they have a part of is there as a whole."""
        held: deque[tuple[Flow, Mask]] = deque()
        struck = 0
        for flow in flows:
            allowed = self.allow(flow)
            for name in self.columns:
                self.count(name).eligible += int(np.count_nonzero(allowed))
            held.append((flow, allowed))
            whole = flow.end // BLOCK
            for block in range(struck, whole):
                self._strike(block, held)
            struck = whole
            del flow, allowed
            while held and held[0][0].end <= struck * BLOCK:
                yield held.popleft()[0]
        if held:
            self._strike(struck, held)
        while held:
            yield held.popleft()[0]

    def _strike(self, block: int, held: Iterable[tuple[Flow, Mask]]) -> None:
        pieces: list[tuple[Flow, Index]] = []
        for flow, allowed in held:
            for part in blocks(flow.slab.first_row, flow.slab.rows):
                if part.number == block:
                    chosen = self.choose("", part, flow.slab) & allowed[part.rows]
                    rows = np.flatnonzero(chosen) + part.rows.start
                    pieces.append((flow, rows))
        bounds = np.cumsum([0, *(len(rows) for _, rows in pieces)])
        if bounds[-1] == 0:
            return
        cells = {name: pa.concat_arrays([f.cells[name].take(pa.array(r)) for f, r in pieces]) for name in self.columns}
        new = self.op.corrupt(cells, self.columns, self.stream.generator("value", "", block))
        for name, old in cells.items():
            changed = differs(new[name], old)
            counts = self.count(name)
            counts.struck += len(old)
            for (flow, rows), start, stop in zip(pieces, bounds, bounds[1:], strict=False):
                mine = changed[start:stop]
                if name in flow.slab.absent:
                    mine = mine & ~flow.slab.absent[name][rows]
                counts.changed += int(np.count_nonzero(mine))
                edits = Edits()
                edits.add(rows[mine], new[name][start:stop].filter(pa.array(mine)))
                flow.edit(self.number, name, edits, self.keep_changes)
