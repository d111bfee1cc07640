"""Corrupt one slab or image: pure, no files, no clock. What comes out depends on addresses, never on slab size."""

from noisecli.engine.counts import Counts, Tally
from noisecli.engine.images import ImageEngine, StruckImage
from noisecli.engine.table import Index, Slab, Struck, TableEngine, blocks, strikeable

__all__ = [
    "Counts",
    "ImageEngine",
    "Index",
    "Slab",
    "Struck",
    "StruckImage",
    "TableEngine",
    "Tally",
    "blocks",
    "strikeable",
]
