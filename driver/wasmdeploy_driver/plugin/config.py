"""What an operator sets in the agent's `plugin "nomad-driver-wasm" { config { … } }`."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from wasmdeploy_driver.duration import seconds
from wasmdeploy_driver.errors import ConfigError
from wasmdeploy_driver.executor.launch import Isolation, LogFiles, VaultServer
from wasmdeploy_driver.runner.executors import Way

_ANY_PROCESSES = 1 << 22  # what Linux has process ids for


@dataclass(frozen=True, slots=True)
class Vault:
    """Where executors read secrets; what is not set comes from the agent's own environment."""

    address: str = field(default="", metadata={"doc": "Vault's URL; VAULT_ADDR of the agent if unset"})
    namespace: str = field(default="", metadata={"doc": "Vault namespace; VAULT_NAMESPACE if unset"})
    ca_cert: str = field(
        default="",
        metadata={"doc": "file or directory with Vault's CA; VAULT_CACERT or VAULT_CAPATH if unset"},
    )
    client_cert: str = field(
        default="", metadata={"doc": "file with executors' own certificate; VAULT_CLIENT_CERT if unset"}
    )
    client_key: str = field(default="", metadata={"doc": "file with its key; VAULT_CLIENT_KEY if unset"})
    tls_server_name: str = field(
        default="",
        metadata={
            "doc": "name that Vault's certificate has, where not its address's; VAULT_TLS_SERVER_NAME if unset"
        },
    )
    mount: str = field(default="secret", metadata={"doc": "mount of the KV version 2 engine"})


@dataclass(frozen=True, slots=True)
class MaxLimits:
    """The most that a job may ask for with its own `limits`."""

    memory_mb: int = field(default=0, metadata={"doc": "most of `limits.memory_mb`; 0 for any"})
    timeout: str = field(
        default="", metadata={"doc": "most of `limits.timeout`, `0` included; empty for any"}
    )
    file_mb: int = field(
        default=0, metadata={"doc": "the largest file that a task's processes may write; 0 for any"}
    )
    processes: int = field(
        default=4096, metadata={"doc": "the processes and threads of a task, at least 64; 0 for any number"}
    )

    def check(self) -> None:
        """Raise ConfigError for a limit that is none."""
        for name in ("memory_mb", "file_mb"):
            if (most := getattr(self, name)) < 0:
                raise ConfigError(f"plugin config: max_limits.{name}: {most} is negative")
        if self.timeout:
            seconds(self.timeout, "plugin config: max_limits.timeout")
        if self.processes and not 64 <= self.processes <= _ANY_PROCESSES:
            raise ConfigError(
                f"plugin config: max_limits.processes: {self.processes} is not 64 to {_ANY_PROCESSES}, or 0"
            )


@dataclass(frozen=True, slots=True)
class Logs:
    """The files of each stream of a task, with `log_collection = "driver"`; in place of the job's `logs` block."""

    max_files: int = field(default=10, metadata={"doc": "how many are kept"})
    max_file_size: int = field(default=10, metadata={"doc": "size of one in MB"})


@dataclass(frozen=True, slots=True)
class Volumes:
    """The node's volumes that jobs may have, with `volume` and `volume_mount`."""

    enabled: bool = field(default=True, metadata={"doc": "whether tasks may have volumes"})


@dataclass(frozen=True, slots=True)
class Cache:
    """Where compiled guests are kept; what was not used for the longest time goes first."""

    dir: str = field(
        default="", metadata={"doc": "a directory for them alone; `cache` in `data_dir` if unset"}
    )
    max_size: int = field(default=8192, metadata={"doc": "how much of them is kept, in MB"})


