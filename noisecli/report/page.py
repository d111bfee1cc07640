"""The page: one file that holds all it needs, and asks nothing of anyone."""

from collections.abc import Callable, Iterator
from importlib.resources import files
from importlib.util import find_spec
from typing import Any

from noisecli import __version__
from noisecli.compare.model import ImagesComparison
from noisecli.errors import SystemProblem
from noisecli.report import about, images, sides, tables, words
from noisecli.report.figures import changed_share
from noisecli.report.section import Section
from noisecli.report.subject import Subject
from noisecli.report.svg import drawing

GENERATOR = "noisecli report"
"""What a page says of its maker; a file that does not say it is never replaced."""


def need_libraries() -> None:
    """Make sure, before any work is done, that the page can be drawn.

    Raises:
        SystemProblem: matplotlib or jinja2 is not installed.
    """
    if not all(find_spec(name) for name in ("jinja2", "matplotlib")):
        raise SystemProblem(
            "the page needs matplotlib and jinja2: pip install 'noisecli[report]'; --json and --csv work without them"
        )


def render(subject: Subject) -> str:
    """Return the page as HTML; equal subjects give equal text."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_template),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= _filters()
    with drawing():
        sections = [section for section in _sections(subject) if section.data]
    return environment.get_template("page.html.j2").render(
        generator=GENERATOR,
        version=__version__,
        style=_markup(_template("style.css")),
        subject=subject,
        lede=about.lede(subject),
        sections=sections,
    )


def _sections(subject: Subject) -> Iterator[Section]:
    yield about.summary(subject)
    yield about.warnings(subject)
    yield about.asked_and_realised(subject)
    if isinstance(subject.comparison, ImagesComparison):
        yield images.section(subject, subject.comparison)
    else:
        yield from tables.sections(subject.comparison)
    yield about.recipe(subject)
    yield about.provenance(subject)


def _filters() -> dict[str, Callable[..., Any]]:
    return {
        "changed": changed_share,
        "drift_word": words.drift_word,
        "earth_moved": sides.earth_moved,
        "fixed": words.fixed,
        "number": words.number,
        "plural": words.plural,
        "said": sides.said,
        "share": words.share,
    }


def _template(name: str) -> str:
    return (files("noisecli.report") / name).read_text(encoding="utf-8")


def _visible(value: Any) -> Any:
    """Write what a page cannot hold as escapes; what was drawn for the page stays."""
    return words.visible(value) if type(value) is str else value


def _markup(text: str) -> Any:
    from markupsafe import Markup

    return Markup(text)
