from http import HTTPStatus

import pytest

from wasmdeploy_http import Headers, Request, Response

FORM = Headers({"content-type": "application/x-www-form-urlencoded; charset=utf-8"})


def test_a_target_is_taken_apart():
    """The path is decoded; of a parameter the last holds, and all can be had."""
    request = Request("GET", "/caf%C3%A9/%2F?a=1&b=&a=2+3")
    assert request.path == "/café//"
    assert request.query == {"a": "2 3", "b": ""}
    assert (request.query_all("a"), request.query_all("c")) == (["1", "2 3"], [])


def test_a_form():
    """The fields of a form are read as the query is."""
    request = Request("POST", "/", FORM, b"name=T%C3%A9a&color=red&color=blue&none=")
    assert request.form() == {"name": "Téa", "color": "blue", "none": ""}
    assert request.form_all("color") == ["red", "blue"]


@pytest.mark.parametrize("headers", [Headers(), Headers({"content-type": "application/json"})])
def test_no_form(headers):
    """A body of another content type is no form."""
    with pytest.raises(ValueError, match="content type"):
        Request("POST", "/", headers, b"a=1").form()


@pytest.mark.parametrize(
    ("body", "status", "content", "content_type"),
    [
        (b"x", 200, b"x", None),
        ("é", 200, "é".encode(), "text/plain; charset=utf-8"),
        ({"a": 1}, 200, b'{"a": 1}', "application/json"),
        ([], 200, b"[]", "application/json"),
        (b"", 200, b"", None),
        (None, 204, b"", None),
    ],
)
def test_a_body(body, status, content, content_type):
    """A body has its bytes, content type and status; None is no content."""
    response = Response(body)
    assert (response.status, response.body, response.headers.get("content-type")) == (
        status,
        content,
        content_type,
    )


def test_what_is_given_holds():
    """A status and a content type that are given are kept."""
    response = Response(None, HTTPStatus.OK, {"Content-Type": "a/b"})
    assert (response.status, list(response.headers)) == (200, [("content-type", "a/b")])
    assert list(Response("x", headers=[("content-type", "a/b")]).headers) == [("content-type", "a/b")]


@pytest.mark.parametrize("status", [0, 100, 199, 1000, -1, "200", 200.0])
def test_what_is_no_status(status):
    """A status that an answer cannot have is refused when it is given."""
    with pytest.raises(ValueError, match="no status"):
        Response("x", status)


def test_a_body_in_parts():
    """It is given part by part once, or whole as often as one likes."""
    parts = Response(iter(["é", b"x", ""]))
    assert list(parts.stream()) == ["é".encode(), b"x", b""]
    for again in (parts.stream, lambda: parts.body):
        with pytest.raises(RuntimeError, match="taken already"):
            again()
    whole = Request("POST", "/", body=(part for part in (b'{"a"', b": 1}")))
    assert (whole.json(), whole.body, list(whole.stream())) == ({"a": 1}, b'{"a": 1}', [b'{"a": 1}'])
    assert list(Response(b"").stream()) == []
    assert repr(Response(iter(()))) == "Response(status=200, in parts)"


def test_what_is_no_part():
    """A part of another type is refused when its turn comes."""
    parts = Response(iter(["a", 5])).stream()
    assert next(parts) == b"a"
    with pytest.raises(TypeError, match="not int"):
        next(parts)


@pytest.mark.parametrize("body", [5, object(), ("x", 404)])
def test_what_is_no_body(body):
    """A body of another kind is refused by its type."""
    with pytest.raises(TypeError, match=type(body).__name__):
        Response(body)
