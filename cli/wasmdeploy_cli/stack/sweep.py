"""Ends what outlived a stack's agents: a crashed agent leaves its tasks, and they belong to the stack."""

from __future__ import annotations

import contextlib
import ctypes
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wasmdeploy_cli.errors import StackError
from wasmdeploy_cli.stack import processes
from wasmdeploy_cli.stack.directory import Directory, current_mounts
from wasmdeploy_cli.stack.processes import Process

if TYPE_CHECKING:
    from wasmdeploy_cli.console import Output

MARK = "WASMDEPLOY_STACK_ID"  # in every member's environment, with the directory's id
EXECUTOR = "wasmdeploy_driver.executor"
HOLDER = "wasmdeploy_driver.holder"  # of parked tasks
_CGROUPS = Path("/sys/fs/cgroup")
_GRACE = 6.0  # an executor drains for up to five seconds
_ROUNDS = 3  # a process may have started another one meanwhile
_MNT_DETACH = 2


def swept(directory: Directory, output: Output) -> None:
    """End every process that came from this stack and unmount what is left below its directory."""
    for _ in range(_ROUNDS):
        found = leftovers(directory)
        for process, traces in found:
            output.event("sweep", f"Ending the leftover process {process.pid}: {' '.join(traces.argv[:5])}")
        processes.stopped([process for process, _ in found], _GRACE)
        if not found:
            break
    for group in cgroups(directory):
        with contextlib.suppress(OSError):  # Nomad's own clean-up may come first
            group.rmdir()
    for point in current_mounts(directory.path):
        _unmounted(point)


def leftovers(directory: Directory) -> list[tuple[Process, Traces]]:
    """The processes that came from this stack, with what tells so."""
    allocations = _allocations(directory)
    others = (
        (process, Traces.of(process.pid)) for process in processes.every() if process.pid != os.getpid()
    )
    return [(process, traces) for process, traces in others if is_ours(traces, directory, allocations)]


def _allocations(directory: Directory) -> frozenset[str]:
    return frozenset(path.name for path in directory.path.glob("client-*/alloc/*"))


def cgroups(directory: Directory) -> list[Path]:
    """The cgroups of this stack's allocations, as cgroup v1 and v2 have them."""
    patterns = ("*/nomad/{}.*", "nomad.slice/*/{}.*")
    return [
        group
        for allocation in _allocations(directory)
        for pattern in patterns
        for group in _CGROUPS.glob(pattern.format(allocation))
    ]


@dataclass(frozen=True, slots=True)
class Traces:
    """What /proc tells about where a process came from; empty where it is gone or another user's."""

    environment: tuple[str, ...]
    argv: tuple[str, ...]
    cgroups: str

    @classmethod
    def of(cls, pid: int) -> Traces:
        """Read them for one process."""
        environment, argv, cgroups = (_read(pid, name) for name in ("environ", "cmdline", "cgroup"))
        return cls(tuple(environment.split("\0")), tuple(argv.rstrip("\0").split("\0")), cgroups)


def _read(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes().decode(errors="replace")
    except OSError:
        return ""


def is_ours(traces: Traces, directory: Directory, allocations: frozenset[str]) -> bool:
    """Whether a process came from this stack: by its environment, its allocation's cgroup, or as an executor.

    An executor's environment is its own, and so is that of the holder of parked tasks; without root there are no
    cgroups. But they are started with a path below the stack's directory, and that is ours alone.
    """
    if f"{MARK}={directory.id}" in traces.environment:
        return True
    if any(f"/{allocation}." in traces.cgroups for allocation in allocations):
        return True
    of_driver = EXECUTOR in traces.argv or HOLDER in traces.argv
    return of_driver and any(directory.path in Path(word).parents for word in traces.argv)


def _unmounted(point: Path) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.umount2(os.fsencode(point), _MNT_DETACH) != 0:
        reason = os.strerror(ctypes.get_errno())
        raise StackError(f"{point} cannot be unmounted: {reason}", f"umount {point}")
