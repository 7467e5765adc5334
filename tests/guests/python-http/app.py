"""A componentize-py guest whose paths each show one behaviour."""

import asyncio
from itertools import count
from pathlib import Path

from componentize_py_types import Err, Ok
from poll_loop import PollLoop, Sink, Stream, send
from wit_world import exports
from wit_world.imports import store
from wit_world.imports.types import (
    ErrorCode_InternalError,
    Fields,
    OutgoingRequest,
    OutgoingResponse,
    ResponseOutparam,
    Scheme_Http,
)

calls = count(1)


class IncomingHandler(exports.IncomingHandler):
    def handle(self, request, response_out):
        loop = PollLoop()
        asyncio.set_event_loop(loop)
        loop.run_until_complete(answer(request, response_out))


async def answer(request, out):
    number = next(calls)
    path, _, query = (request.path_with_query() or "").partition("?")
    if path == "/error":
        ResponseOutparam.set(out, Err(ErrorCode_InternalError(query)))
        return
    if path == "/raise":
        raise ValueError(query)
    body = b"Hello from Python\n"
    if path == "/calls":
        print("call", number)
        body = b"%d" % number
    elif path == "/echo":
        stream, body = Stream(request.consume()), b""
        while (chunk := await stream.next()) is not None:
            body += chunk
    elif path == "/variables":
        body = repr([store.get("color"), store.get("shape"), store.get_all()]).encode()
    elif path == "/file":
        body = Path(query).read_bytes()
    elif path == "/fetch":
        body = await fetch(query)
    response = OutgoingResponse(Fields.from_list([("content-type", b"text/plain")]))
    sink = Sink(response.body())
    ResponseOutparam.set(out, Ok(response))
    await sink.send(body)
    sink.close()


async def fetch(authority):
    request = OutgoingRequest(Fields())
    request.set_scheme(Scheme_Http())
    request.set_authority(authority)
    request.set_path_with_query("/from-python")
    try:
        response = await send(request)
    except Err as error:
        return type(error.value).__name__.encode()
    stream, body = Stream(response.consume()), b""
    while (chunk := await stream.next()) is not None:
        body += chunk
    return b"%d %s" % (response.status(), body)
