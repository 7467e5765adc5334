"""Runs of a command: asking for one, and following it to its end."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from wasmdeploy_cli.console import Output
from wasmdeploy_cli.deployment.placement import no_place
from wasmdeploy_cli.deployment.status import require_job
from wasmdeploy_cli.deployment.target import Target
from wasmdeploy_cli.errors import ClusterError, DeployError
from wasmdeploy_cli.nomad import Nomad

Json = dict[str, Any]
_PAUSE = 0.5
_ENDS = ("Terminated", "Driver Failure", "Setup Failure", "Failed Validation", "Failed Artifact Download")


@dataclass(frozen=True, slots=True)
class Ended:
    """How one instance ended; `exit_code` is None where its guest never ran, `reason` says then why."""

    allocation: str
    node: str
    succeeded: bool
    exit_code: int | None
    signal: int
    reason: str

    def __str__(self) -> str:
        return self.reason if self.exit_code is None else f"exit code {self.exit_code}"


@dataclass(frozen=True, slots=True)
class Run:
    """A run that Nomad has taken: its job, and the evaluation that places it."""

    job: str
    evaluation: str


def dispatch(nomad: Nomad, target: Target, payload: bytes, meta: Mapping[str, str], out: Output) -> Run:
    """Have a parameterized or periodic job run now; raises ClusterError, DeployError."""
    job = require_job(nomad, target)
    if job.get("ParameterizedJob"):
        answer = nomad.dispatch(target.name, payload, meta)
        run = Run(answer["DispatchedJobID"], answer["EvalID"])
    elif job.get("Periodic"):
        if payload or meta:
            raise DeployError(
                f"{target.name} is periodic: it takes neither payload nor meta", "dispatch it without them"
            )
        evaluation = nomad.force(target.name)
        run = Run(str(nomad.evaluation(evaluation)["JobID"]), evaluation)
    else:
        raise DeployError(
            f"{target.name} is neither parameterized nor periodic",
            "run it anew: wasmdeploy restart" if job["Type"] != "service" else "see [deploy.parameterized]",
        )
    out.event("dispatched", f"Dispatched {run.job}", job=run.job, evaluation=run.evaluation)
    return run


def follow(run: Run, version: int | None, nomad: Nomad, timeout: float, out: Output) -> list[Ended]:
    """Follow a run of a job's `version` (None: of its only one) until all of its instances have ended.

    Raises DeployError where it finds no place, or has not ended in time.
    """
    return list(_Follower(run, version, nomad, out, time.monotonic() + timeout).ends())


def require_success(run: Run, ends: list[Ended]) -> None:
    """Raise the DeployError of a run that has failed."""
    if not ends:
        raise DeployError(f"{run.job} was stopped before it ran", f"see: wasmdeploy events --app {run.job}")
    failed = [each for each in ends if not each.succeeded]
    if failed:
        more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
        raise DeployError(f"{run.job} failed: {failed[0]}{more}", f"wasmdeploy logs --app {run.job}")


@dataclass(slots=True)
class _Follower:
    run: Run
    version: int | None
    nomad: Nomad
    out: Output
    deadline: float
    _told: set[tuple[str, int]] = field(default_factory=set)

    def ends(self) -> Iterator[Ended]:
        """How each instance ended; one that Nomad has replaced is not among them."""
        with self.out.step("place", "waiting for the scheduler"):
            self._placed()
        with self.out.step("run", "waiting for its end"):
            while not self._over():
                self._pause("it goes on without us")
        for allocation in self._last():
            ended = _ended(allocation)
            text = f"  {ended.allocation[:8]} ended on {ended.node}: {ended}"
            self.out.event("ended", text, **asdict(ended))
            yield ended

    def _placed(self) -> None:
        while True:
            evaluation = self.nomad.evaluation(self.run.evaluation)
            if failed := evaluation.get("FailedTGAllocs"):
                raise DeployError(
                    f"Nomad finds no place for {self.run.job}: {no_place(failed)}",
                    f"it waits for one; take it back: wasmdeploy stop --app {self.run.job}",
                )
            if evaluation["Status"] == "complete":
                return
            if evaluation["Status"] in ("failed", "canceled"):
                raise ClusterError(
                    f"the scheduler failed: {evaluation.get('StatusDescription', '')}",
                    "see the log of the Nomad servers; then deploy again",
                )
            self._pause("the scheduler has not decided yet")

    def _over(self) -> bool:
        """Whether Nomad has nothing more to do for the job: neither a retry nor a replacement is to come."""
        for allocation in self._allocations():
            self._tell(allocation)
        job = self.nomad.job(self.run.job)
        return job is None or job["Status"] == "dead"

    def _allocations(self) -> list[Json]:
        found = self.nomad.allocations(self.run.job)
        return [each for each in found if self.version in (None, each["JobVersion"])]

    def _last(self) -> list[Json]:
        return [each for each in self._allocations() if not each.get("NextAllocation")]

    def _tell(self, allocation: Json) -> None:
        identity = allocation["ID"]
        for task in (allocation.get("TaskStates") or {}).values():
            for event in task.get("Events") or []:
                if (key := (identity, event["Time"])) in self._told:
                    continue
                self._told.add(key)
                text = event.get("DisplayMessage") or event.get("Message") or event["Type"]
                self.out.event("task", f"  {identity[:8]} {event['Type']}: {text}", allocation=identity)

    def _pause(self, meanwhile: str) -> None:
        if time.monotonic() > self.deadline:
            raise DeployError(
                f"gave up waiting for {self.run.job}: {meanwhile}",
                f"wasmdeploy events --follow --app {self.run.job}",
            )
        time.sleep(_PAUSE)


def _ended(allocation: Json) -> Ended:
    events = [
        event for task in (allocation.get("TaskStates") or {}).values() for event in task.get("Events") or []
    ]
    last = next((event for event in reversed(events) if event["Type"] in _ENDS), None)
    ran = last is not None and last["Type"] == "Terminated"
    text = str((last or {}).get("DisplayMessage") or allocation["ClientStatus"])
    return Ended(
        allocation["ID"], allocation.get("NodeName", ""), allocation["ClientStatus"] == "complete",
        int(last["ExitCode"]) if last and ran else None, int(last["Signal"]) if last and ran else 0,
        " ".join(text.split()),
    )  # fmt: skip
