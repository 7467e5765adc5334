"""The `wasmdeploy` command: wires the commands, and turns every error into one line and an exit code."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

from wasmdeploy_cli.commands import (
    build,
    componentize,
    deploy,
    destroy,
    driver,
    logs,
    new,
    render,
    run,
    secrets,
    stack,
    status,
    up,
)
from wasmdeploy_cli.console import Output
from wasmdeploy_cli.errors import WasmdeployError

_EPILOG = "Start with: wasmdeploy new hello && cd hello && wasmdeploy up --build"

app = typer.Typer(
    name="wasmdeploy",
    help="Write WebAssembly apps, Python first, and run them on your own Nomad, Consul, Vault and Traefik.",
    epilog=_EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
stack_app = typer.Typer(
    help="A local Nomad, Consul, Vault and Traefik to try things on.", no_args_is_help=True
)
driver_app = typer.Typer(help="The Nomad task driver: install it on a node.", no_args_is_help=True)

secrets_app = typer.Typer(help="The app's secrets in Vault.", no_args_is_help=True)

_GUEST_ARGUMENTS = {"ignore_unknown_options": True, "allow_interspersed_args": False}


def _ending(command: Callable[..., Any]) -> Callable[..., Any]:
    """Make the exit code that a command returns the process's own."""

    @functools.wraps(command)
    def ended(*arguments: Any, **options: Any) -> None:
        if code := command(*arguments, **options):
            raise typer.Exit(code)

    return ended


_commands: tuple[tuple[str, Callable[..., Any]], ...] = (
    ("new", new.command),
    ("build", build.command),
    ("up", up.command),
    ("render", render.command),
    ("deploy", deploy.command),
    ("status", status.command),
    ("logs", logs.command),
    ("destroy", destroy.command),
    ("componentize", componentize.command),
)
_stack: tuple[tuple[str, Callable[..., Any]], ...] = (
    ("up", stack.up), ("down", stack.down), ("status", stack.status),
)  # fmt: skip
_driver: tuple[tuple[str, Callable[..., Any]], ...] = (("install", driver.install), ("config", driver.config))
for _name, _command in _commands:
    app.command(_name)(_ending(_command))
app.command("run", context_settings=_GUEST_ARGUMENTS)(_ending(run.command))
for _name, _command in _stack:
    stack_app.command(_name)(_ending(_command))
for _name, _command in _driver:
    driver_app.command(_name)(_ending(_command))
for _name, _command in (("set", secrets.set_), ("list", secrets.list_)):
    secrets_app.command(_name)(_ending(_command))
app.add_typer(secrets_app, name="secrets")
app.add_typer(stack_app, name="stack")
app.add_typer(driver_app, name="driver")


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        Output().data(f"wasmdeploy {version('wasmdeploy')}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options of every command."""
    context.obj = {"debug": debug}


def main() -> None:
    """Run the command line; the only place that turns an error into an exit code."""
    try:
        app()
    except WasmdeployError as error:
        if "--debug" in sys.argv[1:2]:
            raise
        Output(json_mode="--json" in sys.argv).error(error.message, error.hint)
        sys.exit(error.exit_code)
