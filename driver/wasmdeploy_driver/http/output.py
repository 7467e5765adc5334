"""The writing side of a connection: whether its client reads what is written, and the end behind it."""

from __future__ import annotations

import asyncio
import contextlib

from wasmdeploy_driver.http.bounds import Patience
from wasmdeploy_driver.http.gate import Gate


class Output:
    """What is written and has not gone out yet; `gate` is closed while that is too much."""

    __slots__ = ("_patience", "_transport", "_unwritten", "gate")

    def __init__(self, transport: asyncio.Transport, patience: Patience) -> None:
        self.gate = Gate()
        self._transport = transport
        self._patience = patience
        self._unwritten = 0  # when it was looked at last

    def hold(self) -> None:
        """The client does not read as fast as it is written to."""
        self.gate.closed = True
        self._unwritten = self._transport.get_write_buffer_size()

    def shrinks(self) -> bool:
        """Whether a slow client has read some of it since it was looked at last."""
        before, now = self._unwritten, self._transport.get_write_buffer_size()
        if not 0 < now < before:
            return False
        self._unwritten = now
        return True

    def end(self, *, linger: bool) -> float:
        """Close once all is written; gives how many seconds the client has for its next sign of life.

        To linger is to read and drop for a moment what the client still sends: closing a socket with unread
        bytes resets the connection, and the client may lose the answer with it.
        """
        transport = self._transport
        if linger:
            with contextlib.suppress(OSError):  # the client has gone already
                transport.write_eof()
            transport.resume_reading()
        else:
            transport.close()
        self._unwritten = transport.get_write_buffer_size()
        return self._patience.idle if self._unwritten else self._patience.linger
