"""One guest at work: how it begins and ends, and what is seen of it meanwhile."""

from __future__ import annotations

import asyncio
from typing import Protocol

from wasmdeploy_driver.app.body import Feed
from wasmdeploy_driver.app.exchange import Exchange
from wasmdeploy_driver.app.worker import Worker, WorkerGone
from wasmdeploy_driver.errors import GuestTimeout
from wasmdeploy_driver.guest.call import Outcome, Stdin

# The output of a guest that has run for longer is read as it comes.
_WATCH_SECONDS = 0.005
# The clock that interrupts guests is a little late; a guest that goes on this long past its limit is blocked.
GRACE_SECONDS = 1.0


class Owner(Protocol):
    """The pool that a guest runs in; `patience` is how many seconds it may compute before it is slow."""

    @property
    def patience(self) -> float: ...

    def enter(self, run: Running) -> None:
        """It runs now, and holds a slot."""
        ...

    def give_slot(self) -> None:
        """It goes on beside the others, its slot is the next one's."""
        ...

    def again(self, run: Running) -> None:
        """Its worker was gone before it began: the next one takes it."""
        ...

    def leave(self, run: Running, *, slow: bool) -> None:
        """It has ended; a `slow` one has given its slot away before."""
        ...


class Running:
    """One guest at work; it enters its pool when it begins, and leaves it when it has ended."""

    __slots__ = (
        "_computed",
        "_feed",
        "_given_up",
        "_owner",
        "_slept",
        "_slow",
        "begun",
        "exchange",
        "worker",
    )

    def __init__(self, owner: Owner, exchange: Exchange, worker: Worker) -> None:
        self._owner = owner
        self._feed: Feed | None = None
        self._slow = self._given_up = False
        self._computed = -1.0
        self._slept = False
        self.begun = asyncio.get_running_loop().time()
        self.exchange = exchange
        self.worker = worker

    def begin(self) -> None:
        self._owner.enter(self)
        try:
            self._start()
        except WorkerGone:
            self.worker.spoiled = True
            self.exchange.withdraw()
            if self._feed is not None:
                self._feed.withdraw()
            self._owner.again(self)
        except Exception as error:  # noqa: BLE001  # whatever it is costs this request, and not its place
            self._ended(Outcome.failed(error))

    def _start(self) -> None:
        exchange, worker = self.exchange, self.worker
        exchange.begin(worker)
        if (rest := exchange.request.rest) is None:
            worker.start(exchange.call, self._ended)
        else:
            self._feed = Feed(exchange.call.stdin, rest, self._broken, worker.tell_trailers)
            worker.start(exchange.call, self._ended, Stdin.PIPE, self._feed.descriptor)
            self._feed.begin()

    def look(self, now: float) -> None:
        """See how long it has run by now."""
        ran = now - self.begun
        if ran > _WATCH_SECONDS:
            self.exchange.watch()
        if not self._slow and self._is_slow():
            self._slow = True
            self._owner.give_slot()
        limit = self.exchange.quota.seconds
        if limit and ran > limit + GRACE_SECONDS and not self._given_up:
            self._give_up(limit)

    def _is_slow(self) -> bool:
        """Whether it waits, which it did when it was looked at before, or has computed for longer than it may.

        What counts is its own state and time: on a busy machine a quick guest may take long, and more processes would
        only make it busier.
        """
        slept, self._slept = self._slept, self.worker.sleeps()
        if self._slept:
            return slept
        if self._computed < 0:
            self._computed = self.worker.computed()
            return False
        return self.worker.computed() - self._computed > self._owner.patience

    def _give_up(self, limit: float) -> None:
        """It is blocked where nothing can interrupt it."""
        self._given_up = True
        reason = f"the guest was blocked past its time limit of {limit:g} s"
        if self.worker.process:
            self.worker.kill(Outcome(reason, late=True))
            return
        # Its thread is lost until the call returns; the processes go on without it.
        self.exchange.close()
        self.exchange.fail(GuestTimeout(reason))
        self.worker.spoiled = True

    def _broken(self, reason: str) -> None:
        self.exchange.left = True
        self.worker.kill(Outcome(f"the request broke off: {reason}"))

    def _ended(self, outcome: Outcome) -> None:
        if self._feed is not None:
            self._feed.close()
        if not self.worker.process:
            self.worker.spoiled = False
        try:
            self.exchange.ended(outcome)
        finally:
            self._owner.leave(self, slow=self._slow)
