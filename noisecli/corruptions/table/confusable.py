"""Letters taken for others: by a reader, by a machine, or on purpose."""

from functools import cache
from typing import Literal

from pydantic import Field

from noisecli.corruption import register
from noisecli.corruptions.table.characters import RATES, OneCharacter
from noisecli.corruptions.table.lookalikes import Replacements, homoglyph_table, leet_table, ocr_table
from noisecli.splice import Offsets
from noisecli.streams import CounterDraws, Mask
from noisecli.text import Edits, Text

Script = Literal["latin", "greek", "cyrillic", "japanese", "fullwidth"]


class Confusion(OneCharacter):
    """Replaces letters by others."""

    def replacements(self) -> Replacements:
        """Return which letters there are for which."""
        raise NotImplementedError

    def able(self, text: Text) -> Mask:
        return self.replacements().find(text) >= 0

    def act(self, text: Text, at: Offsets, draws: CounterDraws) -> Edits:
        return self.replacements().replace(text, at, draws.uniform())


@register
class Ocr(Confusion):
    """Misread one letter in each struck word as one that looks alike: 0 for O, rn for m.

    Latin, Cyrillic, Devanagari and Japanese; a mark may be lost (e for é). Letters of a pair such as `rn` are misread
    together only.

    Source: Smith 2007, "An Overview of the Tesseract OCR Engine", and the lists of ambiguities that come with it.

    Example:
        {op: ocr, columns: [name], rate: 0.05}
    """

    severities = RATES

    def replacements(self) -> Replacements:
        return _ocr()


@register
class Homoglyph(Confusion):
    """Replace one letter in each struck word by one of another script that looks the same: Latin a, Cyrillic a.

    Source: Unicode Technical Standard #39, "Unicode Security Mechanisms", confusables; as an attack on models Boucher
    et al. 2022, "Bad Characters: Imperceptible NLP Attacks".

    Example:
        {op: homoglyph, columns: [name], rate: 0.05}
    """

    severities = RATES

    scripts: tuple[Script, ...] = Field(default=("latin", "greek", "cyrillic", "japanese"), min_length=1)
    """Scripts that the new letters come from; `fullwidth` are the wide forms of ASCII, which a reader does notice."""

    def replacements(self) -> Replacements:
        return _homoglyphs(self.scripts)


@register
class Leet(Confusion):
    """Write a figure or sign for one letter in each struck word: 3 for e, $ for s.

    Source: Perea, Duñabeitia and Carreiras 2008, "R34D1NG W0RD5 W1TH NUMB3R5".

    Example:
        {op: leet, columns: [name], rate: 0.05}
    """

    severities = RATES

    def replacements(self) -> Replacements:
        return _leet()


@cache
def _ocr() -> Replacements:
    return Replacements(ocr_table())


@cache
def _homoglyphs(scripts: tuple[Script, ...]) -> Replacements:
    return Replacements(homoglyph_table(scripts))


@cache
def _leet() -> Replacements:
    return Replacements(leet_table())
