"""One request and one run of a guest: what comes out of the worker's pipe becomes a response.

    waiting ──▶ running ──── ended ────▶ whole response, or a failure
                   │
                   └─ still running after a moment ─▶ head is there ─▶ response, its body to be read as it comes

A quick guest is looked at once, when it has ended; only what takes longer is watched while it runs.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable
from typing import Protocol

from wasmdeploy_driver.app.quota import Quota
from wasmdeploy_driver.app.worker import Worker
from wasmdeploy_driver.errors import GuestTrap
from wasmdeploy_driver.guest.call import Call, Outcome
from wasmdeploy_driver.http.bounds import Budget
from wasmdeploy_driver.http.message import BrokenBodyError, Headers, Request, Response
from wasmdeploy_driver.http.response import ResponseHead, checked_trailers, whole_response

_READ = 64 << 10
_READ_ON = 1 << 20  # what a pipe holds, where there is much
# A body that nobody takes is read ahead this far, and further while there is room for all together: a guest whose
# client is slow can end, and its place is the next one's. What the pipe holds beside it keeps the guest waiting.
_AHEAD = 256 << 10


class Permit(Protocol):
    """The right of one run to call out."""

    def close(self) -> None:
        """End it, and what was called with it; may be called twice."""
        ...


class Target(Protocol):
    """How one component is spoken to, and what its requests may take."""

    quota: Quota
    blocks: bool  # whether its guest may wait where nothing but the end of its process interrupts it

    def call(self, request: Request, pattern: str) -> tuple[Call, Permit | None]:
        """What its guest is told to run for a request that came by the route `pattern`, and what it may call out to
        meanwhile.
        """
        ...

    def parse_head(self, data: bytes) -> ResponseHead | None:
        """The head at the start of its output, None where more is needed; raises GuestTrap."""
        ...

    def missing_head(self, data: bytes) -> GuestTrap:
        """What it means that the output has ended without a head."""
        ...


class Exchange:
    """The response in the making; it is the `Body` of one whose head went out before its guest had ended."""

    call: Call  # from `begin` on

    def __init__(self, target: Target, request: Request, pattern: str, room: Budget | None = None) -> None:
        self.request = request
        self._room = room or Budget(64 << 20)
        self._parts: deque[bytes] = deque()  # of the body, once the head is out
        self._held = self._taken_room = 0
        self.quota = target.quota
        self._pattern = pattern
        self._permit: Permit | None = None
        self._loop = asyncio.get_running_loop()
        self.since = self._loop.time()
        self.response: asyncio.Future[Response] = self._loop.create_future()
        self.trailers: Headers = ()
        self.left = False  # the client has gone
        self._target = target
        self._head_only = request.method == "HEAD"
        self._most = target.quota.response_bytes
        self._taken = 0
        self._worker: Worker | None = None
        self._output = b""
        self._head: ResponseHead | None = None
        self._watching = False
        self._closed = False
        self._outcome: Outcome | None = None
        self._more: asyncio.Event | None = None
        self.on_failure: Callable[[GuestTrap], None] = lambda _: None
        # Called as soon as `response` is done: whoever awaits it hears of it two turns of the event loop later.
        self.on_response: Callable[[Exchange], None] = lambda _: None

    @property
    def answered(self) -> bool:
        """Whether the response has begun, or has failed."""
        return self.response.done()

    @property
    def needs_process(self) -> bool:
        """Whether only what can be killed may run it: the rest of its body may break off, which no guest must take for
        its end, or its guest may wait for ever.
        """
        return self.request.rest is not None or self._target.blocks

    def begin(self, worker: Worker) -> None:
        """The guest runs now, in `worker`."""
        self._worker = worker
        self.call, self._permit = self._target.call(self.request, self._pattern)

    def withdraw(self) -> None:
        """The guest has not begun after all."""
        self._worker = None
        self._end_permit()
        self._permit = None

    def watch(self) -> None:
        """Read what the guest writes while it runs, unless enough of it waits to be taken."""
        idle = not self._watching and not self._closed and self._held < _AHEAD
        if self._worker is not None and idle:
            self._watching = True
            self._loop.add_reader(self._worker.stdout, self._readable)

    def ended(self, outcome: Outcome) -> None:
        """The guest has ended: take what it wrote last, and settle the response."""
        worker, self._worker = self._worker, None
        self._outcome = outcome
        self._end_permit()
        if worker is None:
            return
        if self._watching:
            self._loop.remove_reader(worker.stdout)
            self._watching = False
        if not self._closed:
            self._drain(worker.stdout)
        if self._head is None:
            self._settle(outcome)
            return
        self._keep(self._output)
        self._output = b""
        self.trailers = checked_trailers(outcome.trailers)
        if outcome.failure and not (self._closed or self.left):
            self.on_failure(outcome.error())
        self._wake()

    def fail(self, error: Exception) -> None:
        """The response is this failure, unless it has begun."""
        self._end_permit()
        if not self.response.done():
            self.response.set_exception(error)
            self.on_response(self)

    def _end_permit(self) -> None:
        if self._permit is not None:
            self._permit.close()

    # the worker's pipe

    def _drain(self, pipe: int) -> None:
        parts = [self._output]
        size = _READ
        while True:
            try:
                part = os.read(pipe, size)
            except BlockingIOError:
                break
            parts.append(part)
            if len(part) < size:  # the guest has ended, so this was all
                break
            size = _READ_ON
        self._output = b"".join(parts)

    def _readable(self) -> None:
        worker = self._worker
        if worker is None:
            return
        try:
            part = os.read(worker.stdout, _AHEAD)
        except BlockingIOError:
            return
        if self._head is None:
            self._output += part
            self._begin_response()
        else:
            self._keep(part)
        if self._held >= _AHEAD and self._watching and not self._has_room(len(part)):
            self._loop.remove_reader(worker.stdout)
            self._watching = False
        self._wake()

    def _keep(self, part: bytes) -> None:
        if part:
            self._parts.append(part)
            self._held += len(part)

    def _has_room(self, size: int) -> bool:
        if not self._room.take(size):
            return False
        self._taken_room += size
        return True

    def _give_room(self, size: int) -> None:
        given = min(size, self._taken_room)
        self._taken_room -= given
        self._room.give(given)

    def _begin_response(self) -> None:
        try:
            head = self._target.parse_head(self._output)
            if head is not None:
                declared = 0 if self._head_only else head.length or 0
                self._check_size(max(declared, len(self._output) - head.body_at))
        except GuestTrap as error:
            self.fail(error)
            self.close()
            return
        if head is None or self.response.done():
            return
        self._head = head
        body, self._output = self._output[head.body_at :], b""
        self._taken = len(body)
        self.response.set_result(Response(head.status, head.headers, body, rest=self))
        self.on_response(self)

    def _settle(self, outcome: Outcome) -> None:
        if self.response.done():
            return
        try:
            self.response.set_result(self._whole(outcome))
        except GuestTrap as error:
            self.response.set_exception(error)
        self.on_response(self)

    def _whole(self, outcome: Outcome) -> Response:
        head = None
        try:
            head = self._target.parse_head(self._output)
        except GuestTrap:
            if not outcome.failure:
                raise
        if outcome.failure:
            raise outcome.error()
        if head is None:
            raise self._target.missing_head(self._output)
        body = memoryview(self._output)[head.body_at :]
        self._check_size(len(body))
        return whole_response(head, body, checked_trailers(outcome.trailers), self._head_only)

    def _check_size(self, size: int) -> None:
        if self._most and size > self._most:
            raise GuestTrap(f"the guest wrote a response of more than {self._most} bytes")

    # the rest of a body, for the front

    async def read(self) -> bytes:
        """The next part of the body, empty at the end; raises BrokenBodyError."""
        while not self._parts:
            if self._outcome is not None:
                if self._outcome.failure:
                    raise BrokenBodyError(self._outcome.failure)
                return b""
            if self._closed:
                raise BrokenBodyError("nobody reads on")
            self.watch()
            self._more = asyncio.Event()
            await self._more.wait()
        part = self._parts.popleft()
        self._held -= len(part)
        self._give_room(len(part))
        self._taken += len(part)
        try:
            self._check_size(self._taken)
        except GuestTrap as error:
            self.on_failure(error)
            self.close()
            raise BrokenBodyError("the response is too large") from error
        return part

    def close(self) -> None:
        """Nobody reads on: what the guest still writes fails."""
        self._give_room(self._taken_room)
        self._parts.clear()
        if self._closed or self._worker is None:
            return
        self._closed = True
        if self._watching:
            self._loop.remove_reader(self._worker.stdout)
            self._watching = False
        self._worker.mute()
        self._output = b""
        self._wake()

    def _wake(self) -> None:
        if self._more is not None:
            self._more.set()
