"""Jobs that tests give to Nomad by themselves, and what they see of them: apps that serve, without the tool."""

from __future__ import annotations

import http.client
import subprocess
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.e2e.world import World, eventually
from tests.stack import build

Json = dict[str, Any]
SECOND = 1_000_000_000
PATIENCE = 120.0  # a busy machine, and an agent that has just come back


def register(world: World, job: Json) -> None:
    """Give Nomad a job."""
    httpx.post(f"{world.stack.nomad_addr}/v1/jobs", json={"Job": job}, timeout=30).raise_for_status()


def purge(world: World, name: str) -> None:
    """Have Nomad forget a job."""
    address = f"{world.stack.nomad_addr}/v1/job/{name}"
    httpx.delete(address, params={"purge": "true"}, timeout=30).raise_for_status()


def nomad(world: World, *words: str, code: int = 0) -> str:
    """What a command of the real `nomad` prints."""
    # The first words name the command; its options come before its arguments.
    at = next((number for number, word in enumerate(words) if number and word.startswith("-")), 2)
    command = [build.ensure() / "nomad", *words[:at], f"-address={world.stack.nomad_addr}", *words[at:]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def job_of(name: str, kind: str, config: Json, attempts: int, **group: Any) -> Json:
    """A job of one task, which is restarted for ever or not at all."""
    restart = {"Attempts": attempts, "Interval": 86400 * SECOND, "Delay": SECOND,
               "Mode": "delay" if attempts else "fail"}  # fmt: skip
    task = {"Name": "t", "Driver": "wasm", "Config": config, "KillTimeout": 5 * SECOND,
            "Resources": {"CPU": 50, "MemoryMB": 192}}  # fmt: skip
    return {
        "ID": name, "Type": kind, "Datacenters": ["*"],
        **({"Update": {"MaxParallel": 0}} if kind == "service" else {}),  # no deployment
        "TaskGroups": [{
            "Name": "g", "RestartPolicy": restart, "ReschedulePolicy": {"Attempts": 0, "Unlimited": False},
            # A client that is slow to come back is no reason to place anything anew.
            "Disconnect": {"LostAfter": 3600 * SECOND, "Replace": False},
            "Tasks": [task], **group,
        }],
    }  # fmt: skip


@dataclass
class Placed:
    """A job whose one allocation is to stay the same for ever."""

    world: World
    name: str
    component: Path
    allocation: str = ""

    def stub(self) -> Json:
        """The job's one allocation; a second one is an error."""
        stubs = self.world.nomad(f"job/{self.name}/allocations") or []
        assert len(stubs) <= 1, f"{self.name} was placed twice: {[each['ID'] for each in stubs]}"
        return dict(stubs[0]) if stubs else {}

    def place(self, job: Json) -> None:
        """Register the job, and wait until it runs."""
        register(self.world, job)
        running = eventually(f"{self.name} runs", self._running, PATIENCE)
        self.allocation = running["ID"]

    def _running(self) -> Json | None:
        stub = self.stub()
        assert stub.get("ClientStatus") != "failed", stub["TaskStates"]
        return stub if stub.get("ClientStatus") == "running" else None


@dataclass
class ServedApp(Placed):
    """An app that answers `body` at `path`; `group` is more of its job's group, `task` of its task."""

    path: str = "/"
    body: bytes = b"hello from Go\n"
    group: Json = field(default_factory=dict)
    address: tuple[str, int] = ("", 0)

    def job(self) -> Json:
        """Its job."""
        component = {"web": [{"source": str(self.component), "route": ["/..."]}]}
        config = {"app": self.name, "http": [{"port": "http"}], "component": [component]}
        network = [{"DynamicPorts": [{"Label": "http"}]}]
        return job_of(self.name, "service", config, 10_000, **{"Networks": network, **self.group})

    def start(self) -> None:
        """Place it, and wait until it answers."""
        self.place(self.job())
        self.locate()
        eventually(f"{self.name} answers", self.answers, PATIENCE)

    def locate(self) -> None:
        """Find out where its allocation listens."""
        port = self.world.nomad(f"allocation/{self.allocation}")["AllocatedResources"]["Shared"]["Ports"][0]
        self.address = (port["HostIP"], port["Value"])

    def ask(self, path: str) -> bytes:
        """One answer; raises OSError, HTTPException."""
        connection = http.client.HTTPConnection(*self.address, timeout=60)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            body = answer.read()
            if answer.status != 200:
                raise http.client.HTTPException(f"{answer.status} {body[:80]!r}")
            return body
        finally:
            connection.close()

    def answers(self) -> bool:
        """Whether it answers as it should."""
        with suppress(OSError, http.client.HTTPException):
            return self.ask(self.path) == self.body
        return False

    def restarts(self) -> int:
        """How often Nomad has started it anew."""
        states = self.stub().get("TaskStates") or {}
        return int(states["t"]["Restarts"]) if states else -1
