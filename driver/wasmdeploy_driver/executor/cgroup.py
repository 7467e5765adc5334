"""Joining the task's cgroup and setting its limits, on cgroup v1 and v2.

Nomad makes the groups; a driver that runs its own processes fills in the limits. On v1 Nomad's path names
only the cpuset group that tasks share; the task's own groups are <controller>/nomad/<alloc>.<task>. It makes none
there that counts processes: that one is ours, of each start of a task, pids/nomad/<alloc>.<task>.<start>.
"""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path

from wasmdeploy_driver.errors import ExecutorError
from wasmdeploy_driver.executor.launch import Cgroup

_V1_CONTROLLERS = ("freezer", "cpu", "memory")
_AGAIN_SECONDS = 0.01


def join(cgroup: Cgroup, task_id: str) -> None:
    """Move this process into the groups of the task <alloc>/<task>/<hash>, limits first.

    Raises ExecutorError.
    """
    path = Path(cgroup.path)
    try:
        if _is_v2(path):
            _join_v2(path, cgroup)
        else:
            _join_v1(path, cgroup, task_id)
    except OSError as error:
        raise _refused(path, error) from error


def count(cgroup: Cgroup, task_id: str) -> None:
    """On v1, make the group that counts this start's processes, and move this one into it; raises ExecutorError.

    It is for `clear` to remove.
    """
    group = _v1_pids(cgroup, task_id)
    if group is None or not cgroup.processes:
        return
    try:
        group.mkdir(parents=True, exist_ok=True)
        _write(group / "pids.max", str(cgroup.processes))
        _write(group / "cgroup.procs", str(os.getpid()))
    except OSError as error:
        raise _refused(group, error) from error


def clear(cgroup: Cgroup, task_id: str, patience: float) -> None:
    """Remove what `count` made once the start's last process is gone, which is waited for so many seconds."""
    group = _v1_pids(cgroup, task_id)
    if group is None:
        return
    until = time.monotonic() + patience
    while True:
        try:
            group.rmdir()
            return
        except OSError as error:
            if error.errno != errno.EBUSY or time.monotonic() > until:
                return
        time.sleep(_AGAIN_SECONDS)


def groups(cgroup: Cgroup, task_id: str) -> list[Path]:
    """The directories of the groups that the task has."""
    path = Path(cgroup.path)
    if _is_v2(path):
        return [path]
    found = [path, *(_v1_group(path, task_id, controller) for controller in _V1_CONTROLLERS)]
    return [group for group in found if group is not None and group.is_dir()]


def group_of(path: Path, task_id: str, controller: str) -> Path | None:
    """The directory of the group that the controller goes by; None where the task has none of its own."""
    return path if _is_v2(path) else _v1_group(path, task_id, controller)


def _is_v2(path: Path) -> bool:
    return (path / "cgroup.controllers").exists()


def _join_v2(path: Path, cgroup: Cgroup) -> None:
    if cgroup.memory_bytes:
        _write(path / "memory.max", str(cgroup.memory_bytes))
    if cgroup.cpu_shares:
        # The kernel's weights 1…10000 stand for the shares 2…262144.
        weight = 1 + (max(2, min(cgroup.cpu_shares, 262144)) - 2) * 9999 // 262142
        _write(path / "cpu.weight", str(weight))
    if cgroup.processes:
        _write(path / "pids.max", str(cgroup.processes))
    _write(path / "cgroup.procs", str(os.getpid()))


def _join_v1(path: Path, cgroup: Cgroup, task_id: str) -> None:
    if path.is_dir():
        _write(path / "cgroup.procs", str(os.getpid()))
    for controller in _V1_CONTROLLERS:
        group = _v1_group(path, task_id, controller)
        if group is None or not group.is_dir():
            continue
        if controller == "memory" and cgroup.memory_bytes:
            _write(group / "memory.limit_in_bytes", str(cgroup.memory_bytes))
        if controller == "cpu" and cgroup.cpu_shares:
            _write(group / "cpu.shares", str(max(2, cgroup.cpu_shares)))
        _write(group / "cgroup.procs", str(os.getpid()))


def _v1_group(path: Path, task_id: str, controller: str) -> Path | None:
    root = _v1_root(path)
    return root and root / controller / "nomad" / ".".join(task_id.split("/")[:2])


def _v1_pids(cgroup: Cgroup, task_id: str) -> Path | None:
    root, parts = _v1_root(Path(cgroup.path)), task_id.split("/")
    if root is None or len(parts) != 3 or not all(parts) or not (root / "pids").is_dir():
        return None
    return root / "pids" / "nomad" / ".".join(parts)


def _v1_root(path: Path) -> Path | None:
    return next((parent.parent for parent in path.parents if parent.name == "cpuset"), None)


def _refused(group: Path, error: OSError) -> ExecutorError:
    return ExecutorError(f"cgroup {error.filename or group}: {error.strerror}")


def _write(file: Path, text: str) -> None:
    file.write_text(text)
