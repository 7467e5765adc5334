"""The egress connector: the one way out for the requests of guests, on a port of this machine's loopback.

wasmtime's own HTTP client resolves names where nobody can look on, so it is sent here instead: the adapter directs
every request of a guest to this port, with the token of the grant that its own request came with. What the token
allows is called, over addresses that were checked; whoever comes without one is cut off without an answer.
"""

from __future__ import annotations

import asyncio
import resource
import secrets

from wasmdeploy_driver.egress.dial import NETWORK, Network
from wasmdeploy_driver.egress.grant import Bounds, Grant
from wasmdeploy_driver.egress.inbound import Inbound, Internal, Shared
from wasmdeploy_driver.egress.rules import Rules

_MOST_CONNECTIONS = 1024
_BOUNDS = Bounds()


class Egress:
    """Makes the calls of guests."""

    def __init__(self, bounds: Bounds = _BOUNDS, network: Network = NETWORK) -> None:
        self._bounds = bounds
        self._network = network
        self._grants: dict[str, Grant] = {}
        self._shared: Shared | None = None
        self._server: asyncio.Server | None = None
        self._port = 0

    async def start(self, internal: Internal) -> int:
        """Listen, and give the port; `internal` gives the protocol that answers for the app or for a component."""
        shared = self._shared = Shared(self._grants, internal, self._network, _affordable_connections())
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Inbound(shared), "127.0.0.1", 0)
        self._port = int(self._server.sockets[0].getsockname()[1])
        return self._port

    def grant(self, rules: Rules, bounds: Bounds | None = None) -> Grant:
        """Let one request's guest call what `rules` allow, until the grant is closed; from any thread."""
        if self._server is None:
            raise RuntimeError("the egress connector is not started")
        token = secrets.token_hex(16)
        grant = Grant(
            token,
            self._port,
            rules,
            bounds=bounds or self._bounds,
            loop=self._server.get_loop(),
            forget=self._forget,
        )
        self._grants[token] = grant
        return grant

    def _forget(self, token: str) -> None:
        self._grants.pop(token, None)

    def stop(self) -> None:
        """Accept nothing more, and cut what is under way."""
        self._grants.clear()
        if self._server is not None:
            self._server.close()
        for connection in tuple(self._shared.connections if self._shared else ()):
            connection.abort()


def _affordable_connections() -> int:
    """As many as take a quarter of the process's descriptors, two for each."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST_CONNECTIONS if soft < 0 else min(_MOST_CONNECTIONS, soft // 8)
