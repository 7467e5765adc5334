"""A connection from a guest's HTTP client: one request, which goes where the grant allows, and its answer.

    head ── whole, allowed ──▶ connecting ── connected ──▶ relaying ──▶ gone
      │                            │              └── the app itself or a component: its front's protocol answers
      └── no token: cut off        └── not allowed, failed: answered with the error ──▶ ending ──▶ gone

Bytes are passed on as they come, no faster than the other side takes them.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from struct import pack
from typing import cast

from wasmdeploy_driver.egress.dial import Network, dial
from wasmdeploy_driver.egress.failure import FIRST_BYTE_TIMEOUT, TERMINATED, CallError
from wasmdeploy_driver.egress.grant import Grant
from wasmdeploy_driver.egress.head import MAX_HEAD, Call, parse, token_of
from wasmdeploy_driver.egress.outbound import Outbound
from wasmdeploy_driver.egress.rules import Target
from wasmdeploy_driver.timer import Timer

Internal = Callable[[str | None], asyncio.Protocol | None]
"""The protocol that answers for the app itself (None) or a component by its name, in lower case; None: no such one."""

# The client is on this machine: it sends its head and reads our answer at once, as far as the machine lets it.
_HEAD_SECONDS = 30.0
_ENDING_SECONDS = 2.0
# A token and a method in front of it fit well into this much.
_UNAUTHENTICATED = 256
_RESET = pack("ii", 1, 0)  # lingering for no time


@dataclass(slots=True)
class Shared:
    """What all connections have in common."""

    grants: Mapping[str, Grant]
    internal: Internal
    network: Network
    most: int
    connections: set[Inbound] = field(default_factory=set)


class Inbound(asyncio.Protocol):
    """The guest's side of one call."""

    transport: asyncio.Transport

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._loop = asyncio.get_running_loop()
        self._buffer = bytearray()
        self._grant: Grant | None = None
        self._task: asyncio.Task[None] | None = None
        self._out: Outbound | None = None
        self._inner: asyncio.Protocol | None = None
        self._left: int | None = 0  # of the body; None: it ends where its chunks do
        self._end_by = Timer(self.abort)
        self._answer_by = Timer(lambda: self.fail(CallError(FIRST_BYTE_TIMEOUT)))
        self._answered = False
        self._ending = False
        self.ended_input = False

    # the transport's calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected."""
        self.transport = cast(asyncio.Transport, transport)
        self._shared.connections.add(self)
        self._end_by.set(_HEAD_SECONDS)
        if len(self._shared.connections) > 2 * self._shared.most:  # they cannot all be guests
            self.abort()

    def data_received(self, data: bytes) -> None:
        """The client has sent bytes."""
        if self._inner is not None:
            self._inner.data_received(data)
        elif self._out is not None:
            self._pass_on(data)
        elif not self._ending:
            self._buffer += data
            if self._task is None:
                self._read_head()

    def eof_received(self) -> bool:
        """The client sends no more; True keeps the connection for its answer."""
        self.ended_input = True
        if self._ending:
            return False
        if self._inner is not None:
            return bool(self._inner.eof_received())
        if self._out is not None:
            self._out.end_output()
        return self._task is not None

    def pause_writing(self) -> None:
        """The client does not read its answer as fast as it comes."""
        if self._inner is not None:
            self._inner.pause_writing()
        elif self._out is not None:
            self._out.transport.pause_reading()

    def resume_writing(self) -> None:
        """The client has read what came."""
        if self._inner is not None:
            self._inner.resume_writing()
        elif self._out is not None:
            self._out.transport.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is closed."""
        self._ending = True
        self._end_by.stop()
        self._answer_by.stop()
        self._shared.connections.discard(self)
        if self._grant is not None:
            self._grant.leave(self)
        if self._task is not None:
            self._task.cancel()
        if self._inner is not None:
            self._inner.connection_lost(error)
        elif self._out is not None:
            self._out.let_go(error)

    # the call

    def _read_head(self) -> None:
        if self._grant is None:
            self._grant = self._shared.grants.get(token_of(bytes(self._buffer[:_UNAUTHENTICATED])))
            if self._grant is None and (len(self._buffer) > _UNAUTHENTICATED or b"\n" in self._buffer):
                self.abort()
        if self._grant is None or self._ending:
            return
        head, end, rest = self._buffer.partition(b"\r\n\r\n")
        if len(head) > MAX_HEAD:
            self.fail(CallError("HTTP-request-header-section-size"))
        elif end:
            self._end_by.stop()
            self.transport.pause_reading()
            self._buffer = rest
            self._task = self._loop.create_task(self._make(bytes(head), self._grant))

    async def _make(self, head: bytes, grant: Grant) -> None:
        try:
            call = parse(head)
            grant.enter(self, full=len(self._shared.connections) > self._shared.most)
            target = grant.rules.require(call.scheme, call.authority)
            self._left = call.body
            if target.is_self or target.sibling is not None:
                self._hand_over(call, target)
            else:
                await self._connect(call, target, grant)
        except CallError as failed:
            self.fail(failed)
        except Exception as error:  # noqa: BLE001  # a bug of ours is one failed call, and is told
            traceback.print_exception(error, file=sys.stderr)
            self.fail(CallError("internal-error"))

    def _hand_over(self, call: Call, target: Target) -> None:
        inner = self._shared.internal(target.sibling)
        if inner is None:
            raise CallError("destination-not-found")
        self._inner = inner
        inner.connection_made(self.transport)
        self.transport.resume_reading()
        inner.data_received(call.encode(call.authority or "self") + self._buffer)

    async def _connect(self, call: Call, target: Target, grant: Grant) -> None:
        await dial(target, grant.rules, call.connect, lambda: Outbound(self), self._shared.network)
        out = self._out
        if out is None or self._ending:  # it came and went
            raise CallError(TERMINATED)
        out.transport.write(call.encode(call.authority))
        self._pass_on(bytes(self._buffer))
        self._buffer.clear()
        if self.ended_input:
            out.end_output()
        self.transport.resume_reading()
        if call.first_byte and not self._answered:
            self._answer_by.set(call.first_byte)

    def _pass_on(self, data: bytes) -> None:
        """Send a part of the body; what goes beyond its length would be another request, and is dropped."""
        if self._left is not None:
            data = data[: self._left]
            self._left -= len(data)
        if data and self._out is not None:
            self._out.transport.write(data)

    # the other side's calls

    def connected(self, out: Outbound) -> None:
        """The other side is there."""
        if self._ending:
            out.transport.abort()
        else:
            self._out = out

    def answer(self, data: bytes) -> None:
        """The other side has sent bytes."""
        if not self._ending:
            self._answered = True
            self._answer_by.stop()
            self.transport.write(data)

    def answer_ended(self) -> None:
        """The other side sends no more."""
        if not self._answered:
            self.fail(CallError(TERMINATED))
        elif not self._ending:
            with contextlib.suppress(OSError):  # the client has gone already
                self.transport.write_eof()

    def other_lost(self, error: Exception | None) -> None:
        """The other side's connection is closed; after an error, an answer without length must not look whole."""
        self._out = None
        if not self._answered:
            self.fail(CallError(TERMINATED))
        elif error is not None:
            self.abort()
        elif not self._ending:
            self.transport.close()

    # the end

    def fail(self, failed: CallError) -> None:
        """Answer with an error of ours, which only who knows the token can tell."""
        if self._ending or self._grant is None:
            return
        self._ending = True
        out, self._out = self._out, None
        if out is not None:
            out.transport.abort()
        self.transport.write(
            b"HTTP/1.1 502 Bad Gateway\r\nwasmdeploy-egress-error: %s %s\r\ncontent-length: 0\r\n\r\n"
            % (self._grant.token.encode(), str(failed).encode())
        )
        # The client is to close: it forgets an answer whose connection ends before its request is sent whole.
        self.transport.resume_reading()
        self._answer_by.stop()
        self._end_by.set(_ENDING_SECONDS)

    def abort(self) -> None:
        """End the call now, on both sides; the client sees a reset, which is not the end of an answer."""
        self._ending = True
        with contextlib.suppress(OSError):  # closed already
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.transport.abort()
        if self._out is not None:
            self._out.transport.abort()
