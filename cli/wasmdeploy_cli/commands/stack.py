"""`wasmdeploy stack`: a local HashiStack."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Literal

import typer

from wasmdeploy_cli.commands.options import Json
from wasmdeploy_cli.console import Output

DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        metavar="DIR",
        envvar="WASMDEPLOY_STACK_DIR",
        help="Directory that the stack owns.",
        show_default="~/.local/share/wasmdeploy/stack",
    ),
]

_NOT_RUNNING = 3  # what init scripts answer for a service that does not run


def up(
    clients: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, max=25, help="Number of Nomad clients.", show_default="1, or as before"
        ),
    ] = None,
    bin_dir: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            exists=True,
            file_okay=False,
            help="Where nomad, consul, vault and traefik are.",
            show_default="PATH, build cache",
        ),
    ] = None,
    data_dir: DataDir = None,
    ports: Annotated[
        Literal["standard", "auto"],
        typer.Option(help="Take the standard ports where free, or any free ones."),
    ] = "standard",
    raw_exec: Annotated[
        bool | None,
        typer.Option("--raw-exec/--no-raw-exec", help="Let jobs run any program.", show_default="off"),
    ] = None,
    dashboard: Annotated[
        bool | None,
        typer.Option(
            "--dashboard/--no-dashboard", help="Open Traefik's API and dashboard.", show_default="off"
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Start the stack, or what of it has crashed.

    Consul, Vault, Nomad with the wasm driver, and Traefik, on 127.0.0.1. Example: wasmdeploy stack up --clients 2
    """
    from wasmdeploy_cli.stack.up import Options, up

    output = Output(json_mode=json)
    options = Options(clients, bin_dir, data_dir, ports == "auto", raw_exec, dashboard)
    state = up(options, output)
    addresses = {
        "NOMAD_ADDR": state.nomad_addr,
        "CONSUL_HTTP_ADDR": state.consul_addr,
        "VAULT_ADDR": state.vault_addr,
        "TRAEFIK_ADDR": state.traefik_addr,
        "WASMDEPLOY_COMPONENT_DIR": str(state.components_dir),
    }
    if json:
        output.data({**addresses, "data_dir": str(state.data_dir)})
    else:
        output.data("\n".join(f"{name}={value}" for name, value in addresses.items()))
        option = _option(state.data_dir)
        if option:
            name = shlex.quote(str(state.data_dir))
            output.note(
                f"Commands use this stack while NOMAD_ADDR is unset, after: export WASMDEPLOY_STACK_DIR={name}"
            )
            output.note(f"Stop it with: wasmdeploy stack down{option}")
        else:
            output.note(
                "Commands use this stack while NOMAD_ADDR is unset. Stop it with: wasmdeploy stack down"
            )


def _option(where: Path) -> str:
    """The option that names a stack to commands that would look elsewhere."""
    from wasmdeploy_cli.stack.directory import located

    return "" if where == located(None) else f" --data-dir {shlex.quote(str(where))}"


def down(
    data_dir: DataDir = None,
    purge: Annotated[
        bool,
        typer.Option(
            "--purge/--keep-data", help="Also remove the stack's directory, jobs and secrets included."
        ),
    ] = False,
    json: Json = False,
) -> None:
    """Stop the stack and all of its tasks.

    Jobs and secrets are there again after the next `up`, unless --purge removes them.

    Example: wasmdeploy stack down --purge
    """
    from wasmdeploy_cli.stack.directory import located
    from wasmdeploy_cli.stack.down import down

    output = Output(json_mode=json)
    where = located(data_dir)
    if not down(data_dir, purge, output):
        output.event("absent", f"No stack is in {where}.")
    elif purge:
        output.event("stopped", f"The stack is stopped and {where} removed.")
    else:
        output.event("stopped", f"The stack is stopped; its data stays in {where}.")


def status(data_dir: DataDir = None, json: Json = False) -> None:
    """Show how each of the programs is.

    It ends with 3 unless all of them work. Example: wasmdeploy stack status
    """
    from wasmdeploy_cli.stack.directory import located
    from wasmdeploy_cli.stack.status import status

    output = Output(json_mode=json)
    members = status(data_dir)
    option = _option(located(data_dir))
    if json:
        output.data(
            [
                {
                    "name": m.name,
                    "state": m.condition,
                    "address": m.address,
                    "pid": m.pid,
                    "log": str(m.log),
                    "detail": m.detail,
                }
                for m in members
            ]
        )
    elif members:
        output.table(
            ("MEMBER", "STATE", "ADDRESS", "PID", ""),
            [(m.name, m.condition, m.address, m.pid or "", m.detail) for m in members],
        )
        output.note(f"Logs are in {members[0].log.parent}")
    if not members:
        output.note(f"No stack is here. Start one with: wasmdeploy stack up{option}")
    elif any(member.condition != "works" for member in members):
        output.note(f"Start what is missing with: wasmdeploy stack up{option}")
    if not members or any(member.condition != "works" for member in members):
        raise typer.Exit(_NOT_RUNNING)
