"""The command `preview`."""

from pathlib import Path
from typing import Annotated

import typer

from noisecli.cli.app import app
from noisecli.cli.options import AllowCode, Input, Json, RecipeFile, Seed, Set, Severity, code_admitted, overrides_of
from noisecli.errors import UsageProblem


@app.command()
def preview(
    source: Input,
    recipe: RecipeFile,
    rows: Annotated[
        int | None, typer.Option(metavar="N", min=1, max=1000, help="Rows that are shown (12), or images (4).")
    ] = None,
    exact: Annotated[bool, typer.Option("--exact", help="Read the whole table for its facts.")] = False,
    sheet: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="PNG", help="Contact sheet of images (preview.png).")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a PNG that preview did not make.")] = False,
    seed: Seed = None,
    severity: Severity = None,
    set_: Set = None,
    allow_code: AllowCode = False,
    json: Json = False,
) -> None:
    """Show what a recipe would do to some rows or images.

    Rows are printed, before -> after; of images a contact sheet is drawn. Nothing else is written.

    Example: noisecli preview sales.csv -r recipe.yaml
    """
    from noisecli import recipe as recipes
    from noisecli.cli import pipes, previewed
    from noisecli.cli.progress import progress
    from noisecli.preview.asked import Asked
    from noisecli.run.dataset import find_target

    overrides = overrides_of(set_, seed)
    with code_admitted(allow_code), pipes.piped(source, "") as (file, _), progress(quiet=not exact) as meter:
        checked = recipes.load(recipe, target=find_target(file), overrides=overrides, severity=severity)
        asked = Asked(file, recipe, checked, overrides, severity, allow_code, exact, meter)
        if checked.target == "images":
            from noisecli.preview.images import DEFAULT_SHEET, preview_images

            drawn = preview_images(asked, rows or 4, sheet or Path(DEFAULT_SHEET), force)
        elif sheet is not None:
            raise UsageProblem("-o: only the preview of images is a file, that of a table is printed: leave it out")
        else:
            from noisecli.preview.tables import preview_table

            found = preview_table(asked, rows or 12)
    if checked.target == "images":
        previewed.show_images(drawn, source, json)
    else:
        previewed.show_table(found, source, json)
