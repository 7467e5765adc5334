"""`wasmdeploy list`: the apps on the cluster."""

from __future__ import annotations

from dataclasses import asdict

from wasmdeploy_cli.commands.options import Json, OnlyNamespace
from wasmdeploy_cli.console import Output


def command(namespace: OnlyNamespace = "", as_json: Json = False) -> None:
    """Show the apps on the cluster, of every namespace or of one.

    APP VERSION is what the manifest says; the numbers that Nomad counts are in `wasmdeploy history`.

    Example: wasmdeploy list --json
    """
    from wasmdeploy_cli.deployment.apps import read_apps
    from wasmdeploy_cli.nomad import Nomad, settings

    out = Output(as_json)
    where = settings()
    apps = read_apps(Nomad(where), where, namespace)
    if as_json:
        out.data([asdict(each) for each in apps])
        return
    rows = [
        (each.name, each.namespace, each.state, each.app_version or "-", each.running, each.url or "-")
        for each in apps
    ]
    out.table(("APP", "NAMESPACE", "STATE", "APP VERSION", "RUNNING", "URL"), rows)
