"""Where the plugin listens: a directory for this user alone, since nothing else guards the socket."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from wasmdeploy_driver.errors import ListenError

_NAME = "nomad-driver-wasm"


@contextlib.contextmanager
def listening_directory(parent: Path | None = None) -> Iterator[Path]:
    """A fresh directory for this process; those of plugins that were killed are cleared away."""
    parent = parent or _parent()
    with _locked(parent):
        for other in parent.iterdir():
            if not _in_use(other):
                shutil.rmtree(other, ignore_errors=True)
        directory = Path(tempfile.mkdtemp(dir=parent, prefix=""))
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield directory
    finally:
        os.close(descriptor)
        shutil.rmtree(directory, ignore_errors=True)


def _parent() -> Path:
    # No cleaner of temporary files searches /run, and the path stays well below a socket address's limit.
    for candidate in (Path("/run") / _NAME, Path(tempfile.gettempdir()) / f"{_NAME}-{os.getuid()}"):
        try:
            candidate.mkdir(mode=0o700, exist_ok=True)
        except OSError:
            continue
        found = candidate.lstat()
        if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077:
            return candidate
    raise ListenError(f"no private directory for the plugin's socket in /run or {tempfile.gettempdir()}")


@contextlib.contextmanager
def _locked(directory: Path) -> Iterator[None]:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _in_use(directory: Path) -> bool:
    """Whether a living plugin holds the lock of its directory."""
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
