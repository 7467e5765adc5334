"""Requests out of bytes, however they are cut."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from wasmdeploy_driver.http.bounds import Bounds, Budget
from wasmdeploy_driver.http.head import Refused
from wasmdeploy_driver.http.reader import Reader

BUDGET = 1 << 20
UPGRADE = b"Connection: Upgrade\r\nUpgrade: h2c\r\n"
# Bodies that look like requests and chunks, some longer than what the parser is given at once.
BODIES = st.binary(max_size=40) | st.sampled_from(
    [b"GET /body HTTP/1.1\r\nHost: b\r\n\r\n", b"0\r\n\r\n", b"x" * 10_000]
)


def by_length(body: bytes, upgrade: bytes) -> bytes:
    return b"POST / HTTP/1.1\r\nHost: a\r\n%bContent-Length: %d\r\n\r\n%b" % (upgrade, len(body), body)


def in_chunks(body: bytes, upgrade: bytes) -> bytes:
    chunks = b"%x;x\r\n%b\r\n" % (len(body), body) if body else b""
    return b"POST / HTTP/1.1\r\nHost: a\r\n%bTransfer-Encoding: chunked\r\n\r\n%b0\r\nT: 1\r\n\r\n" % (
        upgrade,
        chunks,
    )


def read(pieces: list[bytes]) -> list[bytes | None]:
    """The bodies of all requests in the pieces, then None where something was refused."""
    budget = Budget(BUDGET)
    reader = Reader(Bounds(), budget, "")
    found: list[bytes | None] = []
    try:
        for piece in pieces:
            reader.feed(piece)
            while (incoming := reader.next()) is not None:
                found.append(incoming.request.body)
                budget.give(len(incoming.request.body))
    except Refused:
        found.append(None)
    reader.close()
    assert budget.take(BUDGET)  # nothing is left taken
    return found


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    ends = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    return [stream[start:end] for start, end in pairwise(ends)]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([by_length, in_chunks]), BODIES, st.sampled_from([b"", UPGRADE]))),
    st.lists(st.integers(0, 1 << 20)),
)
def test_requests_come_out_as_they_went_in(requests, places) -> None:
    """A stream of requests is read as those requests, wherever TCP cuts it."""
    stream = b"".join(make(body, upgrade) for make, body, upgrade in requests)
    assert read(cut(stream, places)) == [body for _, body, _ in requests]


@settings(max_examples=300, deadline=None)
@given(st.lists(BODIES), st.binary(max_size=60), st.lists(st.integers(0, 1 << 20)))
def test_nonsense_is_read_alike(bodies, nonsense, places) -> None:
    """What follows whole requests never makes more of them in one cut than in another."""
    stream = (
        b"".join(by_length(body, b"") for body in bodies) + nonsense + b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    )
    whole = read([stream])
    assert whole[: len(bodies)] == bodies
    assert read(cut(stream, places)) == whole
