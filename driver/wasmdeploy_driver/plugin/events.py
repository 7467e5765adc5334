"""Task events on their way to Nomad, which shows them in `nomad alloc status` and the web UI."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Any

_KEPT = 256


class Events:
    """One writer, any number of open TaskEvents streams; without one, the last events wait for the next."""

    def __init__(self) -> None:
        self._waiting: deque[Any] = deque(maxlen=_KEPT)
        self._streams: set[asyncio.Queue[Any]] = set()

    def publish(self, event: Any) -> None:
        """Send an event to every stream."""
        if not self._streams:
            self._waiting.append(event)
        for stream in self._streams:
            if stream.full():  # Nomad has stopped reading: rather lose the oldest than grow
                stream.get_nowait()
            stream.put_nowait(event)

    async def stream(self) -> AsyncIterator[Any]:
        """Every event from now on, after those that waited."""
        queue: asyncio.Queue[Any] = asyncio.Queue(_KEPT)
        while self._waiting:
            queue.put_nowait(self._waiting.popleft())
        self._streams.add(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            self._streams.discard(queue)
