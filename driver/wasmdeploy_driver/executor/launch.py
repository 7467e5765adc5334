"""`Launch`: a task and where it runs, all that an executor needs but the secrets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wasmdeploy_driver.errors import ConfigError
from wasmdeploy_driver.schema import decode, encode
from wasmdeploy_driver.task import Task


@dataclass(frozen=True, slots=True)
class VaultServer:
    """The Vault that secrets are read from; the token travels apart, over the control socket."""

    address: str
    namespace: str = ""
    ca_cert: str = ""
    client_cert: str = ""
    client_key: str = ""
    tls_server_name: str = ""
    mount: str = "secret"


@dataclass(frozen=True, slots=True)
class Cgroup:
    """The cgroup to join before any thread starts; `path` is as Nomad gives it, limits 0 mean none."""

    path: str
    memory_bytes: int = 0
    cpu_shares: int = 0
    processes: int = 0  # and threads

    @classmethod
    def of(cls, described: Mapping[str, Any]) -> Cgroup | None:
        """That of a launch which is still JSON, None where it has none."""
        return cls(**described["cgroup"]) if described.get("cgroup") else None


@dataclass(frozen=True, slots=True)
class Volume:
    """A directory of the node's own that every guest of the task may open, and where guests see it."""

    source: Path
    guest: str
    readonly: bool = False


@dataclass(frozen=True, slots=True)
class LogFiles:
    """The files that the executor writes its task's logs to, where Nomad does not collect them."""

    task: str
    most_files: int
    most_bytes: int


@dataclass(frozen=True, slots=True)
class Isolation:
    """Whom the task's processes run as once its guests are loaded, 0 for the driver's own user; 0 bytes: no limit."""

    uid: int = 0
    gid: int = 0
    file_bytes: int = 0  # the largest file that they may write


@dataclass(frozen=True, slots=True)
class Launch:
    """A task and its place: directories, address, log files, cache, cgroup and network namespace."""

    id: str
    task: Task
    root: Path  # guests and directories are looked up below it
    cache: Path  # compiled guests
    stdout: Path  # FIFO or file that takes the guest's standard output
    stderr: Path
    cache_bytes: int = 8 << 30  # how much of them is kept
    allow_paths: tuple[str, ...] = ()
    shared: Path | None = None  # the allocation's own directory: `alloc` where directories are named
    private: tuple[str, ...] = ("private",)  # directories of `root` with Nomad's own secrets: never a guest's
    volumes: tuple[Volume, ...] = ()
    host: str = "127.0.0.1"
    port: int = 0
    vault: VaultServer | None = None
    cgroup: Cgroup | None = None
    logs: LogFiles | None = None  # in place of stdout and stderr
    netns: str = ""
    holder: Path | None = None  # the socket of whoever holds the task while it is parked
    isolation: Isolation | None = None  # none on the machine of a developer, whose own programs guests are
    environment: Mapping[str, str] = field(default_factory=dict)  # NOMAD_* and other plain facts for commands

    def to_json(self) -> str:
        """One JSON object; no secret is ever part of it."""
        return json.dumps(encode(self))

    @classmethod
    def from_json(cls, text: str) -> Launch:
        """Read what `to_json` wrote; raises ConfigError."""
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"launch: not JSON: {error}") from error
        return decode(cls, data, "launch")
