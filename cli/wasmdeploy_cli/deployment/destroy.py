"""Stopping an app, or taking it off the cluster so that nothing of it is left."""

from __future__ import annotations

import time
from typing import Any

from wasmdeploy_cli.console import Output
from wasmdeploy_cli.deployment.consul import Consul
from wasmdeploy_cli.deployment.publish import unpublish
from wasmdeploy_cli.deployment.status import require_job
from wasmdeploy_cli.deployment.target import Target
from wasmdeploy_cli.errors import ClusterError, DeployError
from wasmdeploy_cli.job.route import services
from wasmdeploy_cli.nomad import Nomad, Settings

_PAUSE = 0.25


def stop(nomad: Nomad, target: Target, timeout: float, out: Output) -> None:
    """Stop the job and wait for its end; its versions and components stay. Raises ClusterError."""
    if require_job(nomad, target).get("Stop"):
        out.event("stopped", f"{target.name} is stopped already")
        return
    _, allocations = _stopped(nomad, target)
    with out.step("stop", f"{target.name}: requests under way are finished first"):
        _wait_for_end(nomad, allocations, time.monotonic() + timeout)
    out.event("stopped", f"Stopped {target.name}: it starts again with wasmdeploy deploy, or rollback")


def destroy(nomad: Nomad, target: Target, settings: Settings, timeout: float, out: Output) -> None:
    """Stop and purge the job, wait for its end, and remove what it left; raises ClusterError."""
    job = require_job(nomad, target)
    # Nomad forgets a purged job's allocations at once, long before they have ended: stopped first, purged
    # last.
    jobs, allocations = _stopped(nomad, target)
    out.event("deregistered", f"Stopping {target.name}: requests under way are finished first")
    with out.waiting("Waiting for its instances to end"):
        _wait_for_end(nomad, allocations, time.monotonic() + timeout)
        for allocation in allocations:
            nomad.garbage_collect(allocation)
        for name in jobs:
            nomad.deregister(name, purge=True)
        _wait_for_service(job, settings, time.monotonic() + 10)
    if settings.components is not None:
        unpublish(target.namespace, target.name, settings.components)
    out.event("destroyed", f"Destroyed {target.name}")


def _stopped(nomad: Nomad, target: Target) -> tuple[list[str], list[str]]:
    """Stop the job and the runs that it has made; gives their names, its own last, and their allocations."""
    nomad.deregister(target.name, purge=False)
    runs = [each["ID"] for each in nomad.children(target.name)]
    for run in runs:
        nomad.deregister(run, purge=False)
    jobs = [*runs, target.name]
    return jobs, [each["ID"] for name in jobs for each in nomad.allocations(name)]


def _wait_for_end(nomad: Nomad, allocations: list[str], deadline: float) -> None:
    waiting = allocations
    while waiting := [each for each in waiting if nomad.alive(each)]:
        if time.monotonic() > deadline:
            raise DeployError(
                f"instances still run: {', '.join(each[:8] for each in waiting)}", "see: nomad alloc status"
            )
        time.sleep(_PAUSE)


def _wait_for_service(job: dict[str, Any], settings: Settings, deadline: float) -> None:
    consul = Consul(settings)
    if not consul.known:
        return
    for name in (service["Name"] for service in services(job) if service["Provider"] == "consul"):
        while consul.has(name):
            if time.monotonic() > deadline:
                raise ClusterError(
                    f"the service {name} is still in Consul", f"see: consul catalog nodes -service={name}"
                )
            time.sleep(_PAUSE)
