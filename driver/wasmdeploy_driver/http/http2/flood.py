"""How much a client may make us do for nothing: frames that cost it little and carry no request's work."""

from __future__ import annotations

_MOST = 1000.0
_PER_SECOND = 100.0


class Flood:
    """A purse: idle work is paid from it, useful work and time fill it again.

    A PING, a SETTINGS or a WINDOW_UPDATE costs 1, a request that is taken back unanswered (CVE-2023-44487) 10.
    """

    def __init__(self, now: float) -> None:
        self._left = _MOST
        self._then = now

    def spend(self, cost: float, now: float) -> bool:
        """Pay for idle work; False where there is nothing left to pay with."""
        self.earn((now - self._then) * _PER_SECOND)
        self._then = now
        self._left -= cost
        return self._left >= 0

    def earn(self, worth: float) -> None:
        """Useful work was done."""
        self._left = min(_MOST, self._left + worth)
