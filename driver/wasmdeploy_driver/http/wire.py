"""A response as the bytes that go out, without I/O.

No header goes out that the guest did not set, beyond what HTTP asks of a server: `date` (RFC 9110, 6.6.1: an
origin server with a clock must send it), where the body ends, and `connection`.
"""

from __future__ import annotations

import time
from email.utils import formatdate
from http import HTTPStatus

from wasmdeploy_driver.http.message import Headers, Response

CHUNKED = b"transfer-encoding: chunked\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_STARTS = {status.value: b"HTTP/1.1 %d %b\r\n" % (status, status.phrase.encode()) for status in HTTPStatus}
NO_BODY = frozenset((204, 304))
# A larger body is written apart, uncopied.
_TOGETHER = 64 << 10


class Clock:
    """The date header, made once a second."""

    def __init__(self) -> None:
        self._second = 0
        self._header = b""

    def date(self) -> bytes:
        """The header's value."""
        return self.header()[len(b"date: ") : -len(b"\r\n")]

    def header(self) -> bytes:
        """The whole header line of now."""
        second = int(time.time())
        if second != self._second:
            self._second, self._header = second, b"date: %b\r\n" % formatdate(second, usegmt=True).encode()
        return self._header


def encode_response(
    response: Response, date: bytes, connection: bytes = b"", head_only: bool = False
) -> tuple[bytes | memoryview, ...]:
    """The response's bytes in one or two parts; `date` and `connection` are header lines, or empty.

    `head_only` is for a HEAD request: only the guest knows which length GET would have had.
    """
    status, body = response.status, response.body
    if head_only or status in NO_BODY:
        body = b""
    parts: list[bytes | memoryview] = [_STARTS.get(status) or b"HTTP/1.1 %d \r\n" % status]
    has_length = head_only or status in NO_BODY
    for name, value in response.headers:
        parts.append(b"%b: %b\r\n" % (name, value))
        if name == b"content-length":
            has_length = True
        elif name == b"date":
            date = b""
    parts.append(date)
    if not has_length:
        parts.append(b"content-length: %d\r\n" % len(body))
    parts += (connection, b"\r\n")
    if len(body) > _TOGETHER:
        return b"".join(parts), body
    parts.append(body)
    return (b"".join(parts),)


def encode_chunk(data: bytes | memoryview) -> tuple[bytes | memoryview, ...]:
    """A part of a chunked body; an empty one, which would end it, is left out."""
    return (b"%x\r\n" % len(data), data, b"\r\n") if data else ()


def encode_last_chunk(trailers: Headers) -> bytes:
    """The end of a chunked body."""
    return b"0\r\n%b\r\n" % b"".join(b"%b: %b\r\n" % field for field in trailers)
