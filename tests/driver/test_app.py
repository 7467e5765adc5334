import asyncio

import pytest

from tests.driver.fake_workers import Engines, FakeWorker
from wasmdeploy_driver.app.app import HEALTH, App
from wasmdeploy_driver.app.pool import Pool, PoolBounds
from wasmdeploy_driver.app.target import FrameTarget
from wasmdeploy_driver.guest.call import SUCCESS, Outcome
from wasmdeploy_driver.http.message import Request
from wasmdeploy_driver.http.router import Route, Router


class Client:
    """Sends requests to an app around one component, whose guest a test plays."""

    def __init__(self, route="/app/...", most_waiting=1000):
        self.log = []
        self.worker = FakeWorker()
        self.pool = Pool(self.worker, Engines(0), PoolBounds(most=1, slots=1))
        router = Router([Route(route, FrameTarget(0))])
        self.app = App(router, self.pool, lambda *words: self.log.append(words), most_waiting)

    def send(self, target="/app", method="GET"):
        """A request under way."""
        request = Request(method, "http", b"a.test", target.encode(), ())
        answer = asyncio.get_running_loop().create_future()
        self.app.handle(request, answer.set_result)
        return answer


def scenario(function):
    """A test that runs in an event loop."""

    def run(*args, **kwargs):
        asyncio.run(function(*args, **kwargs))

    run.__name__, run.__doc__ = function.__name__, function.__doc__
    return run


async def reply(client, target="/app", method="GET", outcome=SUCCESS):
    """The response to one request whose guest writes an answer and ends."""
    sent = client.send(target, method)
    await asyncio.sleep(0)
    if client.worker.calls:
        client.worker.write(bytes.fromhex("06000000c80000000000") + b"body")
        client.worker.end(outcome)
    return await sent


@scenario
async def test_a_request_reaches_its_guest():
    """The guest of the route is called, and its response is the answer."""
    client = Client()
    response = await reply(client, "/app/%61?q=1")
    assert (response.status, bytes(response.body)) == (200, b"body")
    assert b"/app/%61?q=1" in client.worker.calls[0].stdin
    assert (client.app.requests, client.app.failures, client.app.in_flight) == (1, 0, 0)


@scenario
async def test_no_route():
    """A path without a route is a 404 that no guest sees."""
    client = Client()
    assert (await reply(client, "/other")).status == 404
    assert not client.worker.calls


@scenario
async def test_a_question_to_the_whole_server():
    """`OPTIONS *` goes to the guest at the root, and to nobody where there is none."""
    assert (await reply(Client(), "*", "OPTIONS")).status == 404
    assert (await reply(Client(route="/..."), "*", "OPTIONS")).status == 200


@scenario
async def test_health():
    """The health check is answered by the host; it fails once the app is being stopped."""
    client = Client()
    assert (await reply(client, HEALTH)).status == 200
    client.app.draining = True
    assert (await reply(client, HEALTH)).status == 503
    assert not client.worker.calls


@pytest.mark.parametrize(("late", "status", "event"), [(False, 500, "trap"), (True, 504, "timeout")])
def test_a_failure(late, status, event):
    """A failure is told to the operator in full, to the client not at all."""

    async def run():
        client = Client()
        response = await reply(client, outcome=Outcome("wasm trap: secret inside", late))
        assert response.status == status
        assert b"secret" not in response.body
        assert client.log == [(event, "GET /app: wasm trap: secret inside")]
        assert (client.app.failures, client.app.in_flight) == (1, 0)

    asyncio.run(run())


@scenario
async def test_too_many_wait():
    """Beyond so many requests that wait for their turn, the next is told to come back."""
    client = Client(most_waiting=2)
    sent = [client.send() for _ in range(3)]
    await asyncio.sleep(0)
    refused = await client.send()
    assert refused.status == 503
    assert (b"retry-after", b"1") in refused.headers
    for _ in sent:
        client.worker.answer()
    assert [answer.status for answer in await asyncio.gather(*sent)] == [200] * 3
    assert (client.app.requests, client.app.failures) == (3, 0)
