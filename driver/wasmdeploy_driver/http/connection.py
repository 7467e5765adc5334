"""One client's connection: its requests are answered one after the other, in their order.

    idle ── first byte ──▶ head, body ── whole ──▶ answering ── written ──▶ idle
                               │                       │
                               └── refused, slow ──────┴── close ──▶ ending ──▶ gone

A pipelined request is not looked at before the one in front of it is answered and its answer has gone out;
what the client sends meanwhile is read up to a bound, and then left to TCP.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import cast

from wasmdeploy_driver.http.head import Refused
from wasmdeploy_driver.http.message import Request, Response, text_response
from wasmdeploy_driver.http.reader import Bounds, Budget, Incoming, Reader
from wasmdeploy_driver.http.wire import CONTINUE, Clock, encode_response

Handle = Callable[[Request], Awaitable[Response]]
# While a request is answered, this much of what follows is read ahead.
_AHEAD = 64 << 10
_CLOSE = b"connection: close\r\n"
_KEEP = b"connection: keep-alive\r\n"


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a client may take, in seconds: for a head, between parts of a body, idle, reading its last answer.

    Idle is longer than the 90 s for which Traefik keeps idle connections: it must be the one that closes
    them, since a request sent into a connection that we just closed is lost, and a POST is not sent again.
    """

    head: float = 30.0
    body: float = 30.0
    idle: float = 180.0
    linger: float = 2.0


@dataclass(slots=True)
class Shared:
    """What all connections of a front have in common."""

    handle: Handle
    most: int
    bounds: Bounds
    patience: Patience
    budget: Budget
    gone: Callable[[], None]  # called after each connection that has ended
    clock: Clock = field(default_factory=Clock)
    connections: set[Connection] = field(default_factory=set)
    stopping: bool = False


