"""Why a new version did not come up: which instance, which event, its last words, and what to do."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from wasmdeploy_cli.console import Output
from wasmdeploy_cli.deployment.rollout import Outcome
from wasmdeploy_cli.errors import ClusterError
from wasmdeploy_cli.nomad import Nomad, Settings
from wasmdeploy_cli.nomad.logs import LogClient, Stream

Json = dict[str, Any]
_LINES = 8  # of each stream
_BYTES = 16 << 10
# Task events that say why an instance did not start; after these, one whose process ended by itself tells most.
_START = ("Failed Artifact Download", "Driver Failure", "Setup Failure", "Failed Validation", "Vault Error")
_TELLING = (*_START, "Killing", "Terminated", "Alloc Unhealthy")
_RPC = re.compile(r"^(?:failed to \w+ task: )?(?:rpc error: code = \w+ desc = )?")
_REFUSED = re.compile(r"Vault at \S+ refuses to ")
_NO_TOKEN = re.compile(r"failed to derive vault token.*\* (.+)")
_MORE_TIME = "raise deploy.healthy_within, then: wasmdeploy deploy"
_HEALTHY = 2
_STREAMS: tuple[Stream, ...] = ("stdout", "stderr")


@dataclass(frozen=True, slots=True)
class PostMortem:
    """The story of a failure; `allocation` is empty where there never was one."""

    version: int
    cause: str
    hint: str
    serving: str
    allocation: str = ""
    node: str = ""
    event: str = ""
    lines: tuple[str, ...] = ()

    def tell(self, out: Output) -> None:
        """Report it: lines for people, one object with `--json`."""
        told = [("version", str(self.version))]
        if self.allocation:
            told += [("instance", f"{self.allocation[:8]} on node {self.node}"), ("event", self.event)]
        told += [("log" if number == 0 else "", line) for number, line in enumerate(self.lines)]
        told += [("cause", self.cause), ("serving", self.serving), ("next", self.hint)]
        text = "\n".join(["What happened:", *(f"  {name:<9} {line}" for name, line in told)])
        out.event(
            "postmortem", text, version=self.version, allocation=self.allocation, node=self.node,
            task_event=self.event, log=list(self.lines), cause=self.cause, serving=self.serving, hint=self.hint,
        )  # fmt: skip


def investigate(nomad: Nomad, settings: Settings, job: str, version: int, outcome: Outcome) -> PostMortem:
    """Gather what is known about the version's most telling instance."""
    allocations = nomad.allocations(job)
    serves = serving(allocations, version)
    own = [each for each in allocations if each["JobVersion"] == version]
    if outcome.end == "unplaced" or not own:
        cause = f"Nomad finds no place for it: {outcome.description}" if outcome.end == "unplaced" else ""
        hint = "ask for less in [deploy] (cpu, memory, datacenters), or add a node; wasmdeploy plan tells if it fits"
        return PostMortem(version, cause or outcome.description, hint, serves)
    worst = min(own, key=lambda each: (_health(each), -each["CreateTime"]))
    allocation = nomad.allocation(worst["ID"])
    event = telling_event(allocation)
    cause, hint = likely_cause(event, outcome.answers.get(worst["ID"], ""), outcome.description)
    if work := compiling(allocation):
        over = " when healthy_within was over" if outcome.end != "late" else ""
        cause = f"the node was still busy{over} ({work})"
        hint = _MORE_TIME
    elif " answered " not in outcome.answers.get(worst["ID"], "") and (work := compiled(allocation)):
        cause, hint = f"compiling took most of healthy_within ({work})", _MORE_TIME
    return PostMortem(
        version, cause, hint, serves, worst["ID"], allocation.get("NodeName", ""),
        f"{event['Type']}: {_message(event)}" if event else "none",
        _last_lines(settings, nomad.namespace, allocation),
    )  # fmt: skip


def telling_event(allocation: Mapping[str, Any]) -> Json | None:
    """The task event that explains most: the newest of the most telling kind, else the newest of all."""
    events = _events(allocation)
    for kind in _TELLING:
        named = [event for event in events if event["Type"] == kind and not _on_purpose(event)]
        if named:
            return named[-1]
    return events[-1] if events else None


def compiling(allocation: Mapping[str, Any]) -> str:
    """What the driver said of a compile that had not ended when the allocation had to be healthy; empty for none."""
    work = ""
    for event in _events(allocation):
        if event["Type"] == "Alloc Unhealthy":
            break
        if event["Type"] in ("Driver", "Started", *_START):
            text = _message(event)
            work = text if event["Type"] == "Driver" and ": compiling " in text else ""
    return work


