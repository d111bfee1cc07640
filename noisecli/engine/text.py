"""Strike parts of texts: words, characters or whole cells of one column."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from noisecli.columns import Column
from noisecli.corruption import TextCorruption
from noisecli.engine.counts import Counts
from noisecli.engine.edits import Edits, differs
from noisecli.engine.slab import Block, Index
from noisecli.errors import RowProblem
from noisecli.splice import Offsets
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
        before, now = clean[block.rows], None if current is clean else current[block.rows]
        sites = _joined([self._find(before, rows[piece], keys, chances) for piece in _pieces(before, rows)])
        self.counts.struck += len(sites)
        # Struck rows are few, and to edit them takes far longer than to find them: the op sees no others.
        struck, firsts = np.unique(sites.rows, return_index=True)
        ends = np.append(firsts, len(sites))
        for piece in _pieces(before if now is None else now, struck):
            mine, some = struck[piece], sites[ends[piece.start] : ends[piece.stop]]
            some = replace(some, rows=np.searchsorted(mine, some.rows))
            if now is None:
                text = Text(before.take(pa.array(mine)))
                some = some.moved(text.bounds[some.rows])
            else:
                text, some = self._find_again(now.take(pa.array(mine)), some)
            touched, new, drawn = self._edit(text, some, values[mine])
            edits.add(mine[touched] + block.rows.start, new, drawn)

    def _find(self, cells: pa.Array, rows: Index, keys: Words, chances: Floats) -> Spans:
        """Return the struck sites in some rows of the cells, each counted from where its row begins."""
        whole = rows[-1] - rows[0] == len(rows) - 1
        text = Text(cells.slice(rows[0], len(rows)) if whole else cells.take(pa.array(rows)))
        sites = self.op.editable(text, self.column)
        struck = sites[to_uniform(scramble(keys[rows][sites.rows], sites.ordinals)) < chances[rows][sites.rows]]
        self.counts.eligible += len(sites)
        self.counts.characters += len(text)
        return replace(struck.moved(-text.bounds[struck.rows]), rows=rows[struck.rows])

    def _edit(self, text: Text, struck: Spans, keys: Words) -> tuple[Index, pa.Array, pa.Array | None]:
        """Return which rows are edited, what becomes of them, and what the truth shall say besides."""
        draws = CounterDraws(scramble(keys[struck.rows], struck.ordinals))
        if self.op.unit == "word" and self.op.alone:
            each = Text(text.strings(struck))
            made = _moved(self.op.edit(each, each.cells, self.column, draws), struck, each.bounds)
        else:
            made = self.op.edit(text, struck, self.column, draws)
        self.counts.edited += text.distance(made)
        touched, new = made.rows[np.diff(made.rows, prepend=-1) > 0], text.replace(made)
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
        wanted = len(struck)
        wide = int(max(able.ordinals.max(initial=0), struck.ordinals.max(initial=0))) + 1
        struck = able[np.isin(able.rows * wide + able.ordinals, struck.rows * wide + struck.ordinals)]
        self.counts.void += wanted - len(struck)
        return text, struck


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
    sizes = _sizes(cells)
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


def _joined(parts: Sequence[Spans]) -> Spans:
    """Put the spans of consecutive rows together."""
    return Spans(*(np.concatenate([getattr(part, name) for part in parts]) for name in Spans.__dataclass_fields__))


def _moved(made: Replacements, spans: Spans, bounds: Offsets) -> Replacements:
    """Return what was made of some spans, each a text of its own, as edits where these stand.

    Args:
        made: what was made.
        spans: where each text stands.
        bounds: (texts + 1,) where each begins among those that the edits count in.
    """
    by = (spans.starts - bounds[:-1])[made.rows]
    return replace(made, starts=made.starts + by, stops=made.stops + by, rows=spans.rows[made.rows])


def _pieces(cells: pa.Array, rows: Index) -> Iterator[slice]:
    """Cut some rows of the cells where they become too much to be worked on at once."""
    return pieces(_sizes(cells)[rows])


def _sizes(cells: pa.Array) -> Offsets:
    """Bytes of each text; 0 for none."""
    return np.asarray(pc.binary_length(cells).fill_null(0), np.int64)
