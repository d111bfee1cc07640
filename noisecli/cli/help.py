"""How help looks: plain text that fits a screen, options in groups, each command with an example."""

from typing import Any

from typer.core import TyperCommand, TyperGroup

from noisecli.errors import UsageProblem

IN_USE = ("init", "preview", "validate", "augment", "report", "diff", "verify", "replay", "ops", "recipes", "schema")
"""The commands, as they are used one after the other."""


class _Compact:
    """Help without empty lines, and one line for each option."""

    params: Any
    help: str | None

    def format_help_text(self, ctx: Any, formatter: Any) -> None:
        """Write the docstring, a paragraph after the other."""
        with formatter.indentation():
            for paragraph in (self.help or "").split("\n\n"):
                formatter.write_text(" ".join(paragraph.split()))

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments and what else must be given, then the options, those of a panel together."""
        params = sorted(self.params, key=_is_option)
        panels = {panel: [p for p in params if _panel(p) == panel] for panel in map(_panel, params)}
        others = panels.pop("Options", [])
        width = max((len(_name(param)) for param in params), default=0)
        for panel, shown in [*panels.items(), *([("Options", others)] if others else [])]:
            formatter.write(f"{panel}:\n" if panel else "")
            with formatter.indentation():
                formatter.write_dl([(_name(param).ljust(width), param.help or "") for param in shown])


class Command(_Compact, TyperCommand):
    """A command whose first line of help names everything that must be given."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Arguments, then options that must be given, then the rest."""
        params = sorted(self.params, key=_is_option)
        needed = [param for param in params if _panel(param) == ""]
        return [*(_name(param, long=False) for param in needed), "[OPTIONS]"]


class Group(_Compact, TyperGroup):
    """The list of commands: whole sentences, and the nearest command for one that there is not."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the options of the app, then the commands."""
        super().format_options(ctx, formatter)
        self.format_commands(ctx, formatter)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write one line for each command: the first of its docstring, none of it cut off."""
        shown = [self.commands[name] for name in IN_USE]
        formatter.write("Commands:\n")
        with formatter.indentation():
            formatter.write_dl([(command.name, command.get_short_help_str(limit=999)) for command in shown])

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command, or say which may have been meant."""
        if args[0] not in self.commands and not args[0].startswith("-") and not ctx.resilient_parsing:
            from noisecli.recipe.source import did_you_mean

            nearest = did_you_mean(args[0], list(self.commands))
            raise UsageProblem(f"no command {args[0]!r}{nearest} (see noisecli --help)")
        return super().resolve_command(ctx, args)


def _is_option(param: Any) -> bool:
    return bool(param.param_type_name == "option")


def _panel(param: Any) -> str:
    """The heading under which a parameter is shown; none for arguments, and options that must be given."""
    return str(param.rich_help_panel or "Options") if _is_option(param) and not param.required else ""


def _name(param: Any, long: bool = True) -> str:
    if not _is_option(param):
        return str(param.metavar or param.name)
    names = sorted(param.opts, key=len)
    shown = ", ".join(names if long else names[:1])
    return shown if param.is_flag else f"{shown} {param.metavar or 'VALUE'}"
