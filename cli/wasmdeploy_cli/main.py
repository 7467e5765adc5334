"""The `wasmdeploy` command: makes the commands of the table, and turns every error into one line and an exit code."""

from __future__ import annotations

import contextvars
import os
import sys
import traceback
from typing import Annotated, NoReturn

import typer
from typer._click.exceptions import NoArgsIsHelpError, UsageError  # typer's own copy, their only door

from wasmdeploy_cli import console
from wasmdeploy_cli.commands.late import late_group
from wasmdeploy_cli.commands.table import COMMANDS
from wasmdeploy_cli.errors import GuestError, ListenError, WasmdeployError

_WORDS = {
    "Value error, ": "",
    "Input should be a valid integer, unable to parse string as an integer": "it is no whole number",
    "Input should be": "it should be",
}
_EPILOG = "Start with: wasmdeploy new hello && cd hello && wasmdeploy up --build"

app = typer.Typer(
    name="wasmdeploy",
    cls=late_group(COMMANDS),
    help="Write WebAssembly apps, Python first, and run them on your own Nomad, Consul, Vault and Traefik.",
    epilog=_EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        console.Output().data(f"wasmdeploy {version('wasmdeploy')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options of every command."""


def _open_streams() -> None:
    """Make a stream that the caller closed /dev/null: the next file opened would take its number, and a guest
    would read or write that file.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # which takes the lowest free number
    if sys.stdout is None:
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115  # as long as the process
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115


def main() -> None:
    """Run the command line; the only place that turns an error into an exit code."""
    _open_streams()
    contextvars.copy_context().run(_run)  # what the options set is this run's alone


def _run() -> None:
    try:
        sys.exit(app(standalone_mode=False) or 0)
    except WasmdeployError as error:
        if console.manner().debug:
            traceback.print_exception(error)
        _fail(error.message, error.hint or _next(error), error.exit_code, as_json=console.manner().json)
    except NoArgsIsHelpError as error:
        error.show()
        sys.exit(error.exit_code)
    except UsageError as error:
        message = _plain(error.format_message().removesuffix("."))
        hint = f"see: {error.ctx.command_path} --help" if error.ctx else ""
        # Options that cannot be read have told nobody about --json.
        _fail(message[:1].lower() + message[1:], hint, error.exit_code, as_json="--json" in sys.argv)
    except OSError as error:  # of a file it is told where it is opened
        if console.manner().debug:
            traceback.print_exception(error)
        console.forget_stdout()
        where = error.filename or "standard output"
        _fail(f"{where}: {error.strerror}", "make room there, or name another place", 1, as_json=False)
    except typer.Abort:
        _fail("the input ended before an answer", "type it, or pipe it in", 1, as_json=console.manner().json)


def _plain(message: str) -> str:
    """What is wrong with a value, without the words of the library that reads it."""
    for theirs, ours in _WORDS.items():
        message = message.replace(theirs, ours)
    return message


def _next(error: WasmdeployError) -> str:
    """What to do about an error of the driver's, which does not know that it is read here."""
    if isinstance(error, GuestError):
        return "build it anew for WASI; which kinds run: docs/languages.md"
    if isinstance(error, ListenError):
        return "choose another address with --listen"
    return "where it comes from: the same with --debug"


def _fail(message: str, hint: str, code: int, *, as_json: bool) -> NoReturn:
    try:
        console.Output(as_json).error(message, hint)
    except OSError:  # nobody reads stdout, or nobody can
        console.forget_stdout()
        console.Output().error(message, hint)
    sys.exit(code)
