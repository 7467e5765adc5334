"""What a client does in the cases about guests that fail."""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.conformance.bodies import judged
from tests.conformance.servers import Server
from tests.conformance.wire import ask, request

PATHS = ("/silent", "/trap", "/trap-after", "/unfinished", "/exit")


def _of(path: str) -> Callable[[Server], str]:
    def act(server: Server) -> str:
        return judged(ask(server.address, request(path, "Connection: close")))

    return act


silent, trap, trap_after, unfinished, exit_ = map(_of, PATHS)
error, two = _of("/error?why"), _of("/two")


def loop(server: Server) -> int:
    """A guest that never ends."""
    return ask(server.address, request("/loop")).status


def sleep(server: Server) -> tuple[int, bytes, bool]:
    """A guest that sleeps for less time than it has: whether it slept for so long."""
    began = time.monotonic()
    answer = ask(server.address, request("/sleep?300"))
    return answer.status, answer.body, time.monotonic() - began >= 0.3


def long_sleep(server: Server) -> int:
    """A guest that sleeps for an hour."""
    return ask(server.address, request("/sleep?3600000")).status


def fresh_after(server: Server) -> dict[str, list[str | bytes]]:
    """After each failure the next request is answered, and by an instance that knows of nothing.

    A guest that returned without a response has not failed itself, so its instance may stay.
    """
    return {path: [_of(path)(server), _call(server)] for path in PATHS if path != "/silent"}


def calls(server: Server) -> list[bytes]:
    """How many requests the instance that answers has seen, this one included; after a failure."""
    _of("/trap")(server)
    return [_call(server) for _ in range(3)]


def told(server: Server) -> list[str]:
    """The failures whose answer tells the client of the inside: a path of the host, a backtrace, the guest's words."""
    words = (b"/root", b"/home", b"/tmp", b"backtrace", b"why", b"wasm[", b"unreachable", b"Traceback")
    paths = (*PATHS, "/error?why")
    return [path for path in paths if any(word in ask(server.address, request(path)).body for word in words)]


def _call(server: Server) -> bytes:
    return ask(server.address, request("/calls")).body
