"""What all connections of a front have in common."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from wasmdeploy_driver.http.bounds import Bounds, Budget, Patience
from wasmdeploy_driver.http.message import BrokenBodyError, Request, Response, text_response
from wasmdeploy_driver.http.wire import Clock

# Gets the answer to a request, once.
Done = Callable[[Response], None]
# Has a request answered, at once or later: no task is made for it, which would cost as much as the rest of its way.
Handle = Callable[[Request, Done], None]


class Link(Protocol):
    """A client's connection, of whichever version of HTTP."""

    @property
    def idle(self) -> bool:
        """Whether no request is under way, and no byte of an answer or of the next request waits here."""
        ...

    def close_if_idle(self) -> None:
        """The front stops: close, now or after the answers under way."""
        ...

    def abort(self) -> None:
        """Close now, whatever is under way."""
        ...


@dataclass(slots=True)
class Shared:
    """The application, the bounds, and who is connected."""

    handle: Handle
    most: int
    bounds: Bounds
    patience: Patience
    budget: Budget
    gone: Callable[[], None]  # called after each connection that has ended
    clock: Clock = field(default_factory=Clock)
    connections: set[Link] = field(default_factory=set)
    stopping: bool = False

    def forget(self, connection: Link) -> None:
        """This one has ended."""
        self.connections.discard(connection)
        self.gone()


def answer_to(error: BaseException) -> Response:
    """What a client hears of an error that the application raised; a bug of ours is told on stderr."""
    if isinstance(error, BrokenBodyError):
        return text_response(400, "the request body did not come whole")
    traceback.print_exception(error, file=sys.stderr)
    return text_response(500, "the app failed")
