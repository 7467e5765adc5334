"""The connector over real sockets: each case is a client of its own, a resolver that lies, or a hostile server."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.driver.egress_loop import Running, running
from wasmdeploy_driver.egress.connector import Egress
from wasmdeploy_driver.egress.dial import Network, open_connection
from wasmdeploy_driver.egress.grant import Bounds, Grant

PATIENCE = 20.0
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Server:
    """Answers each connection by a function of it; `heads` are the requests' heads, as they came."""

    def __init__(self, answer: Callable[[socket.socket], None], listener: Any) -> None:
        self._answer = answer
        self.heads: list[bytes] = []
        self.socket = listener
        self.port = self.socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._one, args=(self.socket.accept()[0],), daemon=True).start()

    def _one(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(PATIENCE)
            head = b""
            while b"\r\n\r\n" not in head:
                part = connection.recv(1)
                if not part:
                    return
                head += part
            self.heads.append(head)
            self._answer(connection)

    def close(self) -> None:
        # What waits in accept is woken by it; closing alone would leave it there.
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self._thread.join(PATIENCE)


@contextlib.contextmanager
def server(answer: Callable[[socket.socket], None] | bytes = OK, listener: Any = None) -> Iterator[Server]:
    act = (lambda connection: connection.sendall(answer)) if isinstance(answer, bytes) else answer
    made = Server(act, listener or socket.create_server(("127.0.0.1", 0)))
    try:
        yield made
    finally:
        made.close()


class Names:
    """A resolver: each look-up of a name takes its next answer, the last one stays."""

    def __init__(self, **answers: list[list[str]]) -> None:
        self.answers = {name.replace("_", "."): each for name, each in answers.items()}
        self.asked: list[str] = []
        self.connected: list[str] = []

    async def resolve(self, name: str) -> list[str]:
        self.asked.append(name)
        found = self.answers[name]
        return found.pop(0) if len(found) > 1 else found[0]

    async def connect(self, factory, address, port, context, name) -> None:
        """Connect, to this machine where the address is not of it."""
        self.connected.append(str(address))
        here = address if address.is_loopback else "127.0.0.1"
        await open_connection(factory, here, port, context, name)

    def egress(self, bounds: Bounds | None = None) -> Egress:
        return Egress(bounds or Bounds(), Network(self.resolve, self.connect))


def target(grant: Grant, url: str, *, connect: int = 5000, first_byte: int = 0) -> bytes:
    scheme, _, rest = url.partition("://")
    return f"/{grant.token}/{connect}/{first_byte}/{scheme}/{rest}".encode()


def connection_to(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), PATIENCE)


def read(connection: socket.socket) -> bytes:
    """All that comes; a reset ends it too."""
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while part := connection.recv(1 << 16):
            data += part
    return data


def raw(grant: Grant, head: bytes, body: bytes = b"") -> bytes:
    with connection_to(grant.port) as connection:
        connection.sendall(head + b"\r\n\r\n" + body)
        answer = b""
        while b"\r\n\r\n" not in answer:  # an error's connection is the client's to close
            try:
                part = connection.recv(1 << 16)
            except ConnectionResetError:
                part = b""
            if not part:
                return answer
            answer += part
        if b"wasmdeploy-egress-error: " + grant.token.encode() in answer:
            return answer
        return answer + read(connection)


def get(grant: Grant, url: str, *fields: bytes, body: bytes = b"", **timeouts: int) -> bytes:
    head = b"\r\n".join((b"GET %s HTTP/1.1" % target(grant, url, **timeouts), b"host: x", *fields))
    return raw(grant, head, body)


def error(answer: bytes, grant: Grant) -> str:
    """The error that the connector answered with."""
    mark = b"wasmdeploy-egress-error: %s " % grant.token.encode()
    assert mark in answer, answer
    return answer.partition(mark)[2].partition(b"\r\n")[0].decode()


@pytest.fixture(scope="module")
def connector() -> Iterator[Running]:
    with running() as started:
        yield started


