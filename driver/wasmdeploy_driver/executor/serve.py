"""Serving an app: the part that a node's executor and `wasmdeploy up` share."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from typing import Any

from wasmdeploy_driver.executor.prepare import HttpGuest, Notify
from wasmdeploy_driver.http.app import App
from wasmdeploy_driver.http.front import HttpFront, listen
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
        self._front = HttpFront()
        self._lanes = Lanes()
        self.app = App(router, self._lanes, notify)

    @property
    def address(self) -> tuple[str, int]:
        """The host and port it listens on."""
        return self._address

    async def run(self, ready: Callable[[], Any]) -> None:
        """Serve until `stop` has drained the app; `ready` is called once connections are answered."""
        try:
            await self._front.start(self.app, self._listener)
            ready()
            await self._front.wait()
        finally:
            self._front.abort()
            self._lanes.close()
            self._listener.close()

    async def stop(self, timeout: float) -> bool:
        """Stop accepting, wait up to `timeout` seconds for requests in flight; whether all were answered."""
        self.app.draining = True
        self._front.stop()
        try:
            await asyncio.wait_for(self._front.wait(), timeout)
        except TimeoutError:
            return False
        return True
