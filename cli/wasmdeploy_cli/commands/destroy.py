"""`wasmdeploy destroy`: take the app off the cluster."""

from __future__ import annotations

from typing import Annotated

import typer

from wasmdeploy_cli.commands.options import HERE, AppName, Json, ManifestPath, Namespace
from wasmdeploy_cli.console import Output


def command(
    path: ManifestPath = HERE,
    app: AppName = "",
    namespace: Namespace = "",
    timeout: Annotated[str, typer.Option(help="How long to wait for the instances to end, like 2m.")] = "2m",
    as_json: Json = False,
) -> None:
    """Take the app off the cluster.

    Its job, service and published components are removed; its secrets stay in Vault.

    Example: wasmdeploy destroy
    """
    from wasmdeploy_cli.deployment.destroy import destroy
    from wasmdeploy_cli.deployment.target import target
    from wasmdeploy_cli.nomad import Nomad, settings
    from wasmdeploy_driver.duration import seconds

    wanted = target(path, app, namespace)
    where = settings()
    nomad = Nomad(where, wanted.namespace, wanted.region)
    destroy(nomad, wanted, where, seconds(timeout, "--timeout"), Output(as_json))
