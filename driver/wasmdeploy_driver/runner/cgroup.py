"""Out-of-memory kills as the task's cgroup counts them."""

from __future__ import annotations

from pathlib import Path

_V1_MEMORY = Path("/sys/fs/cgroup/memory/nomad")


def oom_kills(cgroup: str, task_id: str) -> int:
    """How often the kernel killed in the task's cgroup; 0 where that cannot be known."""
    for file in (Path(cgroup) / "memory.events", _V1_MEMORY / _v1_scope(task_id) / "memory.oom_control"):
        try:
            lines = file.read_text().splitlines()
        except OSError:
            continue
        for line in lines:
            name, _, count = line.partition(" ")
            if name == "oom_kill" and count.isdecimal():
                return int(count)
    return 0


def _v1_scope(task_id: str) -> str:
    # With cgroup v1 Nomad names only the shared cpuset; the memory group follows from the id alloc/task/hash.
    allocation, _, rest = task_id.partition("/")
    return f"{allocation}.{rest.rpartition('/')[0]}"
