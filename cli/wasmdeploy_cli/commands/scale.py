"""`wasmdeploy scale`: run more or fewer instances."""

from __future__ import annotations

from typing import Annotated

import typer

from wasmdeploy_cli.commands.cluster import connected, finish
from wasmdeploy_cli.commands.options import (
    AppName,
    Detach,
    Environment,
    Json,
    Manifest,
    Namespace,
    Timeout,
)
from wasmdeploy_cli.console import Output


def command(
    count: Annotated[
        int, typer.Argument(min=1, metavar="N", help="Instances; `wasmdeploy stop` is for none.")
    ],
    manifest: Manifest = None,
    app: AppName = "",
    namespace: Namespace = "",
    env: Environment = "",
    timeout: Timeout = "10m",
    detach: Detach = False,
    as_json: Json = False,
) -> None:
    """Run N instances of the app, until the next deploy.

    All of an app's components run in each instance. The manifest's deploy.count is what a deploy goes by.

    Example: wasmdeploy scale 3
    """
    from wasmdeploy_cli.deployment.versions import scale

    wanted, where, nomad = connected(manifest, app, namespace, env)
    out = Output(as_json)
    finish(scale(nomad, wanted, count, out), nomad, where, timeout, detach, out)
