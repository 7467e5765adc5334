"""A guest with Spin's imports: reads variables both ways, and can call what no host function serves."""

import os

from componentize_py_types import Err, Ok
from wit_world import exports
from wit_world.imports import store, types, unserved, variables


def answer(path: str) -> str:
    """What a path asks for."""
    name = path.partition("?")[2]
    if path.startswith("/spin"):
        try:
            return variables.get(name)
        except Err as error:
            return f"{type(error.value).__name__} {error.value.value}"
    if path.startswith("/store"):
        return repr(store.get(name))
    if path.startswith("/all"):
        return repr(sorted(store.get_all()))
    if path.startswith("/env"):
        return repr(sorted(os.environ.items()))
    return repr(unserved.ask("x"))


class IncomingHandler(exports.IncomingHandler):
    """The handler."""

    def handle(self, request, response_out):
        """Answer in text."""
        response = types.OutgoingResponse(types.Fields())
        body = response.body()
        types.ResponseOutparam.set(response_out, Ok(response))
        with body.write() as stream:
            stream.blocking_write_and_flush(answer(request.path_with_query()).encode())
        types.OutgoingBody.finish(body, None)
