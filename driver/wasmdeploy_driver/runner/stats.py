"""CPU and memory of a task: of its executor and all processes below it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from wasmdeploy_driver.runner.process import Process

# The kernel walks all pages of a process for it, which is too much for every second of a thousand tasks.
_PSS_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Usage:
    """What processes use: CPU in percent of one core since the sample before, memory in bytes.

    `pss` counts a page that several processes share once in all: what the processes of a task add up to.
    """

    user: float
    system: float
    rss: int
    pss: int

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
    throttled_periods: int = 0
    throttled_ns: int = 0


class Sampler:
    """Reads a task again and again; the first reading shows no CPU, as percentages need two.

    `process` is its executor now, which changes where the task is parked and woken.
    """

    def __init__(
        self, process: Callable[[], Process], throttling: Callable[[], tuple[int, int]] = lambda: (0, 0)
    ) -> None:
        self._process = process
        self._throttling = throttling
        self._pss: dict[int, int] = {}
        self._pss_at = -_PSS_SECONDS
        self._before: dict[int, tuple[float, float]] = {}
        self._before_at = 0.0

    def read(self) -> Sample:
        """The use since the last reading: nothing while there is no executor."""
        import psutil  # takes 20 ms to import, and the handshake should not wait for it

        executor = self._process()
        now = time.monotonic()
        passed = now - self._before_at if self._before else 0.0
        if now - self._pss_at >= _PSS_SECONDS:
            self._pss, self._pss_at = {}, now
        times: dict[int, tuple[float, float]] = {}
        by_pid: dict[int, Usage] = {}
        for pid in _family(executor.pid) if executor.alive else ():
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
                if pid not in self._pss:
                    self._pss[pid] = _pss(pid) or memory.rss
                by_pid[pid] = Usage(user, system, memory.rss, self._pss[pid])
        self._before, self._before_at = times, now
        total = Usage(
            sum(usage.user for usage in by_pid.values()),
            sum(usage.system for usage in by_pid.values()),
            sum(usage.rss for usage in by_pid.values()),
            sum(usage.pss for usage in by_pid.values()),
        )
        return Sample(time.time(), total, by_pid, *self._throttling())


def _pss(pid: int) -> int:
    with contextlib.suppress(OSError, ValueError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) << 10
    return 0


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
