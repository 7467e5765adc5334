"""Who hears what happens in a task: the calls of the control socket that wait for events."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

Message = dict[str, str]
# Of an event's text: a guest's words are in it, and listeners read lines of a bounded length.
MAX_DETAIL = 4000
_WAITING = 256
# The executor's log keeps the first of its events: nothing rotates it, and guests cause them.
_LOG_BYTES = 1 << 20


class Listener:
    """The messages for one call, in order, until `finish`."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Message | None] = asyncio.Queue(_WAITING)

    def put(self, message: Message) -> None:
        """Add a message; a slow listener loses it, for it must never hold up the app."""
        if not self._queue.full():
            self._queue.put_nowait(message)

    def finish(self) -> None:
        """End the stream, whatever still waits in it."""
        if self._queue.full():
            self._queue.get_nowait()
        self._queue.put_nowait(None)

    async def messages(self) -> AsyncIterator[Message]:
        """Every message, until the stream has ended."""
        while (message := await self._queue.get()) is not None:
            yield message


class Listeners:
    """All listeners of one task."""

    def __init__(self) -> None:
        self._all: list[Listener] = []

    @contextmanager
    def listening(self) -> Iterator[Listener]:
        """One more listener, for as long as the context lasts."""
        listener = Listener()
        self._all.append(listener)
        try:
            yield listener
        finally:
            self._all.remove(listener)

    def tell(self, name: str, detail: str) -> None:
        """Tell everyone who listens, and the executor's own log."""
        detail = detail if len(detail) <= MAX_DETAIL else f"{detail[:MAX_DETAIL]} …"
        if os.fstat(sys.stderr.fileno()).st_size < _LOG_BYTES:
            sys.stderr.write(f"{name}: {detail}\n")
        for listener in self._all:
            listener.put({"event": name, "detail": detail})

    def finish(self) -> None:
        """Tell everyone that the task has ended."""
        for listener in self._all:
            listener.finish()
