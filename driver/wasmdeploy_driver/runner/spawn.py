"""An executor process and its state directory: made together, recorded, and removed together."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import shutil
import stat
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from wasmdeploy_driver.errors import ExecutorError
from wasmdeploy_driver.executor import cgroup
from wasmdeploy_driver.executor.control import EXECUTOR, LAUNCH, LOG, RECORD
from wasmdeploy_driver.executor.holder import SOCKET, ask
from wasmdeploy_driver.executor.launch import Cgroup, Launch
from wasmdeploy_driver.runner.process import Process, identify
from wasmdeploy_driver.runner.session import end_session

_DYING = 5.0


@dataclass(frozen=True, slots=True)
class Record:
    """Whom a state directory belongs to: its executor, the plugin that started it, and how far that got.

    `groups` are the control groups that Nomad made for the task, and removes once it has done with it.
    """

    executor: Process
    starter: Process
    started: bool
    root: str
    groups: tuple[str, ...] = ()


class Child(Protocol):
    """An executor process as whoever made it sees it."""

    process: Process

    async def status(self) -> int | None:
        """How it ended, as subprocess says it, None where nobody knows; asked once it has ended."""
        ...


Start = Callable[[Path], Awaitable[Child]]


@dataclass(frozen=True, slots=True)
class Spawned:
    """An executor that was just started, not yet told to start its task."""

    directory: Path
    child: Child
    entry: Record

    @property
    def process(self) -> Process:
        """Its process."""
        return self.child.process

    async def undo(self) -> None:
        """Kill it and remove its state directory."""
        await _undo(self.directory, self.child)


def directory_of(data_dir: Path, task_id: str) -> Path:
    """The state directory of the task <alloc>/<task>/<start>: those of its other starts differ behind the dash."""
    task, _, _ = task_id.rpartition("/")
    return data_dir / "tasks" / f"{_digest(task)[:16]}-{_digest(task_id)[:8]}"


def all_starts(directory: Path) -> list[Path]:
    """The state directories that there are of the same task in the same allocation, this one and those of other starts.

    A glance at one directory, whatever there is in it.
    """
    prefix = directory.name.partition("-")[0] + "-"
    try:
        return [directory.with_name(name) for name in os.listdir(directory.parent) if name.startswith(prefix)]  # noqa: PTH208
    except FileNotFoundError:
        return []


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


async def spawn(directory: Path, launch: Launch, start: Start) -> Spawned:
    """Make the state directory and an executor for it; leaves nothing when it raises."""
    try:
        directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.mkdir(mode=0o700)
    except OSError as error:
        raise ExecutorError(f"state directory {directory}: {error.strerror}") from error
    child: Child | None = None
    try:
        _write_new(directory / LAUNCH, launch.to_json())
        _write_new(directory / LOG, "")
        child = await start(directory)
        entry = Record(child.process, identify(os.getpid()), False, str(launch.root))
        record(directory, entry)
    except BaseException as error:
        await asyncio.shield(_undo(directory, child))
        if isinstance(error, OSError):
            raise ExecutorError(f"the executor cannot be started: {error.strerror}") from error
        raise
    return Spawned(directory, child, entry)


def record(directory: Path, entry: Record) -> None:
    """Write down which processes the directory belongs to."""
    _write_atomically(
        directory / RECORD,
        {
            "executor": [entry.executor.pid, entry.executor.start_time, entry.executor.boot_id],
            "starter": [entry.starter.pid, entry.starter.start_time, entry.starter.boot_id],
            "started": entry.started,
            "root": entry.root,
            "groups": entry.groups,
        },
    )


def read_record(directory: Path) -> Record | None:
    """The directory's processes, None where it was left before they were written down."""
    try:
        data = json.loads((directory / RECORD).read_text())
        executor = executor_of(directory, _process(data["executor"]))
        starter = _process(data["starter"])
        groups = tuple(map(str, data.get("groups", ())))
        return Record(executor, starter, bool(data["started"]), str(data["root"]), groups)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def executor_of(directory: Path, first: Process) -> Process:
    """The executor of a task now or at last: the one that it was last woken as, or its first."""
    try:
        pid, start_time = json.loads((directory / EXECUTOR).read_text())
        return Process(int(pid), int(start_time), first.boot_id)
    except (OSError, ValueError, TypeError):
        return first


def has_holder(directory: Path) -> bool:
    """Whether the task of a state directory is parked when it is idle."""
    try:
        return bool(json.loads((directory / LAUNCH).read_text()).get("holder"))
    except (OSError, ValueError, AttributeError):
        return False


def is_parked(directory: Path) -> bool:
    """Whether the holder has the task of a state directory; False where it does not say."""
    with contextlib.suppress(OSError, ValueError):
        answer = ask(directory.parent.parent / SOCKET, {"find": str(directory)}, _DYING)
        return answer is not None and bool(answer["parked"])
    return False


def discard(directory: Path) -> None:
    """Kill what still runs for the state directory and remove it; does nothing where there is none."""
    with contextlib.suppress(OSError, ValueError):  # a parked task is nobody's any more, and not woken
        ask(directory.parent.parent / SOCKET, {"drop": str(directory)}, _DYING)
    if (entry := read_record(directory)) is not None:
        end_session(entry.executor)
        entry.executor.join(_DYING)  # what still dies may still write
    _clear_cgroup(directory)
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISDIR(directory.lstat().st_mode):
            shutil.rmtree(directory)


def _clear_cgroup(directory: Path) -> None:
    with contextlib.suppress(OSError, ValueError, AttributeError, KeyError, TypeError):
        described = json.loads((directory / LAUNCH).read_text())
        if (group := Cgroup.of(described)) is not None:
            cgroup.clear(group, described["id"], _DYING)


def _process(data: Any) -> Process:
    pid, start_time, boot_id = data
    return Process(int(pid), int(start_time), str(boot_id))


def _write_atomically(path: Path, data: Any) -> None:
    """Write JSON so that a reader sees all of it or the file before."""
    scratch = path.with_name(f".{path.name}")
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(data, file)
    scratch.replace(path)


def _write_new(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)


async def _undo(directory: Path, child: Child | None) -> None:
    if child is not None:
        await asyncio.to_thread(end_session, child.process)
        await asyncio.to_thread(child.process.join, _DYING)
        await child.status()
        await asyncio.to_thread(_clear_cgroup, directory)
    await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)
