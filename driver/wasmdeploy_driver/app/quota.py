"""What the requests of one component, or of all of them, may take of the app."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Quota:
    """Their bounds, 0 for none: seconds of a run, runs at once, bytes of a body; and the runs now."""

    seconds: float = 0.0
    most: int = 0
    request_bytes: int = 0
    response_bytes: int = 0
    running: int = 0
    feeding: int = 0  # runs whose requests still come

    def is_left(self, *, feeds: bool) -> bool:
        """Whether one more may run, one whose request still comes (`feeds`) for instance."""
        return not self.most or (
            self.running < self.most and not (feeds and self.feeding >= self._most_feeding)
        )

    @property
    def _most_feeding(self) -> int:
        """How many may wait for their clients: those who send slowly must not have every run."""
        return max(1, self.most // 2)

    def count(self, more: int, *, feeds: bool) -> None:
        """Count one in (1) or out (-1)."""
        self.running += more
        if feeds:
            self.feeding += more
