"""A connection to the holder, of an executor or the plugin."""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections import deque
from collections.abc import Mapping
from typing import Any

from wasmdeploy_driver.executor.holder import MAX_MESSAGE, MOST_DESCRIPTORS, encode

_MOST_WAITING = 100_000  # messages: some for each task that a node can have
_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid


class Caller:
    """Messages in, and out as fast as the other side reads them; `waits` while some do."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self.connection = connection
        self.watches = False
        self._out: deque[bytes] = deque()

    @property
    def pid(self) -> int:
        """The process that connected."""
        return self._credentials[0]

    @property
    def is_ours(self) -> bool:
        """Whether it is of the same user as this process."""
        return self._credentials[1] == os.geteuid()

    @property
    def _credentials(self) -> tuple[int, int, int]:
        raw = self.connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        pid, uid, gid = _CREDENTIALS.unpack(raw)
        return pid, uid, gid

    @property
    def waits(self) -> bool:
        """Whether messages wait until the other side reads."""
        return bool(self._out)

    def receive(self) -> tuple[bytes, list[int]]:
        """The next message with its descriptors; empty when the other side has gone. Raises BlockingIOError."""
        message, descriptors, _, _ = socket.recv_fds(
            self.connection, MAX_MESSAGE, MOST_DESCRIPTORS, socket.MSG_CMSG_CLOEXEC
        )
        return message, descriptors

    def send(self, message: Mapping[str, Any]) -> None:
        """Send a message, in its turn; raises OSError where the other side has gone, or has not read for long."""
        if len(self._out) >= _MOST_WAITING:
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        self._out.append(encode(message))
        self.flush()

    def flush(self) -> None:
        """Send what waits, as far as it is taken; raises OSError where the other side has gone."""
        while self._out:
            try:
                self.connection.send(self._out[0])
            except BlockingIOError:
                return
            self._out.popleft()
