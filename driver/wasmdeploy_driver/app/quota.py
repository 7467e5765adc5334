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

    @property
    def is_left(self) -> bool:
        """Whether one more may run."""
        return not self.most or self.running < self.most
