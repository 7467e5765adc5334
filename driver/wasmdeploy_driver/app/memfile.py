"""Files without a name, in memory: what is handed to another process of the task and to nobody else."""

from __future__ import annotations

import fcntl
import os

_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


def memory_file(content: bytes, name: str = "image", *, sealed: bool = False) -> int:
    """A new one with this content, which nobody can change any more where it is sealed; the caller closes it."""
    file = os.memfd_create(name, os.MFD_CLOEXEC | (os.MFD_ALLOW_SEALING if sealed else 0))
    view = memoryview(content)
    while view:
        view = view[os.write(file, view) :]
    if sealed:
        fcntl.fcntl(file, fcntl.F_ADD_SEALS, _SEALS)
    return file


def whole(file: int) -> bytes:
    """All that is in it."""
    return os.pread(file, os.fstat(file).st_size, 0)
