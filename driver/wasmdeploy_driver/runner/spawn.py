"""Starting one executor process, with a state directory of its own."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wasmdeploy_driver.errors import ExecutorError
from wasmdeploy_driver.executor.control import LAUNCH, LOG
from wasmdeploy_driver.executor.launch import Launch
from wasmdeploy_driver.runner.process import Process, identify

EXECUTOR = (sys.executable, "-I", "-m", "wasmdeploy_driver.executor")
RECORD = "process.json"
_DYING = 5.0

# The plugin has the agent's whole environment, tokens included; an executor gets only what is named here.
_ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR")


@dataclass(frozen=True, slots=True)
class Record:
    """Whom a state directory belongs to: its executor, the plugin that started it, and how far that got."""

    executor: Process
    starter: Process
    started: bool
    root: str


@dataclass(frozen=True, slots=True)
class Spawned:
    """An executor that was just started, not yet told to start its task."""

    directory: Path
    process: Process
    child: subprocess.Popen[bytes]

    def undo(self) -> None:
        """Kill it and remove its state directory."""
        self.process.kill_session()
        self.child.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


def directory_of(data_dir: Path, task_id: str) -> Path:
    """The state directory of the task <alloc>/<task>/<start>: those of its other starts differ behind the dash."""
    task, _, _ = task_id.rpartition("/")
    return data_dir / "tasks" / f"{_digest(task)[:16]}-{_digest(task_id)[:8]}"


def other_starts(directory: Path) -> list[Path]:
    """The state directories of the other starts of the same task in the same allocation."""
    prefix = directory.name.partition("-")[0]
    return [each for each in directory.parent.glob(f"{prefix}-*") if each != directory]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def spawn(directory: Path, launch: Launch, command: Sequence[str]) -> Spawned:
    """Make the state directory and start the executor in its own session; leaves nothing when it raises."""
    try:
        directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.mkdir(mode=0o700)
    except OSError as error:
        raise ExecutorError(f"state directory {directory}: {error.strerror}") from error
    child: subprocess.Popen[bytes] | None = None
    try:
        _write_new(directory / LAUNCH, launch.to_json())
        _write_new(directory / LOG, "")
        with (directory / LOG).open("ab") as log:
            # All three streams and every other descriptor stay behind: a child that holds the plugin's stdout
            # keeps Nomad from noticing that the plugin died. No preexec_fn: Python can use vfork then.
            child = subprocess.Popen(
                [*command, str(directory)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                close_fds=True,
                start_new_session=True,
                cwd="/",
                env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
            )
        process = identify(child.pid)
        record(directory, Record(process, identify(os.getpid()), False, str(launch.root)))
    except OSError as error:
        _undo(directory, child)
        raise ExecutorError(f"the executor cannot be started: {error.strerror} ({command[0]})") from error
    except BaseException:
        _undo(directory, child)
        raise
    return Spawned(directory, process, child)


def record(directory: Path, entry: Record) -> None:
    """Write down which processes the directory belongs to."""
    _write_atomically(
        directory / RECORD,
        {
            "executor": [entry.executor.pid, entry.executor.start_time, entry.executor.boot_id],
            "starter": [entry.starter.pid, entry.starter.start_time, entry.starter.boot_id],
            "started": entry.started,
            "root": entry.root,
        },
    )


def read_record(directory: Path) -> Record | None:
    """The directory's processes, None where it was left before they were written down."""
    try:
        data = json.loads((directory / RECORD).read_text())
        executor, starter = _process(data["executor"]), _process(data["starter"])
        return Record(executor, starter, bool(data["started"]), str(data["root"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def discard(directory: Path) -> None:
    """Kill what still runs for the state directory and remove it; does nothing where there is none."""
    if (entry := read_record(directory)) is not None:
        entry.executor.kill_session()
        entry.executor.join(_DYING)  # what still dies may still write
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISDIR(directory.lstat().st_mode):
            shutil.rmtree(directory)


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


def _undo(directory: Path, child: subprocess.Popen[bytes] | None) -> None:
    if child is not None:
        child.kill()
        child.wait()
    shutil.rmtree(directory, ignore_errors=True)
