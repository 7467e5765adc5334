"""From wasi:http's incoming-handler to an app's `handle(request)`."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable
from sys import stderr
from typing import Any

from componentize_py_types import Ok
from wit_world import exports
from wit_world.imports import (
    outgoing_handler,  # noqa: F401  # outgoing calls import it late; it has to be in the component
    store,  # noqa: F401  # as above, for variables
    types,
)

from wasmdeploy_http import body as wire
from wasmdeploy_http.messages import Request, Response


def handler(handle: Callable[[Request], Any] | None) -> type:
    """The class that componentize-py exports, around the app's function; raises TypeError for what is none."""
    if handle is None or not callable(handle):
        raise TypeError("has no function handle(request)")
    app = handle
    if inspect.iscoroutinefunction(handle):
        raise TypeError("has an async handle, which is not supported: write def handle(request)")

    class IncomingHandler(exports.IncomingHandler):  # type: ignore[misc]  # generated at build time
        def handle(self, request: types.IncomingRequest, response_out: types.ResponseOutparam) -> None:
            answer = _answer(app, request)
            try:
                outgoing = _outgoing(answer)
            except Exception:  # noqa: BLE001  # a status or header that cannot be sent is the app's bug, too
                traceback.print_exc(file=stderr)
                answer = _failure()
                outgoing = _outgoing(answer)
            _send(outgoing, answer.body, response_out)

    return IncomingHandler


def _answer(handle: Callable[[Request], Any], incoming: types.IncomingRequest) -> Response:
    try:
        return _response(handle(_request(incoming)))
    except (Exception, SystemExit):  # noqa: BLE001  # an app's bug is a 500 and a traceback in its log
        traceback.print_exc(file=stderr)
        return _failure()


def _response(answer: Any) -> Response:
    if answer is None:
        raise TypeError("handle returned None: is a return missing? Response(None) is an empty answer")
    return answer if isinstance(answer, Response) else Response(answer)


def _failure() -> Response:
    return Response("Internal Server Error\n", 500)


def _request(incoming: types.IncomingRequest) -> Request:
    method = incoming.method()
    scheme = incoming.scheme()
    return Request(
        method=method.value if isinstance(method, types.Method_Other) else type(method).__name__[7:].upper(),
        target=incoming.path_with_query() or "/",
        headers=wire.received(incoming.headers()),
        body=wire.read_all(incoming.consume()),
        scheme="https" if isinstance(scheme, types.Scheme_Https) else "http",
        authority=incoming.authority() or "",
    )


def _outgoing(response: Response) -> types.OutgoingResponse:
    outgoing = types.OutgoingResponse(wire.to_send(response.headers))
    outgoing.set_status_code(response.status)
    return outgoing


def _send(outgoing: types.OutgoingResponse, content: bytes, response_out: types.ResponseOutparam) -> None:
    body = outgoing.body()
    types.ResponseOutparam.set(response_out, Ok(outgoing))
    wire.write_all(body, content)
