"""The `wasmdeploy` command: makes the commands of the table, and turns every error into one line and an exit code."""

from __future__ import annotations

import contextvars
import os
import sys
from typing import Annotated

import typer

from wasmdeploy_cli import console
from wasmdeploy_cli.commands.late import late_group
from wasmdeploy_cli.commands.table import COMMANDS
from wasmdeploy_cli.errors import WasmdeployError

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
        app()
    except WasmdeployError as error:
        if console.manner().debug:
            raise
        console.Output(json_mode="--json" in sys.argv).error(error.message, error.hint)
        sys.exit(error.exit_code)
