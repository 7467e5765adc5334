"""The plugin's side of the holder: starts it, hears which tasks are parked and woken, ends those that are parked."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from wasmdeploy_driver.errors import ExecutorError
from wasmdeploy_driver.executor.holder import LOG, MAX_MESSAGE, SOCKET, connect, decode, encode
from wasmdeploy_driver.runner.forkserver import Forked
from wasmdeploy_driver.runner.process import Process, boot_id
from wasmdeploy_driver.runner.spawn import executor_of

PROGRAM = (sys.executable, "-I", "-OO", "-m", "wasmdeploy_driver.holder")
_ROOM = 1024  # bytes, for the command lines that woken executors show
_START_SECONDS = 60.0
_ANSWER_SECONDS = 10.0
_STATUS_SECONDS = 1.0
_LOG = logging.getLogger(__name__)


class Woken(Forked):
    """An executor that the holder forked, for `why`."""

    def __init__(self, process: Process, why: str = "") -> None:
        super().__init__(process)
        self.why = why

    async def status(self) -> int | None:
        """How it ended; None where the holder does not say, for its parent may have been killed."""
        try:
            return await asyncio.wait_for(super().status(), _STATUS_SECONDS)
        except TimeoutError:
            return None


class Parking:
    """Which tasks are parked, by their state directories; `environment` is the holder's and its executors'."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._path: Path | None = None
        self._connection: socket.socket | None = None
        self._answers: deque[asyncio.Future[Mapping[str, Any]]] = deque()
        self._woken: dict[str, Woken] = {}
        self._changes: dict[str, asyncio.Event] = {}
        self._starting = asyncio.Lock()

    def configure(self, data_dir: Path) -> None:
        """Watch the holder of this directory, where there is one."""
        self._lost()
        self._path = data_dir / SOCKET
        self._watch()

    async def ensure(self) -> None:
        """Have a holder; raises ExecutorError where none can be had."""
        async with self._starting:
            if self._watch():
                return
            if self._path is None:
                raise ExecutorError("the plugin is not configured")
            try:
                status = await asyncio.to_thread(self._start, self._path.parent)
            except (OSError, subprocess.SubprocessError) as error:
                raise ExecutorError(f"the holder of parked tasks cannot be started: {error}") from error
            if not self._watch():
                log = self._path.with_name(LOG)
                raise ExecutorError(f"the holder of parked tasks ended with {status}: see {log}")

    def _start(self, data_dir: Path) -> int:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(data_dir / LOG, flags, 0o600), "wb") as output:
            return subprocess.run(
                [*PROGRAM, str(data_dir), " " * _ROOM], check=False, timeout=_START_SECONDS,
                stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                start_new_session=True, cwd="/", env=self._environment,
            ).returncode  # fmt: skip

    async def next(self, directory: Path, gone: Process, parked: Callable[[], None]) -> Woken | None:
        """Wait while a task is parked whose executor has gone, and give the next one; None where there is none.

        `parked` is called before it waits.
        """
        state = str(directory)
        while (found := await self._ask({"find": state})) is not None:
            woken = self._woken.get(state)
            if woken is not None and woken.process != gone:
                return woken
            if not found["parked"]:
                # One that was forked by a process of the holder that was killed since.
                recorded = executor_of(directory, gone)
                return Woken(recorded) if recorded != gone and recorded.alive else None
            change = self._changes.setdefault(state, asyncio.Event())
            change.clear()
            parked()
            await change.wait()
        return None

    async def drop(self, directory: Path) -> bool:
        """Have the holder close what it has of a task; whether it had anything."""
        dropped = await self._ask({"drop": str(directory)})
        self._tell_change(str(directory))
        return dropped is not None and bool(dropped["parked"])

    def forget(self, directory: Path) -> None:
        """Keep nothing of a task that has ended."""
        self._woken.pop(str(directory), None)
        self._changes.pop(str(directory), None)

    async def _ask(self, question: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """The holder's answer; None where there is no holder."""
        # Where the process that was asked is killed, the other one of the pair answers.
        while self._watch() and self._connection is not None:
            answer: asyncio.Future[Mapping[str, Any]] = asyncio.get_running_loop().create_future()
            self._answers.append(answer)
            try:
                self._connection.send(encode(question))
                if found := await asyncio.wait_for(asyncio.shield(answer), _ANSWER_SECONDS):
                    return found
            except OSError:
                self._lost()
        return None

    def _watch(self) -> bool:
        """Whether there is a holder; it is connected to where there is."""
        if self._connection is not None:
            return True
        if self._path is None:
            return False
        try:
            connection = connect(self._path)
            connection.send(encode({"watch": True}))
        except OSError:
            return False
        connection.setblocking(False)
        self._connection = connection
        asyncio.get_running_loop().add_reader(connection, self._readable)
        return True

    def _readable(self) -> None:
        while self._connection is not None:
            try:
                message = self._connection.recv(MAX_MESSAGE)
            except BlockingIOError:
                return
            except OSError:
                message = b""
            if not message:
                self._lost()
                # The second process of the pair, whose first one was killed.
                if not self._watch() and self._changes:
                    _LOG.error("both processes of the holder have ended: parked tasks are lost")
                return
            self._take(decode(message))

    def _take(self, message: Mapping[str, Any]) -> None:
        match message:
            case {"woken": str(state), "executor": [int(pid), int(started)], "why": str(why)}:
                self._woken[state] = Woken(Process(pid, started, boot_id()), why)
                self._tell_change(state)
            case {"ended": int(pid), "status": int(status)}:
                for woken in self._woken.values():
                    if woken.process.pid == pid:
                        woken.end(status)
            case {"found": str(state), "executor": executor}:
                if executor is not None:
                    process = Process(executor[0], executor[1], boot_id())
                    if state not in self._woken or self._woken[state].process != process:
                        self._woken[state] = Woken(process)
                self._answers.popleft().set_result(message)
            case {"dropped": str(_)}:
                self._answers.popleft().set_result(message)

    def _tell_change(self, state: str) -> None:
        if (change := self._changes.get(state)) is not None:
            change.set()

    def _lost(self) -> None:
        if self._connection is None:
            return
        asyncio.get_running_loop().remove_reader(self._connection)
        self._connection.close()
        self._connection = None
        for answer in self._answers:
            answer.set_result({})
        self._answers.clear()
        for change in self._changes.values():
            change.set()
