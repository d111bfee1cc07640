"""Matplotlib figures as SVG inside a page: colours of the page's theme, its font, no time, no foreign reference."""

import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from noisecli.report.words import visible

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, MUTED, LINE, BEFORE, AFTER, FAULT = "#010203", "#040506", "#070809", "#0a0b0c", "#0d0e0f", "#101112"
"""Colours that stand for those of the theme until the page is made."""

THEME = {INK: "ink", MUTED: "muted", LINE: "line", BEFORE: "before", AFTER: "after", FAULT: "fault"}

STYLE: dict[Any, Any] = {
    "svg.hashsalt": "noisecli",
    "svg.fonttype": "none",
    "font.size": 11,
    "text.color": INK,
    "text.parse_math": False,
    "axes.edgecolor": LINE,
    "axes.labelcolor": MUTED,
    "axes.labelsize": 11,
    "axes.linewidth": 1,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "axes.grid": False,
    "axes.axisbelow": True,
    "axes.formatter.useoffset": False,
    "grid.color": LINE,
    "xtick.color": LINE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "ytick.color": LINE,
    "xtick.major.size": 3,
    "ytick.major.size": 0,
    "lines.linewidth": 1.25,
    "hatch.linewidth": 0.6,
}

SVG, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"


@contextmanager
def drawing() -> Iterator[None]:
    """Let figures be drawn alike, whatever the user has set for matplotlib, and without a word on stderr."""
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it tells of its font cache
    import matplotlib

    with warnings.catch_warnings(), matplotlib.rc_context():
        warnings.simplefilter("ignore")  # glyphs that its font lacks: the page has fonts of its own
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        yield


def figure(width: float, height: float) -> "Figure":
    """Return an empty figure, measured in the page's pixels."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width / 72, height / 72), dpi=72)


def inline(drawn: "Figure", name: str, title: str) -> str:
    """Return a figure as an `svg` element.

    Args:
        drawn: the figure.
        name: what its ids begin with, unique in the page.
        title: what it shows, for those who do not see it.
    """
    sink = StringIO()
    nothing = {"Date": None, "Creator": None, "Format": None, "Type": None}
    drawn.savefig(sink, format="svg", metadata=nothing)
    root = ElementTree.fromstring(sink.getvalue())
    _clean(root, name)
    width, height = (root.attrib.pop(key).removesuffix("pt") for key in ("width", "height"))
    root.attrib.pop("version", None)
    root.attrib |= {"role": "img", "aria-label": visible(title), "style": f"max-width:{float(width):g}px"}
    root.set("viewBox", f"0 0 {float(width):g} {float(height):g}")
    ElementTree.register_namespace("", SVG)
    ElementTree.register_namespace("xlink", XLINK)
    text = ElementTree.tostring(root, encoding="unicode")
    for colour, variable in THEME.items():
        text = text.replace(colour, f"var(--{variable})")
    return re.sub(r"\s*\n\s*", " ", text)


def _clean(root: ElementTree.Element, name: str) -> None:
    """Take out what is not drawn, and ids that nothing refers to; make the others unique in the page."""
    for parent in root.iter():
        for child in list(parent):
            if child.tag in (f"{{{SVG}}}metadata", f"{{{SVG}}}style"):
                parent.remove(child)
    used = set(re.findall(r'(?:url\(#|href="#)([^")]+)', ElementTree.tostring(root, encoding="unicode")))
    for element in root.iter():
        own = element.attrib.pop("id", None)
        if own in used:
            element.set("id", f"{name}-{own}")
        for key, value in element.attrib.items():
            if "url(#" in value or (key.endswith("href") and value.startswith("#")):
                element.set(key, re.sub(r"(^|url\()#", rf"\1#{name}-", value))
        if element.tag == f"{{{SVG}}}text":
            _in_page_font(element)


def _in_page_font(element: ElementTree.Element) -> None:
    """Keep of a text's style its size, place and colour; the font is the page's."""
    style = element.attrib.get("style", "")
    size = re.search(r"([\d.]+)px", style)
    kept = [part for part in style.split(";") if part.strip() and not part.strip().startswith("font")]
    element.set("style", ";".join([*(f"font-size:{found[1]}px" for found in [size] if found), *kept]).replace(" ", ""))
