"""`wasmdeploy promote`: canaries take the old version's place."""

from __future__ import annotations

from wasmdeploy_cli.commands.cluster import connected, finish
from wasmdeploy_cli.commands.options import HERE, AppName, Environment, Json, ManifestPath, Namespace, Timeout
from wasmdeploy_cli.console import Output


def command(
    path: ManifestPath = HERE,
    app: AppName = "",
    namespace: Namespace = "",
    env: Environment = "",
    timeout: Timeout = "10m",
    as_json: Json = False,
) -> None:
    """Let the canaries take the old version's place.

    It waits until the whole new version serves alone; ends with 1 where no healthy canary waits.

    Example: wasmdeploy promote
    """
    from wasmdeploy_cli.deployment.versions import promote

    wanted, where, nomad = connected(path, app, namespace, env)
    out = Output(as_json)
    finish(promote(nomad, wanted, out), nomad, where, timeout, False, out, word="Promoted")
