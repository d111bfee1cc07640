"""Text that went through the wrong encoding, another Unicode form, or HTML."""

import unicodedata
from functools import lru_cache
from html.entities import codepoint2name
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from noisecli.columns import Column
from noisecli.corruption import TextCorruption, register
from noisecli.corruptions.table.characters import RATES, Rewriting, distinct, heads, members, rewrite
from noisecli.streams import CounterDraws, Mask, uniform_choice
from noisecli.text import Edits, Spans, Text

Encoding = Literal[
    "utf-8", "ascii", "latin-1", "iso-8859-2", "iso-8859-5", "iso-8859-15", "cp437", "cp850", "cp866", "cp1250",
    "cp1251", "cp1252", "cp1253", "cp1254", "koi8-r", "mac-roman", "shift-jis", "euc-jp", "gb18030", "big5", "euc-kr",
]  # fmt: skip

SEVERAL_BYTES = {"utf-8", "shift-jis", "euc-jp", "gb18030", "big5", "euc-kr"}
"""Encodings that may take several bytes for a character."""

FIRST_TRAILING = 0x30
"""No byte below this one is part of a longer character in any of the encodings."""

C1_CONTROLS = range(0x80, 0xA0)

MARKUP = "&<>\"'"


@register
class Mojibake(Rewriting):
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

    def edit(self, text: Text, sites: Spans, column: Column, draws: CounterDraws) -> Edits:
        if self.read in SEVERAL_BYTES:
            spans, _ = _between_signs(text, sites)
            return rewrite(text, spans[text.any_within(self.able(text), spans)], self.rewritten)
        return super().edit(text, sites, column, draws)


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
        return text.any_within(np.any(self._able(text), axis=0), sites)

    def edit(self, text: Text, sites: Spans, column: Column, draws: CounterDraws) -> Edits:
        able = self._able(text)
        possible = np.stack([text.any_within(flags, sites) for flags in able])
        nth = uniform_choice(possible.sum(axis=0), draws.uniform())
        chosen = np.argmax(np.cumsum(possible, axis=0) > nth, axis=0)
        if self.read in SEVERAL_BYTES:
            spans, site = _between_signs(text, sites)
            return self._misread(text, spans, chosen[site])
        at, site = members(text, sites)
        changing = able[chosen[site], at]
        return self._misread(text, text.characters[at[changing]], chosen[site[changing]])

    def _misread(self, text: Text, spans: Spans, chosen: NDArray[np.intp]) -> Edits:
        """Read each span as if it had been written in one of the encodings."""
        parts, which = distinct(text, spans)
        pairs, place = np.unique(which * len(self.written) + chosen, return_inverse=True)
        wanted = (divmod(pair, len(self.written)) for pair in pairs.tolist())
        return Edits.by(spans, [misread(parts[part], self.written[i], self.read) for part, i in wanted], place)

    def _able(self, text: Text) -> Mask:
        """(encodings, characters): which make a difference."""
        return np.stack([Mojibake(written=written, read=self.read).able(text) for written in self.written])


@register
class UnicodeForm(Rewriting):
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
class HtmlEscapeRemains(Rewriting):
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


def _between_signs(text: Text, sites: Spans) -> tuple[Spans, NDArray[np.intp]]:
    """What stands between ASCII signs and spaces in some sites, and the site of each: no byte is read across these.

    Other neighbours may be read as one character.
    """
    at, site = members(text, sites)
    rest = (heads(text)[at] >= FIRST_TRAILING) | (text.characters.stops - text.characters.starts > 1)[at]
    at, site = at[rest], site[rest]
    begins = (np.diff(at, prepend=-2) != 1) | (np.diff(site, prepend=-1) != 0)
    ends = np.append(begins[1:], np.ones(min(1, len(begins)), bool))
    first, last = text.characters[at[begins]], text.characters[at[ends]]
    return Spans(first.starts, last.stops, first.rows, first.ordinals), site[begins]


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
