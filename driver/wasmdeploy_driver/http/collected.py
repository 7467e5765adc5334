"""What has come of a body, kept until its request is passed on."""

from __future__ import annotations

from wasmdeploy_driver.http.bounds import Budget


class Collected:
    """Its parts, `size` bytes in all, which are taken from the budget."""

    __slots__ = ("_budget", "_parts", "size")

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._parts: list[bytes] = []
        self.size = 0

    def add(self, part: bytes) -> bool:
        """Keep one more; False where the budget had nothing left for it."""
        taken = self._budget.take(len(part))
        if taken:
            self.size += len(part)
            self._parts.append(part)
        return taken

    def take(self) -> bytes:
        """All of it; what it took of the budget is the caller's to give back."""
        parts, self._parts, self.size = self._parts, [], 0
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def drop(self) -> None:
        """Forget it, and give the budget back."""
        self._budget.give(self.size)
        self._parts, self.size = [], 0
