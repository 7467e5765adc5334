"""What runs guests, one at a time: a thread of this process, or a process of its own (`engine`).

Two guests that compute in two threads of one process halve each other (they share one address space, whose page
table locks they fight over), so this process has one such thread, and all others are processes.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from typing import Protocol

from wasmdeploy_driver.guest.call import AskTrailers, Call, Outcome, Stdin, Trailers

# Of a thread that runs guests: its C stack must hold a whole wasm stack (2 MiB) and the host's own frames.
THREAD_STACK = 16 << 20
Ended = Callable[[Outcome], None]


class Run(Protocol):
    """Runs the guest of a call to its end; `stdout` and `stdin` are paths."""

    def __call__(
        self, call: Call, stdout: str, stdin: str = "", request_trailers: AskTrailers | None = None
    ) -> Outcome:
        """How it ended; `request_trailers` are asked where they come behind a `stdin`."""
        ...

    def prepare(self, component: int) -> None:
        """Make ready for the next call of a component what does not depend on it."""
        ...

    def tidy(self, component: int) -> None:
        """Let go of what the last call of a component left, once its end is told."""
        ...

    def rest(self) -> None:
        """Give back what the next call can do without, for a while in which there is none."""
        ...


class WorkerGone(Exception):  # noqa: N818  # no failure of the call: it has not begun, and another may take it
    """The worker has ended before it was given the call."""


class Worker(Protocol):
    """Runs one call at a time; what the guest writes comes out of `stdout`, a pipe's end that does not block."""

    stdout: int
    spoiled: bool  # not to be used again
    process: bool  # a process of its own, which can be killed and takes its stdin from a pipe

    def start(self, call: Call, ended: Ended, stdin: Stdin = ..., descriptor: int = ...) -> None:
        """Run the call; `ended` is called in the event loop. A `descriptor` of stdin is the caller's to close.

        Raises WorkerGone.
        """
        ...

    def computed(self) -> float:
        """Seconds for which it has computed in all."""
        ...

    def sleeps(self) -> bool:
        """Whether the guest that runs waits for something else than a processor."""
        ...

    def tell_trailers(self, trailers: Trailers) -> None:
        """Say what follows the body that came through the pipe, before the pipe is closed."""
        ...

    def mute(self) -> None:
        """Nobody reads what the guest that runs still writes: its next write fails."""
        ...

    def kill(self, outcome: Outcome) -> None:
        """End the guest that runs, with this outcome."""
        ...

    def close(self) -> None:
        """Let go of the worker."""
        ...


class GuestThread:
    """A thread with the stack that guests need; it starts with its first job."""

    def __init__(self) -> None:
        self._jobs: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self.thread: threading.Thread | None = None

    def do(self, job: Callable[[], object]) -> None:
        """Do it after those that came before; it must not raise. Raises RuntimeError where there can be no thread."""
        if self.thread is None:
            threading.stack_size(THREAD_STACK)
            # A daemon, since no end of the process may wait for a guest that does not end.
            thread = threading.Thread(target=self._work, name="guests", daemon=True)
            thread.start()
            self.thread = thread
        self._jobs.put(job)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
            del job  # an idle thread keeps nothing of a request

    def close(self) -> None:
        """End it once it is idle."""
        self._jobs.put(None)


class ThreadWorker:
    """Runs guests in a thread of this process, which nothing from outside can end."""

    process = False

    def __init__(self, run: Run, thread: GuestThread | None = None) -> None:
        self._run = run
        self._loop = asyncio.get_running_loop()
        self._guests = thread or GuestThread()
        self._clock: int | None = None
        self._state: StateFile | None = None
        self.spoiled = False
        self.stdout, self._stdin = -1, -1
        self._open()

    def _open(self) -> None:
        self.stdout, self._input = output_pipe()
        self._path = f"/proc/self/fd/{self._input}"

    def start(self, call: Call, ended: Ended, stdin: Stdin = Stdin.MESSAGE, descriptor: int = -1) -> None:
        """Run the call, whose stdin is whole; `ended` is called in the event loop."""
        if stdin is not Stdin.MESSAGE:
            raise ValueError("only a process takes its stdin from elsewhere")
        if self.stdout < 0:
            self._open()
        try:
            self._guests.do(partial(self._answer, call, ended))
        except RuntimeError as error:  # the task has as many threads as it may
            self._loop.call_soon(ended, Outcome.failed(error))

    def _answer(self, call: Call, ended: Ended) -> None:
        try:
            outcome = self._run(call, self._path)
        except Exception as error:  # noqa: BLE001  # without its thread the app would be lost
            outcome = Outcome.failed(error)
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(ended, outcome)
        self._run.tidy(call.component)

    def computed(self) -> float:
        """Seconds for which the thread has computed in all."""
        thread = self._guests.thread
        if self._clock is None and thread is not None and thread.ident is not None:
            self._clock = time.pthread_getcpuclockid(thread.ident)
        with contextlib.suppress(OSError):
            return time.clock_gettime(self._clock) if self._clock is not None else 0.0
        return 0.0

    def sleeps(self) -> bool:
        """Whether the guest that runs waits for something else than a processor."""
        thread = self._guests.thread
        if self._state is None and thread is not None and thread.native_id is not None:
            self._state = StateFile(f"/proc/self/task/{thread.native_id}/stat")
        return self._state is not None and self._state.sleeps()

    def tell_trailers(self, trailers: Trailers) -> None:
        """No body comes through a pipe here."""

    def mute(self) -> None:
        """Nobody reads what the guest that runs still writes: its next write fails."""
        os.close(self.stdout)
        os.close(self._input)
        self.stdout = -1

    def kill(self, outcome: Outcome) -> None:
        """End nothing: no thread can be ended from outside."""

    def rest(self) -> None:
        """Have the guests give back what they can, in their thread."""
        self._guests.do(self._run.rest)

    def close(self) -> None:
        """End the thread once it is idle."""
        self._guests.close()


class StateFile:
    """The kernel's line about a thread, kept open."""

    def __init__(self, path: str) -> None:
        try:
            self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:  # it has ended
            self._file = -1

    def sleeps(self) -> bool:
        """Whether the thread waits, and not for a processor."""
        try:
            line = os.pread(self._file, 512, 0)
        except OSError:
            return False
        return line[line.rindex(b")") + 2 : line.rindex(b")") + 3] == b"S"

    def close(self) -> None:
        """Let go of it."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def output_pipe() -> tuple[int, int]:
    """A pipe for a guest's output: the end to read from, which does not block, and the one to write to."""
    import fcntl

    out, into = os.pipe2(os.O_CLOEXEC)
    os.set_blocking(out, False)
    with contextlib.suppress(OSError):  # a user has room for so many large ones
        fcntl.fcntl(into, fcntl.F_SETPIPE_SZ, 1 << 20)
    return out, into
