"""The child process, from its first line to its end."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from wasmdeploy_driver.errors import GuestError

_LAUNCHER = Path(__file__).with_name("launcher.py")
_READY = b"Serving HTTP on "
# Above what the launcher puts where wasmtime looks for its listener.
_LOWEST_PASSED = 10
_KEPT_LINES = 30


class Child:
    """`wasmtime serve` on a listener, killed when this process dies.

    `serving` is called once it accepts connections, `ended` when it is no more, both in a thread of the child's
    own, which also passes its stderr on to ours. Must be made in the main thread: the kernel takes the end of the
    thread that forked for the parent's death.
    """

    def __init__(
        self,
        command: Sequence[str],
        listener: socket.socket,
        *,
        serving: Callable[[], object],
        ended: Callable[[], object],
    ) -> None:
        self._serving, self._ended = serving, ended
        self._said: list[bytes] = []
        passed = fcntl.fcntl(listener.fileno(), fcntl.F_DUPFD_CLOEXEC, _LOWEST_PASSED)
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", _LAUNCHER, str(os.getpid()), str(passed), *command],
                stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, pass_fds=(passed, *_named(command)),
                process_group=0,  # a terminal's Ctrl-C is for us, who then ask it to drain
            )  # fmt: skip
        finally:
            os.close(passed)
        threading.Thread(target=self._follow, name="wasmtime", daemon=True).start()

    def drain(self) -> None:
        """Ask it to answer what has begun, and then to end."""
        self._process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        """End it now."""
        self._process.kill()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def status(self) -> int | None:
        """Its exit status, negative for a signal, None while it runs."""
        return self._process.returncode

    def failure(self) -> GuestError:
        """Why it ended before it served."""
        return GuestError(f"wasmtime cannot serve the guest: {in_one_line(b''.join(self._said))}")

    def _follow(self) -> None:
        stderr = self._process.stderr
        assert stderr is not None  # noqa: S101  # it is a pipe
        for line in stderr:
            if line.startswith(_READY):
                self._serving()
                break
            self._said = [*self._said[-_KEPT_LINES:], line]
        while part := stderr.read1(1 << 16):  # type: ignore[attr-defined]  # a buffered reader
            _write_all(2, part)
        self._process.wait()
        self._ended()


def in_one_line(said: bytes) -> str:
    """What the wasmtime command line said of an error: its first line and the innermost cause."""
    lines = [line.strip() for line in said.decode(errors="replace").splitlines()]
    lines = [line for line in lines if line and line != "Caused by:"]
    if not lines:
        return "it said nothing"
    first = lines[0].removeprefix("Error: ").removeprefix("error: ")
    return first if len(lines) == 1 else f"{first}: {lines[-1].lstrip('0123456789: ')}"


def _named(command: Sequence[str]) -> list[int]:
    """The directories that the arguments name as descriptors."""
    return [
        int(argument.removeprefix("/proc/self/fd/").partition("::")[0])
        for argument in command
        if argument.startswith("/proc/self/fd/")
    ]


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
