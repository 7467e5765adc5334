"""An answer of which a part is still to come, on its way out of an HTTP/1 connection."""

from __future__ import annotations

import asyncio

from wasmdeploy_driver.http.gate import Gate
from wasmdeploy_driver.http.message import Response
from wasmdeploy_driver.http.outbound import Outbound, declared_length
from wasmdeploy_driver.http.wire import CHUNKED, NO_BODY, encode_chunk, encode_last_chunk, encode_response


class Answer:
    """One answer, written as it comes: each part leaves at once, and the next is asked for when there is room.

    How long it is says its content-length, or else the chunks do, or else (in HTTP/1.0) the end of the connection.
    """

    def __init__(
        self, transport: asyncio.Transport, gate: Gate, response: Response, *, http10: bool, head_only: bool
    ) -> None:
        self._transport = transport
        self._gate = gate
        self._response = response
        self._head_only = head_only
        self._bodiless = head_only or response.status in NO_BODY
        self._whole = response.rest is None and (http10 or not response.trailers)
        length = declared_length(response.headers)
        measured = self._whole or self._bodiless or length is not None
        self._chunked = not (measured or http10)
        self.until_close = not (measured or self._chunked)
        self.begun = False
        self.kept = False  # whether the client expects to send its next request behind it
        self._outbound = Outbound(response, length)

    async def write(self, date: bytes, connection: bytes) -> None:
        """Write all of it; raises BrokenBodyError, before anything is written where `begun` is still False."""
        write = self._transport.write
        if self._whole or self._bodiless:
            self.begun = True
            for part in encode_response(self._response, date, connection, self._head_only):
                write(part)
            return
        first = self._outbound.first()
        self.begun = True
        framing = CHUNKED if self._chunked else b""
        # As for a HEAD request: the length is there only where the guest set it.
        head = encode_response(self._response, date, framing + connection, head_only=True)
        self._put(*head, *self._framed(first))
        if self._gate.closed:
            await self._gate.passed()
        while part := await self._outbound.next():
            self._put(*self._framed(part))
            if self._gate.closed:
                await self._gate.passed()
        if self._chunked:
            write(encode_last_chunk(self._outbound.trailers))

    def stop(self) -> None:
        """Nothing more is written; whoever still makes the answer is told."""
        self._outbound.close()

    def _framed(self, part: bytes | memoryview) -> tuple[bytes | memoryview, ...]:
        return encode_chunk(part) if self._chunked else (part,)

    def _put(self, *parts: bytes | memoryview) -> None:
        # At once, or the connection would wait for the first one's acknowledgement.
        self._transport.writelines(parts)
