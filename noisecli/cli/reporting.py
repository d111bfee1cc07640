"""The command that reports on a noisy output."""

from pathlib import Path
from typing import Annotated

import typer

from noisecli.cli.app import app
from noisecli.cli.options import Json

PAGE = Path("report.html")

MOST_FAULTS = 5
"""Faults that are told on stderr; the page and --json have more."""


@app.command()
def report(
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="A noisy output, or a copy in one.")],
    source: Annotated[Path, typer.Option("--input", metavar="CLEAN", help="The clean data.")],
    page: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="PAGE", help="Where the page goes; default: report.html.", show_default=False
        ),
    ] = None,
    copy: Annotated[
        int | None, typer.Option(metavar="N", min=0, help="Which copy; default: the first noisy one.")
    ] = None,
    key: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="A column that tells rows apart, where they moved.")
    ] = None,
    table: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Write the measures as CSV, for DVC plots.")
    ] = None,
    json: Json = False,
) -> None:
    """Show what noise did, on one HTML page that needs no network.

    With --json or --csv the page is written only where -o names one. An older report is replaced, nothing else is.

    Example: noisecli report noisy.csv --input customers.csv -o report.html
    """
    from noisecli import report as reports
    from noisecli.cli import show
    from noisecli.compare.sides import swapped

    wanted = page or (None if json or table else PAGE)
    subject = reports.make(output, source, copy=copy, key=key, page=wanted, table=table)
    if json:
        show.as_json(reports.as_document(subject))
    else:
        for path in filter(None, (wanted, table)):
            print(f"report    {path}  ({path.stat().st_size} bytes)")
    more = len(subject.faults) - MOST_FAULTS
    faults = [*subject.faults[:MOST_FAULTS], *([f"and {more} more"] if more > 0 else [])]
    show.warn([f"not as the manifest says: {fault}" for fault in faults])
    show.warn([swapped(source, output)] if subject.swapped else [])
