"""The `wasmdeploy` command: wires the commands, and turns every error into one line and an exit code."""

from __future__ import annotations

import sys
from typing import Annotated

import click
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
stack_app = typer.Typer(help="A local Nomad, Consul, Vault and Traefik to try things on.", no_args_is_help=True)
driver_app = typer.Typer(help="The Nomad task driver: install it on a node.", no_args_is_help=True)

_GUEST_ARGUMENTS = {"ignore_unknown_options": True, "allow_interspersed_args": False}

app.command("new")(new.command)
app.command("build")(build.command)
app.command("up")(up.command)
app.command("run", context_settings=_GUEST_ARGUMENTS)(run.command)
app.command("render")(render.command)
app.command("deploy")(deploy.command)
app.command("status")(status.command)
app.command("logs")(logs.command)
app.command("destroy")(destroy.command)
app.command("componentize")(componentize.command)
stack_app.command("up")(stack.up)
stack_app.command("down")(stack.down)
stack_app.command("status")(stack.status)
driver_app.command("install")(driver.install)
driver_app.command("config")(driver.config)
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
    debug = "--debug" in sys.argv[1:2]
    try:
        code = app(standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except WasmdeployError as error:
        if debug:
            raise
        Output(json_mode="--json" in sys.argv).error(error.message, error.hint)
        sys.exit(error.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(0)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        sys.exit(130)
    except BrokenPipeError:
        # The reader of our output went away: nobody is left to tell. Python must not try again at exit.
        sys.stdout = None  # type: ignore[assignment]
        sys.exit(141)
