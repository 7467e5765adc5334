"""A response's body, part by part, and never another length than was declared."""

from __future__ import annotations

from wasmdeploy_driver.http.message import BrokenBodyError, Headers, Response
from wasmdeploy_driver.http.trailers import allowed_trailers


def declared_length(headers: Headers) -> int | None:
    """The content-length, None where there is none."""
    return next((int(value) for name, value in headers if name == b"content-length"), None)


class Outbound:
    """The parts of a body; `first` goes out with the head, `next` gives what follows.

    The part that completes the declared length is kept back until the body has ended: once it is out, a client
    takes the answer for whole, and could not be told that more was meant to come.
    """

    def __init__(self, response: Response, length: int | None) -> None:
        self._response = response
        self._rest = response.rest
        self._left = length
        self._ended = response.rest is None
        self._kept: bytes | memoryview = b""

    def first(self) -> bytes | memoryview:
        """What leaves with the head; raises BrokenBodyError."""
        body = self._response.body
        if self._left is not None and self._rest is not None and len(body) == self._left:
            self._kept = body
            return b""
        self._count(body)
        if self._ended:
            self._check_end()
        return body

    async def next(self) -> bytes | memoryview:
        """The next part, empty at the end; raises BrokenBodyError."""
        if self._ended or self._rest is None:
            return b""
        part = self._kept or await self._rest.read()
        self._kept = b""
        self._count(part)
        if part and self._left == 0:
            part = bytes(part)  # what it is a view of may be used for the next
            self._count(await self._rest.read())
            self._ended = True
        elif not part:
            self._ended = True
            self._check_end()
        return part

    @property
    def trailers(self) -> Headers:
        """The fields to go out behind the body."""
        fields = self._response.trailers or (self._rest.trailers if self._rest is not None else ())
        return allowed_trailers(fields) if fields else ()

    def close(self) -> None:
        """Say that nothing more goes out."""
        if self._rest is not None:
            self._rest.close()

    def _count(self, part: bytes | memoryview) -> None:
        if self._left is not None:
            self._left -= len(part)
            if self._left < 0:
                raise BrokenBodyError("the body is longer than its content-length")

    def _check_end(self) -> None:
        if self._left:
            raise BrokenBodyError("the body is shorter than its content-length")
