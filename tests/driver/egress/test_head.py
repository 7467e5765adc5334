import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wasmdeploy_driver.egress.failure import CallError
from wasmdeploy_driver.egress.head import parse, token_of

TOKEN = "t" * 32


def head(*fields, target=b"/30000/0/https/a.test:8443/x?y", method=b"GET"):
    line = b"%s /%s%s HTTP/1.1" % (method, TOKEN.encode(), target)
    return b"\r\n".join((line, b"host: 127.0.0.1:1", *fields))


def test_a_head_holds_the_call():
    """Everything but the fields stands in the target."""
    call = parse(head(b"x-a:  1 ", b"content-length: 4", target=b"/1500/20/https/a.test:8443/x?y/z"))
    assert (call.method, call.scheme, call.authority, call.target) == (
        b"GET",
        "https",
        "a.test:8443",
        b"/x?y/z",
    )
    assert (call.connect, call.first_byte, call.body) == (1.5, 0.02, 4)
    assert call.fields == ((b"host", b"127.0.0.1:1"), (b"x-a", b"1"), (b"content-length", b"4"))


def test_what_goes_out_is_the_guests_own():
    """The host is the one that was checked, whatever fields say; those of one connection stay behind."""
    dropped = [
        b"Host: evil.test",
        b"Connection: keep-alive, x-a",
        b"Keep-Alive: 1",
        b"Proxy-Authorization: x",
        b"Upgrade: h2c",
    ]
    call = parse(head(b"X-A: \xff", *dropped, b"te: trailers"))
    assert call.encode("a.test:8443") == (
        b"GET /x?y HTTP/1.1\r\nhost: a.test:8443\r\nX-A: \xff\r\nte: trailers\r\nconnection: close\r\n\r\n"
    )


def test_the_token_stays_behind():
    """No part of what goes out holds the token or the connector's address."""
    sent = parse(head()).encode("a.test")
    assert TOKEN.encode() not in sent
    assert b"127.0.0.1" not in sent


@pytest.mark.parametrize(
    ("target", "method", "expected"),
    [
        (b"/1/0/http/a", b"OPTIONS", b"*"),
        (b"/1/0/http/a/", b"GET", b"/"),
        (b"/1/0/http/a//b/../c", b"GET", b"//b/../c"),
        (b"/1/0/http//x", b"GET", b"/x"),
        (b"/1/0/http/a/?/", b"GET", b"/?/"),
    ],
)
def test_a_path_goes_out_as_it_is(target, method, expected):
    """The guest's path is neither normalized nor escaped."""
    assert parse(head(target=target, method=method)).target == expected


@pytest.mark.parametrize(
    ("fields", "length"),
    [([], 0), ([b"content-length: 10"], 10), ([b"transfer-encoding: chunked"], None)],
)
def test_a_body_is_framed_in_one_way(fields, length):
    """A length, chunks, or no body."""
    assert parse(head(*fields)).body == length


@pytest.mark.parametrize(
    "fields",
    [
        [b"content-length: 1", b"transfer-encoding: chunked"],
        [b"content-length: 1", b"content-length: 1"],
        [b"Content-Length: 1", b"content-length: 2"],
        [b"content-length: 1, 1"],
        [b"content-length: +1"],
        [b"content-length: -1"],
        [b"content-length: 0x1"],
        [b"content-length: "],
        [b"transfer-encoding: gzip, chunked"],
        [b"transfer-encoding: chunked", b"transfer-encoding: chunked"],
        [b"transfer-encoding: xchunked"],
        [b"x a: 1"],
        [b" folded"],
        [b"x-a : 1"],
        [b"no colon"],
        [b": nameless"],
        [b"x: a\nb: c"],
        [b"x: a\rb"],
        [b"x: a\0b"],
        [b""],
    ],
)
def test_a_head_that_two_servers_could_read_differently_is_refused(fields):
    """Smuggled requests begin with a head that has two meanings."""
    with pytest.raises(CallError, match="HTTP-protocol-error"):
        parse(head(*fields))


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (head(method=b"CONNECT"), "HTTP-request-method-invalid"),
        (head(method=b"GE T"), "HTTP-request-URI-invalid"),
        (head(target=b"/1/0/ftp/a/"), "HTTP-request-URI-invalid"),
        (head(target=b"/1/0/http/a"), "HTTP-request-URI-invalid"),
        (head(target=b"/x/0/http/a/"), "HTTP-request-URI-invalid"),
        (head(target=b"/1/0/http/a/ b"), "HTTP-request-URI-invalid"),
        (head(target=b"/1/0/http/a/\tb"), "HTTP-request-URI-invalid"),
        (head(target=b""), "HTTP-request-URI-invalid"),
        (head().replace(b"HTTP/1.1", b"HTTP/1.0"), "HTTP-request-URI-invalid"),
        (b"", "HTTP-request-URI-invalid"),
    ],
)
def test_a_broken_request_line_is_refused(raw, code):
    """So is what no client of ours sends."""
    with pytest.raises(CallError, match=code):
        parse(raw)


@given(st.binary())
def test_random_bytes_are_a_call_or_an_error(data):
    """Nothing else is raised."""
    token_of(data)
    with contextlib.suppress(CallError):
        parse(data)


def test_a_token_is_found_in_a_part_of_a_head():
    """The token is known before the head is whole, and only once it is whole itself."""
    assert token_of(head()) == TOKEN
    assert token_of(head()[: len(TOKEN) + 5]) == ""
    assert token_of(b"GET / HTTP/1.1\r\n") == ""
    assert token_of(b"x" * 300) == ""
