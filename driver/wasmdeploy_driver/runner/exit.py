"""How a task ended: from exit.json, or from what the kernel tells where the executor could not write it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from dataclasses import asdict, dataclass
from pathlib import Path

from wasmdeploy_driver.errors import ConfigError
from wasmdeploy_driver.executor.control import EXIT, LOG
from wasmdeploy_driver.schema import decode, entries


@dataclass(frozen=True, slots=True)
class ExitStatus:
    """A task's end; `exit_code` is 128 + signal after a signal, `error` one line or empty."""

    exit_code: int
    signal: int = 0
    oom_killed: bool = False
    error: str = ""


def read_exit(state: Path) -> ExitStatus | None:
    """What the executor wrote last, None where it was killed before it could."""
    try:
        descriptor = os.open(state / EXIT, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(descriptor) as file:
            data = json.load(file)
        known = {entry.name: data.get(entry.name) for entry in entries(ExitStatus)}
        return decode(ExitStatus, known, EXIT)
    except (OSError, ValueError, AttributeError, ConfigError):
        return None


def write_exit(state: Path, status: ExitStatus) -> None:
    """Write down how a task ended that had no executor then; raises OSError."""
    scratch = state / f".{EXIT}"
    scratch.write_text(json.dumps(asdict(status)))
    scratch.replace(state / EXIT)


def exit_without_record(state: Path, wait_status: int | None, oom_killed: bool) -> ExitStatus:
    """The end of an executor that left no exit.json; `wait_status` is None where it was no child."""
    if wait_status is not None and wait_status >= 0:
        return ExitStatus(wait_status or 1, error=f"the executor ended on its own: {last_log_line(state)}")
    number = -wait_status if wait_status is not None else signal.SIGKILL
    return ExitStatus(128 + number, int(number), oom_killed)


def last_log_line(state: Path) -> str:
    """The last line of the executor's own stderr, for an error message."""
    with contextlib.suppress(OSError):
        text = (state / LOG).read_bytes()[-4096:].decode(errors="replace")
        for line in reversed(text.splitlines()):
            if line.strip():
                return line.strip()
    return "no word of why in its log"


def ended_at(state: Path) -> float | None:
    """When exit.json was written, in seconds since 1970; it is there from the start, and empty."""
    try:
        status = (state / EXIT).stat(follow_symlinks=False)
    except OSError:
        return None
    return status.st_mtime if status.st_size else None