def test_an_allowed_call_is_made(connector: Running) -> None:
    """The answer comes back byte for byte, the request goes out as the guest's own."""
    with server() as there:
        grant = connector.grant(f"http://127.0.0.1:{there.port}")
        assert get(grant, f"http://127.0.0.1:{there.port}/a?b", b"x-a: 1") == OK
        assert there.heads == [
            b"GET /a?b HTTP/1.1\r\nhost: 127.0.0.1:%d\r\nx-a: 1\r\nconnection: close\r\n\r\n" % there.port
        ]


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "::1",
        "169.254.169.254",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "10.0.0.1",
        "fd00::1",
        "0.0.0.0",
    ],
)
def test_a_name_that_leads_to_a_private_address_is_refused(address: str) -> None:
    """Whatever the name is and whatever allows it; nobody is connected to."""
    names = Names(evil_test=[[address]])
    with running(names.egress()) as connector:
        grant = connector.grant("*://*:*", "http://evil.test")
        assert error(get(grant, "http://evil.test/"), grant) == "destination-IP-prohibited"
    assert names.connected == []


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "017700000001", "127.1", "0177.0.0.1", "0"])
def test_other_spellings_of_an_address_are_no_names(connector: Running, host: str) -> None:
    """What the system's resolver would read as 127.0.0.1 does not get so far."""
    grant = connector.grant("*://*:*", "http://127.0.0.1:*")
    assert error(get(grant, f"http://{host}/"), grant) == "HTTP-request-URI-invalid"


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "169.254.169.254", "10.0.0.1"])
def test_a_private_address_is_not_allowed_by_a_wildcard(connector: Running, host: str) -> None:
    """`*` stands for every public address."""
    grant = connector.grant("*://*:*")
    assert error(get(grant, f"http://{host}:1/"), grant) == "destination-IP-prohibited"


def test_a_rebound_name_is_connected_where_it_was_checked() -> None:
    """A name is resolved once: an answer that changes after the check changes nothing."""
    with server() as there:
        names = Names(evil_test=[["93.184.216.34"], ["127.0.0.1"]])
        with running(names.egress()) as connector:
            grant = connector.grant("*://*:*")
            url = f"http://evil.test:{there.port}/"
            assert get(grant, url) == OK
            assert (names.asked, names.connected) == (["evil.test"], ["93.184.216.34"])
            assert error(get(grant, url), grant) == "destination-IP-prohibited"
            assert names.connected == ["93.184.216.34"]


def test_only_the_public_of_several_addresses_are_connected_to() -> None:
    """Private addresses among public ones are left out."""
    with server() as there:
        names = Names(evil_test=[["127.0.0.1", "10.0.0.1", "93.184.216.34"]])
        with running(names.egress()) as connector:
            assert get(connector.grant("*://*:*"), f"http://evil.test:{there.port}/") == OK
        assert names.connected == ["93.184.216.34"]


def test_a_listed_network_admits_a_name_that_leads_there() -> None:
    """A service at a private address is called by name where both are listed."""
    with server() as there:
        names = Names(db_test=[["10.1.2.3"]], other_test=[["10.1.2.3"]])
        with running(names.egress()) as connector:
            grant = connector.grant("http://db.test:*", "http://10.0.0.0/8:*")
            assert get(grant, f"http://db.test:{there.port}/") == OK
            assert error(get(grant, f"http://other.test:{there.port}/"), grant) == "HTTP-request-denied"


def test_localhost_is_loopback_by_its_name(connector: Running) -> None:
    """The real resolver's answer for it is admitted where it is listed, and only then."""
    with server() as there:
        url = f"http://localhost:{there.port}/"
        assert get(connector.grant(f"http://localhost:{there.port}"), url) == OK
        grant = connector.grant("*://*:*")
        assert error(get(grant, url), grant) == "destination-IP-prohibited"


def test_an_address_that_refuses_gives_way_to_the_next() -> None:
    """All admitted addresses are tried, in their order."""
    with server() as there:
        names = Names(a_test=[["::1", "127.0.0.1"]])
        with running(names.egress()) as connector:
            grant = connector.grant(f"http://localhost:{there.port}", f"http://a.test:{there.port}")
            assert get(grant, f"http://a.test:{there.port}/") == OK
        assert names.connected == ["::1", "127.0.0.1"]


@pytest.mark.parametrize(
    "authority", ["u@127.0.0.1", "u:p@127.0.0.1", "127.0.0.1@evil.test", "127.0.0.1%00.evil.test"]
)
def test_user_information_is_refused(connector: Running, authority: str) -> None:
    """An authority is a host and a port, nothing that another reader could take for one."""
    grant = connector.grant("*://*:*", "http://127.0.0.1:*")
    assert error(get(grant, f"http://{authority}/"), grant) == "HTTP-request-URI-invalid"


