"""`Preopen`: a directory for a guest."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Preopen:
    """A directory that a guest may open, by its descriptor: what is under its name later does not matter."""

    descriptor: int
    guest: str
    readonly: bool

    @property
    def host(self) -> str:
        """Where this process can open it."""
        return f"/proc/self/fd/{self.descriptor}"
