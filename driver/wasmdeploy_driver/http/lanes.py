"""Lanes: the threads that run guests, one in the rule, more while guests wait.

Two guests that compute in two threads of one process halve each other (they share one address space, whose
page table locks they fight over), so quick guests run one after the other in a single slot. A guest that has
run longer than `patience` seconds is slow or blocked in a call: it gives the slot to the next request and
goes on beside it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class Lanes:
    """Runs blocking calls in threads, in the order of arrival; `most` bounds how many run at once."""

    def __init__(self, most: int = 8, patience: float = 0.02) -> None:
        self._pool = ThreadPoolExecutor(most, thread_name_prefix="lane")
        self._most = most
        self._patience = patience
        self._slot_taken = False
        self._running = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

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
            work = loop.run_in_executor(self._pool, function)
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
        self._pool.shutdown(wait=False, cancel_futures=True)
