"""The report on a noisy output: its figures as data, and one page that shows them."""

from pathlib import Path

from noisecli.errors import UsageProblem
from noisecli.report import page as pages
from noisecli.report.figures import as_csv, as_document
from noisecli.report.subject import Subject, gather
from noisecli.report.write import check, put

__all__ = ["Subject", "as_csv", "as_document", "gather", "make"]


def make(
    output: str | Path,
    source: str | Path,
    *,
    copy: int | None = None,
    key: str | None = None,
    page: str | Path | None = None,
    table: str | Path | None = None,
) -> Subject:
    """Compare an output with its input, and write what is asked for.

    Args:
        output: an output of noisecli, one result or copy of it, or data that someone else made noisy.
        source: the clean data.
        copy: which copy; None: the first noisy one.
        key: a column that tells the clean rows apart; None: the truth file, or the place of a row does.
        page: where the HTML page goes.
        table: where the measures go as CSV.

    Returns:
        what the report is about; `as_document` gives its figures.

    Raises:
        NoiseError: what is there cannot be read or compared, a place is taken, or a library for the page is missing.
    """
    output, source = Path(output), Path(source)
    wanted = [Path(path) for path in (page, table) if path is not None]
    for path in wanted:
        check(path, output, source)
    if len({path.resolve() for path in wanted}) < len(wanted):
        raise UsageProblem(f"{page}: cannot be the page and the CSV at once: name two places")
    if page is not None:
        pages.need_libraries()
    subject = gather(output, source, copy, key)
    if page is not None:
        put(pages.render(subject), Path(page))
    if table is not None:
        put(as_csv(subject), Path(table))
    return subject
