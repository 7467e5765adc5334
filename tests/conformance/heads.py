"""What a client does in the cases about heads and connections."""

from __future__ import annotations

from tests.conformance.servers import Server
from tests.conformance.wire import Connection, ask, connected, request

# What HTTP itself asks for.
_HTTP = {"date", "content-length", "transfer-encoding", "connection"}


def methods(server: Server) -> str:
    """The method as the guest sees it, for those that wasi:http names."""
    names = ("GET", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH")
    return " ".join(_described(server, request("/describe", method=name))[0] for name in names)


def another_method(server: Server) -> str:
    """A registered method that wasi:http has no name for."""
    return _described(server, request("/describe", method="QUERY"))[0]


def unknown_method(server: Server) -> int:
    """A token that is no registered method."""
    return ask(server.address, request("/hello", method="BREW")).status


def target(server: Server) -> str:
    """A path and a query that a careless server would clean up."""
    return _described(server, request("/a%2Fb/../c;d?x=%20&y=+&z"))[3]


def absolute(server: Server) -> list[str]:
    """The absolute form, whose authority wins over Host."""
    return _described(server, request("http://other.test:81/describe?q"))


def asterisk(server: Server) -> list[str]:
    """OPTIONS * asks the whole server."""
    return _described(server, request("*", method="OPTIONS"))


def connect(server: Server) -> str:
    """A tunnel is refused."""
    answer = ask(server.address, request("127.0.0.1:1", method="CONNECT"))
    return "refused" if answer.status >= 400 or answer.status == 0 else str(answer.status)


def http_1_0(server: Server) -> tuple[int, str, str]:
    """HTTP/1.0 gets its answer, and the end of the connection."""
    with connected(server.address) as connection:
        connection.send(request("/describe", version="1.0"))
        answer = connection.answer()
        authority = answer.body.decode().split("\n")[2]
        return answer.status, authority, "closed" if connection.rest() == b"" else "open"


def repeated(server: Server) -> str:
    """Headers that come twice, are empty or are no UTF-8, in their order."""
    answer = ask(server.address, request("/headers", "X-A: 1", "X-B: \xff", "x-a: 2", "X-C:"))
    return "".join(
        f"{line}\n" for line in answer.body.decode("latin-1").splitlines() if line.startswith("x-")
    )


def large(server: Server) -> int:
    """A value of 40,000 bytes arrives whole."""
    answer = ask(server.address, request("/headers", f"X-Large: {'v' * 40_000}"))
    lines = answer.body.split(b"\n")
    return next((len(line) - len("x-large=") for line in lines if line.startswith(b"x-large=")), 0)


def endless(server: Server) -> int:
    """A head of a megabyte is refused."""
    return ask(
        server.address, request("/hello", *(f"X-{number}: {'v' * 1000}" for number in range(1000)))
    ).status


def expect(server: Server) -> tuple[str, int, bytes]:
    """A body that is sent once 100 has come."""
    with connected(server.address) as connection:
        connection.send(request("/echo", "Expect: 100-continue", "Content-Length: 4", method="POST"))
        first = connection.head()
        connection.send(b"body")
        answer = connection.answer()
        return str(first.status), answer.status, answer.body


def copied(server: Server) -> list[tuple[str, str]]:
    """The guest's own headers, with their order and repeats."""
    answer = ask(server.address, request("/copy", "X-B: 1", "X-A: 2", "X-B: \xe9"))
    return [each for each in answer.headers if each[0].startswith("x-")]


def no_more(server: Server) -> set[str]:
    """The names in an answer beyond those that HTTP asks for."""
    return {name for name, _ in ask(server.address, request("/hello")).headers} - _HTTP


def fields(server: Server) -> str:
    """What the guest itself found out about the resource `fields`, and about bodies taken twice."""
    return ask(server.address, request("/fields", method="POST", body=b"x")).body.decode()


def status(server: Server) -> list[int]:
    """Status codes from 200 to 599."""
    codes = (200, 201, 299, 404, 418, 599)
    return [ask(server.address, request(f"/status?{code}")).status for code in codes]


def no_status(server: Server) -> str:
    """A number that cannot be a status is refused where it is set."""
    return ask(server.address, request("/status?99")).body.decode()


def no_content(server: Server) -> list[tuple[int, bytes]]:
    """Statuses without a body; the next answer follows at once."""
    with connected(server.address) as connection:
        connection.send(b"".join(request(f"/status?{code}") for code in (204, 304)) + request("/hello"))
        answers = [connection.answer() for _ in range(3)]
        assert answers[2].body == b"hello\n"
        return [(answer.status, answer.body) for answer in answers[:2]]


def informational(server: Server) -> str:
    """A guest cannot send 1xx as its final response."""
    with connected(server.address) as connection:
        connection.send(request("/status?103", "Connection: close"))
        head = connection.head()
        return "failed" if head.failed else str(head.status)


def head(server: Server) -> tuple[int, str | None, bytes]:
    """HEAD has the headers of GET and no body; the next answer follows at once."""
    with connected(server.address) as connection:
        connection.send(request("/hello", method="HEAD") + request("/hello"))
        answer = connection.answer("HEAD")
        assert connection.answer().body == b"hello\n"
        return answer.status, answer.header("content-type"), answer.body


def head_with_length(server: Server) -> tuple[int, str | None]:
    """HEAD keeps the length that the guest declared."""
    answer = ask(server.address, request("/length?5,5", method="HEAD"))
    return answer.status, answer.header("content-length")


def keep_alive(server: Server) -> list[int]:
    """One request after the other on one connection."""
    with connected(server.address) as connection:
        return [_next(connection, "/hello") for _ in range(3)]


def pipelined(server: Server) -> list[bytes]:
    """Three requests at once, answered in order."""
    with connected(server.address) as connection:
        connection.send(
            b"".join(request("/echo", method="POST", body=b"%d" % number) for number in (1, 2, 3))
        )
        return [connection.answer().body for _ in range(3)]


def close(server: Server) -> tuple[int, bytes]:
    """Connection: close is kept."""
    with connected(server.address) as connection:
        connection.send(request("/hello", "Connection: close"))
        return connection.answer().status, connection.rest()


def _described(server: Server, sent: bytes) -> list[str]:
    return ask(server.address, sent).body.decode().split("\n")[:4]


def _next(connection: Connection, path: str) -> int:
    connection.send(request(path))
    return connection.answer().status
