"""Bodies over wasi:io streams, and header fields: what a component sends and receives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from componentize_py_types import Err
from wit_world.imports import types
from wit_world.imports.streams import OutputStream, StreamError_Closed

from wasmdeploy_http.headers import Headers

_CHUNK = 1 << 16
# The server's and the connection's own; wasi:http refuses them, in so many words as "forbidden".
_NOT_OURS = frozenset(
    {
        "connection", "host", "http2-settings", "keep-alive", "proxy-authenticate", "proxy-authorization",
        "proxy-connection", "transfer-encoding", "upgrade",
    }
)  # fmt: skip


def received(fields: types.Fields, *, whole: bool = True) -> Headers:
    """Received fields; without those of the connection, which nobody may send on, unless `whole`."""
    pairs = ((name, value.decode("latin-1")) for name, value in fields.entries())
    return Headers(pair for pair in pairs if whole or pair[0].lower() not in _NOT_OURS)


def to_send(headers: Headers) -> types.Fields:
    """Fields to send; raises ValueError for one that an app may not set."""
    if wrong := sorted({name for name, _ in headers} & _NOT_OURS):
        raise ValueError(f"an app cannot set the header {', '.join(wrong)}: it is left to the server")
    return types.Fields.from_list([(name, value.encode("latin-1")) for name, value in headers])


def read_parts(body: types.IncomingBody) -> Iterator[bytes]:
    """The bytes of an incoming body, as they come."""
    with body, body.stream() as stream:
        while True:
            try:
                part = stream.blocking_read(_CHUNK)
            except Err as error:
                if isinstance(error.value, StreamError_Closed):
                    return
                raise
            if part:
                yield part


def write_all(body: types.OutgoingBody, parts: Iterable[bytes]) -> None:
    """Write and finish an outgoing body, each part at once; one that cannot be written whole is dropped.

    Raises Err where the other side takes no more, and whatever `parts` raises.
    """
    try:
        with body.write() as stream:
            for part in parts:
                _write(stream, memoryview(part))
                stream.blocking_flush()
    except BaseException:
        body.__exit__(None, None, None)
        raise
    types.OutgoingBody.finish(body, None)


def _write(stream: OutputStream, part: memoryview) -> None:
    while part:
        allowed = stream.check_write()
        if not allowed:
            with stream.subscribe() as ready:
                ready.block()
            continue
        stream.write(bytes(part[:allowed]))
        part = part[allowed:]
