"""Turns the table of commands into typer's: a command's module is imported when it is called, not before."""

from __future__ import annotations

import functools
import importlib
import itertools
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any

import typer
from typer._click.exceptions import UsageError
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from wasmdeploy_cli import console
from wasmdeploy_cli.commands.table import Entry, Group
from wasmdeploy_cli.errors import ConfigError

_EXAMPLE = re.compile(r"\s*Example: ")
_HELP: Mapping[str, Any] = {"help_option_names": ["-h", "--help"]}


class LateGroup(TyperGroup):
    """A group whose `entries` become commands on demand; lists and suggestions need their lines of help only."""

    entries: Mapping[str, Entry | Group]

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = dict.fromkeys(self.entries)  # type: ignore[assignment]  # names suffice for suggestions
        self.params += _shared()

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import and make one command, None where there is none of this name."""
        entry = self.entries.get(cmd_name)
        if entry is None:
            return None
        made = _group(cmd_name, entry) if isinstance(entry, Group) else _leaf(cmd_name, entry)
        made.name = cmd_name
        return made

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The list of commands in the help."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in self.entries.items()])

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """The commands, or options, that begin with what was typed."""
        if incomplete.startswith("-"):
            return [each for each in super().shell_complete(ctx, incomplete) if each.value.startswith("-")]
        from typer._click.shell_completion import CompletionItem  # typer's own copy of click, its only door

        return [
            CompletionItem(name, help=entry.help)
            for name, entry in self.entries.items()
            if name.startswith(incomplete)
        ]


def late_group(entries: Mapping[str, Entry | Group]) -> type[LateGroup]:
    """A group class of these commands."""
    return type("LateGroup", (LateGroup,), {"entries": entries})


def _group(name: str, group: Group) -> Any:
    app = typer.Typer(
        name=name, cls=late_group(group.entries), help=group.help, no_args_is_help=True, add_completion=False,
        rich_markup_mode=None, pretty_exceptions_enable=False, context_settings=dict(_HELP),
    )  # fmt: skip
    app.callback()(lambda: None)
    return get_command(app)


def _leaf(name: str, entry: Entry) -> Any:
    function = getattr(importlib.import_module(f"wasmdeploy_cli.commands.{entry.module}"), entry.function)
    app = typer.Typer(
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    app.command(name, cls=_Command, context_settings={**_HELP, **entry.settings})(_ending(function))
    made = get_command(app)
    made.help = _EXAMPLE.sub("\n\n\b\nExample: ", made.help or "")  # as it is typed, on a line of its own
    # Before --help, which stays the last line.
    made.params += _shared({option for each in made.params for option in each.opts})
    return made


class _Command(TyperCommand):
    """A command that takes no option together with its opposite: one of them would not be heard."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        given = set(itertools.takewhile(lambda each: each != "--", args))
        for param in self.params:
            both = [sorted(given & set(names)) for names in (param.opts, param.secondary_opts)]
            if all(both):
                raise ConfigError(f"{both[0][0]} and {both[1][0]} contradict each other", "give one of them")
        try:
            return super().parse_args(ctx, args)
        except UsageError as error:
            error.ctx = error.ctx or ctx  # so that it is known whose help is to be read
            raise


def _ending(command: Callable[..., Any]) -> Callable[..., Any]:
    """Make the exit code that a command returns the process's own."""

    @functools.wraps(command)
    def ended(*arguments: Any, **options: Any) -> None:
        if code := command(*arguments, **options):
            raise typer.Exit(code)

    return ended


def _manner(**change: bool) -> Callable[[bool], None]:
    def changed(value: bool) -> None:
        if value:
            console.behave(console.manner(), **change)

    return changed


def _shared(taken: Iterable[str] = ()) -> list[Any]:
    """The options of every command, wherever on the line they stand; not those that a command has itself."""

    def options(
        quiet: Annotated[
            bool,
            typer.Option(
                "--quiet", "-q", help="Say only results and errors.",
                callback=_manner(quiet=True), expose_value=False,
            ),
        ] = False,
        verbose: Annotated[
            bool,
            typer.Option(
                "--verbose", "-v", help="Also tell each request to the cluster.",
                callback=_manner(verbose=True), expose_value=False,
            ),
        ] = False,
        debug: Annotated[
            bool,
            typer.Option(
                "--debug", help="Show the traceback of an error.",
                callback=_manner(debug=True), expose_value=False,
            ),
        ] = False,
    ) -> None:  # fmt: skip
        """Never called: only its options are taken."""

    app = typer.Typer(add_completion=False)
    app.command()(options)
    return [each for each in get_command(app).params if not set(each.opts) & set(taken)]
