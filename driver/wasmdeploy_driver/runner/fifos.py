"""The log FIFOs of tasks while one executor follows another that the driver had to end.

Nomad's log collector reads a FIFO to its end, which comes when the last executor that has it open is gone, and begins
again only before a start that Nomad itself asks for: what the next executor's guests print would wait for ever.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from pathlib import Path

from wasmdeploy_driver.executor.launch import Launch

_SECONDS = 600.0  # for the start that follows, or until Nomad surely asks for none


class Fifos:
    """Keeps them open, of each task one pair: every start <alloc>/<task>/<start> of a task has the same."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[float, list[int]]] = {}

    def keep(self, launch: Launch) -> None:
        """Let a task's FIFOs have no end until `release`; what is no FIFO is left alone.

        Not before there is an executor to end: one that this process opened first would end with this process.
        """
        if (task := _task(launch)) in self._kept:
            return
        opened = []
        for path in (launch.stdout, launch.stderr):
            with contextlib.suppress(OSError):
                opened.append(_open(path))
        self._kept[task] = time.monotonic() + _SECONDS, opened

    def release(self, launch: Launch) -> None:
        """Close a task's."""
        self._close(_task(launch))

    def expire(self) -> None:
        """Close those of starts that were not repeated."""
        for task, (until, _) in tuple(self._kept.items()):
            if until <= time.monotonic():
                self._close(task)

    def _close(self, task: str) -> None:
        _, opened = self._kept.pop(task, (0.0, []))
        for descriptor in opened:
            os.close(descriptor)


def _task(launch: Launch) -> str:
    return launch.id.rpartition("/")[0]


def _open(path: Path) -> int:
    place = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if not stat.S_ISFIFO(os.fstat(place).st_mode):
            raise OSError(f"{path} is no FIFO")
        return os.open(f"/proc/self/fd/{place}", os.O_RDWR | os.O_CLOEXEC)  # never waits
    finally:
        os.close(place)
