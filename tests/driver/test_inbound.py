"""Request bodies that are read while they come, over real sockets."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from tests.driver.served import (
    CHUNKED,
    CLOSING,
    GET,
    MIB,
    POST,
    Part,
    Served,
    read_whole,
    run,
    status,
    statuses,
)
from wasmdeploy_driver.http.bounds import MOST_WAITING, PASS_ON_BYTES, Bounds, Budget, Patience
from wasmdeploy_driver.http.head import Refused
from wasmdeploy_driver.http.inbound import InboundBody
from wasmdeploy_driver.http.message import BrokenBodyError, Request, Response

STREAM = Bounds(stream=True)
EXPECT = POST + b"Expect: 100-continue\r\n"


async def echo(request: Request) -> Response:
    return Response(200, (), await read_whole(request))


@pytest.mark.parametrize("size", [0, 1, 5000, 3 * MIB])
@pytest.mark.parametrize("stream", [False, True])
def test_bodies_arrive(size: int, stream: bool) -> None:
    """A body arrives as it was sent, by its length or in chunks, and the next request begins behind it."""

    async def scenario(served: Served) -> None:
        served.answer = echo
        body = (bytes(range(256)) * (size // 256 + 1))[:size]
        chunks = b"".join(b"%X\r\n%b\r\n" % (len(part), part) for part in (body[:7], body[7:]) if part)
        sent = POST + b"Content-Length: %d\r\n\r\n%b" % (size, body) + CHUNKED + chunks + b"0\r\n\r\n"
        answer = await served.exchange(sent + CLOSING)
        assert statuses(answer) == [200] * 3
        assert len(served.asked) == 3
        assert not size or answer.count(body) >= 2

    run(scenario, bounds=Bounds(stream=stream))


def test_small_bodies_stay_whole() -> None:
    """What has come at once is passed on whole, also where bodies are streamed."""

    async def scenario(served: Served) -> None:
        await served.exchange(POST + b"Content-Length: 3\r\n\r\nabc" + CLOSING)
        assert [(request.body, request.rest) for request in served.asked] == [(b"abc", None), (b"", None)]

    run(scenario, bounds=STREAM)


def test_whole_requests_only() -> None:
    """Without `stream` an application is never given a body that is still to come."""

    async def scenario(served: Served) -> None:
        async with served.connect() as client:
            client.writer.write(POST + b"Content-Length: 3\r\n\r\na")
            await asyncio.sleep(0.05)  # longer than the patience of a front that streams
            assert not served.asked
            client.writer.write(b"bc" + CLOSING)
            await client.rest()
        assert (served.asked[0].body, served.asked[0].rest) == (b"abc", None)

    run(scenario)


def test_a_client_that_waits_for_the_answer() -> None:
    """It is heard before it has sent all, and both go on in turns."""

    async def scenario(served: Served) -> None:
        async def turns(request: Request) -> Response:
            return Response(200, (), request.body.upper(), rest=Upper(request))

        class Upper:
            trailers = ()

            def __init__(self, request: Request) -> None:
                self.rest = request.rest

            async def read(self) -> bytes:
                return (await self.rest.read()).upper()

            def close(self) -> None:
                self.rest.close()

        served.answer = turns
        async with served.connect() as client:
            client.writer.write(CHUNKED + b"1\r\na\r\n")
            head = await client.reader.readuntil(b"\r\n\r\n")
            assert b"transfer-encoding: chunked" in head
            assert await client.reader.readexactly(6) == b"1\r\nA\r\n"
            for letter in b"bcd":
                client.writer.write(b"1\r\n%c\r\n" % letter)
                assert await client.reader.readexactly(6) == b"1\r\n%c\r\n" % (letter - 32)
            client.writer.write(b"0\r\n\r\n")
            assert await client.reader.readexactly(5) == b"0\r\n\r\n"
            client.writer.write(GET + b"\r\n")  # the connection is kept
            assert status(await client.reader.readuntil(b"\r\n\r\n")) == 200

    run(scenario, bounds=STREAM)


def test_back_pressure() -> None:
    """A body that the application does not take is left to its client beyond a bound, and nothing is lost."""
    size = 64 * MIB

    async def scenario(served: Served) -> None:
        async def slow(request: Request) -> Response:
            served.waiting.set()
            await served.go.wait()
            length = len(request.body)
            most = 0
            while part := await request.rest.read():
                most = max(most, len(part))
                length += len(part)
            return Response(200, (), b"%d %d" % (length, most))

        served.answer = slow
        async with served.connect() as client:

            async def send() -> None:
                client.writer.write(POST + b"Content-Length: %d\r\n\r\n" % size)
                for _ in range(64):
                    client.writer.write(bytes(MIB))
                    await client.writer.drain()

            sending = asyncio.create_task(send())
            await served.waiting.wait()
            (connection,) = served.front._shared.connections
            while not connection._intake.paused:
                await asyncio.sleep(0)
            held = connection._body.size + connection._reader.buffered
            assert held < MOST_WAITING + (512 << 10)
            assert len(served.asked[0].body) < PASS_ON_BYTES + (512 << 10)
            assert not sending.done()
            served.go.set()
            length, most = (await client.response())[1].split()
            assert int(length) == size
            assert int(most) < 512 << 10
            await sending

    run(scenario, bounds=Bounds(body=0, stream=True))


def test_100_continue_when_the_body_is_read() -> None:
    """100 is sent when the application first reads; one that answers without the body never asks for it."""

    async def scenario(served: Served) -> None:
        async def wait_and_read(request: Request) -> Response:
            served.waiting.set()
            await served.go.wait()
            return Response(200, (), await read_whole(request))

        served.answer = wait_and_read
        async with served.connect() as client:
            client.writer.write(EXPECT + b"Content-Length: 3\r\n\r\n")
            await served.waiting.wait()
            assert not client.reader._buffer
            served.go.set()
            assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            client.writer.write(b"abc")
            assert (await client.response())[1] == b"abc"
            client.writer.write(GET + b"\r\n")
            await client.response()
        served.answer = lambda _: Response(403)
        answer = await served.exchange(EXPECT + b"Content-Length: 3\r\n\r\n")
        assert statuses(answer) == [403]
        assert b"connection: close" in answer
        assert statuses(await served.exchange(EXPECT + b"Content-Length: %d\r\n\r\n" % (65 * MIB))) == [413]

    run(scenario, bounds=STREAM)


def test_an_answer_without_the_rest_ends_the_connection() -> None:
    """The answer arrives although the client still sends, and what it sends is never read as a request."""

    async def scenario(served: Served) -> None:
        async with served.connect() as client:
            client.writer.write(POST + b"Content-Length: 9000000\r\n\r\n")
            await served.answered.wait()
            with contextlib.suppress(ConnectionError):
                for _ in range(8):
                    client.writer.write((GET + b"\r\n") * 40_000)
                    await client.writer.drain()
            answer = await client.rest()
        assert statuses(answer) == [200]
        assert b"connection: close" in answer
        assert len(served.asked) == 1

    run(scenario, bounds=STREAM)


@pytest.mark.parametrize("close", [False, True])
def test_an_unwanted_body_beside_a_long_answer(close: bool) -> None:
    """A body that is closed is read and dropped while the answer goes out, so that neither waits for the other."""

    async def scenario(served: Served) -> None:
        rest = Part(b"a")

        def ignore(request: Request) -> Response:
            if close:
                request.rest.close()
                request.rest.close()
            return Response(200, (), b"", rest)

        served.answer = ignore
        async with served.connect() as client:
            client.writer.write(CHUNKED)
            await client.reader.readuntil(b"1\r\na\r\n")
            size = 16 * MIB if close else 10
            client.writer.write(b"%x\r\n" % size + bytes(size) + b"\r\n")
            if close:
                await client.writer.drain()
            rest.queue.put_nowait(None)
            assert await client.rest() == b"0\r\n\r\n"

    run(scenario, bounds=STREAM)


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (POST + b"Content-Length: 1001\r\n\r\nx", 413),
        (CHUNKED + b"258\r\n" + b"x" * 600 + b"\r\n", 413),
        (CHUNKED + b"1\r\na\r\n", 400),
    ],
)
def test_a_body_that_turns_out_bad(sent: bytes, code: int) -> None:
    """Too large or malformed: the application's read raises, and the client hears why, whatever it answers."""
    broken: list[str] = []

    async def scenario(served: Served) -> None:
        async def read(request: Request) -> Response:
            served.waiting.set()
            try:
                await read_whole(request)
            except BrokenBodyError as error:
                broken.append(str(error))
            return Response(500)

        served.answer = read
        async with served.connect() as client:
            client.writer.write(sent)
            if sent.startswith(CHUNKED):
                await served.waiting.wait()
                client.writer.write(b"258\r\n" + b"x" * 600 + b"\r\n" if code == 413 else b"z\r\n")
            client.writer.write(GET + b"\r\n")
            assert statuses(await client.rest()) == [code]
        assert len(served.asked) == len(broken) == sent.startswith(CHUNKED)

    run(scenario, bounds=Bounds(body=1000, stream=True))


