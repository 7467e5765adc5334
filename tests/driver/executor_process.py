"""A real executor process for tests, driven through its control socket."""

from __future__ import annotations

import http.client
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

from wasmdeploy_driver.errors import ExecutorError
from wasmdeploy_driver.executor import control
from wasmdeploy_driver.executor.launch import Isolation, Launch
from wasmdeploy_driver.runner.process import identify
from wasmdeploy_driver.task import Component, Dir, Http, Limits, Task

CACHE = Path.home() / ".cache" / "wasmdeploy" / "compiled"
PATIENCE = 60.0
# A start may compile a large guest, on a machine that does much else.
START_PATIENCE = 300.0


def app(source: Path, *, timeout: str = "30s", **parts: object) -> Task:
    """An app of one component that answers every path, with /data to write into."""
    component = Component("web", source.name, route=("/...",), dir=(Dir("data", "/data"),), **parts)
    return Task("hello", component=(component,), http=Http(), limits=Limits(timeout=timeout))


def until(condition: Callable[[], object]) -> None:
    """Wait for a condition, with a bound."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.005)


class Executor:
    """One executor; `guests` are copied into its task directory first, and `before` is put before its command."""

    def __init__(
        self, directory: Path, task: Task, *guests: Path, before: Sequence[str] = (), **launch: object
    ) -> None:
        self.state, self.task_dir = directory / "state", directory / "task"
        self.state.mkdir(mode=0o700)
        (self.task_dir / "data").mkdir(parents=True)
        for guest in guests:
            shutil.copy(guest, self.task_dir)
        self.stdout, self.stderr = directory / "stdout", directory / "stderr"
        parts = {"isolation": Isolation(), **launch}
        name = parts.pop("id", "test")
        described = Launch(name, task, self.task_dir, CACHE, self.stdout, self.stderr, **parts)
        (self.state / control.LAUNCH).write_text(described.to_json())
        with (self.state / control.LOG).open("wb") as log:
            command = [*before, sys.executable, "-I", "-m", "wasmdeploy_driver.executor", self.state]
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        known = identify(self.process.pid)
        (self.state / control.EXECUTOR).write_text(json.dumps([known.pid, known.start_time]))
        until(self._listens)
        self.address = ("", 0)

    def _listens(self) -> bool:
        try:
            return bool(self.call("inspect"))
        except ExecutorError:
            assert self.process.poll() is None, self.log()
            return False

    def __enter__(self) -> Executor:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()

    def call(self, name: str, **arguments: object) -> dict[str, object]:
        """One control call's answer."""
        patience = START_PATIENCE if name == "start" else PATIENCE
        return control.call(self.state, {"call": name, **arguments}, patience)

    def start(self, token: str = "") -> Executor:
        """Start the task and remember where it listens."""
        answer = self.call("start", vault_token=token)
        self.address = (answer["host"], answer["port"])
        return self

    def request(
        self, path: str, method: str = "GET", body: bytes | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """One HTTP request: status, headers, body."""
        connection = http.client.HTTPConnection(*self.address, timeout=PATIENCE)
        try:
            connection.request(method, path, body)
            with connection.getresponse() as answer:
                return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def failure(self, path: str) -> int:
        """The status of a request that fails; 500 too where its head was out, and the response broke off."""
        try:
            return self.request(path)[0]
        except (http.client.IncompleteRead, ConnectionResetError):
            return 500

    def stem(self) -> psutil.Process:
        """The process that forks the engine processes."""
        return psutil.Process(self.process.pid).children()[0]

    def engines(self) -> list[psutil.Process]:
        """The engine processes."""
        return self.stem().children()

    def log(self) -> str:
        """What the executor said itself."""
        return (self.state / control.LOG).read_text()

    def exit(self) -> dict[str, object]:
        """Wait for the process to end and give its exit status."""
        assert self.process.wait(PATIENCE) == 0, self.log()
        return json.loads((self.state / control.EXIT).read_text())

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.process.send_signal(signal.SIGTERM)
