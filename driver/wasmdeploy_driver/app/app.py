"""The app behind the front: finds the guest of a request, has it run, turns failures into answers."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from wasmdeploy_driver.app.body import Limited, declared_length
from wasmdeploy_driver.app.exchange import Exchange, Target
from wasmdeploy_driver.app.pool import Busy, Pool
from wasmdeploy_driver.errors import GuestTimeout, GuestTrap
from wasmdeploy_driver.http.bounds import Budget
from wasmdeploy_driver.http.message import Request, Response, text_response
from wasmdeploy_driver.http.router import Route, Router
from wasmdeploy_driver.http.shared import Done, answer_to

HEALTH = "/.well-known/wasmdeploy/health"
_HEALTH = HEALTH.encode()
Log = Callable[[str, str], None]
# More requests that wait for their turn are refused: their clients would have given up before it.
MOST_WAITING = 1000


class App:
    """Answers requests by a router of components; `log` gets (event, text) for every failure of a guest."""

    def __init__(
        self,
        router: Router[Target],
        pool: Pool,
        log: Log,
        most_waiting: int = MOST_WAITING,
        most_ahead: int = 64 << 20,
    ) -> None:
        self._router = router
        self._pool = pool
        self._log = log
        self._most_waiting = most_waiting
        self._room = Budget(most_ahead)
        self.requests = 0
        self.failures = 0
        self.draining = False
        self.came_at = -math.inf  # when the last request came
        self.asked_at = time.monotonic()  # when the last request was answered; health checks are none
        self.checked = b""  # the target of the job's check, where that is not the driver's own
        self.health = 200  # its last answer's status

    @property
    def in_flight(self) -> int:
        """How many requests wait or run."""
        return self._pool.waiting + self._pool.running

    @property
    def processes(self) -> int:
        """How many engine processes there are beside this one."""
        return self._pool.processes

    def handle(self, request: Request, done: Done) -> None:
        """Answer one request: `done` gets the answer, at once or later in the event loop."""
        path = request.path
        if path == _HEALTH:
            done(text_response(503, "stopping") if self.draining else text_response(200, "ok"))
            return
        # `OPTIONS *` asks the whole server, which is whoever answers at the root.
        route = self._router.find(b"/" if path == b"*" else path)
        if route is None:
            done(text_response(404, "no route"))
        else:
            self.answer(route, request, done)

    def answer(self, route: Route[Target], request: Request, done: Done) -> None:
        """Answer one request by the component that was found for it."""
        if self._pool.waiting >= self._most_waiting:
            done(_busy("too many requests wait"))
            return
        most = route.target.quota.request_bytes
        if most and (len(request.body) > most or declared_length(request) > most):
            done(_too_large(most))
            return
        self.requests += 1
        self.came_at = time.monotonic()
        if request.rest is not None and most:
            request = replace(request, rest=Limited(request.rest, most - len(request.body)))
        exchange = Exchange(route.target, request, route.pattern, self._room)
        exchange.on_failure = partial(self._failed, request)
        exchange.on_response = partial(self._answered, done)
        self._pool.submit(exchange)

    def _answered(self, done: Done, exchange: Exchange) -> None:
        response = self._response(exchange)
        if exchange.request.target == self.checked:
            self.health = response.status
        else:
            self.asked_at = time.monotonic()
        done(response)

    def _response(self, exchange: Exchange) -> Response:
        request = exchange.request
        try:
            return exchange.response.result()
        except Busy as busy:
            return _busy(str(busy))
        except GuestTrap as error:
            if isinstance(request.rest, Limited) and request.rest.exceeded:
                return _too_large(exchange.quota.request_bytes)
            if exchange.left:
                return text_response(400, "the request broke off")
            self._failed(request, error)
            # What went wrong is the operator's business: the client learns nothing of the app's inside.
            late = isinstance(error, GuestTimeout)
            return text_response(504 if late else 500, "the app took too long" if late else "the app failed")
        except Exception as error:  # noqa: BLE001  # one failed request
            return answer_to(error)

    def _failed(self, request: Request, error: GuestTrap) -> None:
        self.failures += 1
        event = "timeout" if isinstance(error, GuestTimeout) else "trap"
        self._log(event, f"{request.method} {request.path.decode('latin-1')}: {error.message}")


def _busy(text: str) -> Response:
    busy = text_response(503, text)
    return Response(503, (*busy.headers, (b"retry-after", b"1")), busy.body)


def _too_large(most: int) -> Response:
    return text_response(413, f"the request body is larger than {most} bytes")
