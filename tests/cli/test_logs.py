from urllib.parse import parse_qs, urlsplit

import pytest

from tests.cli.server import serving
from wasmdeploy_cli.errors import ClusterError
from wasmdeploy_cli.nomad import Settings
from wasmdeploy_cli.nomad.logs import LogClient
from wasmdeploy_driver.secrets import Secret


def read(server, follow=False):
    client = LogClient(Settings(server.url, Secret("n-token")), "prod")
    try:
        return list(client.lines("0a1b", "web", "stderr", follow=follow))
    finally:
        client.close()


@pytest.mark.parametrize(
    ("chunks", "lines"),
    [
        ([], []),
        ([b"one\ntwo\n"], [b"one", b"two"]),
        ([b"on", b"e\ntw", b"o"], [b"one", b"two"]),
        ([b"one\n", b"\n", b"\n"], [b"one", b"", b""]),
        ([b"\xff\xfe\r\n"], [b"\xff\xfe\r"]),
    ],
)
def test_lines(chunks, lines):
    """Lines are whole, however they come in; their bytes are not touched."""
    with serving() as server:
        server.chunks = chunks
        assert read(server) == lines


@pytest.mark.parametrize("follow", [True, False])
def test_what_is_asked(follow):
    """Nomad is asked for the plain log of one stream from its start, uncompressed and with the token."""
    with serving() as server:
        read(server, follow)
        ((method, target, headers, _),) = server.asked
    assert (method, urlsplit(target).path) == ("GET", "/v1/client/fs/logs/0a1b")
    assert parse_qs(urlsplit(target).query) == {
        "namespace": ["prod"], "task": ["web"], "type": ["stderr"], "origin": ["start"], "offset": ["0"],
        "plain": ["true"], "follow": [str(follow).lower()],
    }  # fmt: skip
    assert (headers["X-Nomad-Token"], headers["Accept-Encoding"]) == ("n-token", "identity")


def test_a_stream_that_was_never_written():
    """A stream that is not there has no lines."""
    with serving() as server:
        server.status = 404
        assert read(server) == []


def test_a_refusal():
    """What Nomad says against it is in the error."""
    with serving() as server:
        server.status, server.chunks = 403, [b"Permission denied\n"]
        with pytest.raises(ClusterError, match="Permission denied"):
            read(server)


def test_nobody_answers():
    """A Nomad that cannot be reached is a ClusterError."""
    client = LogClient(Settings("http://127.0.0.1:1"), "default")
    with pytest.raises(ClusterError, match=r"127\.0\.0\.1:1"):
        list(client.lines("0a1b", "web", "stdout", follow=False))
    client.close()