@pytest.mark.parametrize("handled", [False, True])
def test_a_client_that_stops_inside_its_body(handled: bool) -> None:
    """It gets 408 in time, as long as its answer has not begun."""

    async def scenario(served: Served) -> None:
        async def read(request: Request) -> Response:
            try:
                return Response(200, (), await read_whole(request))
            except BrokenBodyError:
                if not handled:
                    raise
                return Response(500)

        served.answer = read
        assert statuses(await served.exchange(POST + b"Content-Length: 3\r\n\r\na")) == [408]

    run(scenario, bounds=STREAM, patience=Patience(body=0.05))


@pytest.mark.parametrize("half", [False, True])
def test_a_client_that_leaves_inside_its_body(half: bool) -> None:
    """The application's read raises; who has only closed its sending side hears that the body was cut off."""

    async def scenario(served: Served) -> None:
        failed = asyncio.Event()

        async def read(request: Request) -> Response:
            served.waiting.set()
            try:
                await read_whole(request)
            except BrokenBodyError:
                failed.set()
                raise
            raise AssertionError

        served.answer = read
        async with served.connect() as client:
            client.writer.write(POST + b"Content-Length: 5\r\n\r\nabc")
            await served.waiting.wait()
            if half:
                client.writer.write_eof()
                assert statuses(await client.rest()) == [400]
        await failed.wait()

    run(scenario, bounds=STREAM)