def test_a_host_field_changes_nothing(connector: Running) -> None:
    """The server sees the host that was checked, once."""
    with server() as there:
        grant = connector.grant(f"http://127.0.0.1:{there.port}")
        assert get(grant, f"http://127.0.0.1:{there.port}/", b"Host: evil.test", b"hOST: other.test") == OK
        assert there.heads[0].lower().count(b"host:") == 1
        assert b"evil" not in there.heads[0]


@pytest.mark.parametrize(
    "fields",
    [
        (b"content-length: 5", b"transfer-encoding: chunked"),
        (b"content-length: 5", b"content-length: 6"),
        (b"transfer-encoding: chunked", b"transfer-encoding: identity"),
        (b"transfer-encoding : chunked",),
        (b"x: a\rcontent-length: 5",),
        (b"x: a\nhost: evil.test",),
    ],
)
def test_a_smuggled_request_does_not_get_through(connector: Running, fields: tuple[bytes, ...]) -> None:
    """A head with two meanings is refused before anybody is connected to."""
    with server() as there:
        grant = connector.grant(f"http://127.0.0.1:{there.port}")
        answer = get(
            grant, f"http://127.0.0.1:{there.port}/", *fields, body=b"0\r\n\r\nGET /evil HTTP/1.1\r\n\r\n"
        )
        assert error(answer, grant) == "HTTP-protocol-error"
        assert there.heads == []


@pytest.mark.parametrize("length", [b"", b"content-length: 3"])
def test_nothing_goes_out_behind_the_body(connector: Running, length: bytes) -> None:
    """What follows a body of known length would be a second request: it stays here."""
    received = []

    def answer(connection: socket.socket) -> None:
        connection.shutdown(socket.SHUT_WR)
        received.append(read(connection))

    with server(answer) as there:
        grant = connector.grant(f"http://127.0.0.1:{there.port}")
        head = b"POST %s HTTP/1.1\r\nhost: x\r\n%s" % (
            target(grant, f"http://127.0.0.1:{there.port}/"),
            length + b"\r\n" if length else b"",
        )
        with connection_to(grant.port) as connection:
            connection.sendall(head + b"\r\n" + (b"abc" if length else b"") + b"GET /evil HTTP/1.1\r\n\r\n")
            connection.shutdown(socket.SHUT_WR)
            read(connection)
        until(lambda: received)
        assert received == [b"abc" if length else b""]


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.002)


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET /%s/1/0/http/127.0.0.1:1/ HTTP/1.1\r\n\r\n" % (b"0" * 32),
        b"GET //1/0/http/127.0.0.1:1/ HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00" + b"\0" * 300,
        b"\n",
        b"x" * 10_000,
    ],
)
def test_without_a_token_there_is_no_answer(connector: Running, sent: bytes) -> None:
    """Another process of this machine that finds the port is cut off and told nothing."""
    with connection_to(connector.port) as connection:
        connection.sendall(sent)
        assert read(connection) == b""


def test_a_closed_grant_opens_nothing(connector: Running) -> None:
    """A token is worth as much as its request is young; another grant's token has another grant's rules."""
    with server() as there:
        url = f"http://127.0.0.1:{there.port}/"
        grant, other = connector.grant(url), connector.grant("http://127.0.0.1:1")
        assert error(get(other, url), other) == "HTTP-request-denied"
        grant.close()
        grant.close()
        assert get(grant, url) == b""
        assert there.heads == []


