"""Serving an app: the part that a node's executor and `wasmdeploy up` share."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import Any

from wasmdeploy_driver.app.app import App
from wasmdeploy_driver.app.exchange import Target
from wasmdeploy_driver.app.pool import Pool, PoolBounds
from wasmdeploy_driver.app.quota import Quota
from wasmdeploy_driver.app.stem import Stem
from wasmdeploy_driver.app.target import CgiTarget, FrameTarget
from wasmdeploy_driver.app.worker import GuestThread, Run, ThreadWorker
from wasmdeploy_driver.duration import seconds
from wasmdeploy_driver.egress.connector import Egress
from wasmdeploy_driver.egress.grant import Bounds as Calls
from wasmdeploy_driver.egress.grant import Grant
from wasmdeploy_driver.errors import ConfigError
from wasmdeploy_driver.executor.engines import Engines
from wasmdeploy_driver.executor.image import Image
from wasmdeploy_driver.executor.outbound import rules_of
from wasmdeploy_driver.executor.prepare import Guests, Notify
from wasmdeploy_driver.executor.room import Room
from wasmdeploy_driver.http.bounds import Bounds
from wasmdeploy_driver.http.front import HttpFront, listen
from wasmdeploy_driver.http.router import Route, Router
from wasmdeploy_driver.task import EXECUTOR_MB, Component, Limits
from wasmdeploy_driver.variables import Values

# A proxy may not know yet that this instance leaves. A closed connection would lose what it sends meanwhile, and nobody
# sends a POST twice: so the front stays open until no request has come for so long, or at most so long.
_QUIET_SECONDS = 0.5
_DRAIN_SECONDS = 5.0

# All but `Serving` is for its callers: the CLI enters the driver by this package only.
__all__ = ["Run", "Serving", "Stem", "listen"]


class Serving:
    """An app that listens: `run` serves until `stop`, which drains it. Made in the event loop that it serves in.

    `guests` runs them in this process, in `thread` where there is one already; `stem` makes the others; `stuck` is
    called when no guest can be run any more.
    """

    def __init__(
        self,
        image: Image,
        guests: Guests,
        stem: Stem,
        listener: socket.socket,
        notify: Notify,
        *,
        stuck: Callable[[], None] = lambda: None,
        thread: GuestThread | None = None,
    ) -> None:
        launch = image.launch
        memory_bytes = launch.cgroup.memory_bytes if launch.cgroup else 0
        self.listener = listener
        host, port = listener.getsockname()[:2]
        self._address: tuple[str, int] = (host, port)
        self.front = HttpFront(Bounds(body=0, stream=True), most_body_bytes=body_bytes(memory_bytes))
        limits = launch.task.limits
        bounds = PoolBounds(most=at_least(limits.concurrency, 1, "limits.concurrency"))
        self.image = image
        self._guests = guests
        self._engines = Engines(image, stem, Room(launch).is_left)
        self._pool = Pool(ThreadWorker(guests, thread), self._engines, bounds, stuck)
        self._egress = Egress()
        self._targets = targets(image, self._egress)
        queue = at_least(limits.queue, 0, "limits.queue")
        self.app = App(router(image, self._targets), self._pool, notify, queue, body_bytes(memory_bytes))
        self.app.checked = launch.task.health_path.encode()

    @property
    def address(self) -> tuple[str, int]:
        """The host and port it listens on."""
        return self._address

    @property
    def idle(self) -> bool:
        """Whether no request is under way, and the app is well: nobody would look again while it is parked."""
        if self.app.draining or self.app.in_flight or self.app.health >= HTTPStatus.BAD_REQUEST:
            return False
        return self.front.idle

    async def run(self, ready: Callable[[], Any]) -> None:
        """Serve until `stop` has drained the app; `ready` is called once connections are answered."""
        try:
            await self.front.start(self.app, self.listener)
            await self._egress.start(self._internal)
            ready()
            await self.front.wait()
        finally:
            self._egress.stop()
            self.front.abort()
            self._pool.close()
            self.listener.close()

    def _internal(self, component: str | None) -> asyncio.Protocol | None:
        """What answers a guest's request to its own app, or to a component of it; None: there is no such one."""
        if component is None:
            return self.front.connection(self.app.handle)
        target = next((each for name, each in self._targets.items() if name.lower() == component), None)
        if target is None:
            return None
        return self.front.connection(partial(self.app.answer, Route("/...", target)))

    def renew(self, values: Values) -> None:
        """Give guests these values from the next request on, all at once; those that run keep theirs.

        Raises ConfigError for values that a template or a rule cannot take, and changes nothing.
        """
        image = replace(self.image, values=values)
        permits = [permit_of(image, component, self._egress) for component in image.launch.task.component]
        self._guests.renew(values)
        self._engines.renew(image)
        self.image = image
        self._pool.retire()
        for target, permit in zip(self._targets.values(), permits, strict=True):
            if isinstance(target, FrameTarget):
                target.permit = permit

    async def stop(self, timeout: float) -> bool:
        """Answer until requests stop coming, then accept no more; whether all were answered in `timeout` seconds."""
        self.app.draining = True
        self.front.drain()
        try:
            async with asyncio.timeout(timeout):
                await self._quiet(min(timeout / 2, _DRAIN_SECONDS))
                self.front.stop()
                await self.front.wait()
        except TimeoutError:
            return False
        return True

    async def _quiet(self, most: float) -> None:
        """Return once no request has come for a moment, or after `most` seconds."""
        end = time.monotonic() + most
        while (left := min(self.app.came_at + _QUIET_SECONDS, end) - time.monotonic()) > 0:
            await asyncio.sleep(left)


