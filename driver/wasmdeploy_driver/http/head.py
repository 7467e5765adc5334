"""What the head of an HTTP/1.1 request means: its target, its body, or why it is refused.

llhttp has split the head into fields and refused what is no HTTP. What is left to decide here is who is
meant (RFC 9112, 3.2 and 3.3) and how long the body is: where two readers could disagree, the request is
refused, since the one in front of us may have read it in the other way. This module does no I/O.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from wasmdeploy_driver.http.message import Headers

_HOST = re.compile(rb"[A-Za-z0-9._~%!$&'()*+,;=:\[\]-]*")
_ABSOLUTE = re.compile(rb"(https?)://([^/?]+)([/?].*)?", re.IGNORECASE | re.DOTALL)


class Refused(Exception):  # noqa: N818  # no failure of ours: an answer, after which the connection is closed
    """The request gets this answer, and nothing after it is read."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


@dataclass(frozen=True, slots=True)
class Head:
    """A request without its body; `length` is None where the body is chunked."""

    method: str
    scheme: str
    authority: bytes
    target: bytes
    headers: Headers
    length: int | None
    keep_alive: bool
    http10: bool
    expects: bool  # the client waits for 100 before it sends the body


def read_head(
    method: bytes, version: str, target: bytes, headers: list[tuple[bytes, bytes]], keep_alive: bool
) -> Head:
    """The head from its parts, header names in lower case; raises Refused."""
    if version not in ("1.1", "1.0"):
        raise Refused(400 if version == "0.9" else 505, "only HTTP/1.1 and HTTP/1.0 are spoken here")
    if method == b"CONNECT":
        raise Refused(501, "this is no proxy")
    http10 = version == "1.0"
    hosts: list[bytes] = []
    length: int | None = 0
    expects = False
    for name, value in headers:
        if name == b"host":
            hosts.append(value)
        elif name == b"content-length":
            length = _length(value)
        elif name == b"transfer-encoding":
            # A second one has been refused by llhttp, and one beside a content-length.
            if value.lower() != b"chunked" or http10:
                raise Refused(400, "the only transfer-encoding is chunked, in HTTP/1.1")
            length = None
        elif name == b"expect" and value.lower() == b"100-continue":
            expects = not http10
    if len(hosts) > 1 or not (hosts or http10):
        raise Refused(400, "a request has one host")
    authority = hosts[0] if hosts else b""
    scheme = "http"
    if target[:1] != b"/" and target != b"*":
        scheme, authority, target = _absolute(method, target)
        # The one in the target counts, and nobody may find another.
        headers = [(name, authority if name == b"host" else value) for name, value in headers]
    if not _HOST.fullmatch(authority):
        raise Refused(400, "the host is malformed")
    if b"#" in target or (target == b"*" and method != b"OPTIONS"):
        raise Refused(400, "the request target is malformed")
    return Head(
        method.decode(), scheme, authority, target, tuple(headers), length, keep_alive, http10, expects
    )


def _length(value: bytes) -> int:
    # llhttp takes only digits, but any number of them that counts up to 2^64.
    if not value.isdigit() or len(value) > 20:
        raise Refused(400, "the content-length is malformed")
    return int(value)


def _absolute(method: bytes, target: bytes) -> tuple[str, bytes, bytes]:
    found = _ABSOLUTE.fullmatch(target)
    if found is None:
        raise Refused(400, "the request target is malformed")
    scheme, authority, rest = found.groups(b"")
    if not rest and method == b"OPTIONS":
        rest = b"*"
    elif rest[:1] != b"/":
        rest = b"/" + rest
    return scheme.lower().decode(), authority, rest
