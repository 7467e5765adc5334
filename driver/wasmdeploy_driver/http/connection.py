"""One client's connection: its requests are answered one after the other, in their order.

    idle ── first byte ──▶ head, body ── whole, or enough ──▶ answering ── written ──▶ idle
                               │                                  │
                               └── refused, slow ─────────────────┴── close ──▶ ending ──▶ gone

A pipelined request is not looked at before the one in front of it is answered and its answer has gone out;
what the client sends meanwhile is read up to a bound, and then left to TCP. So is the rest of a body that
the application reads while it comes; where it answers without it, the connection ends behind the answer.

How it reads is in `intake`, how it writes in `output` and `answer`. Its requests, answers, end and times are
together, although they are long: they are the states of this picture, and all of them set the one timer.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from functools import partial
from typing import cast

from wasmdeploy_driver.http.answer import Answer
from wasmdeploy_driver.http.bounds import MOST_WAITING, PASS_ON_SECONDS
from wasmdeploy_driver.http.gate import Gate
from wasmdeploy_driver.http.head import Refused
from wasmdeploy_driver.http.inbound import InboundBody
from wasmdeploy_driver.http.intake import Intake
from wasmdeploy_driver.http.message import Response, text_response
from wasmdeploy_driver.http.output import Output
from wasmdeploy_driver.http.reader import Incoming, Reader
from wasmdeploy_driver.http.shared import Shared, answer_to
from wasmdeploy_driver.http.wire import encode_response
from wasmdeploy_driver.timer import Timer

# With these bytes, which are no HTTP/1, a client begins that knows HTTP/2 to be spoken (RFC 9113, 3.3).
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_CLOSE = b"connection: close\r\n"
_KEEP = b"connection: keep-alive\r\n"


class Connection(asyncio.Protocol):
    """Bytes in, requests to the app, answers out."""

    _transport: asyncio.Transport
    _intake: Intake
    _reader: Reader
    _output: Output
    _gate: Gate  # closed while the client does not read

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._loop = asyncio.get_running_loop()
        self._under_way: Incoming | None = None  # the request that is answered
        self._writing: asyncio.Task[None] | None = None  # its answer, where it is written in parts
        self._lost = False  # the socket is closed
        self._ending = False  # what comes in is no longer looked at
        self._keeps = False  # the request under way leaves the connection open
        self._body: InboundBody | None = None  # of the request under way, where it was passed on in part
        self._answer_out: Answer | None = None  # where it is written in parts
        self._part = ""  # of the request that is waited for
        self._fresh = True  # it is not known yet which version of HTTP is spoken
        self._queues = False  # what came behind the last request has its turn soon
        self._timer = Timer(self._too_slow)

    # the transport's calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected."""
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self._client: str = peer[0] if isinstance(peer, tuple) else ""
        shared = self._shared
        self._intake = Intake(
            shared, self._transport, self._client, left=self._has_left, begun=self._has_begun
        )
        self._reader = self._intake.reader
        self._output = Output(self._transport, shared.patience)
        self._gate = self._output.gate
        full = len(shared.connections) >= shared.most
        shared.connections.add(self)
        if full:  # it is not lingered over, which would take what there is too little of
            self._write(text_response(503, "too many connections"), _CLOSE, head_only=False)
            self._end(linger=False)
        else:
            self._timer.set(shared.patience.idle)

    def data_received(self, data: bytes) -> None:
        """The client has sent bytes."""
        if self._ending:
            return
        self._reader.feed(data)
        if self._under_way is None and not self._gate.closed:
            self._go_on()
        else:
            self._intake.pump()

    def eof_received(self) -> bool:
        """The client sends no more; True keeps the connection for the answers that it still waits for.

        Inside an answer that comes in parts it means, on a connection that was to be kept, that the client has
        left: its guest need not go on.
        """
        self._intake.ended = True
        if self._answer_out is not None and self._answer_out.kept and not self._reader.unfinished:
            return False
        if self._body is not None:
            self._intake.pump()
        return not self._ending and (self._under_way is not None or self._queues or self._gate.closed)

    def pause_writing(self) -> None:
        """The client does not read its answer as fast as it comes."""
        self._output.hold()
        if not self._ending:
            self._timer.set(self._shared.patience.idle)

    def resume_writing(self) -> None:
        """The answer has gone out, or what there was of it."""
        self._gate.open()
        if self._ending:
            return
        if self._under_way is not None:
            self._timer.stop()
        else:
            self._part = ""
            self._timer.set(self._shared.patience.idle)
            self._go_on()

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is closed; a guest that still works for it goes on, and nobody hears its answer."""
        self._lost = self._ending = True
        self._timer.stop()
        self._intake.close()
        if self._under_way is None:
            self._shared.forget(self)
        elif self._answer_out is not None and self._writing is not None:
            self._answer_out.stop()
            self._writing.cancel()

    # requests

    def _go_on(self) -> None:
        """Start the next request, or wait for more of it."""
        if self._fresh and not self._is_http1():
            return
        try:
            incoming = self._reader.next()
        except Refused as refused:
            self._refuse(refused)
            return
        if self._intake.paused:
            self._intake.bound()
        if incoming is not None:
            self._start(incoming)
        elif self._intake.ended or (self._shared.stopping and not self._reader.part):
            self._end(linger=False)
        else:
            self._wait_for_more()

    def _is_http1(self) -> bool:
        """Whether HTTP/1 is known to be spoken; HTTP/2 is handed on."""
        start = self._reader.start
        if not PREFACE.startswith(start):
            self._fresh = False
            return True
        if len(start) < len(PREFACE):
            self._wait_for_more()
            return False
        from wasmdeploy_driver.http.http2.connection import Http2Connection

        self._timer.stop()
        self._ending = True
        other = Http2Connection(self._shared, self._transport, self._client)
        self._shared.connections.add(other)
        self._shared.connections.discard(self)
        self._transport.set_protocol(other)
        other.start(self._reader.take())
        return False

    def _start(self, incoming: Incoming) -> None:
        self._timer.stop()
        self._part = ""
        self._keeps = incoming.keep_alive
        if incoming.request.rest is not None:
            self._body = cast(InboundBody, incoming.request.rest)
        self._under_way = incoming
        try:
            self._shared.handle(incoming.request, partial(self._answer, incoming))
        except Exception as error:
            if self._under_way is not incoming:
                raise
            self._answer(incoming, answer_to(error))

    def _wait_for_more(self) -> None:
        patience = self._shared.patience
        before, self._part = self._part, self._reader.part
        if self._part == "body" and self._shared.bounds.stream:
            if self._reader.waits:  # the application decides whether it wants the body
                self._pass_on()
            elif before != "body":
                self._timer.set(PASS_ON_SECONDS)
            return
        if self._part == "body":
            self._intake.send_continue()
            self._timer.set(patience.body)
        elif self._part == "head" and before != "head":
            self._timer.set(patience.head)  # for all of it, however many pieces it comes in
        elif not self._timer.runs:
            self._timer.set(patience.idle)

    def _pass_on(self) -> None:
        incoming = self._reader.begin()
        if incoming is not None:
            self._start(incoming)

    def _answer(self, incoming: Incoming, response: Response) -> None:
        """The application has answered."""
        request = incoming.request
        if response.rest is not None or request.rest is not None or response.trailers:
            self._writing = self._loop.create_task(self._write_in_parts(incoming, response))
        elif self._is_left(incoming):
            keep = incoming.keep_alive and not self._shared.stopping
            connection = _CLOSE if not keep else _KEEP if incoming.http10 else b""
            self._write(response, connection, request.method == "HEAD")
            self._next(incoming, keep=keep)

    async def _write_in_parts(self, incoming: Incoming, response: Response) -> None:
        keep = left = False
        try:
            keep = await self._answer_in_parts(incoming, response)
        finally:
            left = self._is_left(incoming)
        if left:
            self._next(incoming, keep=keep and not self._shared.stopping)

    def _is_left(self, incoming: Incoming) -> bool:
        """Whether there is a client to go on with, now that its request is no longer under way."""
        self._shared.budget.give(len(incoming.request.body))
        self._under_way = self._writing = None
        if self._lost:
            self._shared.forget(self)
        return not (self._ending or self._transport.is_closing())

    def _next(self, incoming: Incoming, *, keep: bool) -> None:
        """The answer is written: look at what came behind its request, or end."""
        if not keep:
            # The client that did not ask for the end may be sending its next request just now.
            unread = self._reader.buffered > 0 or self._reader.unfinished
            self._end(linger=incoming.keep_alive or unread)
        elif self._reader.part:
            # In turn with the other connections; nor would a call stack hold as many requests as may have come.
            self._queues = True
            self._loop.call_soon(self._again)
        else:
            self._again()

    def _again(self) -> None:
        self._queues = False
        if not (self._under_way or self._ending or self._gate.closed):
            self._go_on()

    async def _answer_in_parts(self, incoming: Incoming, response: Response) -> bool:
        """Answer where the request or the answer is not whole; whether the connection may be kept."""
        shared, body = self._shared, self._body
        answer: Answer | None = None
        try:
            answer = self._answer_out = Answer(
                self._transport,
                self._gate,
                response,
                http10=incoming.http10,
                head_only=incoming.request.method == "HEAD",
            )
            if body is not None and 0 < self._reader.missing <= MOST_WAITING and not self._reader.waits:
                await body.over(shared.patience.early)
            if self._ending or self._transport.is_closing():
                return False
            if body is not None and body.broken is not None:
                self._refuse(body.broken)
                return False
            # Whether the rest of the request is read while the answer goes out is not known yet.
            unwanted = self._reader.unfinished and response.rest is None
            keep = incoming.keep_alive and not (shared.stopping or answer.until_close or unwanted)
            answer.kept = keep
            if body is not None:
                body.seconds = shared.patience.idle
            await answer.write(
                shared.clock.header(), _CLOSE if not keep else _KEEP if incoming.http10 else b""
            )
            return keep and not self._reader.unfinished
        except Exception as error:  # noqa: BLE001  # one failed request
            answer_to(error)
            if answer is None or not answer.begun:
                self._refuse(Refused(500, "the app failed"))
            else:
                self._cut(reset=answer.until_close)
            return False
        finally:
            self._answer_out = None
            if answer is not None:
                answer.stop()
            if body is not None:
                body.close()
                self._body = None

    def _write(self, response: Response, connection: bytes, head_only: bool) -> None:
        for part in encode_response(response, self._shared.clock.header(), connection, head_only):
            self._transport.write(part)

    def _has_left(self) -> bool:
        """Whether nobody hears the answer under way.

        A client that sends no more has left where the connection was to be kept, as far as can be told.
        """
        return self._lost or (self._intake.ended and self._keeps)

    def _has_begun(self) -> bool:
        return self._answer_out is not None and self._answer_out.begun

    # the end

    @property
    def idle(self) -> bool:
        """Whether no request is under way, and no byte of an answer or of the next request waits here."""
        return self._rests and not self._transport.get_write_buffer_size()

    def release(self) -> int:
        """Give an idle connection away, as a descriptor that is the caller's."""
        descriptor = os.dup(self._transport.get_extra_info("socket").fileno())
        self._ending = True
        self._transport.abort()  # which closes this process's own descriptor, and not the connection
        return descriptor

    @property
    def _rests(self) -> bool:
        return not (self._ending or self._under_way or self._gate.closed or self._reader.part)

    def close_if_idle(self) -> None:
        """Close, unless a request has begun to come or is answered."""
        if self._rests:
            self._end(linger=False)

    def abort(self) -> None:
        """Close now, whatever is under way."""
        self._transport.abort()

    def _refuse(self, refused: Refused) -> None:
        self._write(text_response(refused.status, refused.text), _CLOSE, head_only=False)
        self._end(linger=True)

    def _cut(self, *, reset: bool) -> None:
        """End inside an answer, so that its client sees that it is not whole; its head has said how, or else
        (`reset`) only a reset connection differs from the end.
        """
        if reset:
            self._ending = True
            self._intake.close()
            own: socket.socket = self._transport.get_extra_info("socket")
            own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._transport.abort()
        else:
            self._end(linger=False)

    def _end(self, *, linger: bool) -> None:
        """Close once all is written."""
        self._ending = True
        self._intake.close()
        self._timer.set(self._output.end(linger=linger and not self._intake.ended))

    # time

    def _too_slow(self) -> None:
        if self._output.shrinks():
            self._timer.set(self._shared.patience.idle)
        elif self._ending or self._gate.closed:
            self._transport.abort()
        elif self._part == "body" and self._shared.bounds.stream:
            self._pass_on()
        elif self._part:
            self._refuse(Refused(408, f"the request {self._part} took too long"))
        else:
            self._end(linger=False)
