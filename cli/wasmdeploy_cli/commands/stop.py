"""`wasmdeploy stop`: no instances, for now."""

from __future__ import annotations

from typing import Annotated

import typer

from wasmdeploy_cli.commands.cluster import connected
from wasmdeploy_cli.commands.options import HERE, AppName, Environment, Json, ManifestPath, Namespace
from wasmdeploy_cli.console import Output


def command(
    path: ManifestPath = HERE,
    app: AppName = "",
    namespace: Namespace = "",
    env: Environment = "",
    timeout: Annotated[str, typer.Option(help="How long to wait for the instances to end, like 2m.")] = "2m",
    as_json: Json = False,
) -> None:
    """Stop the app; its versions, components and secrets stay.

    `wasmdeploy deploy` or `wasmdeploy rollback` start it again.

    Example: wasmdeploy stop
    """
    from wasmdeploy_cli.deployment.destroy import stop
    from wasmdeploy_driver.duration import seconds

    wanted, _, nomad = connected(path, app, namespace, env)
    stop(nomad, wanted, seconds(timeout, "--timeout"), Output(as_json))
