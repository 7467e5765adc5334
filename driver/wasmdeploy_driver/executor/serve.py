"""Serving an app: the part that a node's executor and `wasmdeploy up` share."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from typing import Any

from wasmdeploy_driver.app.app import App
from wasmdeploy_driver.app.exchange import Target
from wasmdeploy_driver.app.pool import Pool, PoolBounds
from wasmdeploy_driver.app.stem import Stem
from wasmdeploy_driver.app.target import CgiTarget, FrameTarget
from wasmdeploy_driver.app.worker import THREAD_STACK, Run, ThreadWorker
from wasmdeploy_driver.duration import seconds
from wasmdeploy_driver.executor.engines import Engines
from wasmdeploy_driver.executor.image import Image
from wasmdeploy_driver.executor.prepare import Notify
from wasmdeploy_driver.executor.room import Room
from wasmdeploy_driver.http.bounds import Bounds
from wasmdeploy_driver.http.front import HttpFront, listen
from wasmdeploy_driver.http.router import Route, Router
from wasmdeploy_driver.task import EXECUTOR_MB

# All but `Serving` is for its callers: the CLI enters the driver by this package only.
__all__ = ["Run", "Serving", "Stem", "listen"]


class Serving:
    """An app that listens: `run` serves until `stop`, which drains it. Made in the event loop that it serves in.

    `guests` runs them in this process, `stem` makes the others; `stuck` is called when no guest can be run any more.
    """

    def __init__(
        self,
        image: Image,
        guests: Run,
        stem: Stem,
        listener: socket.socket,
        notify: Notify,
        *,
        stuck: Callable[[], None] = lambda: None,
    ) -> None:
        threading.stack_size(THREAD_STACK)  # before the thread of guests starts
        launch = image.launch
        memory_bytes = launch.cgroup.memory_bytes if launch.cgroup else 0
        self._listener = listener
        host, port = listener.getsockname()[:2]
        self._address: tuple[str, int] = (host, port)
        self._front = HttpFront(Bounds(body=0, stream=True), most_body_bytes=body_bytes(memory_bytes))
        bounds = PoolBounds(seconds=seconds(launch.task.limits.timeout, "limits.timeout"))
        self._pool = Pool(ThreadWorker(guests), Engines(image, stem, Room(launch).is_left), bounds, stuck)
        self.app = App(router(image), self._pool, notify)

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
            self._pool.close()
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


def router(image: Image) -> Router[Target]:
    """Which component answers which path; raises ConfigError."""
    routes: list[Route[Target]] = []
    for number, component in enumerate(image.launch.task.component):
        target: Target
        if image.compiled[component.name].form == "http":
            target = FrameTarget(number, component.allowed_outbound_hosts)
        else:
            target = CgiTarget(number, component.argv, component.args)
        routes += [Route(pattern, target) for pattern in component.route]
    return Router(routes)
