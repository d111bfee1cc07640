"""Numbers and cells as people read them."""

import math
import re
import unicodedata

import numpy as np

from noisecli.compare.model import Drift

DASH = "–"
"""Stands for what there is not."""

HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff\ufffe\uffff]"
)
"""Characters that a page cannot hold, that nobody sees, or that would turn the text around them."""

PSI_SMALL, PSI_LARGE = 0.1, 0.25
"""Siddiqi 2006, Credit Risk Scorecards: below no, above a major shift."""


def visible(text: str) -> str:
    """Write characters that a page cannot hold, or that would turn it around, as escapes."""
    return HIDDEN.sub(lambda found: _escape(found[0]), text)


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


def short(text: str, most: int) -> str:
    """Cut a text to so many characters."""
    text = visible(text)
    return text if len(text) <= most else text[: most - 1] + "…"


def is_unseen(character: str) -> bool:
    """Whether a reader cannot see a character: controls and marks of format."""
    return unicodedata.category(character) in ("Cc", "Cf", "Co", "Cs", "Zl", "Zp")


def number(value: float | None, digits: int = 4) -> str:
    """Write a number with so many significant digits, thousands apart."""
    if value is None or math.isnan(value):
        return DASH
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == int(value) and abs(value) < 1e15:
        text = f"{int(value):,}"
    elif 1e-4 <= abs(value) < 1e9:
        whole = len(str(int(abs(value)))) if abs(value) >= 1 else 0
        text = f"{value:,.{max(digits - whole, 0)}f}" if whole else f"{value:#.{digits - 1}g}"
    else:
        text = f"{value:.{digits - 1}g}"
    return text.replace(",", "\u202f").replace("-", "−")


def tick(value: float) -> str:
    """Write a number beside an axis, as short as it is."""
    return f"{value:,.6g}".replace(",", "\u202f").replace("-", "−")


def share(value: float | None, decimals: int = 1) -> str:
    """Write a share as a percentage; a tiny one is not rounded to nothing."""
    if value is None or math.isnan(value):
        return DASH
    percent, least = 100 * value, 10.0**-decimals
    if 0 < percent < least / 2:
        return f"<{least:g}\u202f%"
    if 100 - least / 2 < percent < 100:
        return f">{100 - least:g}\u202f%"
    return f"{percent:.{decimals}f}\u202f%"


def fixed(value: float | None, decimals: int = 3) -> str:
    """Write a number with so many decimals."""
    return DASH if value is None or math.isnan(value) else f"{value:.{decimals}f}".replace("-", "−")


SPANS = (("days", 86_400.0), ("h", 3_600.0), ("min", 60.0), ("s", 1.0))


def moment(seconds: float, apart: float) -> str:
    """Write seconds since 1970 as a date, as finely as times that far apart, in seconds, ask for."""
    unit = "D" if apart > 4 * 86_400 else "m" if apart > 600 else "s"
    return str(np.datetime64(round(seconds), "s").astype(f"datetime64[{unit}]")).replace("T", " ")


def span(seconds: float | None) -> str:
    """Write how long something lasts, in the largest unit that it fills."""
    if seconds is None:
        return DASH
    unit, size = next(((unit, size) for unit, size in SPANS if seconds >= size), SPANS[-1])
    return f"{number(seconds / size, 3)}\u202f{unit}"


def plural(count: int, one: str, several: str = "") -> str:
    """Write a count with its noun."""
    return f"{number(count)} {one if count == 1 else several or one + 's'}"


def drift_word(drift: Drift) -> str:
    """Say how large a drift usually counts, by its population stability index."""
    if drift.psi is None or math.isnan(drift.psi):
        return ""
    if drift.psi == 0:
        return "none"
    return "small" if drift.psi < PSI_SMALL else "moderate" if drift.psi <= PSI_LARGE else "large"
