import asyncio

import pytest

from wasmdeploy_driver.errors import GuestTimeout, GuestTrap
from wasmdeploy_driver.http.app import HEALTH, MAX_BODY, App
from wasmdeploy_driver.http.lanes import Lanes
from wasmdeploy_driver.http.message import Request, Response
from wasmdeploy_driver.http.router import Route, Router

ANSWER = Response(200, ((b"x", b"y"),), memoryview(b"body"))


class Guest:
    """Answers with what the test wants, and remembers what it was asked."""

    def __init__(self, answer=ANSWER):
        self.answer, self.asked = answer, []

    def handle(self, request, route):
        self.asked.append((request, route))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Client:
    """Sends ASGI requests to an app around one guest at /app/..."""

    def __init__(self, answer=ANSWER):
        self.guest = Guest(answer)
        self.log = []
        self.app = App(
            Router([Route("/app/...", self.guest)]), Lanes(1), lambda *words: self.log.append(words)
        )

    def request(self, path="/app", *messages, method="GET", query=b"", headers=()):
        """(status, headers, body) of one request."""
        scope = {
            "type": "http",
            "method": method,
            "scheme": "http",
            "raw_path": path.encode(),
            "query_string": query,
            "headers": headers,
            "client": ("192.0.2.7", 5),
        }
        waiting, sent = list(messages or [{"type": "http.request"}]), []

        async def receive():
            return waiting.pop(0)

        async def send(message):
            sent.append(message)

        asyncio.run(self.app(scope, receive, send))
        start, body = sent
        return start["status"], start["headers"], body["body"]


def part(body, more=False):
    return {"type": "http.request", "body": body, "more_body": more}


def test_a_request_reaches_its_guest():
    """The guest gets the raw target, the headers in lower case, the whole body and its route."""
    client = Client()
    messages = (part(b"a", True), part(b"b", True), part(b"c"))
    answer = client.request(
        "/app/%61", *messages, method="POST", query=b"q=1", headers=[(b"Host", b"a.test")]
    )
    assert answer == (200, ((b"x", b"y"),), b"body")
    expected = Request(
        "POST", "http", b"a.test", b"/app/%61?q=1", ((b"host", b"a.test"),), b"abc", "192.0.2.7"
    )
    assert client.guest.asked == [(expected, "/app/...")]
    assert (client.app.requests, client.app.failures, client.app.in_flight) == (1, 0, 0)


def test_no_route():
    """A path without a route is a 404 that no guest sees."""
    client = Client()
    assert client.request("/other")[0] == 404
    assert not client.guest.asked


def test_the_answer_to_head():
    """The answer to HEAD keeps its headers and loses its body."""
    assert Client().request(method="HEAD") == (200, ((b"x", b"y"),), b"")


def test_health():
    """The health check is answered by the host; it fails once the app is being stopped."""
    client = Client()
    assert client.request(HEALTH)[0] == 200
    client.app.draining = True
    assert client.request(HEALTH)[0] == 503
    assert not client.guest.asked


@pytest.mark.parametrize(
    ("error", "status", "event"),
    [
        (GuestTrap("wasm trap: secret inside"), 500, "trap"),
        (GuestTimeout("secret inside"), 504, "timeout"),
        (ValueError("secret inside"), 500, "error"),
        (MemoryError("secret inside"), 500, "error"),
    ],
)
def test_a_failure(error, status, event):
    """A failure is told to the operator in full, to the client not at all."""
    client = Client(error)
    answer = client.request()
    assert answer[0] == status
    assert b"secret" not in answer[2]
    ((name, words),) = client.log
    assert name == event
    assert words.startswith("GET /app: ")
    assert "secret inside" in words
    assert (client.app.failures, client.app.in_flight) == (1, 0)


def test_a_body_that_is_too_large():
    """A body beyond the bound is refused before the guest runs."""
    client = Client()
    half = part(b"x" * (MAX_BODY // 2 + 1), True)
    assert client.request("/app", half, half)[0] == 413
    assert not client.guest.asked


def test_a_body_that_is_cut_off():
    """A body whose sender went away in the middle never reaches the guest as if it were whole."""
    client = Client()
    assert client.request("/app", part(b"half", True), {"type": "http.disconnect"})[0] == 400
    assert not client.guest.asked


def test_other_protocols():
    """A WebSocket is not served."""
    with pytest.raises(RuntimeError, match="websocket"):
        asyncio.run(Client().app({"type": "websocket"}, None, None))
