"""The app: what all commands share. Their modules are imported by `run`, and import what is heavy inside them."""

from typing import Annotated

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


def run() -> int:
    """Parse the arguments and run the command; return its exit code."""
    from noisecli.cli import commands, previewing  # noqa: F401 - they put their commands into the app

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
