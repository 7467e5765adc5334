"""What the end-to-end tests see and do beside the command line tool: the APIs, and the process table."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psutil

from tests.e2e.cli import Cli
from wasmdeploy_cli.stack import directory
from wasmdeploy_cli.stack.record import Record
from wasmdeploy_cli.stack.state import StackState

T = TypeVar("T")


@dataclass(frozen=True)
class World:
    """A stack and the tool that uses it."""

    stack: StackState
    cli: Cli

    def put_secret(self, path: str, **fields: str) -> None:
        """Write a secret's fields below `secret/`."""
        token = {"X-Vault-Token": self.stack.vault_token.reveal()}
        httpx.post(
            f"{self.stack.vault_addr}/v1/secret/data/{path}", headers=token, json={"data": fields}, timeout=60
        ).raise_for_status()

    def get(self, host: str, path: str = "/", **options: Any) -> httpx.Response:
        """Ask Traefik for `path` of `host`."""
        return httpx.get(f"{self.stack.traefik_addr}{path}", headers={"host": host}, timeout=60, **options)

    def nomad(self, path: str) -> Any:
        """What Nomad's API says."""
        answer = httpx.get(f"{self.stack.nomad_addr}/v1/{path}", timeout=60)
        return answer.json() if answer.status_code == 200 else None

    def services(self) -> list[str]:
        """The names of Consul's services."""
        return list(httpx.get(f"{self.stack.consul_addr}/v1/catalog/services", timeout=60).json())

    def logged(self, words: str, *arguments: str | Path) -> None:
        """Wait until `wasmdeploy logs` has the words: Nomad collects them beside the task, and after its end."""
        eventually(f"the log has {words}", lambda: words in self.cli("logs", *arguments).stdout)

    def running(self, name: str) -> dict[str, Any]:
        """The one running allocation of a job."""
        stubs = [each for each in self.nomad(f"job/{name}/allocations") if each["ClientStatus"] == "running"]
        assert len(stubs) == 1, [each["ClientStatus"] for each in self.nomad(f"job/{name}/allocations")]
        return dict(self.nomad(f"allocation/{stubs[0]['ID']}"))

    def executors(self) -> list[psutil.Process]:
        """The executors of this stack's tasks, each of which leads a session of its own."""
        return [each for each in self.family() if _leads(each.pid)]

    def family(self) -> list[psutil.Process]:
        """The executors, and the processes that belong to them."""
        return self._processes("wasmdeploy_driver.executor")

    def plugins(self) -> list[psutil.Process]:
        """The driver plugins of this stack's clients that serve."""
        return self._processes("nomad-driver-wasm")

    def holders(self) -> list[psutil.Process]:
        """The processes that hold parked tasks."""
        return self._processes("wasmdeploy_driver.holder")

    def member(self, name: str) -> psutil.Process:
        """A member of the stack, like `client-1`."""
        owned = directory.opened(self.stack.data_dir)
        assert owned is not None
        record = Record.load(owned.state)
        assert record is not None
        return psutil.Process(record.members[name].pid)

    def _processes(self, word: str) -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter():
            try:
                command = process.cmdline()
            except psutil.Error:
                continue
            if any(word in part for part in command) and any(
                str(self.stack.data_dir) in part for part in command
            ):
                found.append(process)
        return found


def _leads(pid: int) -> bool:
    """Whether it leads a session; a process that has gone leads none."""
    try:
        return os.getsid(pid) == pid
    except ProcessLookupError:
        return False


def eventually(
    what: str,
    condition: Callable[[], T],
    seconds: float = 120,
    facts: Callable[[], object] = lambda: "",
) -> T:
    """The condition's first true value; fails with `what`, and with `facts`, where there is none in time."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"not in {seconds} s: {what} {facts()}"
        time.sleep(0.1)
