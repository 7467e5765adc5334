"""Which fields may stand behind a body.

A trailer comes when the head has been acted on: a field that says how long the message is, who is asked, who
asks, or how the body is to be read must not be set there (RFC 9110, 6.5.1), and is dropped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from wasmdeploy_driver.http.message import Headers

_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_FORBIDDEN = frozenset((
    b"age", b"authorization", b"cache-control", b"connection", b"content-encoding", b"content-length",
    b"content-location", b"content-range", b"content-type", b"cookie", b"date", b"expect", b"expires",
    b"forwarded", b"host", b"http2-settings", b"if-match", b"if-modified-since", b"if-none-match", b"if-range",
    b"if-unmodified-since", b"keep-alive", b"location", b"max-forwards", b"pragma", b"proxy-authenticate",
    b"proxy-authorization", b"proxy-connection", b"range", b"retry-after", b"set-cookie", b"te", b"trailer",
    b"transfer-encoding", b"upgrade", b"vary", b"warning", b"www-authenticate",
))  # fmt: skip
_FORBIDDEN_START = b"x-forwarded-"


def allowed_trailers(fields: Iterable[tuple[bytes, bytes]]) -> Headers:
    """The fields that may be trailers, names in lower case."""
    lower = ((name.lower(), value) for name, value in fields)
    return tuple(
        (name, value)
        for name, value in lower
        if name not in _FORBIDDEN
        and not name.startswith(_FORBIDDEN_START)
        and _NAME.fullmatch(name)
        and _VALUE.fullmatch(value)
    )
