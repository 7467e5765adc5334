"""Answers that are written as they come, over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct

import pytest

from tests.driver.served import CLOSING, GET, MIB, POST, Part, Served, run, status, statuses
from wasmdeploy_driver.http.bounds import Bounds, Patience
from wasmdeploy_driver.http.message import BrokenBodyError, Request, Response

LENGTH_5 = ((b"content-length", b"5"),)


def streamed(rest: Part, headers=(), body: bytes = b"", code: int = 200):
    return lambda request: Response(code, headers, body, rest)


def test_chunks() -> None:
    """Without a length the answer is chunked, and the connection is kept."""

    async def scenario(served: Served) -> None:
        served.answer = streamed(Part(b"bc", b"d" * 20, None), ((b"x", b"1"),), b"a")
        async with served.connect() as client:
            client.writer.write(GET + b"\r\n")
            head = await client.reader.readuntil(b"\r\n\r\n")
            assert b"transfer-encoding: chunked\r\n" in head
            assert b"content-length" not in head
            assert b"connection" not in head
            assert b"\r\nx: 1\r\n" in head
            chunks = b"1\r\na\r\n2\r\nbc\r\n14\r\n" + b"d" * 20 + b"\r\n0\r\n\r\n"
            assert await client.reader.readexactly(len(chunks)) == chunks
            served.answer = lambda _: Response(200)
            client.writer.write(CLOSING)
            assert statuses(await client.rest()) == [200]

    run(scenario)


@pytest.mark.parametrize("head_has", [b"", b"a"])
def test_each_part_leaves_at_once(head_has: bytes) -> None:
    """The head does not wait for the body, and no part for the next."""

    async def scenario(served: Served) -> None:
        rest = Part()
        served.answer = streamed(rest, (), head_has)
        async with served.connect() as client:
            client.writer.write(GET + b"\r\n")
            await client.reader.readuntil(b"\r\n\r\n")
            if head_has:
                assert await client.reader.readexactly(6) == b"1\r\na\r\n"
            for letter in b"xyz":
                rest.queue.put_nowait(bytes((letter,)))
                assert await client.reader.readexactly(6) == b"1\r\n%c\r\n" % letter
            rest.queue.put_nowait(None)
            assert await client.reader.readexactly(5) == b"0\r\n\r\n"
            assert rest.closed.is_set()

    run(scenario)


@pytest.mark.parametrize("parts", [(b"", b"abcde"), (b"ab", b"cde"), (b"abcde",), (b"a", b"bc", b"de")])
def test_a_declared_length(parts: tuple[bytes, ...]) -> None:
    """It is kept, the body is not chunked, and the next answer follows."""

    async def scenario(served: Served) -> None:
        served.answer = streamed(Part(*parts[1:], None), LENGTH_5, parts[0])
        async with served.connect() as client:
            client.writer.write(GET + b"\r\n")
            head, body = await client.response()
            assert b"transfer-encoding" not in head
            assert body == b"abcde"
            served.answer = lambda _: Response(200)
            client.writer.write(CLOSING)
            assert statuses(await client.rest()) == [200]

    run(scenario)


@pytest.mark.parametrize(
    "parts", [(b"", b"abc"), (b"abc",), (b"", b"abcde", b"f"), (b"ab", b"cdef"), (b"abcde", b"f"), (b"a", b"b" * 9)]
)  # fmt: skip
def test_another_length_than_declared(parts: tuple[bytes, ...]) -> None:
    """More or fewer bytes: the client never has five of them, and sees the end of the connection."""

    async def scenario(served: Served) -> None:
        rest = Part(*parts[1:], None)
        served.answer = streamed(rest, LENGTH_5, parts[0])
        answer = await served.exchange(GET + b"\r\n" + GET + b"\r\n")
        assert statuses(answer) == [200]
        assert len(answer.partition(b"\r\n\r\n")[2]) < 5
        assert len(served.asked) == 1
        assert rest.closed.is_set()

    run(scenario)


def test_a_length_that_is_wrong_at_once(capfd: pytest.CaptureFixture[str]) -> None:
    """Where nothing is out yet the client hears of the failure."""

    async def scenario(served: Served) -> None:
        served.answer = streamed(Part(None), LENGTH_5, b"abcdef")
        assert statuses(await served.exchange(GET + b"\r\n")) == [500]
        served.answer = streamed(Part(None), ((b"content-length", b"five"),))
        assert statuses(await served.exchange(GET + b"\r\n")) == [500]

    run(scenario)
    assert "five" in capfd.readouterr().err


@pytest.mark.parametrize("headers", [(), ((b"content-length", b"9"),)])
@pytest.mark.parametrize("error", [BrokenBodyError("a trap"), ValueError("a bug")])
def test_a_body_that_breaks(headers, error: Exception, capfd: pytest.CaptureFixture[str]) -> None:
    """What came before arrives, the end does not; only a bug of ours is told."""

    async def scenario(served: Served) -> None:
        served.answer = streamed(Part(b"ab", error), headers)
        answer = await served.exchange(GET + b"\r\n" + GET + b"\r\n")
        assert statuses(answer) == [200]
        assert b"ab" in answer
        assert b"0\r\n\r\n" not in answer
        assert len(served.asked) == 1

    run(scenario)
    assert ("a bug" in capfd.readouterr().err) == isinstance(error, ValueError)


def test_http_1_0_until_close() -> None:
    """Without chunks only the end of the connection tells the end of the body; a broken one is reset."""

    async def scenario(served: Served) -> None:
        served.answer = streamed(Part(b"ab", b"c", None))
        keep = b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
        head, _, body = (await served.exchange(keep)).partition(b"\r\n\r\n")
        assert body == b"abc"
        assert b"transfer-encoding" not in head
        assert b"connection: close" in head
        rest = Part(b"ab")
        served.answer = streamed(rest)
        async with served.connect() as client:
            client.writer.write(keep)
            await client.reader.readuntil(b"ab")
            rest.queue.put_nowait(BrokenBodyError("a trap"))
            with pytest.raises(ConnectionResetError):
                await client.rest()
        served.answer = streamed(Part(b"abcde", None), LENGTH_5)
        async with served.connect() as client:
            client.writer.write(keep)
            head, body = await client.response()
            assert (b"connection: keep-alive" in head, body) == (True, b"abcde")

    run(scenario)


TRAILERS = ((b"X-Sum", b"1"), (b"content-length", b"3"), (b"x-bad", b"a\r\nb: c"), (b"set-cookie", b"a"))


@pytest.mark.parametrize("whole", [False, True])
def test_trailers(whole: bool) -> None:
    """They go out behind a chunked body, of a whole one too; those that may not stand there are dropped."""

    async def scenario(served: Served) -> None:
        def answer(_: Request) -> Response:
            if whole:
                return Response(200, (), b"abc", trailers=TRAILERS)
            return Response(200, (), b"", Part(b"abc", None, trailers=TRAILERS))

        served.answer = answer
        got = await served.exchange(CLOSING)
        assert got.endswith(b"\r\n\r\n3\r\nabc\r\n0\r\nx-sum: 1\r\n\r\n")
        got = await served.exchange(b"GET / HTTP/1.0\r\n\r\n")
        assert got.endswith(b"\r\n\r\nabc")
        assert b"chunked" not in got
        served.answer = lambda request: Response(200, LENGTH_5, b"abcde", None, TRAILERS)
        assert (await served.exchange(CLOSING)).endswith(b"\r\n\r\nabcde")

    run(scenario)


@pytest.mark.parametrize(("method", "code"), [(b"HEAD", 200), (b"GET", 204), (b"GET", 304)])
def test_answers_without_a_body(method: bytes, code: int) -> None:
    """The rest is closed and never read, nothing is chunked, and the next answer follows."""

    async def scenario(served: Served) -> None:
        rest = Part(b"abc", None)
        served.answer = streamed(rest, (), b"x", code)
        answer = await served.exchange(
            method + b" / HTTP/1.1\r\nHost: a\r\n\r\n" + CLOSING.replace(b"GET", method)
        )
        assert statuses(answer) == [code, code]
        assert answer.endswith(b"\r\n\r\n")
        assert b"chunked" not in answer
        assert (rest.reads, rest.closed.is_set()) == (0, True)

    run(scenario)


def test_back_pressure() -> None:
    """The next part is not asked for before the client has taken this one."""

    async def scenario(served: Served) -> None:
        count = 64
        rest = Part(*[bytes(MIB)] * count, None)
        served.answer = streamed(rest)
        async with served.connect() as client:
            client.writer.transport.pause_reading()
            client.writer.write(GET + b"\r\n")
            await served.answered.wait()
            (connection,) = served.front._shared.connections
            while not connection._gate.closed:
                await asyncio.sleep(0)
            await asyncio.sleep(0.05)
            assert rest.reads < 20
            client.writer.transport.resume_reading()
            got = 0
            while got < count * MIB:
                got += len(await client.reader.read(MIB))
            assert rest.reads == count + 1 or not rest.closed.is_set()

    run(scenario)


def test_a_client_that_does_not_read() -> None:
    """It is cut off after a while, and the guest is told; a silent guest's client is not."""

    async def scenario(served: Served) -> None:
        rest, silent = Part(*[bytes(MIB)] * 64, None), Part(b"a")
        served.answer = lambda request: Response(
            200, (), b"", silent if request.target == b"/silent" else rest
        )
        async with served.connect() as patient, served.connect() as client:
            patient.writer.write(b"GET /silent HTTP/1.1\r\nHost: a\r\n\r\n")
            await patient.reader.readuntil(b"1\r\na\r\n")
            client.writer.transport.pause_reading()
            client.writer.write(GET + b"\r\n")
            await rest.closed.wait()
            silent.queue.put_nowait(b"b")
            silent.queue.put_nowait(None)
            assert await patient.reader.readexactly(11) == b"1\r\nb\r\n0\r\n\r\n"
        assert rest.reads < 20

    run(scenario, patience=Patience(idle=0.1))


