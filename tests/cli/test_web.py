import pytest

from tests.cli.server import serving
from wasmdeploy_cli.errors import ClusterError
from wasmdeploy_cli.web import request


def test_a_request():
    """A request gives status and body, whatever they are."""
    with serving() as server:
        server.status, server.chunks = 418, [b"short", b" and stout"]
        answer = request("The pot", "GET", f"{server.url}/x?y=1", headers={"X-A": "b"})
        assert (answer.status, answer.reason, answer.body) == (418, "I'm a Teapot", b"short and stout")
        assert ("Connection", "close") in [(name.title(), value) for name, value in answer.headers]
        ((method, target, headers, _),) = server.asked
    assert (method, target, headers["X-A"]) == ("GET", "/x?y=1", "b")


def test_a_file(tmp_path):
    """A file is sent as the body."""
    (tmp_path / "guest").write_bytes(b"x" * 100_000)
    with serving() as server:
        assert request("The store", "PUT", server.url, file=tmp_path / "guest").status == 200
        assert server.asked[0][3] == b"x" * 100_000


def test_redirects_are_not_followed():
    """A redirect is an answer like any other: a token must not follow it elsewhere."""
    with serving() as server:
        server.status = 307
        assert request("Consul", "GET", server.url).status == 307
        assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1:1/", "cannot be reached"),
        ("ftp://127.0.0.1/", "cannot be reached"),
        ("127.0.0.1:8500", "cannot be reached|is no URL"),
        ("", "cannot be reached|is no URL"),
        ("http://[::1", "is no URL"),
        ("http://a\0b/", "is no URL"),
        ("http://127.0.0.1:999999/", "cannot be reached"),
        ("http://" + "a" * 300 + "/", "is no URL|cannot be reached"),
    ],
)
def test_no_answer(url, words):
    """Whatever keeps an answer from coming is a ClusterError that says who was asked."""
    with pytest.raises(ClusterError, match=words) as caught:
        request("Consul", "GET", url)
    assert caught.value.message.startswith("Consul")
