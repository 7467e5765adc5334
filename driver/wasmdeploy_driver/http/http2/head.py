"""What the fields of an HTTP/2 request mean, without I/O: the same request as over HTTP/1.1, or why it is refused.

h2 does not check them: it would end the whole connection, with the requests of other clients behind the
same proxy, where only one request is malformed (RFC 9113, 8.1.1).
"""

from __future__ import annotations

import re

from wasmdeploy_driver.http.bounds import Bounds
from wasmdeploy_driver.http.head import Head, Refused
from wasmdeploy_driver.http.message import Headers, Response
from wasmdeploy_driver.http.trailers import allowed_trailers
from wasmdeploy_driver.http.wire import NO_BODY

_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
_VALUE = re.compile(rb"(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?")
_HOST = re.compile(rb"[A-Za-z0-9._~%!$&'()*+,;=:\[\]-]*")
_TARGET = re.compile(rb"/[\x21\x22\x24-\x7e]*")
_PSEUDO = frozenset((b":method", b":scheme", b":authority", b":path"))
_CONNECTION = frozenset((
    b"connection", b"http2-settings", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade",
))  # fmt: skip
# What each field counts for beyond its bytes (RFC 9113, 6.5.2).
_FIELD = 32


def read_head(fields: Headers, bounds: Bounds) -> Head:
    """The head from its fields, pseudo-headers first; raises Refused."""
    if sum(len(name) + len(value) + _FIELD for name, value in fields) > bounds.head:
        raise Refused(431, f"the request head is larger than {bounds.head >> 10} KiB")
    if len(fields) > bounds.headers:
        raise Refused(431, f"the request has more than {bounds.headers} headers")
    pseudo: dict[bytes, bytes] = {}
    headers: list[tuple[bytes, bytes]] = []
    for name, value in fields:
        if name.startswith(b":"):
            if name not in _PSEUDO or name in pseudo or headers:
                raise Refused(400, "a pseudo-header is unknown, repeated or out of place")
            pseudo[name] = value
        else:
            _check_field(name, value)
            headers.append((name, value))
    return _head(pseudo, headers, bounds)


def read_trailers(fields: Headers, bounds: Bounds) -> Headers:
    """The trailers that count; raises Refused."""
    if len(fields) > bounds.headers:
        raise Refused(431, f"the request has more than {bounds.headers} trailers")
    if sum(len(name) + len(value) for name, value in fields) > bounds.head:
        raise Refused(431, f"the request's trailers are larger than {bounds.head >> 10} KiB")
    for name, value in fields:
        _check_field(name, value)
    return allowed_trailers(fields)


def response_fields(response: Response, date: bytes, *, whole: bool) -> list[tuple[bytes, bytes]]:
    """The fields of an answer; of a `whole` one they say how long it is, as HTTP/1.1 has to."""
    names = {name for name, _ in response.headers}
    fields = [(b":status", b"%d" % response.status), *response.headers]
    if b"date" not in names:
        fields.append((b"date", date))
    if whole and b"content-length" not in names and response.status not in NO_BODY:
        fields.append((b"content-length", b"%d" % len(response.body)))
    return fields


def _check_field(name: bytes, value: bytes) -> None:
    if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
        raise Refused(400, "a header is malformed")
    if name in _CONNECTION or (name == b"te" and value.lower() != b"trailers"):
        raise Refused(400, "a header of HTTP/1.1 connections has no place in HTTP/2")


def _head(pseudo: dict[bytes, bytes], headers: list[tuple[bytes, bytes]], bounds: Bounds) -> Head:
    method, target = pseudo.get(b":method", b""), pseudo.get(b":path", b"")
    if method == b"CONNECT":
        raise Refused(501, "this is no proxy")
    if not _TOKEN.fullmatch(method):
        raise Refused(400, "the method is malformed")
    scheme = pseudo.get(b":scheme", b"").lower()
    if scheme not in (b"http", b"https"):
        raise Refused(400, "the scheme is neither http nor https")
    if not _TARGET.fullmatch(target) and not (target == b"*" and method == b"OPTIONS"):
        raise Refused(400, "the request target is malformed")
    hosts = [value for name, value in headers if name == b"host"]
    authority = pseudo.get(b":authority", hosts[0] if hosts else b"")
    if not authority or len(hosts) > 1 or (hosts and hosts[0].lower() != authority.lower()):
        raise Refused(400, "a request has one host")
    if not _HOST.fullmatch(authority):
        raise Refused(400, "the host is malformed")
    if not hosts:  # as HTTP/1.1 has it: who reads headers finds it there
        headers.insert(0, (b"host", authority))
    length = _length([value for name, value in headers if name == b"content-length"])
    if length and bounds.too_large(length):
        raise too_large(bounds)
    expects = any(name == b"expect" and value.lower() == b"100-continue" for name, value in headers)
    return Head(
        method.decode(), scheme.decode(), authority, target, tuple(headers), length, True, False, expects
    )


def too_large(bounds: Bounds) -> Refused:
    """The refusal of a body beyond the bound."""
    return Refused(413, f"the request body is larger than {bounds.body >> 20} MiB")


def _length(declared: list[bytes]) -> int | None:
    if not declared:
        return None
    if len(declared) > 1 or not declared[0].isdigit() or len(declared[0]) > 20:
        raise Refused(400, "the content-length is malformed")
    return int(declared[0])
