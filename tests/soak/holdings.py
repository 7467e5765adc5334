"""What all processes of an app hold at one moment."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

import psutil

from tests.bench import usage


@dataclass(frozen=True, slots=True)
class Holdings:
    """Processes, their threads and descriptors, and their memory in MB, each shared page counted in proportion."""

    processes: int
    threads: int
    descriptors: int
    memory: float

    def __str__(self) -> str:
        return (
            f"{self.processes} processes, {self.threads} threads, {self.descriptors} descriptors, "
            f"{self.memory:.0f} MB"
        )


def held(pid: int) -> Holdings:
    """What the app started as `pid` holds now."""
    processes, threads, descriptors, memory = 0, 0, 0, 0.0
    for process in usage.processes(pid):
        with contextlib.suppress(psutil.NoSuchProcess):
            memory += process.memory_full_info().pss / 1e6
            threads += process.num_threads()
            descriptors += process.num_fds()
            processes += 1
    return Holdings(processes, threads, descriptors, memory)
