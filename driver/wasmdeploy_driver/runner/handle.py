"""One task: its executor process from start to end, whether this plugin started it or found it again."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import signal
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

from wasmdeploy_driver.errors import ConfigError, ExecutorError, WasmdeployError
from wasmdeploy_driver.runner import client
from wasmdeploy_driver.runner import exec as console
from wasmdeploy_driver.runner.cgroup import oom_kills, throttling
from wasmdeploy_driver.runner.client import OnEvent
from wasmdeploy_driver.runner.exec import Input, Output
from wasmdeploy_driver.runner.exit import ExitStatus, ended_at, exit_without_record, read_exit
from wasmdeploy_driver.runner.spawn import Child
from wasmdeploy_driver.runner.state import State
from wasmdeploy_driver.runner.stats import Sampler
from wasmdeploy_driver.secrets import Secret

CALL_TIMEOUT = 10.0
_RECONNECT = 1.0


class Handle:
    """A started task; make it inside a running event loop, which then watches the process."""

    def __init__(self, task_id: str, state: State, on_event: OnEvent, child: Child | None = None) -> None:
        self.id = task_id
        self.state = state
        self.completed_at: float | None = None
        self._child = child
        self._on_event = on_event
        self._told = ""
        self._end: asyncio.Future[ExitStatus] = asyncio.get_running_loop().create_future()
        self._tasks = [asyncio.create_task(self._watch()), asyncio.create_task(self._follow_events())]

    @property
    def exit(self) -> ExitStatus | None:
        """How the task ended, None while it runs."""
        return self._end.result() if self._end.done() else None

    async def wait(self) -> ExitStatus:
        """Wait for the task's end; many may wait, and again after it."""
        return await asyncio.shield(self._end)

    async def stop(self, timeout: float) -> None:
        """Let the task finish its work, kill it after `timeout` seconds; returns when it has ended."""
        if timeout > 0 and self.exit is None:
            asking = asyncio.create_task(self._ask_to_stop(timeout))
            await asyncio.wait({self._end}, timeout=timeout)
            asking.cancel()
        await self.kill()

    async def kill(self) -> None:
        """End the executor and its children at once; returns when they are gone."""
        if self.exit is None:
            self.state.process.kill_session()
            await self.wait()

    async def signal(self, name: str) -> None:
        """Deliver a signal; raises ConfigError for an unknown name, ExecutorError where that fails."""
        if name not in signal.Signals.__members__:
            raise ConfigError(f"there is no signal {name!r}")
        if name == "SIGKILL":
            await self.kill()
        elif self.exit is None:
            await self._call({"call": "signal", "name": name})

    async def pass_token(self, token: Secret) -> None:
        """Give the executor the task's new Vault token; raises ExecutorError where that fails."""
        await self._call({"call": "token", "vault_token": token.reveal()})

    async def inspect(self) -> dict[str, Any]:
        """What the executor says of itself; empty once it has ended."""
        return await self._call({"call": "inspect"}) if self.exit is None else {}

    async def exec(
        self, command: Sequence[str], *, tty: bool, inputs: AsyncIterator[Input], output: Output
    ) -> int:
        """Run a command in a console of the task, give its exit code; raises ExecutorError, ConfigError."""
        if self.exit is not None:
            raise ExecutorError("the task has ended: it has no console")
        return await console.run(self.state.directory, command, tty=tty, inputs=inputs, output=output)

    def sampler(self) -> Sampler:
        """A fresh reader of the task's CPU and memory use."""
        return Sampler(self.state.process, functools.partial(throttling, self.state.cgroup, self.id))

    async def close(self) -> None:
        """Stop watching; the process is left as it is."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _call(self, request: dict[str, Any]) -> dict[str, Any]:
        return await client.call(self.state.directory, request, timeout=CALL_TIMEOUT)

    async def _ask_to_stop(self, timeout: float) -> None:
        # The executor gets a little less, so that an orderly end is not overtaken by the kill.
        drain = timeout - min(0.5, timeout / 10)
        try:
            await client.call(self.state.directory, {"call": "stop", "timeout": drain}, timeout=timeout)
        except WasmdeployError:
            self.state.process.send(signal.SIGTERM)

    def _tell(self, name: str, detail: str) -> None:
        self._told = detail
        self._on_event(name, detail)

    async def _watch(self) -> None:
        await self._process_ends()
        # Workers of an executor that died without clearing up; first, while our zombie still holds the pid.
        self.state.process.kill_session()
        wait_status = await self._child.status() if self._child is not None else None
        directory = self.state.directory
        self.completed_at = ended_at(directory) or time.time()
        killed_for_memory = oom_kills(self.state.cgroup, self.id) > self.state.oom_kills
        end = read_exit(directory) or exit_without_record(directory, wait_status, killed_for_memory)
        if end.error and end.error not in self._told:
            # It ended before anybody could listen to its events.
            self._tell("ended", end.error)
        self._end.set_result(end)

    async def _process_ends(self) -> None:
        descriptor = self.state.process.open()
        if descriptor is None:
            return
        loop = asyncio.get_running_loop()
        gone = asyncio.Event()
        try:
            loop.add_reader(descriptor, gone.set)
            await gone.wait()
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)

    async def _follow_events(self) -> None:
        while self.exit is None and self.state.process.alive:
            with contextlib.suppress(WasmdeployError):
                request = {"call": "events"}
                await client.call(self.state.directory, request, timeout=None, on_event=self._tell)
            await asyncio.wait({self._end}, timeout=_RECONNECT)
