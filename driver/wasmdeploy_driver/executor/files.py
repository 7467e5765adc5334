"""Opening a task's files without leaving its directories.

Every step of a path is opened relative to the one before and must be no symbolic link, so that neither `..`
nor a link that a guest or a neighbour planted leads out, not even when it is planted in the middle of the
walk.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from wasmdeploy_driver.errors import ConfigError, GuestError, GuestMissing
from wasmdeploy_driver.executor.launch import Launch, Volume
from wasmdeploy_driver.guest.preopen import Preopen
from wasmdeploy_driver.task import Dir

_STEP = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
# A guest larger than this is refused before it is read into memory.
MAX_GUEST = 512 << 20


def open_beneath(root: Path, path: str, flags: int, private: Sequence[str] = ()) -> int:
    """A descriptor of `path` below `root`, `.` for `root` itself, but nothing of a `private` directory there.

    Raises ConfigError where it leads out or would show what is private, OSError where it cannot be opened.
    """
    steps = PurePosixPath(path).parts or (".",)
    if not path or path.startswith("/") or ".." in steps:
        raise ConfigError(f"{path!r} leads out of {root}")
    if "\0" in path or not _encodable(path):
        raise ConfigError(f"{path!r} is no path")
    if private and steps[0] in (".", *private):
        raise ConfigError(f"{path!r} is private: no guest gets {' or '.join(private)}, or what holds it")
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


def open_directory(launch: Launch, given: Dir | Volume) -> int:
    """A descriptor of a directory that a job gives its guests: below the task's root, or `alloc` and what it holds;
    or a volume.

    Raises ConfigError.
    """
    if isinstance(given, Volume):
        return _open_volume(given)
    try:
        return _open_own(launch, given.host, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise ConfigError(f"dir {given.host!r}: {error.strerror}") from error


def _open_volume(volume: Volume) -> int:
    # From the node's root: a guest that has a volume around this one may have put a link on the way.
    below = str(volume.source.relative_to("/"))
    try:
        return open_beneath(Path("/"), below, os.O_RDONLY | os.O_DIRECTORY)
    except (OSError, ConfigError) as error:
        why = error.strerror if isinstance(error, OSError) else error.message
        raise ConfigError(
            f"volume {volume.guest}: {volume.source}: {why}",
            "a volume is a directory of the node, with no symbolic link in its path",
        ) from error


def open_input(launch: Launch, path: str) -> int:
    """A descriptor of a file that a guest reads as its standard input, named as in `open_directory`.

    Raises ConfigError.
    """
    try:
        # Not blocking: a FIFO in place of the file must not hang the start.
        descriptor = _open_own(launch, path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError as error:
        raise ConfigError(f"stdin {path!r}: {error.strerror}") from error
    if (os.fstat(descriptor).st_mode & 0o170000) != 0o100000:
        os.close(descriptor)
        raise ConfigError(f"stdin {path!r} is no regular file")
    return descriptor


def _open_own(launch: Launch, path: str, flags: int) -> int:
    steps = PurePosixPath(path).parts
    if launch.shared is not None and steps[:1] == ("alloc",):
        return open_beneath(launch.shared, str(PurePosixPath(*steps[1:])), flags)
    return open_beneath(launch.root, path, flags, launch.private)


def open_dirs(launch: Launch, dirs: tuple[Dir, ...]) -> tuple[Preopen, ...]:
    """Open a guest's directories and the task's volumes now, so that what is under their names later does not matter.

    Raises ConfigError.
    """
    every: tuple[Dir | Volume, ...] = (*dirs, *launch.volumes)
    return tuple(Preopen(open_directory(launch, each), each.guest, each.readonly) for each in every)


def _encodable(path: str) -> bool:
    try:
        os.fsencode(path)
    except UnicodeEncodeError:
        return False
    return True


def _replace(old: int, new: int) -> int:
    os.close(old)
    return new


def open_guest(launch: Launch, source: str) -> int:
    """A descriptor of a guest: below the task's root, or an absolute path in `allow_paths`.

    Raises ConfigError, GuestError.
    """
    base, rest = _place(launch.root, launch.allow_paths, source)
    try:
        # Not blocking: a FIFO in place of the file must not hang the start.
        descriptor = open_beneath(
            base, rest, os.O_RDONLY | os.O_NONBLOCK, launch.private if base == launch.root else ()
        )
    except FileNotFoundError as error:
        raise GuestMissing(f"{source}: {error.strerror}") from error
    except OSError as error:
        raise GuestError(f"{source}: {error.strerror}") from error
    with contextlib.ExitStack() as undo:
        undo.callback(os.close, descriptor)
        status = os.fstat(descriptor)
        if (status.st_mode & 0o170000) != 0o100000:
            raise GuestError(f"{source} is no regular file")
        if status.st_size > MAX_GUEST:
            raise GuestError(f"{source} is larger than {MAX_GUEST >> 20} MiB")
        undo.pop_all()
    return descriptor


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
