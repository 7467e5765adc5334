"""What lives through the soak of kills: apps whose lines are counted, and commands that end when they are told to."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field

import httpx
import psutil

from tests.e2e.nomad_jobs import PATIENCE, Json, Placed, ServedApp, job_of, purge
from tests.e2e.world import eventually
from tests.soak.victims import logmons

_ENDS = ("Terminated", "Driver Failure")


@dataclass
class App(ServedApp):
    """An app that serves; `owed` are the lines that its log must have, `kills` the deaths of its executors."""

    kills: int = 0
    owed: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)

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


@dataclass
class Command(Placed):
    """A command that waits for a file and ends with `code`."""

    code: int = 0
    killed: bool = False

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
        stub = eventually(f"{self.name} has ended", self._ended, PATIENCE)
        state = stub["TaskStates"]["t"]
        said = json.dumps(state["Events"])
        ends = [each for each in state["Events"] if each["Type"] in _ENDS]
        expected = (137, 9) if self.killed else (self.code, 0)
        assert [(each["ExitCode"], each["Signal"]) for each in ends] == [expected], said
        assert stub["ClientStatus"] == ("failed" if expected[0] else "complete"), said
        assert [each["Type"] for each in state["Events"]].count("Started") == 1, said
        assert state["Restarts"] == 0, said
        purge(self.world, self.name)

    def _ended(self) -> Json | None:
        stub = self.stub()
        return stub if stub.get("ClientStatus") in ("complete", "failed", "lost") else None
