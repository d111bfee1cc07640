"""The app: what all commands share. Their modules are imported by `run`, and import what is heavy inside them.

A command is a function under `@app.command()`. Its docstring is a sentence of at most 64 characters, which the list of
commands shows in the order of `help.IN_USE`, and a last paragraph `Example: noisecli ...` in one line of at most 76.
Every option has a help of one line and, unless it is a flag, a `metavar`; `rich_help_panel` puts it into a group. Tests
hold this, and that no help needs more than 24 lines of 80 columns.
"""

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import typer

from noisecli import __version__
from noisecli.cli.completion import mend_colons
from noisecli.cli.help import Command, Group
from noisecli.errors import UsageProblem

F = TypeVar("F", bound=Callable[..., Any])


class App(typer.Typer):
    """Typer, with help of our own for all commands."""

    def command(self, name: str | None = None, **settings: Any) -> Callable[[F], F]:
        """Make a function a command."""
        return super().command(name, cls=Command, **settings)


app = App(
    name="noisecli",
    cls=Group,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"noisecli {__version__}")
        raise typer.Exit


def _versions(asked: bool) -> None:
    if asked:
        from noisecli.manifest import environment

        for name, version in {"noisecli": __version__, **environment()}.items():
            typer.echo(f"{name} {version}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    versions: Annotated[
        bool,
        typer.Option(
            "--versions", callback=_versions, is_eager=True, help="Print the versions of all that decides bytes."
        ),
    ] = False,
) -> None:
    """Controlled, reproducible damage to datasets, from a recipe in YAML.

    Example: noisecli augment sales.csv -r builtin:human-typing -o noisy.csv

    Exit codes: 0 done, 1 environment, 2 arguments, 3 data, 4 a check failed.
    """


def _said(error: Any) -> str:
    """What is wrong with the arguments, and which option may have been meant: the nearest only."""
    near = getattr(error, "possibilities", None)
    if near:
        return f"no option {error.option_name!r}; did you mean {near[0]!r}?"
    return str(error.format_message()).replace("Value error, ", "")  # where pydantic looked at the value


def run() -> int:
    """Parse the arguments and run the command; return its exit code."""
    from noisecli.cli import commands, comparing, previewing, reporting, starting  # noqa: F401 - they put their commands into the app

    mend_colons()
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
            typer.echo(str(error), err=True)  # the help itself
            return 2
        # Click and the Typer that vendors it have different classes for wrong arguments; both can describe themselves.
        if hasattr(error, "format_message"):
            command = getattr(getattr(error, "ctx", None), "command_path", "noisecli")
            raise UsageProblem(f"{_said(error)} (see {command} --help)") from None
        raise
    if result == 130:  # what Typer makes of Ctrl-C
        raise KeyboardInterrupt
    return result if isinstance(result, int) else 0
