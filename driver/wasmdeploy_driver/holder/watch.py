"""What a loop waits for: descriptors, and what is to be done once one is ready."""

from __future__ import annotations

import select
from collections.abc import Callable


class Watch:
    """Calls what was registered for a descriptor once it is ready."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._ready: dict[int, Callable[[], None]] = {}

    def __contains__(self, descriptor: int) -> bool:
        return descriptor in self._ready

    def on(self, descriptor: int, ready: Callable[[], None], events: int = select.EPOLLIN) -> None:
        """Wait for a descriptor from now on."""
        self._ready[descriptor] = ready
        self._epoll.register(descriptor, events)

    def change(self, descriptor: int, events: int) -> None:
        """Wait for other events of a descriptor."""
        self._epoll.modify(descriptor, events)

    def off(self, descriptor: int) -> None:
        """Wait for a descriptor no more, if it was waited for.

        Before it is closed: the epoll would go on with a descriptor that another process has a copy of.
        """
        if self._ready.pop(descriptor, None) is not None:
            self._epoll.unregister(descriptor)

    def wait(self, timeout: float) -> bool:
        """Do what is to be done within `timeout` seconds; whether there was anything."""
        happened = self._epoll.poll(timeout)
        for descriptor, _ in happened:
            if (ready := self._ready.get(descriptor)) is not None:
                ready()
        return bool(happened)

    def close(self) -> None:
        """Let go of the epoll, in a process that was forked."""
        self._epoll.close()