def test_closing_a_grant_cuts_its_calls(connector: Running) -> None:
    """A call under way ends with the request that it belongs to, on both sides."""
    gone, come = threading.Event(), threading.Event()

    def answer(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\npart")
        come.set()
        read(connection)
        gone.set()

    with server(answer) as there:
        grant, other = (connector.grant(f"http://127.0.0.1:{there.port}") for _ in range(2))
        with connection_to(grant.port) as connection:
            connection.sendall(
                b"GET %s HTTP/1.1\r\nhost: x\r\n\r\n" % target(grant, f"http://127.0.0.1:{there.port}/")
            )
            assert come.wait(PATIENCE)
            other.close()
            grant.close()
            read(connection)
        assert gone.wait(PATIENCE)


def test_a_server_cannot_forge_an_error(connector: Running) -> None:
    """The field without the token is the server's own word; the token reaches no server."""
    forged = (
        b"HTTP/1.1 502 Bad Gateway\r\nwasmdeploy-egress-error: %s connection-refused\r\ncontent-length: 0\r\n\r\n"
        % (b"0" * 32)
    )
    with server(forged) as there:
        grant = connector.grant(f"http://127.0.0.1:{there.port}")
        assert get(grant, f"http://127.0.0.1:{there.port}/a") == forged
        assert grant.token.encode() not in there.heads[0]
        assert str(grant.port).encode() not in there.heads[0]


def test_a_redirect_is_not_followed(connector: Running) -> None:
    """Where it leads is the guest's to ask for."""
    moved = b"HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n"
    with server(moved) as there:
        assert (
            get(connector.grant(f"http://127.0.0.1:{there.port}"), f"http://127.0.0.1:{there.port}/") == moved
        )


def test_a_method_that_makes_tunnels_is_refused(connector: Running) -> None:
    """CONNECT would give bytes a way that no rule sees."""
    grant = connector.grant("*://*:*")
    head = b"CONNECT %s HTTP/1.1\r\nhost: x" % target(grant, "http://a.test/")
    assert error(raw(grant, head), grant) == "HTTP-request-method-invalid"


def test_a_head_has_a_bound(connector: Running) -> None:
    """An endless head is an error once it is too large."""
    grant = connector.grant("*://*:*")
    answer = get(grant, "http://a.test/", *(b"x-%d: %s" % (n, b"v" * 1000) for n in range(400)))
    assert error(answer, grant) == "HTTP-request-header-section-size"


@pytest.mark.parametrize("bounds", [Bounds(concurrent=2), Bounds(total=2)])
def test_calls_are_bounded(bounds: Bounds) -> None:
    """One call too many, at once or in all, is an error of its own."""
    with (
        server(read) as there,
        running(Egress(bounds)) as connector,
        contextlib.ExitStack() as stack,
    ):
        grant = connector.grant(f"http://127.0.0.1:{there.port}")
        url = f"http://127.0.0.1:{there.port}/"
        for _ in range(2):
            held = stack.enter_context(connection_to(grant.port))
            held.sendall(b"GET %s HTTP/1.1\r\nhost: x\r\n\r\n" % target(grant, url))
        until(lambda: len(there.heads) == 2)
        assert error(get(grant, url), grant) == "connection-limit-reached"


@pytest.mark.parametrize(
    ("answer", "rule", "code"),
    [
        (socket.gaierror(socket.EAI_NONAME, "no such name"), "a.test", "DNS-error: NXDOMAIN"),
        (socket.gaierror(socket.EAI_AGAIN, "try again"), "a.test", "DNS-error: SERVFAIL"),
        (None, "a.test", "DNS-timeout"),
    ],
)
def test_a_name_without_an_answer(answer: OSError | None, rule: str, code: str) -> None:
    """A resolver that fails, or never answers, is told apart."""

    async def resolve(_: str) -> list[str]:
        if answer is None:
            await asyncio.Event().wait()
        raise answer or AssertionError

    with running(Egress(network=Network(resolve, open_connection))) as connector:
        grant = connector.grant(f"http://{rule}")
        assert error(get(grant, f"http://{rule}/", connect=50), grant) == code


def test_nobody_there(connector: Running) -> None:
    """A closed port is a refused connection."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    grant = connector.grant(f"http://127.0.0.1:{port}")
    assert error(get(grant, f"http://127.0.0.1:{port}/"), grant) == "connection-refused"


def test_a_connection_that_does_not_come_about_has_a_time_out() -> None:
    """An address that swallows everything costs the guest's own time-out, not the system's minutes."""

    async def swallow(*_: object) -> None:
        await asyncio.Event().wait()

    names = Names(a_test=[["93.184.216.34", "93.184.216.35"]])
    with running(Egress(network=Network(names.resolve, swallow))) as connector:
        grant = connector.grant("http://a.test")
        assert error(get(grant, "http://a.test/", connect=100), grant) == "connection-timeout"


def test_a_full_backlog_is_a_time_out(connector: Running) -> None:
    """So is a real listener that accepts nobody."""
    with contextlib.ExitStack() as stack:
        full = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        port = full.getsockname()[1]
        for _ in range(4):  # until the kernel drops what else comes
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(("127.0.0.1", port))
        grant = connector.grant(f"http://127.0.0.1:{port}")
        assert error(get(grant, f"http://127.0.0.1:{port}/", connect=200), grant) == "connection-timeout"


def test_a_silent_server_has_a_time_out(connector: Running) -> None:
    """The time to the first byte runs from the moment that the request goes out."""
    with server(read) as there:
        grant = connector.grant(f"http://127.0.0.1:{there.port}")
        answer = get(grant, f"http://127.0.0.1:{there.port}/", first_byte=100)
        assert error(answer, grant) == "connection-read-timeout"


def test_a_server_that_hangs_up_is_an_error(connector: Running) -> None:
    """A connection that ends before any answer is told as such."""
    with server(lambda _: None) as there:
        grant = connector.grant(f"http://127.0.0.1:{there.port}")
        assert error(get(grant, f"http://127.0.0.1:{there.port}/"), grant) == "connection-terminated"


def test_large_bodies_pass_both_ways(connector: Running) -> None:
    """Streams as large as they come pass whole, and are held up while nobody reads."""
    size = 8 << 20

    def echo(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        left = size
        while left:
            part = connection.recv(1 << 16)
            left -= len(part)
            connection.sendall(part)

    with server(echo) as there:
        grant = connector.grant(f"http://127.0.0.1:{there.port}")
        head = b"POST %s HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % (
            target(grant, f"http://127.0.0.1:{there.port}/"),
            size,
        )
        sent = bytes(range(256)) * (size // 256)
        with connection_to(grant.port) as connection:
            writer = threading.Thread(target=connection.sendall, args=(head + sent,))
            writer.start()
            came = read(connection)
            writer.join()
        assert came == b"HTTP/1.1 200 OK\r\n\r\n" + sent


def test_a_reader_that_stops_holds_the_server_up(connector: Running) -> None:
    """What nobody reads is left with the server: memory here does not grow with it."""
    blocked = threading.Event()

    def flood(connection: socket.socket) -> None:
        connection.settimeout(1.0)
        try:
            for _ in range(4000):
                connection.sendall(bytes(1 << 16))
        except TimeoutError:
            blocked.set()

    with server(flood) as there:
        grant = connector.grant(f"http://127.0.0.1:{there.port}")
        with connection_to(grant.port) as connection:
            connection.sendall(
                b"GET %s HTTP/1.1\r\nhost: x\r\n\r\n" % target(grant, f"http://127.0.0.1:{there.port}/")
            )
            assert blocked.wait(PATIENCE)
        grant.close()


def test_a_broken_answer_does_not_look_whole(connector: Running) -> None:
    """A server's reset resets the guest's connection: an answer without length must not end well."""

    come = threading.Event()

    def reset(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\npart")
        assert come.wait(PATIENCE)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    with server(reset) as there:
        grant = connector.grant(f"http://127.0.0.1:{there.port}")
        with connection_to(grant.port) as connection:
            connection.sendall(
                b"GET %s HTTP/1.1\r\nhost: x\r\n\r\n" % target(grant, f"http://127.0.0.1:{there.port}/")
            )
            assert connection.recv(1 << 16).startswith(b"HTTP/1.1 200 OK")
            come.set()
            with pytest.raises(ConnectionResetError):
                connection.recv(1 << 16)


class Inner(asyncio.Protocol):
    """Answers in the front's place with what it was sent."""

    def __init__(self, name: str | None) -> None:
        self._name = name
        self._data = b""

    def connection_made(self, transport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._data += data
        if b"\r\n\r\n" in self._data:
            self._transport.write(f"{self._name}: ".encode() + self._data)
            self._transport.close()


def test_the_app_and_its_components_are_called_within() -> None:
    """`self`, a bare path and a sibling go to the front's own protocol, where the rules say so."""
    names = Names()

    def internal(name: str | None) -> asyncio.Protocol | None:
        return Inner(name) if name in (None, "web") else None

    with running(names.egress(), internal) as connector:
        every = connector.grant("*://*:*")
        app, sibling = connector.grant("http://self"), connector.grant("http://*.spin.internal")
        assert (
            get(app, "http://self/a?b")
            == b"None: GET /a?b HTTP/1.1\r\nhost: self\r\nconnection: close\r\n\r\n"
        )
        assert get(app, "https:///a").startswith(b"None: GET /a HTTP/1.1\r\nhost: self\r\n")
        assert get(sibling, "http://WEB.spin.internal/").startswith(
            b"web: GET / HTTP/1.1\r\nhost: WEB.spin.internal"
        )
        assert error(get(sibling, "http://api.spin.internal/"), sibling) == "destination-not-found"
        for grant, url in ((every, "http:///"), (every, "http://self/"), (every, "http://web.spin.internal/"),
                           (sibling, "http://self/"), (app, "http://web.spin.internal/")):  # fmt: skip
            assert error(get(grant, url), grant) == "HTTP-request-denied"
    assert names.asked == []
