"""The plugin's side of its fork server: starts it, asks it for executors, and starts another when it has died."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path

from wasmdeploy_driver.errors import ExecutorError
from wasmdeploy_driver.executor import control
from wasmdeploy_driver.forkserver.message import MAX_MESSAGE, decode, encode
from wasmdeploy_driver.runner.process import Process, boot_id
from wasmdeploy_driver.runner.session import end_session

PROGRAM = (sys.executable, "-I", "-OO", "-m", "wasmdeploy_driver.forkserver")
LOG = "fork-server.log"
_ANSWER_SECONDS = 60.0  # it may still be starting, on a node that starts a hundred tasks at once
_ROOM = 1024  # bytes, for the command lines that executors show
_AT_ONCE = 16  # descriptors under way are bounded, and so is the socket
_LOG = logging.getLogger(__name__)


class Forked:
    """An executor that the fork server forked."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self._status: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()

    async def status(self) -> int | None:
        """How it ended, as subprocess says it; None where the fork server died first, and nobody knows."""
        return await asyncio.shield(self._status)

    def end(self, status: int | None) -> None:
        """Take its status; the first one counts."""
        if not self._status.done():
            self._status.set_result(status)


class ForkServer:
    """One fork server process; made inside a running event loop. `gone` once it has died."""

    def __init__(self, log: Path, environment: Mapping[str, str], program: Sequence[str] = PROGRAM) -> None:
        self._loop = asyncio.get_running_loop()
        self._answers: deque[asyncio.Future[Forked]] = deque()
        self._forked: dict[int, Forked] = {}
        self._room = asyncio.Semaphore(_AT_ONCE)
        self.gone = False
        self._connection, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        command = [*program, str(theirs.fileno()), " " * _ROOM]
        try:
            with theirs, os.fdopen(os.open(log, flags, 0o600), "wb") as output:
                self._child = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                    pass_fds=(theirs.fileno(),), start_new_session=True, cwd="/", env=environment,
                )  # fmt: skip
        except OSError:
            self._connection.close()
            raise
        self._connection.setblocking(False)
        self._loop.add_reader(self._connection, self._readable)

    @property
    def pid(self) -> int:
        """Its process."""
        return self._child.pid

    async def fork(self, state: Path) -> Forked:
        """Have an executor forked for a state directory, its control socket made beforehand.

        Raises OSError where none can be forked, ExecutorError where there is no fork server any more.
        """
        async with self._room:
            answer = self._ask(state)
            try:
                # Shielded: the answer to a caller who has given up must still be taken, in its turn.
                return await asyncio.wait_for(asyncio.shield(answer), _ANSWER_SECONDS)
            except TimeoutError:
                self._child.kill()
                raise ExecutorError(f"the fork server did not answer in {_ANSWER_SECONDS:g} s") from None
            except asyncio.CancelledError:
                answer.add_done_callback(_kill)
                raise
            except (OSError, ExecutorError):
                (state / control.SOCKET).unlink(missing_ok=True)
                raise

    def _ask(self, state: Path) -> asyncio.Future[Forked]:
        if self.gone:
            raise ExecutorError("the fork server has ended")
        log = os.open(state / control.LOG, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            with control.listen(state) as listener:
                message = encode({"state": str(state)})
                socket.send_fds(self._connection, [message], (log, listener.fileno()))
        except OSError as error:
            (state / control.SOCKET).unlink(missing_ok=True)
            raise ExecutorError(f"the fork server takes no request: {error.strerror}") from error
        finally:
            os.close(log)
        answer: asyncio.Future[Forked] = self._loop.create_future()
        self._answers.append(answer)
        return answer

    def close(self) -> None:
        """Let it end; its executors stay."""
        self._lost()

    def _readable(self) -> None:
        while not self.gone:
            try:
                message = self._connection.recv(MAX_MESSAGE)
            except BlockingIOError:
                return
            except OSError:
                message = b""
            if not message:
                _LOG.warning("the fork server has ended; the tasks stay, and the next start makes another")
                self._lost()
                return
            self._take(decode(message))

    def _take(self, message: Mapping[str, int]) -> None:
        if "ended" in message:
            if (forked := self._forked.pop(message["ended"], None)) is not None:
                forked.end(message["status"])
            return
        answer = self._answers.popleft()
        if "error" in message:
            answer.set_exception(OSError(message["error"], os.strerror(message["error"])))
            return
        forked = Forked(Process(message["forked"], message["start_time"], boot_id()))
        self._forked[forked.process.pid] = forked
        answer.set_result(forked)

    def _lost(self) -> None:
        if self.gone:
            return
        self.gone = True
        self._loop.remove_reader(self._connection)
        self._connection.close()
        for answer in self._answers:
            answer.set_exception(ExecutorError("the fork server has ended"))
        self._answers.clear()
        for forked in self._forked.values():
            forked.end(None)
        self._forked.clear()
        self._loop.run_in_executor(None, self._child.wait)


def _kill(answer: asyncio.Future[Forked]) -> None:
    """End an executor whose caller has given up meanwhile."""
    if not answer.cancelled() and answer.exception() is None:
        answer.get_loop().run_in_executor(None, end_session, answer.result().process)
