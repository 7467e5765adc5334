"""Joining the task's cgroup and setting its limits, on cgroup v1 and v2.

Nomad makes the groups; a driver that runs its own processes fills in the limits. On v1 Nomad's path names
only the cpuset group that tasks share; the task's own groups are <controller>/nomad/<alloc>.<task>.
"""

from __future__ import annotations

import os
from pathlib import Path

from wasmdeploy_driver.errors import ExecutorError
from wasmdeploy_driver.executor.launch import Cgroup

_V1_CONTROLLERS = ("freezer", "cpu", "memory")


def join(cgroup: Cgroup, task_id: str) -> None:
    """Move this process into the groups of the task <alloc>/<task>/<hash>, limits first.

    Raises ExecutorError.
    """
    path = Path(cgroup.path)
    try:
        if (path / "cgroup.controllers").exists():
            _join_v2(path, cgroup)
        else:
            _join_v1(path, cgroup, task_id)
    except OSError as error:
        raise ExecutorError(f"cgroup {error.filename or path}: {error.strerror}") from error


def groups(cgroup: Cgroup, task_id: str) -> list[Path]:
    """The directories of the groups that the task has."""
    path = Path(cgroup.path)
    if (path / "cgroup.controllers").exists():
        return [path]
    found = [path, *(_v1_group(path, task_id, controller) for controller in _V1_CONTROLLERS)]
    return [group for group in found if group is not None and group.is_dir()]


def _join_v2(path: Path, cgroup: Cgroup) -> None:
    if cgroup.memory_bytes:
        _write(path / "memory.max", str(cgroup.memory_bytes))
    if cgroup.cpu_shares:
        # The kernel's weights 1…10000 stand for the shares 2…262144.
        weight = 1 + (max(2, min(cgroup.cpu_shares, 262144)) - 2) * 9999 // 262142
        _write(path / "cpu.weight", str(weight))
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
    root = next((parent for parent in path.parents if parent.name == "cpuset"), None)
    return root and root.parent / controller / "nomad" / ".".join(task_id.split("/")[:2])


def memory_counts(cgroup: Cgroup, task_id: str) -> Path | None:
    """The file with what the task's memory is used for; None where the task has no group of its own."""
    path = Path(cgroup.path)
    group = path if (path / "cgroup.controllers").exists() else _v1_group(path, task_id, "memory")
    return group and group / "memory.stat"


def _write(file: Path, text: str) -> None:
    file.write_text(text)
