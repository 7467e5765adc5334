"""A spare executor: forked beforehand, with all done that depends on no task, it waits for the one that it will have.

It is told once, by one message. While nobody tells it, it ends with whoever forked it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable, Sequence

from wasmdeploy_driver.executor.beginning import Beginning
from wasmdeploy_driver.executor.rehearsal import rehearse
from wasmdeploy_driver.executor.title import show_arguments, show_name
from wasmdeploy_driver.forked import MOST_DESCRIPTORS, Child, close_all_but, end_after

_MOST_MESSAGE = 16 << 10
_READY = b"ready"
# After the last start: the next one would rather be forked at once than wait for a processor.
_AFTER_SECONDS = 0.1
# Becomes the executor that the message and its descriptors tell of, and gives the exit status.
Become = Callable[[bytes, list[int], Beginning], int]


class Spare:
    """At most one of them, and another a moment after it was taken."""

    def __init__(self, become: Become) -> None:
        self._become = become
        self._child = Child()
        self._due: float | None = time.monotonic()

    @property
    def wait(self) -> float | None:
        """Seconds until `renew` has something to do; None: nothing."""
        return None if self._due is None else max(0.0, self._due - time.monotonic())

    def renew(self) -> None:
        """Fork one once that is due; where none can be forked, a start does without."""
        if self.wait != 0.0:
            return
        self._due = None
        if self._child.connection is not None:
            return
        with contextlib.suppress(OSError):
            self._child.fork(lambda connection: end_after(lambda: self._live(connection)))

    def take(self, message: bytes, descriptors: Sequence[int]) -> int:
        """Have it become an executor; its pid, 0 where there is none."""
        self._due = time.monotonic() + _AFTER_SECONDS
        connection = self._child.connection
        if connection is None or len(descriptors) > MOST_DESCRIPTORS:
            return 0
        try:
            if connection.recv(len(_READY), socket.MSG_DONTWAIT) != _READY:
                return 0
            socket.send_fds(connection, [message], descriptors)
        except BlockingIOError:  # it is not ready yet, and stays for the next one
            return 0
        except OSError:  # it has died
            self.close()
            return 0
        self.close()
        return self._child.pid

    def has_ended(self, pid: int) -> bool:
        """Take note of a child's end; whether it was the spare one."""
        if self._child.connection is None or pid != self._child.pid:
            return False
        self.close()
        return True

    def close(self) -> None:
        """Let it end."""
        self._child.close()

    def _live(self, connection: socket.socket) -> int:
        close_all_but({connection.fileno()})
        begin()
        show_arguments(("wasm-spare",))
        beginning = Beginning.make(stem=True, isolated=True)
        if beginning.stem is not None:
            rehearse(beginning.runner, beginning.stem)
        connection.send(_READY)
        show_name("wasm-spare")  # which says that it is ready
        try:
            message, descriptors, _, _ = socket.recv_fds(
                connection, _MOST_MESSAGE, MOST_DESCRIPTORS, socket.MSG_CMSG_CLOEXEC
            )
        except ConnectionResetError:  # the fork server has ended, and not read that this one was ready
            return 0
        connection.close()
        return self._become(message, descriptors, beginning) if message else 0


def begin() -> None:
    """Be a process of one's own, in one that was just forked."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    os.setsid()
