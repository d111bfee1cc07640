"""The commands. Heavy imports happen inside them, so that `--help` is quick."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from noisecli import __version__
from noisecli.errors import UsageProblem

app = typer.Typer(
    name="noisecli",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

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


def _version(show: bool) -> None:
    if show:
        typer.echo(f"noisecli {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Controlled, reproducible damage to datasets: noisy copies from a YAML recipe, and a manifest that proves them.

    Exit codes: 0 done, 1 the environment, 2 recipe or arguments, 3 the data, 4 a check failed, 130 and 143 interrupted.
    """


@app.command()
def augment(
    source: Input,
    recipe: RecipeFile,
    output: Output,
    seed: Seed = None,
    copies: Copies = None,
    severity: Severity = None,
    set_: Set = None,
    truth: Annotated[
        bool, typer.Option("--truth", help="Write down every change, cell by cell, in OUTPUT.noisecli-truth.parquet.")
    ] = False,
    allow_code: AllowCode = False,
    workers: Workers = None,
    force: Force = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything and say what would be done.")] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write noisy copies of INPUT, and a manifest beside them."""
    from noisecli import recipe as recipes
    from noisecli import run
    from noisecli.cli import pipes, show
    from noisecli.cli.progress import progress

    to_pipe = output == pipes.PIPE
    if to_pipe and json:
        raise UsageProblem("--json: the data goes to stdout; name an output file")
    if to_pipe and truth:
        raise UsageProblem("--truth: it stands beside the output, and a pipe has no place; name an output file")
    overrides = _overrides(set_, seed, copies)
    _see_own_code(allow_code)
    if to_pipe:
        pipes.refuse_several(recipes.load(recipe, target="table", overrides=overrides, severity=severity))
    with pipes.piped(source, output) as (source_file, target), progress(quiet) as meter:
        if dry_run:
            prepared = run.inspect(
                source_file,
                recipe,
                output=target,
                overrides=overrides,
                severity=severity,
                allow_code=allow_code,
                workers=workers,
                force=force,
                progress=meter,
            )
        else:
            outcome = run.augment(
                source_file,
                recipe,
                target,
                overrides=overrides,
                severity=severity,
                truth=truth,
                allow_code=allow_code,
                workers=workers,
                force=force,
                progress=meter,
            )
    if dry_run:
        show.prepared(prepared, json, quiet)
    elif to_pipe:
        show.warn(
            [*outcome.manifest.warnings, f"no manifest is kept of what goes to a pipe; seed {outcome.manifest.seed}"]
        )
    else:
        show.outcome(outcome, json, quiet)


@app.command()
def validate(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="YAML recipe, a key of a file, or builtin:NAME.")],
    source: Annotated[Path | None, typer.Argument(metavar="[INPUT]", help="Check it against this data too.")] = None,
    set_: Set = None,
    json: Json = False,
) -> None:
    """Check a recipe, and with INPUT whether it fits the data; nothing is written."""
    from noisecli import recipe as recipes
    from noisecli import run
    from noisecli.cli import show

    overrides = _overrides(set_, None, None)
    if source is None:
        checked = recipes.load(recipe, overrides=overrides)
        run.settle_files(checked)
        show.recipe(checked, json)
    else:
        show.prepared(run.inspect(source, recipe, overrides=overrides), json, quiet=False)


@app.command()
def ops(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Explain one op.")] = None, json: Json = False
) -> None:
    """List every op, or explain one: parameters, units, severities, example, source."""
    from noisecli.cli import catalogue

    if name is None:
        catalogue.list_all(json)
    else:
        catalogue.explain(name, json)


@app.command("recipes")
def built_in(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Print the YAML of one.")] = None,
    json: Json = False,
) -> None:
    """List the recipes that come with noisecli, for -r builtin:NAME; or print one, to be saved and edited."""
    from noisecli.cli import catalogue

    if name is None:
        catalogue.list_recipes(json)
    else:
        catalogue.print_recipe(name, json)


@app.command()
def schema() -> None:
    """Print the JSON Schema of recipes, for editors and checkers."""
    from noisecli import recipe as recipes
    from noisecli.cli import show

    show.as_json(recipes.schema())


@app.command()
def verify(
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="An output, or its manifest.")],
    source: Annotated[
        Path | None, typer.Option("--input", metavar="PATH", help="Check the input's hashes too.")
    ] = None,
    json: Json = False,
) -> None:
    """Check every file of an output against its manifest."""
    from noisecli import manifest
    from noisecli.cli import show

    checked, faults = manifest.verify(output, source)
    show.verified(checked, faults, json)


@app.command()
def replay(
    manifest: Annotated[Path, typer.Argument(metavar="MANIFEST", help="A manifest, or its output.")],
    source: Annotated[Path, typer.Option("--input", metavar="PATH", help="The input of that run.")],
    output: Output,
    allow_code: AllowCode = False,
    workers: Workers = None,
    force: Force = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Do again what a manifest records, and compare."""
    from noisecli import run
    from noisecli.cli import show
    from noisecli.cli.progress import progress

    _see_own_code(allow_code)
    if str(source) == "-":
        raise UsageProblem("-: the input of a replay cannot be a pipe: name the file")
    with progress(quiet) as meter:
        outcome, same_content, different = run.replay(
            manifest, source, output, allow_code=allow_code, workers=workers, force=force, progress=meter
        )
    show.replayed(outcome, same_content, different, json, quiet)


def _see_own_code(allowed: bool) -> None:
    """Let Python find modules in the working directory, as it does for scripts."""
    if allowed and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))


def _overrides(settings: list[str] | None, seed: int | None, copies: int | None) -> list[tuple[str, Any, str]]:
    from noisecli.recipe import parse_override

    overrides = [parse_override(text) for text in settings or []]
    for name, value in (("seed", seed), ("copies", copies)):
        if value is not None:
            overrides.append((name, value, f"--{name} {value}"))
    return overrides


def run() -> int:
    """Parse the arguments and run the command; return its exit code."""
    try:
        result = app(standalone_mode=False, prog_name="noisecli")
    except typer.Abort:
        raise KeyboardInterrupt from None
    except SystemExit as end:
        # Click leaves in this way when nobody reads stdout any more.
        if isinstance(end.__context__, BrokenPipeError):
            raise end.__context__ from None
        raise
    except Exception as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            return 2  # the help has been shown
        # Click and the Typer that vendors it have different classes for wrong arguments; both can describe themselves.
        if hasattr(error, "format_message"):
            command = getattr(getattr(error, "ctx", None), "command_path", "noisecli")
            raise UsageProblem(f"{error.format_message()} (see {command} --help)") from None
        raise
    if result == 130:  # what Typer makes of Ctrl-C
        raise KeyboardInterrupt
    return result if isinstance(result, int) else 0
