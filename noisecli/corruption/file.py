"""The contracts of ops on a finished CSV file: its text, seen as records of cells as they are written.

Such ops damage the file, not the data. They are the last steps of a recipe, and each sees the records that the one
before it left: nothing is parsed again in between, so a quote that is never closed joins no rows here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from noisecli.celltext import to_mask
from noisecli.columns import NUMBER
from noisecli.corruption.table import TableCorruption
from noisecli.streams import CounterDraws, Mask

BYTES = pa.large_binary()
"""Type of everything that is written."""


def joined(*parts: pa.Array) -> pa.Array:
    """Return what is written in some places of each row as one."""
    return pc.binary_join_element_wise(*parts, pa.scalar(b"", BYTES))


@dataclass(frozen=True)
class Sheet:
    """A CSV file but for its rows."""

    columns: tuple[str, ...]
    """What recipes call the columns, in the file's order; one that is there a second time has its name twice."""
    titles: tuple[bytes, ...] | None
    """Cells of the header as written, quotes and padding included; None: the file has no header."""
    delimiter: bytes
    line_end: bytes
    """What ends the header, and lines that are added."""
    rows: int
    codec: str = "utf-8"
    """How the text of the file is encoded. Here all of it is UTF-8, and foreign bytes stand for themselves."""
    mark: bytes = b""
    """What stands before everything: byte order marks."""
    footer: bytes = b""
    """What stands after the rows."""

    @property
    def header(self) -> bytes:
        """The line of the titles; empty where there is none."""
        return b"" if self.titles is None else self.delimiter.join(self.titles) + self.line_end

    def foreign(self, data: bytes) -> bytes:
        """Return what has to stand here so that these very bytes stand in the file."""
        if self.codec == "utf-8":
            return data
        return data.decode(self.codec, "surrogateescape").encode("utf-8", "surrogateescape")

    def arranged(self, order: Sequence[int]) -> "Sheet":
        """Return the sheet with its columns in another order, or with some a second time."""
        titles = self.titles and tuple(self.titles[i] for i in order)
        return replace(self, columns=tuple(self.columns[i] for i in order), titles=titles)


@dataclass(frozen=True)
class Records:
    """Some rows of a file as they are written: joined, in order, they are its bytes."""

    above: pa.Array
    """Lines that stand above each row and are not of it."""
    cells: tuple[pa.Array, ...]
    """Cells of each column, quotes and padding included."""
    gaps: tuple[pa.Array, ...]
    """What follows each cell: a delimiter, and after the last one the line end."""
    fits: Mask
    """Which rows have as many cells as the header. Of the others everything is in the last gap."""

    def __len__(self) -> int:
        return len(self.fits)

    @property
    def width(self) -> int:
        """How many columns there are."""
        return len(self.cells)

    def written(self) -> pa.Array:
        """Return all that is written of each row."""
        parts = [part for pair in zip(self.cells, self.gaps, strict=True) for part in pair]
        return joined(self.above, *parts)

    def repeated(self, text: bytes) -> pa.Array:
        """Return the same text for each row."""
        return pa.repeat(pa.scalar(text, BYTES), len(self))

    def take(self, rows: NDArray[np.intp]) -> "Records":
        """Return some of the rows."""
        index = pa.array(rows)
        cells, gaps = (tuple(part.take(index) for part in parts) for parts in (self.cells, self.gaps))
        return Records(self.above.take(index), cells, gaps, self.fits[rows])

    def put(self, rows: NDArray[np.intp], old: "Records", new: "Records") -> "Records":
        """Return the rows with some replaced: `old` is what `take` gave of these, and `new` what became of it."""
        where = np.arange(len(self))
        where[rows] = len(self) + np.arange(len(rows))
        index = pa.array(where)

        def merge(mine: pa.Array, before: pa.Array, after: pa.Array) -> pa.Array:
            return mine if after is before else pa.concat_arrays([mine, after]).take(index)

        fits = self.fits.copy()
        fits[rows] = new.fits
        return Records(
            merge(self.above, old.above, new.above),
            tuple(map(merge, self.cells, old.cells, new.cells)),
            tuple(map(merge, self.gaps, old.gaps, new.gaps)),
            fits,
        )

    def with_cell(self, column: int, cells: pa.Array) -> "Records":
        """Return the rows with other cells in a column."""
        return replace(self, cells=(*self.cells[:column], cells, *self.cells[column + 1 :]))

    def with_end(self, ends: pa.Array) -> "Records":
        """Return the rows with something else after their last cells."""
        return replace(self, gaps=(*self.gaps[:-1], ends))

    def as_wholes(self, lines: pa.Array) -> "Records":
        """Return rows that say something else and fit the header no more."""
        empty = self.repeated(b"")
        nothing = (empty,) * (self.width - 1)
        return Records(self.above, (*nothing, empty), (*nothing, lines), np.zeros(len(self), bool))

    def arranged(self, order: Sequence[int], delimiter: bytes) -> "Records":
        """Return the rows with their columns in another order, or with some a second time."""
        more = len(order) - self.width
        gap = pc.if_else(pa.array(self.fits), pa.scalar(delimiter, BYTES), pa.scalar(b"", BYTES))
        gaps = (*self.gaps[:-1], *[gap] * more, self.gaps[-1])
        return replace(self, cells=tuple(self.cells[i] for i in order), gaps=gaps)


