import contextlib
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wasmdeploy_driver.errors import GuestTrap
from wasmdeploy_driver.http.frame import encode_request, encode_way_out, missing_head, parse_head
from wasmdeploy_driver.http.message import Request
from wasmdeploy_driver.http.response import whole_response


def text(data):
    return pack("<I", len(data)) + data


def frame(status, headers=(), body=b""):
    head = pack("<HI", status, len(headers)) + b"".join(text(name) + text(value) for name, value in headers)
    return text(head) + body


def decode_response(data, head_only=False):
    """The response in the whole output of a component."""
    head = parse_head(data)
    if head is None:
        raise missing_head(data)
    return whole_response(head, data[head.body_at :], (), head_only)


def test_request_head():
    """A head is its length, the version, four texts, the headers and the way out; the body follows."""
    request = Request("GET", "http", b"a.test", b"/p?q", ((b"x", b"1"),), b"body")
    head = (
        b"\x02"
        + text(b"GET")
        + text(b"http")
        + text(b"a.test")
        + text(b"/p?q")
        + pack("<I", 1)
        + text(b"x")
        + text(b"1")
        + pack("<H", 8080)
        + text(b"t0ken")
    )
    assert encode_request(request, encode_way_out(8080, "t0ken")) == text(head) + b"body"


def test_request_without_headers_and_way_out():
    """No headers are a zero count, no way out is port 0 and an empty token."""
    assert encode_request(Request("GET", "http", b"", b"/", ())).endswith(pack("<IHI", 0, 0, 0))


def test_response():
    """A response's head gives status and headers, all that follows is the body."""
    response = decode_response(frame(201, [(b"x", b"1"), (b"x", b"2")], b"body"))
    assert (response.status, response.headers) == (201, ((b"x", b"1"), (b"x", b"2")))
    assert bytes(response.body) == b"body"


def test_a_head_that_still_comes():
    """A head is there once its last byte is; not before, and whatever follows."""
    data = frame(201, [(b"x", b"1")])
    assert all(parse_head(data[:size]) is None for size in range(len(data)))
    assert parse_head(data + b"body").body_at == len(data)


def test_head_request():
    """The answer to a HEAD request may declare a length without a body."""
    data = frame(200, [(b"content-length", b"12")])
    assert decode_response(data, head_only=True).headers == ((b"content-length", b"12"),)


def test_nothing_was_written():
    """No output at all is said as such."""
    with pytest.raises(GuestTrap, match="set no response"):
        decode_response(b"")


def test_failure_with_a_reason():
    """Status 0 carries the reason why the guest failed."""
    with pytest.raises(GuestTrap, match="the guest failed: out of cheese"):
        decode_response(text(pack("<H", 0) + text(b"out of cheese")))


def test_a_long_reason_is_cut():
    """A guest's reason cannot fill logs and events."""
    with pytest.raises(GuestTrap) as caught:
        decode_response(text(pack("<H", 0) + text(b"x" * 100_000)))
    assert len(caught.value.message) < 2000


@pytest.mark.parametrize(
    "data",
    [
        b"\0",
        b"\0\0\0\0",
        pack("<I", 2),
        text(b"\xc8"),
        text(b"\xc8\0"),
        frame(200)[:-1],
        text(pack("<HI", 200, 1)),
        text(pack("<HI", 200, 0) + b"more"),
        text(pack("<HI", 200, 0))[:-2] + b"\x01\0body",
        text(pack("<HI", 200, 0xFFFFFFFF)),
        text(pack("<HII", 200, 1, 0xFFFFFFFF)),
        pack("<I", 0xFFFFFFFF) + b"x" * 64,
        text(pack("<H", 0)),
        text(pack("<HI", 0, 5)),
    ],
)
def test_broken_frames(data):
    """A head that is cut short, too long or inconsistent is the guest's failure."""
    with pytest.raises(GuestTrap):
        decode_response(data)


def test_headers_beyond_the_head():
    """Headers that run on into the body are refused, whole as they may look."""
    whole = frame(200, [(b"x", b"1")])
    with pytest.raises(GuestTrap, match="broken"):
        decode_response(pack("<I", 6) + whole[4:])


@pytest.mark.parametrize("headers", [[(b"x", b"v" * 200_000)], [(b"", b"")] * 50_000])
def test_a_giant_head_is_refused(headers):
    """A head beyond the bound is refused before its headers are taken apart."""
    with pytest.raises(GuestTrap, match="larger than 128 KiB"):
        decode_response(frame(200, headers))


@pytest.mark.parametrize(
    "headers", [[(b"x", b"a\r\nset-cookie: b")], [(b"a b", b"")], [(b"content-length", b"9")]]
)
def test_headers_are_checked(headers):
    """A component's headers go through the same checks as everybody's."""
    with pytest.raises(GuestTrap):
        decode_response(frame(200, headers, b"body"))


@given(st.binary(max_size=200))
def test_random_output(data):
    """Random output is a response or a GuestTrap, never another exception."""
    with contextlib.suppress(GuestTrap):
        assert decode_response(data).status >= 200


@given(
    st.integers(0, 0xFFFF),
    st.lists(st.tuples(st.binary(max_size=9), st.binary(max_size=9)), max_size=5),
    st.data(),
)
def test_damaged_frames(status, headers, data):
    """A whole frame with some bytes changed is a response or a GuestTrap, never another exception."""
    damaged = bytearray(frame(status, headers, b"body"))
    for _ in range(data.draw(st.integers(0, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(GuestTrap):
        decode_response(bytes(damaged))
