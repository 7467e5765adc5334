"""`ls` and `cat` of what the guests see: the directories and volumes that the job gives them, and nothing else."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from wasmdeploy_driver.console.command import Command, Place, printable, wrong
from wasmdeploy_driver.console.streams import Streams
from wasmdeploy_driver.errors import ConfigError
from wasmdeploy_driver.executor.files import open_beneath, open_directory
from wasmdeploy_driver.executor.launch import Launch, Volume
from wasmdeploy_driver.task import Dir

_LIST = "ls [-l] [PATH]"
_PRINT = "cat PATH…"


@dataclass(frozen=True, slots=True)
class _Found:
    """A directory of the job's, and the path in it."""

    dir: Dir | Volume
    rest: str


def _ls(place: Place, streams: Streams, arguments: Sequence[str]) -> int:
    long = "-l" in arguments
    paths = [each for each in arguments if each != "-l"]
    if len(paths) > 1 or any(each.startswith("-") for each in paths):
        raise wrong(_LIST)
    path = _absolute(paths[0] if paths else "/")
    found = _find(place.launch, path)
    if found is None:
        names = _above(place.launch, path)
        if not names:
            raise ConfigError(f"ls: {path}: there is no such directory")
        for name in names:
            streams.say(f"{printable(name)}/")
        return 0
    descriptor = _open(place.launch, found, path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        _show(streams, descriptor, path, long)
    finally:
        os.close(descriptor)
    return 0


def _cat(place: Place, streams: Streams, arguments: Sequence[str]) -> int:
    if not arguments:
        raise wrong(_PRINT)
    for argument in arguments:
        path = _absolute(argument)
        found = _find(place.launch, path)
        if found is None:
            raise ConfigError(f"cat: {path}: there is no such file")
        # Not blocking: a FIFO must not hang the console.
        descriptor = _open(place.launch, found, path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ConfigError(f"cat: {path} is no regular file")
            while part := os.read(descriptor, 65536):
                streams.write(part)
        finally:
            os.close(descriptor)
    return 0


def _show(streams: Streams, descriptor: int, path: str, long: bool) -> None:
    status = os.fstat(descriptor)
    if not stat.S_ISDIR(status.st_mode):
        streams.say(_entry(path, status, long))
        return
    for name in sorted(os.listdir(descriptor)):
        # What is gone meanwhile is left out; links are told, never followed.
        try:
            status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
        except FileNotFoundError:
            continue
        streams.say(_entry(name, status, long))


def _entry(name: str, status: os.stat_result, long: bool) -> str:
    mark = "/" if stat.S_ISDIR(status.st_mode) else "@" if stat.S_ISLNK(status.st_mode) else ""
    shown = f"{printable(name)}{mark}"
    return f"{stat.filemode(status.st_mode)} {status.st_size:>12} {shown}" if long else shown


def _dirs(launch: Launch) -> list[Dir | Volume]:
    of_components = (each for component in launch.task.component for each in component.dir)
    return list(dict.fromkeys((*launch.task.dir, *of_components, *launch.volumes)))


def _absolute(path: str) -> str:
    steps = [step for step in path.split("/") if step not in ("", ".")]
    if ".." in steps:
        raise ConfigError(f"{path}: .. leads nowhere here")
    return "/" + "/".join(steps)


def _find(launch: Launch, path: str) -> _Found | None:
    """The directory of the job that the path lies in, the innermost one."""
    matching = [each for each in _dirs(launch) if PurePosixPath(path).is_relative_to(_absolute(each.guest))]
    if not matching:
        return None
    innermost = max(matching, key=lambda each: len(_absolute(each.guest)))
    return _Found(innermost, str(PurePosixPath(path).relative_to(_absolute(innermost.guest))))


def _above(launch: Launch, path: str) -> list[str]:
    """The first steps below `path` that lead to a directory of the job."""
    guests = [PurePosixPath(_absolute(each.guest)) for each in _dirs(launch)]
    below = [each.relative_to(path) for each in guests if each.is_relative_to(path)]
    return sorted({each.parts[0] for each in below if each.parts})


def _open(launch: Launch, found: _Found, path: str, flags: int) -> int:
    directory = open_directory(launch, found.dir)
    try:
        return _open_in(directory, found.rest, flags)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    finally:
        os.close(directory)


def _open_in(directory: int, rest: str, flags: int) -> int:
    return open_beneath(Path(f"/proc/self/fd/{directory}"), rest, flags)


FILES = (
    Command("ls", _LIST, "list a directory as the guests see it", _ls),
    Command("cat", _PRINT, "print files that the guests see", _cat),
)
