"""From wasi:http's incoming-handler to an app's `handle(request)`."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from sys import stderr
from typing import Any

import wasmdeploy_http.body  # outgoing calls import it late; it has to be in the component
from componentize_py_types import Ok
from wasmdeploy_http.messages import Headers, Request, Response
from wit_world import exports
from wit_world.imports import (
    outgoing_handler,  # noqa: F401  # as above
    store,  # noqa: F401  # as above
    types,
)


def handler(handle: Callable[[Request], Any]) -> type:
    """The class that componentize-py exports, around the app's function."""

    class IncomingHandler(exports.IncomingHandler):  # type: ignore[misc]  # generated at build time
        def handle(self, request: types.IncomingRequest, response_out: types.ResponseOutparam) -> None:
            answer = _answer(handle, request)
            try:
                outgoing = _outgoing(answer)
            except Exception:  # noqa: BLE001  # a status or header that HTTP does not have is the app's bug, too
                traceback.print_exc(file=stderr)
                answer = _failure()
                outgoing = _outgoing(answer)
            _send(outgoing, answer.body, response_out)

    return IncomingHandler


def _answer(handle: Callable[[Request], Any], incoming: types.IncomingRequest) -> Response:
    try:
        answer = handle(_request(incoming))
        return answer if isinstance(answer, Response) else Response(answer)
    except Exception:  # noqa: BLE001  # an app's bug is a 500 and a traceback in its log
        traceback.print_exc(file=stderr)
        return _failure()


def _failure() -> Response:
    return Response("Internal Server Error\n", 500)


def _request(incoming: types.IncomingRequest) -> Request:
    headers = Headers((name, value.decode("latin-1")) for name, value in incoming.headers().entries())
    method = incoming.method()
    scheme = incoming.scheme()
    return Request(
        method=method.value if isinstance(method, types.Method_Other) else type(method).__name__[7:].upper(),
        target=incoming.path_with_query() or "/",
        headers=headers,
        body=wasmdeploy_http.body.read_all(incoming.consume()),
        scheme="https" if isinstance(scheme, types.Scheme_Https) else "http",
        authority=incoming.authority() or "",
    )


def _outgoing(response: Response) -> types.OutgoingResponse:
    fields = types.Fields.from_list([(name, value.encode("latin-1")) for name, value in response.headers])
    outgoing = types.OutgoingResponse(fields)
    outgoing.set_status_code(response.status)
    return outgoing


def _send(outgoing: types.OutgoingResponse, content: bytes, response_out: types.ResponseOutparam) -> None:
    body = outgoing.body()
    types.ResponseOutparam.set(response_out, Ok(outgoing))
    wasmdeploy_http.body.write_all(body, content)
