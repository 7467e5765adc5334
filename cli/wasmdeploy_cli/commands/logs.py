"""`wasmdeploy logs`: what the app's instances wrote."""

from __future__ import annotations

from typing import Annotated

import typer

from wasmdeploy_cli.commands.options import HERE, AppName, Json, ManifestPath, Namespace
from wasmdeploy_cli.console import Output


def command(
    path: ManifestPath = HERE,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with new lines, until Ctrl-C.")
    ] = False,
    app: AppName = "",
    namespace: Namespace = "",
    as_json: Json = False,
) -> None:
    """Print what the app's instances wrote.

    Each line is marked with its instance; what guests print is on their stderr. Example: wasmdeploy logs -f"""
    from wasmdeploy_cli.deployment.logs import read_lines
    from wasmdeploy_cli.deployment.status import require_job
    from wasmdeploy_cli.deployment.target import target
    from wasmdeploy_cli.nomad import Nomad, settings

    out = Output(as_json)
    wanted = target(path, app, namespace)
    where = settings()
    nomad = Nomad(where, wanted.namespace, wanted.region)
    require_job(nomad, wanted)
    for line in read_lines(nomad, where, wanted, follow):
        if as_json:
            out.data({"instance": line.allocation, "stream": line.stream, "line": line.text})
        else:
            out.data(f"{line.allocation[:8]} {line.text}")