def body_bytes(memory_bytes: int) -> int:
    """How much of a process's memory request bodies may take together: a quarter of what the executor leaves."""
    if not memory_bytes:
        return 256 << 20
    return max(4 << 20, min(256 << 20, (memory_bytes - (EXECUTOR_MB << 20)) // 4))


def targets(image: Image, egress: Egress) -> dict[str, Target]:
    """How each component is spoken to, by its name; raises ConfigError."""
    found: dict[str, Target] = {}
    for number, component in enumerate(image.launch.task.component):
        permit = permit_of(image, component, egress)
        quota = quota_of(image.launch.task.limits_of(component), f"component.{component.name}")
        compiled = image.compiled[component.name]
        if compiled.answers_http:
            found[component.name] = FrameTarget(number, permit, quota, blocks=compiled.has_sockets)
        else:
            found[component.name] = CgiTarget(number, component.argv, component.args, quota)
    return found


def permit_of(image: Image, component: Component, egress: Egress) -> Callable[[], Grant] | None:
    """What grants a run of a component its own requests, None where it may send none; raises ConfigError."""
    where = f"component.{component.name}.allowed_outbound_hosts"
    rules = rules_of(component.allowed_outbound_hosts, image.values, where)
    limits = image.launch.task.limits_of(component)
    calls = Calls(total=at_least(limits.outbound_calls, 0, f"component.{component.name}.limits"))
    return partial(egress.grant, rules, calls) if rules.are_for_http else None


def quota_of(limits: Limits, where: str) -> Quota:
    """What a component's requests may take of the app; raises ConfigError."""
    place = f"{where}.limits"
    return Quota(
        seconds(limits.timeout, f"{place}.timeout"),
        at_least(limits.concurrency, 1, f"{place}.concurrency"),
        at_least(limits.request_bytes, 0, f"{place}.request_bytes"),
        at_least(limits.response_bytes, 0, f"{place}.response_bytes"),
    )


def at_least(value: int, least: int, where: str) -> int:
    """The value of a limit; raises ConfigError for one that is too small."""
    if value < least:
        raise ConfigError(f"{where} must be at least {least}, is {value}")
    return value


def router(image: Image, found: Mapping[str, Target]) -> Router[Target]:
    """Which component answers which path; raises ConfigError."""
    return Router(
        Route(pattern, found[component.name])
        for component in image.launch.task.component
        for pattern in component.route
    )
