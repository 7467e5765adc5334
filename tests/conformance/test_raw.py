"""The nastiest bytes, sent to a real app: the right status or a closed connection, and never two requests from one."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.conformance.servers import guest
from tests.conformance.wire import Connection, ask, connected, request
from tests.driver.executor_process import Executor, app

pytestmark = [pytest.mark.guests, pytest.mark.timeout(120)]

POST = b"POST /echo HTTP/1.1\r\nHost: a\r\n"
GET = b"GET /hello HTTP/1.1\r\nHost: a\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
# What must never be answered: it stands where a body or the rest of a broken request is.
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module")
def executor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Executor]:
    """A Rust app."""
    source = guest("rust")
    with Executor(tmp_path_factory.mktemp("raw"), app(source, timeout="5s"), source) as started:
        yield started.start()


@pytest.mark.parametrize(
    ("sent", "statuses"),
    [
        (POST + b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG" + SMUGGLED, [400]),
        (POST + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n" + SMUGGLED, [400]),
        (POST + b"Content-Length: 0\r\nContent-Length: 60\r\n\r\n" + SMUGGLED, [400]),
        (POST + b"Content-Length: 0, 60\r\n\r\n" + SMUGGLED, [400]),
        (POST + b"Content-Length: +0\r\n\r\n" + SMUGGLED, [400]),
        (POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + SMUGGLED, [400]),
        (POST + b"Transfer-Encoding: xchunked\r\n\r\n" + SMUGGLED, [400]),
        (POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + SMUGGLED, [400]),
        (POST + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n" + SMUGGLED, [400]),
        (b"POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED, [400]),
        (GET + b"X: a\r\n Content-Length: 60\r\n\r\n" + SMUGGLED, [400]),
        (GET + b"X: a\rContent-Length: 60\r\n\r\n" + SMUGGLED, [400]),
        (b"GET /hello HTTP/1.1\nHost: a\n\n" + SMUGGLED, [400]),
        (GET + b"X: a\x00b\r\n\r\n" + SMUGGLED, [400]),
        (GET + b"Host: b\r\n\r\n" + SMUGGLED, [400]),
        (b"GET http://u@a/hello HTTP/1.1\r\nHost: a\r\n\r\n" + SMUGGLED, [400]),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + SMUGGLED, [400]),
        (GET + b"X: " + b"a" * 100_000 + b"\r\n\r\n" + SMUGGLED, [431]),
        (GET + b"X: a\r\n" * 2000 + b"\r\n" + SMUGGLED, [431]),
        (b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n" + SMUGGLED, [501]),
    ],
    ids=lambda value: (
        re.sub(r"[^!-~]+", " ", value[:60].decode("latin-1")) if isinstance(value, bytes) else None
    ),
)
def test_broken_heads(executor: Executor, sent: bytes, statuses: list[int]) -> None:
    """A head that two readers could understand in two ways is refused, reaches no guest, and ends its connection."""
    before = executor.call("inspect")["requests"]
    with connected(executor.address) as connection:
        connection.send(sent)
        assert answered(connection) == statuses
    assert executor.call("inspect")["requests"] == before


@pytest.mark.parametrize(
    "rest",
    [
        b"x\r\n", b"-1\r\n", b"0x1\r\na\r\n0\r\n\r\n", b"1 \r\na\r\n0\r\n\r\n", b"1\na\r\n0\r\n\r\n",
        b"1\r\nab\r\n0\r\n\r\n", b"fffffffffffffffff\r\na", b"1;a\nb\r\na\r\n0\r\n\r\n", b"0\r\nX : 1\r\n\r\n",
        b"1\r\na\r\n0\r\nX: %b\r\n\r\n" % (b"a" * 200_000),
    ],
    ids=lambda value: re.sub(r"[^!-~]+", " ", value[:24].decode()),
)  # fmt: skip
def test_broken_chunks(executor: Executor, rest: bytes) -> None:
    """A body that breaks off its coding ends its connection; its request fails, and nothing behind it is read."""
    with connected(executor.address) as connection:
        connection.send(CHUNKED + rest + SMUGGLED)
        assert [code for code in answered(connection) if code not in (400, 431, 500)] == []


def test_a_request_in_a_body_is_a_body(executor: Executor) -> None:
    """What looks like a request within a declared body, or within a chunk, is that body and no more."""
    sent = (
        POST + b"Content-Length: %d\r\n\r\n%b" % (len(SMUGGLED), SMUGGLED)
        + CHUNKED + b"%x\r\n%b\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED)
        + GET + b"Content-Length: %d\r\n\r\n%b" % (len(SMUGGLED), SMUGGLED)
    )  # fmt: skip
    with connected(executor.address) as connection:
        connection.send(sent)
        assert [connection.answer().body for _ in range(3)] == [SMUGGLED, SMUGGLED, b"hello\n"]


def test_slow_clients_hold_up_nobody(executor: Executor) -> None:
    """Two hundred clients that do not end their heads or bodies, and others get their answers."""
    connections = [Connection(executor.address) for _ in range(200)]
    try:
        for number, connection in enumerate(connections):
            connection.send(
                GET[: number % len(GET)] if number % 2 else POST + b"Content-Length: 100\r\n\r\nabc"
            )
        assert [ask(executor.address, request("/hello")).status for _ in range(20)] == [200] * 20
    finally:
        for connection in connections:
            connection.close()


def answered(connection: Connection) -> list[int]:
    """The statuses of all answers until the server closes."""
    return [int(code) for code in re.findall(rb"HTTP/1\.[01] (\d{3}) ", connection.rest())]
