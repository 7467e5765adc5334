"""The reading side of an HTTP/1 connection: what comes is read ahead up to a bound, and then left to TCP."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from wasmdeploy_driver.http.inbound import InboundBody
from wasmdeploy_driver.http.reader import Reader
from wasmdeploy_driver.http.shared import Shared
from wasmdeploy_driver.http.wire import CONTINUE

# While a request is answered, this much of what follows is read ahead.
_AHEAD = 64 << 10


class Intake:
    """Feeds the `reader`; it is the `inbound.Source` of a body that the application reads while it comes.

    `left` says whether nobody would hear an answer, `begun` whether one has begun.
    """

    __slots__ = ("_begun", "_closed", "_shared", "_transport", "ended", "paused", "reader")

    def __init__(
        self,
        shared: Shared,
        transport: asyncio.Transport,
        client: str,
        *,
        left: Callable[[], bool],
        begun: Callable[[], bool],
    ) -> None:
        open_body = self._open_body if shared.bounds.stream else None
        self.reader = Reader(shared.bounds, shared.budget, client, open_body, left)
        self.ended = False  # the client sends no more
        self.paused = False
        self._shared = shared
        self._transport = transport
        self._begun = begun
        self._closed = False

    def pump(self) -> None:
        """Pass on what has come of a body that the application reads, and bound what has come beyond."""
        self.reader.pump(ended=self.ended)
        self.bound()

    def bound(self) -> None:
        """Read on, or leave it to TCP."""
        full = self.reader.buffered > _AHEAD
        if full != self.paused:
            self.paused = full
            if full:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()

    def send_continue(self) -> None:
        """Have the client that waits for it send its body."""
        if self.reader.wants_continue():
            self._transport.write(CONTINUE)

    def close(self) -> None:
        """Give the memory back: what comes is no longer looked at."""
        self._closed = True
        self.reader.close()

    def _open_body(self) -> InboundBody:
        return InboundBody(self, self._shared.budget, self._shared.patience.body)

    # inbound.Source

    def wanted(self) -> None:
        """The application waits for more of the body."""
        if not (self._closed or self._begun()):
            self.send_continue()

    def taken(self, size: int) -> None:
        """There is room for more of the body."""
        if not self._closed:
            self.pump()

    def left(self) -> None:
        """Nobody wants the rest of the body: it is read and dropped, while the answer goes out."""
        if not self._closed:
            self.pump()
