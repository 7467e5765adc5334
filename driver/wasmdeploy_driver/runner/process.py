"""A process that stays the same one: its pid together with when it started, since pids are used again."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from wasmdeploy_driver.errors import ExecutorError


@dataclass(frozen=True, slots=True)
class Process:
    """A pid, its start time in clock ticks since boot, and the boot that counts from."""

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
        except OSError:
            return None
        if self._is(_stat(self.pid)):
            return descriptor
        os.close(descriptor)
        return None

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

    def kill_session(self) -> None:
        """SIGKILL every process of the session that this one leads or led."""
        leader = _stat(self.pid)
        if boot_id() != self.boot_id or (leader is not None and not self._is(leader)):
            return  # the pid, and perhaps the session id, now belong to somebody else
        # A member may fork while it is listed, so look again; killed ones may take a moment to go.
        for _ in range(10):
            members = [pid for pid, stat in _everyone() if stat.session == self.pid and stat.runs]
            if not members:
                return
            for pid in members:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)

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

    def _is(self, stat: _Stat | None) -> bool:
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
class _Stat:
    state: str
    session: int
    start_time: int

    @property
    def runs(self) -> bool:
        return self.state not in "ZX"


def _stat(pid: int) -> _Stat | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The second field is the program's name in parentheses and may hold anything, spaces and parentheses too.
    fields = text.rpartition(")")[2].split()
    return _Stat(state=fields[0], session=int(fields[3]), start_time=int(fields[19]))


def _everyone() -> list[tuple[int, _Stat]]:
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]
    return [(pid, stat) for pid in pids if (stat := _stat(pid)) is not None]
