"""All who are connected to the holder: executors that hand a task over, and the plugin."""

from __future__ import annotations

import errno
import select
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from wasmdeploy_driver.executor.holder import decode
from wasmdeploy_driver.holder.caller import Caller
from wasmdeploy_driver.holder.holdings import close
from wasmdeploy_driver.holder.watch import Watch

_AGAIN_SECONDS = 0.2  # after one that could not be accepted
Answer = Callable[[Caller, Mapping[str, Any], list[int]], None]


class Callers:
    """Takes callers at the door, gives each of their messages to `answer`, and tells those that watch."""

    def __init__(self, watch: Watch, door: socket.socket, answer: Answer) -> None:
        self._watch = watch
        self._door = door
        self._answer = answer
        self._callers: dict[int, Caller] = {}

    def __iter__(self) -> Iterator[Caller]:
        return iter(tuple(self._callers.values()))

    def __len__(self) -> int:
        return len(self._callers)

    def open(self) -> None:
        """Take callers from now on."""
        self._watch.on(self._door.fileno(), self._accept)

    def tell(self, message: Mapping[str, Any]) -> None:
        """Send a message to all that watch."""
        for caller in self:
            if caller.watches:
                try:
                    caller.send(message)
                except OSError:
                    self._hang_up(caller)
                else:
                    self._heed(caller)

    def _accept(self) -> None:
        try:
            connection, _ = self._door.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                time.sleep(_AGAIN_SECONDS)  # whoever connects waits
            return
        caller = self._callers[connection.fileno()] = Caller(connection)
        self._watch.on(connection.fileno(), lambda: self._called(caller))

    def _called(self, caller: Caller) -> None:
        descriptors: list[int] = []
        try:
            caller.flush()
            message, descriptors = caller.receive()
            if not message:
                self._hang_up(caller)
                return
            self._answer(caller, decode(message), descriptors)
        except BlockingIOError:
            pass
        except (OSError, ValueError, KeyError, TypeError) as error:
            close(descriptors)
            sys.stderr.write(f"a caller is let go: {error}\n")
            self._hang_up(caller)
        self._heed(caller)

    def _heed(self, caller: Caller) -> None:
        """Look whether a caller reads again only while something waits for it."""
        if (descriptor := caller.connection.fileno()) in self._callers:
            self._watch.change(descriptor, select.EPOLLIN | (select.EPOLLOUT if caller.waits else 0))

    def _hang_up(self, caller: Caller) -> None:
        descriptor = caller.connection.fileno()
        if self._callers.pop(descriptor, None) is not None:
            self._watch.off(descriptor)
            caller.connection.close()
