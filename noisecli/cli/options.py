"""Arguments and options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

Input = Annotated[
    Path,
    typer.Argument(
        metavar="INPUT",
        help="A CSV, JSON Lines, Parquet or Arrow file, an image, a folder of them, or - for CSV from stdin.",
    ),
]
RecipeFile = Annotated[
    str,
    typer.Option(
        "--recipe", "-r", metavar="RECIPE", help="YAML recipe, a key of a file: params.yaml#noise, or builtin:NAME."
    ),
]
Output = Annotated[
    str,
    typer.Option(
        "--output", "-o", metavar="OUTPUT", help="Where the copies go, the manifest beside them; or - for stdout."
    ),
]
Workers = Annotated[
    int | None, typer.Option(min=1, help="Processes; default: one a core. The result does not depend on it.")
]
Force = Annotated[bool, typer.Option("--force", help="Replace an output that exists.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no summary; warnings and errors only.")]
AllowCode = Annotated[
    bool, typer.Option("--allow-code", help="Let `op: custom` run functions that the recipe names. Read them first.")
]
Severity = Annotated[
    int | None,
    typer.Option(min=0, max=5, help="Replace the severity of every step; an error where a step has none. 0 is clean."),
]
Seed = Annotated[int | None, typer.Option(min=0, max=2**64 - 1, help="Replace the recipe's seed.")]
Copies = Annotated[int | None, typer.Option(min=1, help="Replace the number of copies.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Replace a value: steps.names.rate=0.2 (by id, op or number)."),
]
