"""`wasmdeploy open`: the app in the browser."""

from __future__ import annotations

import typer

from wasmdeploy_cli.commands.cluster import connected
from wasmdeploy_cli.commands.options import HERE, AppName, Environment, Json, ManifestPath, Namespace
from wasmdeploy_cli.console import Output
from wasmdeploy_cli.errors import DeployError


def command(
    path: ManifestPath = HERE,
    app: AppName = "",
    namespace: Namespace = "",
    env: Environment = "",
    as_json: Json = False,
) -> None:
    """Open the app in the browser, and print its URL.

    With --json the URL is only printed. It ends with 1 where the app has no host name.

    Example: wasmdeploy open
    """
    from wasmdeploy_cli.deployment.status import require_job
    from wasmdeploy_cli.deployment.target import through
    from wasmdeploy_cli.job.route import reach

    wanted, where, nomad = connected(path, app, namespace, env)
    url = through(reach(require_job(nomad, wanted)).url, where)
    if not url:
        raise DeployError(
            f"{wanted.name} has no host name", "set deploy.host; until then: wasmdeploy invoke /"
        )
    Output(as_json).data({"url": url} if as_json else url)
    if not as_json:
        typer.launch(url)
