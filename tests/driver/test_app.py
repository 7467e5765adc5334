import asyncio
import threading

import pytest

from wasmdeploy_driver.errors import GuestTimeout, GuestTrap
from wasmdeploy_driver.http.app import HEALTH, App
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
    """Sends requests to an app around one guest."""

    def __init__(self, answer=ANSWER, route="/app/..."):
        self.guest = Guest(answer)
        self.log = []
        self.app = App(Router([Route(route, self.guest)]), Lanes(1), lambda *words: self.log.append(words))

    def request(self, target="/app", method="GET"):
        """The response to one request."""
        return asyncio.run(self.app.handle(Request(method, "http", b"a.test", target.encode(), ())))


def test_a_request_reaches_its_guest():
    """The guest gets the request as it is, and its route; its response is the answer."""
    client = Client()
    assert client.request("/app/%61?q=1") is ANSWER
    assert client.guest.asked == [(Request("GET", "http", b"a.test", b"/app/%61?q=1", ()), "/app/...")]
    assert (client.app.requests, client.app.failures, client.app.in_flight) == (1, 0, 0)


def test_no_route():
    """A path without a route is a 404 that no guest sees."""
    client = Client()
    assert client.request("/other").status == 404
    assert not client.guest.asked


def test_a_question_to_the_whole_server():
    """`OPTIONS *` goes to the guest at the root, and to nobody where there is none."""
    assert Client().request("*", "OPTIONS").status == 404
    root = Client(route="/...")
    assert root.request("*", "OPTIONS").status == 200
    assert root.guest.asked[0][0].target == b"*"


def test_health():
    """The health check is answered by the host; it fails once the app is being stopped."""
    client = Client()
    assert client.request(HEALTH).status == 200
    client.app.draining = True
    assert client.request(HEALTH).status == 503
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
    assert answer.status == status
    assert b"secret" not in answer.body
    ((name, words),) = client.log
    assert name == event
    assert words.startswith("GET /app: ")
    assert "secret inside" in words
    assert (client.app.failures, client.app.in_flight) == (1, 0)


def test_too_many_wait():
    """Beyond so many requests that wait for their turn, the next is told to come back."""

    class Slow:
        def __init__(self):
            self.go = threading.Event()

        def handle(self, request, route):
            assert self.go.wait(30)
            return ANSWER

    async def scenario():
        slow = Slow()
        app = App(Router([Route("/...", slow)]), Lanes(1), lambda *_: None, most_waiting=2)
        request = Request("GET", "http", b"a.test", b"/", ())
        tasks = [asyncio.create_task(app.handle(request)) for _ in range(3)]
        await asyncio.sleep(0)
        refused = await app.handle(request)
        assert refused.status == 503
        assert (b"retry-after", b"1") in refused.headers
        slow.go.set()
        assert [answer.status for answer in await asyncio.gather(*tasks)] == [200] * 3
        assert (app.requests, app.failures) == (3, 0)

    asyncio.run(scenario())
