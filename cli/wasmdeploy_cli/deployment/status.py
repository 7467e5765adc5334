"""What runs of an app, as one value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from wasmdeploy_cli.deployment.target import Target, through
from wasmdeploy_cli.errors import ClusterError
from wasmdeploy_cli.job.route import reach
from wasmdeploy_cli.nomad import Nomad, Settings

_RUNS = 10  # of a command that is dispatched or periodic, the newest ones


@dataclass(frozen=True, slots=True)
class Allocation:
    """One allocation of the job that has not ended, or ended badly."""

    id: str
    node: str
    version: int
    state: str
    healthy: bool | None
    canary: bool
    address: str
    last_event: str


@dataclass(frozen=True, slots=True)
class Status:
    """The job's state and its allocations, newest version first; a command's also those that have ended."""

    name: str
    namespace: str
    state: str
    version: int
    app_version: str
    digest: str
    url: str
    allocations: tuple[Allocation, ...]
    type: str = "service"

    @property
    def serving(self) -> bool:
        """Whether an allocation runs and is healthy; a command's newest must not have failed."""
        if self.type != "service":
            return not self.allocations or self.allocations[0].state in ("pending", "running", "complete")
        return any(each.state == "running" and each.healthy is not False for each in self.allocations)


def read_status(nomad: Nomad, target: Target, settings: Settings) -> Status:
    """The job's state now; raises ClusterError, also where there is no such job."""
    job = require_job(nomad, target)
    service = job["Type"] == "service"
    listed = nomad.allocations(target.name)
    if not service:
        runs = sorted(nomad.children(target.name), key=lambda each: -each["SubmitTime"])[:_RUNS]
        listed += [each for run in runs for each in nomad.allocations(run["ID"])]
        listed.sort(key=lambda each: -each["CreateTime"])
    allocations = [
        _allocation(nomad.allocation(each["ID"]))
        for each in listed
        if not service
        or each["ClientStatus"] in ("running", "pending")
        or (each["ClientStatus"] == "failed" and each["DesiredStatus"] == "run")
    ]
    if service:
        allocations.sort(key=lambda each: (-each.version, each.id))
    meta = job.get("Meta") or {}
    return Status(
        name=target.name,
        namespace=target.namespace,
        state="stopped" if job.get("Stop") else str(job["Status"]),
        version=int(job["Version"]),
        app_version=meta.get("app_version", ""),
        digest=meta.get("digest", ""),
        url=through(reach(job).url, settings),
        allocations=tuple(allocations),
        type=str(job["Type"]),
    )


def require_job(nomad: Nomad, target: Target) -> dict[str, Any]:
    """The job as Nomad has it; raises ClusterError where there is none."""
    job = nomad.job(target.name)
    if job is None:
        raise ClusterError(
            f"there is no job {target.name!r} in the namespace {target.namespace!r}",
            "wasmdeploy list shows what is there; wasmdeploy deploy brings an app there",
        )
    return job


def _allocation(data: dict[str, Any]) -> Allocation:
    events = [event for task in (data.get("TaskStates") or {}).values() for event in task.get("Events") or []]
    last: dict[str, Any] = max(events, key=lambda event: event["Time"], default={})
    ports = ((data.get("AllocatedResources") or {}).get("Shared") or {}).get("Ports") or []
    return Allocation(
        id=data["ID"],
        node=data.get("NodeName", ""),
        version=int(data["Job"]["Version"]),
        state=data["ClientStatus"],
        healthy=(data.get("DeploymentStatus") or {}).get("Healthy"),
        canary=bool((data.get("DeploymentStatus") or {}).get("Canary")),
        address=f"{ports[0]['HostIP']}:{ports[0]['Value']}" if ports else "",
        last_event=str(last.get("DisplayMessage") or last.get("Type") or ""),
    )
