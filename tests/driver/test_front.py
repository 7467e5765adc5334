"""The front over real sockets: what goes in byte for byte, what comes out."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import socket
import struct

import pytest

from tests.driver.served import CHUNKED, CLOSING, GET, MIB, POST, Served, run, status, statuses
from wasmdeploy_driver.http.bounds import Bounds, Patience
from wasmdeploy_driver.http.message import Request, Response


def test_the_request_is_raw() -> None:
    """The target is undecoded, header names are in lower case, values are bytes, order and repeats are kept."""

    async def scenario(served: Served) -> None:
        await served.exchange(
            b"QUERY /%61?b=%2F HTTP/1.1\r\nHost: a.test:8\r\nX-B:  \xff \t\r\nX-A: 1\r\nx-b:\r\n"
            b"Connection: close\r\n\r\n"
        )
        (request,) = served.asked
        assert request == Request(
            "QUERY", "http", b"a.test:8", b"/%61?b=%2F",
            ((b"host", b"a.test:8"), (b"x-b", b"\xff"), (b"x-a", b"1"), (b"x-b", b""), (b"connection", b"close")),
            b"", "127.0.0.1",
        )  # fmt: skip

    run(scenario)


def test_the_answer_has_no_header_too_many() -> None:
    """What the guest did not set is there only as HTTP asks: date, the length, the end of the connection."""

    async def scenario(served: Served) -> None:
        answer = await served.exchange(CLOSING)
        assert re.fullmatch(
            rb"HTTP/1\.1 200 OK\r\ndate: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT\r\n"
            rb"content-length: 1\r\nconnection: close\r\n\r\n/",
            answer,
        )
        served.answer = lambda _: Response(
            299, ((b"date", b"then"), (b"content-length", b"2")), memoryview(b"ab")
        )
        answer = await served.exchange(CLOSING)
        assert answer == b"HTTP/1.1 299 \r\ndate: then\r\ncontent-length: 2\r\nconnection: close\r\n\r\nab"

    run(scenario)


@pytest.mark.parametrize("code", [204, 304])
def test_an_answer_without_a_body(code: int) -> None:
    """204 and 304 have neither a body nor a length that nobody set."""

    async def scenario(served: Served) -> None:
        served.answer = lambda _: Response(code)
        answer = await served.exchange(GET + b"\r\n" + CLOSING)
        assert statuses(answer) == [code, code]
        assert b"content-length" not in answer

    run(scenario)


def test_head() -> None:
    """HEAD gets the guest's headers and no body, and the next answer follows at once."""

    async def scenario(served: Served) -> None:
        served.answer = lambda _: Response(200, ((b"content-length", b"5"),), b"12345")
        answer = await served.exchange(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n" + CLOSING)
        assert statuses(answer) == [200, 200]
        assert answer.count(b"12345") == 1
        assert answer.endswith(b"12345")
        served.answer = lambda _: Response(200, (), b"12345")
        assert b"content-length" not in await served.exchange(
            b"HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        )

    run(scenario)


def test_keep_alive() -> None:
    """A connection answers one request after the other."""

    async def scenario(served: Served) -> None:
        async with served.connect() as client:
            for number in range(3):
                client.writer.write(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number)
                head, body = await client.response()
                assert body == b"/%d" % number
                assert b"connection" not in head

    run(scenario)


@pytest.mark.parametrize(
    ("asks", "end", "leaves"),
    [
        (b"/wait", "close", True),
        (b"/wait", "half", True),
        (b"/wait", "reset", True),
        (b"/wait?close", "half", False),
    ],
)
def test_a_client_that_leaves_before_its_answer(asks: bytes, end: str, leaves: bool) -> None:
    """Whoever has the request is told; a client that only sends no more waits, on a connection that ends anyway."""

    async def scenario(served: Served) -> None:
        client = socket.create_connection(served.address)
        last = b"Connection: close\r\n" if asks.endswith(b"close") else b""
        client.sendall(b"GET %b HTTP/1.1\r\nHost: a\r\n%b\r\n" % (asks, last))
        await served.waiting.wait()
        (request,) = served.asked
        assert not request.left()
        if end == "half":
            client.shutdown(socket.SHUT_WR)
        else:
            if end == "reset":
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
        (connection,) = served.front._shared.connections
        async with asyncio.timeout(20):
            while not (connection._intake.ended or connection._lost):
                await asyncio.sleep(0.001)
        assert request.left() == leaves
        served.go.set()
        await served.answered.wait()
        client.close()

    run(scenario)


@pytest.mark.parametrize("end", ["stop", "pause"])
def test_a_client_that_is_accepted_at_the_end(end: str) -> None:
    """Who was accepted the moment before is answered."""

    async def scenario(served: Served) -> None:
        loop = asyncio.get_running_loop()
        with socket.create_connection(served.address, 30) as client:
            client.sendall(CLOSING)
            # Right behind the call that accepts, and before the connection has its protocol.
            loop.call_soon(loop.call_soon, getattr(served.front, end))
            answer = await asyncio.to_thread(client.makefile("rb").read)
        assert statuses(answer) == [200]

    run(scenario)


def test_pipelined_requests_are_answered_in_order() -> None:
    """A request is not started before the one in front of it is answered."""

    async def scenario(served: Served) -> None:
        async with served.connect() as client:
            client.writer.write(
                b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n" + CLOSING
            )
            await served.waiting.wait()
            assert len(served.asked) == 1
            served.go.set()
            assert re.findall(rb"\r\n\r\n(/[a-z0-9]*)", await client.rest()) == [b"/wait", b"/2", b"/"]

    run(scenario)


def test_bytes_one_by_one() -> None:
    """Requests may come in any pieces."""

    async def scenario(served: Served) -> None:
        async with served.connect() as client:
            client.writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in CHUNKED + b"3;x=y\r\nabc\r\n0\r\nT: 1\r\n\r\n" + CLOSING:
                client.writer.write(bytes((byte,)))
                await client.writer.drain()
            assert statuses(await client.rest()) == [200, 200]
        assert [request.body for request in served.asked] == [b"abc", b""]

    run(scenario)


def test_pipelining_is_bounded() -> None:
    """While a request is answered, what a client sends is left to TCP beyond a bound; nothing of it is lost."""

    async def scenario(served: Served) -> None:
        count = 40_000
        async with served.connect() as client:
            client.writer.write(b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n" + (GET + b"\r\n") * count + CLOSING)
            await served.waiting.wait()
            (connection,) = served.front._shared.connections
            async with asyncio.timeout(30):
                while not connection._intake.paused:
                    await asyncio.sleep(0)
            assert connection._reader.buffered < MIB
            served.go.set()
            answer = await client.rest()
        assert len(served.asked) == count + 2
        assert answer.count(b"HTTP/1.1 200 OK") == count + 2

    run(scenario)


@pytest.mark.parametrize("keep", [False, True])
def test_http_1_0(keep: bool) -> None:
    """HTTP/1.0 closes after the answer, unless keep-alive is asked for, which is then confirmed."""

    async def scenario(served: Served) -> None:
        async with served.connect() as client:
            client.writer.write(b"GET /1 HTTP/1.0\r\n" + b"Connection: Keep-Alive\r\n" * keep + b"\r\n")
            head, body = await client.response()
            assert body == b"/1"
            assert (b"connection: keep-alive" if keep else b"connection: close") in head
            if keep:
                client.writer.write(b"GET /2 HTTP/1.0\r\n\r\n")
                assert (await client.response())[1] == b"/2"
            assert await client.rest() == b""

    run(scenario)


@pytest.mark.parametrize("size", [0, 1, 5000, 3 * MIB])
def test_bodies(size: int) -> None:
    """A body arrives whole, by its length or in chunks, and the next request begins behind it."""

    async def scenario(served: Served) -> None:
        body = bytes(range(256)) * (size // 256 + 1)
        body = body[:size]
        chunks = b"".join(b"%X\r\n%b\r\n" % (len(part), part) for part in (body[:7], body[7:]) if part)
        sent = (
            POST + b"Content-Length: %d\r\n\r\n%b" % (size, body) + CHUNKED + chunks + b"0\r\n\r\n" + CLOSING
        )
        assert statuses(await served.exchange(sent)) == [200] * 3
        assert [request.body for request in served.asked] == [body, body, b""]

    run(scenario)


def test_trailers_are_left_out() -> None:
    """Trailers become no headers, neither of their own request nor of the next."""

    async def scenario(served: Served) -> None:
        sent = CHUNKED + b"1\r\na\r\n0\r\nX-Trailer: 1\r\nHost: b\r\n\r\n" + CLOSING
        assert statuses(await served.exchange(sent)) == [200, 200]
        for request in served.asked:
            assert request.authority == b"a"
            assert b"x-trailer" not in dict(request.headers)

    run(scenario)


def test_expect_100_continue() -> None:
    """100 is sent once the body is wanted, once, and not where the body comes unasked or is refused."""
    expect = POST + b"Expect: 100-continue\r\n"

    async def scenario(served: Served) -> None:
        async with served.connect() as client:
            client.writer.write(
                b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n" + expect + b"Content-Length: 3\r\n\r\n"
            )
            await served.waiting.wait()
            served.go.set()
            assert status((await client.response())[0]) == 200
            assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            client.writer.write(b"a")
            client.writer.write(b"bc" + CLOSING)
            assert statuses(await client.rest()) == [200, 200]
        assert served.asked[1].body == b"abc"
        assert statuses(await served.exchange(expect + b"Content-Length: 3\r\n\r\nabc" + CLOSING)) == [
            200,
            200,
        ]
        refused = await served.exchange(expect + b"Content-Length: %d\r\n\r\n" % (65 * MIB))
        assert statuses(refused) == [413]

    run(scenario)


def test_a_body_that_is_too_large() -> None:
    """A declared length beyond the bound is refused before it comes, chunks once they are beyond it."""

    async def scenario(served: Served) -> None:
        answer = await served.exchange(POST + b"Content-Length: 1001\r\n\r\n" + b"x" * 1001)
        assert statuses(answer) == [413]
        assert b"connection: close" in answer
        chunk = b"1F4\r\n" + b"x" * 500 + b"\r\n"
        assert statuses(await served.exchange(CHUNKED + chunk * 3)) == [413]
        assert not served.asked
        assert statuses(await served.exchange(CHUNKED + chunk * 2 + b"0\r\n\r\n" + CLOSING)) == [200, 200]

    run(scenario, bounds=Bounds(body=1000))


def test_too_many_bodies_at_once() -> None:
    """The bodies of all connections are bounded together; what is answered makes room again."""

    async def scenario(served: Served) -> None:
        body = b"Content-Length: 600\r\n\r\n" + b"x" * 600
        async with served.connect() as client:
            client.writer.write(b"POST /wait HTTP/1.1\r\nHost: a\r\n" + body)
            await served.waiting.wait()
            assert statuses(await served.exchange(POST + body)) == [503]
            served.go.set()
            await client.response()
        assert statuses(await served.exchange(POST + body + CLOSING)) == [200, 200]
        assert served.front._budget._left == 1000

    run(scenario, most_body_bytes=1000)


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00", 400),
        (b"get / HTTP/1.1\r\nHost: a\r\n\r\n", 501),
        (b"BREW / HTTP/1.1\r\nHost: a\r\n\r\n", 501),
        (b"GET /\r\n\r\n", 400),
        (b"GET / HTTP/0.9\r\n\r\n", 400),
        (b"GET / HTTP/1.2\r\nHost: a\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
        (b"GET / a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /#a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET http:/// HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\nHost: a\n\n", 400),
        (GET + b"X: a\n\r\n", 400),
        (GET + b"X: a\rb\r\n\r\n", 400),
        (GET + b"X: a\r\n b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400),
        (GET + b"X : a\r\n\r\n", 400),
        (GET + b": a\r\n\r\n", 400),
        (GET + b"X(: a\r\n\r\n", 400),
        (GET + b"X\x00: a\r\n\r\n", 400),
        (GET + b"X: a\x00b\r\n\r\n", 400),
        (GET + b"no colon\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (GET + b"Host: a\r\n\r\n", 400),
        (b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
        (POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
        (POST + b"Content-Length: 1, 2\r\n\r\nab", 400),
        (POST + b"Content-Length: +1\r\n\r\na", 400),
        (POST + b"Content-Length: -1\r\n\r\na", 400),
        (POST + b"Content-Length: 1a\r\n\r\na", 400),
        (POST + b"Content-Length: 0x1\r\n\r\na", 400),
        (POST + b"Content-Length:\r\n\r\na", 400),
        (POST + b"Content-Length: 99999999999999999999999\r\n\r\na", 400),
        (POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (POST + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", 400),
        (POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", 400),
        (POST + b"Transfer-Encoding: identity\r\n\r\n0\r\n\r\n", 400),
        (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400),
        (POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400),
        (POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", 400),
        (POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400),
        (POST + b"Transfer-Encoding:\r\n\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (CHUNKED + b"x\r\n", 400),
        (CHUNKED + b"0x1\r\na\r\n0\r\n\r\n", 400),
        (CHUNKED + b"-1\r\na\r\n0\r\n\r\n", 400),
        (CHUNKED + b"1 \r\na\r\n0\r\n\r\n", 400),
        (CHUNKED + b"1\na\r\n0\r\n\r\n", 400),
        (CHUNKED + b"1;a\na\r\n0\r\n\r\n", 400),
        (CHUNKED + b"1\r\nab\r\n0\r\n\r\n", 400),
        (CHUNKED + b"fffffffffffffffff\r\na", 400),
        (CHUNKED + b"0\r\nX : 1\r\n\r\n", 400),
        (CHUNKED + b"0\r\n" + b"X: %b\r\n" % (b"a" * 1000) * 100, 400),
        (CHUNKED + b"1;%b\r\n" % (b"a" * 100_000), 400),
        (GET + b"X: %b\r\n\r\n" % (b"a" * 70_000), 431),
        (b"GET /%b HTTP/1.1\r\n" % (b"a" * 70_000), 431),
        (GET + b"%b: a\r\n\r\n" % (b"a" * 70_000), 431),
        (GET + b"X: a\r\n" * 300 + b"\r\n", 431),
        (b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 501),
        (b"PRI * HTTP/2.0\r\n\r\nSX\r\n\r\n", 505),
    ],
    ids=lambda value: repr(value[:70])[2:-1] if isinstance(value, bytes) else "",
)  # fmt: skip
def test_a_request_that_is_refused(sent: bytes, code: int) -> None:
    """It gets one answer, never reaches the app, and nothing behind it is read as a request."""

    async def scenario(served: Served) -> None:
        answer = await served.exchange(sent + GET + b"\r\n")
        assert statuses(answer) == [code]
        assert b"connection: close\r\n" in answer
        assert not served.asked
        # A whole request in front of it is answered as ever.
        assert statuses(await served.exchange(GET + b"\r\n" + sent))[0] == 200
        assert len(served.asked) == 1

    run(scenario)


def test_a_refusal_reaches_a_client_that_still_sends() -> None:
    """The answer is not lost to a reset, although the rest of the request is not wanted."""

    async def scenario(served: Served) -> None:
        async with served.connect() as client:
            client.writer.write(POST + b"Content-Length: 90000000\r\n\r\n")
            with contextlib.suppress(ConnectionError):
                for _ in range(20):
                    client.writer.write(b"x" * MIB)
                    await client.writer.drain()
            assert statuses(await client.rest()) == [413]

    run(scenario)


def test_a_request_after_the_last() -> None:
    """What a client sends behind `connection: close` is no request."""

    async def scenario(served: Served) -> None:
        assert statuses(await served.exchange(CLOSING + GET + b"\r\n")) == [200]
        assert statuses(await served.exchange(b"GET / HTTP/1.0\r\n\r\n" + GET + b"\r\n")) == [200]
        assert len(served.asked) == 2

    run(scenario)


@pytest.mark.parametrize(
    ("target", "authority", "arrives"),
    [
        (b"http://b:8/x?y", b"b:8", b"/x?y"),
        (b"HTTP://b", b"b", b"/"),
        (b"http://b?y", b"b", b"/?y"),
    ],
)
def test_an_absolute_target(target: bytes, authority: bytes, arrives: bytes) -> None:
    """The host of an absolute target takes the place of the header's."""

    async def scenario(served: Served) -> None:
        await served.exchange(b"GET %b HTTP/1.1\r\nX: 1\r\nHost: a\r\nConnection: close\r\n\r\n" % target)
        (request,) = served.asked
        assert (request.authority, request.target) == (authority, arrives)
        assert request.headers[:2] == ((b"x", b"1"), (b"host", authority))

    run(scenario)


@pytest.mark.parametrize("target", [b"*", b"http://a"])
def test_options_for_the_server(target: bytes) -> None:
    """OPTIONS may ask about the whole server."""

    async def scenario(served: Served) -> None:
        await served.exchange(b"OPTIONS %b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" % target)
        assert served.asked[0].target == b"*"

    run(scenario)


@pytest.mark.parametrize(
    ("head", "body", "arrives"),
    [
        (b"", b"", b""),
        (b"Content-Length: 3\r\n", b"abc", b"abc"),
        (b"Content-Length: %d\r\n" % len(GET + b"\r\n"), GET + b"\r\n", GET + b"\r\n"),
        (b"Transfer-Encoding: chunked\r\n", b"3\r\nabc\r\n0\r\n\r\n", b"abc"),
    ],
)
@pytest.mark.parametrize("step", [1, 1000])
def test_an_upgrade_is_ignored(head: bytes, body: bytes, arrives: bytes, step: int) -> None:
    """The request is one of HTTP/1.1, with its body, and so is what follows it."""
    sent = POST + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n" + head + b"\r\n" + body + CLOSING

    async def scenario(served: Served) -> None:
        async with served.connect() as client:
            for at in range(0, len(sent), step):
                client.writer.write(sent[at : at + step])
                await client.writer.drain()
            assert statuses(await client.rest()) == [200, 200]
        assert [request.body for request in served.asked] == [arrives, b""]
        assert [request.method for request in served.asked] == ["POST", "GET"]

    run(scenario)


@pytest.mark.parametrize("sent", [b"G", GET, GET + b"X: 1", POST + b"Content-Length: 3\r\n\r\na"])
def test_a_slow_client(sent: bytes) -> None:
    """A request that has begun and does not come on is given up with 408."""

    async def scenario(served: Served) -> None:
        assert statuses(await served.exchange(sent)) == [408]
        assert statuses(await served.exchange(GET + b"\r\n" + sent)) == [200, 408]

    run(scenario, patience=Patience(head=0.02, body=0.02))


def test_an_idle_connection_is_closed() -> None:
    """A connection without a request is closed without a word, in the beginning and between requests."""

    async def scenario(served: Served) -> None:
        assert await served.exchange(b"") == b""
        assert statuses(await served.exchange(GET + b"\r\n")) == [200]
        assert statuses(await served.exchange(GET + b"\r\n" + b"\r\n")) == [200]

    run(scenario, patience=Patience(idle=0.02, head=0.02))


def test_a_client_that_ends_behind_many_requests_has_all_answers() -> None:
    """What came before the client's end is answered, though each request waits for its turn."""

    async def scenario(served: Served) -> None:
        async with served.connect() as client:
            client.writer.write((GET + b"\r\n") * 20)
            client.writer.write_eof()
            assert (await client.rest()).count(b"HTTP/1.1 200") == 20

    run(scenario)


def test_a_client_that_closes_its_sending_side() -> None:
    """The requests that came before are answered."""

    async def scenario(served: Served) -> None:
        async with served.connect() as client:
            client.writer.write(b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n" + GET + b"\r\n" + GET)
            client.writer.write_eof()
            await served.waiting.wait()
            served.go.set()
            assert statuses(await client.rest()) == [200, 200]

    run(scenario)


@pytest.mark.parametrize("reset", [False, True])
def test_a_client_that_goes_away(
    reset: bool, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Its guest goes on, nothing is written, nothing is said; a body that was cut off reaches nobody."""

    async def scenario(served: Served) -> None:
        async with served.connect() as client:
            if reset:
                client.writer.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                )
            client.writer.write(b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n" + GET + b"\r\n")
            await served.waiting.wait()
        served.go.set()
        await served.answered.wait()
        async with served.connect() as client:
            client.writer.write(b"POST /cut HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabc")
        assert statuses(await served.exchange(CLOSING)) == [200]
        assert b"/cut" not in {request.target for request in served.asked}

    with caplog.at_level(logging.DEBUG):
        run(scenario)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert capfd.readouterr().err == ""


def test_a_client_that_does_not_read() -> None:
    """No further request is started until the answer has gone out, and the connection is given up some day."""

    async def scenario(served: Served) -> None:
        served.answer = lambda _: Response(200, (), bytes(16 * MIB))
        async with served.connect() as client:
            client.writer.transport.pause_reading()
            client.writer.write((GET + b"\r\n") * 10)
            await served.answered.wait()
            while served.front._shared.connections:
                await asyncio.sleep(0)
        assert len(served.asked) == 1

    run(scenario, patience=Patience(idle=0.05))


def test_a_client_that_reads_late() -> None:
    """All answers come, one after the other."""

    async def scenario(served: Served) -> None:
        served.answer = lambda _: Response(200, (), bytes(8 * MIB))
        async with served.connect() as client:
            client.writer.write((GET + b"\r\n") * 3 + CLOSING)
            await served.answered.wait()
            assert len(await client.rest()) > 32 * MIB
        assert len(served.asked) == 4

    run(scenario)


def test_too_many_connections() -> None:
    """Beyond the bound a client is turned away at once; whoever leaves makes room."""

    async def scenario(served: Served) -> None:
        async with served.connect() as first:
            first.writer.write(GET + b"\r\n")
            await first.response()
            assert statuses(await served.exchange(b"")) == [503]
        while served.front._shared.connections:
            await asyncio.sleep(0)
        assert statuses(await served.exchange(CLOSING)) == [200]

    run(scenario, most_connections=1)


def test_a_bug_of_ours_is_one_failed_request(capfd: pytest.CaptureFixture[str]) -> None:
    """An app that raises is answered for, and told."""

    def broken(_: Request) -> Response:
        raise ValueError("a bug")

    async def scenario(served: Served) -> None:
        served.answer = broken
        answer = await served.exchange(GET + b"\r\n" + CLOSING)
        assert statuses(answer) == [500, 500]
        assert b"bug" not in answer

    run(scenario)
    assert "ValueError: a bug" in capfd.readouterr().err


def test_stop() -> None:
    """Idle connections are closed at once; the one under way is answered, told so, and closed; none comes in."""

    async def scenario(served: Served) -> None:
        async with (
            served.connect() as idle,
            served.connect() as fresh,
            served.connect() as busy,
            served.connect() as half,
        ):
            idle.writer.write(GET + b"\r\n")
            await idle.response()
            half.writer.write(POST + b"Content-Length: 3\r\n\r\na")
            busy.writer.write(b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n" + GET + b"\r\n")
            await served.waiting.wait()
            served.front.stop()
            assert await idle.rest() == b""
            assert await fresh.rest() == b""
            with pytest.raises(ConnectionError):
                await asyncio.open_connection(*served.address)
            half.writer.write(b"bc")
            answer = await half.rest()
            assert (status(answer), b"connection: close" in answer) == (200, True)
            served.go.set()
            answer = await busy.rest()
            assert statuses(answer) == [200]
            assert b"connection: close" in answer
        await served.front.wait()
        assert len(served.asked) == 3

    run(scenario)


def test_drain() -> None:
    """Kept and new connections are answered once more, and told that they end; `stop` closes what is idle."""

    async def scenario(served: Served) -> None:
        async with served.connect() as kept, served.connect() as idle, served.connect() as busy:
            for client in (kept, idle):
                client.writer.write(GET + b"\r\n")
                await client.response()
            busy.writer.write(b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
            await served.waiting.wait()
            served.front.drain()
            post = POST + b"Content-Length: 1\r\n\r\na"
            kept.writer.write(post)
            new = await served.exchange(post)
            served.go.set()
            for answer in (await kept.rest(), new, await busy.rest()):
                assert (statuses(answer), b"connection: close" in answer) == ([200], True)
            served.front.stop()
            assert await idle.rest() == b""
        await served.front.wait()

    run(scenario)


def test_a_request_that_came_with_the_stop() -> None:
    """What has arrived when the front is stopped is answered, on a kept connection too."""

    async def scenario(served: Served) -> None:
        with socket.create_connection(served.address) as client:
            client.sendall(GET + b"\r\n")
            await served.answered.wait()
            client.settimeout(30)
            assert status(await asyncio.to_thread(client.recv, 9999)) == 200
            client.sendall(GET + b"\r\n")
            served.front.stop()
            answer = await asyncio.to_thread(client.recv, 9999)
            assert b"connection: close" in answer

    run(scenario)
