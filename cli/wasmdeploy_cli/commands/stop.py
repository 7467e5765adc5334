"""`wasmdeploy stop`: no instances, for now."""

from __future__ import annotations

from wasmdeploy_cli.commands.cluster import connected
from wasmdeploy_cli.commands.options import (
    HERE,
    AppName,
    EndTimeout,
    Environment,
    Json,
    ManifestPath,
    Namespace,
)
from wasmdeploy_cli.console import Output


def command(
    path: ManifestPath = HERE,
    app: AppName = "",
    namespace: Namespace = "",
    env: Environment = "",
    timeout: EndTimeout = "2m",
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
