"""From wasi:http's incoming-handler to an app's `handle(request)`."""

from __future__ import annotations

import importlib
import inspect
import traceback
from collections.abc import Callable, Iterator
from itertools import chain
from sys import modules, stderr
from typing import Any

from componentize_py_types import Err, Ok
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
    if "socket" in modules:
        # It is imported with the first name that is looked up, when there are no files any more to import it from.
        importlib.import_module("encodings.idna")

    class IncomingHandler(exports.IncomingHandler):  # type: ignore[misc]  # generated at build time
        def handle(self, request: types.IncomingRequest, response_out: types.ResponseOutparam) -> None:
            asked = _request(request)
            try:
                outgoing, parts = _begun(_response(app(asked)), head_only=asked.method == "HEAD")
            except (Exception, SystemExit):  # noqa: BLE001  # an app's bug is a 500 and a traceback in its log
                traceback.print_exc(file=stderr)
                outgoing, parts = _begun(Response("Internal Server Error\n", 500))
            _send(outgoing, parts, response_out)
            asked.content.close()

    return IncomingHandler


def _begun(response: Response, *, head_only: bool = False) -> tuple[types.OutgoingResponse, Iterator[bytes]]:
    """The head to send, and the body, whose first part is there: what fails until then is no broken answer."""
    outgoing = types.OutgoingResponse(wire.to_send(response.headers))
    outgoing.set_status_code(response.status)
    if head_only and response.content.comes_in_parts:
        response.content.close()
        return outgoing, iter(())
    parts = response.stream()
    first = next(parts, b"")
    return outgoing, chain((first,) if first else (), parts)


def _response(answer: Any) -> Response:
    if answer is None:
        raise TypeError("handle returned None: is a return missing? Response(None) is an empty answer")
    return answer if isinstance(answer, Response) else Response(answer)


def _request(incoming: types.IncomingRequest) -> Request:
    method = incoming.method()
    scheme = incoming.scheme()
    return Request(
        method=method.value if isinstance(method, types.Method_Other) else type(method).__name__[7:].upper(),
        target=incoming.path_with_query() or "/",
        headers=wire.received(incoming.headers()),
        body=_body(incoming),
        scheme="https" if isinstance(scheme, types.Scheme_Https) else "http",
        authority=incoming.authority() or "",
    )


def _body(incoming: types.IncomingRequest) -> Iterator[bytes]:
    # Opened by whoever wants the first part: most requests have none.
    yield from wire.read_parts(incoming.consume())


def _send(
    outgoing: types.OutgoingResponse, parts: Iterator[bytes], response_out: types.ResponseOutparam
) -> None:
    body = outgoing.body()
    types.ResponseOutparam.set(response_out, Ok(outgoing))
    try:
        wire.write_all(body, parts)
    except Err:
        pass  # the client takes no more
    except Exception:  # noqa: BLE001  # the head is out: the answer breaks off, and the app's log says why
        traceback.print_exc(file=stderr)
