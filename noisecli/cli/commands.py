"""The commands. Heavy imports happen inside them, so that `--help` is quick."""

from pathlib import Path
from typing import Annotated

import typer

from noisecli.cli import completion
from noisecli.cli.app import app
from noisecli.cli.options import (
    RESULT,
    AllowCode,
    Copies,
    Force,
    IfChanged,
    Input,
    Json,
    Output,
    Quiet,
    RecipeFile,
    Resume,
    Seed,
    Set,
    Severity,
    Workers,
    code_admitted,
    overrides_of,
)
from noisecli.errors import UsageProblem


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
        bool, typer.Option("--truth", help="Write every changed cell down beside it.", rich_help_panel=RESULT)
    ] = False,
    allow_code: AllowCode = False,
    workers: Workers = None,
    force: Force = False,
    if_changed: IfChanged = False,
    resume: Resume = False,
    stamp: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write a digest there when done, for Make and DVC.", rich_help_panel=RESULT),
    ] = None,
    depfile: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write a rule there for Make: what was read.", rich_help_panel=RESULT),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything; say what would be done.")] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write noisy copies of INPUT, and a manifest beside them.

    Example: noisecli augment sales.csv -r recipe.yaml -o noisy.csv --truth
    """
    from noisecli import recipe as recipes
    from noisecli import run
    from noisecli.cli import pipes, show
    from noisecli.cli.progress import progress

    to_pipe = output == pipes.PIPE
    if to_pipe:
        pipes.refuse(json=json, truth=truth, if_changed=if_changed, resume=resume, stamp=stamp, depfile=depfile)
    if depfile and str(source) == pipes.PIPE:
        raise UsageProblem("--depfile: stdin has no name that a rule of Make could hold; name the input")
    overrides = overrides_of(set_, seed, copies)
    if to_pipe:
        pipes.refuse_several(recipes.load(recipe, target="table", overrides=overrides, severity=severity))
    with code_admitted(allow_code), pipes.piped(source, output) as (source_file, target):
        if dry_run:
            with progress(quiet) as meter:
                prepared = run.inspect(
                    source_file,
                    recipe,
                    output=target,
                    overrides=overrides,
                    severity=severity,
                    allow_code=allow_code,
                    workers=workers,
                    force=force or if_changed,
                    resume=resume,
                    progress=meter,
                )
            show.prepared(prepared, json, quiet)
            return
        with progress(quiet) as meter:
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
                if_changed=if_changed,
                resume=resume,
                stamp=stamp,
                depfile=depfile,
                progress=meter,
            )
    if to_pipe:
        show.warn(
            [*outcome.manifest.warnings, f"no manifest is kept of what goes to a pipe; seed {outcome.manifest.seed}"]
        )
    else:
        show.outcome(outcome, json, quiet)


@app.command()
def validate(
    recipe: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE",
            help="YAML recipe, a key of a file, or builtin:NAME.",
            autocompletion=completion.recipes,
        ),
    ],
    source: Annotated[Path | None, typer.Argument(metavar="[INPUT]", help="Check it against this data too.")] = None,
    set_: Set = None,
    json: Json = False,
) -> None:
    """Check a recipe, and with INPUT whether it fits, with advice.

    Example: noisecli validate recipe.yaml sales.csv
    """
    from noisecli import advice, run
    from noisecli import recipe as recipes
    from noisecli.cli import show

    overrides = overrides_of(set_)
    if source is None:
        checked = recipes.load(recipe, overrides=overrides)
        run.settle_files(checked)
        show.recipe(checked, json)
    else:
        found, given = advice.examine(source, recipe, overrides=overrides)
        show.prepared(found, json, quiet=False, advice=given)


@app.command()
def ops(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="The op to explain.", autocompletion=completion.ops)
    ] = None,
    json: Json = False,
) -> None:
    """List every op, or explain one with its parameters and units.

    Example: noisecli ops gaussian_noise
    """
    from noisecli.cli import catalogue

    if name is None:
        catalogue.list_all(json)
    else:
        catalogue.explain(name, json)


@app.command("recipes")
def built_in(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="The recipe whose YAML is printed.", autocompletion=completion.built_in),
    ] = None,
    json: Json = False,
) -> None:
    """List the recipes for -r builtin:NAME, or print one to edit.

    Example: noisecli recipes human-typing > recipe.yaml
    """
    from noisecli.cli import catalogue

    if name is None:
        catalogue.list_recipes(json)
    else:
        catalogue.print_recipe(name, json)


@app.command()
def schema() -> None:
    """Print the JSON Schema of recipes, for editors and checkers.

    Example: noisecli schema > recipe.schema.json
    """
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
    """Check every file of an output against its manifest.

    Example: noisecli verify noisy.csv --input sales.csv
    """
    from noisecli import manifest
    from noisecli.cli import show

    checked, faults = manifest.verify(output, source)
    show.verified(checked, faults, json)


@app.command()
def replay(
    manifest: Annotated[Path, typer.Argument(metavar="MANIFEST", help="A manifest, or its output.")],
    source: Annotated[Path, typer.Option("--input", metavar="PATH", help="The input of that run.")],
    output: Output,
    allow_code: Annotated[
        bool, typer.Option("--allow-code", help="Run its functions, read its files wherever they lie.")
    ] = False,
    workers: Workers = None,
    force: Force = False,
    if_changed: IfChanged = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Do again what a manifest records, and compare.

    Example: noisecli replay noisy.csv --input sales.csv -o again.csv
    """
    from noisecli import run
    from noisecli.cli import show
    from noisecli.cli.progress import progress

    if str(source) == "-":
        raise UsageProblem("-: the input of a replay cannot be a pipe: name the file")
    with code_admitted(allow_code), progress(quiet) as meter:
        outcome, same_content, different = run.replay(
            manifest,
            source,
            output,
            allow_code=allow_code,
            workers=workers,
            force=force,
            if_changed=if_changed,
            progress=meter,
        )
    show.replayed(outcome, same_content, different, json, quiet)