def compiled(allocation: Mapping[str, Any]) -> str:
    """What the driver said of a compile that ended past half of the time that was all over; empty for none."""
    events = _events(allocation)
    done: Json | None = None
    for event in events:
        if event["Type"] == "Driver" and ": compiled in " in _message(event):
            done = event
        elif event["Type"] in ("Terminated", *_START):
            break
        elif event["Type"] == "Alloc Unhealthy":
            if done is None or "deadline" not in _message(event):
                break
            begin = events[0]["Time"]
            return _message(done) if 2 * (done["Time"] - begin) >= event["Time"] - begin else ""
    return ""


def likely_cause(event: Mapping[str, Any] | None, answer: str, description: str) -> tuple[str, str]:
    """What the event and the health check's answer mean, and the next command to type."""
    kind, text = (event["Type"], _message(event)) if event else ("", "")
    if "checksum" in text.lower():
        return (
            f"a component is not the one that was deployed: {text}",
            "remove it from where the nodes get it, then: wasmdeploy deploy",
        )
    if of_vault := _of_vault(text):
        return of_vault
    if event is not None and _out_of_memory(event):
        return "it needed more memory than the job has", "raise deploy.memory, then: wasmdeploy deploy"
    if kind in (*_START, "Killing"):
        return text, "wasmdeploy events; wasmdeploy logs --stderr"
    if answer:
        return f"its health check does not pass: {answer}", "wasmdeploy logs --stderr"
    if kind == "Terminated":
        cause = f"its process ended: {text}"
    else:
        cause = text if kind == "Alloc Unhealthy" else description or text
    return cause, "wasmdeploy events; wasmdeploy logs --stderr"


def _of_vault(text: str) -> tuple[str, str] | None:
    """What is wrong with the app's secrets, None where it is something else."""
    if "no such secret" in text:
        cause = text.partition(" (store it")[0]
        return cause, "store it: wasmdeploy secrets set NAME; then: wasmdeploy deploy"
    if _REFUSED.search(text):
        return text, "wasmdeploy secrets setup; then: wasmdeploy deploy"
    if refused := _NO_TOKEN.search(text):
        hint = "wasmdeploy secrets setup, and deploy.vault.role in the manifest; wasmdeploy doctor"
        return f"Vault gives the task no token: {refused[1]}", hint
    return None


def without_repeats(lines: list[str]) -> list[str]:
    """The lines, with those that stand several times in a row told once."""
    runs = [(line, len(list(same))) for line, same in groupby(lines)]
    return [line if number == 1 else f"{line} ({number} times)" for line, number in runs]


def _events(allocation: Mapping[str, Any]) -> list[Json]:
    tasks = (allocation.get("TaskStates") or {}).values()
    return sorted(
        (event for task in tasks for event in task.get("Events") or []), key=lambda event: event["Time"]
    )


def _on_purpose(event: Mapping[str, Any]) -> bool:
    """Whether an event is only the mark of an instance that was told to stop."""
    details = event.get("Details") or {}
    if event["Type"] == "Killing":
        return details.get("fails_task") != "true"
    code = details.get("exit_code", "0")
    return event["Type"] == "Terminated" and code == "0" and not _out_of_memory(event)


def _out_of_memory(event: Mapping[str, Any]) -> bool:
    return bool((event.get("Details") or {}).get("oom_killed") == "true")


def _message(event: Mapping[str, Any]) -> str:
    text = str(event.get("DisplayMessage") or event.get("Message") or event["Type"])
    return _RPC.sub("", " ".join(text.split()))


def _health(allocation: Json) -> int:
    """Lower is worse."""
    if allocation["ClientStatus"] == "failed":
        return 0
    return _HEALTHY if (allocation.get("DeploymentStatus") or {}).get("Healthy") else 1


def serving(allocations: list[Json], version: int) -> str:
    """What answers while `version` does not come up."""
    runs = [
        each for each in allocations if each["ClientStatus"] == "running" and each["DesiredStatus"] == "run"
    ]
    if before := [each for each in runs if each["JobVersion"] != version]:
        return f"the version before, with {_instances(len(before))}"
    # A change that starts nothing anew, as of the count, makes instances that were there the new version's.
    if healthy := [each for each in runs if _health(each) == _HEALTHY]:
        return f"this version, with {_instances(len(healthy))} that {'is' if len(healthy) == 1 else 'are'} healthy"
    return "nothing: there is no older version"


def _instances(count: int) -> str:
    return f"{count} instance{'' if count == 1 else 's'}"


def _last_lines(settings: Settings, namespace: str, allocation: Json) -> tuple[str, ...]:
    client = LogClient(settings, namespace)
    found: list[str] = []
    try:
        for task in allocation.get("TaskStates") or {}:
            for stream in _STREAMS:
                lines = client.lines(allocation["ID"], task, stream, follow=False, last_bytes=_BYTES)
                texts = [line.decode(errors="replace") for line in lines]
                found += [f"{stream} | {text}" for text in without_repeats(texts)[-_LINES:]]
    except ClusterError as error:
        found.append(f"(the log cannot be read: {error.message})")
    finally:
        client.close()
    return tuple(found)
