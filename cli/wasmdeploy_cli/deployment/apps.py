"""The apps on a cluster."""

from __future__ import annotations

from dataclasses import dataclass

from wasmdeploy_cli.deployment.target import through
from wasmdeploy_cli.job.route import reach
from wasmdeploy_cli.nomad import Nomad, Settings


@dataclass(frozen=True, slots=True)
class Deployed:
    """One app as Nomad lists it."""

    name: str
    namespace: str
    state: str
    app_version: str
    running: int
    url: str


def read_apps(nomad: Nomad, settings: Settings, namespace: str) -> list[Deployed]:
    """The jobs that wasmdeploy made, in one namespace or (empty) in all that the token may see."""
    found = []
    for stub in nomad.apps():
        meta = stub.get("Meta") or {}
        # Any job may have a digest in its meta; only ours have it as one of these.
        if stub.get("ParentID"):  # a run of a command
            continue
        if not meta.get("digest", "").startswith("sha256:") or namespace not in ("", stub["Namespace"]):
            continue
        job = nomad.job(stub["ID"], stub["Namespace"])
        if job is None:  # destroyed since it was listed
            continue
        running = sum(
            group["Running"] for group in ((stub.get("JobSummary") or {}).get("Summary") or {}).values()
        )
        state = "stopped" if job.get("Stop") else str(stub["Status"])
        url = through(reach(job).url, settings)
        found.append(
            Deployed(stub["ID"], stub["Namespace"], state, meta.get("app_version", ""), running, url)
        )
    return sorted(found, key=lambda each: (each.namespace, each.name))
