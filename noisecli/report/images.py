"""What a page shows of images: how damage is spread, and a contact sheet."""

import math
from typing import Any

import numpy as np

from noisecli.compare.model import ImagesComparison
from noisecli.report import plots
from noisecli.report.measures import IMAGE_MEASURES
from noisecli.report.section import Section
from noisecli.report.subject import Subject
from noisecli.report.thumbnails import chosen, sheet
from noisecli.report.words import number, plural

MOST_UNREADABLE = 50
"""So many images that cannot be read are listed."""


def section(subject: Subject, found: ImagesComparison) -> Section:
    """Return the images that differ, from the most to the least damaged."""
    if not found.pairs:
        return Section("images", "Images", None)
    from markupsafe import Markup

    psnr = np.array([pair.psnr for pair in found.pairs if math.isfinite(pair.psnr)])
    pairs = [pair for pair in chosen(found.pairs) if pair.path in subject.images]
    sheets = [sheet(pair, *subject.images[pair.path]) for pair in pairs]
    title = f"Peak signal-to-noise ratios of {plural(len(psnr), 'image')} that differ"
    picture = plots.qualities(psnr, "q", title) if len(psnr) > 1 else None
    data: dict[str, Any] = {
        "note": _note(found),
        "picture": picture and Markup(picture),
        "heading": "From the most to the least damaged" if len(sheets) > 1 else "The image that differs",
        "sheets": sheets,
        "details": any(each.details for each in sheets),
        "unreadable": [pair for pair in found.pairs if pair.unreadable],
        "most": MOST_UNREADABLE,
        "measures": IMAGE_MEASURES,
    }
    return Section("images", "Images", data)


def _note(found: ImagesComparison) -> str:
    compared, equal = len(found.pairs), sum(math.isinf(pair.psnr) for pair in found.pairs)
    said = f"{number(compared - equal)} of {plural(compared, 'image')} differ"
    said += f"; {plural(equal, 'image')} with the same pixels as before." if equal else "."
    return said if found.sampled is None else f"{said} A sample of all images was compared."
