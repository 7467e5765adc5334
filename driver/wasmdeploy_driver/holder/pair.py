"""The holder's second process, from the first one's side: told of every change before it is done."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import NoReturn

from wasmdeploy_driver.forked import Child, close_all_but


class Following(Exception):  # noqa: N818  # no error: the way out of the loop for a process that was just forked
    """Raised in the second process, with what it follows."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection


class Second:
    """Forks it, and another where it has died; in it `let_go` closes what is the first one's own and gives the rest."""

    def __init__(self, let_go: Callable[[], Iterable[int]]) -> None:
        self._let_go = let_go
        self._child = Child()

    @property
    def pid(self) -> int:
        """Of the last one."""
        return self._child.pid

    @property
    def is_there(self) -> bool:
        """Whether there is one, as far as is known."""
        return self._child.connection is not None

    def renew(self) -> None:
        """Fork one in place of what there is; without one where none can be forked."""
        self.close()
        try:
            self._child.fork(self._follow).setblocking(False)
        except OSError as error:
            sys.stderr.write(f"no second process can be forked: {error.strerror}\n")

    def tell(self, change: bytes, descriptors: Sequence[int]) -> None:
        """Tell it of a change: in its queue, the change outlives this process."""
        for _ in range(2):
            if (connection := self._child.connection) is None:
                self.renew()
                continue
            try:
                socket.send_fds(connection, [change], descriptors)
                return
            except OSError:  # it has died, or hangs
                self.kill()
                self.renew()

    def kill(self) -> None:
        """End it."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def close(self) -> None:
        """Know of none any more."""
        self._child.close()

    def _follow(self, connection: socket.socket) -> NoReturn:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the first one ends both
        close_all_but({connection.fileno(), *self._let_go()})
        raise Following(connection)
