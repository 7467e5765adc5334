"""What the kernel counts for a task's cgroup: kills for want of memory, and times without a processor."""

from __future__ import annotations

from pathlib import Path

from wasmdeploy_driver.executor.cgroup import group_of, groups
from wasmdeploy_driver.executor.launch import Launch


def own_groups(launch: Launch) -> tuple[str, ...]:
    """The groups that are the task's alone."""
    if launch.cgroup is None:
        return ()
    allocation = launch.id.partition("/")[0]
    return tuple(
        str(group) for group in groups(launch.cgroup, launch.id) if group.name.startswith(allocation)
    )


def oom_kills(cgroup: str, task_id: str) -> int:
    """How often the kernel killed in the task's cgroup; 0 where that cannot be known."""
    group = group_of(Path(cgroup), task_id, "memory")
    for name in ("memory.events", "memory.oom_control"):  # on v2, and on v1
        if (count := _counts(group, name).get("oom_kill")) is not None:
            return count
    return 0


def throttling(cgroup: str, task_id: str) -> tuple[int, int]:
    """How many periods the task was throttled in, and for how many nanoseconds in all; 0 where that is not known."""
    counts = _counts(group_of(Path(cgroup), task_id, "cpu"), "cpu.stat")
    # On v2 they are microseconds, on v1 nanoseconds.
    nanoseconds = counts.get("throttled_usec", 0) * 1000 or counts.get("throttled_time", 0)
    return counts.get("nr_throttled", 0), nanoseconds


def _counts(group: Path | None, name: str) -> dict[str, int]:
    try:
        lines = (group / name).read_text().splitlines() if group is not None else []
    except OSError:
        return {}
    pairs = (line.partition(" ") for line in lines)
    return {name: int(count) for name, _, count in pairs if count.isdecimal()}
