"""Nomad's TaskConfig as a Launch, and the one thing that travels beside it: the task's Vault token."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgpack

from wasmdeploy_driver.duration import seconds
from wasmdeploy_driver.errors import ConfigError, SecretError
from wasmdeploy_driver.executor.holder import SOCKET
from wasmdeploy_driver.executor.launch import Cgroup, Launch, VaultServer
from wasmdeploy_driver.plugin.admission import refuse_excess
from wasmdeploy_driver.plugin.config import PluginConfig
from wasmdeploy_driver.plugin.tokens import read_token
from wasmdeploy_driver.plugin.volumes import volumes_of
from wasmdeploy_driver.runner.check import check
from wasmdeploy_driver.schema import decode
from wasmdeploy_driver.secrets import Secret
from wasmdeploy_driver.task import Task

_MOST_PATH = 4096


def launch_of(config: Any, plugin: PluginConfig, vault: VaultServer | None) -> Launch:
    """All that the executor needs for a TaskConfig's task; raises ConfigError naming what does not fit."""
    if not config.name or config.name in (".", "..") or "/" in config.name or "\0" in config.name:
        raise ConfigError(f"task name {config.name!r} cannot be a directory")
    for path in (config.alloc_dir, config.stdout_path, config.stderr_path):
        if not path.startswith("/") or "\0" in path or len(path) >= _MOST_PATH:
            raise ConfigError(
                f"{path[:80]!r} is no absolute path: Nomad names the task's directories and logs"
            )
    if config.devices:
        raise ConfigError("the driver wasm does not serve devices yet", "remove it from the task")
    task = _task(config)
    refuse_excess(plugin, task)
    host, port = _address(task, config)
    isolation = plugin.isolation(config.user)
    parks = seconds(task.idle_timeout, "idle_timeout") > 0
    return Launch(
        id=config.id,
        task=task,
        root=Path(config.alloc_dir) / config.name,
        cache=plugin.cache_dir,
        cache_bytes=plugin.cache.max_size << 20,
        stdout=Path(config.stdout_path),
        stderr=Path(config.stderr_path),
        allow_paths=plugin.allow_paths,
        shared=Path(config.alloc_dir) / "alloc",
        volumes=volumes_of(config, plugin, task),
        host=host,
        port=port,
        vault=vault if task.secrets else None,
        # With `logs { disabled = true }` Nomad names /dev/null, and nobody wants files.
        logs=plugin.log_files(config.name) if config.stdout_path != os.devnull else None,
        cgroup=_cgroup(config.resources.linux_resources, plugin.max_limits.processes),
        netns=config.network_isolation_spec.path,
        # A holder is root's: another user's executor could not hand its task over.
        holder=Path(plugin.data_dir) / SOCKET if parks and not isolation.uid else None,
        isolation=isolation,
        environment=_environment(config.env),
    )


def vault_token(config: Any, launch: Launch) -> Secret | None:
    """The token Nomad fetched for the task; None where it needs none, SecretError where it lacks one."""
    if not launch.task.secrets:
        return None
    names = ", ".join(variable.name for variable in launch.task.secrets)
    if launch.vault is None:
        raise SecretError(
            f"the task has secrets ({names}), but the driver knows no Vault",
            'set `vault { address = … }` in plugin "nomad-driver-wasm", or VAULT_ADDR for the agent',
        )
    if set(config.job_id) & set("*+"):
        raise SecretError(
            f"a job called {config.job_id!r} gets no secrets: in Vault's policies * and + stand for other jobs' names",
            "give the job another name",
        )
    token = read_token(launch.root)
    if token is None:
        raise SecretError(
            f"the task has secrets ({names}), but Nomad gave it no Vault token", "add `vault {}` to the task"
        )
    return token


def _task(config: Any) -> Task:
    try:
        data = msgpack.unpackb(config.msgpack_driver_config) if config.msgpack_driver_config else {}
    except ValueError as error:
        raise ConfigError("the task's config is no msgpack") from error
    task = decode(Task, data, "config")
    check(task)
    return task


def _address(task: Task, config: Any) -> tuple[str, int]:
    if task.http is None:
        return "127.0.0.1", 0
    ports = {mapping.label: mapping for mapping in config.resources.ports}
    port = ports.get(task.http.port)
    if port is None:
        there = ", ".join(sorted(ports)) or "none"
        raise ConfigError(
            f"http.port: the group has no port {task.http.port!r} (ports: {there})",
            f'add `network {{ port "{task.http.port}" {{}} }}` to the group',
        )
    if config.network_isolation_spec.path:
        return "0.0.0.0", port.to if port.to > 0 else port.value  # noqa: S104  # all of the task's own namespace
    return port.host_ip or "0.0.0.0", port.value  # noqa: S104  # Nomad always names the address


def _cgroup(resources: Any, processes: int) -> Cgroup | None:
    # Without root Nomad names a group that it could not make.
    if not os.path.isdir(resources.cpuset_cgroup):  # noqa: PTH112  # False for any text, never an error
        return None
    return Cgroup(resources.cpuset_cgroup, resources.memory_limit_bytes, resources.cpu_shares, processes)


def _environment(env: Mapping[str, str]) -> dict[str, str]:
    # NOMAD_TOKEN and NOMAD_TOKEN_<name> are identities: secrets, so they stay where they are.
    return {
        name: value
        for name, value in sorted(env.items())
        if name.startswith("NOMAD_") and not name.startswith("NOMAD_TOKEN")
    }
