"""Watching a new version come up: placement, allocations, health, promotion."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from wasmdeploy_cli.console import Output
from wasmdeploy_cli.errors import DeployError
from wasmdeploy_cli.nomad import Nomad

Json = dict[str, Any]
_PAUSE = 0.5
_ENDED = ("successful", "failed", "cancelled", "blocked")


@dataclass(slots=True)
class Rollout:
    """Follows one registered version until it serves; every new fact is told once."""

    nomad: Nomad
    job: str
    out: Output
    deadline: float
    _told: set[tuple[str, ...]] = field(default_factory=set)

    def placed(self, evaluation_id: str) -> str:
        """Wait until the scheduler has decided; gives the deployment's id, "" where nothing had to change."""
        while True:
            evaluation = self.nomad.evaluation(evaluation_id)
            if evaluation["Status"] in ("complete", "failed", "canceled"):
                break
            self._pause("the scheduler to decide")
        if failed := evaluation.get("FailedTGAllocs"):
            raise DeployError(
                f"Nomad finds no place for {self.job}: {_no_place(failed)}",
                "the job waits for one: change deploy.cpu, deploy.memory or deploy.datacenters and deploy again, "
                "or: wasmdeploy destroy",
            )
        if evaluation["Status"] != "complete":
            raise DeployError(f"the scheduler failed: {evaluation.get('StatusDescription', '')}")
        return str(evaluation.get("DeploymentID") or "")

    def healthy(self, deployment_id: str) -> None:
        """Wait until the deployment is successful; raises DeployError with the reason and what the tasks
        said.
        """
        while True:
            deployment = self.nomad.deployment(deployment_id)
            self._tell_events(deployment)
            self._tell_progress(deployment)
            if deployment["Status"] in _ENDED:
                break
            self._pause("the new version to become healthy")
        if deployment["Status"] != "successful":
            raise DeployError(
                f"the new version of {self.job} did not come up: {self._reason(deployment)}",
                f"see: wasmdeploy logs, and: nomad deployment status {deployment_id[:8]}",
            )

    def _pause(self, waited_for: str) -> None:
        if time.monotonic() > self.deadline:
            raise DeployError(f"gave up waiting for {waited_for}", "it goes on without us: wasmdeploy status")
        time.sleep(_PAUSE)

    def _tell(self, key: tuple[str, ...], name: str, text: str, **details: Any) -> None:
        if key not in self._told:
            self._told.add(key)
            self.out.event(name, text, **details)

    def _tell_progress(self, deployment: Json) -> None:
        for group in (deployment.get("TaskGroups") or {}).values():
            healthy, wanted = group["HealthyAllocs"], group["DesiredTotal"]
            self._tell(
                ("health", str(healthy)),
                "health",
                f"{healthy} of {wanted} healthy",
                healthy=healthy,
                wanted=wanted,
            )
            if group.get("Promoted"):
                self._tell(("promoted",), "promoted", "Promoted: the old version leaves")

    def _tell_events(self, deployment: Json) -> None:
        for allocation in self._allocations(deployment):
            short = allocation["ID"][:8]
            for task in (allocation.get("TaskStates") or {}).values():
                for event in task.get("Events") or []:
                    text = event.get("DisplayMessage") or event.get("Message") or event["Type"]
                    self._tell(
                        ("event", allocation["ID"], str(event["Time"]), text),
                        "task", f"  {short} {event['Type']}: {text}", allocation=allocation["ID"],
                    )  # fmt: skip

    def _allocations(self, deployment: Json) -> list[Json]:
        return [
            each
            for each in self.nomad.allocations(self.job)
            if each["JobVersion"] == deployment["JobVersion"]
        ]

    def _reason(self, deployment: Json) -> str:
        """What a task of the new version said last before it failed, else the deployment's own words."""
        for allocation in self._allocations(deployment):
            for task in (allocation.get("TaskStates") or {}).values():
                for event in reversed(task.get("Events") or []):
                    if event["Type"] in (
                        "Driver Failure",
                        "Setup Failure",
                        "Failed Artifact Download",
                        "Terminated",
                    ):
                        return str(event.get("DisplayMessage") or event.get("Message"))
        return str(deployment.get("StatusDescription") or deployment["Status"])


def _no_place(failed: Json) -> str:
    reasons = []
    for group in failed.values():
        filtered = {**(group.get("ConstraintFiltered") or {}), **(group.get("DimensionExhausted") or {})}
        reasons += [f"{why} ({count} nodes)" for why, count in filtered.items()]
    return "; ".join(reasons) or "no node in its datacenters is free"
