"""The workers of an app: the thread of this process, and the engine processes beside it as they come and go.

More processes start a moment after a request has waited for one, and where requests keep coming; one that idles for
long enough is ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol, cast

from wasmdeploy_driver.app.worker import Worker
from wasmdeploy_driver.timer import Timer

_GROW_SECONDS = 0.002
_AGAIN_SECONDS = 0.1
# So many requests of the thread within so many seconds are worth a process: it answers with less work, since the thread
# and the event loop wait for each other, for the interpreter.
_MANY_RUNS = 64
_MANY_SECONDS = 2.0


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


class Starter(Protocol):
    """Starts engine processes."""

    def __call__(self, changed: Callable[[EngineLike], None]) -> EngineLike | None:
        """A new one, whose changes `changed` is told; None where there is no room for it now."""
        ...


class Queue(Protocol):
    """The requests that wait for a worker."""

    @property
    def waiting(self) -> int:
        """How many they are."""
        ...

    @property
    def startable(self) -> int:
        """How many processes should be starting for them."""
        ...

    def go_on(self) -> None:
        """A worker is idle, or one has gone: run what can run now."""
        ...


class Workers:
    """At most `most` of them serve a queue; a process ends after `idle` seconds without a request.

    Requests that keep coming have a process for each of the `slots`, those that compute at once.

    `stuck` is called when no guest can be run any more.
    """

    def __init__(
        self,
        thread: ThreadLike,
        start: Starter,
        queue: Queue,
        *,
        most: int,
        slots: int,
        idle: float,
        stuck: Callable[[], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread = thread
        self._start = start
        self._queue = queue
        # The thread is one of them; but what only a process may run has one in any case.
        self._most_engines = max(1, most - 1)
        self._busy_engines = min(slots, self._most_engines)
        self._idle_seconds = idle
        self._stuck = stuck
        self._idle: list[EngineLike] = []
        self._engines: set[EngineLike] = set()
        self._growing = Timer(self._grow)
        self._sweeping = Timer(self._sweep)
        self._sweeping.set(idle)
        self._thread_idle, self._thread_rests = True, False
        self._thread_runs, self._thread_since = 0, self._loop.time()
        self._thread_idle_since = self._thread_since
        self._closed = False

    @property
    def processes(self) -> int:
        """How many engine processes there are."""
        return len(self._engines)

    @property
    def any_idle(self) -> bool:
        """Whether there may be one to take."""
        return self._thread_idle or bool(self._idle)

    def take(self, *, process: bool) -> Worker | None:
        """An idle one, which must be a `process` for some requests; None where there is none."""
        while self._idle:
            engine = self._idle.pop()
            if not engine.spoiled:
                return engine
        if process or not self._thread_idle:
            return None
        self._thread_idle = self._thread_rests = False
        self._count_thread_run()
        return self._thread

    def put_back(self, worker: Worker) -> None:
        """It has nothing to do any more."""
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

    # more processes

    def grow_soon(self) -> None:
        """Start processes for those that still wait in a moment."""
        if not (self._growing.runs or self._closed):
            self._growing.set(_GROW_SECONDS)

    def _grow(self) -> None:
        starting = sum(not engine.ready for engine in self._engines)
        room = self._most_engines - len(self._engines)
        for _ in range(min(self._queue.startable - starting, room)):
            if not self._add():
                self._growing.set(_AGAIN_SECONDS)
                break
        if self._queue.waiting and not self._engines and self._thread.spoiled:
            self._stuck()

    def _count_thread_run(self) -> None:
        """Start a process where requests keep coming to the thread, though one after the other."""
        self._thread_runs += 1
        if self._thread_runs < _MANY_RUNS:
            return
        now = self._loop.time()
        many = now - self._thread_since < _MANY_SECONDS and len(self._engines) < self._busy_engines
        if many and all(engine.ready for engine in self._engines) and not self._closed:
            self._add()
        self._thread_runs, self._thread_since = 0, now

    def _add(self) -> bool:
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
            self.put_back(engine)
        self._queue.go_on()

    # and fewer

    def _sweep_by(self, since: float) -> None:
        if not (self._sweeping.runs or self._closed):
            self._sweeping.set_at(since + self._idle_seconds)

    def _sweep(self) -> None:
        """End processes that have been idle for long enough, and let the thread give its memory back."""
        oldest = self._loop.time() - self._idle_seconds
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
        self._growing.stop()
        self._sweeping.stop()
        for engine in tuple(self._engines):
            engine.close()
        self._thread.close()
