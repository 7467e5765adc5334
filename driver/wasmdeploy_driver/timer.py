"""A timer of the event loop that can be set again: there is one call to come, or none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Timer:
    """Calls `due` once the time has come that it was set to last."""

    __slots__ = ("_due", "_handle", "_loop")

    def __init__(self, due: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._due = due
        self._handle: asyncio.TimerHandle | None = None

    @property
    def runs(self) -> bool:
        """Whether the call is to come."""
        return self._handle is not None

    def set(self, seconds: float) -> None:
        """Call in so many seconds, and not when it was set to before."""
        self.set_at(self._loop.time() + seconds)

    def set_at(self, when: float) -> None:
        """Call at that time of the loop's clock, and not when it was set to before."""
        if self._handle is not None:
            self._handle.cancel()
        self._handle = self._loop.call_at(when, self._ring)

    def stop(self) -> None:
        """Do not call."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _ring(self) -> None:
        self._handle = None
        self._due()
