"""CPU and memory of an executor and its children."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from wasmdeploy_driver.runner.process import Process


@dataclass(frozen=True, slots=True)
class Usage:
    """What processes use: CPU in percent of one core since the sample before, memory in bytes."""

    user: float
    system: float
    rss: int

    @property
    def percent(self) -> float:
        """User and system time together."""
        return self.user + self.system


@dataclass(frozen=True, slots=True)
class Sample:
    """One reading: when (seconds since 1970), the whole task, and each process."""

    at: float
    total: Usage
    by_pid: Mapping[int, Usage]


class Sampler:
    """Reads a task again and again; the first reading shows no CPU, as percentages need two."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._before: dict[int, tuple[float, float]] = {}
        self._before_at = 0.0

    def read(self) -> Sample | None:
        """The use since the last reading, None once the executor has ended."""
        import psutil  # takes 20 ms to import, and the handshake should not wait for it

        if not self._process.alive:
            return None
        now = time.monotonic()
        passed = now - self._before_at if self._before else 0.0
        times: dict[int, tuple[float, float]] = {}
        by_pid: dict[int, Usage] = {}
        for pid in _family(self._process.pid):
            with contextlib.suppress(psutil.NoSuchProcess):
                process = psutil.Process(pid)
                with process.oneshot():
                    cpu, memory = process.cpu_times(), process.memory_info()
                times[pid] = (cpu.user, cpu.system)
                before = self._before.get(pid, times[pid])
                user, system = (
                    _percent(cpu.user - before[0], passed),
                    _percent(cpu.system - before[1], passed),
                )
                by_pid[pid] = Usage(user, system, memory.rss)
        self._before, self._before_at = times, now
        total = Usage(
            sum(usage.user for usage in by_pid.values()),
            sum(usage.system for usage in by_pid.values()),
            sum(usage.rss for usage in by_pid.values()),
        )
        return Sample(time.time(), total, by_pid)


def _percent(used: float, passed: float) -> float:
    return max(0.0, used / passed * 100) if passed > 0 else 0.0


def _family(pid: int) -> list[int]:
    """The process and all below it; psutil would read every process of the machine for that."""
    found, waiting = [], [pid]
    while waiting:
        parent = waiting.pop()
        found.append(parent)
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                waiting += [int(child) for child in children.read_text().split()]
    return found
