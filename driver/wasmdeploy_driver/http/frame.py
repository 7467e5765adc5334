"""The frames between host and component: requests go in on stdin, responses come out on stdout.

A component composed with the adapter is a command. Its stdin starts with a request head, then carries the
request body until its end; its stdout starts with a response head, then carries the response body until its
end. A head is a u32 length and as many bytes. Integers are little-endian; `str` is a u32 length and as many
bytes.

    request head    u8 version (2), str method, str scheme, str authority, str target,
                    u32 n, n times (str name, str value),
                    u16 port of the egress connector (0: no request may leave), str token that opens it
    response head   u16 status, u32 n, n times (str name, str value)
                    status 0: the guest failed, str reason follows instead

The guest's environment stays the app's own: nothing of the request is passed through it.
This module does no I/O.
"""

from __future__ import annotations

from struct import Struct
from struct import error as struct_error

from wasmdeploy_driver.errors import GuestTrap
from wasmdeploy_driver.http.message import Request
from wasmdeploy_driver.http.response import MAX_HEAD, ResponseHead, checked_head

_U32 = Struct("<I")
_WAY_OUT = Struct("<HI")
_VERSION = b"\x02"
# Of a guest's reason to fail; it goes into logs and events.
_MAX_REASON = 1000


def encode_way_out(port: int, token: str) -> bytes:
    """The end of a request head: where the guest's own requests go."""
    return _WAY_OUT.pack(port, len(token)) + token.encode()


NO_WAY_OUT = encode_way_out(0, "")


def encode_request(request: Request, way_out: bytes = NO_WAY_OUT) -> bytes:
    """The request's head and body as the component's stdin; `way_out` comes from `encode_way_out`."""
    pack = _U32.pack
    parts: list[bytes] = [b"", _VERSION]
    for item in (request.method.encode(), request.scheme.encode(), request.authority, request.target):
        parts += (pack(len(item)), item)
    parts.append(pack(len(request.headers)))
    for name, value in request.headers:
        parts += (pack(len(name)), name, pack(len(value)), value)
    parts.append(way_out)
    parts[0] = pack(sum(map(len, parts)))
    parts.append(request.body)
    return b"".join(parts)


def parse_head(data: bytes) -> ResponseHead | None:
    """The response head at the start of a component's stdout, None where more is needed.

    Raises GuestTrap where the guest failed or broke the frame.
    """
    if len(data) < 4:
        return None
    (size,) = _U32.unpack_from(data)
    if size > MAX_HEAD:
        raise GuestTrap(f"the guest's response head is larger than {MAX_HEAD >> 10} KiB")
    if 4 + size > len(data):
        return None
    try:
        status = int.from_bytes(data[4:6], "little")
        if status == 0:
            raise GuestTrap(f"the guest failed: {_text(data, 6)[0][:_MAX_REASON].decode(errors='replace')}")
        headers, at = _headers(data, 6)
    except (struct_error, IndexError) as error:
        raise GuestTrap("the guest's response head is broken") from error
    if at != 4 + size:
        raise GuestTrap("the guest's response head is broken")
    return checked_head(status, headers, at)


def missing_head(data: bytes) -> GuestTrap:
    """What it means that the output `data` has ended without a head."""
    return GuestTrap("the guest ended inside its response head" if data else "the guest set no response")


def _headers(data: bytes, at: int) -> tuple[list[tuple[bytes, bytes]], int]:
    (count,) = _U32.unpack_from(data, at)
    at += 4
    headers = []
    for _ in range(count):
        name, at = _text(data, at)
        value, at = _text(data, at)
        headers.append((name, value))
    return headers, at


def _text(data: bytes, at: int) -> tuple[bytes, int]:
    (size,) = _U32.unpack_from(data, at)
    end = at + 4 + size
    if end > len(data):
        raise IndexError
    return data[at + 4 : end], end
