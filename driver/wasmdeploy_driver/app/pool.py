"""The pool: gives each request a worker, starts engine processes while requests wait, and ends those that idle.

At rest there is one worker, the thread of this process. A request that finds it busy waits for a moment, then an
engine process is started beside it. As many guests compute at once as there are processors: each holds one of so
many slots, until it has ended, is seen to wait, or has computed for longer than `patience` seconds. Then it gives its
slot away and goes on beside the others: a guest that waits holds up nobody. Past its time limit its process is killed.

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
from typing import Protocol, cast

from wasmdeploy_driver.app.exchange import Exchange
from wasmdeploy_driver.app.quota import half
from wasmdeploy_driver.app.running import Running
from wasmdeploy_driver.app.worker import Worker
from wasmdeploy_driver.timer import Timer

# While guests run they are looked at this often, and the slow ones seldom.
_TICK_SECONDS = 0.002
_REST_SECONDS = 0.1
_GROW_SECONDS = 0.002
_STARTING = 4
_AGAIN_SECONDS = 0.1
# So many requests within so many seconds are worth a process, which answers them with less work than the thread.
_MANY_RUNS = 64
_MANY_SECONDS = 2.0


class Busy(Exception):  # noqa: N818  # no failure of the guest: an answer
    """There is no room for the request."""


class Starter(Protocol):
    """Starts engine processes."""

    def __call__(self, changed: Callable[[EngineLike], None]) -> EngineLike | None:
        """A new one, whose changes `changed` is told; None where there is no room for it now."""
        ...


class ThreadLike(Worker, Protocol):
    """The thread of this process as a worker."""

    def rest(self) -> None:
        """Give back what the next call can do without."""
        ...


class EngineLike(Worker, Protocol):
    """An engine process as a worker."""

    ready: bool
    gone: bool
    idle_since: float


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
    """All workers of an app; `stuck` is called when no guest can be run any more."""

    def __init__(
        self, thread: ThreadLike, start: Starter, bounds: PoolBounds, stuck: Callable[[], None] = lambda: None
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread = thread
        self._start = start
        self._bounds = bounds
        self._slots = bounds.slots or len(os.sched_getaffinity(0))
        self._stuck = stuck
        self._idle: list[EngineLike] = []
        self._engines: set[EngineLike] = set()
        self._running: dict[Running, None] = {}
        self._slots_taken = 0
        self._feeding = 0  # runs whose requests still come
        self._queue: deque[Exchange] = deque()
        self._growing = Timer(self._grow)
        self._sweeping = Timer(self._sweep)
        self._expiring = Timer(self._expire)
        self._ticking = Timer(self._tick)
        self._sweeping.set(bounds.idle)
        self._resting = False
        self._thread_idle, self._thread_rests = True, False
        self._thread_runs, self._thread_since = 0, self._loop.time()
        self._thread_idle_since = self._thread_since
        self._closed = False

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
        return len(self._engines)

    def submit(self, exchange: Exchange) -> None:
        """Run the exchange's guest as soon as it is its turn."""
        self._queue.append(exchange)
        self._go_on()
        if self._queue and not self._expiring.runs:
            self._expiring.set(self._bounds.wait)

    def _expire(self) -> None:
        """Refuse what has waited for too long."""
        oldest = self._loop.time() - self._bounds.wait
        while self._queue and self._queue[0].since <= oldest:
            self._queue.popleft().fail(Busy("the request did not get its turn in time"))
        if self._queue:
            self._expiring.set_at(self._queue[0].since + self._bounds.wait)

    def _go_on(self) -> None:
        while self._queue and self._slots_taken < self._slots and len(self._running) < self._bounds.most:
            found = self._next()
            if found is None:
                return
            at, worker = found
            exchange = self._queue[at]
            del self._queue[at]
            if exchange.answered or exchange.request.left():
                exchange.fail(Busy("the client did not wait for its turn"))
                self._put_back(worker)
            else:
                Running(self, exchange, worker).begin()

    def _next(self) -> tuple[int, Worker] | None:
        """Which of those that wait can run now, and where."""
        engine = self._idle_engine()
        if engine is None and not self._thread_idle:
            self._grow_soon()
            return None
        for at, exchange in enumerate(self._queue):
            feeds = exchange.request.rest is not None
            if not exchange.quota.is_left(feeds=feeds) or (
                feeds and self._feeding >= half(self._bounds.most)
            ):
                continue
            # A process comes first: the thread and the event loop wait for each other, for the interpreter.
            if engine is not None:
                return at, engine
            if self._thread_idle and not exchange.needs_process:
                self._thread_idle = self._thread_rests = False
                self._count_thread_run()
                return at, self._thread
            self._grow_soon()
        if engine is not None:
            self._idle.append(engine)
        return None

    def _idle_engine(self) -> EngineLike | None:
        while self._idle:
            engine = self._idle.pop()
            if not engine.spoiled:
                return engine
        return None

    def _count_thread_run(self) -> None:
        """Start a process where requests keep coming, though one after the other."""
        self._thread_runs += 1
        if self._thread_runs < _MANY_RUNS:
            return
        now = self._loop.time()
        if now - self._thread_since < _MANY_SECONDS and not self._engines and not self._closed:
            self._add_engine()
        self._thread_runs, self._thread_since = 0, now

    def _put_back(self, worker: Worker) -> None:
        if worker is self._thread:
            self._thread_idle = True
            self._thread_idle_since = self._loop.time()
            self._sweep_by(self._thread_idle_since)
        elif worker.spoiled or self._closed:
            worker.close()
        else:
            engine = cast(EngineLike, worker)
            engine.idle_since = self._loop.time()
            self._idle.append(engine)
            self._sweep_by(engine.idle_since)

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
        self._put_back(run.worker)
        self._go_on()

    def _count(self, run: Running, more: int) -> None:
        quota = run.exchange.quota
        quota.running += more
        if run.exchange.request.rest is not None:
            quota.feeding += more
            self._feeding += more

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
        self._go_on()

    # more processes, and fewer

    def _grow_soon(self) -> None:
        if not (self._growing.runs or self._closed):
            self._growing.set(_GROW_SECONDS)

    def _grow(self) -> None:
        starting = sum(not engine.ready for engine in self._engines)
        # The thread is one of them; but what only a process may run has one in any case.
        room = max(1, self._bounds.most - 1) - len(self._engines)
        # A process for each free slot; where guests wait, for those that will have waited in a moment, too.
        slow = len(self._running) - self._slots_taken
        wanted = max(self._slots - self._slots_taken, min(slow, _STARTING))
        for _ in range(min(len(self._queue) - starting, wanted - starting, room)):
            if not self._add_engine():
                self._growing.set(_AGAIN_SECONDS)
                break
        if self._queue and not self._engines and self._thread.spoiled:
            self._stuck()

    def _add_engine(self) -> bool:
        engine = self._start(self._changed)
        if engine is not None:
            self._engines.add(engine)
        return engine is not None

    def _changed(self, engine: EngineLike) -> None:
        if engine.gone:
            self._engines.discard(engine)
            if engine in self._idle:
                self._idle.remove(engine)
        else:
            self._put_back(engine)
        self._go_on()

    def _sweep_by(self, since: float) -> None:
        if not (self._sweeping.runs or self._closed):
            self._sweeping.set_at(since + self._bounds.idle)

    def _sweep(self) -> None:
        """End processes that have been idle for long enough, and let the thread give its memory back."""
        oldest = self._loop.time() - self._bounds.idle
        while self._idle and self._idle[0].idle_since <= oldest:
            self._idle.pop(0).close()
        if self._idle:
            self._sweep_by(self._idle[0].idle_since)
        if self._thread_idle and not self._thread_rests:
            if self._thread_idle_since <= oldest:
                self._thread_rests = True
                self._thread.rest()
            else:
                self._sweep_by(self._thread_idle_since)

    def retire(self) -> None:
        """Give no process that is there now another request: what they were made from has changed."""
        for engine in self._engines:
            engine.spoiled = True
        idle, self._idle = self._idle, []
        for engine in idle:
            engine.close()

    def close(self) -> None:
        """End every process and the thread; a guest in the thread is left to the end of this process."""
        self._closed = True
        for timer in (self._growing, self._sweeping, self._expiring, self._ticking):
            timer.stop()
        for engine in tuple(self._engines):
            engine.close()
        self._thread.close()