def test_trailers() -> None:
    """Fields behind a body are the request's trailers, or its rest's; those of the head's business are dropped."""
    fields = (
        b"X-Sum: 1\r\nHost: b\r\nContent-Type: a\r\nAuthorization: x\r\nX-Forwarded-For: 1\r\nx-sum:  2 \r\n"
    )
    kept = ((b"x-sum", b"1"), (b"x-sum", b"2"))

    async def scenario(served: Served) -> None:
        whole = CHUNKED + b"1\r\na\r\n0\r\n" + fields + b"\r\n"
        await served.exchange(whole + CLOSING)
        assert [request.trailers for request in served.asked] == [kept, ()]
        served.answer = echo
        async with served.connect() as client:
            client.writer.write(CHUNKED + b"1\r\na\r\n")
            while len(served.asked) < 3:
                await asyncio.sleep(0)
            client.writer.write(b"0\r\n" + fields + b"\r\n")
            await client.response()
        request = served.asked[-1]
        assert (request.trailers, request.rest.trailers) == ((), kept)
        many = CHUNKED + b"0\r\n" + b"a:1\r\n" * 300 + b"\r\n"
        assert statuses(await served.exchange(many + GET + b"\r\n")) == [431]

    run(scenario, bounds=STREAM)


def test_streams_need_little_of_the_budget() -> None:
    """Where bodies take all memory that they may, a stream goes on part by part, and is not refused."""

    async def scenario(served: Served) -> None:
        served.answer = echo
        body = bytes(range(256)) * 4000
        answer = await served.exchange(POST + b"Content-Length: %d\r\n\r\n" % len(body) + body + CLOSING)
        assert statuses(answer) == [200, 200]
        assert body in answer
        assert served.front._budget._left == 1000

    run(scenario, bounds=STREAM, most_body_bytes=1000)


class Quiet:
    """A source that nobody listens to."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def wanted(self) -> None:
        self.heard.append("wanted")

    def taken(self, size: int) -> None:
        self.heard.append(f"taken {size}")

    def left(self) -> None:
        self.heard.append("left")


def test_a_body_by_itself() -> None:
    """It ends, fails and closes once; what waits is taken from the budget and given back."""

    async def scenario() -> None:
        source, budget = Quiet(), Budget(100)
        body = InboundBody(source, budget, 5)
        body.feed(b"a" * 60)
        assert not body.full
        body.feed(b"b" * 60)
        assert body.full  # the budget has no more
        assert await body.read() == b"a" * 60 + b"b" * 60
        assert budget._left == 100
        body.feed(b"c")
        body.end(((b"x", b"1"),))
        body.fail(Refused(400, "late"))
        assert [await body.read(), await body.read(), body.trailers] == [b"c", b"", ((b"x", b"1"),)]
        body.close()
        assert source.heard == ["taken 120", "taken 1"]

        body = InboundBody(source, budget, 5)
        body.feed(b"a")
        body.close()
        body.close()
        body.feed(b"b")
        with pytest.raises(BrokenBodyError, match="closed"):
            await body.read()
        assert (source.heard[-1], source.heard.count("left"), budget._left) == ("left", 1, 100)

        body = InboundBody(source, budget, 5)
        reading = asyncio.create_task(body.read())
        while source.heard[-1] != "wanted":
            await asyncio.sleep(0)
        body.fail(Refused(400, "cut off"))
        with pytest.raises(BrokenBodyError, match="cut off"):
            await reading

    asyncio.run(scenario())
