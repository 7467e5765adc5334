"""Where a task's control calls come in, for as long as it does not close."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from wasmdeploy_driver.executor.control import MAX_LINE
from wasmdeploy_driver.http.accepting import accept_no_more

Connected = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Desk:
    """Accepts on the control socket, which stays open where it is closed and may be opened again."""

    def __init__(self, listener: socket.socket, connected: Connected) -> None:
        self._listener = listener
        self._connected = connected
        self._server: asyncio.Server | None = None
        self._callers = 0

    def fileno(self) -> int:
        """The control socket."""
        return self._listener.fileno()

    @property
    def is_quiet(self) -> bool:
        """Whether there is no call but those that wait for events."""
        return not self._callers

    async def open(self) -> None:
        """Accept calls."""
        # No unix server, which would remove the socket's name when it closes.
        self._server = await asyncio.start_server(self._serve, sock=self._listener.dup(), limit=MAX_LINE)

    def close(self) -> None:
        """Accept no more calls: who connects waits."""
        if self._server is not None:
            accept_no_more(self._server)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._callers += 1
        try:
            await self._connected(reader, writer)
        finally:
            self._callers -= 1

    @contextmanager
    def not_counted(self) -> Iterator[None]:
        """For a call that does not keep the task awake."""
        self._callers -= 1
        try:
            yield
        finally:
            self._callers += 1