class Connection(asyncio.Protocol):
    """Bytes in, requests to the app, answers out."""

    _transport: asyncio.Transport
    _reader: Reader

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._loop = asyncio.get_running_loop()
        self._answering: asyncio.Task[None] | None = None
        self._lost = False  # the socket is closed
        self._ending = False  # what comes in is no longer looked at
        self._ended_input = False
        self._reading_paused = False
        self._writing_paused = False
        self._unwritten = 0
        self._part = ""  # of the request that is waited for
        self._timer: asyncio.TimerHandle | None = None

    # the transport's calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected."""
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        client = peer[0] if isinstance(peer, tuple) else ""
        shared = self._shared
        self._reader = Reader(shared.bounds, shared.budget, client)
        full = len(shared.connections) >= shared.most
        shared.connections.add(self)
        if full:  # it is not lingered over, which would take what there is too little of
            self._write(text_response(503, "too many connections"), _CLOSE, head_only=False)
            self._end(linger=False)
        else:
            self._wait(shared.patience.idle)

    def data_received(self, data: bytes) -> None:
        """The client has sent bytes."""
        if self._ending:
            return
        self._reader.feed(data)
        if self._answering is None and not self._writing_paused:
            self._go_on()
        elif self._reader.buffered > _AHEAD and not self._reading_paused:
            self._reading_paused = True
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        """The client sends no more; True keeps the connection for the answers that it still waits for."""
        self._ended_input = True
        return not self._ending and (self._answering is not None or self._writing_paused)

    def pause_writing(self) -> None:
        """The client does not read its answer as fast as it comes."""
        self._writing_paused = True
        self._unwritten = self._transport.get_write_buffer_size()
        if not self._ending:
            self._wait(self._shared.patience.idle)

    def resume_writing(self) -> None:
        """The answer has gone out."""
        self._writing_paused = False
        if not self._ending and self._answering is None:
            self._part = ""
            self._wait(self._shared.patience.idle)
            self._go_on()

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is closed; a guest that still works for it goes on, and nobody hears its answer."""
        self._lost = self._ending = True
        self._stop_waiting()
        self._reader.close()
        if self._answering is None:
            self._forget()

    # requests

    def _go_on(self) -> None:
        """Start the next request, or wait for more of it."""
        try:
            incoming = self._reader.next()
        except Refused as refused:
            self._refuse(refused)
            return
        if self._reading_paused and self._reader.buffered <= _AHEAD:
            self._reading_paused = False
            self._transport.resume_reading()
        if incoming is not None:
            self._stop_waiting()
            self._part = ""
            self._answering = self._loop.create_task(self._answer(incoming))
        elif self._ended_input or (self._shared.stopping and not self._reader.part):
            self._end(linger=False)
        else:
            self._wait_for_more()

    def _wait_for_more(self) -> None:
        patience = self._shared.patience
        if self._reader.wants_continue():
            self._transport.write(CONTINUE)
        before, self._part = self._part, self._reader.part
        if self._part == "body":
            self._wait(patience.body)
        elif self._part == "head" and before != "head":
            self._wait(patience.head)  # for all of it, however many pieces it comes in
        elif self._timer is None:
            self._wait(patience.idle)

    async def _answer(self, incoming: Incoming) -> None:
        request = incoming.request
        try:
            response = await self._shared.handle(request)
        except Exception as error:  # noqa: BLE001  # a bug of ours is one failed request, and is told
            traceback.print_exception(error, file=sys.stderr)
            response = text_response(500, "the app failed")
        finally:
            self._shared.budget.give(len(request.body))
            self._answering = None
            if self._lost:
                self._forget()
        if self._ending or self._transport.is_closing():
            return
        keep = incoming.keep_alive and not self._shared.stopping
        connection = _CLOSE if not keep else _KEEP if incoming.http10 else b""
        self._write(response, connection, request.method == "HEAD")
        if not keep:
            # The client that did not ask for the end may be sending its next request just now.
            self._end(linger=incoming.keep_alive or self._reader.buffered > 0)
        elif not self._writing_paused:
            self._go_on()

    def _write(self, response: Response, connection: bytes, head_only: bool) -> None:
        for part in encode_response(response, self._shared.clock.header(), connection, head_only):
            self._transport.write(part)

    # the end

    def close_if_idle(self) -> None:
        """Close, unless a request has begun to come or is answered."""
        if not (self._ending or self._answering or self._writing_paused or self._reader.part):
            self._end(linger=False)

    def abort(self) -> None:
        """Close now, whatever is under way."""
        self._transport.abort()

    def _refuse(self, refused: Refused) -> None:
        self._write(text_response(refused.status, refused.text), _CLOSE, head_only=False)
        self._end(linger=True)

    def _end(self, *, linger: bool) -> None:
        """Close once all is written.

        To linger is to read and drop for a moment what the client still sends: closing a socket with unread
        bytes resets the connection, and the client may lose the answer with it.
        """
        self._ending = True
        self._reader.close()
        transport = self._transport
        if linger and not self._ended_input:
            with contextlib.suppress(OSError):  # the client has gone already
                transport.write_eof()
            transport.resume_reading()
        else:
            transport.close()
        self._unwritten = transport.get_write_buffer_size()
        self._wait(self._shared.patience.idle if self._unwritten else self._shared.patience.linger)

    def _forget(self) -> None:
        self._shared.connections.discard(self)
        self._shared.gone()

    # time

    def _wait(self, seconds: float) -> None:
        self._stop_waiting()
        self._timer = self._loop.call_later(seconds, self._too_slow)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        self._timer = None
        unwritten = self._transport.get_write_buffer_size()
        if 0 < unwritten < self._unwritten:  # a slow client, but it reads
            self._unwritten = unwritten
            self._wait(self._shared.patience.idle)
        elif self._ending or self._writing_paused:
            self._transport.abort()
        elif self._part:
            self._refuse(Refused(408, f"the request {self._part} took too long"))
        else:
            self._end(linger=False)
