"""TLS as a client meets it: a server with a certificate of a private authority."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.driver.certificates import authority
from tests.driver.egress.test_connector import OK, Names, error, get, server
from tests.driver.egress_loop import Running, running


@pytest.fixture(scope="module")
def trusted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    return authority(tmp_path_factory.mktemp("ca"))


@contextlib.contextmanager
def tls(context: ssl.SSLContext, said: list[str | None] | None = None) -> Iterator[int]:
    """A server behind TLS, which notes the names that clients say."""
    if said is not None:
        context.sni_callback = lambda _socket, name, _context: said.append(name)
    plain = socket.create_server(("127.0.0.1", 0))
    wrapped = _Wrapped(plain, context)
    with server(OK, wrapped) as there:
        yield there.port


class _Wrapped:
    """A listener whose connections have done their handshake."""

    def __init__(self, listener: socket.socket, context: ssl.SSLContext) -> None:
        self._listener, self._context = listener, context
        self.getsockname: Callable[[], tuple[str, int]] = listener.getsockname
        self.shutdown, self.close = listener.shutdown, listener.close

    def accept(self) -> tuple[socket.socket, object]:
        while True:
            connection, peer = self._listener.accept()
            with contextlib.suppress(ssl.SSLError, ConnectionError):
                return self._context.wrap_socket(connection, server_side=True), peer


@pytest.fixture
def connector() -> Iterator[Running]:
    names = Names(localhost=[["127.0.0.1"]], other_test=[["127.0.0.1"]])
    with running(names.egress()) as started:
        yield started


def test_an_unknown_authority_is_not_trusted(
    connector: Running, trusted: tuple[Path, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A certificate that the system does not know is an error, and no request goes out."""
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    with tls(trusted[1]) as port:
        grant = connector.grant(f"https://localhost:{port}")
        assert error(get(grant, f"https://localhost:{port}/"), grant) == "TLS-certificate-error"


@pytest.mark.parametrize(("host", "name"), [("localhost", "localhost"), ("127.0.0.1", None)])
def test_an_authority_can_be_trusted(
    connector: Running,
    trusted: tuple[Path, ssl.SSLContext],
    monkeypatch: pytest.MonkeyPatch,
    host: str,
    name: str | None,
) -> None:
    """SSL_CERT_FILE says whom to trust; the server is told the name that is called."""
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted[0]))
    said: list[str | None] = []
    with tls(trusted[1], said) as port:
        assert get(connector.grant(f"https://{host}:{port}"), f"https://{host}:{port}/") == OK
    assert said == [name]


def test_the_certificate_must_have_the_name(
    connector: Running, trusted: tuple[Path, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trusted certificate of another host is an error."""
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted[0]))
    with tls(trusted[1]) as port:
        grant = connector.grant(f"https://other.test:{port}", f"https://127.0.0.1:{port}")
        assert error(get(grant, f"https://other.test:{port}/"), grant) == "TLS-certificate-error"


def test_a_server_without_tls_is_an_error(connector: Running) -> None:
    """What does not speak TLS is told as such."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        grant = connector.grant(f"https://localhost:{listener.getsockname()[1]}")
        with server(OK, _Plain(listener)):
            answer = get(grant, f"https://localhost:{listener.getsockname()[1]}/")
    assert error(answer, grant) == "TLS-protocol-error"


class _Plain:
    """A listener that answers before it is asked."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self.getsockname: Callable[[], tuple[str, int]] = listener.getsockname
        self.shutdown, self.close = listener.shutdown, listener.close

    def accept(self) -> tuple[socket.socket, object]:
        connection, peer = self._listener.accept()
        connection.sendall(OK)
        return connection, peer
