"""The command that writes a first recipe."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from noisecli.cli.app import app
from noisecli.cli.options import Input
from noisecli.errors import UsageProblem


class Theme(StrEnum):
    """What a recipe may imitate."""

    SENSORS = "sensors"
    SURVEY = "survey"
    OCR = "ocr"
    TYPING = "typing"
    ROBUSTNESS = "robustness"


@app.command()
def init(
    source: Input,
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="RECIPE", help="Where the recipe goes; left out: to stdout.")
    ] = "-",
    theme: Annotated[
        Theme | None,
        typer.Option("--for", metavar="THEME", help="sensors, survey, ocr, typing, robustness; or a mix."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a recipe that exists.")] = False,
) -> None:
    """Look at INPUT, and write a first recipe that fits it.

    Example: noisecli init sales.csv -o recipe.yaml
    """
    from noisecli import starter
    from noisecli.cli import pipes

    to_pipe = output == pipes.PIPE
    target = Path(output)
    if not to_pipe:
        _check(target, force)
    with pipes.piped(source, "") as (file, _):
        made = starter.start(file, theme)
    if to_pipe:
        print(made.text, end="")
        return
    _write(target, made.text)
    print(f"recipe    {target}")
    _put_schema(target.with_name(starter.SCHEMA), force)
    if file == source:
        print("\nNext:")
        for line in made.commands(str(source), output):
            print(f"  {line}")


def _check(target: Path, force: bool) -> None:
    """Refuse what would replace something else than a recipe."""
    if target.suffix.lower() not in (".yaml", ".yml"):
        raise UsageProblem(f"{target}: a recipe is YAML: let the name end in .yaml")
    if target.is_dir():
        raise UsageProblem(f"{target}: a folder: name a file")
    if target.exists() and not force:
        raise UsageProblem(f"{target}: exists; --force replaces it")
    if not target.parent.is_dir():
        raise UsageProblem(f"{target.parent}: no such folder")


def _write(target: Path, text: str) -> None:
    from noisecli.run.commit import replacing

    with replacing(target) as draft:
        draft.write_text(text, encoding="utf-8", newline="\n")


def _put_schema(path: Path, force: bool) -> None:
    """Put the schema beside the recipe, where its first line says that it is; one that is there stays."""
    from noisecli import recipe as recipes

    if force or not path.exists():
        _write(path, json.dumps(recipes.schema(), indent=2) + "\n")
        print(f"schema    {path}, by which editors check and complete recipes")
