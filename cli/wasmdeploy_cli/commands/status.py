"""`wasmdeploy status`: what runs of an app."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from wasmdeploy_cli.commands.cluster import connected
from wasmdeploy_cli.commands.options import HERE, AppName, Environment, Json, ManifestPath, Namespace
from wasmdeploy_cli.console import Output

if TYPE_CHECKING:
    from wasmdeploy_cli.deployment.status import Status

_NOT_SERVING = 3
_LOOK_AGAIN = 1.0  # seconds


def command(
    path: ManifestPath = HERE,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Show it anew whenever it changes, until Ctrl-C.")
    ] = False,
    app: AppName = "",
    namespace: Namespace = "",
    env: Environment = "",
    as_json: Json = False,
) -> int:
    """Show the app's version and instances.

    It ends with 3 where none of them serves.

    Example: wasmdeploy status --json
    """
    from wasmdeploy_cli.deployment.status import read_status

    wanted, where, nomad = connected(path, app, namespace, env)
    out = Output(as_json)
    shown: Status | None = None
    while True:
        status = read_status(nomad, wanted, where)
        if status != shown:
            if watch:
                out.clear()
            _show(status, out)
        if not watch:
            return 0 if status.serving else _NOT_SERVING
        shown = status
        time.sleep(_LOOK_AGAIN)


def _show(status: Status, out: Output) -> None:
    if out.json_mode:
        out.data({**asdict(status), "serving": status.serving})
        return
    version = f"version {status.version}" + (f" ({status.app_version})" if status.app_version else "")
    out.data(f"{status.name}: {status.state}, {version} {status.url}".rstrip())
    rows = [
        (each.id[:8], f"{each.version}{' canary' if each.canary else ''}", each.state,
         {None: "-", True: "yes", False: "no"}[each.healthy], each.address, each.node, each.last_event)
        for each in status.allocations
    ]  # fmt: skip
    out.table(("INSTANCE", "VERSION", "STATE", "HEALTHY", "ADDRESS", "NODE", "LAST EVENT"), rows)
