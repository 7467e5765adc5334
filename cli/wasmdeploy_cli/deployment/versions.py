"""An app's versions: which there are, going back to one, and new ones that are copies of the current."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from wasmdeploy_cli.console import Output
from wasmdeploy_cli.deployment.deploy import Registered, register
from wasmdeploy_cli.deployment.publish import has_component
from wasmdeploy_cli.deployment.status import require_job
from wasmdeploy_cli.deployment.target import Target
from wasmdeploy_cli.deployment.way_back import chosen
from wasmdeploy_cli.errors import DeployError
from wasmdeploy_cli.job.changes import digests
from wasmdeploy_cli.nomad import Nomad

Json = dict[str, Any]
_SECOND = 1_000_000_000
# A version that was healthy before needs no long proof; Traefik hears of it within its refresh interval of a second.
_ROLLBACK_MIN_HEALTHY = 2 * _SECOND
_PAUSE = 0.25


@dataclass(frozen=True, slots=True)
class Version:
    """One version of the job that Nomad still has."""

    version: int
    app_version: str
    digest: str
    submitted: str
    count: int
    stable: bool
    current: bool
    stopped: bool  # no new one, but that the app was stopped
    copy_of: int | None  # the version before that Nomad itself went back to


def history(nomad: Nomad, target: Target) -> list[Version]:
    """The versions, newest first; raises ClusterError where there is no such job."""
    require_job(nomad, target)
    jobs = nomad.versions(target.name)
    # What Nomad makes of a version by itself, when it goes back or stops, has that one's time still.
    first = {job["SubmitTime"]: int(job["Version"]) for job in jobs}
    return [
        _version(job, current=number == 0, first=first[job["SubmitTime"]]) for number, job in enumerate(jobs)
    ]


def rollback(nomad: Nomad, target: Target, wanted: int | None, out: Output) -> Registered | None:
    """Register the version `wanted` (None: the newest other one that was healthy) as a new one.

    None where a deployment that is not promoted yet was ended instead: the old version has served all the time.
    Raises ClusterError, DeployError.
    """
    current = require_job(nomad, target)
    if wanted is None and _ended_deployment(nomad, current, out):
        return None
    old = chosen(nomad.versions(target.name), wanted)
    _require_components(old)
    out.event("rollback", f"Going back to version {old['Version']}", version=old["Version"])
    count = current["TaskGroups"][0]["Count"]
    return register(
        copied(old, count=count, min_healthy=_ROLLBACK_MIN_HEALTHY), current["JobModifyIndex"], nomad, out
    )


def undo(nomad: Nomad, target: Target, version: int, out: Output) -> None:
    """Take back a version that is on its way; without one before it, the app is stopped. Raises DeployError."""
    current = require_job(nomad, target)
    if current["Version"] != version:
        return
    if len(nomad.versions(target.name)) == 1:
        nomad.deregister(target.name, purge=False)
        return
    rollback(nomad, target, None, out)


def restart(nomad: Nomad, target: Target, out: Output) -> Registered:
    """Replace every instance by a new one of the same version, without a gap."""
    current = require_job(nomad, target)
    job = copied(current, count=current["TaskGroups"][0]["Count"])
    stamp = datetime.now(UTC).isoformat(timespec="milliseconds")
    job["Meta"] = {**(job.get("Meta") or {}), "restarted": stamp}
    return register(job, current["JobModifyIndex"], nomad, out)


def scale(nomad: Nomad, target: Target, count: int, out: Output, *, component: str = "") -> Registered:
    """Run `count` instances, until a deploy says otherwise; `component` may name the app's only one."""
    current = require_job(nomad, target)
    if component:
        hint = "scale them together: wasmdeploy scale N; or make it an app of its own"
        require_alone(current, component, "scaled", hint)
    return register(copied(current, count=count), current["JobModifyIndex"], nomad, out)


def require_alone(job: Json, component: str, done: str, hint: str) -> None:
    """Raise DeployError unless a job has this component and no other, since those of an app share their instances.

    `done` is what was to be done with it, and `hint` what can be.
    """
    known = sorted(digests(job))
    if component not in known:
        raise DeployError(f"{job['ID']} has no component {component!r}", f"it has: {', '.join(known)}")
    if len(known) > 1:
        each = f"each instance of {job['ID']} runs {', '.join(known)}"
        raise DeployError(f"{component!r} cannot be {done} alone: {each}", hint)


