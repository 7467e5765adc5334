"""Sessions of processes, ended as a whole: one look at the process table serves all who ask while another is taken.

A node with a thousand apps has some thousands of processes, and stops many of them at once.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterable

from wasmdeploy_driver.runner.process import Process, process_table


class _Look:
    """A look at the process table, and whom it is for."""

    def __init__(self) -> None:
        self.leaders: list[Process] = []
        self.done = False


class _Looks:
    """One after the other, each for all who asked before it began."""

    def __init__(self) -> None:
        self.next = _Look()
        self._joining, self._looking = threading.Lock(), threading.Lock()

    def end(self, leader: Process) -> None:
        with self._joining:
            look = self.next
            look.leaders.append(leader)
        with self._looking:
            if look.done:
                return
            with self._joining:
                self.next = _Look()
            _end(look.leaders)
            look.done = True


_looks = _Looks()


def end_session(leader: Process) -> None:
    """SIGKILL every process of the session that this one leads or led; blocks for some milliseconds."""
    _looks.end(leader)


def _end(leaders: Iterable[Process]) -> None:
    # A member may fork while it is listed, so look again; killed ones may take a moment to go.
    for _ in range(10):
        table = process_table()
        # Of another the pid, and perhaps the session id, now belong to somebody else.
        sessions = {leader.pid for leader in leaders if leader.may_lead(table.get(leader.pid))}
        members = [pid for pid, stat in table.items() if stat.session in sessions and stat.runs]
        if not members:
            return
        for pid in members:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
