"""What all processes of a server use."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable

import psutil

_IDLE_SECONDS = 5.0


def processes(pid: int) -> list[psutil.Process]:
    """The server's own process and all that it started: its descendants, and what else is in its session.

    A process whose parent has ended is no descendant any more, but the session stays.
    """
    root = psutil.Process(pid)
    found = {each.pid: each for each in (root, *root.children(recursive=True))}
    for each in psutil.process_iter():
        with contextlib.suppress(ProcessLookupError):
            if each.pid not in found and os.getsid(each.pid) == pid:
                found[each.pid] = each
    return list(found.values())


def cpu_seconds(pid: int) -> float:
    """User and system time of all of them, children that have ended included."""
    return sum(_each(pid, lambda process: sum(process.cpu_times()[:4])))


def pss_bytes(pid: int) -> int:
    """Resident memory of all of them, each shared page counted in proportion."""
    return int(sum(_each(pid, _pss)))


def own_pss_bytes(pid: int) -> int:
    """That of one process alone."""
    return int(_pss(psutil.Process(pid)))


def _pss(process: psutil.Process) -> float:
    return float(process.memory_full_info().pss)


def _each(pid: int, measure: Callable[[psutil.Process], float]) -> list[float]:
    found = []
    for process in processes(pid):
        with contextlib.suppress(psutil.NoSuchProcess):  # it ended in between
            found.append(measure(process))
    return found


def wait_idle(pid: int) -> None:
    """Wait, with a bound, until the server uses no more CPU: requests that the load left behind are over."""
    deadline = time.monotonic() + _IDLE_SECONDS
    before = -1.0
    while (now := cpu_seconds(pid)) != before and time.monotonic() < deadline:
        before = now
        time.sleep(0.05)
