"""How a server stops to accept without losing whom it has just accepted."""

from __future__ import annotations

import asyncio

# Of the event loop: by then an accepted connection has its protocol, and what it has sent is read.
TURNS = 5


def accept_no_more(server: asyncio.Server) -> None:
    """Leave whoever connects in the listener's queue from now on, and close the server some turns later.

    To close it at once would drop a connection that was accepted in this turn (Python 3.11 finds no server for it).
    """
    loop = asyncio.get_running_loop()
    for listener in server.sockets:
        loop.remove_reader(listener.fileno())
    _close(server, TURNS)


def _close(server: asyncio.Server, turns: int) -> None:
    if turns:
        asyncio.get_running_loop().call_soon(_close, server, turns - 1)
    else:
        server.close()
