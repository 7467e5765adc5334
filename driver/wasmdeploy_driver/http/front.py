"""The front: listens, keeps the connections, and stops without losing a request.

The seam is `Front`: anything that serves an `Application` on a socket we bound can take `HttpFront`'s place.
"""

from __future__ import annotations

import asyncio
import resource
import socket
from dataclasses import replace
from typing import Protocol

from wasmdeploy_driver.errors import ListenError
from wasmdeploy_driver.http.accepting import TURNS, accept_no_more
from wasmdeploy_driver.http.bounds import Bounds, Budget, Patience
from wasmdeploy_driver.http.connection import Connection
from wasmdeploy_driver.http.message import Request
from wasmdeploy_driver.http.shared import Done, Handle, Link, Shared

_BACKLOG = 1024
_MOST_CONNECTIONS = 4096
_BOUNDS = Bounds()
_PATIENCE = Patience()


class Application(Protocol):
    """What answers requests."""

    def handle(self, request: Request, done: Done) -> None:
        """Answer one request: `done` gets the answer, at once or later in the event loop.

        A HEAD request's answer may have a body, which is left out.
        """
        ...


class Front(Protocol):
    """Serves an application on a listening socket until it is stopped."""

    async def start(self, application: Application, listener: socket.socket) -> None:
        """Accept and answer from now on; `stop` closes the listener."""
        ...

    def drain(self) -> None:
        """Accept and answer as before, and say with every answer that its connection ends."""
        ...

    def stop(self) -> None:
        """Accept nothing more, close what is idle, and the other connections after the answer under way."""
        ...

    async def wait(self) -> None:
        """Return once it is stopped and the last connection is gone."""
        ...


def listen(host: str, port: int) -> socket.socket:
    """A listening TCP socket (port 0 picks one); raises ListenError."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
    except (socket.gaierror, UnicodeError) as error:
        raise ListenError(f"cannot listen on {host}: no such address") from error
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except (OSError, OverflowError) as error:
        listener.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise ListenError(
            f"cannot listen on {host}:{port}: {reason}",
            "stop what uses the port, or choose another (port 0 picks one)",
        ) from error
    return listener


class HttpFront:
    """HTTP/1.1 and HTTP/1.0 in this process's event loop."""

    def __init__(
        self,
        bounds: Bounds = _BOUNDS,
        patience: Patience = _PATIENCE,
        most_connections: int = 0,
        most_body_bytes: int = 256 << 20,
    ) -> None:
        self._bounds = bounds
        self._patience = patience
        self._most = most_connections or _affordable_connections()
        self._budget = Budget(most_body_bytes)
        self._server: asyncio.Server | None = None
        self._shared: Shared | None = None
        self._stopped = False
        self._gone = asyncio.Event()

    async def start(self, application: Application, listener: socket.socket) -> None:
        """Accept and answer from now on; `stop` closes the listener."""
        shared = self._shared = Shared(
            application.handle, self._most, self._bounds, self._patience, self._budget, self._ended
        )
        await self._accept(shared, listener)

    async def _accept(self, shared: Shared, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(shared), sock=listener, backlog=_BACKLOG)

    def connection(self, handle: Handle) -> asyncio.Protocol:
        """A protocol for a connection that was not accepted here, whose requests `handle` answers."""
        if self._shared is None:
            raise RuntimeError("the front is not started")
        return Connection(replace(self._shared, handle=handle))

    async def adopt(self, connection: socket.socket) -> None:
        """Answer the requests of a connection that was accepted elsewhere."""
        if (shared := self._shared) is None:
            raise RuntimeError("the front is not started")
        loop = asyncio.get_running_loop()
        await loop.connect_accepted_socket(lambda: Connection(shared), connection)

    @property
    def idle(self) -> bool:
        """Whether no request is under way on any connection."""
        return all(each.idle for each in self._connections)

    def pause(self) -> None:
        """Accept nothing, and close the listener; who connects waits in its queue, where others have it open."""
        if self._server is not None:
            accept_no_more(self._server)

    async def resume(self, listener: socket.socket) -> None:
        """Accept again."""
        if self._shared is not None and not self._shared.stopping:
            await self._accept(self._shared, listener)

    def dismiss(self) -> bool:
        """Ask HTTP/2 connections to end, whose state cannot be given away; whether there are any."""
        staying = [each for each in self._connections if not isinstance(each, Connection)]
        for each in staying:
            each.close_if_idle()
        return bool(staying)

    def release(self) -> list[int]:
        """Give away the HTTP/1 connections, which are idle, as descriptors that are the caller's."""
        return [each.release() for each in self._connections if isinstance(each, Connection)]

    def drain(self) -> None:
        """Accept and answer as before, and say with every answer that its connection ends."""
        if self._shared is not None:
            self._shared.stopping = True
            self.dismiss()

    def stop(self) -> None:
        """Accept nothing more, close what is idle, and the other connections after the answer under way."""
        if self._server is None or self._shared is None:
            self._gone.set()
            return
        accept_no_more(self._server)
        self._shared.stopping = True
        self._close_idle(TURNS)

    async def wait(self) -> None:
        """Return once it is stopped and the last connection is gone."""
        await self._gone.wait()

    def abort(self) -> None:
        """Close every connection now."""
        for connection in self._connections:
            connection.abort()

    @property
    def _connections(self) -> tuple[Link, ...]:
        return tuple(self._shared.connections) if self._shared is not None else ()

    def _close_idle(self, turns: int) -> None:
        if turns:
            asyncio.get_running_loop().call_soon(self._close_idle, turns - 1)
            return
        self._stopped = True
        for connection in self._connections:
            connection.close_if_idle()
        self._ended()

    def _ended(self) -> None:
        if self._stopped and not self._connections:
            self._gone.set()


def _affordable_connections() -> int:
    """As many as leave half of the process's descriptors to the guests."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST_CONNECTIONS if soft < 0 else min(_MOST_CONNECTIONS, soft // 2)
