"""Text that was cut off."""

from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from noisecli.columns import Column
from noisecli.corruption import TextCorruption, register
from noisecli.corruptions.table.characters import RATES
from noisecli.splice import Offsets
from noisecli.streams import CounterDraws, Mask
from noisecli.text import Edits, Spans, Text

Length = Annotated[int, Field(gt=0, lt=2**31)]
"""No cell is longer than what Arrow can hold."""


@register
class TruncateText(TextCorruption):
    """Cut struck cells off after so many characters, words or bytes: a field that was too short.

    A character is never torn, and a cell never emptied. Cells that are short enough are not eligible.

    Source: Pipino, Lee and Wang 2002, "Data Quality Assessment" (completeness of values).

    Example:
        {op: truncate_text, columns: [name], chars: 3, rate: 0.5}
    """

    severities = RATES

    unit: Literal["cell"] = "cell"
    """What the rate is a share of: cells, always."""

    chars: Length | None = None
    """How many characters are left, as people see them."""

    words: Length | None = None
    """How many words are left."""

    bytes: Length | None = None
    """How many bytes of UTF-8 are left at most; a character that does not fit in whole is left out."""

    @model_validator(mode="after")
    def _one_length(self) -> "TruncateText":
        if sum(length is not None for length in (self.chars, self.words, self.bytes)) != 1:
            raise ValueError("takes one of chars, words and bytes")
        return self

    def can_edit(self, text: Text, sites: Spans, column: Column) -> Mask:
        ends = self._ends(text, sites)
        return (sites.starts < ends) & (ends < sites.stops)

    def edit(self, text: Text, sites: Spans, column: Column, draws: CounterDraws) -> Edits:
        tails = Spans(self._ends(text, sites), sites.stops, sites.rows, sites.ordinals)
        return Edits.by(tails, [""], np.zeros(len(sites), np.int64))

    def _ends(self, text: Text, sites: Spans) -> Offsets:
        """Where the cells are cut, at their own end at the latest."""
        if self.bytes is not None:
            return _end_of_bytes(text, sites, self.bytes)
        parts = text.characters if self.words is None else text.words
        first, end = (np.searchsorted(parts.rows, sites.rows, side=side) for side in ("left", "right"))
        last = first + (self.chars or self.words or 0)
        return np.where(last < end, np.append(parts.stops, 0)[np.minimum(last, end) - 1], sites.stops)


def _end_of_bytes(text: Text, sites: Spans, most: int) -> Offsets:
    """Where the last character that fits into so many bytes ends."""
    widths = 1 + (text.points >= 0x80).astype(np.int64) + (text.points >= 0x800) + (text.points >= 0x10000)
    running = np.concatenate([[0], np.cumsum(widths)])
    ends = np.concatenate([[0], text.characters.stops])
    fitting = np.searchsorted(running[ends], running[sites.starts] + most, side="right") - 1
    return np.asarray(np.minimum(ends[fitting], sites.stops))
