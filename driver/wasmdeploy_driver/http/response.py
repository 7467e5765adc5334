"""What a guest answered, checked before it may reach the front.

A guest is not trusted with the connection. A line break in a value would split the response, two lengths
would let one reader end where another goes on, and `connection` or `transfer-encoding` would speak to the
client in the front's name. Broken answers are the guest's failure; fields of the connection are left out
without a word, as RFC 3875 lets a server do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from wasmdeploy_driver.errors import GuestTrap
from wasmdeploy_driver.http.message import Headers, Response

# A longer head is refused, as wasmtime itself does: each field costs the host more memory than the guest.
MAX_HEAD = 128 << 10
_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
# The same list as the adapter's, which refuses them where a component sets them.
_CONNECTION = frozenset((
    b"connection", b"host", b"http2-settings", b"keep-alive", b"proxy-authenticate", b"proxy-authorization",
    b"proxy-connection", b"transfer-encoding", b"upgrade",
))  # fmt: skip
_NO_BODY = frozenset((204, 304))


@dataclass(frozen=True, slots=True)
class ResponseHead:
    """The head that a guest wrote, and where in its output the body begins."""

    status: int
    headers: Headers
    body_at: int

    @property
    def length(self) -> int | None:
        """The length in bytes that it declares of the body, where there may be one."""
        if self.status in _NO_BODY:
            return None
        return next((int(value) for name, value in self.headers if name == b"content-length"), None)


def whole_response(
    head: ResponseHead, body: bytes | memoryview, trailers: Headers, head_only: bool
) -> Response:
    """The response of a guest that is done; raises GuestTrap where the length that it declared is not that of `body`.

    `head_only` is for a HEAD request, whose declared length has no body to match.
    """
    if head.status in _NO_BODY or head_only:
        return Response(head.status, head.headers)
    if (declared := head.length) is not None and declared != len(body):
        raise GuestTrap(f"the guest declared content-length {declared} and wrote {len(body)} bytes")
    return Response(head.status, head.headers, body, trailers=trailers)


def checked_head(status: int, headers: Iterable[tuple[bytes, bytes]], body_at: int) -> ResponseHead:
    """The head, its names in lower case; raises GuestTrap where it is no valid one."""
    if not 200 <= status <= 999:
        raise GuestTrap(f"the guest answered with status {status}, which is none of a final response")
    lengths: list[bytes] = []
    passed: list[tuple[bytes, bytes]] = []
    for name, value in headers:
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise GuestTrap(f"the guest set a broken header: {name[:80]!r}: {value[:80]!r}")
        name = name.lower()  # noqa: PLW2901  # the name as it goes on
        if name == b"content-length":
            lengths.append(value)
        elif name not in _CONNECTION:
            passed.append((name, value))
    if lengths and status != 204:  # which has no length at all
        passed.append((b"content-length", _length(lengths)))
    return ResponseHead(status, tuple(passed), body_at)


def checked_trailers(trailers: Headers) -> Headers:
    """The trailers, their names in lower case; broken ones are left out, since the body has gone already."""
    return tuple(
        (name.lower(), value) for name, value in trailers if _NAME.fullmatch(name) and _VALUE.fullmatch(value)
    )


def _length(declared: list[bytes]) -> bytes:
    first = declared[0]
    canonical = first.isdigit() and len(first) <= 19 and first == b"%d" % int(first)
    if not canonical or any(other != first for other in declared):
        raise GuestTrap(f"the guest declared a broken content-length: {first[:80].decode(errors='replace')}")
    return first
