"""Where executors come from: a fork server, or a program that is started for each."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from wasmdeploy_driver.errors import ExecutorError
from wasmdeploy_driver.executor.control import LOG
from wasmdeploy_driver.runner import forkserver
from wasmdeploy_driver.runner.forkserver import ForkServer
from wasmdeploy_driver.runner.process import Process, identify
from wasmdeploy_driver.runner.spawn import Child

Way = Literal["fork", "spawn"]
EXECUTOR = (sys.executable, "-I", "-m", "wasmdeploy_driver.executor")
# The plugin has the agent's whole environment, tokens included; an executor gets only what is named here.
_ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR")
_ATTEMPTS = 2
_SPAWN_SECONDS = 60.0  # after a fork server that could not be had, until another is tried
_LOG = logging.getLogger(__name__)


class Executors:
    """Makes executors; a `command` of its own is always spawned."""

    def __init__(
        self, command: Sequence[str] = EXECUTOR, fork_server: Sequence[str] = forkserver.PROGRAM
    ) -> None:
        self._command = command
        self._program = fork_server
        self._data_dir: Path | None = None
        self._server: ForkServer | None = None
        self._spawn_until = 0.0

    def configure(self, way: Way, data_dir: Path) -> None:
        """Take the operator's choice; a fork server is started at once, so that it is there when a task comes."""
        if way == "spawn" or tuple(self._command) != EXECUTOR:
            self.close()
            return
        self._data_dir = data_dir
        try:
            self._living(data_dir)
        except OSError as error:
            self._without(data_dir, error)

    async def start(self, directory: Path) -> Child:
        """A new executor for the state directory; raises OSError, ExecutorError."""
        data_dir = self._data_dir
        if data_dir is None or time.monotonic() < self._spawn_until:
            return self._spawn(directory)
        failure: Exception | None = None
        for _ in range(_ATTEMPTS):
            try:
                server = self._living(data_dir)
            except OSError as error:
                failure = error
                break
            try:
                return await server.fork(directory)
            except ExecutorError as error:
                failure = error
        self._without(data_dir, failure)
        return self._spawn(directory)

    def _living(self, data_dir: Path) -> ForkServer:
        if self._server is None or self._server.gone:
            data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._server = ForkServer(data_dir / forkserver.LOG, environment(), self._program)
            _LOG.info("the fork server is process %d", self._server.pid)
        return self._server

    def _without(self, data_dir: Path, failure: Exception | None) -> None:
        self._spawn_until = time.monotonic() + _SPAWN_SECONDS
        said = "no fork server can be had (%s; its log is %s): executors are spawned, slower and larger"
        _LOG.warning(said, failure, data_dir / forkserver.LOG)

    def _spawn(self, directory: Path) -> Child:
        with (directory / LOG).open("ab") as log:
            # All three streams and every other descriptor stay behind: a child that holds the plugin's stdout
            # keeps Nomad from noticing that the plugin died. No preexec_fn: Python can use vfork then.
            child = subprocess.Popen(
                [*self._command, str(directory)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                close_fds=True,
                start_new_session=True,
                cwd="/",
                env=environment(),
            )
        return _Program(child)

    def close(self) -> None:
        """Let the fork server end; its executors stay."""
        if self._server is not None:
            self._server.close()
        self._server = self._data_dir = None


class _Program:
    """An executor that was spawned: our own child."""

    def __init__(self, child: subprocess.Popen[bytes]) -> None:
        self.process: Process = identify(child.pid)
        self._child = child

    async def status(self) -> int | None:
        """How it ended."""
        return await asyncio.to_thread(self._child.wait)


def environment() -> Mapping[str, str]:
    """What an executor gets of the environment."""
    return {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
