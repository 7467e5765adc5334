"""The head of a request as wasmtime's client sends it to the connector, and as it goes out. Does no I/O.

The target holds what the connector must know (driver/adapter/types/src/egress.rs):

    /TOKEN/CONNECT/FIRST-BYTE/SCHEME/AUTHORITY/PATH?QUERY

with time-outs in milliseconds, 0 for none, and no path at all for the asterisk form. It is all ours: a guest says
its own headers and path, and can reach no further. What goes out has the guest's path, the host that was checked,
none of the fields that belong to one connection, and a body framed in one way.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from wasmdeploy_driver.egress.failure import CallError

# A guest's path may have 64 KiB, wasmtime's fields have 128 KiB.
MAX_HEAD = 256 << 10
_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) (/[^\x00-\x20\x7f]*) HTTP/1\.1")
_TARGET = re.compile(rb"/([^/]*)/([0-9]{1,20})/([0-9]{1,20})/(https?)/([^/]*)(/.*)?", re.DOTALL)
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*)")
# Of one connection, or ours to say.
_DROPPED = frozenset(
    (
        b"connection", b"host", b"http2-settings", b"keep-alive", b"proxy-authenticate", b"proxy-authorization",
        b"proxy-connection", b"upgrade",
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Call:
    """What a guest asks for; time-outs in seconds, 0 for none."""

    method: bytes
    scheme: str
    authority: str
    target: bytes
    connect: float
    first_byte: float
    fields: tuple[tuple[bytes, bytes], ...]

    @property
    def body(self) -> int | None:
        """How many bytes the body has; None for one in chunks, whose end is in it."""
        chunked = [value for name, value in self.fields if name.lower() == b"transfer-encoding"]
        if chunked:
            return None
        return next((int(value) for name, value in self.fields if name.lower() == b"content-length"), 0)

    def encode(self, authority: str) -> bytes:
        """The head that goes out to a host."""
        lines = [b"%s %s HTTP/1.1" % (self.method, self.target), b"host: %s" % authority.encode()]
        lines += [b"%s: %s" % field for field in self.fields if field[0].lower() not in _DROPPED]
        return b"\r\n".join((*lines, b"connection: close", b"", b""))


def token_of(head: bytes) -> str:
    """The token in a head that may not be whole; empty where it has none."""
    match = re.match(rb"[^ \r\n]{1,64} /([^/ \r\n]{1,64})/", head)
    return match[1].decode("latin-1") if match else ""


def parse(head: bytes) -> Call:
    """A whole head, without its empty line; raises CallError for one that a server could read otherwise."""
    first, *lines = head.split(b"\r\n")
    line = _LINE.fullmatch(first)
    parts = _TARGET.fullmatch(line[2]) if line else None
    if line is None or parts is None:
        raise CallError("HTTP-request-URI-invalid")
    if line[1] == b"CONNECT":
        raise CallError("HTTP-request-method-invalid")
    _, connect, first_byte, scheme, authority, path = parts.groups()
    if path is None and line[1] != b"OPTIONS":
        raise CallError("HTTP-request-URI-invalid")
    fields = tuple(map(_field, lines))
    _check_framing(fields)
    return Call(
        line[1], scheme.decode(), authority.decode("latin-1"), path or b"*",
        int(connect) / 1000, int(first_byte) / 1000, fields,
    )  # fmt: skip


def _field(line: bytes) -> tuple[bytes, bytes]:
    match = _FIELD.fullmatch(line)
    if match is None:
        raise CallError("HTTP-protocol-error")
    return match[1], match[2].rstrip(b" \t")


def _check_framing(fields: tuple[tuple[bytes, bytes], ...]) -> None:
    """One length or one chunked coding, or the next server takes a part of the body for a request."""
    lengths = [value for name, value in fields if name.lower() == b"content-length"]
    codings = [value.lower() for name, value in fields if name.lower() == b"transfer-encoding"]
    if len(lengths) + len(codings) > 1 or codings not in ([], [b"chunked"]):
        raise CallError("HTTP-protocol-error")
    if lengths and not re.fullmatch(rb"[0-9]{1,18}", lengths[0]):
        raise CallError("HTTP-protocol-error")
