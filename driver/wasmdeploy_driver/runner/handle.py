"""One task: its executor process from start to end, whether this plugin started it or found it again."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
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
from wasmdeploy_driver.runner.exit import ExitStatus, ended_at, exit_without_record, read_exit, write_exit
from wasmdeploy_driver.runner.parking import Parking, Woken
from wasmdeploy_driver.runner.session import end_session
from wasmdeploy_driver.runner.spawn import Child, executor_of
from wasmdeploy_driver.runner.state import State
from wasmdeploy_driver.runner.stats import Sampler
from wasmdeploy_driver.secrets import Secret

CALL_TIMEOUT = 10.0
_RECONNECT = 1.0
_AGAIN = 1.0
_LOG = logging.getLogger(__name__)


class Handle:
    """A started task; make it inside a running event loop, which then watches the process."""

    def __init__(
        self, task_id: str, state: State, on_event: OnEvent, parking: Parking, child: Child | None = None
    ) -> None:
        self.id = task_id
        self.state = state
        self.process = executor_of(state.directory, state.process)
        self.completed_at: float | None = None
        self._parking = parking
        self._awake = asyncio.Event()  # but while the task is parked
        self._awake.set()
        self._dropped: ExitStatus | None = None
        self._child = child
        self._on_event = on_event
        self._told = ""
        self._end: asyncio.Future[ExitStatus] = asyncio.get_running_loop().create_future()
        self._tasks = [asyncio.create_task(self._watch()), asyncio.create_task(self._follow_events())]

    @property
    def exit(self) -> ExitStatus | None:
        """How the task ended, None while it runs."""
        return self._end.result() if self._end.done() else None

    @property
    def is_parked(self) -> bool:
        """Whether the task runs without an executor, until somebody asks its app."""
        return not self._awake.is_set()

    async def wait(self) -> ExitStatus:
        """Wait for the task's end; many may wait, and again after it."""
        return await asyncio.shield(self._end)

    async def stop(self, timeout: float) -> None:
        """Let the task finish its work, kill it after `timeout` seconds; returns when it has ended."""
        if timeout > 0 and self.exit is None and not await self._drop(ExitStatus(0)):
            asking = asyncio.create_task(self._ask_to_stop(timeout))
            await asyncio.wait({self._end}, timeout=timeout)
            asking.cancel()
        await self.kill()

    async def kill(self) -> None:
        """End the executor and its children at once; returns when they are gone."""
        while self.exit is None:
            await self._drop(ExitStatus(128 + signal.SIGKILL, signal.SIGKILL))
            self.process.send(signal.SIGKILL)  # `_watch` ends its children
            await asyncio.wait({self._end}, timeout=_AGAIN)  # it may just be woken

    async def _drop(self, end: ExitStatus) -> bool:
        """Where the task is parked, end it as this; whether it was."""
        if not self.is_parked or not await self._parking.drop(self.state.directory):
            return False
        self._dropped = end
        return True

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
        if self.is_parked:
            return {"state": "parked"}
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
        return Sampler(lambda: self.process, functools.partial(throttling, self.state.cgroup, self.id))

    async def close(self) -> None:
        """Stop watching; the process is left as it is."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._parking.forget(self.state.directory)

    async def _call(self, request: dict[str, Any]) -> dict[str, Any]:
        return await client.call(self.state.directory, request, timeout=CALL_TIMEOUT)

    async def _ask_to_stop(self, timeout: float) -> None:
        # The executor gets a little less, so that an orderly end is not overtaken by the kill.
        drain = timeout - min(0.5, timeout / 10)
        try:
            await client.call(self.state.directory, {"call": "stop", "timeout": drain}, timeout=timeout)
        except WasmdeployError:
            self.process.send(signal.SIGTERM)

    def _tell(self, name: str, detail: str) -> None:
        self._told = detail
        self._on_event(name, detail)

    async def _watch(self) -> None:
        await self._process_ends()
        while read_exit(self.state.directory) is None and (woken := await self._next()) is not None:
            self.process, self._child = woken.process, woken
            await self._process_ends()
        lost = self.is_parked and self._dropped is None
        self._awake.set()
        # Workers of an executor that died without clearing up; first, while our zombie still holds the pid.
        try:
            await asyncio.to_thread(end_session, self.process)
        except OSError as error:  # no descriptor was left to look with; the end is told all the same
            _LOG.warning("task %s: what its executor left behind may go on: %s", self.id, error.strerror)
        wait_status = await self._child.status() if self._child is not None else None
        directory = self.state.directory
        if lost:
            self._dropped = ExitStatus(1, error="both processes that held the parked task have ended")
        elif await self._parking.drop(directory):
            _LOG.warning("task %s: it ended while it was to be parked", self.id)
        if self._dropped is not None and read_exit(directory) is None:
            write_exit(directory, self._dropped)
        # A file's time is that of the clock's last tick, a few milliseconds ago.
        self.completed_at = max(ended_at(directory) or time.time(), self.state.started_at)
        killed_for_memory = oom_kills(self.state.cgroup, self.id) > self.state.oom_kills
        end = read_exit(directory) or exit_without_record(directory, wait_status, killed_for_memory)
        if end.error and end.error not in self._told:
            # It ended before anybody could listen to its events.
            self._tell("ended", end.error)
        self._end.set_result(end)

    async def _next(self) -> Woken | None:
        """Wait while the task is parked, and give its next executor; None where it has ended."""
        woken = await self._parking.next(self.state.directory, self.process, self._parked)
        if woken is not None:
            self._awake.set()
            self._tell("woken", f"{woken.why or 'somebody'} woke the app")
        return woken

    def _parked(self) -> None:
        if not self.is_parked:
            self._awake.clear()
            self._tell("parked", "nobody asked the app for a while: it is parked until somebody does")

    async def _process_ends(self) -> None:
        while True:
            try:
                descriptor = self.process.open()
                break
            except OSError as error:  # it may run on
                _LOG.warning("task %s: whether its executor runs is not known: %s", self.id, error.strerror)
                await asyncio.sleep(_AGAIN)
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
        while self.exit is None:
            await self._awake.wait()
            with contextlib.suppress(WasmdeployError, OSError):
                if self.process.alive:  # a parked one would be woken by the call
                    request = {"call": "events"}
                    await client.call(self.state.directory, request, timeout=None, on_event=self._tell)
            await asyncio.wait({self._end}, timeout=_RECONNECT)
