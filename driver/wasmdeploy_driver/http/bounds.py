"""How much and how long a client may: the sizes and times that the front goes by."""

from __future__ import annotations

from dataclasses import dataclass

# A request is passed on once it is whole, or more of its body than this has come, or this long after its head.
PASS_ON_BYTES = 1 << 20
PASS_ON_SECONDS = 0.02
# Of a body that was passed on in part, this much waits for the application; more is left to the client.
MOST_WAITING = 128 << 10


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much one request may be: bytes of its head, headers (and trailers), bytes of its body (0: no limit).

    With `stream` an application is given requests whose bodies are still to come, without it only whole ones.
    """

    head: int = 64 << 10
    headers: int = 256
    body: int = 64 << 20
    stream: bool = False

    def too_large(self, size: int) -> bool:
        """Whether a body of this size is refused."""
        return 0 < self.body < size


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a client may take, in seconds: for a head, between parts of a body, idle, reading its last answer.

    Idle is longer than the 90 s for which Traefik keeps idle connections: it must be the one that closes
    them, since a request sent into a connection that we just closed is lost, and a POST is not sent again.
    `early` is how long an answer waits for the rest of a small request: a proxy in Go takes the beginning of an answer
    for the end of the request, sends no more of it, and breaks off both.
    Idle is also how long a client may read nothing of an answer, or send nothing once its answer has begun.
    """

    head: float = 30.0
    body: float = 30.0
    idle: float = 180.0
    linger: float = 2.0
    early: float = 2.0


class Budget:
    """How many bytes of bodies are held in memory, for all requests together."""

    def __init__(self, most: int = 256 << 20) -> None:
        self._left = most

    def take(self, size: int) -> bool:
        """Take `size` bytes; False where so many are not left."""
        if size > self._left:
            return False
        self._left -= size
        return True

    def give(self, size: int) -> None:
        """Give back what was taken."""
        self._left += size
