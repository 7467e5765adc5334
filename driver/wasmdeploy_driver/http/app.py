"""The app behind the front: finds the guest of a request, runs it in a lane, turns failures into answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from wasmdeploy_driver.errors import GuestTimeout, GuestTrap
from wasmdeploy_driver.http.lanes import Lanes
from wasmdeploy_driver.http.message import Request, Response, text_response
from wasmdeploy_driver.http.router import Route, Router

HEALTH = "/.well-known/wasmdeploy/health"
_HEALTH = HEALTH.encode()
Log = Callable[[str, str], None]
# More requests that wait for a lane are refused: their clients would have given up before their turn.
MOST_WAITING = 1000
# The clock that interrupts guests is a little late; a guest that goes on this long past its limit is blocked.
GRACE_SECONDS = 1.0


class Guest(Protocol):
    """What answers a request."""

    def handle(self, request: Request, route: str) -> Response:
        """Answer one request; raises GuestTrap or GuestTimeout."""
        ...


@dataclass(slots=True)
class _Call:
    """One guest's work for one request, and whether a thread is at it."""

    route: Route[Any]
    request: Request
    running: bool = False

    def __call__(self) -> Response:
        self.running = True
        try:
            answer: Response = self.route.target.handle(self.request, self.route.pattern)
            return answer
        finally:
            self.running = False


class App:
    """Answers requests by a router of guests; `log` gets (event, text) for every failure of a guest.

    `seconds` is the guests' time limit (0 for none). It cannot end a guest that is blocked in a host call, but its
    client is answered; `stuck` is called once every lane is held by such a guest.
    """

    def __init__(
        self,
        router: Router[Any],
        lanes: Lanes,
        log: Log,
        most_waiting: int = MOST_WAITING,
        *,
        seconds: float = 0,
        stuck: Callable[[], None] = lambda: None,
    ) -> None:
        self._router = router
        self._lanes = lanes
        self._log = log
        self._most_waiting = most_waiting
        self._patience = seconds + GRACE_SECONDS if seconds else None
        self._stuck = stuck
        self._overdue: list[_Call] = []
        self.requests = 0
        self.failures = 0
        self.in_flight = 0
        self.draining = False

    async def handle(self, request: Request) -> Response:
        """Answer one request."""
        path = request.path
        if path == _HEALTH:
            return text_response(503, "stopping") if self.draining else text_response(200, "ok")
        # `OPTIONS *` asks the whole server, which is whoever answers at the root.
        route = self._router.find(b"/" if path == b"*" else path)
        if route is None:
            return text_response(404, "no route")
        if self._lanes.waiting >= self._most_waiting:
            busy = text_response(503, "too many requests wait")
            return Response(503, (*busy.headers, (b"retry-after", b"1")), busy.body)
        self.requests += 1
        self.in_flight += 1
        try:
            return await self._run(route, request)
        finally:
            self.in_flight -= 1

    async def _run(self, route: Route[Any], request: Request) -> Response:
        call = _Call(route, request)
        try:
            async with asyncio.timeout(self._patience):
                return await self._lanes.run(call)
        except TimeoutError:
            return self._late(call)
        except GuestTimeout as error:
            return self._failed(504, "timeout", request, error)
        except GuestTrap as error:
            return self._failed(500, "trap", request, error)
        except Exception as error:  # noqa: BLE001  # a bug of ours is one failed request, and is told
            return self._failed(500, "error", request, error)

    def _late(self, call: _Call) -> Response:
        if call.running:
            self._overdue = [each for each in (*self._overdue, call) if each.running]
            if len(self._overdue) >= self._lanes.most:
                self._stuck()
        why = "is blocked past its time limit" if call.running else "did not get its turn in time"
        return self._failed(504, "timeout", call.request, GuestTimeout(f"the guest {why}"))

    def _failed(self, status: int, event: str, request: Request, error: Exception) -> Response:
        self.failures += 1
        message = error.message if isinstance(error, GuestTrap) else f"{type(error).__name__}: {error}"
        self._log(event, f"{request.method} {request.path.decode('latin-1')}: {message}")
        # What went wrong is the operator's business: the client learns nothing of the app's inside.
        return text_response(status, "the app took too long" if status == 504 else "the app failed")
