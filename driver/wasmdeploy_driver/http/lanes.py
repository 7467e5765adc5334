"""Lanes: the threads that run guests, one in the rule, more while guests wait.

Two guests that compute in two threads of one process halve each other (they share one address space, whose
page table locks they fight over), so quick guests run one after the other in a single slot. A guest that has
run longer than `patience` seconds is slow or blocked in a call: it gives the slot to the next request and
goes on beside it.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")
# Of a thread that runs guests: its C stack must hold a whole wasm stack (2 MiB) and the host's own frames.
THREAD_STACK = 16 << 20


class Lanes:
    """Runs blocking calls in threads, in the order of arrival; `most` bounds how many run at once."""

    def __init__(self, most: int = 8, patience: float = 0.02) -> None:
        self._threads = _Threads()
        self._most = most
        self._patience = patience
        self._slot_taken = False
        self._running = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def most(self) -> int:
        """How many guests can run at once."""
        return self._most

    @property
    def running(self) -> int:
        """How many guests run now."""
        return self._running

    @property
    def waiting(self) -> int:
        """How many requests wait for the slot."""
        return len(self._waiting)

    async def run(self, function: Callable[[], T]) -> T:
        """Run `function` in a thread once the slot is free.

        A caller that is cancelled while it runs leaves it running: no thread can be stopped from outside, so
        the slot stays taken until the function has ended (or has become slow).
        """
        loop = asyncio.get_running_loop()
        if self._slot_taken or self._running >= self._most:
            await self._turn(loop)
        else:
            self._slot_taken = True
        try:
            work = self._threads.run(function, loop)
        except RuntimeError:  # closed
            self._free_slot()
            raise
        self._running += 1
        self._watch(work, loop)
        return await asyncio.shield(work)

    def _watch(self, work: asyncio.Future[T], loop: asyncio.AbstractEventLoop) -> None:
        slow = False

        def lose_slot() -> None:
            nonlocal slow
            slow = True
            self._free_slot()

        def ended(_: asyncio.Future[T]) -> None:
            timer.cancel()
            self._running -= 1
            if not slow:
                self._free_slot()
            elif not self._slot_taken:
                self._next()

        timer = loop.call_later(self._patience, lose_slot)
        work.add_done_callback(ended)

    async def _turn(self, loop: asyncio.AbstractEventLoop) -> None:
        turn: asyncio.Future[None] = loop.create_future()
        self._waiting.append(turn)
        try:
            await turn  # the slot is ours when it is done
        except asyncio.CancelledError:
            if turn.cancelled():
                with contextlib.suppress(ValueError):  # taken out already, since it was done
                    self._waiting.remove(turn)
            else:  # the slot was given to us in the same moment
                self._free_slot()
            raise

    def _free_slot(self) -> None:
        self._slot_taken = False
        self._next()

    def _next(self) -> None:
        while self._waiting and self._running < self._most:
            turn = self._waiting.popleft()
            if not turn.done():
                self._slot_taken = True
                turn.set_result(None)
                return

    def close(self) -> None:
        """Let go of the threads; a guest that still runs is left to the end of the process."""
        self._threads.close()


class _Threads:
    """Threads for calls: the one that was idle last comes first, so that quick guests share one with warm caches."""

    def __init__(self) -> None:
        self._idle: list[SimpleQueue[Any]] = []
        self._closed = False

    def run(self, function: Callable[[], T], loop: asyncio.AbstractEventLoop) -> asyncio.Future[T]:
        """The call's future; raises RuntimeError after `close`."""
        if self._closed:
            raise RuntimeError("the lanes are closed")
        if not self._idle:
            self._idle.append(SimpleQueue())
            # A daemon, since no end of the process may wait for a guest that does not end.
            threading.Thread(target=self._work, args=(self._idle[-1],), name="lane", daemon=True).start()
        work: asyncio.Future[T] = loop.create_future()
        self._idle.pop().put((function, work, loop))
        return work

    def _work(self, jobs: SimpleQueue[Any]) -> None:
        while (job := jobs.get()) is not None:
            function, work, loop = job
            result = error = None
            try:
                result = function()
            except BaseException as raised:  # noqa: BLE001  # it is raised where the caller waits
                error = raised
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(self._ended, jobs, work, result, error)
            del job, function, work, result, error  # an idle thread keeps nothing of a request

    def _ended(
        self, jobs: SimpleQueue[Any], work: asyncio.Future[T], result: T, error: BaseException | None
    ) -> None:
        self._idle.append(jobs)
        if self._closed:
            self.close()
        if error is None:
            work.set_result(result)
        else:
            work.set_exception(error)

    def close(self) -> None:
        """End the idle threads now, and each other once it is idle."""
        self._closed = True
        while self._idle:
            self._idle.pop().put(None)
