"""Watching a new version come up: placement, allocations, health, promotion."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, Literal

from wasmdeploy_cli.console import Output
from wasmdeploy_cli.deployment.answers import failing
from wasmdeploy_cli.deployment.consul import Consul
from wasmdeploy_cli.deployment.placement import no_place
from wasmdeploy_cli.errors import ClusterError, DeployError
from wasmdeploy_cli.nomad import Nomad

Json = dict[str, Any]
# healthy: the whole new version serves; canary: its canaries do, and wait for a person; the others did not.
End = Literal["healthy", "canary", "failed", "superseded", "unplaced", "late"]
_PAUSE = 0.5
_ASK_AGAIN = 2.0  # as often as the catalogue's check


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a rollout ended; `answers` are the failing checks' last words by allocation."""

    end: End
    description: str = ""
    deployment: str = ""
    answers: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Rollout:
    """Follows one registered version of a job until it serves or fails; every new fact is told once."""

    nomad: Nomad
    consul: Consul
    job: Json
    version: int
    out: Output
    deadline: float
    _told: set[tuple[str, ...]] = field(default_factory=set)
    _answers: dict[str, str] = field(default_factory=dict)
    _asked: float = 0.0

    def follow(self, evaluation_id: str) -> Outcome:
        """Wait until the version that the evaluation places serves, fails, or the deadline has passed."""
        with self.out.step("place", "waiting for the scheduler"):
            evaluation = self._placed(evaluation_id)
        if evaluation is None:
            return Outcome("late", "the scheduler has not decided yet")
        deployment = str(evaluation.get("DeploymentID") or "")
        if failed := evaluation.get("FailedTGAllocs"):
            return Outcome("unplaced", no_place(failed), deployment)
        if evaluation["Status"] != "complete":
            raise ClusterError(
                f"the scheduler failed: {evaluation.get('StatusDescription', '')}",
                "see the log of the Nomad servers; then deploy again",
            )
        with self.out.step("health", "waiting for healthy instances"):
            return self.until_healthy(deployment) if deployment else self._until_running()

    def until_healthy(self, deployment_id: str) -> Outcome:
        """Wait for the end of a deployment, or until its canaries wait to be promoted."""
        while True:
            deployment = self.nomad.deployment(deployment_id)
            self._tell(deployment)
            if end := _end(deployment):
                return Outcome(end, deployment["StatusDescription"], deployment_id, self._answers)
            if not self._pause():
                return Outcome("late", deployment["StatusDescription"], deployment_id, self._answers)

    def _placed(self, evaluation_id: str) -> Json | None:
        while True:
            evaluation = self.nomad.evaluation(evaluation_id)
            if evaluation["Status"] in ("complete", "failed", "canceled"):
                return evaluation
            if not self._pause():
                return None

    def _until_running(self) -> Outcome:
        """Without a deployment (fewer instances, say) it is enough that what should run does."""
        while True:
            wanted = [
                each for each in self.nomad.allocations(self.job["ID"]) if each["DesiredStatus"] == "run"
            ]
            if all(each["ClientStatus"] == "running" for each in wanted):
                return Outcome("healthy")
            if not self._pause():
                return Outcome("late", "not every instance runs yet")

    def _pause(self) -> bool:
        if time.monotonic() > self.deadline:
            return False
        time.sleep(_PAUSE)
        return True

    def _tell(self, deployment: Json) -> None:
        allocations = [
            each
            for each in self.nomad.allocations(self.job["ID"])
            if each["JobVersion"] == deployment["JobVersion"]
        ]
        self._tell_checks([each for each in allocations if not _healthy(each)])
        for allocation in allocations:
            self._tell_events(allocation)
        for group in (deployment.get("TaskGroups") or {}).values():
            healthy, wanted = group["HealthyAllocs"], group["DesiredTotal"]
            text = f"{healthy} of {wanted} healthy"
            self._once(("health", str(healthy)), "health", text, healthy=healthy, wanted=wanted)
            if group.get("Promoted"):
                self._once(("promoted",), "promoted", "Promoted: the old version leaves")

    def _tell_events(self, allocation: Json) -> None:
        identity, short = allocation["ID"], allocation["ID"][:8]
        for task in (allocation.get("TaskStates") or {}).values():
            for event in task.get("Events") or []:
                text = event.get("DisplayMessage") or event.get("Message") or event["Type"]
                key = ("event", identity, str(event["Time"]), text)
                self._once(key, "task", f"  {short} {event['Type']}: {text}", allocation=identity)
        if (allocation.get("DeploymentStatus") or {}).get("Healthy") is not None:
            healthy = _healthy(allocation)
            text = f"  {short} is {'healthy' if healthy else 'unhealthy'}"
            self._once(("healthy", identity), "instance", text, allocation=identity, healthy=healthy)

    def _tell_checks(self, unhealthy: list[Json]) -> None:
        """Checks are gone from the catalogue with their instance: what they said is kept for a post-mortem."""
        running = [each["ID"] for each in unhealthy if each["ClientStatus"] == "running"]
        if not running or time.monotonic() < self._asked + _ASK_AGAIN:
            return
        self._asked = time.monotonic()
        for allocation, text in failing(self.job, running, self.nomad, self.consul).items():
            self._answers[allocation] = text
            told = f"  {allocation[:8]} health check: {text}"
            self._once(("check", allocation, text), "check", told, allocation=allocation)

    def _once(self, key: tuple[str, ...], name: str, text: str, **details: Any) -> None:
        if key not in self._told:
            self._told.add(key)
            self.out.event(name, text, **details)


def superseded(job: str, description: str) -> DeployError:
    """The error of a deploy that another one has overtaken."""
    return DeployError(
        f"another version of {job} was registered meanwhile: {description[:1].lower()}{description[1:]}",
        "see who came after: wasmdeploy history",
    )


def _healthy(allocation: Json) -> bool:
    return bool((allocation.get("DeploymentStatus") or {}).get("Healthy"))


def _end(deployment: Json) -> End | None:
    match deployment["Status"]:
        case "successful":
            return "healthy"
        case "cancelled":
            return "superseded"
        case "failed" | "blocked":
            return "failed"
    groups = list((deployment.get("TaskGroups") or {}).values())
    waiting = [
        group
        for group in groups
        if group["DesiredCanaries"] and not group["Promoted"] and not group["AutoPromote"]
    ]
    if waiting and all(group["HealthyAllocs"] >= group["DesiredCanaries"] for group in waiting):
        return "canary"
    return None
