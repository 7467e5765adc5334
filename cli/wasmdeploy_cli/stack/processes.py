"""A process that outlives the command which started it, known by more than its number.

Process numbers are reused, so a process is its number, its start time and the boot it lived in; signals go
through a pidfd that was checked against all three, and therefore never reach anyone else.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from wasmdeploy_cli.errors import StackError

_KILL_GRACE = 10.0
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Process:
    """One process: `started` is its start time in clock ticks since the boot `boot`."""

    pid: int
    started: int
    boot: str


def spawned(argv: Sequence[str], log: Path, environment: Mapping[str, str]) -> Process:
    """Start a program in its own session, its output appended to `log`."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    try:
        pid = os.posix_spawn(
            argv[0],
            list(argv),
            dict(environment),
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(log), flags, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
            setsigmask=[],
            setsigdef=[signal.SIGINT, signal.SIGPIPE],
        )
    except OSError as error:
        raise StackError(
            f"{argv[0]} cannot be started: {error.strerror}",
            "name a directory of programs for this machine with --bin-dir",
        ) from error
    started = _stat(pid)
    return Process(pid, started[1] if started else 0, boot_id())


def boot_id() -> str:
    """The identity of this boot of the machine."""
    return _BOOT_ID.read_text().strip()


def _stat(pid: int) -> tuple[str, int] | None:
    """A process's state letter and start time, or None where there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text.rpartition(")")[2].split()  # the name before it may hold anything
    return fields[0], int(fields[19])


def alive(process: Process) -> bool:
    """Whether exactly this process still runs; a zombie does not."""
    stat = _stat(process.pid)
    if stat is None or stat[1] != process.started or process.boot != boot_id():
        return False
    if stat[0] in "ZX":
        _reap(process.pid)
        return False
    return True


def stopped(processes: Iterable[Process], grace: float) -> None:
    """End those that are still the same ones, all at once: SIGTERM, up to `grace` seconds, SIGKILL."""
    with contextlib.ExitStack() as descriptors:
        left: dict[int, Process] = {}
        for process in processes:
            try:
                fd = os.pidfd_open(process.pid)
            except OSError:
                continue  # gone
            descriptors.callback(os.close, fd)
            if alive(process):  # only now: from here on the descriptor cannot mean another process
                left[fd] = process
        for number, wait in ((signal.SIGTERM, grace), (signal.SIGKILL, _KILL_GRACE)):
            for fd, process in left.items():
                _send(fd, process, number)
            left = _still_there(left, wait)
    if left:
        pids = ", ".join(str(process.pid) for process in left.values())
        raise StackError(
            f"these processes do not end: {pids}", "look at what they wait for in /proc/PID/stack"
        )


def _send(fd: int, process: Process, number: signal.Signals) -> None:
    try:
        signal.pidfd_send_signal(fd, number)
    except ProcessLookupError:
        pass
    except PermissionError as error:
        raise StackError(
            f"process {process.pid} belongs to another user", "run the command as that user"
        ) from error


def _still_there(processes: Mapping[int, Process], wait: float) -> dict[int, Process]:
    """Those that have not ended after `wait` seconds; the others are reaped."""
    left = dict(processes)
    deadline = time.monotonic() + wait
    poll = select.poll()
    for fd in left:
        poll.register(fd, select.POLLIN)
    while left and (ended := poll.poll(max(0.0, deadline - time.monotonic()) * 1000)):
        for fd, _ in ended:
            poll.unregister(fd)
            _reap(left.pop(fd).pid)
    return left


def _reap(pid: int) -> None:
    with contextlib.suppress(ChildProcessError):  # it is ours only where this very process started it
        os.waitpid(pid, os.WNOHANG)


def every() -> Iterator[Process]:
    """All processes of the machine that run now."""
    for path in Path("/proc").iterdir():
        if path.name.isdigit() and (stat := _stat(int(path.name))) and stat[0] not in "ZX":
            yield Process(int(path.name), stat[1], boot_id())


def last_lines(log: Path, count: int = 8) -> str:
    """The end of a log file, for an error message."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 16384))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return "(no log)"
    return "\n".join(lines[-count:]) or "(the log is empty)"
