"""The first moments of an executor that the holder forked, and what keeps a task from having two."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from wasmdeploy_driver.executor import control
from wasmdeploy_driver.executor.parking import Wake
from wasmdeploy_driver.executor.title import show_arguments
from wasmdeploy_driver.forked import close_all_but, end_after, start_time
from wasmdeploy_driver.holder.holdings import Held

# Runs the task of a state directory, whose control socket listens already, and gives the exit status.
Executor = Callable[[list[str], socket.socket, Wake], int]


def take_lock(state: str) -> int | None:
    """The task's lock, which the executor that is forked now keeps for its life; None where another one has it.

    A process of the holder may be killed between its fork and its word about it: the other one learns by this
    whether there is an executor. Raises OSError where the task is gone.
    """
    lock = os.open(Path(state) / control.LAUNCH, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


def become(held: Held, lock: int, asked_at: float, executor: Executor) -> NoReturn:
    """Be the executor of a task that was parked, in a process that was forked for it."""
    end_after(lambda: _live(held, lock, asked_at, executor))


def _live(held: Held, lock: int, asked_at: float, executor: Executor) -> int:
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    os.setsid()
    close_all_but({lock, *held.descriptors})
    show_arguments((sys.executable, "-I", "-m", "wasmdeploy_driver.executor", held.state))
    state = Path(held.state)
    log = os.open(state / control.LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    for stream in (1, 2):
        os.dup2(log, stream)
    os.close(log)
    record(state, os.getpid())
    wake = Wake(held.shelved, tuple(held.clients.values()), asked_at)
    with socket.socket(fileno=held.shelved.control) as listener:
        return executor([held.state], listener, wake)


def record(state: Path, pid: int) -> None:
    """Write down which process is the task's executor now; done by it, too, since its parent may be killed before."""
    scratch = state / f".{control.EXECUTOR}.{os.getpid()}"
    scratch.write_text(json.dumps([pid, start_time(pid)]))
    scratch.replace(state / control.EXECUTOR)


def recorded(state: str) -> tuple[int, int] | None:
    """A task's executor as it was written down, its pid and start time: the one that was woken last, or the first."""
    for name in (control.EXECUTOR, control.RECORD):
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            data = json.loads((Path(state) / name).read_text())
            pid, started, *_ = data["executor"] if name == control.RECORD else data
            return int(pid), int(started)
    return None
