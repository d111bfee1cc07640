"""Rows that a reader of CSV trips over."""

import codecs
from dataclasses import replace
from typing import Annotated, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import AfterValidator, PositiveInt

from noisecli.celltext import to_mask
from noisecli.corruption import RecordCorruption, Records, Sheet, register
from noisecli.corruption.file import BYTES, joined
from noisecli.streams import CounterDraws, Mask, uniform_choice

FEW = ({"rate": 0.001}, {"rate": 0.005}, {"rate": 0.02}, {"rate": 0.05}, {"rate": 0.1})
"""Shares of dirty rows, from a file that mostly works to one of little use."""


@register
class RaggedRow(RecordCorruption):
    """Give rows a cell too many or too few: a delimiter in a text without quotes, a line that was not finished.

    Source: van den Burg, Nazábal and Sutton 2019, "Wrangling Messy CSV Files by Detecting Row and Type Patterns".

    Example:
        {op: ragged_row, rate: 0.02}
    """

    breaks = (
        "The row has another number of cells than the header. Strict readers reject the file; lenient ones fill a "
        "short row up with missing cells."
    )
    severities = FEW

    cells: Literal["more", "fewer", "either"] = "either"
    """more: an empty cell comes after the last one; fewer: the last cell is gone; either: one or the other, drawn."""

    def able(self, records: Records, sheet: Sheet) -> Mask:
        return records.fits & (records.width > 1 or self.cells != "fewer")

    def corrupt(self, records: Records, sheet: Sheet, draws: CounterDraws) -> Records:
        longer = records.with_end(joined(records.repeated(sheet.delimiter), records.gaps[-1]))
        share = {"more": 0.0, "either": 0.5, "fewer": 1.0}[self.cells]
        fewer = np.flatnonzero(draws.uniform() < share) if records.width > 1 else np.zeros(0, np.intp)
        taken, old = longer.take(fewer), records.take(fewer)
        kept = [part for pair in zip(old.cells[:-1], old.gaps[:-1], strict=True) for part in pair][:-1]
        return longer.put(fewer, taken, taken.as_wholes(joined(*kept, old.gaps[-1])))


@register
class BrokenQuote(RecordCorruption):
    """Leave a quote open: one cell of the row, drawn, begins with a quote that nothing closes.

    Source: van den Burg, Nazábal and Sutton 2019, "Wrangling Messy CSV Files by Detecting Row and Type Patterns".

    Example:
        {op: broken_quote, rate: 0.01}
    """

    breaks = (
        "All up to the next quote of the file, or to its end, becomes one cell, line ends included. Strict readers "
        "reject the file, often far from the fault; lenient ones lose rows without a word."
    )
    severities = FEW

    def corrupt(self, records: Records, sheet: Sheet, draws: CounterDraws) -> Records:
        chosen = uniform_choice(records.width, draws.uniform())
        for column, cells in enumerate(records.cells):
            quoted = pc.match_substring_regex(cells, '(?s)^".*"$')
            opened = pc.if_else(quoted, pc.binary_slice(cells, 0, -1), joined(records.repeated(b'"'), cells))
            records = records.with_cell(column, pc.if_else(pa.array(chosen == column), opened, cells))
        return records


@register
class MixedDelimiter(RecordCorruption):
    """Write rows with another delimiter: parts of a file that come from another system.

    Source: van den Burg, Nazábal and Sutton 2019, "Wrangling Messy CSV Files by Detecting Row and Type Patterns".

    Example:
        {op: mixed_delimiter, rate: 0.05}
    """

    breaks = (
        "The row is a single cell. Strict readers reject the file; lenient ones put the whole line into the first "
        "column and leave the others missing."
    )
    severities = FEW

    delimiter: Literal[",", ";", "\t", "|"] | None = None
    """What separates the cells of struck rows; left out: a semicolon, or a comma in files that have semicolons."""

    def able(self, records: Records, sheet: Sheet) -> Mask:
        return records.fits & (records.width > 1)

    def corrupt(self, records: Records, sheet: Sheet, draws: CounterDraws) -> Records:
        other = b"," if sheet.delimiter == b";" else b";"
        gap = records.repeated(self.delimiter.encode() if self.delimiter else other)
        return replace(records, gaps=(*[gap] * (records.width - 1), records.gaps[-1]))


