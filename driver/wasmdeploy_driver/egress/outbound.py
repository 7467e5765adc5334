"""A connection to elsewhere: the far side of one call."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Protocol, cast


class Caller(Protocol):
    """The near side."""

    transport: asyncio.Transport
    ended_input: bool

    def connected(self, out: Outbound) -> None:
        """The far side is there."""
        ...

    def answer(self, data: bytes) -> None:
        """The far side has sent bytes."""
        ...

    def answer_ended(self) -> None:
        """The far side sends no more."""
        ...

    def other_lost(self, error: Exception | None) -> None:
        """The far side's connection is closed."""
        ...


class Outbound(asyncio.Protocol):
    """Tells the caller all that comes, and holds it up while the far side does not read."""

    transport: asyncio.Transport

    def __init__(self, caller: Caller) -> None:
        self._caller: Caller | None = caller
        self._ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected, its TLS included."""
        self.transport = cast(asyncio.Transport, transport)
        if self._caller is not None:
            self._caller.connected(self)

    def data_received(self, data: bytes) -> None:
        """A part of the answer."""
        if self._caller is not None:
            self._caller.answer(data)

    def eof_received(self) -> bool:
        """The answer is whole; True keeps the connection for what the caller still sends."""
        self._ended = True
        if self._caller is not None:
            self._caller.answer_ended()
        return self._caller is not None and not self._caller.ended_input and self.transport.can_write_eof()

    def pause_writing(self) -> None:
        """The far side does not read as fast as the caller writes."""
        if self._caller is not None:
            self._caller.transport.pause_reading()

    def resume_writing(self) -> None:
        """The far side has read what was sent."""
        if self._caller is not None:
            self._caller.transport.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is closed."""
        caller, self._caller = self._caller, None
        if caller is not None:
            caller.other_lost(error)

    def end_output(self) -> None:
        """The caller sends no more; TLS has no half-closed connections here."""
        if self._ended:
            self.transport.close()
        elif self.transport.can_write_eof():
            with contextlib.suppress(OSError):
                self.transport.write_eof()

    def let_go(self, error: Exception | None) -> None:
        """The caller is gone: what it sent still goes out, unless it broke off."""
        self._caller = None
        if error is None:
            self.transport.close()
        else:
            self.transport.abort()
