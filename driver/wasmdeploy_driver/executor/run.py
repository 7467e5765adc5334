"""Running a command: the thread it runs in, and the task's log files as its streams."""

from __future__ import annotations

import contextlib
import os
import select
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

from wasmdeploy_driver.app.worker import THREAD_STACK
from wasmdeploy_driver.errors import ExecutorError, GuestTrap
from wasmdeploy_driver.executor.files import open_input
from wasmdeploy_driver.executor.launch import Launch
from wasmdeploy_driver.executor.logs import Logs
from wasmdeploy_driver.executor.prepare import Command


def take_streams(launch: Launch, held: tuple[int, int] | None = None) -> Logs | None:
    """Make the task's log FIFOs the guest's stdout and stderr, or collect them here; raises ExecutorError.

    `held` are both FIFOs, where they were kept open while the task was parked.

    FIFOs are opened for reading too: then a dead log collector is no EPIPE that would break the guest, and its
    successor finds what was written meanwhile.
    """
    # The executor's own words stay in its log; wasmtime's and the guest's go to the task's.
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1)
    if launch.logs is not None:
        return Logs(launch, launch.logs)
    if held is not None:
        for opened, descriptor in zip(held, (1, 2), strict=True):
            os.dup2(opened, descriptor)
            os.close(opened)
        return None
    for path, descriptor in ((launch.stdout, 1), (launch.stderr, 2)):
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            opened = os.open(path, flags, 0o600)
        except OSError as error:
            raise ExecutorError(f"log {path}: {error.strerror}") from error
        os.dup2(opened, descriptor)
        os.close(opened)
    return None


def take_input(launch: Launch) -> None:
    """Make the file that the task names, where it does, the guest's standard input; raises ConfigError."""
    if launch.task.stdin:
        descriptor = open_input(launch, launch.task.stdin)
        os.dup2(descriptor, 0)
        os.close(descriptor)


def run(command: Command) -> int:
    """Run the guest; a trap is told where its user looks, below the guest's own last words."""
    try:
        return command.run()
    except GuestTrap as error:
        os.write(2, f"{error.message}\n".encode(errors="replace"))
        raise


def tell_task(text: str) -> None:
    """Write a line to the task's stderr, where the app's developer looks.

    A full log loses it: nobody reads it then, and waiting would stop the app.
    """
    with contextlib.suppress(OSError):
        if select.select((), (2,), (), 0)[1]:
            os.write(2, f"{text}\n".encode(errors="replace"))


def guest_thread() -> ThreadPoolExecutor:
    """A thread that can run a guest."""
    threading.stack_size(THREAD_STACK)
    return ThreadPoolExecutor(1, thread_name_prefix="guest")
