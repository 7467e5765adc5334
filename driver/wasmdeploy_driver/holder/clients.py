"""Clients of parked tasks: who asks for health is answered, and who asks for more wakes the task."""

from __future__ import annotations

import contextlib
import itertools
import select
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol

from wasmdeploy_driver.holder import health
from wasmdeploy_driver.holder.borrowed import borrowed
from wasmdeploy_driver.holder.holdings import Held, Holdings
from wasmdeploy_driver.holder.watch import Watch
from wasmdeploy_driver.http.bounds import Patience

# With more that say nothing the app is woken, which has its own bounds.
_MOST_CLIENTS = 64
_PATIENCE = Patience()


class Change(Protocol):
    """Changes what both processes hold."""

    def __call__(self, change: Mapping[str, Any], descriptors: Sequence[int] = ()) -> None: ...


class Clients:
    """Looks at what clients say without taking it; `wake` is called with a task that is asked for, and why."""

    def __init__(
        self, watch: Watch, holdings: Holdings, change: Change, wake: Callable[[Held, str], None]
    ) -> None:
        self._watch = watch
        self._holdings = holdings
        self._change = change
        self._wake = wake
        self._deadlines: dict[tuple[str, int], float] = {}
        numbers = (number for held in holdings.by_state.values() for number in held.clients)
        self._numbers = itertools.count(max(numbers, default=0) + 1)

    def __len__(self) -> int:
        return len(self._deadlines)

    def keep(self, state: str, connection: int) -> int:
        """Hold a client of a task, one that its executor leaves behind, say; gives its number."""
        number = next(self._numbers)
        self._change({"client": state, "number": number}, [connection])
        return number

    def knocked(self, held: Held) -> None:
        """Accept all that wait at a task's listener."""
        with borrowed(held.shelved.listener) as listener:
            while self._holdings.by_state.get(held.state) is held and held.shelved.listener in self._watch:
                try:
                    connection, _ = listener.accept()
                except BlockingIOError:
                    return
                except OSError:  # there is no descriptor left, say: the app accepts for itself
                    self._wake(held, "a request")
                    return
                if _look(held, connection) in (
                    "health",
                    "gone",
                ):  # most of them: at once, and by this process alone
                    connection.close()
                    continue
                number = self.keep(held.state, connection.detach())
                if len(held.clients) > _MOST_CLIENTS:
                    self._wake(held, "many connections")
                    return
                self.attend(held, number)

    def attend(self, held: Held, number: int) -> None:
        """Hear what a client says, for a while."""
        self._deadlines[held.state, number] = time.monotonic() + _PATIENCE.idle
        # By edges: what was peeked at stays where it is, and would be news for ever.
        client = held.clients[number]
        self._watch.on(
            client, lambda: self._heard(held, number), select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLET
        )

    def _heard(self, held: Held, number: int) -> None:
        with borrowed(held.clients[number]) as client:
            verdict = _look(held, client)
        if verdict == "silent":
            return
        if verdict == "more":
            key = held.state, number
            self._deadlines[key] = min(self._deadlines[key], time.monotonic() + _PATIENCE.head)
        elif verdict == "other":
            self._wake(held, "a request")
        else:
            self._leave(held, number)

    def _leave(self, held: Held, number: int) -> None:
        client = held.clients[number]
        self._deadlines.pop((held.state, number), None)
        self._watch.off(client)
        # The second process has it open, too, and may be slow to close it.
        with borrowed(client) as connection, contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        self._change({"left": held.state, "number": number})

    def ignore(self, held: Held) -> None:
        """Stop hearing a task's clients; their descriptors stay open."""
        for number, client in held.clients.items():
            self._deadlines.pop((held.state, number), None)
            self._watch.off(client)

    def leave_late(self, now: float) -> None:
        """Let those go who have had their time."""
        for (state, number), at in tuple(self._deadlines.items()):
            if at <= now and (state, number) in self._deadlines:
                self._leave(self._holdings.by_state[state], number)


def _look(held: Held, client: socket.socket) -> Literal["silent", "gone", "health", "more", "other"]:
    """What a client wants, as far as it has said; a health check is answered."""
    try:
        start = client.recv(health.MOST_HEAD, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        verdict, size = health.judge(start, held.checked)
        if verdict == "health":
            client.recv(size, socket.MSG_DONTWAIT)
            client.send(health.answer(start, held.health), socket.MSG_DONTWAIT)
    except BlockingIOError:
        return "silent"
    except OSError:
        return "gone"
    return verdict if start else "gone"
