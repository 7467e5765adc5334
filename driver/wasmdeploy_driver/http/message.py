"""One HTTP request and one response, as bytes the way they came or will go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

Headers = tuple[tuple[bytes, bytes], ...]


class BrokenBodyError(Exception):
    """The rest of a body will not come: the client has gone, or the guest failed after its head was out."""


class Body(Protocol):
    """What of a body is still to come."""

    @property
    def trailers(self) -> Headers:
        """The fields behind the body, known once it has ended."""
        ...

    async def read(self) -> bytes | memoryview:
        """The next part, empty at the end; raises BrokenBodyError."""
        ...

    def close(self) -> None:
        """Say that nobody will read on; may be called twice, and after the end."""
        ...


def _stays() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Request:
    """A request; `target` is the raw request target (path and query), header names are in lower case."""

    method: str
    scheme: str
    authority: bytes
    target: bytes
    headers: Headers
    body: bytes = b""  # the whole body, or what had come of it when the request was passed on
    client: str = ""  # the peer's address, for CGI
    rest: Body | None = None  # what follows `body`
    trailers: Headers = ()  # of a whole body
    # Whether its client has gone since, so that nobody would hear an answer.
    left: Callable[[], bool] = field(default=_stays, compare=False)

    @property
    def path(self) -> bytes:
        """The raw path without its query."""
        return self.target.partition(b"?")[0]

    @property
    def query(self) -> bytes:
        """The raw query, empty where there is none."""
        return self.target.partition(b"?")[2]


@dataclass(frozen=True, slots=True)
class Response:
    """A response; `rest` follows `body` where it was not whole when its head was known."""

    status: int
    headers: Headers = ()
    body: bytes | memoryview = b""
    rest: Body | None = None
    trailers: Headers = ()  # of a whole body


def text_response(status: int, text: str) -> Response:
    """A short plain-text answer of the server's own."""
    body = text.encode() + b"\n"
    return Response(
        status,
        ((b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(body))),
        body,
    )