@dataclass(frozen=True, slots=True)
class PluginConfig:
    """The plugin's configuration."""

    data_dir: str = field(
        default="/var/lib/nomad-driver-wasm",
        metadata={"doc": "compiled guests and the state of running tasks"},
    )
    allow_paths: tuple[str, ...] = field(
        default=(), metadata={"doc": "directories outside of the task from which guests may be loaded"}
    )
    allow_network: bool = field(
        default=True, metadata={"doc": "whether guests may call what their `allowed_outbound_hosts` list"}
    )
    volumes: Volumes = field(
        default_factory=Volumes,
        metadata={"doc": "the node's volumes, as a job's `volume` and `volume_mount` name them"},
    )
    engines: tuple[str, ...] = field(
        default=("in-process", "wasmtime"),
        metadata={"doc": "what may run guests: `in-process`, and the command line `wasmtime` of the node"},
    )
    cache: Cache = field(default_factory=Cache, metadata={"doc": "compiled guests"})
    max_limits: MaxLimits = field(
        default_factory=MaxLimits, metadata={"doc": "the most that a job's `limits` may say"}
    )
    executor: str = field(
        default="fork",
        metadata={
            "doc": "how a task's process is made: `fork` (small, in milliseconds) or `spawn` (each for itself)"
        },
    )
    user: str = field(
        default="",
        metadata={
            "doc": "whom a task runs as that names no `user`; the agent's own where that is unset, too"
        },
    )
    log_collection: str = field(
        default="nomad",
        metadata={
            "doc": "who writes the files of `nomad alloc logs`: `nomad` (a process for each task) or `driver`"
        },
    )
    logs: Logs = field(default_factory=Logs, metadata={"doc": "the files that the driver writes"})
    log_file: str = field(
        default="", metadata={"doc": "the plugin's own log; `plugin.log` in `data_dir` if unset"}
    )
    stats_interval: str = field(
        default="",
        metadata={"doc": "the least time between two statistics of a task, whatever the agent asks"},
    )
    vault: Vault = field(default_factory=Vault, metadata={"doc": "where secrets are read"})

    def check(self) -> None:
        """Raise ConfigError for a path that depends on where the agent was started, an unknown choice, no limit."""
        if self.executor not in ("fork", "spawn"):
            raise ConfigError(
                f'plugin config: executor is {self.executor!r}, which is neither "fork" nor "spawn"'
            )
        if self.log_collection not in ("nomad", "driver"):
            raise ConfigError(
                f"plugin config: log_collection is {self.log_collection!r}, "
                'which is neither "nomad" nor "driver"'
            )
        for name in ("max_files", "max_file_size"):
            if getattr(self.logs, name) < 1:
                raise ConfigError(f"plugin config: logs.{name} must be at least 1")
        self.max_limits.check()
        if unknown := sorted(set(self.engines) - {"in-process", "wasmtime"}):
            raise ConfigError(
                f'plugin config: engines: {unknown[0]!r} is neither "in-process" nor "wasmtime"'
            )
        if self.cache.max_size < 1:
            raise ConfigError("plugin config: cache.max_size must be at least 1")
        if self.stats_interval:
            seconds(self.stats_interval, "plugin config: stats_interval")
        chosen = filter(None, (self.cache.dir, self.log_file))
        for path in (self.data_dir, *self.allow_paths, *chosen):
            if not Path(path).is_absolute() or ".." in Path(path).parts:
                raise ConfigError(f"plugin config: {path!r} is not an absolute path without ..")

    def isolation(self, user: str) -> Isolation:
        """Whom the processes of a task run as that names `user`, and the largest file they write.

        Raises ConfigError for a user that there is not, or that the operator's choice rules out.
        """
        file_bytes = self.max_limits.file_mb << 20
        if not (name := user or self.user):
            return Isolation(file_bytes=file_bytes)
        try:
            found = pwd.getpwnam(name)
        except KeyError as error:
            raise ConfigError(f"user: there is no user {name!r} on this node") from error
        if user and self.user and not found.pw_uid:
            raise ConfigError(f"user: this node runs no task as {user}", f"leave it out for {self.user}")
        if os.geteuid() not in (0, found.pw_uid):
            raise ConfigError(f"user: the agent cannot run a task as {name}: it does not run as root itself")
        return Isolation(found.pw_uid, found.pw_gid, file_bytes)

    def log_files(self, task: str) -> LogFiles | None:
        """Where the executor of a task writes its logs; None where Nomad collects them."""
        if self.log_collection == "nomad":
            return None
        return LogFiles(task, self.logs.max_files, self.logs.max_file_size << 20)

    @property
    def cache_dir(self) -> Path:
        """Where compiled guests are."""
        return Path(self.cache.dir or f"{self.data_dir}/cache")

    @property
    def own_log(self) -> Path:
        """The plugin's own log."""
        return Path(self.log_file or f"{self.data_dir}/plugin.log")

    @property
    def way(self) -> Way:
        """How executors are made."""
        return "spawn" if self.executor == "spawn" else "fork"

    def vault_server(self, environment: Mapping[str, str]) -> VaultServer | None:
        """The Vault to use, filled up from the agent's environment; None where no address is known."""
        address = self.vault.address or environment.get("VAULT_ADDR", "")
        if not address:
            return None
        own = self.vault

        def said(configured: str, *names: str) -> str:
            return configured or next((environment[name] for name in names if environment.get(name)), "")

        return VaultServer(
            address=address,
            namespace=said(own.namespace, "VAULT_NAMESPACE"),
            ca_cert=said(own.ca_cert, "VAULT_CACERT", "VAULT_CAPATH"),
            client_cert=said(own.client_cert, "VAULT_CLIENT_CERT"),
            client_key=said(own.client_key, "VAULT_CLIENT_KEY"),
            tls_server_name=said(own.tls_server_name, "VAULT_TLS_SERVER_NAME"),
            mount=own.mount,
        )
