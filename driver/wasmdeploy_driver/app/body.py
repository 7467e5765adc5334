"""The body of a request: how large it may be, and its rest on the way into the pipe that is a guest's stdin."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from wasmdeploy_driver.http.message import Body, BrokenBodyError, Headers, Request


def declared_length(request: Request) -> int:
    """How long the client says that the body is; 0 where it says nothing."""
    return next((int(value) for name, value in request.headers if name == b"content-length"), 0)


class Limited:
    """The rest of a body that may have `left` more bytes, and breaks off behind them."""

    def __init__(self, rest: Body, left: int) -> None:
        self._rest = rest
        self._left = left
        self.exceeded = False

    @property
    def trailers(self) -> Headers:
        """The fields behind the body, known once it has ended."""
        return self._rest.trailers

    async def read(self) -> bytes | memoryview:
        """The next part, empty at the end; raises BrokenBodyError."""
        part = await self._rest.read()
        self._left -= len(part)
        if self._left < 0:
            self.exceeded = True
            raise BrokenBodyError("it is too large")
        return part

    def close(self) -> None:
        """Say that nobody will read on."""
        self._rest.close()


class Feed:
    """Writes what is there and then what comes; `broken` is called where the body breaks off.

    The pipe is closed at the body's end only: a guest must not take a body that broke off for a whole one.
    Just before, `tell_trailers` gets the trailers, if there are any.
    """

    def __init__(
        self,
        first: bytes,
        rest: Body,
        broken: Callable[[str], None],
        tell_trailers: Callable[[Headers], None],
    ) -> None:
        self.descriptor, self._into = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._into, False)
        self._first = first
        self._rest = rest
        self._broken = broken
        self._tell_trailers = tell_trailers
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Go on until the end; the process has its descriptor."""
        os.close(self.descriptor)
        self._task = self._loop.create_task(self._run())

    async def _run(self) -> None:
        try:
            await self._write(self._first)
            while part := await self._rest.read():
                await self._write(part)
        except BrokenBodyError as error:
            self._broken(str(error))
        except BrokenPipeError:  # the guest has ended, or does not want to know more
            self._rest.close()
        else:
            if trailers := self._rest.trailers:
                self._tell_trailers(trailers)
            os.close(self._into)
            self._into = -1

    async def _write(self, part: bytes | memoryview) -> None:
        view = memoryview(part)
        while view:
            try:
                view = view[os.write(self._into, view) :]
            except BlockingIOError:
                room = asyncio.Event()
                self._loop.add_writer(self._into, room.set)
                await room.wait()
                self._loop.remove_writer(self._into)

    def withdraw(self) -> None:
        """Nobody has the pipe: let go of it, and leave the rest for another."""
        os.close(self.descriptor)
        os.close(self._into)
        self._into = -1

    def close(self) -> None:
        """The guest has ended: nothing more is read."""
        if self._task is not None:
            self._task.cancel()
        self._rest.close()
        if self._into >= 0:
            self._loop.remove_writer(self._into)
            os.close(self._into)
            self._into = -1
