"""`wasmdeploy history`: the app's versions."""

from __future__ import annotations

from dataclasses import asdict

from wasmdeploy_cli.commands.cluster import connected
from wasmdeploy_cli.commands.options import HERE, AppName, Environment, Json, ManifestPath, Namespace
from wasmdeploy_cli.console import Output


def command(
    path: ManifestPath = HERE,
    app: AppName = "",
    namespace: Namespace = "",
    env: Environment = "",
    as_json: Json = False,
) -> None:
    """Show the versions that Nomad still has, newest first.

    One that was healthy can be gone back to. Equal digests are the same app with the same settings.

    Example: wasmdeploy history --json
    """
    from wasmdeploy_cli.deployment.versions import history

    wanted, _, nomad = connected(path, app, namespace, env)
    out = Output(as_json)
    versions = history(nomad, wanted)
    if as_json:
        out.data([asdict(each) for each in versions])
        return
    rows = [
        (f"{each.version}{' *' if each.current else ''}", each.app_version or "-", each.submitted, each.count,
         "yes" if each.stable else "no", each.digest.removeprefix("sha256:")[:12])
        for each in versions
    ]  # fmt: skip
    out.table(("VERSION", "APP", "REGISTERED", "COUNT", "HEALTHY", "DIGEST"), rows)
