"""Arguments and options that several commands share, and what they mean."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from noisecli.cli import completion

if TYPE_CHECKING:
    from noisecli.recipe import Override

REPLACE = "Instead of what the recipe says"
RESULT = "Output"

Input = Annotated[
    Path,
    typer.Argument(metavar="INPUT", help="CSV, JSON Lines, Parquet, images, a folder; - is stdin."),
]
RecipeFile = Annotated[
    str,
    typer.Option(
        "--recipe",
        "-r",
        metavar="RECIPE",
        help="YAML file, key of one (params.yaml#key), builtin:NAME.",
        autocompletion=completion.recipes,
    ),
]
Output = Annotated[
    str,
    typer.Option("--output", "-o", metavar="OUTPUT", help="Where copies and manifest go; - sends a CSV to stdout."),
]
Workers = Annotated[
    int | None,
    typer.Option(metavar="N", min=1, help="Processes (one a core); the result is the same."),
]
Force = Annotated[bool, typer.Option("--force", help="Replace an output that exists.", rich_help_panel=RESULT)]
IfChanged = Annotated[
    bool, typer.Option("--if-changed", help="As --force, but equal files keep their times.", rich_help_panel=RESULT)
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on where a run was killed; the result is the same.", rich_help_panel=RESULT)
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print warnings and errors only.")]
AllowCode = Annotated[
    bool,
    typer.Option("--allow-code", help="Let `op: custom` run the recipe's functions."),
]
Severity = Annotated[
    int | None,
    typer.Option(
        metavar="0-5", min=0, max=5, help="Severity of every step that has one; 0 is clean.", rich_help_panel=REPLACE
    ),
]
Seed = Annotated[
    int | None,
    typer.Option(metavar="N", min=0, max=2**64 - 1, help="Seed of all random numbers.", rich_help_panel=REPLACE),
]
Copies = Annotated[
    int | None, typer.Option(metavar="N", min=1, help="Number of noisy copies.", rich_help_panel=REPLACE)
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="PATH=VALUE",
        help="Any value: steps.names.rate=0.2 (by id, op or number).",
        rich_help_panel=REPLACE,
    ),
]


@contextmanager
def code_admitted(allowed: bool) -> Iterator[None]:
    """Let Python find modules in the working directory, as it does for scripts, if their functions may run.

    Where no code but noisecli's own runs, this process goes without pandas.
    """
    from noisecli.corruption import plugins
    from noisecli.engine.memory import keep_freed_memory
    from noisecli.executors import without_pandas

    keep_freed_memory()
    if allowed and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    with nullcontext() if allowed or plugins() else without_pandas():
        yield


def overrides_of(settings: list[str] | None, seed: int | None = None, copies: int | None = None) -> list["Override"]:
    """Return what a recipe is told to say instead, in the order in which it takes effect."""
    from noisecli.recipe import parse_override

    overrides = [parse_override(text) for text in settings or []]
    for name, value in (("seed", seed), ("copies", copies)):
        if value is not None:
            overrides.append((name, value, f"--{name} {value}"))
    return overrides
