"""The first moments of an executor that the holder forked, and what keeps a task from having two."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
from collections.abc import Callable, Sequence
from pathlib import Path

from wasmdeploy_driver.executor import control, netns
from wasmdeploy_driver.executor.beginning import Beginning
from wasmdeploy_driver.executor.holder import decode, encode
from wasmdeploy_driver.executor.parking import Shelved, Wake
from wasmdeploy_driver.executor.title import show_executor
from wasmdeploy_driver.forked import close_all_but, end_after, start_time, write_to
from wasmdeploy_driver.forkserver.spare import Spare, begin
from wasmdeploy_driver.holder.holdings import Held

# Runs the task of a state directory, whose control socket listens already, and gives the exit status.
Executor = Callable[[list[str], socket.socket, Wake, Beginning | None, Sequence[int]], int]


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


class Waker:
    """Makes the executors of tasks that were parked, out of a spare one where there is one."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self.spare = Spare(self._become_told)

    def wake(self, held: Held, lock: int, asked_at: float) -> int:
        """An executor that has the task's lock; its pid. Raises OSError where none can be forked."""
        namespace = netns.of(Path(held.state))
        told = {
            "state": held.state, "asked_at": asked_at, "clients": len(held.clients), "namespaces": len(namespace)
        }  # fmt: skip
        pid = self.spare.take(encode(told), [lock, *namespace, *held.descriptors])
        for each in namespace:
            os.close(each)
        if not pid and not (pid := os.fork()):
            end_after(lambda: self._live(held, lock, asked_at))
        return pid

    def _live(self, held: Held, lock: int, asked_at: float) -> int:
        begin()
        close_all_but({lock, *held.descriptors})
        return _become(held.state, Wake(held.shelved, tuple(held.clients.values()), asked_at), self._executor)

    def _become_told(self, message: bytes, descriptors: list[int], beginning: Beginning) -> int:
        told = decode(message)
        first = 1 + told["namespaces"]  # behind the lock, which stays open
        end = len(descriptors) - told["clients"]
        wake = Wake(Shelved.of(descriptors[first:end]), tuple(descriptors[end:]), told["asked_at"])
        return _become(told["state"], wake, self._executor, beginning, descriptors[1:first])


def _become(
    shown: str,
    wake: Wake,
    executor: Executor,
    beginning: Beginning | None = None,
    namespace: Sequence[int] = (),
) -> int:
    show_executor(shown)
    state = Path(shown)
    write_to(os.open(state / control.LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600))
    record(state, os.getpid())
    with socket.socket(fileno=wake.shelved.control) as listener:
        return executor([shown], listener, wake, beginning, namespace)


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
