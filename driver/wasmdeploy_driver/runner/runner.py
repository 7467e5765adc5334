"""All tasks of this node that run under the driver."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from wasmdeploy_driver.errors import ConfigError, ExecutorError
from wasmdeploy_driver.executor.control import LAUNCH
from wasmdeploy_driver.executor.launch import Launch
from wasmdeploy_driver.runner import client
from wasmdeploy_driver.runner.cgroup import oom_kills, own_groups
from wasmdeploy_driver.runner.client import OnEvent
from wasmdeploy_driver.runner.executors import EXECUTOR, Executors, Way, environment
from wasmdeploy_driver.runner.exit import last_log_line, read_exit
from wasmdeploy_driver.runner.fifos import Fifos
from wasmdeploy_driver.runner.handle import Handle
from wasmdeploy_driver.runner.parking import Parking
from wasmdeploy_driver.runner.spawn import (
    Record,
    Spawned,
    all_starts,
    directory_of,
    discard,
    has_holder,
    is_parked,
    read_record,
    record,
    spawn,
)
from wasmdeploy_driver.runner.state import State
from wasmdeploy_driver.secrets import Secret

LISTEN_TIMEOUT = 60.0  # an interpreter's start on a node that starts a hundred tasks at once
_GOING_SECONDS = 0.5
START_TIMEOUT = 600.0  # a large guest compiling on a busy node


class Runner:
    """Starts tasks below `data_dir`, and keeps a handle of each until it is destroyed."""

    def __init__(self, data_dir: Path, command: Sequence[str] = EXECUTOR) -> None:
        self.data_dir = data_dir
        self._executors = Executors(command)
        self._parking = Parking(environment())
        self._fifos = Fifos()
        self._handles: dict[str, Handle] = {}
        self._starting: set[str] = set()
        self._background: set[asyncio.Task[None]] = set()

    def configure(self, data_dir: Path, way: Way) -> None:
        """Take the operator's choices, for tasks that start from now on."""
        self.data_dir = data_dir
        self._executors.configure(way, data_dir)
        self._parking.configure(data_dir)

    def find(self, task_id: str) -> Handle | None:
        """The handle of a task that was started or recovered here."""
        return self._handles.get(task_id)

    async def start(self, launch: Launch, token: Secret | None, on_event: OnEvent) -> Handle:
        """Start a task and return once it serves; when that fails or is cancelled, nothing of it is left."""
        if launch.id in self._handles or launch.id in self._starting:
            raise ConfigError(f"task {launch.id} is started already")
        directory = directory_of(self.data_dir, launch.id)
        self._starting.add(launch.id)
        try:
            if launch.holder is not None:
                await self._have_holder(on_event)
            # Nomad repeats a start under the same id when the plugin died in the middle of it.
            if left := self._left_of(directory):
                await asyncio.to_thread(self._clear, left, launch)
            spawned = await spawn(directory, launch, self._executors.start)
            try:
                return await self._bring_up(launch, spawned, token, on_event)
            except BaseException:
                await asyncio.shield(spawned.undo())
                raise
        finally:
            self._fifos.release(launch)
            self._starting.discard(launch.id)

    async def _have_holder(self, on_event: OnEvent) -> None:
        try:
            await self._parking.ensure()
        except ExecutorError as error:
            on_event("parking", f"the app will stay awake: {error.message}")

    def _left_of(self, directory: Path) -> list[Path]:
        """What an earlier start of the task has left that nobody told Nomad of: agent and plugin had died."""
        if not (found := all_starts(directory)):
            return []
        known = {handle.state.directory for handle in self._handles.values()}
        return [each for each in found if each not in known]

    def _clear(self, directories: Sequence[Path], launch: Launch) -> None:
        for each in directories:
            self._fifos.keep(launch)
            discard(each)

    async def _bring_up(
        self, launch: Launch, spawned: Spawned, token: Secret | None, on_event: OnEvent
    ) -> Handle:
        directory, process = spawned.directory, spawned.process
        cgroup = launch.cgroup.path if launch.cgroup else ""
        kills = oom_kills(cgroup, launch.id)
        request = {"call": "start", "vault_token": token.reveal() if token else ""}
        patience = time.monotonic() + LISTEN_TIMEOUT
        # Before the call: a short command has ended before its answer is read.
        started_at = time.time()
        try:
            await client.call(
                directory,
                request,
                timeout=START_TIMEOUT,
                on_event=on_event,
                keep_trying=lambda: process.alive and time.monotonic() < patience,
            )
        except ExecutorError as error:
            # One that ends without a word closes its socket a moment before it is gone.
            silent = read_exit(directory) is None
            if process.alive and not (silent and await asyncio.to_thread(process.join, _GOING_SECONDS)):
                raise
            raise _ended_early(directory) from error
        with contextlib.suppress(FileNotFoundError):  # the task was destroyed meanwhile
            record(directory, replace(spawned.entry, started=True, groups=own_groups(launch)))
        state = State(process.pid, process.start_time, process.boot_id, directory, started_at, cgroup, kills)
        self._handles[launch.id] = Handle(launch.id, state, on_event, self._parking, spawned.child)
        return self._handles[launch.id]

    def recover(self, task_id: str, state: State, on_event: OnEvent) -> Handle:
        """Take up a task that an earlier plugin started, running or ended; ExecutorError where it is lost."""
        if (handle := self._handles.get(task_id)) is not None:
            return handle
        if not state.directory.is_dir():
            raise ExecutorError(f"task {task_id}: its state directory {state.directory} is gone")
        self._handles[task_id] = Handle(task_id, state, on_event, self._parking)
        if has_holder(state.directory):
            self._background.add(task := asyncio.create_task(self._have_holder(on_event)))
            task.add_done_callback(self._background.discard)
        return self._handles[task_id]

    async def destroy(self, task_id: str, force: bool) -> None:
        """Forget a task, remove its state directory; a running one is killed with `force`, else refused."""
        directory = directory_of(self.data_dir, task_id)
        if (handle := self._handles.get(task_id)) is not None:
            if handle.exit is None and not force:
                raise ExecutorError(f"task {task_id} still runs", "stop it first")
            await handle.kill()
            await handle.close()
            self._handles.pop(task_id, None)
            directory = handle.state.directory
        await asyncio.to_thread(discard, directory)

    def sweep(self) -> None:
        """Clear what Nomad will not ask for again: starts cut short, tasks without an allocation, parked ones given up.

        Of a task that it gives up Nomad ends what runs, and removes the control groups; a parked one has nothing there.
        """
        known = {handle.state.directory for handle in tuple(self._handles.values())}
        try:
            directories = list((self.data_dir / "tasks").iterdir())
        except OSError:
            return
        for directory in directories:
            entry = read_record(directory)
            if entry is None:
                continue
            cut_short = not entry.started and not entry.starter.alive
            forgotten = directory not in known and (
                not os.path.lexists(entry.root) or _given_up(directory, entry)
            )
            if cut_short:
                with contextlib.suppress(OSError, ConfigError):
                    self._fifos.keep(Launch.from_json((directory / LAUNCH).read_text()))
            if cut_short or forgotten:
                discard(directory)
        self._fifos.expire()


def _given_up(directory: Path, entry: Record) -> bool:
    gone = bool(entry.groups) and not any(map(os.path.lexists, entry.groups))
    return gone and is_parked(directory)


def _ended_early(directory: Path) -> ExecutorError:
    end = read_exit(directory)
    why = end.error if end is not None and end.error else last_log_line(directory)
    return ExecutorError(f"the executor ended before the task was up: {why}")
