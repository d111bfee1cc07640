"""Files that are dirty as a whole: their header, the order of their columns, what stands before and after the rows."""

import codecs
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

import numpy as np
from pydantic import AfterValidator, Field

from noisecli.corruption import Damage, Sheet, SheetCorruption, register
from noisecli.streams import CounterDraws


@register
class Bom(SheetCorruption):
    """Put a byte order mark before the file, as spreadsheets on Windows do; a second one where it has one.

    In a file that is not in Unicode the bytes of the mark of UTF-8 stand there, and read as ï»¿ in latin-1.

    Source: The Unicode Consortium 2023, "The Unicode Standard", version 15.1, section 23.8.

    Example:
        {op: bom}
    """

    breaks = (
        "Readers that do not take the mark away read it as part of the first column's name, which then is not found. "
        "Many take one mark away; with two all read the name wrong."
    )

    def damage(self, sheet: Sheet, columns: Sequence[int], draws: CounterDraws) -> Damage:
        mark = codecs.BOM_UTF8 if sheet.codec.startswith("utf") else sheet.foreign(codecs.BOM_UTF8)
        return Damage(replace(sheet, mark=mark + sheet.mark))


@register
class ReorderColumns(SheetCorruption):
    """Put the columns into another order, header and all: an export whose layout has changed.

    Source: Rahm and Do 2000, "Data Cleaning: Problems and Current Approaches".

    Example:
        {op: reorder_columns}
    """

    breaks = "Readers that go by position, or that have a fixed schema, find other values in each column."

    def able(self, sheet: Sheet) -> bool:
        return len(sheet.columns) > 1

    def damage(self, sheet: Sheet, columns: Sequence[int], draws: CounterDraws) -> Damage:
        order = np.argsort(draws.uniform(), kind="stable")
        if (order == np.arange(len(order))).all():
            order = np.roll(order, 1)
        return Damage(sheet, tuple(order.tolist()))


@register
class DuplicateColumn(SheetCorruption):
    """Repeat columns after all others, name and all: a join that kept the key of both sides.

    Without `columns` one is drawn.

    Source: Rahm and Do 2000, "Data Cleaning: Problems and Current Approaches".

    Example:
        {op: duplicate_column}
    """

    breaks = (
        "Two columns bear one name. Readers reject the file, rename the second, or hand out a table in which the name "
        "is ambiguous; a fixed schema does not fit."
    )
    names_columns = "may"

    def damage(self, sheet: Sheet, columns: Sequence[int], draws: CounterDraws) -> Damage:
        return Damage(sheet, (*range(len(sheet.columns)), *(columns or [_drawn(draws)])))


@register
class RenameColumn(SheetCorruption):
    """Give columns another name in the header: an export whose layout has changed.

    Without `columns` one is drawn.

    Source: Rahm and Do 2000, "Data Cleaning: Problems and Current Approaches".

    Example:
        {op: rename_column}
    """

    breaks = "Readers that ask for the column by its name do not find it, or take it for missing."
    needs_header = True
    names_columns = "may"

    new_name: str | None = None
    """The new name; left out: another spelling of the old one, drawn: in capitals or small letters, with blanks for
    underscores or the other way round, or with `_1` after it."""

    def damage(self, sheet: Sheet, columns: Sequence[int], draws: CounterDraws) -> Damage:
        assert sheet.titles is not None
        titles, which = list(sheet.titles), draws.uniform()
        for i in columns or [_drawn(draws)]:
            old = _unquoted(titles[i].decode())
            others = _spellings(old)
            new = others[int(which[i] * len(others))] if self.new_name is None else self.new_name
            titles[i] = _quoted(new, titles[i], sheet).encode()
        return Damage(replace(sheet, titles=tuple(titles)))


def _drawn(draws: CounterDraws) -> int:
    return int(np.argmin(draws.uniform()))


def _spellings(name: str) -> list[str]:
    cases = [name.upper(), name.lower()]
    blanks = [name.replace("_", " "), name.replace(" ", "_")]
    return [other for other in dict.fromkeys([*cases, *blanks, f"{name}_1"]) if other != name]


def _unquoted(title: str) -> str:
    title = title.strip(" \t")
    return title[1:-1].replace('""', '"') if len(title) > 1 and title[0] == title[-1] == '"' else title


def _quoted(name: str, old: bytes, sheet: Sheet) -> str:
    """The name as the header writes it: in quotes where it needs them, or where the old one had some."""
    needs = old.startswith(b'"') or any(sign in name for sign in f'{sheet.delimiter.decode()}"\r\n')
    return '"' + name.replace('"', '""') + '"' if needs else name


def _is_line(text: str) -> str:
    if "\n" in text or "\r" in text:
        raise ValueError(f"{text!r} is more than one line: give a list of lines")
    return text


@register
class FooterLines(SheetCorruption):
    """Put lines after the rows that are none: totals, notes and marks of the end of a report.

    Source: van den Burg, Nazábal and Sutton 2019, "Wrangling Messy CSV Files by Detecting Row and Type Patterns".

    Example:
        {op: footer_lines, lines: ["", "Monthly report, 2024"]}
    """

    breaks = (
        "The footer is read as rows: strict readers reject the file, since it has too few cells; lenient ones add rows "
        "with a text in the first column, which turns a column of numbers to text, and missing cells in the others."
    )

    lines: Annotated[tuple[Annotated[str, AfterValidator(_is_line)], ...], Field(min_length=1)] = ("End of report",)
    """The lines, as they are written."""

    def damage(self, sheet: Sheet, columns: Sequence[int], draws: CounterDraws) -> Damage:
        lines = b"".join(line.encode() + sheet.line_end for line in self.lines)
        return Damage(replace(sheet, footer=sheet.footer + lines))


@register
class TruncatedTail(SheetCorruption):
    """Cut the end of the file off, in the midst of a row: a download that broke off, a disk that was full.

    Source: Kim et al. 2003, "A Taxonomy of Dirty Data".

    Example:
        {op: truncated_tail, share: 0.05}
    """

    breaks = (
        "Rows are missing, and the last one is cut off. Strict readers reject the file where that lacks cells; lenient "
        "ones fill it up with missing cells. A number that lost its last digits is read as another one by all."
    )
    severities = ({"share": 0.0}, {"share": 0.001}, {"share": 0.01}, {"share": 0.1}, {"share": 0.3})

    share: Annotated[float, Field(ge=0, le=1)] = 0.01
    """Share of the rows that are lost, 0..1, of the first of them a part only; one is at the least."""

    def able(self, sheet: Sheet) -> bool:
        return sheet.rows > 0

    def damage(self, sheet: Sheet, columns: Sequence[int], draws: CounterDraws) -> Damage:
        last = sheet.rows - max(1, round(sheet.rows * self.share))
        left = replace(sheet, rows=last + 1, footer=b"")
        return Damage(left, cut=(last, float(draws.uniform()[0])))
