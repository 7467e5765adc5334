"""`wasmdeploy restart`: new instances of the same version."""

from __future__ import annotations

from wasmdeploy_cli.commands.cluster import connected, finish
from wasmdeploy_cli.commands.options import (
    HERE,
    AppName,
    Detach,
    Environment,
    Json,
    ManifestPath,
    Namespace,
    Timeout,
)
from wasmdeploy_cli.console import Output


def command(
    path: ManifestPath = HERE,
    app: AppName = "",
    namespace: Namespace = "",
    env: Environment = "",
    timeout: Timeout = "10m",
    detach: Detach = False,
    as_json: Json = False,
) -> None:
    """Replace every instance by a new one of the same version, without a gap.

    They read their secrets anew.

    Example: wasmdeploy restart
    """
    from wasmdeploy_cli.deployment.versions import restart

    wanted, where, nomad = connected(path, app, namespace, env)
    out = Output(as_json)
    finish(restart(nomad, wanted, out), nomad, where, timeout, detach, out, word="Restarted")
