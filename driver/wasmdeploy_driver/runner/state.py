"""What Nomad keeps of a task for us, to find it again; versioned, and without secrets."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from wasmdeploy_driver.errors import ConfigError
from wasmdeploy_driver.runner.process import Process
from wasmdeploy_driver.schema import decode, encode

VERSION = 1


@dataclass(frozen=True, slots=True)
class State:
    """A started task: its executor process, state directory, when it started, and its cgroup."""

    pid: int
    start_time: int
    boot_id: str
    directory: Path
    started_at: float
    cgroup: str = ""
    oom_kills: int = 0  # the cgroup's count when the task started: an allocation's restarts share the cgroup

    @property
    def process(self) -> Process:
        """The executor's process."""
        return Process(self.pid, self.start_time, self.boot_id)

    def to_bytes(self) -> bytes:
        """What goes into the task handle's `driver_state`."""
        return json.dumps({"version": VERSION, **encode(self)}).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> State:
        """Read what `to_bytes` wrote; raises ConfigError for anything else."""
        try:
            fields = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise ConfigError("the task's stored state is no JSON: the task cannot be recovered") from error
        version = fields.pop("version", None) if isinstance(fields, dict) else None
        if not isinstance(version, int) or not 1 <= version <= VERSION:
            raise ConfigError(
                f"the task's stored state has version {version!r}, this plugin reads 1 to {VERSION}",
                "drain the node before a change to an older plugin",
            )
        # What an older version did not write has its default: a new field needs one, and a new version.
        state = decode(cls, fields, "stored state")
        # What no system call takes would be an exception far from here.
        in_bounds = 0 < state.pid < 1 << 31 and 0 <= state.started_at < 1 << 33
        names = all(map(_is_name, (state.cgroup, str(state.directory))))
        if not (in_bounds and names and state.directory.is_absolute()):
            raise ConfigError("the task's stored state is damaged: the task cannot be recovered")
        return state


def _is_name(text: str) -> bool:
    """Whether a file can have this name."""
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:  # half a surrogate pair
        return False
