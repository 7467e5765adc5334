"""Bodies over wasi:io streams."""

from __future__ import annotations

from componentize_py_types import Err
from wit_world.imports import types
from wit_world.imports.streams import StreamError_Closed

_CHUNK = 1 << 16


def read_all(body: types.IncomingBody) -> bytes:
    """All bytes of an incoming body."""
    chunks = []
    with body, body.stream() as stream:
        while True:
            try:
                chunks.append(stream.blocking_read(_CHUNK))
            except Err as error:
                if isinstance(error.value, StreamError_Closed):
                    return b"".join(chunks)
                raise


def write_all(body: types.OutgoingBody, data: bytes) -> None:
    """Write and finish an outgoing body."""
    with body.write() as stream:
        view = memoryview(data)
        while view:
            allowed = stream.check_write()
            if not allowed:
                with stream.subscribe() as ready:
                    ready.block()
                continue
            stream.write(bytes(view[:allowed]))
            view = view[allowed:]
        stream.blocking_flush()
    types.OutgoingBody.finish(body, None)