class FileCorruption(TableCorruption):
    """Base of every op on a finished CSV file."""

    breaks: ClassVar[str]
    """What goes wrong where such a file is read."""
    needs_header: ClassVar[bool] = False
    """Whether there is nothing to damage in a file without a header."""
    names_columns: ClassVar[Literal["never", "may", "must"]] = "never"
    """Whether a step names columns."""
    strikes_columns = False
    together = True
    default_rate = 0.1


class RecordCorruption(FileCorruption):
    """Damages struck rows; the step's rate is the share of rows."""

    def able(self, records: Records, sheet: Sheet) -> Mask:
        """Say which rows the op can damage; the others are not eligible."""
        return records.fits

    def corrupt(self, records: Records, sheet: Sheet, draws: CounterDraws) -> Records:
        """Return as many other rows, of which each depends on itself and its draws alone."""
        raise NotImplementedError


class SpellingCorruption(FileCorruption):
    """Writes struck numbers of a column in another way; the step's rate is the share of cells."""

    accepts = NUMBER
    names_columns = "must"
    strikes_columns = True
    together = False
    pattern: ClassVar[str]
    """Regular expression of the numbers that the op can write in another way; the other cells are not eligible."""

    def spell(self, number: str) -> str:
        """Return another spelling of a number that fits the pattern."""
        raise NotImplementedError

    def quotes(self) -> bool:
        """Whether a number that comes to hold the delimiter is put in quotes."""
        return True

    def able(self, cells: pa.Array) -> Mask:
        """Say which cells the op can change."""
        return to_mask(pc.match_substring_regex(cells, rf'^[ \t]*({self.pattern}|"{self.pattern}")[ \t]*$'))

    def corrupt(self, cells: pa.Array, sheet: Sheet) -> pa.Array:
        """Return as many other cells as written; all of them are able."""
        return pa.array([self._written(cell, sheet) for cell in cells.to_pylist()], BYTES)

    def _written(self, cell: bytes, sheet: Sheet) -> bytes:
        padded = cell.strip(b" \t")
        number = padded.strip(b'"')
        new = self.spell(number.decode()).encode()
        if padded == number and sheet.delimiter in new and self.quotes():
            return b'"' + new + b'"'  # quotes behind a blank would be none
        return cell.replace(number, new)


@dataclass(frozen=True)
class Damage:
    """What becomes of a file as a whole."""

    sheet: Sheet
    """The sheet, its columns as they were."""
    order: tuple[int, ...] | None = None
    """Which column stands at each place, in the header and in all rows; None: all as they were."""
    cut: tuple[int, float] | None = None
    """The last row that is left, and the share of it that is, 0..1; None: all are whole."""


class SheetCorruption(FileCorruption):
    """Damages a whole file; the step's rate is the probability for each file."""

    default_rate = 1.0

    def able(self, sheet: Sheet) -> bool:
        """Say whether the op can damage the file."""
        return True

    def damage(self, sheet: Sheet, columns: Sequence[int], draws: CounterDraws) -> Damage:
        """Say what becomes of the file.

        Args:
            sheet: the file.
            columns: places of the columns that the step names; empty where it names none.
            draws: random numbers, one a column and call.
        """
        raise NotImplementedError
