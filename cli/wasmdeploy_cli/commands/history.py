"""`wasmdeploy history`: the app's versions."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from wasmdeploy_cli.commands.cluster import connected
from wasmdeploy_cli.commands.options import HERE, AppName, Environment, Json, ManifestPath, Namespace
from wasmdeploy_cli.console import Output

if TYPE_CHECKING:
    from wasmdeploy_cli.deployment.versions import Version


def command(
    path: ManifestPath = HERE,
    app: AppName = "",
    namespace: Namespace = "",
    env: Environment = "",
    as_json: Json = False,
) -> None:
    """Show the versions that Nomad still has, newest first.

    The one with the * is the newest, HEALTHY ones can be gone back to, and equal digests are the same app with the
    same settings. Where a version does not come up, Nomad registers the one before anew: `by Nomad, again 3`. APP
    VERSION is what the manifest says.

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
        (f"{each.version}{' *' if each.current else ''}", each.app_version or "-", _registered(each),
         each.count, "yes" if each.stable else "no", each.digest.removeprefix("sha256:")[:12])
        for each in versions
    ]  # fmt: skip
    out.table(("VERSION", "APP VERSION", "REGISTERED", "COUNT", "HEALTHY", "DIGEST"), rows)


def _registered(version: Version) -> str:
    if version.stopped:
        return "stopped"
    return version.submitted if version.copy_of is None else f"by Nomad, again {version.copy_of}"
