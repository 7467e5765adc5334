"""Workers that run no guest: a test writes what the guest would have written, and says when it ends."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from struct import pack

from wasmdeploy_driver.app.worker import Ended, WorkerGone, output_pipe
from wasmdeploy_driver.guest.call import SUCCESS, Call, Outcome, Stdin, Trailers


def answer(body: bytes = b"body", status: int = 200, headers: Sequence[tuple[bytes, bytes]] = ()) -> bytes:
    """What a component's guest writes for a response."""
    fields = b"".join(pack("<I", len(part)) + part for header in headers for part in header)
    return pack("<IHI", 6 + len(fields), status, len(headers)) + fields + body


class FakeWorker:
    """One worker; `calls` are those that it was given, `killed` is the outcome that it was killed with."""

    def __init__(self, *, process: bool = False) -> None:
        self.process = process
        self.spoiled = self.muted = self.closed = self.dead = False
        self.rests = 0
        self.stdout, self.input = output_pipe()
        self.calls: list[Call] = []
        self.stdin = b""
        self.trailers: Trailers = ()
        self.killed: Outcome | None = None
        self.descriptor = -1
        self._ended: Ended | None = None
        self.seconds: Callable[[], float] | None = None  # how long it has computed; without it, it waits

    def start(self, call: Call, ended: Ended, stdin: Stdin = Stdin.MESSAGE, descriptor: int = -1) -> None:
        if self.dead:
            raise WorkerGone
        self.calls.append(call)
        self._ended = ended
        self.descriptor = os.dup(descriptor) if descriptor >= 0 else -1

    def tell_trailers(self, trailers: Trailers) -> None:
        self.trailers = trailers

    @property
    def busy(self) -> bool:
        return self._ended is not None

    def write(self, data: bytes) -> None:
        os.write(self.input, data)

    def end(self, outcome: Outcome = SUCCESS) -> None:
        ended, self._ended = self._ended, None
        assert ended is not None, "nothing runs"
        ended(outcome)

    def answer(self, body: bytes = b"body") -> None:
        self.write(answer(body))
        self.end()

    def computed(self) -> float:
        return self.seconds() if self.seconds else 0.0

    def sleeps(self) -> bool:
        return self.seconds is None

    def mute(self) -> None:
        self.muted = True
        self.spoiled = self.spoiled or self.process

    def kill(self, outcome: Outcome) -> None:
        self.killed = outcome
        self.spoiled = True
        self.end(outcome)

    def rest(self) -> None:
        self.rests += 1

    def close(self) -> None:
        self.closed = True


class FakeEngine(FakeWorker):
    """An engine process that is ready when the test says so."""

    def __init__(self, changed: Callable[[FakeEngine], None]) -> None:
        super().__init__(process=True)
        self.ready = self.gone = False
        self.idle_since = 0.0
        self._changed = changed

    def be_ready(self) -> None:
        self.ready = True
        self._changed(self)

    def die(self) -> None:
        self.gone = self.spoiled = True
        if self.busy:
            self.end(Outcome("the process died"))
        self._changed(self)

    def close(self) -> None:
        super().close()
        if not self.gone:
            self.die()


class Engines:
    """Starts engines, at most so many."""

    def __init__(self, most: int = 100) -> None:
        self.started: list[FakeEngine] = []
        self.most = most

    def __call__(self, changed: Callable[[FakeEngine], None]) -> FakeEngine | None:
        if len(self.started) >= self.most:
            return None
        self.started.append(FakeEngine(changed))
        return self.started[-1]
