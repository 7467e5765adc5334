"""What has happened to an app: its deployments, and the task events of its instances, in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from wasmdeploy_cli.deployment.target import Target
from wasmdeploy_cli.nomad import Nomad, Settings
from wasmdeploy_cli.nomad.events import stream

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, order=True)
class Event:
    """One event: when (nanoseconds since the epoch), which instance ("" for the app itself), what."""

    time: int
    instance: str
    type: str
    text: str
    version: int

    @property
    def when(self) -> str:
        """The time as people read it, UTC."""
        return datetime.fromtimestamp(self.time / 1e9, UTC).isoformat(timespec="seconds")


def past(nomad: Nomad, target: Target) -> list[Event]:
    """The events of the instances that Nomad still has, oldest first."""
    return sorted(_of_instances(nomad.allocations(target.name)))


def following(nomad: Nomad, settings: Settings, target: Target) -> Iterator[Event]:
    """The past events, then new ones as they happen, deployments' too; each once, without an end."""
    told: set[Event] = set()
    for event in past(nomad, target):
        told.add(event)
        yield event
    start = max((event.time for event in told), default=0)
    topics = (f"Allocation:{target.name}", f"Deployment:{target.name}")
    for each in stream(settings, target.namespace, topics):
        for event in _read(each, start):
            if event not in told:
                told.add(event)
                yield event


def _read(event: Json, start: int) -> Iterable[Event]:
    payload = event.get("Payload") or {}
    if allocation := payload.get("Allocation"):
        return [each for each in _of_instances([allocation]) if each.time > start]
    deployment = payload.get("Deployment")
    if deployment and (time := int(deployment.get("ModifyTime") or 0)) > start:
        text = str(deployment.get("StatusDescription") or deployment["Status"])
        return [Event(time, "", f"Deployment {deployment['Status']}", text, int(deployment["JobVersion"]))]
    return ()


def _of_instances(allocations: Iterable[Json]) -> Iterator[Event]:
    for allocation in allocations:
        # A stub has the version itself, an event's allocation may have it in its job only, or not at all.
        version = allocation.get("JobVersion", (allocation.get("Job") or {}).get("Version", -1))
        for task in (allocation.get("TaskStates") or {}).values():
            for event in task.get("Events") or ():
                text = str(event.get("DisplayMessage") or event.get("Message") or event["Type"])
                yield Event(int(event["Time"]), allocation["ID"], event["Type"], text, int(version))
