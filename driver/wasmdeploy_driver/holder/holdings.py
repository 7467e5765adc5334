"""What the holder holds; both of its processes, which do the same changes to it one after the other.

{"take": STATE, "executor": [PID, START_TIME], "health": [TARGET, STATUS]}
                                    with the descriptors of a `Shelved`: an executor is about to end
{"parked": STATE}                   it has ended
{"waking": STATE}                   another is forked
{"gone": STATE}                     nothing more is held for the task: an executor has it all, or it was dropped
{"client": STATE, "number": NUMBER} with a connection that was accepted
{"left": STATE, "number": NUMBER}   it is closed
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from wasmdeploy_driver.executor.parking import Shelved

Phase = Literal["arriving", "parked", "waking"]


@dataclass(slots=True)
class Held:
    """One task: its state directory, the executor that left it, its descriptors, and connections by number."""

    state: str
    executor: tuple[int, int]
    shelved: Shelved
    checked: str = ""  # the target of the job's check, where that is not the driver's own
    health: int = 200  # its last answer's status
    phase: Phase = "arriving"
    clients: dict[int, int] = field(default_factory=dict)

    @property
    def descriptors(self) -> list[int]:
        """All of them."""
        return [*self.shelved.descriptors, *self.clients.values()]


class Holdings:
    """All tasks that are held, by their state directories."""

    def __init__(self) -> None:
        self.by_state: dict[str, Held] = {}

    def apply(self, change: Mapping[str, Any], descriptors: Sequence[int]) -> None:
        """Do one change; what it makes superfluous is closed."""
        match change:
            case {"take": state, "executor": [pid, start_time], "health": [target, status]}:
                self._forget(state)
                shelved = Shelved.of(descriptors)
                self.by_state[state] = Held(state, (pid, start_time), shelved, target, status)
            case {"client": state, "number": number} if state in self.by_state:
                self.by_state[state].clients[number] = descriptors[0]
            case {"left": state, "number": number} if state in self.by_state:
                close([self.by_state[state].clients.pop(number)])
            case {"gone": state}:
                self._forget(state)
            case {"parked": state} if state in self.by_state:
                self.by_state[state].phase = "parked"
            case {"waking": state} if state in self.by_state:
                self.by_state[state].phase = "waking"
            case _:
                close(descriptors)

    def _forget(self, state: str) -> None:
        if (held := self.by_state.pop(state, None)) is not None:
            close(held.descriptors)


def close(descriptors: Iterable[int]) -> None:
    """Close them."""
    for descriptor in descriptors:
        with contextlib.suppress(OSError):
            os.close(descriptor)
