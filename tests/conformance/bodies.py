"""What a client does in the cases about bodies, and about calls that the guest makes."""

from __future__ import annotations

from tests.conformance.servers import Server
from tests.conformance.wire import Answer, ask, chunked, connected, request

BEYOND = 70 << 20
"""More than is held in memory for a request."""


def echo(server: Server) -> list[int]:
    """Bodies by their length come back byte for byte; gives the sizes that did."""
    sizes = (0, 1, 4096, 65_537, 1_000_000)
    return [size for size in sizes if _echoed(server, (bytes(range(256)) * (size // 256 + 1))[:size])]


def echo_chunks(server: Server) -> bytes:
    """A body in chunks comes back whole."""
    return ask(server.address, chunked("/echo", b"a" * 10, b"b" * 70_000, b"c")).body


def mixed(server: Server) -> list[bytes]:
    """Lengths and chunks by turns on one connection."""
    with connected(server.address) as connection:
        found = []
        for sent in (
            chunked("/echo", b"o", b"ne"),
            request("/echo", method="POST", body=b"two"),
            chunked("/echo", b"three"),
        ):
            connection.send(sent)
            found.append(connection.answer().body)
        return found


def large(server: Server) -> int:
    """How much of a large response comes."""
    return len(ask(server.address, request("/large?3000000")).body)


def beyond(server: Server) -> bytes:
    """A body that no memory should hold, counted by the guest."""
    with connected(server.address) as connection:
        connection.send(request("/count", f"Content-Length: {BEYOND}", method="POST"))
        part = bytes(1 << 20)
        for _ in range(BEYOND // len(part)):
            connection.send(part)
        return connection.answer().body


def first_at_once(server: Server) -> list[bytes]:
    """What a guest has flushed reaches the client while the guest still waits for a call's answer."""
    server.upstream.close()
    with connected(server.address) as connection:
        connection.send(request(f"/first-then-fetch?{server.upstream.authority}/gate"))
        chunks = (
            connection.chunks() if connection.head().header("transfer-encoding") == "chunked" else iter(())
        )
        first = next(chunks, b"")
        server.upstream.open()
        return [first, b"".join(chunks)]


def both_ways(server: Server) -> list[bytes]:
    """A guest answers the first part of a body before the second is sent."""
    with connected(server.address) as connection:
        connection.send(request("/stream", "Transfer-Encoding: chunked", method="POST") + b"3\r\none\r\n")
        chunks = connection.chunks() if connection.head().status == 200 else iter(())
        first = next(chunks, b"")
        connection.send(b"3\r\ntwo\r\n0\r\n\r\n")
        return [first, b"".join(chunks)]


def trailers_in(server: Server) -> str:
    """The fields behind a request's body reach the guest."""
    return ask(server.address, chunked("/trailers-in", b"a", trailers=b"X-T: 1\r\nX-U: 2\r\n")).body.decode()


def trailers_streamed(server: Server) -> list[str]:
    """They do behind a body that was passed on before it had ended, and are not the next request's."""
    large = bytes(2 << 20)
    asked = (
        chunked("/count", large, trailers=b"X-T: 1\r\n"),
        chunked("/trailers-in", large, trailers=b"X-T: 2\r\nX-U: 3\r\n"),
        chunked("/trailers-in", large),
    )
    return [ask(server.address, each).body.decode() for each in asked]


def no_trailers(server: Server) -> str:
    """A body without trailers ends with none."""
    return ask(server.address, request("/trailers-in", method="POST", body=b"a")).body.decode()


def trailers_out(server: Server) -> tuple[bytes, tuple[tuple[str, str], ...]]:
    """The guest's trailers come behind its body, to a client that said it takes them."""
    answer = ask(server.address, request("/trailers-out", "TE: trailers"))
    return answer.body, answer.trailers


def write_first(server: Server) -> tuple[int, str | None, bytes]:
    """A body that is written before the response is set."""
    answer = ask(server.address, request("/write-first"))
    return answer.status, answer.header("x-a"), answer.body


def length(server: Server) -> tuple[int, str | None, bytes]:
    """The guest's own content-length, kept to."""
    answer = ask(server.address, request("/length?5,5"))
    return answer.status, answer.header("content-length"), answer.body


def less(server: Server) -> str:
    """A body shorter than its declared length never looks whole."""
    return judged(ask(server.address, request("/length?5,3", "Connection: close")))


def more(server: Server) -> str:
    """A body longer than its declared length never looks whole, and never runs into the next answer."""
    with connected(server.address) as connection:
        connection.send(request("/length?3,5", "Connection: close"))
        answer = connection.answer()
        assert connection.rest() == b""
        return judged(answer)


def gone(server: Server) -> int:
    """A client that leaves within its body harms nobody; gives the next one's status."""
    for path in ("/echo", "/count"):
        with connected(server.address) as connection:
            connection.send(request(path, "Content-Length: 10", method="POST") + b"abc")
    return ask(server.address, request("/hello")).status


def deaf(server: Server) -> int:
    """A client that leaves within the answer harms nobody; gives the next one's status."""
    with connected(server.address) as connection:
        connection.send(request("/large?20000000"))
        connection.read(1000)
    return ask(server.address, request("/hello")).status


def prints(server: Server) -> tuple[bytes, bool, bool]:
    """What a guest prints is in the log and in no answer."""
    body = ask(server.address, request("/print")).body
    said = server.log()
    return body, "printed to stdout" in said, "printed to stderr" in said


def fetch(server: Server) -> bytes:
    """A call's status, header and body come back, and its body has arrived."""
    return ask(server.address, request(f"/fetch?{server.upstream.authority}/echo?q")).body


def fetch_nobody(server: Server) -> str:
    """A call to a port where nobody listens."""
    return _code(ask(server.address, request("/fetch?127.0.0.1:1/")))


def fetch_denied(server: Server) -> str:
    """A call to a host that is not on the list."""
    return _code(ask(server.address, request("/fetch?127.0.0.1:2/")))


def judged(answer: Answer) -> str:
    """`failed`, or what the client takes for a whole response."""
    return "failed" if answer.failed else f"{answer.status} {answer.body!r}"


def _code(answer: Answer) -> str:
    return answer.body.decode()


def _echoed(server: Server, body: bytes) -> bool:
    return ask(server.address, request("/echo", "Content-Type: a/b", method="POST", body=body)).body == body
