"""A process that stays the same one: its pid together with when it started, since pids are used again."""

from __future__ import annotations

import os
import select
import signal
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from wasmdeploy_driver.errors import ExecutorError


@dataclass(frozen=True, slots=True)
class Process:
    """A pid, its start time in clock ticks since boot, and the boot that counts from.

    Whatever looks at it raises OSError where this process has no descriptor left: then nobody knows.
    """

    pid: int
    start_time: int
    boot_id: str

    @property
    def alive(self) -> bool:
        """Whether this very process runs; a zombie does not."""
        stat = _stat(self.pid)
        return stat is not None and stat.runs and self._is(stat)

    def open(self) -> int | None:
        """A pidfd that is readable once the process ended, None where it is gone; the caller closes it."""
        try:
            descriptor = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return None
        same = False
        try:
            same = self._is(_stat(self.pid))
        finally:
            if not same:
                os.close(descriptor)
        return descriptor if same else None

    def send(self, number: int) -> bool:
        """Signal this very process; False where it is gone."""
        descriptor = self.open()
        if descriptor is None:
            return False
        try:
            signal.pidfd_send_signal(descriptor, number)
        except ProcessLookupError:
            return False
        finally:
            os.close(descriptor)
        return True

    def may_lead(self, stat: Stat | None) -> bool:
        """Whether the session of this pid is still its own, by what the process table has for the pid."""
        return boot_id() == self.boot_id and (stat is None or self._is(stat))

    def join(self, timeout: float) -> bool:
        """Block until the process has ended, at most `timeout` seconds; says whether it has."""
        descriptor = self.open()
        if descriptor is None:
            return True
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        try:
            return bool(poll.poll(timeout * 1000))
        finally:
            os.close(descriptor)

    def _is(self, stat: Stat | None) -> bool:
        return stat is not None and stat.start_time == self.start_time and boot_id() == self.boot_id


def identify(pid: int) -> Process:
    """The process that has this pid now; raises ExecutorError where there is none."""
    stat = _stat(pid)
    if stat is None:
        raise ExecutorError(f"process {pid} ended at once")
    return Process(pid, stat.start_time, boot_id())


@cache
def boot_id() -> str:
    """This boot's name, so that start times of an earlier one mean nothing."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


@dataclass(frozen=True, slots=True)
class Stat:
    """What the process table says of a process."""

    state: str
    session: int
    start_time: int

    @property
    def runs(self) -> bool:
        """Whether it is no zombie."""
        return self.state not in "ZX"


def _stat(pid: int) -> Stat | None:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123  # in half the time
            line = file.read()
    except (
        FileNotFoundError,
        ProcessLookupError,
        PermissionError,
    ):  # or it is hidden from us, and so not ours
        return None
    # The second field is the program's name in parentheses and may be any bytes, spaces and parentheses too.
    fields = line.rpartition(b")")[2].split()
    return Stat(state=fields[0].decode(), session=int(fields[3]), start_time=int(fields[19]))


def process_table() -> dict[int, Stat]:
    """All processes of the node by their pids."""
    pids = [int(name) for name in os.listdir("/proc") if name.isdecimal()]  # noqa: PTH208  # there may be thousands
    return {pid: stat for pid in pids if (stat := _stat(pid)) is not None}
