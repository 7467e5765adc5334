"""`wasmdeploy logs`: what the app's instances wrote."""

from __future__ import annotations

from typing import Annotated

import typer

from wasmdeploy_cli.commands.checked import duration
from wasmdeploy_cli.commands.cluster import connected
from wasmdeploy_cli.commands.options import (
    HERE,
    AppName,
    ComponentName,
    Environment,
    Json,
    ManifestPath,
    Namespace,
)
from wasmdeploy_cli.console import Output


def command(
    path: ManifestPath = HERE,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with new lines, until Ctrl-C.")
    ] = False,
    tail: Annotated[
        int | None,
        typer.Option("--tail", "-n", min=0, metavar="N", help="Only the last N lines of each instance.",
                     show_default="all"),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Only of instances that have written within this time, like 10m.",
                     show_default=False, callback=duration),
    ] = None,
    stderr: Annotated[
        bool, typer.Option("--stderr", help="Only standard error: what guests print, and their traps.")
    ] = False,
    component: ComponentName = "",
    app: AppName = "",
    namespace: Namespace = "",
    env: Environment = "",
    as_json: Json = False,
) -> None:  # fmt: skip
    """Print what the app's instances wrote.

    Each line is marked with its instance. With -f new instances are followed too, and a Nomad that restarts is waited
    for. Nomad keeps no time for a line: --since leaves out the streams that have been silent for that long. All
    components of an app write into one log, and no line says whose it is: --component is for an app that has only one.

    Example: wasmdeploy logs -f --tail 20
    """
    from wasmdeploy_cli.deployment.logs import Wanted, read_lines
    from wasmdeploy_cli.deployment.status import require_job
    from wasmdeploy_cli.deployment.versions import require_alone
    from wasmdeploy_driver.duration import seconds

    wanted, where, nomad = connected(path, app, namespace, env)
    out = Output(as_json)
    job = require_job(nomad, wanted)
    if component:
        require_alone(job, component, "read", "read them together: wasmdeploy logs")
    streams = Wanted(
        ("stderr",) if stderr else ("stdout", "stderr"), tail, seconds(since, "--since") if since else None
    )
    for line in read_lines(nomad, where, wanted, streams, follow=follow):
        if as_json:
            out.data({"instance": line.allocation, "stream": line.stream, "line": line.text})
        else:
            out.line_of(line.allocation[:8], line.text)
