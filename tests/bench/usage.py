"""What a server's whole process tree uses."""

from __future__ import annotations

import time

import psutil

_IDLE_SECONDS = 5.0


def _tree(pid: int) -> list[psutil.Process]:
    root = psutil.Process(pid)
    return [root, *root.children(recursive=True)]


def cpu_seconds(pid: int) -> float:
    """User and system time of the tree, children that have ended included."""
    return sum(sum(process.cpu_times()[:4]) for process in _tree(pid))


def pss_bytes(pid: int) -> int:
    """Resident memory, each shared page counted in proportion."""
    return sum(process.memory_full_info().pss for process in _tree(pid))


def wait_idle(pid: int) -> None:
    """Wait, with a bound, until the tree uses no more CPU: requests that the load left behind are over."""
    deadline = time.monotonic() + _IDLE_SECONDS
    before = -1.0
    while (now := cpu_seconds(pid)) != before and time.monotonic() < deadline:
        before = now
        time.sleep(0.05)
