"""The pool: a queue that gives each request one of the app's workers, and the slots that they compute in.

At rest there is one worker, the thread of this process. A request that finds it busy waits for a moment, then an
engine process is started beside it (see `workers`). As many guests compute at once as there are processors: each holds
one of so many slots, until it has ended, is seen to wait, or has computed for longer than `patience` seconds. Then it
gives its slot away and goes on beside the others: a guest that waits holds up nobody. Past its time limit its process
is killed.

    queue ── slot and worker free ──▶ running ── ended ──────────────▶ worker idle ── long enough ──▶ closed
                                         ├── after a moment: its output is read as it comes
                                         ├── waits, or after `patience`: its slot is the next one's
                                         └── after its limit: killed, or left behind in the thread
"""

from __future__ import annotations

import asyncio
import os
import sys
import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from wasmdeploy_driver.app.exchange import Exchange
from wasmdeploy_driver.app.quota import Quota
from wasmdeploy_driver.app.running import Running
from wasmdeploy_driver.app.worker import Worker
from wasmdeploy_driver.app.workers import Starter, ThreadLike, Workers
from wasmdeploy_driver.timer import Timer

# While guests run they are looked at this often, and the slow ones seldom.
_TICK_SECONDS = 0.002
_REST_SECONDS = 0.1
_STARTING = 4


class Busy(Exception):  # noqa: N818  # no failure of the guest: an answer
    """There is no room for the request."""


@dataclass(frozen=True, slots=True)
class PoolBounds:
    """How many guests run at once (`most`) and compute at once (`slots`, 0 for one per processor).

    In seconds: until a guest that computes is slow, until an idle process ends, and how long a request may wait for its
    turn.
    """

    most: int = 64
    slots: int = 0
    patience: float = 0.01
    idle: float = 10.0
    wait: float = 10.0


class Pool:
    """Runs the guests of an app; `stuck` is called when no guest can be run any more."""

    def __init__(
        self, thread: ThreadLike, start: Starter, bounds: PoolBounds, stuck: Callable[[], None] = lambda: None
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._slots = bounds.slots or len(os.sched_getaffinity(0))
        self._workers = Workers(
            thread, start, self, most=bounds.most, slots=self._slots, idle=bounds.idle, stuck=stuck
        )
        self._bounds = bounds
        self._quota = Quota(most=bounds.most)
        self._slots_taken = 0
        self._running: dict[Running, None] = {}
        self._queue: deque[Exchange] = deque()
        self._expiring = Timer(self._expire)
        self._ticking = Timer(self._tick)
        self._resting = self._going_on = False

    @property
    def waiting(self) -> int:
        """How many requests wait for a worker."""
        return len(self._queue)

    @property
    def running(self) -> int:
        """How many guests run."""
        return len(self._running)

    @property
    def processes(self) -> int:
        """How many engine processes there are."""
        return self._workers.processes

    def submit(self, exchange: Exchange) -> None:
        """Run the exchange's guest as soon as it is its turn."""
        self._queue.append(exchange)
        self.go_on()
        if self._queue and not self._expiring.runs:
            self._expiring.set(self._bounds.wait)

    def _expire(self) -> None:
        """Refuse what has waited for too long."""
        oldest = self._loop.time() - self._bounds.wait
        while self._queue and self._queue[0].since <= oldest:
            self._queue.popleft().fail(Busy("the request did not get its turn in time"))
        if self._queue:
            self._expiring.set_at(self._queue[0].since + self._bounds.wait)

    # what waits

    @property
    def startable(self) -> int:
        """How many processes should be starting: one for each free slot; where guests wait, for those that will have
        waited in a moment, too.
        """
        slow = len(self._running) - self._slots_taken
        return min(len(self._queue), max(self._slots - self._slots_taken, min(slow, _STARTING)))

    def go_on(self) -> None:
        """Run what can run now."""
        # A guest that ends as it begins asks for the next one: no call stack holds as many as may wait.
        if not self._going_on:
            self._going_on = True
            try:
                self._run_all()
            finally:
                self._going_on = False

    def _run_all(self) -> None:
        while self._queue and self._slots_taken < self._slots and self._quota.is_left(feeds=False):
            found = self._next()
            if found is None:
                return
            at, worker = found
            exchange = self._queue[at]
            del self._queue[at]
            if exchange.answered or exchange.request.left():
                self._workers.put_back(worker)
                exchange.fail(Busy("the client did not wait for its turn"))
            else:
                Running(self, exchange, worker).begin()

    def _next(self) -> tuple[int, Worker] | None:
        """Which of those that wait can run now, and where."""
        if not self._workers.any_idle:
            self._workers.grow_soon()
            return None
        for at, exchange in enumerate(self._queue):
            feeds = exchange.request.rest is not None
            if exchange.quota.is_left(feeds=feeds) and self._quota.is_left(feeds=feeds):
                worker = self._workers.take(process=exchange.needs_process)
                if worker is not None:
                    return at, worker
                self._workers.grow_soon()
        return None

    # what runs

    @property
    def patience(self) -> float:
        """For how many seconds a guest may compute before it is slow."""
        return self._bounds.patience

    def enter(self, run: Running) -> None:
        """It runs now, and holds a slot."""
        self._running[run] = None
        self._slots_taken += 1
        self._count(run, 1)
        if self._resting or not self._ticking.runs:
            self._tick_in(_TICK_SECONDS)

    def leave(self, run: Running, *, slow: bool) -> None:
        """It has ended; a `slow` one has given its slot away before."""
        del self._running[run]
        if not slow:
            self._slots_taken -= 1
        self._count(run, -1)
        self._workers.put_back(run.worker)
        self.go_on()

    def _count(self, run: Running, more: int) -> None:
        feeds = run.exchange.request.rest is not None
        run.exchange.quota.count(more, feeds=feeds)
        self._quota.count(more, feeds=feeds)

    def again(self, run: Running) -> None:
        """Its worker was gone before it began: the next one takes it."""
        self._queue.appendleft(run.exchange)
        self.leave(run, slow=False)

    def _tick_in(self, seconds: float) -> None:
        self._resting = seconds > _TICK_SECONDS
        self._ticking.set(seconds)

    def _tick(self) -> None:
        now = self._loop.time()
        for run in tuple(self._running):
            # A guest that began within this tick is quick, most likely.
            if run.begun <= now - _TICK_SECONDS:
                try:
                    run.look(now)
                except Exception as error:  # noqa: BLE001  # the clock that runs here is everybody's
                    traceback.print_exception(error, file=sys.stderr)
        if self._running:
            # Those that gave their slots away have only their time limits left to look at.
            self._tick_in(_TICK_SECONDS if self._slots_taken else _REST_SECONDS)

    def give_slot(self) -> None:
        """A guest goes on beside the others: its slot is the next one's."""
        self._slots_taken -= 1
        self.go_on()

    def retire(self) -> None:
        """Give no process that is there now another request: what they were made from has changed."""
        self._workers.retire()

    def close(self) -> None:
        """End every process and the thread; a guest in the thread is left to the end of this process."""
        self._expiring.stop()
        self._ticking.stop()
        self._workers.close()
