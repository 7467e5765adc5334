"""The clock that interrupts guests: it advances the engine's epoch while any guest runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

# Interrupts come at multiples of this; shorter costs wake-ups, longer makes time limits coarse.
TICK_SECONDS = 0.02
# So long does it go on when nothing runs: a thread for every request would cost more than the ticks.
_LINGER_TICKS = 50
Watch = Callable[[], None]


class Clock:
    """Calls `tick` once for every TICK_SECONDS between `start` and `stop`, with `watch` and the watches of what runs.

    On a busy machine ticks come late, but none gets lost: limits stay what they are.
    """

    def __init__(self, tick: Callable[[], None], watch: Watch | None = None) -> None:
        self._tick = tick
        self._active = 0
        self._idle_ticks = 0
        self._watches: list[Watch] = [watch] if watch else []
        self._changed = threading.Lock()
        self._goes = False

    def start(self, watch: Watch | None = None) -> None:
        """A guest starts to run; `watch` is called at every tick until `stop`, and must neither block nor raise.

        Raises RuntimeError where the task can have no more threads.
        """
        with self._changed:
            if not self._goes:  # first: where no thread can be had, nothing has begun
                threading.Thread(target=self._run, name="clock", daemon=True).start()
                self._goes, self._idle_ticks = True, 0
            self._active += 1
            if watch is not None:
                self._watches.append(watch)

    def stop(self, watch: Watch | None = None) -> None:
        """A guest has ended."""
        with self._changed:  # so that no watch is called once its guest has ended
            self._active -= 1
            if watch is not None:
                self._watches.remove(watch)

    def __enter__(self) -> None:
        self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _run(self) -> None:
        due = time.monotonic()
        while True:
            due += TICK_SECONDS
            time.sleep(max(0.0, due - time.monotonic()))
            with self._changed:
                for watch in self._watches:
                    watch()
                self._idle_ticks = 0 if self._active else self._idle_ticks + 1
                if self._idle_ticks >= _LINGER_TICKS:
                    self._goes = False
                    return
            self._tick()


class CpuLimit:
    """A watch that calls `interrupt` once the thread that made it has computed for `seconds`."""

    def __init__(self, seconds: float, interrupt: Callable[[], None]) -> None:
        self._clock = time.pthread_getcpuclockid(threading.get_ident())
        self._end = time.clock_gettime(self._clock) + seconds
        self._interrupt = interrupt
        self.reached = False

    def __call__(self) -> None:
        """Look at the thread's clock."""
        if not self.reached and time.clock_gettime(self._clock) > self._end:
            self.reached = True
            self._interrupt()
