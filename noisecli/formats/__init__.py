"""Files of each kind, behind one contract: what a step touched is written anew, everything else is carried."""

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

import pyarrow as pa

from noisecli.celltext import NULLS
from noisecli.columns import Column
from noisecli.engine import Index, Slab, Struck

Transform = Callable[[Iterable[Slab]], Iterator[Struck]]
"""What the engine does to slabs: one answer for each, in order; it may read ahead."""


@dataclass(frozen=True)
class Reading:
    """How files of text are read; what is None is found out."""

    delimiter: str | None = None
    """What separates cells: one of `,`, `;`, tab and `|`."""
    encoding: str | None = None
    """A Python codec; without one UTF-8, or UTF-16 where its byte order mark says so."""
    header: bool = True
    """Whether the first row names the columns; else they go by position, as `#1`."""
    null_values: tuple[str, ...] = NULLS
    """Spellings of a missing cell, unless it is quoted."""
    skip_errors: bool = False
    """Carry rows that do not fit the header, instead of refusing the file."""
    spool: Path | None = None
    """Folder for plain copies of files that are compressed or otherwise encoded; they are made when first needed."""


FOUND_OUT = Reading()
"""Nothing is said about the files: everything is found out."""


def watched(transform: Transform, see: Callable[[Slab, Struck], Struck]) -> Transform:
    """Return a transform that does the same, and lets see what becomes of each slab."""
    waiting: deque[Slab] = deque()

    def noted(slabs: Iterable[Slab]) -> Iterator[Slab]:
        for slab in slabs:
            waiting.append(slab)
            del slab  # it need not stay until the next is there
            yield waiting[-1]

    def seen(struck: Struck) -> Struck:
        return see(waiting.popleft(), struck)

    return lambda slabs: map(seen, transform(noted(slabs)))


Proof = tuple[str, int]
"""SHA-256 and size of a file."""


@dataclass(frozen=True)
class Assembled:
    """What came of putting a file together."""

    content: str | None = None
    """Digest of its content where other bytes can hold the same, as in a compressed file, unless writing the parts has
    found it."""
    proof: Proof | None = None
    """None: the file has to be read for it."""


AS_IT_CAME: Mapping[str, pa.DataType] = MappingProxyType({})
"""A copy has the columns of its input, in the same types."""


@dataclass(frozen=True)
class Part:
    """Where a slab lies in its file: a stretch of bytes, or a row group."""

    first_row: int
    rows: int
    start: int
    """First byte; in Parquet and Arrow the number of the row group or batch."""
    size: int = 0
    """Bytes of the file that it takes, in Parquet about as many; 0: not known."""


@dataclass(frozen=True)
class Written:
    """What came of writing some parts."""

    rows: int
    changed: bool
    """Whether any cell or row differs from the input."""
    contents: tuple[str, ...] = ()
    """Digests of the cells that were written anew, in order; none where the bytes are the content."""
    warnings: tuple[str, ...] = ()
    """What of the file could not be kept."""


def combined(parts: Iterable[Written]) -> str | None:
    """Return a digest of all that was written anew, in whatever parts; None where the bytes are the content."""
    contents = [content for part in parts for content in part.contents]
    return hashlib.sha256("\n".join(contents).encode()).hexdigest() if contents else None


class TableFile(Protocol):
    """One table in one file."""

    splits: bool
    """Whether parts can be read and written by several workers; else one worker takes the whole file."""

    as_text: bool
    """Whether every cell is stored as text, so that types have to be found out."""

    settings: frozenset[str]
    """What of a recipe's `data` says how the file is read."""

    misfit: str
    """What is wrong with the rows that `on_error: skip` carries: "that are no JSON object"."""

    def fields(self) -> Mapping[str, pa.DataType]:
        """Name and type of each column in order; dictionary columns by the type of their values."""

    def scan(self, columns: Sequence[str]) -> Iterator[tuple[Part, Slab]]:
        """Read the whole file in order, and check its structure on the way; a part may come as several slabs."""

    def outline(self) -> Iterator[Part]:
        """Find where the parts lie, without looking at cells; only of files that split."""

    def read(self, parts: Sequence[Part], columns: Sequence[str]) -> Iterator[tuple[Part, Slab]]:
        """Read some parts in the same way; only of files that split."""

    def write(
        self,
        parts: Sequence[Part],
        columns: Mapping[str, Column],
        transform: Transform,
        sink: Path,
        outgoing: Mapping[str, pa.DataType] = AS_IT_CAME,
    ) -> Written:
        """Read the given columns of some parts, transform and write them, in order.

        What becomes of each slab has cells for all outgoing columns: those that have another type than in the file, and
        those that it does not have, which are put after all others. Files of text change the type of none.
        """

    def spilled(self, parts: Sequence[Part]) -> int:
        """About how many bytes all rows, given as all parts, take on disk where they are put aside to be moved."""

    def assemble(
        self,
        sinks: Sequence[Path],
        target: Path,
        outgoing: Mapping[str, pa.DataType] = AS_IT_CAME,
        order: Index | None = None,
    ) -> Assembled:
        """Put the written parts together as one complete file and remove them.

        Args:
            sinks: the parts; of a row group there may be several, one after another, with different columns.
            target: the file.
            order: which of the rows of all parts each outgoing one is; None: all, as they are.
        """

    def excerpt(self, target: Path, size: int, places: int) -> None:
        """Write some rows as a small file of the same format, without reading all of this one.

        Args:
            target: the small file.
            size: about how many bytes of this file its rows take.
            places: from how many places all over the file they come; the first rows are among them.
        """
