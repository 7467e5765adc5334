"""A log in files of a bounded size and number, named as Nomad's own collector names them: `<task>.stdout.N`.

`nomad alloc logs` and the web UI follow the numbers. The directory is the allocation's, where sibling tasks and guests
may write, too: what they plant under such a name is stepped over, never followed.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat

# A line up to this length moves to the next file as a whole; a longer one may be split, as by Nomad.
_WHOLE_LINE = 32 << 10
_STEPS = 100  # over what is planted under the next numbers
_MOST_NUMBER = 10**9  # beyond it nothing is ours
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class RotatedLog:
    """One stream's files in the open `directory`; goes on with the newest of them, and keeps `most_files`."""

    def __init__(self, directory: int, name: str, most_files: int, most_bytes: int) -> None:
        self._directory = directory
        self._name = name
        self._most_files = most_files
        self._most_bytes = most_bytes
        self._file, self._size, self._lost = -1, 0, 0
        self._number = max((each for each in self._numbers() if each <= _MOST_NUMBER), default=0)
        with contextlib.suppress(OSError):  # the disk is full: the next line may find room
            self._open(self._number)

    def write(self, data: bytes) -> None:
        """Add this; what a full disk does not take is lost, and a line says so once there is room again."""
        if self._lost and self._add(
            f"[{self._lost} bytes of this log are lost: the disk was full]\n".encode()
        ):
            self._lost = 0
        self._lost += len(data) - self._add(data)

    def _add(self, data: bytes) -> int:
        """Write it, and give how much of it could be written."""
        view, written = memoryview(data), 0
        with contextlib.suppress(OSError):
            while written < len(data):
                if self._file < 0:
                    self._open(self._number)
                elif fitting := self._fitting(data, written):
                    count = os.write(self._file, view[written : written + fitting])
                    written += count
                    self._size += count
                else:
                    self._open(self._number + 1)
        return written

    def _fitting(self, data: bytes, start: int) -> int:
        """How much of what follows `start` belongs into the file at hand."""
        room = max(0, self._most_bytes - self._size)
        if len(data) - start <= room:
            return len(data) - start
        if end := data.rfind(b"\n", start, start + room) + 1:
            return end - start
        return 0 if self._size and room < _WHOLE_LINE else room

    def _open(self, number: int) -> None:
        """Go on with the file of this number, or the next that is one of ours or can be made; raises OSError."""
        failure = OSError()
        for each in range(number, number + _STEPS):
            try:
                file = os.open(f"{self._name}.{each}", _FLAGS, 0o644, dir_fd=self._directory)
            except OSError as error:
                failure = error
                continue
            status = os.fstat(file)
            # Another link would be a file of somebody else's; what is no file has a reader of somebody else's.
            if stat.S_ISREG(status.st_mode) and status.st_nlink == 1:
                if self._file >= 0:
                    os.close(self._file)
                self._file, self._size, self._number = file, status.st_size, each
                self._purge()
                return
            os.close(file)
        raise failure

    def _purge(self) -> None:
        numbers = sorted(self._numbers())
        ours = [each for each in numbers if each <= self._number]
        planted = numbers[len(ours) :]
        for each in (*ours[: max(0, len(ours) - self._most_files)], *planted):
            with contextlib.suppress(OSError):
                os.unlink(f"{self._name}.{each}", dir_fd=self._directory)

    def _numbers(self) -> list[int]:
        pattern = re.compile(re.escape(self._name) + r"\.(0|[1-9][0-9]*)")
        names = (pattern.fullmatch(name) for name in os.listdir(self._directory))  # noqa: PTH208  # an open directory
        return [int(name[1]) for name in names if name and len(name[1]) < 20]
