"""One HTTP request and one response, as bytes the way they came or will go."""

from __future__ import annotations

from dataclasses import dataclass

Headers = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class Request:
    """A request; `target` is the raw request target (path and query), header names are in lower case."""

    method: str
    scheme: str
    authority: bytes
    target: bytes
    headers: Headers
    body: bytes = b""
    client: str = ""  # the peer's address, for CGI

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
    """A whole response."""

    status: int
    headers: Headers = ()
    body: bytes | memoryview = b""


def text_response(status: int, text: str) -> Response:
    """A short plain-text answer of the server's own."""
    body = text.encode() + b"\n"
    return Response(
        status,
        ((b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(body))),
        body,
    )
