"""Who writes waits here while a client reads too slowly."""

from __future__ import annotations

import asyncio


class Gate:
    """Closed while a client reads too slowly; who writes waits before it."""

    __slots__ = ("_waiting", "closed")

    def __init__(self) -> None:
        self.closed = False
        self._waiting: list[asyncio.Future[None]] = []

    def open(self) -> None:
        """Let everybody through."""
        self.closed = False
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            if not each.done():
                each.set_result(None)

    async def passed(self) -> None:
        """Return once it is open."""
        while self.closed:
            waiting = asyncio.get_running_loop().create_future()
            self._waiting.append(waiting)
            await waiting
