"""Collecting a task's logs in its executor, where Nomad is told not to: no process of a collector beside each task.

The guests of all the task's processes write into one pipe a stream, and this process alone writes the files.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from dataclasses import dataclass

from wasmdeploy_driver.errors import ExecutorError
from wasmdeploy_driver.executor.files import open_beneath
from wasmdeploy_driver.executor.launch import Launch, LogFiles
from wasmdeploy_driver.executor.rotated import RotatedLog

_PART = 64 << 10
_LAST_PARTS = 16  # at the end: as much as a pipe holds, and no more, should a guest still write


@dataclass(frozen=True, slots=True)
class Collected:
    """One stream: the pipe's end to read from, and its files."""

    pipe: int
    log: RotatedLog

    def take(self) -> bool:
        """Move on what is in the pipe; whether there was anything."""
        with contextlib.suppress(BlockingIOError):
            if data := os.read(self.pipe, _PART):
                self.log.write(data)
                return True
        return False


class Logs:
    """Both streams of a task; its own stdout and stderr are the pipes from now on. Made in the event loop."""

    def __init__(self, launch: Launch, files: LogFiles) -> None:
        if launch.shared is None:
            raise ExecutorError("the task has no allocation whose logs could be written")
        try:
            directory = open_beneath(launch.shared, "logs", os.O_RDONLY | os.O_DIRECTORY)
            self._streams = {
                descriptor: _collect(directory, f"{files.task}.{name}", files, descriptor)
                for descriptor, name in ((1, "stdout"), (2, "stderr"))
            }
        except OSError as error:
            raise ExecutorError(f"the task's logs in {launch.shared}/logs: {error.strerror}") from error
        for stream in self._streams.values():
            asyncio.get_running_loop().add_reader(stream.pipe, stream.take)

    def tell(self, text: str) -> None:
        """Add a line to stderr, behind what guests have written: into the pipe it could wait for its own reader."""
        self.flush()
        self._streams[2].log.write(f"{text}\n".encode(errors="replace"))

    def flush(self) -> None:
        """Write down what is in the pipes."""
        for stream in self._streams.values():
            for _ in range(_LAST_PARTS):
                if not stream.take():
                    break


def _collect(directory: int, name: str, files: LogFiles, descriptor: int) -> Collected:
    log = RotatedLog(directory, name, files.most_files, files.most_bytes)
    pipe, into = os.pipe()
    os.set_blocking(pipe, False)
    os.dup2(into, descriptor)
    os.close(into)
    return Collected(pipe, log)