def promote(nomad: Nomad, target: Target, out: Output) -> Registered:
    """Promote the canaries of the version that has some; raises DeployError where none wait."""
    job = require_job(nomad, target)
    deployment = nomad.newest_deployment(target.name)
    groups = list(((deployment or {}).get("TaskGroups") or {}).values())
    waiting = [group for group in groups if group["DesiredCanaries"] and not group["Promoted"]]
    if deployment is None or deployment["Status"] != "running" or not waiting:
        raise DeployError(
            f"no canary of {target.name} waits to be promoted", "start one: wasmdeploy deploy --canary 1"
        )
    healthy, wanted = waiting[0]["HealthyAllocs"], waiting[0]["DesiredCanaries"]
    if healthy < wanted:
        raise DeployError(
            f"only {healthy} of {wanted} canaries of {target.name} are healthy", "see: wasmdeploy status"
        )
    evaluation = nomad.promote(deployment["ID"])
    version = int(deployment["JobVersion"])
    out.event("promoting", f"Promoting version {version} of {target.name}", version=version)
    return Registered(job, version, evaluation, new=True)


def copied(job: Json, *, count: int, min_healthy: int | None = None) -> Json:
    """A job of Nomad's to register again: all instances come first, and are promoted when they are healthy."""
    group = job["TaskGroups"][0]
    job = {key: value for key, value in job.items() if key != "VersionTag"}  # which stays the old version's
    if job["Type"] != "service":
        return {**job, "Stop": False, "TaskGroups": [{**group, "Count": count}]}
    update = {**(group.get("Update") or {}), "Canary": count, "MaxParallel": count, "AutoPromote": True}
    if min_healthy is not None:
        update["MinHealthyTime"] = min_healthy
    return {
        **{key: value for key, value in job.items() if key != "Update"},
        "Stop": False,
        "TaskGroups": [{**group, "Count": count, "Update": update}],
    }


def _ended_deployment(nomad: Nomad, current: Json, out: Output) -> bool:
    """End a deployment whose version has not taken over yet: its old instances are all still there."""
    deployment = nomad.newest_deployment(current["ID"])
    if deployment is None or deployment["Status"] not in ("running", "paused", "pending", "blocked"):
        return False
    groups = list((deployment.get("TaskGroups") or {}).values())
    if deployment["JobVersion"] != current["Version"] or not any(
        group["DesiredCanaries"] and not group["Promoted"] for group in groups
    ):
        return False
    nomad.fail(deployment["ID"])
    with out.step("rollback", f"version {current['Version']} leaves, the old one has not stopped"):
        while any(
            each["JobVersion"] == current["Version"] and each["ClientStatus"] in ("running", "pending")
            for each in nomad.allocations(current["ID"])
        ):
            time.sleep(_PAUSE)
    return True


def _require_components(job: Json) -> None:
    task = job["TaskGroups"][0]["Tasks"][0]
    places = {each["RelativeDest"]: each["GetterSource"] for each in task.get("Artifacts") or ()}
    config = task["Config"]
    sources = [
        (name, body["source"], body["digest"])
        for each in config.get("component") or ()
        for name, bodies in each.items()
        for body in bodies
    ]
    if config.get("module"):
        sources.append((job["ID"], config["module"], config["digest"]))
    for name, source, digest in sources:
        directory = str(places.get(source, source)).rpartition("/")[0]
        if ("://" in directory or Path(directory).is_dir()) and not has_component(directory, digest):
            raise DeployError(
                f"component {name!r} of version {job['Version']} is not in {directory} any more",
                "deploy that version's source anew",
            )


def _version(job: Json, *, current: bool, first: int) -> Version:
    meta = job.get("Meta") or {}
    submitted = datetime.fromtimestamp(job["SubmitTime"] / _SECOND, UTC)
    digest = meta.get("digest", "") or ", ".join(digests(job).values())
    return Version(
        int(job["Version"]), meta.get("app_version", ""), digest, submitted.isoformat(timespec="seconds"),
        int(job["TaskGroups"][0]["Count"]), bool(job["Stable"]), current, bool(job.get("Stop")),
        first if first != job["Version"] and not job.get("Stop") else None,
    )  # fmt: skip
