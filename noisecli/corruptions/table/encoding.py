"""Text that went through the wrong encoding, another Unicode form, or HTML."""

import unicodedata
from functools import lru_cache
from html.entities import codepoint2name
from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from noisecli.columns import Column
from noisecli.corruption import TextCorruption, register
from noisecli.corruptions.table.characters import RATES, Rewriting, distinct, pick
from noisecli.streams import CounterDraws, Mask
from noisecli.text import Edits, Spans, Text

Encoding = Literal[
    "utf-8", "ascii", "latin-1", "iso-8859-2", "iso-8859-5", "iso-8859-15", "cp437", "cp850", "cp866", "cp1250",
    "cp1251", "cp1252", "cp1253", "cp1254", "koi8-r", "mac-roman", "shift-jis", "euc-jp", "gb18030", "big5", "euc-kr",
]  # fmt: skip

SEVERAL_BYTES = {"utf-8", "shift-jis", "euc-jp", "gb18030", "big5", "euc-kr"}
"""Encodings that may take several bytes for a character."""

C1_CONTROLS = range(0x80, 0xA0)

MARKUP = "&<>\"'"


class Cellwise(Rewriting):
    """A rewriting that befalls whole cells, unless the step says otherwise."""

    unit: Literal["cell", "word", "char"] = "cell"
    """What the rate is a share of, and what is rewritten: whole cells, words, or characters."""


@register
class Mojibake(Cellwise):
    """Read struck cells in another encoding than they were written in: "Größe" becomes "GrÃ¶ÃŸe".

    What an encoding lacks is written "?"; bytes that mean nothing are read as U+FFFD, or as browsers do
    as the control character of that number. Cells of ASCII alone are not eligible.

    Source: Speer 2019, "ftfy" (fixes text for you), Zenodo, doi:10.5281/zenodo.2591652.

    Example:
        {op: mojibake, columns: [name], written: utf-8, read: cp1252, rate: 0.05}
    """

    severities = RATES

    written: Encoding = "utf-8"
    """Encoding in which the cells were written."""

    read: Encoding = "cp1252"
    """Encoding that the reader took it for."""

    @model_validator(mode="after")
    def _encodings_differ(self) -> "Mojibake":
        if self.written == self.read:
            raise ValueError("written and read must be two encodings")
        return self

    def rewritten(self, part: str) -> str:
        return misread(part, self.written, self.read)


@register
class EncodingMix(TextCorruption):
    """Read struck cells wrongly, as in a column from several sources: each was written in one of some encodings.

    Every encoding that makes a difference to a cell is as likely. What it lacks, and bytes that mean nothing, are read
    as by `mojibake`. Cells of ASCII alone are not eligible.

    Source: Speer 2019, "ftfy" (fixes text for you), Zenodo, doi:10.5281/zenodo.2591652.

    Example:
        {op: encoding_mix, columns: [name], written: [utf-8, cp437, mac-roman], read: cp1252, rate: 0.05}
    """

    severities = RATES

    unit: Literal["cell", "word", "char"] = "cell"
    """What the rate is a share of, and what is misread: whole cells, words, or characters."""

    written: tuple[Encoding, ...] = Field(default=("utf-8", "cp437", "mac-roman"), min_length=1)
    """Encodings in which the sources wrote."""

    read: Encoding = "cp1252"
    """Encoding that the reader took all for."""

    @model_validator(mode="after")
    def _encodings_differ(self) -> "EncodingMix":
        if self.read in self.written:
            raise ValueError("read must not be among the encodings written")
        return self

    def can_edit(self, text: Text, sites: Spans, column: Column) -> Mask:
        return np.asarray(np.any(self._possible(text, sites, column), axis=0))

    def edit(self, text: Text, sites: Spans, column: Column, draws: CounterDraws) -> Edits:
        possible = self._possible(text, sites, column)
        nth = pick(possible.sum(axis=0), draws.uniform())
        chosen = np.argmax(np.cumsum(possible, axis=0) > nth, axis=0)
        parts, which = distinct(text, sites)
        pairs, place = np.unique(which * len(self.written) + chosen, return_inverse=True)
        wanted = (divmod(pair, len(self.written)) for pair in pairs.tolist())
        news = [misread(parts[part], self.written[number], self.read) for part, number in wanted]
        return Edits.by(sites, news, place)

    def _possible(self, text: Text, sites: Spans, column: Column) -> Mask:
        """(encodings, sites): which make a difference."""
        ways = [Mojibake(unit=self.unit, written=written, read=self.read) for written in self.written]
        return np.stack([way.can_edit(text, sites, column) for way in ways])


@register
class UnicodeForm(Cellwise):
    """Write struck cells in another normalisation form: é as one code point (NFC), or as e and an accent (NFD).

    What is in that form already is not eligible.

    Source: Unicode Standard Annex #15, "Unicode Normalization Forms".

    Example:
        {op: unicode_form, columns: [name], form: NFD, rate: 0.5}
    """

    severities = RATES

    form: Literal["NFC", "NFD", "NFKC", "NFKD"] = "NFD"
    """The form; those with K also replace wide, raised and joined letters by plain ones."""

    def rewritten(self, part: str) -> str:
        return unicodedata.normalize(self.form, part)


@register
class HtmlEscapeRemains(Cellwise):
    """Leave struck cells escaped for HTML: & is &amp;, ü is &uuml;, я is &#1103;.

    Source: HTML Living Standard, "Named character references"; that they remain in data: Speer 2019, "ftfy".

    Example:
        {op: html_escape_remains, columns: [name], rate: 0.05}
    """

    severities = RATES

    extent: Literal["markup", "all"] = "all"
    """markup: only & < > and quotes are escaped; all: also what is not ASCII, by name where HTML 4 has one."""

    def rewritten(self, part: str) -> str:
        return "".join(self._escaped(point) for point in part)

    def _escaped(self, point: str) -> str:
        if point not in MARKUP and (point.isascii() or self.extent == "markup"):
            return point
        name = codepoint2name.get(ord(point))
        return f"&{name};" if name else f"&#{ord(point)};"


def misread(part: str, written: str, read: str) -> str:
    """Write a text in one encoding and read it in another."""
    data = part.encode(written, "replace")
    if read in SEVERAL_BYTES:
        return data.decode(read, "replace")
    return "".join(map(_bytes_read_in(read).__getitem__, data))


@lru_cache
def _bytes_read_in(encoding: str) -> tuple[str, ...]:
    """What each byte is read as: where the encoding has nothing for it, the control character that browsers take."""
    found = (bytes([byte]).decode(encoding, "replace") for byte in range(256))
    return tuple(chr(n) if read == "\ufffd" and n in C1_CONTROLS else read for n, read in enumerate(found))
