"""Taking an app off the cluster, so that nothing of it is left."""

from __future__ import annotations

import json
import time
from typing import Any

from wasmdeploy_cli.console import Output
from wasmdeploy_cli.deployment.publish import unpublish
from wasmdeploy_cli.deployment.status import require_job
from wasmdeploy_cli.deployment.target import Target
from wasmdeploy_cli.errors import ClusterError, DeployError
from wasmdeploy_cli.nomad import Nomad, Settings
from wasmdeploy_cli.web import request

_PAUSE = 0.25


def destroy(nomad: Nomad, target: Target, settings: Settings, timeout: float, out: Output) -> None:
    """Stop and purge the job, wait for its end, and remove what it left; raises ClusterError."""
    job = require_job(nomad, target)
    allocations = [each["ID"] for each in nomad.allocations(target.name)]
    # Nomad forgets a purged job's allocations at once, long before they have ended: stopped first, purged
    # last.
    nomad.deregister(target.name, purge=False)
    out.event("deregistered", f"Stopping {target.name}: requests under way are finished first")
    with out.waiting("Waiting for its instances to end"):
        _wait_for_end(nomad, allocations, time.monotonic() + timeout)
        for allocation in allocations:
            nomad.garbage_collect(allocation)
        nomad.deregister(target.name, purge=True)
        _wait_for_service(job, settings, time.monotonic() + 10)
    if settings.components is not None:
        unpublish(target.namespace, target.name, settings.components)
    out.event("destroyed", f"Destroyed {target.name}")


def _wait_for_end(nomad: Nomad, allocations: list[str], deadline: float) -> None:
    waiting = allocations
    while waiting := [each for each in waiting if nomad.alive(each)]:
        if time.monotonic() > deadline:
            raise DeployError(
                f"instances still run: {', '.join(each[:8] for each in waiting)}", "see: nomad alloc status"
            )
        time.sleep(_PAUSE)


def _wait_for_service(job: dict[str, Any], settings: Settings, deadline: float) -> None:
    if not settings.consul:
        return
    names = [service["Name"] for group in job["TaskGroups"] for service in group.get("Services") or []]
    token = settings.consul_token.reveal()
    for name in names:
        while True:
            answer = request(
                "Consul", "GET", f"{settings.consul}/v1/catalog/service/{name}",
                tls=settings.consul_tls, headers={"X-Consul-Token": token} if token else None,
            )  # fmt: skip
            if answer.status != 200 or not json.loads(answer.body):
                break
            if time.monotonic() > deadline:
                raise ClusterError(
                    f"the service {name} is still in Consul", f"see: consul catalog nodes -service={name}"
                )
            time.sleep(_PAUSE)
