"""Numbers that are no longer read as such."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from noisecli.corruption import SpellingCorruption, register

WHOLE = r"[+-]?\d+"
EXPONENT = r"([eE][+-]?\d+)?"


class QuotedCorruption(SpellingCorruption):
    """Numbers that may come to hold the file's delimiter."""

    quote: bool = True
    """Whether the number is put in quotes where it comes to hold the file's delimiter."""

    def quotes(self) -> bool:
        return self.quote


@register
class DecimalComma(QuotedCorruption):
    """Write numbers with a decimal comma, as in most of Europe: 3,14 for 3.14.

    Eligible are numbers with a decimal point.

    Source: Kim et al. 2003, "A Taxonomy of Dirty Data".

    Example:
        {op: decimal_comma, columns: [price]}
    """

    breaks = (
        "The column is read as text, as much larger numbers where commas are taken to separate thousands, or as "
        "missing. Without quotes, in a file with commas, the row has a cell too many."
    )
    pattern = rf"{WHOLE}\.\d+{EXPONENT}"

    def spell(self, number: str) -> str:
        return number.replace(".", ",")


def _is_separator(text: str) -> str:
    if re.search(r"[\d\r\n\".eE+-]", text):
        raise ValueError(f"{text!r} would make another number of it: take one such as ',', ' ' or '\\''")
    return text


@register
class ThousandsSeparator(QuotedCorruption):
    """Write numbers with their thousands separated: 1,234,567 for 1234567.

    Eligible are numbers of four digits or more before the point.

    Source: Kim et al. 2003, "A Taxonomy of Dirty Data".

    Example:
        {op: thousands_separator, columns: [income]}
    """

    breaks = (
        "The column is read as text, as much smaller numbers where commas are taken for decimal ones, or as missing. "
        "Without quotes, in a file with commas, the row has a cell too many."
    )
    pattern = rf"[+-]?\d{{4,}}(\.\d+)?{EXPONENT}"

    separator: Annotated[str, Field(min_length=1, max_length=1), AfterValidator(_is_separator)] = ","
    """What separates thousands."""

    def spell(self, number: str) -> str:
        sign, whole, rest = re.fullmatch(r"([+-]?)(\d+)(.*)", number).groups()  # type: ignore[union-attr]
        first = len(whole) % 3
        groups = [whole[:first], *(whole[i : i + 3] for i in range(first, len(whole), 3))]
        return sign + self.separator.join(filter(None, groups)) + rest


def _is_unit(text: str) -> str:
    if not text.strip() or re.search(r"[\r\n\"]", text):
        raise ValueError("should be a text such as ' kg' or '%', without quotes and line ends")
    return text


@register
class UnitsInValues(SpellingCorruption):
    """Write the unit after numbers: 12.5 kg for 12.5.

    Source: Kim et al. 2003, "A Taxonomy of Dirty Data".

    Example:
        {op: units_in_values, columns: [weight], unit: " kg"}
    """

    breaks = "The column is read as text, or the numbers that bear a unit as missing."
    pattern = rf"{WHOLE}(\.\d+)?{EXPONENT}"

    unit: Annotated[str, AfterValidator(_is_unit)]
    """What is written after the number, just so: with a blank where one shall stand between."""

    def spell(self, number: str) -> str:
        return number + self.unit
