"""How a task ended, for whoever asks after its process is gone."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import traceback

from wasmdeploy_driver.errors import ExecutorError
from wasmdeploy_driver.executor.control import EXIT
from wasmdeploy_driver.executor.listeners import MAX_DETAIL


class Ending:
    """The exit status, written once; opened at once, as the task's user could not do it later."""

    def __init__(self, directory: int) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        self._file = os.open(EXIT, flags, 0o600, dir_fd=directory)
        self._written = asyncio.Event()

    @property
    def is_written(self) -> bool:
        """Whether the task has ended."""
        return self._written.is_set()

    async def wait(self) -> None:
        """Wait for the task's end."""
        await self._written.wait()

    def write(self, exit_code: int, *, signal_number: int = 0, error: str = "") -> None:
        """Say how the task ended; the first call wins."""
        if self.is_written:
            return
        status = {"exit_code": exit_code, "signal": signal_number, "oom_killed": False, "error": error}
        # On a full disk the status is lost, and the task ends all the same.
        with contextlib.suppress(OSError):
            os.pwrite(self._file, json.dumps(status).encode(), 0)
        self._written.set()


def unexpected(what: str, error: Exception) -> ExecutorError:
    """An error that nobody translated; its traceback goes to the executor's own log."""
    traceback.print_exception(error, file=sys.stderr)
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return ExecutorError(f"{what}: {type(error).__name__}: {reason}"[:MAX_DETAIL])
