"""A guest of Spin 1's own HTTP interface."""

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import http
from wit_world.imports.http_types import Method, Request, Response


def answer(request: Request) -> bytes:
    """What a path asks for."""
    path, _, query = request.uri.partition("?")
    if path == "/echo":
        return request.body or b""
    if path == "/fetch":
        try:
            return http.send_request(Request(Method.GET, query, [("x-from", "python")], [], None)).body or b""
        except Err as error:
            return error.value.name.encode()
    return b"hello from Spin 1 in Python\n"


class InboundHttp(exports.InboundHttp):
    """The handler."""

    def handle_request(self, request: Request) -> Response:
        """Answer in text."""
        return Response(200, [("content-type", "text/plain")], answer(request))
