"""What lives through the soak of kills: apps, one of which is parked, and commands that end when they are told to.

Where a plugin is killed before it has taken up the tasks of the one before it, Nomad gives tasks up: it tries to
recover each once. It then says `Restarting` or `Not Restarting` without the `Terminated` that every other end has.
"""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

from tests.e2e.nomad_jobs import PATIENCE, Json, Placed, ServedApp, job_of, purge
from tests.e2e.world import World, eventually
from tests.soak.victims import CLIENT, logmons
from wasmdeploy_cli.stack import directory
from wasmdeploy_driver.executor.holder import SOCKET, ask

_KEPT_EVENTS = 10
_ENDS = ("Terminated", "Driver Failure")
_ANSWER_SECONDS = 10.0


@dataclass
class App(ServedApp):
    """An app that serves; `owed` are the lines that its log must have, `kills` the deaths of its executors."""

    kills: int = 0
    owed: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)

    def runs(self) -> bool:
        """Whether its task runs for Nomad, and does not wait for its next start."""
        states = self.stub().get("TaskStates") or {}
        return bool(states) and states["t"]["State"] == "running"

    def were_given_up(self, risks: int) -> int:
        """How often Nomad has given the app up, `risks` times at most, since this was asked last."""
        if (times := self.restarts() - self.kills) > 0:
            assert times <= risks, self.stub()
            told = self.stub()["TaskStates"]["t"]["Events"]
            kinds = [each["Type"] for each in told if each["Type"] != "Driver"]
            # Nomad keeps the last events only: what was before the first of them nobody knows.
            kinds = ["unknown"] * (len(told) >= _KEPT_EVENTS) + kinds
            unsaid = [
                after
                for before, after in itertools.pairwise(kinds)
                if after == "Restarting" and before not in _ENDS
            ]
            assert len(unsaid) >= times, told
            self.kills += times
        return times

    def say(self, line: str) -> None:
        """Have a guest print a line; without a collector it waits in the pipe for the next one."""
        assert self.ask(f"/say?{line}") == b"said\n"
        (self.owed if self.collected() else self.waiting).append(line)

    def collected(self) -> bool:
        """Whether a collector of Nomad's has the task's log open."""
        for process in logmons(self.world):
            with suppress(psutil.Error):
                if any(self.allocation in file.path for file in process.open_files()):
                    return True
        return False

    def settle(self) -> None:
        """What waited for a collector is owed once there is one."""
        if self.waiting and self.collected():
            self.owed += self.waiting
            self.waiting = []

    def written(self) -> Counter[str]:
        """The lines that the files of the log have."""
        logs = self.world.stack.data_dir.glob(f"client-*/alloc/{self.allocation}/alloc/logs/t.stderr.*")
        return Counter(line for log in logs for line in log.read_text(errors="replace").splitlines())

    def logged(self) -> Counter[str]:
        """The lines of `nomad alloc logs`; none while the server has not found its way to the client again."""
        address = f"{self.world.stack.nomad_addr}/v1/client/fs/logs/{self.allocation}"
        answer = httpx.get(address, params={"task": "t", "type": "stderr", "plain": "true"}, timeout=60)
        return Counter(answer.text.splitlines() if answer.status_code == 200 else ())


class Sleeper(App):
    """An app that is parked when nobody has asked it for three seconds."""

    def job(self) -> Json:
        """Its job."""
        job = super().job()
        job["TaskGroups"][0]["Tasks"][0]["Config"]["idle_timeout"] = "3s"
        return job

    def is_parked(self) -> bool:
        """Whether the holder has it, as the holder says."""
        holder = driver_data(self.world) / SOCKET
        with suppress(OSError):
            return any(
                (ask(holder, {"find": str(state)}, _ANSWER_SECONDS) or {}).get("parked")
                for state, launch in states(self.world)
                if self.allocation in launch
            )
        return False


@dataclass
class Command(Placed):
    """A command that waits for a file and ends with `code`; `risked` is whether Nomad may have given it up."""

    code: int = 0
    killed: bool = False
    risked: bool = False
    given_up: bool = False

    def start(self) -> None:
        """Place it, and wait until it runs."""
        config = {"module": str(self.component), "args": ["wait", "/local/go", str(self.code)],
                  "dir": [{"host": "local", "guest": "/local"}]}  # fmt: skip
        self.place(job_of(self.name, "batch", config, 0))

    def let_go(self) -> None:
        """Let it end."""
        (directory,) = self.world.stack.data_dir.glob(f"client-*/alloc/{self.allocation}/t/local")
        (directory / "go").touch()

    def check(self) -> None:
        """Wait until Nomad knows its end, which must be the true one, after one start."""
        stub = eventually(f"{self.name} has ended", self.ended, PATIENCE)
        state = stub["TaskStates"]["t"]
        said = json.dumps(state["Events"])
        ends = [each for each in state["Events"] if each["Type"] in _ENDS]
        expected = (137, 9) if self.killed else (self.code, 0)
        if self.risked and not ends:
            self.given_up = True
            assert state["Events"][-1]["RestartReason"] == "Policy allows no restarts", said
        else:
            assert [(each["ExitCode"], each["Signal"]) for each in ends] == [expected], said
        assert stub["ClientStatus"] == ("failed" if expected[0] or self.given_up else "complete"), said
        assert [each["Type"] for each in state["Events"]].count("Started") == 1, said
        assert state["Restarts"] == 0, said
        purge(self.world, self.name)

    def ended(self) -> Json | None:
        """Its allocation, once that is terminal."""
        stub = self.stub()
        return stub if stub.get("ClientStatus") in ("complete", "failed", "lost") else None


def driver_data(world: World) -> Path:
    """The directory of the client's driver."""
    owned = directory.opened(world.stack.data_dir)
    assert owned is not None
    return owned.data(f"{CLIENT}-wasm")


def states(world: World) -> Iterator[tuple[Path, str]]:
    """The state directories of the driver's tasks, each with what its task was launched with."""
    for state in (driver_data(world) / "tasks").glob("*"):
        with suppress(OSError):
            yield state, (state / "launch.json").read_text()
