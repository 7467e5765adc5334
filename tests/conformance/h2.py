"""One HTTP/2 request over cleartext with prior knowledge (RFC 9113), its frames made by hand."""

from __future__ import annotations

import struct

from tests.conformance.servers import Server
from tests.conformance.wire import Connection, connected

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _SETTINGS, _GOAWAY = 0, 1, 4, 7
_END_STREAM, _END_HEADERS, _ACK = 1, 4, 1
# HPACK: entries of the static table (:method GET, :scheme http), then literals for :path and :authority.
_GET = b"\x82\x86\x04\x06/hello\x01\x08app.test"
# `:status: 200` is entry 8 of the static table.
_STATUS_200 = 0x88


def prior_knowledge(server: Server) -> tuple[int, bytes]:
    """The status and the body of GET /hello; 0 where the server speaks no HTTP/2."""
    with connected(server.address) as connection:
        connection.send(
            _PREFACE + _frame(_SETTINGS, 0, 0) + _frame(_HEADERS, _END_STREAM | _END_HEADERS, 1, _GET)
        )
        status, body = 0, b""
        while (frame := _next(connection)) is not None:
            kind, flags, stream, payload = frame
            if kind == _SETTINGS and not flags & _ACK:
                connection.send(_frame(_SETTINGS, _ACK, 0))
            elif kind == _GOAWAY:
                break
            elif stream == 1:
                if kind == _HEADERS:
                    status = 200 if payload[0] == _STATUS_200 else -1
                elif kind == _DATA:
                    body += payload
                if flags & _END_STREAM:
                    break
        return status, body


def _frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def _next(connection: Connection) -> tuple[int, int, int, bytes] | None:
    head = connection.exactly(9)
    if len(head) < 9 or head.startswith(b"HTTP/1"):
        return None
    kind, flags, stream = struct.unpack(">BBI", head[3:])
    return kind, flags, stream, connection.exactly(int.from_bytes(head[:3], "big"))
