"""The rest of a request's body, between the connection that it comes in by and the application that reads it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Protocol

from wasmdeploy_driver.http.bounds import MOST_WAITING, Budget
from wasmdeploy_driver.http.head import Refused
from wasmdeploy_driver.http.message import BrokenBodyError, Headers


class Source(Protocol):
    """Where a body comes from; told what its reader does."""

    def wanted(self) -> None:
        """The application waits for more."""
        ...

    def taken(self, size: int) -> None:
        """The application has taken `size` bytes: there is room for more."""
        ...

    def left(self) -> None:
        """The application does not want the rest, which has not come to its end."""
        ...


class InboundBody:
    """A body that is read while it comes: the connection puts in, the application takes out.

    What waits here is taken from the budget. Where the budget has nothing left, one part waits uncounted and
    the next is not read before it is taken: a stream goes on slowly rather than fail.
    """

    def __init__(self, source: Source, budget: Budget, seconds: float) -> None:
        self._source = source
        self._budget = budget
        self._parts: list[bytes] = []
        self._counted = 0
        self._waiting: asyncio.Future[None] | None = None
        self._over = asyncio.Event()
        self._ended = False
        self._closed = False
        self.seconds = seconds  # how long the client may send nothing while it is waited for
        self.size = 0  # of what waits
        self.broken: Refused | None = None  # why the rest will not come
        self.trailers: Headers = ()

    # the application's side

    async def read(self) -> bytes:
        """The next part, empty at the end; raises BrokenBodyError."""
        while not self._parts:
            if self.broken is not None:
                raise BrokenBodyError(self.broken.text)
            if self._ended:
                return b""
            if self._closed:
                raise BrokenBodyError("the body was closed")
            await self._more()
        data = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._drop()
        self._source.taken(len(data))
        return data

    def close(self) -> None:
        """Say that nobody will read on; may be called twice, and after the end."""
        if self._closed:
            return
        self._closed = True
        self._drop()
        self._wake()
        if not (self._ended or self.broken):
            self._source.left()

    # the connection's side

    @property
    def full(self) -> bool:
        """Whether the next part has to wait until the application has taken this one."""
        return self.size >= MOST_WAITING or self.size > self._counted

    def feed(self, data: bytes) -> bool:
        """A part has come; False where the budget had nothing left for it."""
        if self._closed or self.broken is not None:
            return True
        counted = self._budget.take(len(data))
        if counted:
            self._counted += len(data)
        self.size += len(data)
        self._parts.append(data)
        self._wake()
        return counted

    async def over(self, seconds: float) -> None:
        """Wait until all has come, or no more will, or for so long."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._over.wait(), seconds)

    def end(self, trailers: Headers) -> None:
        """All has come."""
        self._over.set()
        self.trailers = trailers
        self._ended = True
        self._wake()

    def fail(self, refused: Refused) -> None:
        """No more will come, although the end has not."""
        if not (self._ended or self.broken):
            self.broken = refused
            self._over.set()
            self._drop()
            self._wake()

    async def _more(self) -> None:
        self._source.wanted()
        seconds = self.seconds
        self._waiting = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(seconds):
                await self._waiting
        except TimeoutError:
            if seconds >= self.seconds:  # it has not been prolonged meanwhile
                self.fail(Refused(408, "the request body took too long"))
        finally:
            self._waiting = None

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def _drop(self) -> None:
        self._budget.give(self._counted)
        self._parts, self._counted, self.size = [], 0, 0
