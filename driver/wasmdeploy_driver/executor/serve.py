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
from wasmdeploy_driver.http.lanes import THREAD_STACK, Lanes
from wasmdeploy_driver.http.router import Router
from wasmdeploy_driver.task import EXECUTOR_MB

# `listen` is for the callers of `Serving`: the CLI enters the driver by this package only.
__all__ = ["Serving", "listen"]


class Serving:
    """An app that listens: `run` serves until `stop`, which drains it.

    `seconds` is the guests' time limit, `memory_bytes` the memory that the whole process may use (0: no limit known);
    `stuck` is called when no guest can be run any more.
    """

    def __init__(
        self,
        router: Router[HttpGuest],
        listener: socket.socket,
        notify: Notify,
        *,
        seconds: float = 0,
        memory_bytes: int = 0,
        stuck: Callable[[], None] = lambda: None,
    ) -> None:
        threading.stack_size(THREAD_STACK)  # before the first lane starts
        self._listener = listener
        host, port = listener.getsockname()[:2]
        self._address: tuple[str, int] = (host, port)
        self._front = HttpFront(most_body_bytes=body_bytes(memory_bytes))
        self._lanes = Lanes()
        self.app = App(router, self._lanes, notify, seconds=seconds, stuck=stuck)

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


def body_bytes(memory_bytes: int) -> int:
    """How much of a process's memory request bodies may take together: a quarter of what the executor leaves."""
    if not memory_bytes:
        return 256 << 20
    return max(4 << 20, min(256 << 20, (memory_bytes - (EXECUTOR_MB << 20)) // 4))
