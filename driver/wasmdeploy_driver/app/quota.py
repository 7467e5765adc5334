"""What the requests of one component may take of the app."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Quota:
    """One component's bounds, 0 for none: seconds of a run, runs at once, bytes of a body; and its runs now."""

    seconds: float = 0.0
    most: int = 0
    request_bytes: int = 0
    response_bytes: int = 0
    running: int = 0
    feeding: int = 0  # runs whose requests still come

    def is_left(self, *, feeds: bool) -> bool:
        """Whether one more may run, one whose request still comes (`feeds`) for instance."""
        return not self.most or (self.running < self.most and not (feeds and self.feeding >= half(self.most)))


def half(most: int) -> int:
    """How many of so many may wait for their clients: those who send slowly must not have every run."""
    return max(1, most // 2)
