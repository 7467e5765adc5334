"""Whether the task's memory has room for one more engine process."""

from __future__ import annotations

from pathlib import Path

from wasmdeploy_driver.executor.cgroup import group_of
from wasmdeploy_driver.executor.launch import Launch

# Of the task's memory that may be in use when one more process starts: each takes a few megabytes and its guests' own.
_FULL = 0.75
# What the kernel cannot take back: everything else is pages of files. The names on cgroup v2, and on v1.
_COUNTED = frozenset(("anon", "shmem", "total_rss", "total_shmem"))


class Room:
    """Looks at what the task's cgroup uses now; where no limit is known there is always room."""

    def __init__(self, launch: Launch) -> None:
        cgroup = launch.cgroup
        self._most = int(cgroup.memory_bytes * _FULL) if cgroup is not None else 0
        group = group_of(Path(cgroup.path), launch.id, "memory") if cgroup is not None else None
        self._usage = group and group / "memory.stat"

    def is_left(self) -> bool:
        """Whether one more process may start."""
        if not self._most or self._usage is None:
            return True
        try:
            lines = self._usage.read_text().splitlines()
        except OSError:
            return True
        pairs = (line.split() for line in lines)
        return sum(int(value) for name, value in pairs if name in _COUNTED) < self._most