@register
class MixedLineEnds(RecordCorruption):
    """End rows otherwise than the file does: parts of it were edited on another system.

    Source: Shafranovich 2005, "Common Format and MIME Type for CSV Files", RFC 4180, section 2.

    Example:
        {op: mixed_line_ends, rate: 0.1}
    """

    breaks = (
        "Readers that look for one kind of line end reject the file, or, with `line_end: cr`, take two rows for one; "
        "scripts that split lines at LF find a CR in the last cell. Many readers take both kinds."
    )

    line_end: Literal["other", "cr"] = "other"
    """other: CRLF where the file has LF, LF where it has CRLF; cr: CR alone, as on old Macs."""

    def able(self, records: Records, sheet: Sheet) -> Mask:
        return to_mask(pc.ends_with(records.gaps[-1], b"\n"))

    def corrupt(self, records: Records, sheet: Sheet, draws: CounterDraws) -> Records:
        ends = records.gaps[-1]
        bare = pc.replace_substring_regex(ends, "\r?\n$", "")
        if self.line_end == "cr":
            return records.with_end(joined(bare, records.repeated(b"\r")))
        long = pc.ends_with(ends, b"\r\n")
        return records.with_end(joined(bare, pc.if_else(long, records.repeated(b"\n"), records.repeated(b"\r\n"))))


@register
class RepeatedHeader(RecordCorruption):
    """Put the header above rows a second time: files that were joined without taking it off.

    Source: van den Burg, Nazábal and Sutton 2019, "Wrangling Messy CSV Files by Detecting Row and Type Patterns".

    Example:
        {op: repeated_header, rate: 0.01}
    """

    breaks = "The header is one more row, so every column holds its own name: columns of numbers are read as text."
    needs_header = True
    severities = FEW

    def able(self, records: Records, sheet: Sheet) -> Mask:
        return np.ones(len(records), bool)

    def corrupt(self, records: Records, sheet: Sheet, draws: CounterDraws) -> Records:
        return replace(records, above=joined(records.above, records.repeated(sheet.header)))


@register
class BlankLines(RecordCorruption):
    """Put blank lines above rows.

    Source: van den Burg, Nazábal and Sutton 2019, "Wrangling Messy CSV Files by Detecting Row and Type Patterns".

    Example:
        {op: blank_lines, rate: 0.05}
    """

    breaks = (
        "Readers that take no blank lines find a row without cells, or one whose cells are all missing; rows are "
        "counted wrong. Many readers pass over them."
    )
    severities = FEW

    lines: PositiveInt = 1
    """Blank lines above each struck row."""

    def able(self, records: Records, sheet: Sheet) -> Mask:
        return np.ones(len(records), bool)

    def corrupt(self, records: Records, sheet: Sheet, draws: CounterDraws) -> Records:
        return replace(records, above=joined(records.above, records.repeated(sheet.line_end * self.lines)))


def _holds_ascii(encoding: str) -> str:
    try:
        fits = 'a",;\t|\n'.encode(encoding) == b'a",;\t|\n'
    except LookupError:
        raise ValueError(f"{encoding!r} is no encoding that Python knows, such as latin-1 or cp1252") from None
    if not fits:
        raise ValueError(f"{encoding!r} writes even commas in another way: take one such as cp1252 or utf-8")
    return codecs.lookup(encoding).name


@register
class WrongEncoding(RecordCorruption):
    """Write rows in another encoding than the file has.

    Eligible are rows with characters beyond ASCII, all of which the other encoding has. None are in files in UTF-16 or
    UTF-32, in which foreign bytes have no place.

    Source: Davis and Suignard 2014, "Unicode Security Considerations", Unicode Technical Report 36, section 3.

    Example:
        {op: wrong_encoding, rate: 0.1}
    """

    breaks = (
        "In a UTF-8 file the row is not valid text: strict readers reject the file, others take the column for bytes "
        "or show replacement characters. In other files it reads as mojibake, Ã© for é."
    )
    severities = FEW

    encoding: Annotated[str, AfterValidator(_holds_ascii)] | None = None
    """Encoding of the struck rows; left out: cp1252 in UTF-8 files, UTF-8 in all others."""

    def able(self, records: Records, sheet: Sheet) -> Mask:
        lines = pc.binary_join_element_wise(*records.cells, pa.scalar(b"\n", BYTES))
        able = records.fits & to_mask(pc.match_substring_regex(lines, r"[^\x00-\x7F]"))
        able &= not sheet.codec.startswith(("utf-16", "utf-32", "utf-7"))
        old = lines.filter(pa.array(able)).to_pylist()
        able[able] = [self._written(line, sheet) not in (None, line) for line in old]
        return able

    def corrupt(self, records: Records, sheet: Sheet, draws: CounterDraws) -> Records:
        columns = ([self._written(cell, sheet) for cell in cells.to_pylist()] for cells in records.cells)
        return replace(records, cells=tuple(pa.array(column, BYTES) for column in columns))

    def _written(self, text: bytes, sheet: Sheet) -> bytes | None:
        """What stands for a text in the other encoding; None where that lacks a character, or it is no text."""
        encoding = self.encoding or ("cp1252" if sheet.codec == "utf-8" else "utf-8")
        try:
            return sheet.foreign(text.decode().encode(encoding))
        except UnicodeError:
            return None
