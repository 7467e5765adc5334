"""What the kernel counts for a task's cgroup: kills for want of memory, and times without a processor."""

from __future__ import annotations

from pathlib import Path

from wasmdeploy_driver.executor.cgroup import groups
from wasmdeploy_driver.executor.launch import Launch

_V1 = Path("/sys/fs/cgroup")


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
    for file in (Path(cgroup) / "memory.events", _v1_file("memory", task_id, "memory.oom_control")):
        if (count := _counts(file).get("oom_kill")) is not None:
            return count
    return 0


def throttling(cgroup: str, task_id: str) -> tuple[int, int]:
    """How many periods the task was throttled in, and for how many nanoseconds in all; 0 where that is not known."""
    counts = _counts(Path(cgroup) / "cpu.stat")
    if "throttled_usec" in counts:
        return counts.get("nr_throttled", 0), counts["throttled_usec"] * 1000
    counts = _counts(_v1_file("cpu", task_id, "cpu.stat"))
    return counts.get("nr_throttled", 0), counts.get("throttled_time", 0)


def _counts(file: Path) -> dict[str, int]:
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return {}
    pairs = (line.partition(" ") for line in lines)
    return {name: int(count) for name, _, count in pairs if count.isdecimal()}


def _v1_file(controller: str, task_id: str, name: str) -> Path:
    # With cgroup v1 Nomad names only the shared cpuset; the other groups follow from the id alloc/task/hash.
    allocation, _, rest = task_id.partition("/")
    return _V1 / controller / "nomad" / f"{allocation}.{rest.rpartition('/')[0]}" / name