def test_a_client_that_goes_away() -> None:
    """The rest is closed while the guest is silent, and nothing is left behind."""

    async def scenario(served: Served) -> None:
        rest = Part(b"a")
        served.answer = streamed(rest)
        async with served.connect() as client:
            client.writer.write(GET + b"\r\n")
            await client.reader.readuntil(b"1\r\na\r\n")
        await rest.closed.wait()
        while served.front._shared.connections:
            await asyncio.sleep(0)

    run(scenario)


@pytest.mark.parametrize("reset", [False, True])
def test_a_client_that_has_gone_before_the_answer(reset: bool) -> None:
    """Its rest is closed, at the latest when it is written to."""

    async def scenario(served: Served) -> None:
        rest = Part(b"a", b"b", b"c")
        served.answer = streamed(rest)
        async with served.connect() as client:
            if reset:
                client.writer.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                )
            client.writer.write(b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
            await served.waiting.wait()
        (connection,) = served.front._shared.connections
        while not (connection._lost if reset else connection._intake.ended):
            await asyncio.sleep(0)
        served.go.set()
        await rest.closed.wait()
        assert not (reset and rest.reads)

    run(scenario)


def test_a_client_that_has_only_ended_its_requests() -> None:
    """Who has asked for the end of the connection may close its sending side, and gets all of its answer."""

    async def scenario(served: Served) -> None:
        rest = Part(b"a")
        served.answer = streamed(rest)
        async with served.connect() as client:
            client.writer.write(CLOSING)
            await client.reader.readuntil(b"1\r\na\r\n")
            client.writer.write_eof()
            (connection,) = served.front._shared.connections
            while not connection._intake.ended:
                await asyncio.sleep(0)
            rest.queue.put_nowait(b"b")
            rest.queue.put_nowait(None)
            assert await client.rest() == b"1\r\nb\r\n0\r\n\r\n"

    run(scenario)


def test_stop() -> None:
    """An answer under way goes out to its end, then its connection is closed; abort ends it at once."""

    async def scenario(served: Served) -> None:
        rest, other = Part(b"a"), Part(b"a")
        served.answer = lambda request: Response(200, (), b"", other if request.target == b"/2" else rest)
        async with served.connect() as client, served.connect() as second:
            client.writer.write(GET + b"\r\n")
            second.writer.write(b"GET /2 HTTP/1.1\r\nHost: a\r\n\r\n")
            await client.reader.readuntil(b"1\r\na\r\n")
            await second.reader.readuntil(b"1\r\na\r\n")
            served.front.stop()
            client.writer.write(GET + b"\r\n")
            rest.queue.put_nowait(b"b")
            rest.queue.put_nowait(None)
            assert await client.rest() == b"1\r\nb\r\n0\r\n\r\n"
            assert len(served.asked) == 2
            served.front.abort()
            with contextlib.suppress(ConnectionError):
                assert await second.rest() == b""
            await other.closed.wait()
        await served.front.wait()

    run(scenario)


def test_others_are_served_meanwhile() -> None:
    """A slow answer holds up its own connection only."""

    async def scenario(served: Served) -> None:
        rest = Part(b"a")
        served.answer = lambda request: Response(200, (), b"", rest if request.target == b"/slow" else None)
        async with served.connect() as client:
            client.writer.write(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n" + GET + b"\r\n")
            await client.reader.readuntil(b"1\r\na\r\n")
            assert statuses(await served.exchange(CLOSING)) == [200]
            assert len(served.asked) == 2
            rest.queue.put_nowait(None)
            assert await client.reader.readexactly(5) == b"0\r\n\r\n"
            assert status(await client.reader.readuntil(b"\r\n\r\n")) == 200

    run(scenario)


def test_an_answer_waits_for_the_rest_of_a_small_request() -> None:
    """A proxy that hears the answer first may send no more, and break off: so it comes when the request has."""

    async def scenario(served: Served) -> None:
        rest = Part(b"a", None)
        served.answer = lambda request: Response(200, (), b"", rest if request.method == "POST" else None)
        async with served.connect() as client:
            client.writer.write(POST + b"Content-Length: 3\r\n\r\n")
            await served.answered.wait()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.reader.read(1), 0.2)
            client.writer.write(b"abc" + CLOSING)
            answer = await client.rest()
            assert b"1\r\na\r\n0\r\n\r\n" in answer
            assert statuses(answer) == [200, 200]  # and the connection was kept

    run(scenario, bounds=Bounds(stream=True))


@pytest.mark.parametrize("head", [b"Content-Length: 3\r\n", b"Content-Length: 999999\r\n",
                                  b"Transfer-Encoding: chunked\r\n"])  # fmt: skip
def test_a_request_that_does_not_come_is_answered(head: bytes) -> None:
    """A client that waits for its answer first gets it: after a while, or at once where much is to come."""

    async def scenario(served: Served) -> None:
        rest = Part(b"a", None)
        served.answer = lambda _: Response(200, (), b"", rest)
        async with served.connect() as client:
            client.writer.write(POST + head + b"\r\n")
            assert b"1\r\na\r\n0\r\n\r\n" in await client.rest()

    run(scenario, bounds=Bounds(stream=True), patience=Patience(early=0.1))
