import asyncio

import pytest

from tests.driver.fake_workers import FakeWorker, answer
from wasmdeploy_driver.app.exchange import Exchange
from wasmdeploy_driver.app.quota import Quota
from wasmdeploy_driver.app.target import FrameTarget
from wasmdeploy_driver.errors import GuestTrap
from wasmdeploy_driver.guest.call import SUCCESS, Outcome
from wasmdeploy_driver.http.bounds import Budget
from wasmdeploy_driver.http.message import BrokenBodyError, Request


def begun(method="GET", most_bytes=0, room=None):
    """An exchange whose guest runs, and its worker."""
    worker = FakeWorker()
    target = FrameTarget(0, quota=Quota(response_bytes=most_bytes))
    exchange = Exchange(target, Request(method, "http", b"a", b"/", ()), "/...", room)
    exchange.begin(worker)
    worker._ended = exchange.ended
    return exchange, worker


def run(scenario):
    """Run a coroutine function in a loop of its own."""
    asyncio.run(scenario())


def test_a_whole_response():
    """What a guest wrote until its end is one whole response."""

    async def scenario():
        exchange, worker = begun()
        worker.answer(b"x" * 200_000)
        response = await exchange.response
        assert (bytes(response.body), response.rest) == (b"x" * 200_000, None)

    run(scenario)


@pytest.mark.parametrize("body", [b"", b"x" * 11])
def test_a_response_that_is_known_to_be_too_large(body):
    """A length over the limit fails the request while there is still time to say so, declared or seen."""

    async def scenario():
        exchange, worker = begun(most_bytes=10)
        exchange.watch()
        worker.write(answer(body, headers=[] if body else [(b"content-length", b"11")]))
        with pytest.raises(GuestTrap, match="more than 10 bytes"):
            await exchange.response
        assert worker.muted

    run(scenario)


def test_a_length_without_a_body():
    """What a HEAD request's response declares is the length of nothing that comes."""

    async def scenario():
        exchange, worker = begun("HEAD", most_bytes=10)
        exchange.watch()
        worker.write(answer(b"", headers=[(b"content-length", b"11")]))
        assert (await exchange.response).status == 200

    run(scenario)


def test_trailers():
    """Trailers of a whole response go with it."""

    async def scenario():
        exchange, worker = begun()
        worker.write(answer())
        worker.end(Outcome(trailers=((b"X-Sum", b"1"),)))
        assert (await exchange.response).trailers == ((b"x-sum", b"1"),)

    run(scenario)


def test_a_response_that_comes_as_it_is_written():
    """While the guest runs, its head and each part of the body come as soon as they are written."""

    async def scenario():
        exchange, worker = begun()
        exchange.watch()
        worker.write(answer(b"one"))
        response = await exchange.response
        assert (response.body, response.rest) == (b"one", exchange)
        worker.write(b"two")
        assert await exchange.read() == b"two"
        worker.write(b"three")
        worker.end(Outcome(trailers=((b"a", b"b"),)))
        assert await exchange.read() == b"three"
        assert await exchange.read() == b""
        assert exchange.trailers == ((b"a", b"b"),)

    run(scenario)


def test_a_head_in_pieces():
    """The response begins with the last byte of its head."""

    async def scenario():
        exchange, worker = begun()
        exchange.watch()
        head = answer(b"")
        for byte in head[:-1]:
            worker.write(bytes((byte,)))
            await asyncio.sleep(0.001)
        assert not exchange.answered
        worker.write(head[-1:])
        assert (await exchange.response).status == 200

    run(scenario)


def test_a_failure_before_the_head():
    """A guest that failed before its head is a failure, whatever else it wrote."""

    async def scenario():
        exchange, worker = begun()
        worker.end(Outcome("wasm trap"))
        with pytest.raises(GuestTrap, match="wasm trap"):
            await exchange.response

    run(scenario)


def test_a_failure_before_the_end():
    """A guest that is done at once and failed behind its head is a failure too: nothing has gone out."""

    async def scenario():
        exchange, worker = begun()
        worker.write(answer())
        worker.end(Outcome("wasm trap"))
        with pytest.raises(GuestTrap, match="wasm trap"):
            await exchange.response

    run(scenario)


def test_a_failure_within_the_body():
    """Once the head has gone out, a failure breaks the body off, and is told."""

    async def scenario():
        exchange, worker = begun()
        told = []
        exchange.on_failure = told.append
        exchange.watch()
        worker.write(answer(b"one"))
        await exchange.response
        worker.end(Outcome("wasm trap"))
        with pytest.raises(BrokenBodyError):
            await exchange.read()
        assert [error.message for error in told] == ["wasm trap"]

    run(scenario)


def test_a_reader_that_is_slow():
    """A body that nobody takes is read ahead to a bound; the rest waits in the pipe."""

    async def scenario():
        exchange, worker = begun(room=Budget(0))
        exchange.watch()
        worker.write(answer(b""))
        await exchange.response
        for _ in range(8):
            worker.write(b"x" * 65_536)
        for _ in range(20):
            await asyncio.sleep(0.001)
        assert exchange._held < 400_000
        size = 0
        while size < 8 * 65_536:
            size += len(await exchange.read())
        worker.end()
        assert await exchange.read() == b""

    run(scenario)


def test_a_guest_does_not_wait_for_a_slow_reader():
    """While there is room a body is read ahead, and given back as it is taken, or when nobody takes it."""

    async def scenario():
        room = Budget(1 << 20)
        for taken in (True, False):
            exchange, worker = begun(room=room)
            exchange.watch()
            worker.write(answer(b""))
            await exchange.response
            for _ in range(12):
                worker.write(b"x" * 65_536)
                await asyncio.sleep(0.002)
            assert exchange._held > 500_000
            assert not room.take(1 << 20)
            worker.end()
            while taken and await exchange.read():
                pass
            exchange.close()
            assert room.take(1 << 20)
            room.give(1 << 20)

    run(scenario)


def test_nobody_reads_on():
    """When the client has gone, the guest's next write fails; its end is then no failure of anybody."""

    async def scenario():
        exchange, worker = begun()
        exchange.watch()
        worker.write(answer(b"one"))
        await exchange.response
        exchange.close()
        exchange.close()
        assert worker.muted
        worker.end(SUCCESS)

    run(scenario)


@pytest.mark.parametrize("streamed", [False, True])
def test_a_response_that_is_too_large(streamed):
    """A response beyond its bound is a failure, or breaks off."""

    async def scenario():
        exchange, worker = begun(most_bytes=10)
        if not streamed:
            worker.answer(b"x" * 11)
            with pytest.raises(GuestTrap, match="more than 10 bytes"):
                await exchange.response
            return
        exchange.watch()
        worker.write(answer(b"x" * 6))
        await exchange.response
        worker.write(b"x" * 6)
        with pytest.raises(BrokenBodyError):
            await exchange.read()
        assert worker.muted

    run(scenario)
