"""Opening a task's files without leaving its directories.

Every step of a path is opened relative to the one before and must be no symbolic link, so that neither `..` nor a
link that a guest or a neighbour planted leads out, not even when it is planted in the middle of the walk.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from wasmdeploy_driver.errors import ConfigError, GuestError

_STEP = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
# A guest larger than this is refused before it is read into memory.
MAX_GUEST = 512 << 20


def open_beneath(root: Path, path: str, flags: int) -> int:
    """A descriptor of `path` below `root`; raises ConfigError where it leads out, OSError where it cannot be opened."""
    steps = PurePosixPath(path).parts
    if not steps or path.startswith("/") or ".." in steps:
        raise ConfigError(f"{path!r} leads out of {root}")
    at = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for step in steps[:-1]:
            at = _replace(at, os.open(step, _STEP | os.O_DIRECTORY, dir_fd=at))
        # O_NOFOLLOW with O_PATH opens a link itself; the check below names it.
        at = _replace(at, os.open(steps[-1], _STEP, dir_fd=at))
        if (os.fstat(at).st_mode & 0o170000) == 0o120000:
            raise ConfigError(f"{path!r} in {root} is a symbolic link")
        return os.open(f"/proc/self/fd/{at}", flags | os.O_CLOEXEC)
    finally:
        os.close(at)


def _replace(old: int, new: int) -> int:
    os.close(old)
    return new


def read_guest(root: Path, allow_paths: Iterable[str], source: str) -> bytes:
    """A guest's bytes: below `root`, or an absolute path below one of `allow_paths`; raises ConfigError, GuestError."""
    base, rest = _place(root, allow_paths, source)
    try:
        # Not blocking: a FIFO in place of the file must not hang the start.
        descriptor = open_beneath(base, rest, os.O_RDONLY | os.O_NONBLOCK)
    except OSError as error:
        raise GuestError(f"{source}: {error.strerror}") from error
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if (status.st_mode & 0o170000) != 0o100000:
            raise GuestError(f"{source} is no regular file")
        if status.st_size > MAX_GUEST:
            raise GuestError(f"{source} is larger than {MAX_GUEST >> 20} MiB")
        return file.read()


def _place(root: Path, allow_paths: Iterable[str], source: str) -> tuple[Path, str]:
    if not source.startswith("/"):
        return root, source
    for allowed in allow_paths:
        if Path(source).is_relative_to(allowed) and source != allowed:
            return Path(allowed), str(Path(source).relative_to(allowed))
    raise ConfigError(
        f"{source} is neither in the task directory nor in a directory that the driver allows",
        "the driver's allow_paths lists the directories that guests may come from",
    )
