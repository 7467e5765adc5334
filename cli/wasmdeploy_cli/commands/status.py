"""`wasmdeploy status`: what runs of an app."""

from __future__ import annotations

from dataclasses import asdict

from wasmdeploy_cli.commands.options import HERE, AppName, Json, ManifestPath, Namespace
from wasmdeploy_cli.console import Output


def command(
    path: ManifestPath = HERE, app: AppName = "", namespace: Namespace = "", as_json: Json = False
) -> int:
    """Show the app's version and instances.

    It ends with 3 where none of them serves.

    Example: wasmdeploy status --json
    """
    from wasmdeploy_cli.deployment.status import read_status
    from wasmdeploy_cli.deployment.target import target
    from wasmdeploy_cli.nomad import Nomad, settings

    out = Output(as_json)
    wanted = target(path, app, namespace)
    where = settings()
    status = read_status(Nomad(where, wanted.namespace, wanted.region), wanted, where)
    if as_json:
        out.data({**asdict(status), "serving": status.serving})
    else:
        version = f"version {status.version}" + (f" ({status.app_version})" if status.app_version else "")
        out.data(f"{status.name}: {status.state}, {version} {status.url}".rstrip())
        rows = [
            (each.id[:8], each.version, each.state, {None: "-", True: "yes", False: "no"}[each.healthy], each.address,
             each.node, each.last_event)
            for each in status.allocations
        ]  # fmt: skip
        out.table(("INSTANCE", "VERSION", "STATE", "HEALTHY", "ADDRESS", "NODE", "LAST EVENT"), rows)
    return 0 if status.serving else 3
