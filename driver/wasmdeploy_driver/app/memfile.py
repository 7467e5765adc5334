"""Files without a name, in memory: what is handed to another process of the task and to nobody else."""

from __future__ import annotations

import os


def memory_file(content: bytes, name: str = "image") -> int:
    """A new one with this content; the caller closes it."""
    file = os.memfd_create(name, os.MFD_CLOEXEC)
    view = memoryview(content)
    while view:
        view = view[os.write(file, view) :]
    return file


def whole(file: int) -> bytes:
    """All that is in it."""
    return os.pread(file, os.fstat(file).st_size, 0)
