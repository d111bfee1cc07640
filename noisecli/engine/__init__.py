"""Corrupt one slab or image: pure, no files, no clock. What comes out depends on addresses, never on slab size."""

from noisecli.engine.counts import Counts, Tally
from noisecli.engine.file import FileChange, FileEngine
from noisecli.engine.images import ImageEngine, StruckImage
from noisecli.engine.intervals import Intervals, in_order
from noisecli.engine.slab import Change, Index, Slab, Struck, blocks, eligible_cells, strikeable
from noisecli.engine.table import TableEngine

__all__ = [
    "Change",
    "Counts",
    "FileChange",
    "FileEngine",
    "ImageEngine",
    "Index",
    "Intervals",
    "Slab",
    "Struck",
    "StruckImage",
    "TableEngine",
    "Tally",
    "blocks",
    "eligible_cells",
    "in_order",
    "strikeable",
]
