"""The front: accepts connections and speaks HTTP (the only home of granian).

The seam is `Front`: anything that serves an ASGI application on a socket we bound can take granian's place.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from typing import Any, Protocol

from wasmdeploy_driver.errors import ListenError

# Longer than the 90 s for which Traefik keeps idle connections: it must be the one that closes them, since a
# request sent into a connection that we just closed is lost, and a POST is not sent again.
_IDLE_MILLISECONDS = 180_000
_BACKLOG = 1024


class Front(Protocol):
    """Serves an application on a listening socket until it is stopped."""

    async def serve(self, application: Callable[..., Any], listener: socket.socket) -> None:
        """Accept and answer until `stop`; then in-flight requests are finished."""
        ...

    def stop(self) -> None:
        """Accept nothing more, and let `serve` return once the requests in flight are answered."""
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


class GranianFront:
    """granian, embedded in this process's event loop."""

    def __init__(self) -> None:
        self._server: Any = None
        self._stopping = False

    async def serve(self, application: Callable[..., Any], listener: socket.socket) -> None:
        """Accept and answer until `stop`."""
        from granian._granian import SocketHolder
        from granian.constants import Interfaces
        from granian.http import HTTP1Settings
        from granian.server.embed import Server

        descriptor = os.dup(listener.fileno())  # granian closes what it is given

        class Inherited(Server):
            """A server on a socket that is bound already; granian has no public door for it."""

            def _init_shared_socket(self) -> None:
                # granian declares these as None, and this class without its arguments.
                self._shd = SocketHolder(descriptor, False, _BACKLOG)  # type: ignore[call-arg,assignment]
                self._sfd = descriptor  # type: ignore[assignment]
                self._ssp = None

        self._server = Inherited(
            application,
            interface=Interfaces.ASGINL,
            websockets=False,
            http1_settings=HTTP1Settings(header_read_timeout=_IDLE_MILLISECONDS),
            log_enabled=False,
            backpressure=4096,
        )
        if not self._stopping:
            await self._server.serve()

    def stop(self) -> None:
        """Accept nothing more, and let `serve` return."""
        self._stopping = True
        if self._server is not None:
            self._server.stop()


async def drained(in_flight: Callable[[], int], seconds: float) -> bool:
    """Wait until no request is in flight, at most `seconds`; whether it came to that."""
    deadline = asyncio.get_running_loop().time() + seconds
    while in_flight():
        if asyncio.get_running_loop().time() >= deadline:
            return False
        await asyncio.sleep(0.01)
    return True
