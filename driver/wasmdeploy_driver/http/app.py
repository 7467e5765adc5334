"""The app behind the front: finds the guest of a request, runs it in a lane, turns failures into answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from wasmdeploy_driver.errors import GuestTimeout, GuestTrap
from wasmdeploy_driver.http.lanes import Lanes
from wasmdeploy_driver.http.message import Request, Response, text_response
from wasmdeploy_driver.http.router import Route, Router

HEALTH = "/.well-known/wasmdeploy/health"
Log = Callable[[str, str], None]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
# A larger request body is refused with 413: it is held in memory.
MAX_BODY = 64 << 20


class Guest(Protocol):
    """What answers a request."""

    def handle(self, request: Request, route: str) -> Response:
        """Answer one request; raises GuestTrap or GuestTimeout."""
        ...


class App:
    """An ASGI application over a router of guests; `log` gets (event, text) for every failure of a guest."""

    def __init__(self, router: Router[Any], lanes: Lanes, log: Log) -> None:
        self._router = router
        self._lanes = lanes
        self._log = log
        self.requests = 0
        self.failures = 0
        self.in_flight = 0
        self.draining = False

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            raise RuntimeError(f"{scope['type']} is not served")
        self.in_flight += 1
        try:
            await self._send(send, scope["method"], await self._answer(scope, receive))
        finally:
            self.in_flight -= 1

    async def _answer(self, scope: dict[str, Any], receive: Receive) -> Response:
        raw_path = scope["raw_path"]
        if raw_path == HEALTH.encode():
            return text_response(503, "stopping") if self.draining else text_response(200, "ok")
        route = self._router.find(raw_path)
        if route is None:
            return text_response(404, "no route")
        body = await _read_body(receive)
        if isinstance(body, Response):
            return body
        self.requests += 1
        return await self._run(route, _request(scope, body))

    async def _run(self, route: Route[Any], request: Request) -> Response:
        try:
            return await self._lanes.run(lambda: route.target.handle(request, route.pattern))
        except GuestTimeout as error:
            return self._failed(504, "timeout", request, error)
        except GuestTrap as error:
            return self._failed(500, "trap", request, error)
        except Exception as error:  # noqa: BLE001  # a bug of ours is one failed request, and is told
            return self._failed(500, "error", request, error)

    def _failed(self, status: int, event: str, request: Request, error: Exception) -> Response:
        self.failures += 1
        message = error.message if isinstance(error, GuestTrap) else f"{type(error).__name__}: {error}"
        self._log(event, f"{request.method} {request.path.decode('latin-1')}: {message}")
        # What went wrong is the operator's business: the client learns nothing of the app's inside.
        return text_response(status, "the app took too long" if status == 504 else "the app failed")

    async def _send(self, send: Send, method: str, response: Response) -> None:
        await send({"type": "http.response.start", "status": response.status, "headers": response.headers})
        body = b"" if method == "HEAD" else bytes(response.body)
        await send({"type": "http.response.body", "body": body})


async def _read_body(receive: Receive) -> bytes | Response:
    """The whole body, or what to answer where it is too large or was cut off."""
    chunks: list[bytes] = []
    size = 0
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return text_response(400, "the request body was cut off")
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > MAX_BODY:
            return text_response(413, f"the request body is larger than {MAX_BODY >> 20} MiB")
        chunks.append(chunk)
        more = message.get("more_body", False)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _request(scope: dict[str, Any], body: bytes) -> Request:
    headers = tuple((name.lower(), value) for name, value in scope["headers"])
    authority = next((value for name, value in headers if name == b"host"), b"")
    query = scope["query_string"]
    target = scope["raw_path"] + b"?" + query if query else scope["raw_path"]
    client = scope.get("client")
    return Request(
        scope["method"], scope["scheme"], authority, target, headers, body, client[0] if client else ""
    )
