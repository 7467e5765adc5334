"""`wasmdeploy events`: what has happened to the app."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from wasmdeploy_cli.commands.cluster import connected
from wasmdeploy_cli.commands.options import HERE, AppName, Environment, Json, ManifestPath, Namespace
from wasmdeploy_cli.console import Output, harmless


def command(
    path: ManifestPath = HERE,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with new events, until Ctrl-C.")
    ] = False,
    app: AppName = "",
    namespace: Namespace = "",
    env: Environment = "",
    as_json: Json = False,
) -> None:
    """Show what has happened to the app's instances, oldest first.

    Example: wasmdeploy events -f
    """
    from wasmdeploy_cli.deployment.events import following, past
    from wasmdeploy_cli.deployment.status import require_job

    wanted, where, nomad = connected(path, app, namespace, env)
    out = Output(as_json)
    require_job(nomad, wanted)
    for event in following(nomad, where, wanted) if follow else past(nomad, wanted):
        if as_json:
            out.data({"when": event.when, **asdict(event)})
        else:
            who = event.instance[:8] or wanted.name
            out.data(harmless(f"{event.when} {who:<8} {event.type}: {event.text}"))
