"""Serving an app: the part that a node's executor and `wasmdeploy up` share."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from typing import Any

from wasmdeploy_driver.executor.prepare import HttpGuest, Notify
from wasmdeploy_driver.http.app import App
from wasmdeploy_driver.http.front import GranianFront, drained, listen
from wasmdeploy_driver.http.lanes import Lanes
from wasmdeploy_driver.http.router import Router

# `listen` is for the callers of `Serving`: the CLI enters the driver by this package only.
__all__ = ["Serving", "listen"]

# Guests run in lane threads: the C stack of each must hold a whole wasm stack. Set before the first lane
# starts.
_THREAD_STACK = 16 << 20


class Serving:
    """An app that listens: `run` serves until `stop`, which drains it."""

    def __init__(self, router: Router[HttpGuest], listener: socket.socket, notify: Notify) -> None:
        threading.stack_size(_THREAD_STACK)
        self._listener = listener
        host, port = listener.getsockname()[:2]
        self._address: tuple[str, int] = (host, port)
        self._front = GranianFront()
        self._lanes = Lanes()
        self.app = App(router, self._lanes, notify)

    @property
    def address(self) -> tuple[str, int]:
        """The host and port it listens on."""
        return self._address

    async def run(self, ready: Callable[[], Any]) -> None:
        """Serve until `stop` has drained the app; `ready` is called once connections are answered."""
        serving = asyncio.ensure_future(self._front.serve(self.app, self._listener))
        try:
            await self._answers(serving)
            ready()
            await serving
        finally:
            serving.cancel()
            self._lanes.close()
            self._listener.close()

    async def _answers(self, serving: asyncio.Future[None]) -> None:
        from wasmdeploy_driver.http.app import HEALTH

        host, port = self.address
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # compared, not bound
        reader, writer = await asyncio.open_connection(host, port)
        try:
            writer.write(f"GET {HEALTH} HTTP/1.1\r\nHost: health\r\nConnection: close\r\n\r\n".encode())
            answer = asyncio.ensure_future(reader.readline())
            await asyncio.wait((answer, serving), return_when=asyncio.FIRST_COMPLETED)
            if not answer.done():
                answer.cancel()
                await serving  # raises what stopped the front
        finally:
            writer.close()

    async def stop(self, timeout: float) -> bool:
        """Stop accepting, wait up to `timeout` seconds for requests in flight; whether all were answered."""
        self.app.draining = True
        self._front.stop()  # it closes idle connections and finishes the requests under way
        self._listener.close()  # whoever comes now is refused, not left waiting in the backlog
        return await drained(lambda: self.app.in_flight, timeout)
