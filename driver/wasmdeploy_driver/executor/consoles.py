"""Consoles of a task: each a process beside the guests, its streams carried over a control connection.

The caller sends `{"stdin": BASE64}`, `{"stdin": null}` for its end, and `{"size": [rows, columns]}`; it gets
`{"stdout": BASE64}` and `{"stderr": BASE64}`, and last the exit code. When it hangs up, the console ends.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import fcntl
import json
import os
import select
import signal
import struct
import sys
import termios
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from wasmdeploy_driver.app.memfile import memory_file
from wasmdeploy_driver.app.oom import OwnScore
from wasmdeploy_driver.errors import ConfigError, ExecutorError
from wasmdeploy_driver.executor import control
from wasmdeploy_driver.executor.launch import Launch

Send = Callable[[Mapping[str, Any]], Awaitable[None]]
_PROGRAM = (sys.executable, "-I", "-m", "wasmdeploy_driver.console")
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "TERM": "xterm-256color"}
# Each takes about 20 MB of the task's memory.
_MOST = 8
_PART = 64 << 10
_OOM_SCORE = 1000
_LOOK_SECONDS = 0.5
_SIZE = struct.Struct("HHHH")


class Consoles:
    """All open consoles of one task."""

    def __init__(self, state: int, launch: Launch, score: OwnScore) -> None:
        self._score = score
        # Open from now on: the way to them may be closed to the task's user.
        places = {"root": launch.root, "shared": launch.shared}
        self._places = {"state": state} | {
            name: _opened(path) for name, path in places.items() if path and path.is_dir()
        }
        self._open: set[_Console] = set()
        self._count = 0  # with those that are about to open

    async def run(
        self,
        request: Mapping[str, Any],
        send: Send,
        reader: asyncio.StreamReader,
        hung_up: Callable[[], bool],
    ) -> dict[str, Any]:
        """Run one to its end; raises ConfigError, ExecutorError."""
        command, tty = request.get("command"), request.get("tty") is True
        if not isinstance(command, list) or not all(isinstance(each, str) for each in command):
            raise ConfigError("a console's command is a list of words")
        if self._count >= _MOST:
            raise ExecutorError(f"the task has {_MOST} consoles already", "close one")
        self._count += 1
        try:
            # It cannot say so itself, confined as it is: when the task's memory is full, a console goes first.
            with self._score.lent(_OOM_SCORE):
                console = await _Console.start(self._places, {"command": command, "tty": tty}, send)
            self._open.add(console)
            try:
                return {"exit_code": await console.live(reader, hung_up)}
            finally:
                self._open.discard(console)
                console.kill()
        finally:
            self._count -= 1

    def close(self) -> None:
        """End them all."""
        for console in self._open:
            console.kill()


class _Console:
    """One process and what carries its streams."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        stdin: int,
        outputs: Mapping[str, int],
        send: Send,
        *,
        tty: bool,
    ) -> None:
        self._process = process
        self._stdin = stdin
        self._outputs = outputs
        self._send = send
        self._tty = tty

    @classmethod
    async def start(cls, places: Mapping[str, int], request: Mapping[str, Any], send: Send) -> _Console:
        tty = request["tty"]
        if tty:
            ours, theirs = os.openpty()
            ends, outputs, stdin = (theirs, theirs, theirs), {"stdout": os.dup(ours)}, ours
        else:
            (in_theirs, stdin), (out, out_theirs), (err, err_theirs) = (os.pipe() for _ in range(3))
            ends, outputs = (in_theirs, out_theirs, err_theirs), {"stdout": out, "stderr": err}
        asked = memory_file(json.dumps({**request, **places}).encode())
        try:
            process = await asyncio.create_subprocess_exec(
                *_PROGRAM, str(asked),
                stdin=ends[0], stdout=ends[1], stderr=ends[2], pass_fds=(asked, *places.values()),
                env=_ENVIRONMENT, cwd="/",
                # With a terminal a session of its own, which the terminal's end ends; else the task's session.
                start_new_session=tty, process_group=None if tty else 0,
            )  # fmt: skip
        except OSError as error:
            for descriptor in (stdin, *outputs.values()):
                os.close(descriptor)
            raise ExecutorError(f"the console cannot be started: {error.strerror}") from error
        finally:
            for descriptor in {*ends, asked}:
                os.close(descriptor)
        return cls(process, stdin, outputs, send, tty=tty)

    async def live(self, reader: asyncio.StreamReader, hung_up: Callable[[], bool]) -> int:
        """Carry its streams until it has ended; the exit code is 128 + signal after a signal."""
        outputs = [asyncio.create_task(self._carry_out(*each)) for each in self._outputs.items()]
        others = [asyncio.create_task(self._carry_in(reader)), asyncio.create_task(self._watch(hung_up))]
        try:
            code = await self._process.wait()
            if code < 0:  # killed, perhaps for memory: what it ran would keep the streams open
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self._process.pid, signal.SIGKILL)
            await asyncio.gather(*outputs)
        finally:
            self.kill()
            for task in (*outputs, *others):
                task.cancel()
            await asyncio.gather(*outputs, *others, return_exceptions=True)
            for descriptor in (self._stdin, *self._outputs.values()):
                if descriptor >= 0:
                    os.close(descriptor)
        return code if code >= 0 else 128 - code

    def kill(self) -> None:
        """End it and what it runs."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if self._process.returncode is None:
                os.killpg(self._process.pid, signal.SIGKILL)

    async def _carry_out(self, name: str, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        while True:
            await _ready(descriptor, asyncio.get_running_loop().add_reader, _remove_reader)
            try:
                part = os.read(descriptor, _PART)
            except BlockingIOError:
                continue
            except OSError:  # a terminal whose last user has gone
                return
            if not part:
                return
            await self._send({name: base64.b64encode(part).decode()})

    async def _carry_in(self, reader: asyncio.StreamReader) -> None:
        os.set_blocking(self._stdin, False)
        try:
            while line := await reader.readline():
                await self._take(control.decode_line(line))
        except (ExecutorError, ConfigError, ValueError):
            self.kill()  # a caller that breaks the rules is not asked what it meant

    async def _take(self, message: Mapping[str, Any]) -> None:
        if "size" in message:
            self._resize(message["size"])
        elif isinstance(data := message.get("stdin"), str):
            await self._write(_decoded(data))
        elif "stdin" in message and not self._tty:
            os.close(self._stdin)
            self._stdin = -1
        elif "stdin" in message:
            await self._write(b"\x04")  # what ends the input of a terminal
        else:
            raise ConfigError("a console takes stdin and size")

    async def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view and self._stdin >= 0:
            try:
                view = view[os.write(self._stdin, view) :]
            except BlockingIOError:
                await _ready(self._stdin, asyncio.get_running_loop().add_writer, _remove_writer)
            except OSError:  # it takes no more
                return

    def _resize(self, size: object) -> None:
        match size:
            case [int(rows), int(columns)] if 0 <= rows < 1 << 16 and 0 <= columns < 1 << 16:
                if self._tty:
                    fcntl.ioctl(self._stdin, termios.TIOCSWINSZ, _SIZE.pack(rows, columns, 0, 0))
            case _:
                raise ConfigError("a terminal's size is [rows, columns]")

    async def _watch(self, hung_up: Callable[[], bool]) -> None:
        # Beside `_carry_in`, which sees the end of the connection only behind what the console does not read.
        while not hung_up():
            await asyncio.sleep(_LOOK_SECONDS)
        self.kill()


def _opened(path: Path) -> int:
    return os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)


def has_hung_up(connection: int) -> bool:
    """Whether the other end of a socket has closed it."""
    look = select.poll()
    look.register(connection, select.POLLRDHUP)
    return bool(look.poll(0))


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ConfigError("stdin is no base64") from error


async def _ready(
    descriptor: int, add: Callable[[int, Callable[[], Any]], Any], remove: Callable[[int], Any]
) -> None:
    event = asyncio.Event()
    add(descriptor, event.set)
    try:
        await event.wait()
    finally:
        remove(descriptor)


def _remove_reader(descriptor: int) -> None:
    asyncio.get_running_loop().remove_reader(descriptor)


def _remove_writer(descriptor: int) -> None:
    asyncio.get_running_loop().remove_writer(descriptor)
