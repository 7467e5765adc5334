"""`wasmdeploy destroy`: take the app off the cluster."""

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
    """Take the app off the cluster.

    Its job, service and published components are removed; its secrets stay in Vault.

    Example: wasmdeploy destroy
    """
    from wasmdeploy_cli.deployment.destroy import destroy
    from wasmdeploy_driver.duration import seconds

    wanted, where, nomad = connected(path, app, namespace, env)
    destroy(nomad, wanted, where, seconds(timeout, "--timeout"), Output(as_json))
