"""The deploy itself, step by step: publish, register, follow, wait for the route."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from wasmdeploy_cli.console import Output
from wasmdeploy_cli.deployment.consul import Consul
from wasmdeploy_cli.deployment.postmortem import investigate
from wasmdeploy_cli.deployment.proposal import Proposal
from wasmdeploy_cli.deployment.publish import component_dir, prune, publish
from wasmdeploy_cli.deployment.rollout import Outcome, Rollout, superseded
from wasmdeploy_cli.deployment.served import wait_until_served
from wasmdeploy_cli.deployment.target import through
from wasmdeploy_cli.deployment.way_back import keep
from wasmdeploy_cli.errors import ClusterError, DeployError
from wasmdeploy_cli.job.changes import digests
from wasmdeploy_cli.job.route import reach
from wasmdeploy_cli.nomad import Nomad, Settings

Json = dict[str, Any]
# A component that was published this recently may belong to a deploy that has not registered its job yet.
_KEEP_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Registered:
    """A version that Nomad has taken; `new` is False where the job was the same before."""

    job: Json
    version: int
    evaluation: str
    new: bool


def submit(proposal: Proposal, nomad: Nomad, out: Output) -> Registered:
    """Publish the components and register the job; raises ClusterError, DeployError where another was faster."""
    with out.step("upload", f"components of {proposal.app.name}"):
        publish(proposal.app, proposal.guests, proposal.base, out)
    return register(proposal.job, proposal.index, nomad, out)


def register(job: Json, index: int, nomad: Nomad, out: Output) -> Registered:
    """Register a job that follows the one with the JobModifyIndex `index`; exactly one of two can."""
    name = job["ID"]
    before = nomad.job(name) if index else None
    if before is not None:
        keep(nomad, name, out)
    answer = nomad.register(job, index)
    if answer is None:
        raise _overtaken(name, nomad)
    version = _version(name, (index, answer["JobModifyIndex"]), nomad)
    new = before is None or version != before["Version"] or bool(before.get("Stop"))
    if new:
        out.event(
            "registered", f"Registered version {version} of {name} in namespace {nomad.namespace}",
            version=version, evaluation=answer["EvalID"],
        )  # fmt: skip
    else:
        out.event("unchanged", f"Nothing changed: version {version} stays", version=version)
    return Registered(job, version, answer["EvalID"], new)


def follow(registered: Registered, nomad: Nomad, settings: Settings, timeout: float, out: Output) -> Outcome:
    """Follow a registered version until it serves; raises DeployError after telling why it does not."""
    name = registered.job["ID"]
    deadline = time.monotonic() + timeout
    rollout = Rollout(nomad, Consul(settings), registered.job, registered.version, out, deadline)
    outcome = (
        rollout.follow(registered.evaluation) if registered.new else _follow_earlier(rollout, name, nomad)
    )
    match outcome.end:
        case "healthy":
            which = "The new version is healthy and promoted" if registered.new else "It is healthy"
            out.event("healthy", which, deployment=outcome.deployment)
        case "canary":
            out.event("canary", "The canaries are healthy", deployment=outcome.deployment)
        case "superseded":
            raise superseded(name, outcome.description)
        case _:
            _fail(registered, outcome, nomad, settings, out)
    return outcome


def served(registered: Registered, outcome: Outcome, nomad: Nomad, settings: Settings, out: Output) -> str:
    """Wait until the app's URL leads to the version, and give it ("" without a host name)."""
    canary = outcome.end == "canary"
    wait_until_served(registered.job, settings, nomad, registered.version, out, alone=not canary)
    way = reach(registered.job)
    return through(way.canary_url if canary else way.url, settings)


def forget_components(proposal: Proposal, nomad: Nomad) -> None:
    """Remove the components that no version of the app needs which Nomad could go back to.

    Only from a shared directory: a component server is its operator's.
    """
    if proposal.base is None:
        return
    needed = {digest for version in nomad.versions(proposal.app.name) for digest in digests(version).values()}
    prune(component_dir(proposal.app, proposal.base), needed, time.time() - _KEEP_SECONDS)


def _follow_earlier(rollout: Rollout, name: str, nomad: Nomad) -> Outcome:
    """This version was registered before; it may still be on its way, or have failed."""
    newest = nomad.newest_deployment(name)
    if newest and newest["JobVersion"] == rollout.version and newest["Status"] != "successful":
        return rollout.until_healthy(newest["ID"])
    return Outcome("healthy")


def _fail(registered: Registered, outcome: Outcome, nomad: Nomad, settings: Settings, out: Output) -> None:
    name = registered.job["ID"]
    story = investigate(nomad, settings, name, registered.version, outcome)
    story.tell(out)
    if outcome.end == "unplaced" and outcome.deployment:
        try:
            nomad.fail(outcome.deployment)  # else it would be tried again whenever a node has room
        except ClusterError:
            out.note("the version still waits for a place: wasmdeploy rollback")
    if outcome.end == "late":
        raise DeployError(
            f"gave up waiting for version {registered.version} of {name}: {story.cause}",
            "it goes on without us: wasmdeploy status --watch; or go back: wasmdeploy rollback",
        )
    raise DeployError(f"version {registered.version} of {name} did not come up: {story.cause}", story.hint)


def _version(name: str, indexes: tuple[int, int], nomad: Nomad) -> int:
    """The number of the version that a registration made, which need not be the newest any more.

    `indexes` are the JobModifyIndex before, which stays where nothing has changed, and the one after.
    """
    job = nomad.job(name)
    if job is not None and job["JobModifyIndex"] in indexes:
        return int(job["Version"])
    for version in nomad.versions(name):
        if version["JobModifyIndex"] == indexes[1]:
            return int(version["Version"])
    raise superseded(name, "Nomad has forgotten this one")


def _overtaken(name: str, nomad: Nomad) -> DeployError:
    job = nomad.job(name)
    what = f"version {job['Version']} of {name} was registered" if job else f"{name} was destroyed"
    return DeployError(
        f"another deploy was faster: {what} since this one has looked; nothing was changed",
        "look at it first: wasmdeploy status; then deploy again",
    )
